//! What a fault is: how it describes itself, and how it plans its changes. It never makes them: [`crate::inject`] does.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::bindings::duress::plugin::changes;
use crate::bindings::exports::duress::plugin::chaos::FaultType;
use crate::check::{Check, CheckedChange};
use crate::deployment::{OfflinePrograms, Replacement, Scaling};
use crate::draft::Draft;
use crate::files::FileReplacement;
use crate::programs::LastingProgram;
use crate::wait::milliseconds;
use crate::{
    Action, Change, Choice, Container, Error, Limits, Place, Probe, Problem, Program, Result,
};

/// The parameters of a fault. The type's schema carries their defaults, ranges and a sentence each.
pub trait Parameters: DeserializeOwned + JsonSchema + 'static {
    /// Returns what a schema cannot say.
    fn problems(&self) -> Vec<Problem> {
        Vec::new()
    }
}

/// No parameters at all.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParameters {}

impl Parameters for NoParameters {}

/// What a fault sees when it plans.
#[derive(Debug)]
pub struct Scene {
    /// The containers to break; for [`Choice::ByFault`] those that it may choose from.
    pub targets: Vec<Container>,
    /// Every container of the stack.
    pub stack: Vec<Container>,
}

/// What a fault does to one container.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What the metadata says of it, e.g. `target_container`.
    pub facts: Map<String, Value>,
    /// Applied in order, reverted in reverse.
    pub changes: Vec<Planned>,
}

/// A change that is not applied yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Planned {
    /// One that says itself how it is reverted.
    Change(Change),
    /// A typed one: the host knows how it is reverted.
    Draft(Draft),
    /// A program that goes on until the host ends it.
    Program(LastingProgram),
    /// A file that is replaced until the host restores it.
    File(FileReplacement),
    /// A change that is seen by a comparison with a value before it.
    Checked(CheckedChange),
    /// A container that takes the place of another.
    Replacement(Replacement),
    /// Another number of containers of a service.
    Scaling(Scaling),
    /// Programs on the volumes of a container that is stopped.
    Offline(OfflinePrograms),
}

impl From<Replacement> for Planned {
    fn from(replacement: Replacement) -> Self {
        Self::Replacement(replacement)
    }
}

impl From<Scaling> for Planned {
    fn from(scaling: Scaling) -> Self {
        Self::Scaling(scaling)
    }
}

impl From<OfflinePrograms> for Planned {
    fn from(programs: OfflinePrograms) -> Self {
        Self::Offline(programs)
    }
}

impl From<Change> for Planned {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}

impl From<Draft> for Planned {
    fn from(draft: Draft) -> Self {
        Self::Draft(draft)
    }
}

impl From<LastingProgram> for Planned {
    fn from(program: LastingProgram) -> Self {
        Self::Program(program)
    }
}

impl From<FileReplacement> for Planned {
    fn from(replacement: FileReplacement) -> Self {
        Self::File(replacement)
    }
}

impl From<CheckedChange> for Planned {
    fn from(change: CheckedChange) -> Self {
        Self::Checked(change)
    }
}

impl Planned {
    /// Returns the container that it changes; for another number of containers, their service.
    pub fn container(&self) -> &str {
        match self {
            Self::Change(change) => &change.container,
            Self::Draft(draft) => &draft.container,
            Self::Program(program) => &program.container,
            Self::Replacement(replacement) => &replacement.container,
            Self::Scaling(scaling) => &scaling.service,
            Self::Offline(programs) => &programs.container,
            Self::File(replacement) => &replacement.container,
            Self::Checked(checked) => &checked.change.container,
        }
    }

    /// Applies it. Returns its id, and how links were impaired.
    pub(crate) fn apply(&self) -> Result<(String, Option<String>)> {
        match self {
            Self::Change(change) => Ok((changes::apply(change)?, None)),
            Self::Draft(draft) => draft.apply(),
            Self::Program(program) => Ok((program.start()?, None)),
            Self::Replacement(replacement) => Ok((replacement.apply()?, None)),
            Self::Scaling(scaling) => Ok((scaling.apply()?, None)),
            Self::Offline(programs) => Ok((programs.apply()?, None)),
            Self::File(replacement) => Ok((replacement.apply()?, None)),
            Self::Checked(checked) => Ok((checked.apply()?, None)),
        }
    }
}

#[cfg(test)]
impl Planned {
    pub(crate) fn change(&self) -> &Change {
        match self {
            Self::Change(change) => change,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn draft(&self) -> &Draft {
        match self {
            Self::Draft(draft) => draft,
            other => panic!("{other:?}"),
        }
    }
}

impl Step {
    /// One change, with its container in the metadata as `target_container`.
    pub fn new(change: impl Into<Planned>) -> Self {
        let change = change.into();
        let step = Self {
            facts: Map::new(),
            changes: Vec::new(),
        };
        step.fact("target_container", change.container())
            .then(change)
    }

    /// Adds a fact to the metadata.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a change that is made after the others, and reverted before them.
    #[must_use]
    pub fn then(mut self, change: impl Into<Planned>) -> Self {
        self.changes.push(change.into());
        self
    }
}

impl<T: Into<Planned>> From<T> for Step {
    fn from(change: T) -> Self {
        Self::new(change)
    }
}

impl Change {
    /// A change of a container that does nothing yet. The summary is one line for the log and the report.
    pub fn new(container: &Container, summary: impl Into<String>) -> Self {
        Self {
            container: container.name.clone(),
            summary: summary.into(),
            apply: Vec::new(),
            revert: Vec::new(),
            in_force: None,
        }
    }

    /// Adds an action that makes the change.
    #[must_use]
    pub fn apply(mut self, action: Action) -> Self {
        self.apply.push(action);
        self
    }

    /// Adds an action that reverts it, whatever part of it happened. It must be safe to repeat.
    #[must_use]
    pub fn revert(mut self, action: Action) -> Self {
        self.revert.push(action);
        self
    }

    /// Sets what shows the host that the change is in force. A change that runs a program or sends a request needs one; the other
    /// actions the host sees by itself.
    #[must_use]
    pub fn shown_by(mut self, probe: Probe) -> Self {
        self.in_force = Some(probe);
        self
    }
}

impl Change {
    /// Sets a comparison that shows the host that the change is in force.
    pub fn compared_by(self, check: Check) -> CheckedChange {
        CheckedChange {
            change: self,
            check,
        }
    }
}

impl Program {
    /// A program with its arguments, run in the container itself. No shell reads them.
    pub fn in_container(command: &[&str], limit: Duration) -> Self {
        Self {
            place: Place::Container,
            command: command.iter().map(|&word| word.to_owned()).collect(),
            timeout: milliseconds(limit),
            tolerated: Vec::new(),
        }
    }
}

impl Limits {
    /// Leaves every limit as it is: `Limits { cpus: Some(0.5), ..Limits::UNCHANGED }` changes one.
    pub const UNCHANGED: Self = Self {
        cpus: None,
        memory_bytes: None,
        pids: None,
    };
}

type ParameterCheck = Box<dyn Fn(&Value) -> Vec<Problem>>;
type Plan = Box<dyn Fn(&Value, &Scene) -> Result<Vec<Step>>>;
type More = Box<dyn Fn(&Value, &Scene, &[Step]) -> Result<Vec<Step>>>;

/// One way to break a system.
pub struct Fault {
    pub(crate) name: &'static str,
    summary: &'static str,
    schema: Value,
    requires: &'static [&'static str],
    services: &'static [&'static str],
    choice: Choice,
    check: ParameterCheck,
    plan: Plan,
    more: Option<More>,
}

impl Fault {
    /// A fault for any container, picked by the host. The plan is made before anything is changed: a refusal belongs there.
    pub fn new<P: Parameters>(
        name: &'static str,
        summary: &'static str,
        plan: impl Fn(P, &Scene) -> Result<Vec<Step>> + 'static,
    ) -> Self {
        Self {
            name,
            summary,
            schema: schemars::schema_for!(P).to_value(),
            requires: &[],
            services: &[],
            choice: Choice::ByHost,
            check: Box::new(|parameters| {
                parse::<P>(parameters).map_or_else(|problem| vec![problem], |p| p.problems())
            }),
            plan: Box::new(move |parameters, scene| {
                let parameters =
                    parse(parameters).map_err(|problem| Error::Invalid(problem.message))?;
                plan(parameters, scene)
            }),
            more: None,
        }
    }

    /// As [`Fault::new`], for a fault that does the same to each of its targets.
    pub fn for_each<P: Parameters>(
        name: &'static str,
        summary: &'static str,
        plan: impl Fn(&P, &Container, &Scene) -> Result<Step> + 'static,
    ) -> Self {
        Self::new(name, summary, move |parameters: P, scene| {
            let step = |target| plan(&parameters, target, scene);
            scene.targets.iter().map(step).collect()
        })
    }

    /// Looks at each target again once the planned changes are in force, and plans what they have
    /// missed, e.g. a process that was forked meanwhile. Repeated until nothing is missed, a few
    /// times at most.
    #[must_use]
    pub fn then<P: Parameters>(
        mut self,
        more: impl Fn(&P, &Container, &[Step]) -> Result<Option<Step>> + 'static,
    ) -> Self {
        self.more = Some(Box::new(move |parameters, scene, steps| {
            let parameters =
                parse(parameters).map_err(|problem| Error::Invalid(problem.message))?;
            let step = |target| more(&parameters, target, steps).transpose();
            scene.targets.iter().filter_map(step).collect()
        }));
        self
    }

    /// It may hurt these services alone; each a name, or a beginning with `*` behind it.
    #[must_use]
    pub fn on(mut self, services: &'static [&'static str]) -> Self {
        self.services = services;
        self
    }

    /// Returns what it needs, e.g. `CAP_NET_ADMIN`, `tool:tc`, `kernel:sch_netem`.
    #[must_use]
    pub fn requires(mut self, requires: &'static [&'static str]) -> Self {
        self.requires = requires;
        self
    }

    /// It picks among its targets itself, by the system's state.
    #[must_use]
    pub fn choosing(mut self) -> Self {
        self.choice = Choice::ByFault;
        self
    }

    /// Gives a parameter another default in the schema.
    #[must_use]
    pub fn default_value(mut self, parameter: &str, value: impl Into<Value>) -> Self {
        self.schema["properties"][parameter]["default"] = value.into();
        self
    }

    /// As the contract describes it.
    pub(crate) fn describe(&self) -> FaultType {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        FaultType {
            name: self.name.into(),
            summary: self.summary.into(),
            parameters: self.schema.to_string(),
            requires: owned(self.requires),
            services: owned(self.services),
            choice: self.choice,
        }
    }

    /// Returns what is wrong with the parameters.
    pub fn check(&self, parameters: &Value) -> Vec<Problem> {
        (self.check)(parameters)
    }

    /// Returns what it would do; nothing is changed.
    pub fn plan(&self, parameters: &Value, scene: &Scene) -> Result<Vec<Step>> {
        (self.plan)(parameters, scene)
    }

    /// Plans what the steps in force have missed; nothing is changed.
    pub(crate) fn more(
        &self,
        parameters: &Value,
        scene: &Scene,
        steps: &[Step],
    ) -> Result<Vec<Step>> {
        self.more
            .as_ref()
            .map_or_else(|| Ok(Vec::new()), |more| more(parameters, scene, steps))
    }
}

fn parse<P: Parameters>(parameters: &Value) -> Result<P, Problem> {
    P::deserialize(parameters).map_err(|error| Problem {
        pointer: String::new(),
        message: error.to_string(),
    })
}
