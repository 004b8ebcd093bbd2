//! The operations of a workload that a subject's plugin brings, and the client that makes them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::PollSemaphore;

use super::call::{CallError, CallLimits, call, call_in};
use super::component::{PluginComponent, is_name};
use super::plugin::Plugin;
use duress_capability::bindings::exports::duress::plugin::workload;
use duress_capability::{Ctx, MESSAGE_LIMIT, OPERATE, Operations, Permissions, PluginScope};
use duress_experiment::{Load, LoadClient};
use duress_model::text::tame;
use duress_model::{Error, Result, nearest};
use duress_workload::{Client, Failure, Mix};

/// The most operations that a plugin may bring.
const OPERATION_LIMIT: usize = 100;
/// The longest name of one, in bytes.
const NAME_LIMIT: usize = 64;
/// How many operations compute at the same time. One does tens of microseconds of work, so that one after the other thousands are made each
/// second; and operations that compute without end leave the other processors to the rest of duress.
const COMPUTING: usize = 1;
/// The bits of a number that every JSON reader keeps exactly.
const EXACT: u64 = (1 << 53) - 1;

/// The kind of an operation that trapped, or returned what it must not.
const PLUGIN_FAILED: &str = "plugin_failed";

/// An operation that clients of a system make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationInfo {
    /// e.g. `put`.
    pub name: String,
    /// One sentence.
    pub description: String,
}

impl PluginComponent {
    /// Returns the operations that it brings for workloads, with the subject's settings; none if it exports no `workload`.
    ///
    /// # Errors
    /// Why it did not list them, or what is wrong with the list.
    pub async fn operations(
        &self,
        settings: &Value,
        limits: &CallLimits,
    ) -> Result<Vec<OperationInfo>, CallError> {
        let Some(workload) = &self.workload else {
            return Ok(Vec::new());
        };
        let scope = Arc::new(PluginScope {
            plugin: self.name.clone(),
            settings: settings.clone(),
            grants: Permissions::default(),
            trial: None,
        });
        let function = "workload.operations";
        let list = call(
            &self.pre,
            &scope,
            function,
            limits.describe,
            async |store, instance| {
                let guest = workload.load(&mut *store, &instance)?;
                guest.call_operations(store).await
            },
        )
        .await?;
        if list.len() > OPERATION_LIMIT {
            let reason = format!(
                "it brings {} operations; {OPERATION_LIMIT} are the most",
                list.len()
            );
            return Err(self.broken(function, reason));
        }
        let mut operations: Vec<OperationInfo> = Vec::new();
        for operation in list {
            let shown = tame(&operation.name, NAME_LIMIT);
            if !is_name(&operation.name) || operation.name.len() > NAME_LIMIT {
                let reason = format!(
                    "it calls an operation `{shown}`: 1 to {NAME_LIMIT} letters, digits, `_` and `-` would do"
                );
                return Err(self.broken(function, reason));
            }
            if operations.iter().any(|other| other.name == operation.name) {
                let reason = format!("it brings the operation `{shown}` twice");
                return Err(self.broken(function, reason));
            }
            operations.push(OperationInfo {
                name: operation.name,
                description: tame(&operation.description, MESSAGE_LIMIT),
            });
        }
        Ok(operations)
    }

    /// Makes one operation. The scope is the one that [`Operations::new`] returned, and the seed that of its random numbers.
    ///
    /// # Errors
    /// Why it did not succeed: the plugin's word, or that it trapped or did not return in time.
    pub async fn operate(
        &self,
        operations: &Arc<Operations>,
        scope: &Arc<PluginScope>,
        name: &str,
        (number, seed): (u64, u64),
        limit: Duration,
    ) -> Result<Result<(), Failure>, CallError> {
        let Some(workload) = &self.workload else {
            return Err(self.broken(OPERATE, "it exports no `workload`".to_owned()));
        };
        let context = Ctx::for_operation(operations, Arc::clone(scope), seed, limit);
        let input = json!({ "number": number & EXACT, "random": seed & EXACT }).to_string();
        let outcome: Result<(), workload::Failure> = call_in(
            &self.pre,
            context,
            scope,
            OPERATE,
            limit,
            async |store, instance| {
                let guest = workload.load(&mut *store, &instance)?;
                guest.call_operate(store, name, &input).await
            },
        )
        .await?;
        Ok(outcome.map_err(|failure| Failure::new(&failure.kind, &failure.message)))
    }
}

/// Makes the operations of a subject's plugin.
#[derive(Debug)]
pub struct PluginClient {
    plugin: Arc<Plugin>,
    scope: Arc<PluginScope>,
    operations: Arc<Operations>,
    mix: Mix,
    limit: Duration,
    turns: PollSemaphore,
}

impl PluginClient {
    /// Returns the client of a load by the subject's plugin. The scope is that of the trial's other calls into it; its operations get no more
    /// of it than HTTP and TCP. The same seed gives the same operations.
    ///
    /// # Errors
    /// `Input` for a load that is not made by a plugin, and for an operation that this one does not bring; what the plugin did wrong when it
    /// was asked for its operations.
    pub async fn new(
        plugin: Arc<Plugin>,
        scope: &PluginScope,
        load: &Load,
        seed: u64,
        limits: &CallLimits,
    ) -> Result<Self> {
        let LoadClient::Plugin { operations } = &load.client else {
            return Err(Error::input("this workload is not made by a plugin"));
        };
        let known = plugin.component.operations(&scope.settings, limits).await?;
        check(&plugin.manifest.name, &known, operations)?;
        let mix = Mix::new(operations, seed).ok_or_else(|| {
            Error::input("no operation of the workload has a share")
                .hint("give each a percentage, e.g. `{put: 80%, get: 20%}`")
        })?;
        let (shared, scope) = Operations::new(scope, load.in_flight as usize)?;
        Ok(Self {
            plugin,
            scope,
            operations: shared,
            mix,
            limit: Duration::from_millis(load.timeout_ms),
            turns: PollSemaphore::new(Arc::new(Semaphore::new(COMPUTING))),
        })
    }
}

/// Checks that a plugin brings the operations of a mix.
fn check(
    plugin: &str,
    known: &[OperationInfo],
    mix: &[duress_experiment::Operation],
) -> Result<()> {
    for operation in mix {
        if known.iter().any(|one| one.name == operation.name) {
            continue;
        }
        let name = tame(&operation.name, NAME_LIMIT);
        let error = Error::input(format!(
            "the plugin `{plugin}` brings no operation `{name}`"
        ));
        let names: Vec<&str> = known.iter().map(|one| one.name.as_str()).collect();
        return Err(match nearest(&name, names.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None if names.is_empty() => error.hint(
                "it brings none: use `http` in the workload, or a plugin that exports `workload`",
            ),
            None => error.hint(format!("it brings {}", names.join(", "))),
        });
    }
    Ok(())
}

#[async_trait]
impl Client for PluginClient {
    async fn operate(&self, number: u64) -> std::result::Result<(), Failure> {
        let (name, seed) = self.mix.operation(number);
        let operation = self.plugin.component.operate(
            &self.operations,
            &self.scope,
            name,
            (number, seed),
            self.limit,
        );
        let outcome = Turns {
            work: Box::pin(operation),
            turns: self.turns.clone(),
        };
        match outcome.await {
            Ok(outcome) => outcome,
            Err(CallError::TimedOut { after, .. }) => Err(Failure::new(
                duress_workload::TIMEOUT,
                &format!("no end within {} ms", after.as_millis()),
            )),
            Err(error) => Err(Failure::new(PLUGIN_FAILED, &error.to_string())),
        }
    }
}

/// Work that is done while it has a permit, and waits for one each time that it can go on.
struct Turns<W> {
    work: Pin<Box<W>>,
    turns: PollSemaphore,
}

impl<W: Future> Future for Turns<W> {
    type Output = W::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<W::Output> {
        let turn: Poll<Option<OwnedSemaphorePermit>> = self.turns.poll_acquire(context);
        // Nobody closes the semaphore.
        let Poll::Ready(_turn) = turn else {
            return Poll::Pending;
        };
        self.work.as_mut().poll(context)
    }
}
