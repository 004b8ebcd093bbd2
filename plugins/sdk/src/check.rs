//! Checks that compare a value with the one before the change.

use crate::bindings::duress::plugin::checks;
use crate::{Change, Program, Request, Result};

/// What is compared.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// What a program prints; it must exit 0.
    Output(Program),
    /// The exit code of a program, e.g. of a client that is refused while the fault is in force.
    ExitCode(Program),
    /// The body of an answer with status 200.
    Body(Request),
}

/// When the value shows that the change is in force.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Condition {
    /// It differs from the value before the change.
    Differs,
    /// It is a number at least this much above the one before.
    RisesBy(f64),
    /// It is a number at least this much below the one before.
    FallsBy(f64),
    /// It is a number above this limit, and was not before.
    Above(f64),
    /// It is a number below this limit, and was not before.
    Below(f64),
}

/// A check that compares. The host reads the value before the change and records it.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    value: Value,
    condition: Condition,
    pointer: Option<String>,
    tolerance: Option<f64>,
}

impl Check {
    /// The change is in force under this condition.
    pub fn new(value: Value, condition: Condition) -> Self {
        Self {
            value,
            condition,
            pointer: None,
            tolerance: None,
        }
    }

    /// The value is a part of a JSON document, named by a JSON Pointer, e.g. `/leader/name`.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// The change is gone once the number is at most this far from the one before.
    #[must_use]
    pub fn back_within(mut self, tolerance: f64) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    pub(crate) fn to_host(&self) -> checks::Check {
        let check = match &self.value {
            Value::Output(program) => checks::Check::output_of(program),
            Value::ExitCode(program) => checks::Check::exit_code_of(program),
            Value::Body(request) => checks::Check::body_of(request),
        };
        match self.condition {
            Condition::Differs => {}
            Condition::RisesBy(least) => check.rises_by(least),
            Condition::FallsBy(least) => check.falls_by(least),
            Condition::Above(limit) => check.is_above(limit),
            Condition::Below(limit) => check.is_below(limit),
        }
        if let Some(pointer) = &self.pointer {
            check.at(pointer);
        }
        if let Some(tolerance) = self.tolerance {
            check.back_within(tolerance);
        }
        check
    }
}

/// A change that is seen by a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedChange {
    /// The change.
    pub change: Change,
    /// What shows that it is in force.
    pub check: Check,
}

impl CheckedChange {
    /// Has the host make it. Returns the change's ID.
    pub(crate) fn apply(&self) -> Result<String> {
        checks::apply(&self.change, &self.check.to_host())
    }
}
