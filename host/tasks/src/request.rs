//! What the helper is asked for once, and answers at once.

use serde::{Deserialize, Serialize};

/// A question or an act. `container` is the engine's full ID of the container whose processes are meant; without it, all that
/// can be seen are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Print the size of the file system that holds a path, what is available of it, and whether others use it too, as JSON.
    FileSystem {
        /// Absolute.
        path: String,
    },
    /// Allocate a new file, whole or not at all.
    Fill(Fill),
    /// Print whether a fill is there, as JSON.
    FillIsThere(Fill),
    /// Remove a fill; one that is not there is not an error.
    RemoveFill(Fill),
    /// Print what a path leads to, as a message.
    ReadFile {
        /// Absolute.
        path: String,
    },
    /// Replace a file, as a message on standard input says.
    ReplaceFile,
    /// Restore a file, as a message on standard input says.
    RestoreFile,
    /// Print every [`Process`], each as a line of JSON.
    Processes {
        /// Whose.
        container: Option<String>,
    },
    /// Send a signal to processes that are still those that were meant.
    Signal {
        /// The signal's name, e.g. `SIGKILL`.
        signal: String,
        /// The pid of each, and when it started, in clock ticks since the machine did.
        processes: Vec<(i32, u64)>,
        /// Whose.
        container: Option<String>,
    },
    /// Whether a signal has any effect on the first process: exit code 0 when it has, else 1.
    Heeds {
        /// The signal's name, e.g. `SIGTERM`.
        signal: String,
        /// Whose.
        container: Option<String>,
    },
    /// Whether a task runs: exit code 0 when it does, else 1.
    Runs {
        /// The task's.
        id: String,
        /// Whose.
        container: Option<String>,
    },
    /// End a task; one that does not run is not an error.
    Stop {
        /// The task's.
        id: String,
        /// Whose.
        container: Option<String>,
    },
}

impl Request {
    /// Returns its name, for messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::FileSystem { .. } => "look at a file system",
            Self::Fill(_) => "fill a disk",
            Self::FillIsThere(_) => "look for a fill",
            Self::RemoveFill(_) => "remove a fill",
            Self::ReadFile { .. } => "read a file",
            Self::ReplaceFile => "replace a file",
            Self::RestoreFile => "restore a file",
            Self::Processes { .. } => "list processes",
            Self::Signal { .. } => "send a signal",
            Self::Heeds { .. } => "look at the first process",
            Self::Runs { .. } => "look for a task",
            Self::Stop { .. } => "end a task",
        }
    }
}

/// A file that takes up space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fill {
    /// Absolute.
    pub path: String,
    /// In bytes.
    pub size: u64,
    /// What only this fill begins with.
    pub mark: Option<String>,
    /// It may lie on a disk that is not the container's alone.
    pub root_filesystem: bool,
}

/// A process of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// As the container numbers it.
    pub pid: i32,
    /// The program's name, at most 15 characters.
    pub name: String,
    /// Its argument vector.
    pub command: Vec<String>,
    /// When it started, in clock ticks since the machine did: with the pid, it names a process for ever.
    pub started: u64,
    /// It was stopped by a signal.
    pub stopped: bool,
}
