//! A linked component, and its exports as methods.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use wasmtime::component::{Component, InstancePre, Linker};

use super::call::{CallError, CallLimits, OUTPUT_LIMIT, call};
use super::contract::WIT_VERSION;
use super::description::{Health, Metric, State};
use super::manifest::PluginManifest;
use super::{contract, schema};
use duress_capability::bindings::exports::duress::plugin::{chaos, subject, workload};
use duress_capability::{Ctx, GuestError, MESSAGE_LIMIT, Permissions, PluginScope, tamed};
use duress_model::text::tame;
use duress_model::{Choice, Error, FaultType, ParameterProblem, Result};

/// The most faults that a component may bring.
const FAULT_LIMIT: usize = 200;
/// The most requirements of a fault, and the most services that it may name.
const REQUIREMENT_LIMIT: usize = 64;
const SERVICE_LIMIT: usize = 1_000;
/// The most problems that it may find in parameters.
const PROBLEM_LIMIT: usize = 100;
/// The most metrics that a state may have: a few for each of a thousand instances.
const METRIC_LIMIT: usize = 10_000;
/// The longest name that it may give to anything, in bytes.
const NAME_LIMIT: usize = 128;

/// What a component brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A system under test, with faults of its own: the world `eval-subject`.
    Subject,
    /// Faults for any subject: the world `chaos-plugin`.
    Chaos,
}

/// A component that can be called.
pub struct PluginComponent {
    /// What its manifest calls it.
    pub(super) name: String,
    settings: Value,
    /// e.g. `sha256:2c26…`, over the component's bytes.
    pub(super) digest: String,
    pub(super) pre: InstancePre<Ctx>,
    chaos: chaos::GuestIndices,
    subject: Option<subject::GuestIndices>,
    pub(super) workload: Option<workload::GuestIndices>,
}

impl std::fmt::Debug for PluginComponent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginComponent")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl PluginComponent {
    pub(super) fn link(
        linker: &Linker<Ctx>,
        component: &Component,
        manifest: &PluginManifest,
        digest: String,
    ) -> Result<Self> {
        contract::check(linker, component, manifest)?;
        let pre = linker.instantiate_pre(component).map_err(|error| {
            Error::input(format!("it does not fit this host: {}", error.root_cause()))
                .hint(format!(
                    "build it against wit/ of version {WIT_VERSION}, or use a duress that knows what it was built for"
                ))
        })?;
        let chaos = chaos::GuestIndices::new(&pre).map_err(|error| {
            Error::input(format!(
                "its export `chaos` does not fit this host: {}",
                error.root_cause()
            ))
        })?;
        let subject = subject::GuestIndices::new(&pre).ok();
        let workload = match contract::exports(component, linker.engine(), "workload") {
            false => None,
            true => Some(workload::GuestIndices::new(&pre).map_err(|error| {
                Error::input(format!(
                    "its export `workload` does not fit this host: {}",
                    error.root_cause()
                ))
            })?),
        };
        Ok(Self {
            name: manifest.name.clone(),
            settings: manifest.settings.clone(),
            digest,
            pre,
            chaos,
            subject,
            workload,
        })
    }

    /// Returns the interfaces that it imports, as the component names them.
    pub fn imports(&self) -> Vec<String> {
        let component = self.pre.component();
        let ty = component.component_type();
        let imports = ty.imports(component.engine());
        imports.map(|(name, _)| name.to_owned()).collect()
    }

    /// Returns what it brings.
    pub fn kind(&self) -> Kind {
        if self.subject.is_some() {
            Kind::Subject
        } else {
            Kind::Chaos
        }
    }

    /// Instantiates it, and drop it again: what every call begins and ends with.
    pub async fn instantiate(&self, limits: &CallLimits) -> Result<(), CallError> {
        let scope = self.describing();
        call(
            &self.pre,
            &scope,
            "instantiate",
            limits.describe,
            async |_, _| Ok(()),
        )
        .await
    }

    /// Returns every fault that it brings.
    pub async fn fault_types(&self, limits: &CallLimits) -> Result<Vec<FaultType>, CallError> {
        let scope = self.describing();
        let function = "chaos.fault-types";
        let list = call(
            &self.pre,
            &scope,
            function,
            limits.describe,
            async |store, instance| {
                let guest = self.chaos.load(&mut *store, &instance)?;
                guest.call_fault_types(store).await
            },
        )
        .await?;
        if list.len() > FAULT_LIMIT {
            let reason = format!("it brings more than {FAULT_LIMIT} faults");
            return Err(self.broken(function, reason));
        }
        list.into_iter()
            .map(|fault| {
                if !is_name(&fault.name) {
                    let reason = format!(
                        "it calls a fault `{}`: 1 to {NAME_LIMIT} letters, digits, `_` and `-` would do",
                        tame(&fault.name, NAME_LIMIT)
                    );
                    return Err(self.broken(function, reason));
                }
                for (what, number, most) in [
                    ("requirements", fault.requires.len(), REQUIREMENT_LIMIT),
                    ("services", fault.services.len(), SERVICE_LIMIT),
                ] {
                    if number > most {
                        let reason = format!(
                            "its fault `{}` has {number} {what}; {most} are the most",
                            fault.name
                        );
                        return Err(self.broken(function, reason));
                    }
                }
                let parameters = self.json(function, "parameters", &fault.parameters)?;
                if let Err(why) = schema::check(&parameters) {
                    let reason = format!("the parameter schema of its fault `{}` {why}", fault.name);
                    return Err(self.broken(function, reason));
                }
                Ok(FaultType {
                    plugin: self.name.clone(),
                    name: fault.name,
                    summary: tame(&fault.summary, MESSAGE_LIMIT),
                    parameters,
                    requires: fault.requires.iter().map(|one| tame(one, NAME_LIMIT)).collect(),
                    services: fault.services,
                    choice: match fault.choice {
                        chaos::Choice::ByHost => Choice::ByHost,
                        chaos::Choice::ByFault => Choice::ByFault,
                    },
                })
            })
            .collect()
    }

    /// Returns what is wrong with parameters that fit the fault's schema.
    pub async fn check_parameters(
        &self,
        fault: &str,
        parameters: &Value,
        limits: &CallLimits,
    ) -> Result<Vec<ParameterProblem>, CallError> {
        let parameters = parameters.to_string();
        let scope = self.describing();
        let problems = call(
            &self.pre,
            &scope,
            "chaos.check-parameters",
            limits.describe,
            async |store, instance| {
                let guest = self.chaos.load(&mut *store, &instance)?;
                guest.call_check_parameters(store, fault, &parameters).await
            },
        )
        .await?;
        Ok(problems
            .into_iter()
            .take(PROBLEM_LIMIT)
            .map(|problem| ParameterProblem {
                pointer: tame(&problem.pointer, MESSAGE_LIMIT),
                message: tame(&problem.message, MESSAGE_LIMIT),
            })
            .collect())
    }

    /// Breaks targets; the metadata is what `cleanup` needs.
    pub async fn inject(
        &self,
        scope: &Arc<PluginScope>,
        fault: &str,
        parameters: &Value,
        targets: &[String],
        limit: Duration,
    ) -> Result<Value, CallError> {
        let function = "chaos.inject";
        let request = chaos::Request {
            fault: fault.to_owned(),
            parameters: parameters.to_string(),
            targets: targets.to_vec(),
        };
        let answer = call(
            &self.pre,
            scope,
            function,
            limit,
            async |store, instance| {
                let guest = self.chaos.load(&mut *store, &instance)?;
                guest.call_inject(store, &request).await
            },
        )
        .await?;
        let metadata = self.object(function, "metadata", &self.answer(function, answer)?)?;
        Ok(metadata)
    }

    /// Reverts what `inject` did.
    pub async fn cleanup(
        &self,
        scope: &Arc<PluginScope>,
        metadata: &Value,
        limit: Duration,
    ) -> Result<(), CallError> {
        let function = "chaos.cleanup";
        let metadata = metadata.to_string();
        let answer = call(
            &self.pre,
            scope,
            function,
            limit,
            async |store, instance| {
                let guest = self.chaos.load(&mut *store, &instance)?;
                guest.call_cleanup(store, &metadata).await
            },
        )
        .await?;
        self.answer(function, answer)
    }

    /// Brings a fresh stack up.
    pub async fn reset(&self, scope: &Arc<PluginScope>, limit: Duration) -> Result<(), CallError> {
        let function = "subject.reset";
        let subject = self.subject(function)?;
        let answer = call(
            &self.pre,
            scope,
            function,
            limit,
            async |store, instance| {
                let guest = subject.load(&mut *store, &instance)?;
                guest.call_reset(store).await
            },
        )
        .await?;
        self.answer(function, answer)
    }

    /// Asks whether it is healthy.
    pub async fn health(
        &self,
        scope: &Arc<PluginScope>,
        limit: Duration,
    ) -> Result<Health, CallError> {
        let function = "subject.health";
        let subject = self.subject(function)?;
        let answer = call(
            &self.pre,
            scope,
            function,
            limit,
            async |store, instance| {
                let guest = subject.load(&mut *store, &instance)?;
                guest.call_health(store).await
            },
        )
        .await?;
        let report = self.answer(function, answer)?;
        Ok(Health {
            healthy: report.healthy,
            detail: tame(&report.detail, MESSAGE_LIMIT),
        })
    }

    /// Asks for its state.
    pub async fn capture_state(
        &self,
        scope: &Arc<PluginScope>,
        limit: Duration,
    ) -> Result<State, CallError> {
        let function = "subject.capture-state";
        let subject = self.subject(function)?;
        let answer = call(
            &self.pre,
            scope,
            function,
            limit,
            async |store, instance| {
                let guest = subject.load(&mut *store, &instance)?;
                guest.call_capture_state(store).await
            },
        )
        .await?;
        let state = self.answer(function, answer)?;
        let document = self.object(function, "state", &state.document)?;
        if state.metrics.len() > METRIC_LIMIT {
            let reason = format!("it returned more than {METRIC_LIMIT} metrics");
            return Err(self.broken(function, reason));
        }
        let metrics = state
            .metrics
            .into_iter()
            .map(|metric| Metric {
                name: tame(&metric.name, NAME_LIMIT),
                value: metric.value,
                unit: tame(&metric.unit, NAME_LIMIT),
            })
            .collect();
        Ok(State { document, metrics })
    }

    /// Returns the scope for calls that belong to no trial.
    fn describing(&self) -> Arc<PluginScope> {
        Arc::new(PluginScope {
            plugin: self.name.clone(),
            settings: self.settings.clone(),
            grants: Permissions::default(),
            trial: None,
        })
    }

    fn subject(&self, function: &'static str) -> Result<&subject::GuestIndices, CallError> {
        self.subject
            .as_ref()
            .ok_or_else(|| self.broken(function, "it brings faults, and no subject".to_owned()))
    }

    fn answer<T>(
        &self,
        function: &'static str,
        answer: Result<T, GuestError>,
    ) -> Result<T, CallError> {
        answer.map_err(|error| CallError::Guest {
            plugin: self.name.clone(),
            function,
            error: tamed(error),
        })
    }

    fn object(&self, function: &'static str, what: &str, text: &str) -> Result<Value, CallError> {
        let value = self.json(function, what, text)?;
        if !value.is_object() {
            return Err(self.broken(function, format!("its {what} must be a JSON object")));
        }
        Ok(value)
    }

    fn json(&self, function: &'static str, what: &str, text: &str) -> Result<Value, CallError> {
        self.bounded(function, text.len())?;
        serde_json::from_str(text)
            .map_err(|error| self.broken(function, format!("its {what} is not JSON: {error}")))
    }

    fn bounded(&self, function: &'static str, length: usize) -> Result<(), CallError> {
        if length > OUTPUT_LIMIT {
            let reason = format!(
                "it returned {} MiB; the limit is {}",
                length >> 20,
                OUTPUT_LIMIT >> 20
            );
            return Err(self.broken(function, reason));
        }
        Ok(())
    }

    pub(super) fn broken(&self, function: &'static str, reason: String) -> CallError {
        CallError::Broken {
            plugin: self.name.clone(),
            function,
            reason,
        }
    }
}

/// Returns whether a fault may be called so: its name stands in files, in labels and on command lines.
pub(super) fn is_name(name: &str) -> bool {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=NAME_LIMIT).contains(&name.len()) && !name.starts_with('-') && name.chars().all(fit)
}
