//! Lines to drivers that tasks were asked of; and, in a driver, the one to where it is asked.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use shared::driver::{Asker, AskerEffect, Contact, DriverEffect};
use shared::entropy::Entropy;
use shared::id::TaskId;
use tokio::time::timeout;

use crate::driver::line::Line;
use crate::driver::serve::Driving;
use crate::driver::{ask, state};

/// What was ordered last is waited for this long at the end, as an end is.
const LAST_ORDERS: Duration = Duration::from_secs(1);

/// A driver, as it was known by a name when it was asked. What goes by that name later may be another.
#[derive(Debug)]
struct Known {
    name: String,
    contact: Contact,
    line: Line<Asker>,
}

/// See the module. Bound: one for each driver that is known by a name, and those where something still runs.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) driver: Option<Driving>,
    askers: Vec<Known>,
}

impl Lines {
    pub(super) fn is_driver(&self) -> bool {
        self.driver.is_some()
    }

    /// The line to the driver that goes by that name now.
    pub(super) fn ask(&mut self, name: &str, entropy: &mut Entropy) -> Result<&mut Line<Asker>, String> {
        let words = |error: anyhow::Error| format!("{error:#}");
        let contact = state::known(name).map_err(words)?;
        self.askers
            .retain(|known| known.name != name || known.contact == contact || known.line.machine.is_wanted());
        let is_it = |known: &Known| known.name == name && known.contact == contact;
        if !self.askers.iter().any(is_it) {
            let line = ask::line(contact.clone(), entropy.fork()).map_err(words)?;
            self.askers.push(Known { name: name.to_owned(), contact: contact.clone(), line });
        }
        let asked = self.askers.iter_mut().find(|known| is_it(known));
        asked.map(|known| &mut known.line).ok_or_else(String::new)
    }

    /// The line to the driver that was asked for a task.
    pub(super) fn of(&mut self, task: &TaskId) -> Option<&mut Line<Asker>> {
        self.askers.iter_mut().map(|known| &mut known.line).find(|line| line.machine.knows(task))
    }

    pub(super) fn order(&mut self) -> Option<DriverEffect> {
        self.driver.as_mut()?.line.news()
    }

    /// What a driver tells, and the driver's name.
    pub(super) fn told(&mut self) -> Option<(String, AskerEffect)> {
        self.askers.iter_mut().find_map(|known| Some((known.name.clone(), known.line.news()?)))
    }

    /// Waits until there may be news on one of them.
    pub(super) async fn step(&mut self) {
        let mut steps: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
        if let Some(driver) = &mut self.driver {
            steps.push(Box::pin(driver.line.step()));
        }
        for known in &mut self.askers {
            steps.push(Box::pin(known.line.step()));
        }
        poll_fn(|cx| {
            let ready = steps.iter_mut().any(|step| step.as_mut().poll(cx).is_ready());
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Lets what was ordered last arrive, but not for long.
    pub(super) async fn finish(&mut self) {
        let last = async {
            while self.askers.iter().any(|known| known.line.machine.has_orders()) {
                while self.told().is_some() {}
                self.step().await;
            }
        };
        drop(timeout(LAST_ORDERS, last).await);
    }
}
