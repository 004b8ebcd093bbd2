//! What a component's calls do: one file for each interface of `wit/plugin.wit`.
//!
//! A call is checked before it has an effect and recorded either way. A refusal is a value of the WIT `result`, never a host error:
//! after a host error the component's store is unusable. The one exception is a component that floods the host with calls: its call
//! is ended.

mod audit;
pub mod bindings;
mod changes;
mod checks;
mod containers;
mod convert;
pub mod deployment;
mod effects;
mod host;
mod http;
mod interfaces;
mod launchers;
mod memory;
mod operations;
mod output;
mod permissions;
pub mod programs;
mod radius;
pub mod replacements;
mod scale;
mod scope;
mod stack;
pub mod tcp;
#[cfg(test)]
mod test_trial;
mod text;

use std::sync::Arc;
use std::time::Duration;

use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use duress_model::SeededRandom;

pub use audit::Audit;
pub use bindings::duress::plugin::types::Error as GuestError;
pub use convert::describe;
pub use host::CallLog;
pub use host::Clock;
pub use operations::{OPERATE, Operations};
use output::{Output, Stream};
pub use permissions::{ActionKind, MissingPermission, Permissions, Programs, STACK, TcpReach};
pub use radius::BlastRadius;
pub use scope::{Changes, PluginScope, TrialScope};
pub use text::{MESSAGE_LIMIT, tamed};

/// The most host calls that one call into a component may make. A fault on a hundred containers needs a few thousand; a component
/// that makes more is stuck in a loop.
pub const HOST_CALL_LIMIT: u64 = 100_000;
/// The most memory that a call may have, all memories and tables together, in bytes: room for an interpreter that was compiled to WebAssembly.
pub const MEMORY_LIMIT: usize = 256 << 20;
/// The most resources that one call may hold at a time: a change for each of a hundred containers needs a few hundred.
const RESOURCE_LIMIT: usize = 4_096;
/// The longest that a program, a request or a wait that a component asks for may take.
pub const LONGEST_OPERATION: Duration = Duration::from_secs(600);

/// The state of one call into a component: it lives exactly as long.
pub struct Ctx {
    /// Whose call it is, and what it may reach.
    pub(crate) scope: Arc<PluginScope>,
    /// The export that runs, e.g. `chaos.inject`.
    pub(crate) function: &'static str,
    /// What limits its memory.
    limits: memory::MemoryLimiter,
    /// When it is ended, in milliseconds since the Unix epoch.
    deadline: u64,
    clock: Clock,
    /// What it shares with other operations, if it is one of a workload, and its own random numbers.
    operation: Option<(Arc<Operations>, SeededRandom)>,
    host_calls: u64,
    counts: audit::Counts,
    /// Host calls of this call that are on record.
    recorded: u64,
    omitted: audit::Omitted,
    /// What it has logged.
    log: Arc<CallLog>,
    outputs: [Output; 2],
    /// Its TCP connections.
    connections: tcp::Connections,
    /// Made when it is asked for: most components have no use for it.
    wasi: Option<WasiCtx>,
    table: ResourceTable,
}

impl Ctx {
    /// Returns the state for one call of an export, which is ended after the limit.
    pub fn new(scope: Arc<PluginScope>, function: &'static str, limit: Duration) -> Self {
        let log = Arc::default();
        let clock = scope
            .trial
            .as_ref()
            .map_or_else(Clock::start, |trial| trial.clock);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCE_LIMIT);
        Self {
            outputs: [Stream::Out, Stream::Error].map(|stream| Output::new(stream, &scope, &log)),
            scope,
            function,
            limits: memory::MemoryLimiter::default(),
            deadline: clock.now().saturating_add(limit.as_millis() as u64),
            clock,
            operation: None,
            host_calls: 0,
            connections: tcp::Connections::default(),
            counts: audit::Counts::default(),
            recorded: 0,
            omitted: audit::Omitted::default(),
            log,
            wasi: None,
            table,
        }
    }

    /// Returns the state for one operation of a workload. The scope is the one that [`Operations::new`] returned.
    pub fn for_operation(
        operations: &Arc<Operations>,
        scope: Arc<PluginScope>,
        seed: u64,
        limit: Duration,
    ) -> Self {
        let mut call = Self::new(scope, OPERATE, limit);
        call.limits = memory::MemoryLimiter::sharing(Arc::clone(&operations.memory));
        call.log = Arc::new(CallLog::of_operation(Arc::clone(operations)));
        call.outputs =
            [Stream::Out, Stream::Error].map(|stream| Output::new(stream, &call.scope, &call.log));
        call.operation = Some((Arc::clone(operations), SeededRandom::new(seed)));
        call
    }

    /// Returns what it shares with other operations, if it is one.
    fn operations(&self) -> Option<Arc<Operations>> {
        let (operations, _) = self.operation.as_ref()?;
        Some(Arc::clone(operations))
    }

    /// Returns what limits the memory of the component's store.
    pub fn limiter(&mut self) -> &mut dyn wasmtime::ResourceLimiter {
        &mut self.limits
    }

    /// Returns what the call has logged.
    pub fn log(&self) -> &CallLog {
        &self.log
    }

    /// Counts a host call.
    ///
    /// # Errors
    /// Over [`HOST_CALL_LIMIT`], which ends the component's call.
    fn count(&mut self) -> wasmtime::Result<()> {
        self.host_calls += 1;
        if self.host_calls > HOST_CALL_LIMIT {
            return Err(wasmtime::Error::msg(format!(
                "it made more than {HOST_CALL_LIMIT} host calls"
            )));
        }
        Ok(())
    }

    /// What is to be recorded at the call's end.
    pub fn finish(&mut self) {
        self.outputs.iter().for_each(Output::end);
        let counts = std::mem::take(&mut self.counts);
        let omitted = std::mem::take(&mut self.omitted);
        if self.operation.is_some() {
            // Its calls are counted with those of others.
            return;
        }
        if let Some(trial) = &self.scope.trial {
            let (plugin, function) = (&self.scope.plugin, self.function);
            trial.audit.record_counts(plugin, function, counts);
            trial.audit.record_omitted(plugin, function, omitted);
            for used in self.connections.ended() {
                trial.audit.record_connection(plugin, function, used);
            }
        }
    }
}

impl WasiView for Ctx {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let [out, error] = &self.outputs;
        let wasi = self.wasi.get_or_insert_with(|| {
            // No files, no network, no environment, no arguments: a component from another language can do nothing but call us.
            // Clocks, chance, and two streams that lead to the trial's log are what there is.
            WasiCtx::builder()
                .allow_tcp(false)
                .allow_udp(false)
                .stdout(out.clone())
                .stderr(error.clone())
                .build()
        });
        WasiCtxView {
            ctx: wasi,
            table: &mut self.table,
        }
    }
}

/// Everything that a component can import.
pub fn add_to_linker(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
    use bindings::duress::plugin;
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    plugin::types::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    plugin::host::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    plugin::containers::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    plugin::http::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    plugin::changes::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    plugin::checks::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    plugin::files::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    plugin::tcp::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    plugin::programs::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    plugin::deployment::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    plugin::effects::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)?;
    plugin::stack::add_to_linker::<_, HasSelf<Ctx>>(linker, |ctx| ctx)
}
