//! Looks at one metric at each evaluation, and lets the judge see what was found.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use duress_experiment::{Event, Plan, Sample};
use duress_metrics::Probe;
use duress_store::{SampleRow, SecondRow, Store};
use duress_workload::{Running, Second};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::{KEPT, Shared, lock, words};
use crate::Observer;

pub(super) struct Sampler {
    pub(super) probe: Probe,
    pub(super) plan: Arc<Plan>,
    pub(super) shared: Arc<Shared>,
    pub(super) observer: Observer,
    pub(super) store: Store,
    pub(super) trial: String,
}

impl Sampler {
    /// Looks until it is stopped, and returns what it looks with.
    pub(super) async fn run(mut self, stop: CancellationToken) -> Probe {
        let mut evaluations = tokio::time::interval(Duration::from_millis(self.plan.every_ms));
        // A look that took too long is not made up for.
        evaluations.set_missed_tick_behavior(MissedTickBehavior::Skip);
        while stop.run_until_cancelled(evaluations.tick()).await.is_some() {
            let Some(sample) = stop.run_until_cancelled(self.probe.sample()).await else {
                break;
            };
            self.take(sample);
        }
        self.probe
    }

    fn take(&self, sample: Sample) {
        let events = lock(&self.shared.judge).observe(&sample, self.shared.clock.now());
        // First of all: whatever else is done with the sample may take its time.
        if events
            .iter()
            .any(|event| matches!(event, Event::Aborted(_)))
        {
            self.shared.aborted.cancel();
        }
        let phase = *lock(&self.shared.phase);
        let row = row(&sample, phase.as_str());
        let mut samples = lock(&self.shared.samples);
        if samples.len() < KEPT {
            samples.push(sample);
        }
        drop(samples);
        for event in &events {
            if let Some(line) = words::event(&self.plan, event) {
                self.observer.important(line);
            }
        }
        self.store.post_samples(&self.trial, vec![row]);
    }
}

fn row(sample: &Sample, phase: &str) -> SampleRow {
    let (value, reason) = match &sample.value {
        Ok(value) => (Some(*value), None),
        Err(missing) => (None, Some(missing.reason.clone())),
    };
    SampleRow {
        metric: sample.metric.clone(),
        phase: phase.to_owned(),
        value,
        reason,
        sampled_at: sample.sampled_at,
        asked_at: sample.asked_at,
        took_us: sample.took_us,
        query: sample.query.clone(),
    }
}

/// Puts each second of the workload on record when it is over: after a crash, those until then are known.
pub(super) struct Seconds {
    pub(super) load: Arc<Mutex<Option<Running>>>,
    pub(super) store: Store,
    pub(super) trial: String,
}

impl Seconds {
    pub(super) async fn run(self, stop: CancellationToken) {
        let pause = || tokio::time::sleep(Duration::from_secs(1));
        while stop.run_until_cancelled(pause()).await.is_some() {
            let Some(seconds) = lock(&self.load).as_ref().map(Running::seconds) else {
                return;
            };
            note_seconds(&self.store, &self.trial, seconds);
        }
    }
}

/// Puts seconds of the workload on record.
pub(super) fn note_seconds(store: &Store, trial: &str, seconds: Vec<Second>) {
    if seconds.is_empty() {
        return;
    }
    let rows = seconds.into_iter().map(|second| SecondRow {
        at: second.at,
        phase: second.phase,
        started: second.started,
        completed: second.completed,
        errors: serde_json::to_value(second.errors).unwrap_or_default(),
        in_flight: second.in_flight,
        latency: second
            .latency
            .and_then(|latency| serde_json::to_value(latency).ok()),
        late_us: second.late_us,
    });
    store.post_seconds(trial, rows.collect());
}
