//! Looking at single processes: whether those that a change stops or ends are stopped, or have ended.

use super::act::{ENDING_SIGNALS, Executor, Failure, is_up};
use super::change::{Action, Change};
use duress_engine::{EngineError, EngineResult, Process};

impl Executor {
    /// Looks at every process that a change sends a signal to, by one listing.
    ///
    /// A process that has ended is neither stopped nor missing as long as one that the change has
    /// stopped is left: the processes of a forking server come and go.
    pub(super) async fn observe_processes(
        &self,
        change: &Change,
        in_force: bool,
    ) -> Result<Vec<(String, bool)>, Failure> {
        let signalled = || {
            change.apply.iter().filter_map(|action| match action {
                Action::SignalProcess {
                    pid,
                    started,
                    signal,
                } => Some(((*pid, *started), signal.as_str())),
                _ => None,
            })
        };
        let stops_first = change
            .apply
            .iter()
            .any(|action| matches!(action, Action::Signal(signal) if signal == "SIGSTOP"));
        if signalled().next().is_none() && !stops_first {
            return Ok(Vec::new());
        }
        let listed = match self.listed(change).await {
            // Without the helper nothing is known of the first process, and nothing is said.
            Err(EngineError::Missing { .. }) if signalled().next().is_none() => {
                return Ok(Vec::new());
            }
            listed => listed?,
        };
        Ok(judge(signalled(), stops_first, &listed, in_force))
    }

    async fn listed(&self, change: &Change) -> EngineResult<Vec<Process>> {
        let list = || self.engine.processes(&change.container);
        match self.thawed(change, list).await {
            Err(EngineError::NotRunning { state, .. }) if !is_up(state) => Ok(Vec::new()),
            other => other,
        }
    }
}

fn judge<'a>(
    signalled: impl Iterator<Item = ((i32, u64), &'a str)>,
    stops_first: bool,
    listed: &[Process],
    in_force: bool,
) -> Vec<(String, bool)> {
    let mut seen = Vec::new();
    let mut ended = Vec::new();
    let mut stops = 0;
    for ((pid, started), signal) in signalled {
        let found = listed
            .iter()
            .find(|process| process.pid == pid && process.started == started);
        if ENDING_SIGNALS.contains(&signal) {
            // It stays ended, whatever is reverted: only `apply` has something to see.
            if in_force {
                seen.push((format!("process {pid} ended by {signal}"), found.is_none()));
            }
        } else if signal == "SIGSTOP" {
            match found {
                Some(process) => {
                    stops += 1;
                    seen.push((format!("process {pid} is stopped"), process.stopped));
                }
                None => ended.push(pid.to_string()),
            }
        }
    }
    if stops_first {
        let stopped = first(listed).is_some_and(|process| process.stopped);
        stops += 1;
        seen.push(("its first process is stopped".to_owned(), stopped));
    }
    if stops == 0 && !ended.is_empty() {
        seen.push((format!("process {} is stopped", ended.join(", ")), false));
    }
    seen
}

/// Returns the container's first process: number 1 of its pid namespace or, where other containers
/// share that, the one that started first.
fn first(listed: &[Process]) -> Option<&Process> {
    listed
        .iter()
        .min_by_key(|process| (process.pid != 1, process.started, process.pid))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, stopped: bool) -> Process {
        Process {
            pid,
            name: "worker".into(),
            command: Vec::new(),
            started: 100,
            stopped,
        }
    }

    fn seen(signal: &str, pids: &[i32], listed: &[Process], in_force: bool) -> Vec<bool> {
        let signalled = pids.iter().map(|pid| ((*pid, 100), signal));
        let seen = judge(signalled, false, listed, in_force);
        seen.into_iter().map(|(_, holds)| holds).collect()
    }

    #[test]
    fn a_process_that_ended_does_not_count_while_another_is_stopped() {
        let listed = [process(1, false), process(7, true), process(8, true)];
        assert_eq!(seen("SIGSTOP", &[7, 8, 9], &listed, true), [true, true]);
        assert_eq!(seen("SIGSTOP", &[9, 10], &listed, true), [false]);
        assert_eq!(seen("SIGSTOP", &[9], &listed, false), [false]);
    }

    #[test]
    fn a_process_that_goes_on_is_not_in_force() {
        let listed = [process(7, true), process(8, false)];
        assert_eq!(seen("SIGSTOP", &[7, 8], &listed, true), [true, false]);
        assert_eq!(seen("SIGSTOP", &[7, 8], &listed, false), [true, false]);
    }

    #[test]
    fn another_process_with_the_same_number_is_not_meant() {
        let mut other = process(7, true);
        other.started = 200;
        assert_eq!(seen("SIGSTOP", &[7], &[other], true), [false]);
    }

    #[test]
    fn what_is_killed_is_looked_for_when_it_is_applied_alone() {
        let listed = [process(7, false)];
        assert_eq!(seen("SIGKILL", &[7, 8], &listed, true), [false, true]);
        assert!(seen("SIGKILL", &[7, 8], &listed, false).is_empty());
    }

    #[test]
    fn the_first_process_is_found_in_a_shared_namespace_too() {
        let mut own = [process(9, false), process(12, true), process(31, false)];
        own[0].started = 300;
        own[2].started = 300;
        assert_eq!(first(&own).map(|process| process.pid), Some(12));
        let stopped = judge(std::iter::empty(), true, &own, true);
        assert_eq!(stopped, [("its first process is stopped".to_owned(), true)]);
    }
}
