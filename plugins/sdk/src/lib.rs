//! What a duress plugin in Rust is written with: the bindings, a few helpers, and the standard faults.
//!
//! A plugin that brings faults hands a function that lists them to [`export_faults!`]; one that brings a subject implements
//! [`Subject`] for a type of its own and hands the type to [`export_subject!`], and its clients' operations to [`export_workload!`]. A panic's message goes to the trial's log in both.
//! Everything here runs inside the sandbox: it reaches the world through `wit/plugin.wit` alone, and it must never keep anything between two calls, because
//! the host drops the instance after each.
//!
//! What decides is apart from what asks: a fault first plans its changes (and may refuse) and only then makes them, so that plans
//! are tested natively, without a host.

pub mod bindings;
pub mod chaos;
pub mod check;
pub mod containers;
pub mod deployment;
pub mod draft;
mod error;
pub mod fault;
pub mod faults;
pub mod files;
pub mod http;
mod inject;
mod log;
pub mod programs;
mod subject;
pub mod subject_bindings;
pub mod tcp;
mod token;
mod wait;
pub mod workload;
pub mod workload_bindings;

pub use bindings::duress::plugin::changes::{
    Action, Change, Fill, Limits, Place, Probe, Program, current_limits,
};
pub use bindings::duress::plugin::containers::{
    Address, Container, FileSystem, Health as ContainerHealth, State as ContainerState,
};
pub use bindings::duress::plugin::host;
pub use bindings::duress::plugin::http::Request;
pub use bindings::duress::plugin::types::{Error, Metric};
pub use bindings::exports::duress::plugin::chaos::{Choice, Problem};
pub use check::{Check, CheckedChange, Condition, Value};
pub use error::Result;
pub use fault::{Fault, NoParameters, Parameters, Planned, Scene, Step};
pub use files::FileReplacement;
pub use log::Level;
#[doc(hidden)]
pub use log::line;
pub use schemars;
pub use subject::{Exports, Subject, settings};
pub use subject_bindings::duress::plugin::stack;
pub use subject_bindings::exports::duress::plugin::subject::{HealthReport, State};
pub use token::Token;
pub use wait::wait_until;
pub use workload::{Failure, Input, Operation};

/// Exports the faults that a function lists: `export_faults!(all)` with a `fn all() -> Vec<Fault>`. Once in a crate, at its root.
#[macro_export]
macro_rules! export_faults {
    ($faults:expr) => {
        // Natively no host imports the exports, and their names would not link. The faults are still used.
        const _: fn() -> ::std::vec::Vec<$crate::Fault> = $faults;
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct DuressFaults;
            impl $crate::chaos::Faults for DuressFaults {
                fn faults() -> ::std::vec::Vec<$crate::Fault> {
                    ($faults)()
                }
            }
            type DuressExports = $crate::chaos::Exports<DuressFaults>;
    $crate::bindings::export!(DuressExports with_types_in $crate::bindings);
        };
    };
}

/// Exports a type that implements [`Subject`], with its faults. Once in a crate, at its root.
#[macro_export]
macro_rules! export_subject {
    ($subject:ty) => {
        $crate::export_faults!(<$subject as $crate::Subject>::faults);
        const _: fn() -> $crate::Result<()> = <$subject as $crate::Subject>::reset;
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type DuressExports = $crate::Exports<$subject>;
    $crate::subject_bindings::export!(DuressExports with_types_in $crate::subject_bindings);
        };
    };
}

/// Exports the operations of a workload that a function lists: `export_workload!(all)` with a `fn all() -> Vec<Operation>`. Once in a crate
/// that exports a subject, at its root.
#[macro_export]
macro_rules! export_workload {
    ($operations:expr) => {
        const _: fn() -> ::std::vec::Vec<$crate::Operation> = $operations;
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct DuressOperations;
            impl $crate::workload::Operations for DuressOperations {
                fn operations() -> ::std::vec::Vec<$crate::Operation> {
                    ($operations)()
                }
            }
            type DuressExports = $crate::workload::Exports<DuressOperations>;
    $crate::workload_bindings::export!(DuressExports with_types_in $crate::workload_bindings);
        };
    };
}
