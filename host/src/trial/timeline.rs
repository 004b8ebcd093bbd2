//! When each of a trial's faults is injected, and when it is taken back before the trial's end.

use std::collections::VecDeque;
use std::time::Duration;

use crate::campaign::PlannedFault;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Take the fault of this number back.
    TakeBack(usize),
    /// Inject it.
    Inject(usize),
}

/// What is still to be done, first things first.
#[derive(Debug)]
pub(super) struct Timeline(VecDeque<(Duration, Due)>);

impl Timeline {
    /// Of these faults. In a dry run nothing holds for any time, and so all are injected at once.
    pub(super) fn new(faults: &[PlannedFault], at_once: bool) -> Self {
        let mut events = Vec::new();
        for (number, fault) in faults.iter().enumerate() {
            let at = if at_once { 0 } else { fault.at_ms };
            events.push((Duration::from_millis(at), Due::Inject(number)));
            if let Some(hold) = fault.hold_ms.filter(|_| !at_once) {
                let end = Duration::from_millis(at.saturating_add(hold));
                events.push((end, Due::TakeBack(number)));
            }
        }
        events.sort();
        Self(events.into())
    }

    /// The next thing, if its time has come. Times count from when the faults of the first moment are in force.
    pub(super) fn due(&mut self, passed: Duration) -> Option<Due> {
        let (at, _) = self.0.front()?;
        (*at <= passed)
            .then(|| self.0.pop_front())?
            .map(|(_, due)| due)
    }

    /// When the next thing is due.
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
        }
    }

    fn all(timeline: &mut Timeline, passed: u64) -> Vec<Due> {
        std::iter::from_fn(|| timeline.due(Duration::from_millis(passed))).collect()
    }

    #[test]
    fn faults_overlap_and_end_in_their_own_time() {
        let faults = [fault(0, Some(30)), fault(10, None), fault(20, Some(5))];
        let mut timeline = Timeline::new(&faults, false);
        assert_eq!(all(&mut timeline, 0), [Due::Inject(0)]);
        assert_eq!(timeline.next(), Some(Duration::from_millis(10)));
        assert_eq!(all(&mut timeline, 24), [Due::Inject(1), Due::Inject(2)]);
        assert_eq!(all(&mut timeline, 60), [Due::TakeBack(2), Due::TakeBack(0)]);
        assert_eq!(timeline.next(), None);
    }

    #[test]
    fn in_a_dry_run_all_are_injected_at_once() {
        let mut timeline = Timeline::new(&[fault(10, Some(5)), fault(0, None)], true);
        assert_eq!(all(&mut timeline, 0), [Due::Inject(0), Due::Inject(1)]);
        assert_eq!(timeline.next(), None);
    }
}
