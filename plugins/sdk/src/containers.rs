//! The trial's containers: asking for them, and choosing among them.

use std::time::Duration;

use crate::bindings::duress::plugin::containers;
pub use crate::bindings::duress::plugin::containers::Output;
use crate::wait::milliseconds;
use crate::{Container, FileSystem, Result};

pub use crate::bindings::duress::plugin::containers::{ContainerDetails, LogLine, LogStream};

/// The most text of a log that [`logs`] returns, in bytes.
pub const LOG_BYTES: u32 = 64 << 10;

/// Returns every container of the stack, by name.
pub fn list() -> Result<Vec<Container>> {
    containers::list()
}

/// Runs a program in a container to look at something, without a shell. An exit code other than 0 is not an error.
pub fn exec(container: &str, command: &[&str], limit: Duration) -> Result<Output> {
    let command: Vec<_> = command.iter().map(|&word| word.to_owned()).collect();
    containers::exec(container, &command, milliseconds(limit))
}

/// Returns the file system that holds an absolute path of a container.
pub fn file_system(container: &str, path: &str) -> Result<FileSystem> {
    containers::stat_file_system(container, path)
}

/// Returns the processes of a running container.
pub fn processes(container: &str) -> Result<Vec<containers::Process>> {
    containers::processes(container)
}

/// Returns the memory that a running container uses and that the kernel could not reclaim at once, in bytes.
pub fn memory_in_use(container: &str) -> Result<u64> {
    containers::memory_in_use(container)
}

/// Returns how a container came to what it is: its exit code, whether the kernel killed a process for want of memory, its restarts.
pub fn details(container: &str) -> Result<ContainerDetails> {
    containers::details(container)
}

/// The newest lines of a container's log, at most `tail` of them and [`LOG_BYTES`] of text, oldest first. The manifest must ask for
/// `logs`.
pub fn logs(container: &str, since: Option<u64>, tail: u32) -> Result<Vec<LogLine>> {
    containers::logs(container, since, tail, LOG_BYTES)
}

/// Returns the interfaces of a container that have an address, without that to itself.
pub fn interfaces(container: &str) -> Result<Vec<String>> {
    containers::interfaces(container)
}

/// Returns the interface by which a container sends to an address.
pub fn interface_to(container: &str, address: std::net::IpAddr) -> Result<String> {
    containers::interface_to(container, &address.to_string())
}

/// Returns whether a service is meant by one of the patterns: a name, or a beginning with `*` behind it.
///
/// ```
/// use duress_sdk::containers::is_meant;
/// assert!(is_meant("tikv1", &["pd0", "tikv*"]));
/// assert!(!is_meant("tikv1", &["tikv"]));
/// ```
pub fn is_meant(service: &str, patterns: &[impl AsRef<str>]) -> bool {
    patterns
        .iter()
        .map(AsRef::as_ref)
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => service.starts_with(beginning),
            None => service == pattern,
        })
}

/// Returns those of the stack whose service is meant.
pub fn of_services<'a>(
    stack: &'a [Container],
    patterns: &'a [impl AsRef<str>],
) -> impl Iterator<Item = &'a Container> {
    stack
        .iter()
        .filter(|container| is_meant(&container.service, patterns))
}
