//! Components: found, compiled, cached, and called one call at a time.
//!
//! A plugin has no state: each call gets a fresh store and instance, which are dropped when it ends. So a trap or a time-out harms
//! one call alone, and cleanup works in another process, after a crash.

mod built_in;
mod cache;
mod call;
mod catalog;
mod component;
mod contract;
mod description;
mod examine;
mod lock;
mod manifest;
mod package;
mod runtime;
mod source;

pub use built_in::BuiltIn;
pub use cache::Cache;
pub use call::{CallError, CallLimits};
pub use catalog::{Catalog, LoadedPlugin, PATH_VARIABLE, Subject, SubjectEntry};
pub use component::{Kind, Plugin};
pub use contract::WIT_VERSION;
pub use description::{Choice, FaultType, Health, Metric, ParameterProblem, State};
pub use examine::Found;
pub use lock::{LOCK_FILE, LockFile, Locked};
pub use manifest::{PluginManifest, SubjectManifest, Timeouts};
pub(crate) use manifest::{merged, object};
pub use package::embed;
pub use runtime::Runtime;
pub(crate) use runtime::sha256;
pub use source::{Fetched, Source, push};
