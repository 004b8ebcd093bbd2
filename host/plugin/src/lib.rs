//! Components: found, compiled, cached, and called one call at a time.
//!
//! A plugin has no state: each call gets a fresh store and instance, which are dropped when it ends. So a trap or a time-out harms
//! one call alone, and cleanup works in another process, after a crash.

mod artifact;
mod bounds;
mod built_in;
mod cache;
mod call;
mod catalog;
mod component;
mod contract;
mod defaults;
mod description;
mod download;
mod examine;
mod lock;
mod manifest;
mod package;
mod plugin;
mod reference;
mod registry;
mod runtime;
mod schema;
mod source;
mod workload;

pub use built_in::BuiltIn;
pub use cache::Cache;
pub use call::{CallError, CallLimits};
pub use catalog::{Catalog, PATH_VARIABLE, Subject, SubjectEntry};
pub use component::{Kind, PluginComponent};
pub use contract::WIT_VERSION;
pub use description::{Health, Metric, State};
pub use lock::{LOCK_FILE, LockFile, Locked};
pub use manifest::{PluginManifest, SubjectManifest, Timeouts, is_plugin_name, merged};
pub use package::embed;
pub use plugin::Plugin;
pub use reference::Reference;
pub use runtime::{COMPONENT_LIMIT, Runtime, sha256};
pub use source::{Fetched, Source, push};
pub use workload::{OperationInfo, PluginClient};
