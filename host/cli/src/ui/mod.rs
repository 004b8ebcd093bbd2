//! What a person sees: the two streams, styles, tables, the progress and the summary of a run.
//!
//! All that is printed goes through `print`, and much of it is text of others: of components, containers, registries, other users'
//! files. Whatever in it would steer a terminal is spelt out; only the styles of this module pass.

pub(crate) mod confirm;
pub(crate) mod format;
pub(crate) mod log;
pub(crate) mod print;
pub(crate) mod progress;
pub(crate) mod recovered;
pub(crate) mod style;
pub(crate) mod summary;
pub(crate) mod table;
