//! Who asks: the owner, or a process inside one of the hosted terminals.
//!
//! A task shows its token. A process without one is the owner's unless it runs below a hosted program: it, or one of
//! its ancestors, leads or belongs to that program's terminal session, or is this process: it adopts what loses its
//! parent below it ([`crate::pty::adopt_orphans`]), so that neither `setsid` nor a second fork leads out. This keeps
//! agents to what their tasks may; it is no wall against a program of the same user that sets out to deceive, which
//! could have something outside act for it (cron, a service manager, another terminal), or trace this very process.

use crate::pty::Kinship;

/// No process has more ancestors that matter.
const MOST_ANCESTORS: usize = 64;
/// An ancestor that ends while it is looked at hands its children on; so often they are looked for anew.
const MOST_LOOKS: usize = 8;

/// Whether a process runs in the terminal of one of these programs, or was started by what does. Where the system has
/// no list of processes none does.
pub fn runs_below(pid: i32, programs: &[i32]) -> bool {
    if Kinship::of(rustix::process::getpid().as_raw_pid()).is_none() {
        return false;
    }
    // Whoever changes its ancestors faster than they can be read is not the owner, nor is who left its connection to a
    // child and is gone itself.
    (0..MOST_LOOKS).find_map(|_| look(pid, programs)).unwrap_or(true)
}

/// `None`: one of its ancestors ended meanwhile.
fn look(pid: i32, programs: &[i32]) -> Option<bool> {
    let mut at = pid;
    for _ in 0..MOST_ANCESTORS {
        if programs.contains(&at) {
            return Some(true);
        }
        match Kinship::of(at)? {
            kin if programs.contains(&kin.session) => return Some(true),
            kin if kin.parent > 1 => at = kin.parent,
            _ => return Some(false),
        }
    }
    Some(true)
}

/// How often somebody may ask: a burst, and then steadily.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    left: f64,
    at_ms: u64,
}

/// So many requests at once: an orchestrator may start and ask for all its children in one go.
const BURST: f64 = 600.0;
/// And so many a second for ever.
const STEADY: f64 = 100.0;

impl Default for Allowance {
    fn default() -> Self {
        Self { left: BURST, at_ms: 0 }
    }
}

impl Allowance {
    /// Takes one request, if there is one left at this time of a steady clock.
    pub fn take(&mut self, now_ms: u64) -> bool {
        let passed = u32::try_from(now_ms.saturating_sub(self.at_ms)).unwrap_or(u32::MAX);
        self.left = (self.left + f64::from(passed) / 1000.0 * STEADY).min(BURST);
        self.at_ms = now_ms;
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_runs_below_whoever_started_it() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(runs_below(own, &[own]));
        let mut child = Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(runs_below(pid, &[own]), "its ancestor");
        assert!(!runs_below(own, &[pid]), "not the other way round");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(runs_below(pid, &[own]), "whoever is gone may have been");
    }

    #[test]
    fn an_allowance_runs_out_and_comes_back() {
        let mut allowance = Allowance::default();
        let taken = (0..2_000).filter(|_| allowance.take(1_000)).count();
        assert_eq!(taken, 600);
        assert!(!allowance.take(1_000));
        assert!(allowance.take(1_010), "one in 10 ms");
        assert!(!allowance.take(1_010));
    }
}
