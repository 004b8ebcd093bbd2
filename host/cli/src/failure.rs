//! What a person sees when something went wrong, and the exit code that goes with it.

use std::process::ExitCode;

use duress_model::{Error, Kind};
use duress_yaml::{Invalid, LoadError};
use serde_json::json;

use super::ui::print::{self, say};
use super::ui::style;

/// Why a verb did not do what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Anything that one line and some hints tell.
    Error(Error),
    /// Mistakes in a file, each with its place.
    Invalid(Box<Invalid>),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::File(error) => Self::Error(error),
            LoadError::Content(invalid) => Self::Invalid(Box::new(invalid)),
        }
    }
}

impl Failure {
    /// Prints it on stderr; with `--json` on stdout too, where programs read it.
    pub(crate) fn report(&self, as_json: bool) -> ExitCode {
        match self {
            Self::Error(error) => {
                if as_json {
                    print::json(&json!({ "error": error.to_string(), "hints": error.hints() }));
                } else {
                    say!("{} {error}", style::ERROR.paint("error:"));
                    for hint in error.hints() {
                        print::hint(hint);
                    }
                }
                exit_code(error.kind())
            }
            Self::Invalid(invalid) => {
                if as_json {
                    print::json(
                        &json!({ "error": invalid.to_string(), "problems": invalid.problems() }),
                    );
                } else {
                    print::drawn(invalid.render(print::colours()).trim_end());
                }
                exit_code(Kind::Input)
            }
        }
    }
}

/// Returns the exit code of a kind of error; the whole list is in `duress --help`.
fn exit_code(kind: Kind) -> ExitCode {
    ExitCode::from(match kind {
        Kind::Failed => 1,
        Kind::Input => 2,
        Kind::Environment => 3,
    })
}
