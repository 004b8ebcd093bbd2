//! Probes that compare: a value is read before the change is made, and again to see whether the change is in force.

use serde::{Deserialize, Serialize};

use super::JournalError;
use super::act::{Executor, Failure, is_up};
use super::change::{Change, PlacedProgram, Probe};
use duress_engine::EngineError;
use duress_model::HttpRequest;

/// The longest value that is kept, in bytes: it is part of the change's row.
const VALUE_LIMIT: usize = 16 << 10;

/// A value that a change is to alter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// What is read.
    pub value: Watched,
    /// Which part of it, as a JSON Pointer (RFC 6901); none: all of it, without white space at its ends.
    pub pointer: Option<String>,
    /// When the change counts as in force.
    pub condition: Condition,
    /// How far a number may be from the one before and still count as back. Without it, a number is back once the condition does
    /// not hold, and a text once it is the same.
    pub tolerance: Option<f64>,
    /// The value before the change; none until it was read.
    #[serde(default)]
    pub before: Option<String>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watched {
    /// What a program prints; it must exit 0, or with a code that it tolerates.
    Output(PlacedProgram),
    /// The exit code of a program.
    ExitCode(PlacedProgram),
    /// The body of an answer with status 200.
    Body(HttpRequest),
}

/// When a value shows that its change is in force.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// It is not what it was.
    Differs,
    /// It is at least so much more than it was.
    RisesBy(f64),
    /// It is at least so much less than it was.
    FallsBy(f64),
    /// It is more than this.
    Above(f64),
    /// It is less than this.
    Below(f64),
}

impl Comparison {
    /// The program that it runs.
    pub fn program(&self) -> Option<&PlacedProgram> {
        match &self.value {
            Watched::Output(program) | Watched::ExitCode(program) => Some(program),
            Watched::Body(_) => None,
        }
    }

    /// The request that it sends.
    pub fn request(&self) -> Option<&HttpRequest> {
        match &self.value {
            Watched::Body(request) => Some(request),
            Watched::Output(_) | Watched::ExitCode(_) => None,
        }
    }

    /// Whether it is well-formed.
    pub(super) fn check(&self) -> Result<(), String> {
        let fits = match self.condition {
            Condition::Differs => true,
            // Without any distance, what is so before would show that it is in force.
            Condition::RisesBy(number) | Condition::FallsBy(number) => {
                number.is_finite() && number > 0.0
            }
            Condition::Above(number) | Condition::Below(number) => number.is_finite(),
        };
        if !fits {
            return Err(
                "compares with what is not a number, or by a distance that is not above 0".into(),
            );
        }
        if self
            .tolerance
            .is_some_and(|most| !most.is_finite() || most < 0.0)
        {
            return Err("has a tolerance that is not a number from 0 on".into());
        }
        match &self.pointer {
            Some(pointer) if !pointer.is_empty() && !pointer.starts_with('/') => Err(format!(
                "has `{}` as a JSON Pointer, which begins with `/`",
                pointer.escape_debug()
            )),
            _ => Ok(()),
        }
    }

    /// The part of a text that counts.
    fn part(&self, text: &str) -> Result<String, String> {
        let Some(pointer) = &self.pointer else {
            return Ok(text.trim().to_owned());
        };
        let document: serde_json::Value = serde_json::from_str(text)
            .map_err(|error| format!("{} is not JSON: {error}", self.value))?;
        match document.pointer(pointer) {
            Some(serde_json::Value::String(text)) => Ok(text.clone()),
            Some(other) => Ok(other.to_string()),
            None => Err(format!("{} has nothing at `{pointer}`", self.value)),
        }
    }

    fn number(&self, text: &str) -> Result<f64, String> {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| {
            let text: String = text.chars().take(80).collect();
            format!("{} is not a number: `{}`", self.value, text.escape_debug())
        })
    }

    /// Whether the change is in force, by the value now; with `in_force` unset, whether the value is not back yet.
    fn holds(&self, now: &str, in_force: bool) -> Result<bool, String> {
        let before = self.before.as_deref();
        let is_met = match (self.condition, before) {
            (Condition::Above(limit), _) => self.number(now)? > limit,
            (Condition::Below(limit), _) => self.number(now)? < limit,
            // Before the change nothing differs.
            (_, None) => false,
            (Condition::Differs, Some(before)) => now != before,
            (Condition::RisesBy(least), Some(before)) => {
                self.number(now)? - self.number(before)? >= least
            }
            (Condition::FallsBy(least), Some(before)) => {
                self.number(before)? - self.number(now)? >= least
            }
        };
        match (in_force, self.tolerance, before) {
            (false, Some(tolerance), Some(before)) => {
                Ok((self.number(now)? - self.number(before)?).abs() > tolerance)
            }
            _ => Ok(is_met),
        }
    }
}

impl std::fmt::Display for Watched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Output(program) => write!(f, "the output of `{}`", program.command.join(" ")),
            Self::ExitCode(program) => {
                write!(f, "the exit code of `{}`", program.command.join(" "))
            }
            Self::Body(request) => write!(f, "the answer to {} {}", request.method, request.url),
        }
    }
}

impl Probe {
    /// Every comparison in it.
    fn comparisons(&mut self) -> Vec<&mut Comparison> {
        match self {
            Self::Compare(comparison) => vec![comparison],
            Self::All(probes) => probes.iter_mut().flat_map(Self::comparisons).collect(),
            Self::Run(_) | Self::Output { .. } | Self::Answer { .. } => Vec::new(),
        }
    }
}

/// Reads the values that a change is compared by, and puts them into it.
pub(super) async fn write_down(
    executor: &Executor,
    change: &mut Change,
) -> Result<(), JournalError> {
    let Some(mut probe) = change.in_force.take() else {
        return Ok(());
    };
    for comparison in probe.comparisons() {
        let read = match executor.value(change, comparison).await {
            Ok(Some(now)) if now.len() > VALUE_LIMIT => Err(format!(
                "it has {} bytes, and at most {VALUE_LIMIT} can be compared",
                now.len()
            )),
            // That it can be compared at all is seen now.
            Ok(Some(now)) => {
                comparison.before = Some(now.clone());
                let seen = comparison.holds(&now, true);
                seen.and(comparison.holds(&now, false)).map(drop)
            }
            Ok(None) => Err(format!("{} does not run", change.container_name)),
            Err(Failure::Gone) => Err(format!("{} is gone", change.container_name)),
            Err(Failure::Other(why)) => Err(why),
        };
        read.map_err(|why| {
            JournalError::Refused(format!(
                "{}: {} could not be read before the change: {why}",
                change.summary, comparison.value
            ))
        })?;
    }
    change.in_force = Some(probe);
    Ok(())
}

impl Executor {
    /// What a comparison shows: a phrase, and whether it holds.
    pub(super) async fn compare(
        &self,
        change: &Change,
        comparison: &Comparison,
        in_force: bool,
    ) -> Result<(String, bool), Failure> {
        let value = &comparison.value;
        let said = match (comparison.condition, &comparison.before) {
            (Condition::Differs, Some(before)) => {
                let before: String = before.chars().take(80).collect();
                format!("{value} is not `{}` as before", before.escape_debug())
            }
            (Condition::RisesBy(least), Some(before)) => {
                format!("{value} is at least {least} above {before}")
            }
            (Condition::FallsBy(least), Some(before)) => {
                format!("{value} is at least {least} below {before}")
            }
            (Condition::Above(limit), _) => format!("{value} is above {limit}"),
            (Condition::Below(limit), _) => format!("{value} is below {limit}"),
            (_, None) => format!("{value} is another than before"),
        };
        let is_relative = !matches!(
            comparison.condition,
            Condition::Above(_) | Condition::Below(_)
        );
        if is_relative && comparison.before.is_none() {
            return Ok((said, false));
        }
        let holds = match self.value(change, comparison).await? {
            Some(now) => comparison.holds(&now, in_force).map_err(Failure::Other)?,
            None => false,
        };
        Ok((said, holds))
    }

    /// The value now; none where the container does not run.
    async fn value(
        &self,
        change: &Change,
        comparison: &Comparison,
    ) -> Result<Option<String>, Failure> {
        let text = match &comparison.value {
            Watched::Body(request) => {
                let answer = self.ask(change, request).await?;
                if answer.status != 200 {
                    return Err(Failure::Other(format!(
                        "{} has status {}",
                        comparison.value, answer.status
                    )));
                }
                String::from_utf8_lossy(&answer.body).into_owned()
            }
            Watched::Output(program) | Watched::ExitCode(program) => {
                let output = match self.run(change, program).await {
                    Ok(output) => output,
                    Err(EngineError::NotRunning { state, .. }) if !is_up(state) => return Ok(None),
                    Err(error) => return Err(error.into()),
                };
                if matches!(comparison.value, Watched::ExitCode(_)) {
                    output.exit_code.to_string()
                } else if output.exit_code != 0 && !program.tolerated.contains(&output.exit_code) {
                    return Err(Failure::Other(super::act::complaint_of(
                        change, program, &output,
                    )));
                } else {
                    String::from_utf8_lossy(&output.stdout).into_owned()
                }
            }
        };
        comparison.part(&text).map(Some).map_err(Failure::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Place;

    fn comparison(condition: Condition, before: Option<&str>) -> Comparison {
        let program = PlacedProgram {
            place: Place::Container,
            command: vec!["get".into()],
            timeout_ms: 1000,
            tolerated: Vec::new(),
        };
        Comparison {
            value: Watched::Output(program),
            pointer: None,
            condition,
            tolerance: None,
            before: before.map(str::to_owned),
        }
    }

    #[test]
    fn each_condition_tells_in_force_from_before() {
        for (condition, before, in_force, not) in [
            (Condition::Differs, "off", "on", "off"),
            (Condition::RisesBy(2.0), "5", "7", "6"),
            (Condition::FallsBy(2.0), "5", "3", "4"),
            (Condition::Above(8.0), "5", "9", "8"),
            (Condition::Below(3.0), "5", "2.5", "3"),
        ] {
            let one = comparison(condition, Some(before));
            assert_eq!(one.holds(in_force, true), Ok(true), "{condition:?}");
            assert_eq!(one.holds(not, true), Ok(false), "{condition:?}");
            assert_eq!(one.holds(in_force, false), Ok(true), "{condition:?}");
            assert_eq!(one.holds(before, false), Ok(false), "{condition:?}");
        }
    }

    #[test]
    fn nothing_differs_before_the_change_but_a_fixed_limit_may_be_passed() {
        assert_eq!(
            comparison(Condition::Differs, None).holds("x", true),
            Ok(false)
        );
        assert_eq!(
            comparison(Condition::Above(1.0), None).holds("2", true),
            Ok(true)
        );
    }

    #[test]
    fn a_number_is_back_within_its_tolerance() {
        let mut one = comparison(Condition::RisesBy(10.0), Some("5"));
        assert_eq!(
            one.holds("14", false),
            Ok(false),
            "it does not hold any more"
        );
        one.tolerance = Some(1.0);
        assert_eq!(one.holds("14", false), Ok(true));
        assert_eq!(one.holds("6", false), Ok(false));
        assert_eq!(one.holds("3", false), Ok(true), "too far on the other side");
    }

    #[test]
    fn a_part_of_a_document_is_compared() {
        let mut one = comparison(Condition::Differs, None);
        assert_eq!(one.part(" on\n").as_deref(), Ok("on"));
        one.pointer = Some("/a/0".into());
        assert_eq!(one.part(r#"{"a": [7]}"#).as_deref(), Ok("7"));
        assert_eq!(one.part(r#"{"a": ["x"]}"#).as_deref(), Ok("x"));
        assert!(one.part("{}").is_err() && one.part("x").is_err());
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        for condition in [
            Condition::RisesBy(0.0),
            Condition::FallsBy(-1.0),
            Condition::Above(f64::NAN),
            Condition::Below(f64::INFINITY),
        ] {
            assert!(
                comparison(condition, None).check().is_err(),
                "{condition:?}"
            );
        }
        let mut one = comparison(Condition::Above(1.0), None);
        one.tolerance = Some(f64::NAN);
        assert!(one.check().is_err());
        one.tolerance = None;
        one.pointer = Some("a".into());
        assert!(one.check().is_err());
        let number = comparison(Condition::RisesBy(1.0), Some("1"));
        assert!(number.holds("many", true).is_err());
    }
}
