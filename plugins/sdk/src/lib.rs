//! What a duress plugin in Rust is written with: the bindings, a few helpers, and the standard faults.
//!
//! A plugin implements [`Subject`] for a type of its own and hands the type to [`export_subject!`]. Everything here runs inside
//! the sandbox: it reaches the world through `wit/plugin.wit` alone, and it must never keep anything between two calls, because
//! the host drops the instance after each.
//!
//! What decides is apart from what asks: a fault first plans its changes (and may refuse) and only then makes them, so that plans
//! are tested natively, without a host.

pub mod bindings;
pub mod chaos;
pub mod containers;
pub mod draft;
mod error;
pub mod fault;
pub mod faults;
pub mod http;
mod inject;
mod log;
mod subject;
pub mod tcp;
mod token;
mod wait;

pub use bindings::duress::plugin::changes::{Action, Change, Fill, Place, Probe, Program};
pub use bindings::duress::plugin::containers::{Address, Container, FileSystem};
pub use bindings::duress::plugin::http::Request;
pub use bindings::duress::plugin::types::{Error, Metric};
pub use bindings::duress::plugin::{host, stack};
pub use bindings::exports::duress::plugin::chaos::{Choice, Problem};
pub use bindings::exports::duress::plugin::subject::{HealthReport, State};
pub use error::Result;
pub use fault::{Fault, NoParameters, Parameters, Planned, Scene, Step};
pub use log::Level;
#[doc(hidden)]
pub use log::line;
pub use schemars;
pub use subject::{Exports, Subject, settings};
pub use token::Token;
pub use wait::wait_until;

/// Make a type that implements [`Subject`] the one that this component exports. Once in a crate, at its root. The type is public:
/// natively, where nothing is exported, that is what keeps it from being unused.
#[macro_export]
macro_rules! export_subject {
    ($subject:ty) => {
        // Natively there is no host to export to, and the names would not link.
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type DuressExports = $crate::Exports<$subject>;
    $crate::bindings::export!(DuressExports with_types_in $crate::bindings);
        };
    };
}
