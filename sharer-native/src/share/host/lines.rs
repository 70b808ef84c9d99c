//! Lines to drivers that tasks were asked of; and, in a driver, the one to where it is asked.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use shared::driver::{Asker, AskerEffect, DriverEffect};
use shared::entropy::Entropy;
use tokio::time::timeout;

use crate::driver::line::Line;
use crate::driver::serve::Driving;
use crate::driver::{ask, state};

/// What was ordered last is waited for this long at the end, as an end is.
const LAST_ORDERS: Duration = Duration::from_secs(1);

/// See the module. Bound: one for each driver that is known by a name.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub(super) driver: Option<Driving>,
    askers: BTreeMap<String, Line<Asker>>,
}

impl Lines {
    pub(super) fn is_driver(&self) -> bool {
        self.driver.is_some()
    }

    /// The line to a driver of that name.
    pub(super) fn ask(&mut self, name: &str, entropy: &mut Entropy) -> Result<&mut Line<Asker>, String> {
        if !self.askers.contains_key(name) {
            let line = state::known(name).and_then(|contact| ask::line(contact, entropy.fork()));
            self.askers.insert(name.to_owned(), line.map_err(|error| format!("{error:#}"))?);
        }
        self.askers.get_mut(name).ok_or_else(String::new)
    }

    /// The line, if that driver was asked before.
    pub(super) fn asked(&mut self, name: &str) -> Option<&mut Line<Asker>> {
        self.askers.get_mut(name)
    }

    pub(super) fn order(&mut self) -> Option<DriverEffect> {
        self.driver.as_mut()?.line.news()
    }

    /// What a driver tells, and the driver's name.
    pub(super) fn told(&mut self) -> Option<(String, AskerEffect)> {
        self.askers.iter_mut().find_map(|(name, line)| Some((name.clone(), line.news()?)))
    }

    /// Waits until there may be news on one of them.
    pub(super) async fn step(&mut self) {
        let mut steps: Vec<Pin<Box<dyn Future<Output = ()> + '_>>> = Vec::new();
        if let Some(driver) = &mut self.driver {
            steps.push(Box::pin(driver.line.step()));
        }
        for line in self.askers.values_mut() {
            steps.push(Box::pin(line.step()));
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
            while self.askers.values().any(|line| line.machine.has_orders()) {
                while self.told().is_some() {}
                self.step().await;
            }
        };
        drop(timeout(LAST_ORDERS, last).await);
    }
}
