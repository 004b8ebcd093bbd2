//! What a person sees of an experiment, and that nothing a person may write breaks the reader.

mod files;
mod grammar;
mod judge;
mod properties;
