//! A container of the simulated machine, and what is not as it was made.

use std::collections::{BTreeMap, BTreeSet};

use std::time::Duration;

use tokio::time::Instant;

use duress_engine::{
    Attachment, ContainerCopy, ContainerId, FileCopy, Health, Limits, Overrides, Process, Snapshot,
    State, Work,
};

/// A container, and everything in it that a fault can change.
#[derive(Debug, Clone)]
pub struct Container {
    /// The engine's name for it.
    pub id: String,
    /// Its service, which is what plugins call it.
    pub service: String,
    /// On its one network.
    pub address: std::net::IpAddr,
    /// Whether it runs.
    pub state: State,
    /// Its limits.
    pub limits: Limits,
    /// iptables' rules, by everything in them but the peer, with the peer.
    pub rules: Vec<(String, String)>,
    /// Queueing disciplines, as tc shows them.
    pub disciplines: Vec<String>,
    /// What programs have changed in it, in the words of a [`Script`].
    pub marks: BTreeSet<String>,
    /// Files that take up space, with their sizes in bytes.
    pub files: BTreeMap<String, u64>,
    /// Files that programs read, by path, as they were made: those of the script.
    pub made_files: BTreeMap<String, FileCopy>,
    /// The same now.
    pub kept_files: BTreeMap<String, FileCopy>,
    /// What goes on beside it, by id.
    pub tasks: BTreeMap<String, Task>,
    /// What runs in it.
    pub processes: Vec<Process>,
    /// It is set aside: it does not run, and not part of its stack.
    pub is_aside: bool,
    /// The arrangement that made it, and the container that it was made from.
    pub made_for: Option<(String, String)>,
    /// In what it differs from the container that it was made from.
    pub overrides: Overrides,
    /// What programs have changed on its volumes, in the words of a [`super::Script`]: it outlives processes.
    pub stored: BTreeSet<String>,
    /// How often it was started.
    pub starts: u64,
    /// How often it started again by itself.
    pub restarts: i64,
    /// When it was started last.
    started: Instant,
    /// How long after its start its health check passes; `None` where it has none.
    pub healthy_after: Option<Duration>,
    /// Its first process ignores the signal to stop, so that the engine waits the whole grace and kills it.
    pub ignores_stop: bool,
}

/// What goes on beside a container.
#[derive(Debug, Clone)]
pub struct Task {
    /// What it does.
    pub work: Work,
    /// When it ends though nobody ends it, counted from its start.
    pub ends_after: Option<Duration>,
}

impl Container {
    pub(super) fn new(id: String, service: String, number: u8) -> Self {
        Self {
            id,
            service,
            address: std::net::IpAddr::from([10, 0, 0, number]),
            state: State::Running,
            limits: Limits::default(),
            rules: Vec::new(),
            disciplines: Vec::new(),
            marks: BTreeSet::new(),
            files: BTreeMap::new(),
            made_files: BTreeMap::new(),
            kept_files: BTreeMap::new(),
            tasks: BTreeMap::new(),
            processes: processes(),
            is_aside: false,
            made_for: None,
            overrides: Overrides::default(),
            stored: BTreeSet::new(),
            starts: 1,
            restarts: 0,
            started: Instant::now(),
            healthy_after: None,
            ignores_stop: false,
        }
    }

    /// Returns the time since it was started last.
    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Returns what its health check says.
    pub(super) fn health(&self) -> Health {
        match self.healthy_after {
            None => Health::None,
            Some(after) if self.started.elapsed() < after => Health::Starting,
            Some(_) => Health::Healthy,
        }
    }

    /// Returns one that is made from this one, and does not run yet.
    pub(super) fn copy(&self, id: String, number: u8, token: &str, copy: &ContainerCopy) -> Self {
        let mut made = Self::new(id, copy.name.clone(), number);
        made.end();
        made.is_aside = true;
        made.made_for = Some((token.to_owned(), self.id.clone()));
        made.overrides = copy.overrides.clone();
        made.made_files = self.made_files.clone();
        made.kept_files = self.made_files.clone();
        if copy.number.is_none() {
            made.stored = self.stored.clone();
        }
        made
    }

    /// Returns whether it was made for that arrangement.
    pub(super) fn is_copy(&self, token: &str) -> bool {
        self.made_for.as_ref().is_some_and(|(own, _)| own == token)
    }

    /// Returns the service in the compose file: for a further container of one, the name without the number.
    pub(super) fn service_of_compose(&self) -> &str {
        match (&self.made_for, self.service.rsplit_once('-')) {
            (Some(_), Some((service, number))) if number.parse::<u32>().is_ok() => service,
            _ => &self.service,
        }
    }

    /// Returns whether it is part of its stack now.
    pub fn is_in_place(&self) -> bool {
        !self.is_aside
    }

    /// Returns the marks that are set in it and on its volumes.
    pub(super) fn all_marks(&self) -> BTreeSet<String> {
        let replaced = self.replaced().map(|path| format!("replaced:{path}"));
        let marks = self.marks.union(&self.stored).cloned();
        marks.chain(replaced).collect()
    }

    /// Returns how it stands now.
    pub(super) fn snapshot(&self) -> Snapshot {
        let ended = self.state == State::Exited;
        let attachment = Attachment {
            endpoint: format!("{}-{}", self.id, self.starts),
            address: self.address.to_string(),
        };
        let attached = (!ended).then(|| ("default".to_owned(), attachment));
        Snapshot {
            id: ContainerId(self.id.clone()),
            name: self.service.clone(),
            state: self.state,
            exit_code: ended.then_some(0),
            out_of_memory: false,
            started: self.starts.to_string(),
            restarts: self.restarts,
            attachments: attached.into_iter().collect(),
        }
    }

    /// The paths of files that are not as they were made.
    fn replaced(&self) -> impl Iterator<Item = &String> {
        let paths: BTreeSet<_> = self
            .made_files
            .keys()
            .chain(self.kept_files.keys())
            .collect();
        let differs = |path: &&String| self.made_files.get(*path) != self.kept_files.get(*path);
        paths.into_iter().filter(differs)
    }

    /// Returns what is not as it was when it was made, a phrase each.
    pub fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        if self.state != State::Running {
            left.push(format!("it is {:?}", self.state).to_lowercase());
        }
        if self.limits != Limits::default() {
            left.push("its limits are changed".to_owned());
        }
        left.extend(
            self.rules
                .iter()
                .map(|(rule, peer)| format!("the rule `{rule} {peer}`")),
        );
        left.extend(self.disciplines.iter().map(|line| format!("`{line}`")));
        left.extend(
            self.marks
                .iter()
                .map(|mark| format!("`{mark}` of the script")),
        );
        left.extend(self.files.keys().map(|path| format!("the file {path}")));
        left.extend(
            self.replaced()
                .map(|path| format!("the replaced file {path}")),
        );
        left.extend(self.tasks.keys().map(|id| format!("the task {id}")));
        left.extend(
            self.stored
                .iter()
                .map(|mark| format!("`{mark}` of the script, on its volumes")),
        );
        if let Some((_, of)) = &self.made_for {
            left.push(format!("it was made from {of}"));
        } else if self.is_aside {
            left.push("it is set aside".to_owned());
        }
        let stopped = self.processes.iter().filter(|process| process.stopped);
        left.extend(stopped.map(|process| format!("process {} is stopped", process.pid)));
        left
    }

    /// Returns what is not as it was when it was made, by the kind of action that makes it so.
    pub fn changed(&self) -> BTreeSet<&'static str> {
        if self.is_aside || self.made_for.is_some() {
            return BTreeSet::from(["rearrange"]);
        }
        let mut kinds = BTreeSet::new();
        let mut is = |changed: bool, kind| {
            if changed {
                kinds.insert(kind);
            }
        };
        is(self.state == State::Paused, "pause");
        is(self.state == State::Exited, "end");
        is(
            !self.rules.is_empty() || !self.disciplines.is_empty() || !self.marks.is_empty(),
            "run",
        );
        is(!self.stored.is_empty(), "run_offline");
        is(!self.files.is_empty(), "fill_disk");
        is(self.replaced().next().is_some(), "replace_file");
        is(!self.tasks.is_empty(), "start_task");
        is(
            self.processes.iter().any(|one| one.stopped),
            "signal_process",
        );
        is(self.limits != Limits::default(), "limit");
        kinds
    }

    /// All that lives in memory goes with the first process.
    pub fn end(&mut self) {
        self.state = State::Exited;
        self.rules.clear();
        self.disciplines.clear();
        self.marks.clear();
        self.tasks.clear();
        self.processes.clear();
    }

    /// Starts it, unless it runs.
    pub fn start(&mut self) {
        if self.state == State::Exited {
            self.state = State::Running;
            self.starts += 1;
            self.started = Instant::now();
            self.processes = processes();
        }
    }
}

fn processes() -> Vec<Process> {
    let process = |pid, name: &str| Process {
        pid,
        name: name.to_owned(),
        command: vec![name.to_owned()],
        started: 1000,
        stopped: false,
    };
    vec![process(1, "main"), process(7, "worker")]
}
