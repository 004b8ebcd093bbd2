//! Conditions that do not fit one another: each alone is right.

use super::metrics::Metrics;
use crate::condition::Operator;
use crate::plan::{Condition, Plan, Threshold};

/// Place, message, help.
type Found = (String, String, String);

/// Returns what does not fit, in the order of the file.
pub(super) fn find(
    plan: &Plan,
    metrics: &Metrics,
    expects: &[String],
    aborts: &[String],
) -> Vec<Found> {
    let mut found = Vec::new();
    let conditions = || plan.expect.iter().map(|expectation| &expectation.condition);
    for (index, (condition, written)) in conditions().zip(expects).enumerate() {
        let earlier = || conditions().take(index);
        if let Some(same) = earlier().find(|other| is_same(other, condition)) {
            found.push((
                written.clone(),
                format!("`{}` says the same as `{}`", condition.text, same.text),
                "leave one of them out".into(),
            ));
            continue;
        }
        let Some(region) = region(condition) else {
            continue;
        };
        let excluded = earlier()
            .filter(|other| other.metric == condition.metric)
            .find(|other| self::region(other).is_some_and(|other| other.common(region).is_none()));
        if let Some(other) = excluded {
            found.push((
                written.clone(),
                format!("`{}` and `{}` cannot both hold", other.text, condition.text),
                "correct one of the thresholds".into(),
            ));
        }
    }
    let rules = || plan.abort.iter().map(|rule| &rule.condition);
    for (index, (rule, written)) in rules().zip(aborts).enumerate() {
        if let Some(same) = rules().take(index).find(|other| is_same(other, rule)) {
            found.push((
                written.clone(),
                format!("`{}` says the same as `{}`", rule.text, same.text),
                "leave one of them out".into(),
            ));
            continue;
        }
        if let Some((message, help)) = loose(rule, plan, metrics) {
            found.push((written.clone(), message, help));
        }
    }
    found
}

/// An abort that is met by values that the hypothesis calls good.
fn loose(rule: &Condition, plan: &Plan, metrics: &Metrics) -> Option<(String, String)> {
    let abort = region(rule)?;
    let mut good = Region::ALL;
    let mut texts = Vec::new();
    for expectation in &plan.expect {
        let condition = &expectation.condition;
        if condition.metric == rule.metric
            && let Some(region) = region(condition)
        {
            good = good.common(region)?;
            texts.push(format!("`{}`", condition.text));
        }
    }
    if texts.is_empty() {
        return None;
    }
    if let Some(Some(metric)) = metrics.get(&rule.metric) {
        let (least, most) = crate::quantity::range(metric);
        good = good.common(Region::closed(least, most))?;
    }
    good.common(abort)?;
    let message = format!(
        "the abort `{}` would end the trial while the hypothesis {} holds",
        rule.text,
        texts.join(" and ")
    );
    let help = if good.is_within(abort) {
        "an abort says what must not be: turn its comparison round".to_owned()
    } else {
        "an abort must be stricter: a threshold that is passed only after the hypothesis is violated"
            .to_owned()
    };
    Some((message, help))
}

fn is_same(one: &Condition, other: &Condition) -> bool {
    one.metric == other.metric && one.operator == other.operator && one.threshold == other.threshold
}

/// Values between two ends, each of which belongs to it or not.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Region {
    from: f64,
    with_from: bool,
    to: f64,
    with_to: bool,
}

impl Region {
    const ALL: Self = Self {
        from: f64::NEG_INFINITY,
        with_from: false,
        to: f64::INFINITY,
        with_to: false,
    };

    fn closed(from: f64, to: f64) -> Self {
        Self {
            from,
            with_from: from.is_finite(),
            to,
            with_to: to.is_finite(),
        }
    }

    /// Returns what both hold; nothing where that is empty.
    fn common(self, other: Self) -> Option<Self> {
        let from = self.from.max(other.from);
        let to = self.to.min(other.to);
        let with_from = self.has_start(from) && other.has_start(from);
        let with_to = self.has_end(to) && other.has_end(to);
        let is_empty = from > to || (from >= to && !(with_from && with_to));
        (!is_empty).then_some(Self {
            from,
            with_from,
            to,
            with_to,
        })
    }

    /// Whether values from here on are not cut off by this region's start.
    fn has_start(self, at: f64) -> bool {
        self.from < at || self.with_from
    }

    fn has_end(self, at: f64) -> bool {
        self.to > at || self.with_to
    }

    fn is_within(self, other: Self) -> bool {
        self.common(other) == Some(self)
    }
}

/// Returns the values of which a condition is true; nothing where that is not one region, or depends on the baseline.
fn region(condition: &Condition) -> Option<Region> {
    let Threshold::Fixed(threshold) = condition.threshold else {
        return None;
    };
    let all = Region::ALL;
    Some(match condition.operator {
        Operator::Less => Region {
            to: threshold,
            ..all
        },
        Operator::LessOrEqual => Region {
            to: threshold,
            with_to: true,
            ..all
        },
        Operator::Greater => Region {
            from: threshold,
            ..all
        },
        Operator::GreaterOrEqual => Region {
            from: threshold,
            with_from: true,
            ..all
        },
        Operator::Equal => Region::closed(threshold, threshold),
        Operator::NotEqual => return None,
    })
}
