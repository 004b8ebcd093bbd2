//! Whether the baseline holds: the system is as it should be before anything is done to it, and can be seen.

use serde::{Deserialize, Serialize};

use super::Judge;
use super::look::threshold;
use crate::plan::{Condition, ExpectNoData, Threshold};
use crate::source::Unit;
use crate::summary::Summary;

/// How many values a mean must have before it is compared with.
const VALUES: u64 = 3;

/// Whether the baseline held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineCheck {
    /// Every condition held, and every abort could see its metric.
    pub holds: bool,
    /// Each condition of the hypothesis, in its order, and after them each abort.
    pub conditions: Vec<BaselineCondition>,
}

/// One condition over the baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BaselineCondition {
    /// As it was written.
    pub condition: String,
    /// Why it does not hold, in a line for people; absent where it does.
    pub problem: Option<String>,
    /// The metric's values.
    pub values: Summary,
}

impl Judge {
    pub(super) fn check_baseline(&self) -> BaselineCheck {
        let expected = self
            .plan
            .expect
            .iter()
            .zip(&self.watched)
            .map(|(expectation, watched)| {
                let condition = &expectation.condition;
                let values = self.before(&condition.metric);
                let has_value = watched.has_value || expectation.no_data == ExpectNoData::Ignore;
                let problem = if values.count == 0 {
                    Some(no_values(&values))
                } else if watched.before.is_exceeded {
                    Some(self.breached(condition, &values))
                } else if !has_value {
                    Some("the latest look had no value".to_owned())
                } else {
                    self.no_mean(condition, &values)
                };
                self.entry(condition, problem, values)
            });
        let aborts = self.plan.abort.iter().map(|rule| {
            let values = self.before(&rule.condition.metric);
            // What ends a trial for safety must be able to see.
            let problem = (values.count == 0).then(|| no_values(&values));
            self.entry(&rule.condition, problem, values)
        });
        let conditions: Vec<BaselineCondition> = expected.chain(aborts).collect();
        BaselineCheck {
            holds: self.abort.is_none() && conditions.iter().all(|one| one.problem.is_none()),
            conditions,
        }
    }

    fn entry(
        &self,
        condition: &Condition,
        problem: Option<String>,
        values: Summary,
    ) -> BaselineCondition {
        BaselineCondition {
            condition: condition.text.clone(),
            problem,
            values,
        }
    }

    fn unit(&self, condition: &Condition) -> Unit {
        let metric = self.plan.metric(&condition.metric);
        metric.map(|metric| metric.unit).unwrap_or_default()
    }

    fn breached(&self, condition: &Condition, values: &Summary) -> String {
        let unit = self.unit(condition);
        let show = |value: Option<f64>| unit.show(value.unwrap_or_default());
        format!(
            "`{}` was from {} to {} in {}, with a mean of {}",
            condition.metric,
            show(values.min),
            show(values.max),
            plural(values.count, "look"),
            show(values.mean)
        )
    }

    /// A baseline that nothing can be compared with.
    fn no_mean(&self, condition: &Condition, values: &Summary) -> Option<String> {
        let Threshold::Baseline(_) = condition.threshold else {
            return None;
        };
        if values.count < VALUES {
            return Some(format!(
                "{} is too few for a mean to compare with, which needs {VALUES}",
                plural(values.count, "value")
            ));
        }
        let mean = values.mean?;
        let threshold = threshold(condition, values.mean)?;
        if condition.operator.holds(mean, threshold) {
            return None;
        }
        let unit = self.unit(condition);
        Some(format!(
            "the mean is {}, which is itself not {} {}",
            unit.show(mean),
            condition.operator,
            unit.show(threshold)
        ))
    }
}

fn no_values(values: &Summary) -> String {
    match values.no_data {
        0 => "nobody looked at the metric".to_owned(),
        looks => format!("the metric had no value in {}", plural(looks, "look")),
    }
}

fn plural(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}
