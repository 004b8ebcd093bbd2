//! One call into a component: a fresh store, its limits armed at the call, and the result.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Store, Trap, UpdateDeadline};

use duress_capability::{CallLog, Ctx, GuestError, MEMORY_LIMIT, PluginScope, describe};

/// The most that a component may return from one call, in bytes: enough for the state of a large cluster, and little enough to store
/// for each of a hundred thousand trials.
pub(super) const OUTPUT_LIMIT: usize = 4 << 20;

/// Time limits for the exports.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// `subject.reset`, which waits for a whole stack.
    pub reset: Duration,
    /// `subject.health`.
    pub health: Duration,
    /// `subject.capture-state`.
    pub capture: Duration,
    /// `chaos.inject` and `chaos.cleanup`.
    pub fault: Duration,
    /// `chaos.fault-types` and `chaos.check-parameters`, which ask nobody.
    pub describe: Duration,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            reset: Duration::from_secs(300),
            health: Duration::from_secs(20),
            capture: Duration::from_secs(30),
            fault: Duration::from_secs(120),
            describe: Duration::from_secs(10),
        }
    }
}

/// Why a call gave no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The plugin says why.
    #[error("plugin `{plugin}`, {function}: {}", describe(.error))]
    Guest {
        /// The plugin's name.
        plugin: String,
        /// The export.
        function: &'static str,
        /// What it returned.
        error: GuestError,
    },
    /// It was ended by its time limit.
    #[error("plugin `{plugin}`, {function}: it did not return within {:.1} s and was ended", .after.as_secs_f64())]
    TimedOut {
        /// The plugin's name.
        plugin: String,
        /// The export.
        function: &'static str,
        /// The limit.
        after: Duration,
    },
    /// It trapped, or returned what it must not.
    #[error("plugin `{plugin}`, {function}: {reason}")]
    Broken {
        /// The plugin's name.
        plugin: String,
        /// The export.
        function: &'static str,
        /// The guest's own panic message where there is one.
        reason: String,
    },
}

impl From<CallError> for duress_model::Error {
    fn from(error: CallError) -> Self {
        Self::failed(error.to_string())
    }
}

/// Instantiates and runs `body` under a time limit.
pub(super) async fn call<T>(
    component: &InstancePre<Ctx>,
    scope: &Arc<PluginScope>,
    function: &'static str,
    limit: Duration,
    body: impl AsyncFnOnce(&mut Store<Ctx>, Instance) -> wasmtime::Result<T>,
) -> Result<T, CallError> {
    let context = Ctx::new(Arc::clone(scope), function, limit);
    call_in(component, context, scope, function, limit, body).await
}

/// As [`call`], with the state of the call.
pub(super) async fn call_in<T>(
    component: &InstancePre<Ctx>,
    context: Ctx,
    scope: &Arc<PluginScope>,
    function: &'static str,
    limit: Duration,
    body: impl AsyncFnOnce(&mut Store<Ctx>, Instance) -> wasmtime::Result<T>,
) -> Result<T, CallError> {
    let mut store = Store::new(component.engine(), context);
    store.limiter(|ctx| ctx.limiter());
    // A guest that computes gives way at every tick, so that the time limit below takes effect on it as on one that waits.
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Yield(1)));

    let outcome = tokio::time::timeout(limit, async {
        let instance = component.instantiate_async(&mut store).await?;
        body(&mut store, instance).await
    })
    .await;
    store.data_mut().finish();
    let plugin = || scope.plugin.clone();
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            let reason = reason(&error, store.data().log());
            Err(CallError::Broken {
                plugin: plugin(),
                function,
                reason,
            })
        }
        Err(_) => Err(CallError::TimedOut {
            plugin: plugin(),
            function,
            after: limit,
        }),
    }
}

/// Why a call broke off, for a person.
fn reason(error: &wasmtime::Error, log: &CallLog) -> String {
    let Some(trap) = error.downcast_ref::<Trap>() else {
        return error.root_cause().to_string();
    };
    let logged = log.last_error();
    let what = match trap {
        Trap::UnreachableCodeReached => match &logged {
            Some(message) => return format!("it {message}"),
            None => format!(
                "it gave up without saying why (a panic, or more than {} MiB of memory)",
                MEMORY_LIMIT >> 20
            ),
        },
        Trap::StackOverflow => "its stack overflowed (recursion without end?)".to_owned(),
        other => format!("it trapped: {other}"),
    };
    match (logged.or_else(|| log.last_complaints()), trap) {
        (Some(message), Trap::UnreachableCodeReached) => {
            format!("it gave up; its last words: {message}")
        }
        (Some(message), _) => format!("{what}; its last words: {message}"),
        (None, _) => what,
    }
}
