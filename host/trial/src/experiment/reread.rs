//! Reads the window of the fault again where the source keeps its past, and judges it once more: late samples may tell another story.

use std::time::Duration;

use duress_experiment::{Judge, Judgement, Sample};
use duress_metrics::Probe;

use super::{Measuring, Reread, lock, words};

/// Returns the judgement by a second look at the past; `None` where the source of each metric keeps no past.
pub(super) async fn reread(
    measuring: &Measuring,
    probes: &mut [Probe],
    first: &Judgement,
) -> Option<Reread> {
    let times = measuring.times;
    let from = times.in_force?;
    let to = times.rollback_began.unwrap_or_else(|| measuring.now());
    let step = Duration::from_millis(measuring.plan.every_ms);
    let mut samples = lock(&measuring.shared.samples).clone();
    let mut problems = Vec::new();
    let mut is_reread = false;
    for probe in probes {
        let Some(read) = probe.range_check(from, to, step).await else {
            continue;
        };
        is_reread = true;
        let name = probe.metric().to_owned();
        match read {
            Ok(again) => {
                let is_replaced = |sample: &Sample| {
                    sample.metric == name && (from..to).contains(&sample.sampled_at)
                };
                samples.retain(|sample| !is_replaced(sample));
                samples.extend(again);
            }
            Err(missing) => problems.push(format!("`{name}`: {}", missing.reason)),
        }
    }
    if !is_reread {
        return None;
    }
    let again = judge_again(measuring, samples);
    Some(Reread {
        hypothesis: again.hypothesis,
        differences: words::differences(first, &again),
        problems,
    })
}

/// Judges samples in the order of their time, with the phases as they were.
fn judge_again(measuring: &Measuring, mut samples: Vec<Sample>) -> Judgement {
    samples.sort_by_key(|sample| sample.sampled_at);
    let mut judge = Judge::new(&measuring.plan);
    let times = measuring.times;
    let mut marks = [
        times.baseline_ended,
        times.in_force,
        times.rollback_began,
        times.rolled_back,
    ];
    let mut pass = |judge: &mut Judge, until: i64| {
        for (number, mark) in marks.iter_mut().enumerate() {
            let Some(at) = mark.filter(|at| *at <= until) else {
                continue;
            };
            *mark = None;
            match number {
                0 => drop(judge.end_baseline(at)),
                1 => judge.fault_in_force(at),
                2 => judge.rollback_began(at),
                _ => judge.rolled_back(at),
            }
        }
    };
    for sample in samples {
        pass(&mut judge, sample.sampled_at);
        judge.observe(&sample, sample.sampled_at);
    }
    pass(&mut judge, i64::MAX);
    judge.judgement()
}
