//! The conditions of an experiment: names, units, thresholds, allowances, and what an abort promises.

use duress_model::nearest;
use duress_yaml::{list_of, shown};

use super::metrics::Metrics;
use super::{Checking, contradictions};
use crate::condition::{Mistake, Operator, Parsed, Right, parse};
use crate::format::{AbortEntry, ExpectEntry, Experiment};
use crate::limits;
use crate::plan::{AbortRule, Allowance, Condition, Expectation, Plan, Threshold, bound, seconds};
use crate::quantity;
use crate::source::Metric;

/// How many values a baseline must be able to have before its mean is compared with.
const BASELINE_VALUES: u64 = 3;

/// Whether a condition says what should be, or what ends the trial.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Expect,
    Abort,
}

impl Checking<'_> {
    pub(super) fn conditions(
        &mut self,
        at: &str,
        experiment: &Experiment,
        metrics: &Metrics,
        plan: &mut Plan,
    ) {
        let mut places = Vec::new();
        for (index, entry) in experiment.expect.iter().enumerate() {
            let item = format!("{at}/expect/{index}");
            let (text, pointer, full) = match entry {
                ExpectEntry::Text(text) => (text, item.clone(), None),
                ExpectEntry::Full(full) => (&full.that, format!("{item}/that"), Some(full)),
            };
            let allowance = full.and_then(|full| full.allow.as_ref());
            let allow = allowance.map(|text| self.allowance(&format!("{item}/allow"), text));
            let read = self.condition(Role::Expect, &pointer, text, metrics, plan);
            let (Some(condition), None | Some(Some(_))) = (read, allow) else {
                continue;
            };
            places.push(pointer);
            plan.expect.push(Expectation {
                condition,
                allow: allow.flatten(),
                no_data: full.and_then(|full| full.no_data).unwrap_or_default(),
            });
        }
        let mut abort_places = Vec::new();
        for (index, entry) in experiment.abort.iter().enumerate() {
            let item = format!("{at}/abort/{index}");
            let (text, pointer, full) = match entry {
                AbortEntry::Text(text) => (text, item.clone(), None),
                AbortEntry::Full(full) => (&full.that, format!("{item}/that"), Some(full)),
            };
            let Some(condition) = self.condition(Role::Abort, &pointer, text, metrics, plan) else {
                continue;
            };
            let rule = AbortRule {
                condition,
                after: full.and_then(|full| full.after).unwrap_or(1),
                no_data: full.and_then(|full| full.no_data).unwrap_or_default(),
            };
            if let Some(Some(metric)) = metrics.get(&rule.condition.metric) {
                self.bound(&item, &rule, metric, plan);
            }
            abort_places.push(pointer);
            plan.abort.push(rule);
        }
        if experiment.abort.is_empty() {
            for (key, stands) in [
                ("on_abort", experiment.on_abort.is_some()),
                ("lag", experiment.lag.is_some()),
            ] {
                if stands {
                    let message = format!("`{key}` is about `abort`, and no abort is given");
                    self.tell_at_key(&format!("{at}/{key}"), message);
                }
            }
        }
        let found = contradictions::find(plan, metrics, &places, &abort_places);
        for (pointer, message, help) in found {
            self.tell_with_help(&pointer, message, help);
        }
    }

    /// Tells a mistake in a piece of a condition's text.
    fn tell_within(&mut self, pointer: &str, mistake: Mistake) {
        let mut problem = self
            .document
            .problem_within(pointer, mistake.at, mistake.message);
        problem.help = mistake.help;
        self.problems.push(problem);
    }

    fn condition(
        &mut self,
        role: Role,
        pointer: &str,
        text: &str,
        metrics: &Metrics,
        plan: &Plan,
    ) -> Option<Condition> {
        let parsed = match parse(text) {
            Ok(parsed) => parsed,
            Err(mistake) => {
                self.tell_within(pointer, mistake);
                return None;
            }
        };
        let Some(metric) = metrics.get(&parsed.metric) else {
            let mut message = format!("unknown metric `{}`", shown(&parsed.metric));
            let near = nearest(&parsed.metric, metrics.names());
            if let Some(near) = near {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            let help = near.is_none().then(|| {
                format!(
                    "metrics of this experiment are {}",
                    list_of(metrics.names())
                )
            });
            let at = parsed.metric_at;
            self.tell_within(pointer, Mistake { at, message, help });
            return None;
        };
        // Of a metric with mistakes of its own, no more can be said.
        let metric = metric?;
        let threshold = match threshold(role, text, &parsed, metric, plan) {
            Ok(threshold) => threshold,
            Err((message, help)) => {
                let at = parsed.right_at;
                self.tell_within(pointer, Mistake { at, message, help });
                return None;
            }
        };
        let condition = Condition {
            text: text.trim().to_owned(),
            metric: parsed.metric,
            operator: parsed.operator,
            threshold,
        };
        Some(condition)
    }

    fn allowance(&mut self, at: &str, text: &str) -> Option<Allowance> {
        let (breaches, of) = text.split_once(" of ")?;
        let (breaches, of) = (breaches.parse::<u32>().ok(), of.parse::<u32>().ok());
        let message = match (breaches, of) {
            (_, Some(0)) => "0 samples allow nothing".to_owned(),
            (Some(breaches), Some(of)) if of <= limits::LOOK_BACK => {
                if breaches < of {
                    return Some(Allowance { breaches, of });
                }
                format!(
                    "`{}` allows every sample to be a breach: the condition would check nothing",
                    shown(text)
                )
            }
            _ => format!(
                "`{}` looks back over more than {} samples",
                shown(text),
                limits::LOOK_BACK
            ),
        };
        self.tell(at, message);
        None
    }

    /// An abort that may take longer than two evaluation intervals, and nobody said that it may.
    fn bound(&mut self, at: &str, rule: &AbortRule, metric: &Metric, plan: &Plan) {
        let bound = bound(rule, metric, plan.every_ms);
        if !bound.exceeds() || plan.lag_accepted {
            return;
        }
        let message = format!(
            "this abort may take {bound}: more than two evaluation intervals ({})",
            seconds(bound.limit_ms)
        );
        let help =
            "shorten what adds up, make `every` longer, or accept the delay with `lag: accepted`";
        self.tell_with_help(at, message, help);
    }
}

/// A threshold in the metric's unit, or what is wrong with it and what helps.
fn threshold(
    role: Role,
    text: &str,
    parsed: &Parsed,
    metric: &Metric,
    plan: &Plan,
) -> Result<Threshold, (String, Option<String>)> {
    let (number, suffix) = match parsed.right {
        Right::Baseline(factor) => {
            return baseline(role, parsed, factor, plan)
                .map_err(|(message, help)| (message, Some(help)));
        }
        Right::Number(number, suffix) => (number, suffix),
    };
    let written = &text[parsed.right_at.clone()];
    let Some(value) = metric.unit.convert(number, suffix) else {
        let name = shown(&metric.name);
        let message = match suffix {
            None => format!("`{written}` needs a unit: {}", metric.unit.suffixes()),
            Some(_) => format!(
                "`{}` has the wrong unit: the values of `{name}` are {}, and may be compared with {}",
                shown(written),
                metric.unit.in_words(),
                match metric.unit.suffixes() {
                    "no unit" => "a number without a unit".to_owned(),
                    suffixes => format!("a number in {suffixes}"),
                }
            ),
        };
        let help = "the metric's unit is set by its `unit` (s, ms, B, share, %, /s, number)";
        return Err((message, suffix.map(|_| help.to_owned())));
    };
    reachable(role, parsed.operator, value, metric)?;
    Ok(Threshold::Fixed(value))
}

/// A threshold that is relative to the baseline.
fn baseline(
    role: Role,
    parsed: &Parsed,
    factor: f64,
    plan: &Plan,
) -> Result<Threshold, (String, String)> {
    use Operator as Op;
    if role == Role::Abort {
        return Err((
            "an abort cannot depend on the baseline: it must be able to end a trial before there is one".into(),
            "compare with a number".into(),
        ));
    }
    if plan.warm_up_ms / plan.every_ms.max(1) < BASELINE_VALUES {
        return Err((
            format!(
                "the mean over the baseline needs {BASELINE_VALUES} values, and a warm-up of {} at every {} has fewer",
                seconds(plan.warm_up_ms),
                seconds(plan.every_ms)
            ),
            "make `warm_up` longer".into(),
        ));
    }
    // The baseline itself is once its own mean.
    let fits = factor > 0.0
        && match parsed.operator {
            Op::Less => factor > 1.0,
            Op::LessOrEqual => factor >= 1.0,
            Op::Greater => factor < 1.0,
            Op::GreaterOrEqual => factor <= 1.0,
            Op::Equal | Op::NotEqual => false,
        };
    if fits {
        return Ok(Threshold::Baseline(factor));
    }
    let operator = parsed.operator;
    let message = match operator {
        Op::Equal | Op::NotEqual => {
            format!("`{operator}` cannot be used with `baseline`: a mean is never met exactly")
        }
        _ => format!("the baseline itself would not be `{operator} baseline * {factor}`"),
    };
    let help = "with `<` the factor is above 1, with `>` it is between 0 and 1";
    Err((message, help.into()))
}

/// A threshold that every value passes, or none.
fn reachable(
    role: Role,
    operator: Operator,
    threshold: f64,
    metric: &Metric,
) -> Result<(), (String, Option<String>)> {
    use Operator as Op;
    let (least, most) = quantity::range(metric);
    let (never, always) = match operator {
        Op::Less => (threshold <= least, threshold > most),
        Op::LessOrEqual => (threshold < least, threshold >= most),
        Op::Greater => (threshold >= most, threshold < least),
        Op::GreaterOrEqual => (threshold > most, threshold <= least),
        Op::Equal => (threshold < least || threshold > most, false),
        Op::NotEqual => (false, threshold < least || threshold > most),
    };
    if !never && !always {
        return Ok(());
    }
    let value = metric.unit.show(threshold);
    let range = match most.is_finite() {
        true => format!(
            "from {} to {}",
            metric.unit.show(least),
            metric.unit.show(most)
        ),
        false => format!("{} or more", metric.unit.show(least)),
    };
    let name = shown(&metric.name);
    let message = match (role, never) {
        (Role::Expect, true) => {
            format!("`{name}` can never be {operator} {value}: its values are {range}")
        }
        (Role::Expect, false) => format!(
            "`{name}` is always {operator} {value}: its values are {range}, so the condition checks nothing"
        ),
        (Role::Abort, true) => format!(
            "this abort can never be met: `{name}` is never {operator} {value}, its values are {range}"
        ),
        (Role::Abort, false) => format!(
            "this abort is always met: `{name}` is always {operator} {value}, its values are {range}"
        ),
    };
    Err((message, None))
}
