//! When each of a trial's faults is injected. When it is reverted counts from when it was in force, which nobody knows beforehand.

use std::collections::VecDeque;
use std::time::Duration;

use duress_model::PlannedFault;

/// The faults that are still to be injected, first things first: when, and which by its number.
#[derive(Debug)]
pub(super) struct Timeline(VecDeque<(Duration, usize)>);

impl Timeline {
    /// Of these faults. In a dry run nothing holds for any time, and so all are injected at once.
    pub(super) fn new(faults: &[PlannedFault], at_once: bool) -> Self {
        let at = |fault: &PlannedFault| if at_once { 0 } else { fault.at_ms };
        let faults = faults.iter().enumerate();
        let mut events: Vec<_> = faults
            .map(|(number, fault)| (Duration::from_millis(at(fault)), number))
            .collect();
        events.sort();
        Self(events.into())
    }

    /// Returns the next fault, if its time has come. Times count from when the faults of the first moment are in force.
    pub(super) fn due(&mut self, passed: Duration) -> Option<usize> {
        let (at, _) = self.0.front()?;
        (*at <= passed)
            .then(|| self.0.pop_front())?
            .map(|(_, fault)| fault)
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.front().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(at_ms: u64, hold_ms: Option<u64>) -> PlannedFault {
        PlannedFault {
            plugin: "faults".into(),
            name: "latency".into(),
            parameters: serde_json::Map::new(),
            at_ms,
            hold_ms,
            targets: Vec::new(),
            target_count: 1,
            target_percent: None,
            keep_healthy: 0,
        }
    }

    fn all(timeline: &mut Timeline, passed: u64) -> Vec<usize> {
        std::iter::from_fn(|| timeline.due(Duration::from_millis(passed))).collect()
    }

    #[test]
    fn faults_are_injected_in_their_own_time() {
        let faults = [fault(0, Some(30)), fault(20, None), fault(10, Some(5))];
        let mut timeline = Timeline::new(&faults, false);
        assert_eq!(all(&mut timeline, 0), [0]);
        assert_eq!(timeline.next(), Some(Duration::from_millis(10)));
        assert_eq!(all(&mut timeline, 24), [2, 1]);
        assert_eq!(timeline.next(), None);
    }

    #[test]
    fn in_a_dry_run_all_are_injected_at_once() {
        let mut timeline = Timeline::new(&[fault(10, Some(5)), fault(0, None)], true);
        assert_eq!(all(&mut timeline, 0), [0, 1]);
        assert_eq!(timeline.next(), None);
    }
}
