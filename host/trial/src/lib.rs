//! One trial: a fresh subject, a fault, observation, the rollback, and the result.
//!
//! The phases run in order. Whatever happens in one, the rollback and the removal of the stack run, and they never wait for
//! permission: a cancelled trial is cleaned up like any other.

mod disturbance;
mod events;
mod evidence;
mod experiment;
mod health;
mod inject;
mod observer;
mod pulse;
mod rollback;
mod targets;
mod timeline;
mod traffic;

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use events::EventSender;
use evidence::{Seen, Watch};
use experiment::Measuring;
pub use experiment::{AbortTimes, Findings, Reread};
pub use observer::Observer;
pub use pulse::Pulse;
use timeline::Timeline;

use duress_capability::{Audit, Changes, PluginScope, TrialScope};
use duress_engine::{
    Engine, LABEL_DATABASE, LABEL_DATABASE_ID, LABEL_HOST, LABEL_MACHINE, LABEL_PROJECT,
    LABEL_TRIAL, Project, Stack,
};
use duress_http::Client;
use duress_journal::{Executor, TrialJournal};
use duress_model::{Circumstances, Error, FaultType, HealthGate, Outcome, Phase, TrialSpec};
use duress_plugin::{CallLimits, Plugin, Subject, merged};
use duress_store::{PhaseRow, Store, TrialEnd};

/// The longest that removing a stack may take.
const TEARDOWN_LIMIT: Duration = Duration::from_secs(120);

/// How much longer than planned a task beside a container goes on before it ends by itself. Long enough that none ends under a fault
/// that is still wanted: the engine may be gone for as long as [`ENGINE_PATIENCE`].
const TASK_GRACE: Duration = Duration::from_secs(180);

/// How long a trial waits for an engine that does not answer before it leaves what it broke to the next recovery.
const ENGINE_PATIENCE: Duration = Duration::from_secs(120);

/// What all trials of a process share.
#[derive(Debug, Clone)]
pub struct RunContext {
    /// Where everything is written down.
    pub store: Store,
    /// This process, as the store knows it.
    pub id: String,
    /// The machine whose folder says that this process lives; empty where none does.
    pub machine: String,
    /// The engine; `None` where no subject of the run has containers.
    pub engine: Option<Arc<dyn Engine>>,
    /// For requests.
    pub http: Client,
    /// Whether this machine stood still meanwhile; `None` in simulated time.
    pub pulse: Option<Arc<Pulse>>,
}

/// One trial, ready to run.
#[derive(Debug, Clone)]
pub struct Trial {
    /// What is to be done.
    pub spec: TrialSpec,
    /// Its id in the store.
    pub id: String,
    /// Its compose project.
    pub project: Project,
    /// The subject.
    pub subject: Arc<Subject>,
    /// For each of the description's faults, the plugin that brings it, and the fault; none for a baseline trial.
    pub faults: Vec<(Arc<Plugin>, Arc<FaultType>)>,
    /// How it is measured and judged.
    pub experiment: Option<Arc<duress_experiment::Plan>>,
    /// Nothing is broken: what the fault would do is written down.
    pub dry_run: bool,
}

/// Why a trial did not pass.
#[derive(Debug, Clone)]
pub struct Failed {
    outcome: Outcome,
    error: Error,
    /// A fault is still in force.
    is_stuck: bool,
}

impl Failed {
    fn new(outcome: Outcome, error: impl Into<Error>) -> Self {
        Self {
            outcome,
            error: error.into(),
            is_stuck: false,
        }
    }

    /// Whatever else happened, people must know of this.
    fn must_be_told(&self) -> bool {
        self.is_stuck || self.outcome == Outcome::Cancelled
    }

    fn aborted() -> Self {
        Self::new(
            Outcome::Aborted,
            Error::failed(
                "the experiment's limit was reached, and everything was rolled back at once",
            ),
        )
    }

    fn cancelled() -> Self {
        Self::new(Outcome::Cancelled, Error::failed("the run was stopped"))
    }
}

/// What a trial came to.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The verdict.
    pub outcome: Outcome,
    /// Why it did not pass.
    pub error: Option<Error>,
    /// From when the last fault was seen to be gone to the first healthy report; `None` where the subject stayed healthy.
    pub recovery_ms: Option<i64>,
    /// What else happened.
    pub circumstances: Circumstances,
}

/// A trial that runs.
struct Run<'a> {
    context: &'a RunContext,
    trial: &'a Trial,
    scope: Arc<TrialScope>,
    observer: &'a Observer,
    cancel: &'a CancellationToken,
    limits: CallLimits,
    /// What is still to be injected or reverted.
    timeline: Timeline,
    /// What was injected and not reverted by its own cleanup, in the order of time.
    injected: Vec<Injected>,
    /// Faults of the network that met no packet.
    without_traffic: Vec<String>,
    /// The subject's health, as far as it was seen.
    seen: Seen,
    /// What must not change but by this trial.
    watch: Watch,
    /// What is measured; `None` before the stack is up, and without an experiment.
    measuring: Option<Measuring>,
    /// The rollback has begun: an abort interrupts nothing any more.
    is_reverting: bool,
    end: TrialEnd,
}

/// A fault that was injected.
struct Injected {
    /// Which of the trial's faults.
    fault: usize,
    /// What its cleanup needs.
    metadata: Value,
    /// Its changes, by their ids in the journal.
    changes: Vec<String>,
    /// Since when they are in force.
    since: Instant,
    /// When it is to be reverted, if not with all others.
    due: Option<Instant>,
}

impl Trial {
    /// Runs it to its end. The stack is gone afterwards, and the result is stored.
    ///
    /// # Errors
    /// When the store cannot be written: only the caller has the result then.
    pub async fn run(
        &self,
        context: &RunContext,
        observer: &Observer,
        cancel: &CancellationToken,
    ) -> duress_model::Result<Finished> {
        let journal = context.engine.as_ref().map(|engine| {
            let executor = Executor {
                engine: Arc::clone(engine),
                http: context.http.clone(),
            };
            TrialJournal::new(
                context.store.clone(),
                executor,
                self.id.clone(),
                context.id.clone(),
                observer.listener(),
            )
            .tasks_end_after(self.longest_task())
        });
        let changes = match &journal {
            Some(journal) if !self.dry_run => Changes::Made(journal.clone()),
            _ => Changes::Recorded(std::sync::Mutex::default()),
        };
        let audit = Audit::new(context.store.clone(), self.id.clone());
        let (project, seed) = (self.project.clone(), self.spec.seed);
        let scope = Arc::new(TrialScope {
            stack: self.stack(context),
            engine: context.engine.clone(),
            root_filesystem_allowed: self.allows_root_filesystem(),
            changes,
            ..TrialScope::new(&self.spec.name, project, seed, audit, context.http.clone())
        });
        let mut run = Run {
            context,
            trial: self,
            scope,
            observer,
            cancel,
            limits: CallLimits {
                reset: Duration::from_millis(self.spec.reset_timeout_ms),
                fault: Duration::from_secs_f64(self.subject.manifest.timeouts.fault_seconds),
                ..CallLimits::default()
            },
            timeline: Timeline::new(&self.spec.faults, self.dry_run),
            injected: Vec::new(),
            without_traffic: Vec::new(),
            seen: Seen::default(),
            watch: Watch::default(),
            measuring: None,
            is_reverting: false,
            end: TrialEnd::default(),
        };
        let result = run.phases().await;
        run.end_watch().await;
        let findings = run.end_measuring().await;
        let result = run.judged_by_experiment(result, findings.as_ref());
        let result = run.judged(result);
        run.finish(result).await
    }

    /// When a task of this trial ends by itself: after the planned end, though every injection took all of its time.
    fn longest_task(&self) -> Duration {
        let injections = u32::try_from(self.faults.len()).unwrap_or(u32::MAX);
        let injecting = self.subject.manifest.timeouts.fault_seconds;
        Duration::from_millis(self.spec.duration_ms)
            .saturating_add(Duration::from_secs_f64(injecting).saturating_mul(injections))
            .saturating_add(TASK_GRACE)
    }

    /// Returns the digest of each component that takes part, by plugin.
    pub fn digests(&self) -> std::collections::BTreeMap<String, String> {
        let faults = self.faults.iter().map(|(plugin, _)| plugin);
        let plugins = std::iter::once(&self.subject.plugin).chain(faults);
        plugins
            .map(|loaded| (loaded.manifest.name.clone(), loaded.digest.clone()))
            .collect()
    }

    /// The one parameter of faults that the host reads too: a fault's word alone is not enough to load a disk of the machine.
    fn allows_root_filesystem(&self) -> bool {
        let mut faults = self.spec.faults.iter();
        faults
            .any(|fault| fault.parameters.get("allow_root_filesystem") == Some(&Value::Bool(true)))
    }

    /// Returns the labels of everything that is made for it.
    fn labels(&self, context: &RunContext) -> std::collections::BTreeMap<String, String> {
        let labels = [
            (LABEL_PROJECT, self.project.to_string()),
            (LABEL_TRIAL, self.id.clone()),
            (LABEL_DATABASE, context.store.path().display().to_string()),
            (LABEL_DATABASE_ID, context.store.identity().to_owned()),
            (LABEL_HOST, context.id.clone()),
            (LABEL_MACHINE, context.machine.clone()),
        ];
        labels.map(|(key, value)| (key.to_owned(), value)).into()
    }

    fn stack(&self, context: &RunContext) -> Option<Stack> {
        Some(Stack {
            project: self.project.clone(),
            compose_file: self.subject.compose_file()?,
            labels: self.labels(context),
        })
    }
}

impl Run<'_> {
    /// Every phase but the report. The rollback runs whatever the injection came to.
    async fn phases(&mut self) -> Result<(), Failed> {
        let began = self.enter(Phase::Init);
        let result = self.init().await;
        self.leave(Phase::Init, began, result)?;

        let began = self.enter(Phase::BaselineCheck);
        let mut result = self.baseline().await;
        if result.is_ok() {
            result = self.begin_watch().await;
        }
        self.leave(Phase::BaselineCheck, began, result)?;

        let broken = self.broken().await;
        let result = if !self.trial.faults.is_empty() {
            let began = self.enter(Phase::Rollback);
            // Where nothing was broken there is nothing to recover from.
            self.end.rollback_at = (!self.trial.dry_run).then_some(began);
            let rolled_back = self.roll_back().await;
            // A fault that stays is worse than whatever came before it.
            self.leave(Phase::Rollback, began, rolled_back).and(broken)
        } else {
            self.begin_revert();
            broken
        };
        if let Some(measuring) = &mut self.measuring {
            measuring.rolled_back();
        }
        // What an abort has ended is followed until it is well again.
        if !matches!(&result, Err(failed) if failed.outcome == Outcome::Aborted) {
            result.clone()?;
        }

        let began = self.enter(Phase::PostValidation);
        let validated = self.validate().await;
        let validated = self.leave(Phase::PostValidation, began, validated);
        result.and(validated)
    }

    /// From now on an abort interrupts nothing: the rollback has begun.
    fn begin_revert(&mut self) {
        self.is_reverting = true;
        if let Some(measuring) = &mut self.measuring {
            measuring.rollback_began();
        }
    }

    /// Whether the experiment has ended the trial for safety.
    fn was_aborted(&self) -> bool {
        let measuring = self.measuring.as_ref();
        measuring.is_some_and(|measuring| measuring.aborted().is_cancelled())
    }

    /// Injects the faults, and watches.
    async fn broken(&mut self) -> Result<(), Failed> {
        if !self.trial.faults.is_empty() {
            let began = self.enter(Phase::FaultInjection);
            let result = self.inject_first().await;
            self.leave(Phase::FaultInjection, began, result)?;
        }
        if let Some(measuring) = &mut self.measuring {
            measuring.in_force();
        }
        let began = self.enter(Phase::Monitoring);
        let result = self.monitor().await;
        self.leave(Phase::Monitoring, began, result)
    }

    /// Begins a phase; when it began.
    fn enter(&self, phase: Phase) -> i64 {
        self.observer.phase(phase);
        if let Some(measuring) = &self.measuring {
            measuring.phase(phase);
        }
        self.context.store.post_phase(&self.trial.id, phase);
        now()
    }

    /// Ends a phase with its outcome.
    fn leave(&self, phase: Phase, began_at: i64, result: Result<(), Failed>) -> Result<(), Failed> {
        let (outcome, detail) = match &result {
            Ok(()) => (Outcome::Passed, None),
            Err(failed) => (failed.outcome, Some(failed.error.to_string())),
        };
        let ended = PhaseRow {
            phase,
            began_at,
            ended_at: now(),
            outcome,
            detail,
        };
        self.context.store.post_phase_end(&self.trial.id, ended);
        result
    }

    /// A scope for one of the plugins that this trial calls.
    fn scope_of(&self, plugin: &Plugin) -> Arc<PluginScope> {
        let manifest = &plugin.manifest;
        let mut settings = manifest.settings.clone();
        // The subject's settings are meant for the plugin that knows it.
        if std::ptr::eq(plugin, self.trial.subject.plugin.as_ref()) {
            settings = merged(&settings, &self.trial.subject.manifest.settings);
        }
        Arc::new(PluginScope {
            plugin: manifest.name.clone(),
            settings,
            grants: manifest.permissions.clone(),
            trial: Some(Arc::clone(&self.scope)),
        })
    }

    /// Without the engine nothing can be reverted: waits for one that does not answer, unless the run was stopped.
    async fn await_engine(&self) {
        let Some(engine) = &self.context.engine else {
            return;
        };
        let Err(error) = engine.ping().await else {
            return;
        };
        self.observer.important(format!(
            "waiting up to {} s for the engine: {error}",
            ENGINE_PATIENCE.as_secs()
        ));
        let answers = duress_engine::await_answer(engine.as_ref(), ENGINE_PATIENCE);
        let _ = self.unless_cancelled(answers).await;
    }

    /// Waits for work, or for the end of the run.
    async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, Failed> {
        let aborted = async {
            match &self.measuring {
                Some(measuring) if !self.is_reverting => measuring.aborted().cancelled().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Failed::cancelled()),
            () = aborted => Err(Failed::aborted()),
            value = work => Ok(value),
        }
    }

    async fn init(&mut self) -> Result<(), Failed> {
        if let Some(engine) = &self.context.engine {
            let labels = self.trial.labels(self.context);
            self.unless_cancelled(engine.adopt(&self.scope.project, &labels))
                .await?
                .map_err(|error| Failed::new(Outcome::Environment, Error::from(error)))?;
        }
        if !self.asks_for_health() {
            return Ok(());
        }
        let subject = &self.trial.subject.plugin;
        let scope = self.scope_of(subject);
        self.unless_cancelled(subject.component.reset(&scope, self.limits.reset))
            .await?
            .map_err(|error| {
                Failed::new(
                    Outcome::Environment,
                    Error::from(error).context("bring up a fresh stack"),
                )
            })
    }

    /// Whether the subject's health counts.
    fn asks_for_health(&self) -> bool {
        self.trial.spec.health == HealthGate::Kept
    }

    async fn baseline(&mut self) -> Result<(), Failed> {
        self.begin_measuring().await?;
        if !self.asks_for_health() {
            return self.measure_baseline().await;
        }
        let health = self.unless_cancelled(self.health()).await?;
        if !health.healthy {
            return Err(Failed::new(
                Outcome::Environment,
                Error::failed(format!("not healthy before any fault: {}", health.detail)),
            ));
        }
        self.measure_baseline().await?;
        self.end.state_before = Some(self.capture(Outcome::Environment).await?);
        Ok(())
    }

    async fn capture(&self, outcome: Outcome) -> Result<Value, Failed> {
        let subject = &self.trial.subject.plugin;
        let scope = self.scope_of(subject);
        let state = self
            .unless_cancelled(subject.component.capture_state(&scope, self.limits.capture))
            .await?
            .map_err(|error| {
                Failed::new(
                    outcome,
                    Error::from(error).context("capture the subject's state"),
                )
            })?;
        Ok(serde_json::to_value(state).unwrap_or_default())
    }

    async fn validate(&mut self) -> Result<(), Failed> {
        if !self.asks_for_health() {
            return Ok(());
        }
        self.await_recovery().await?;
        self.await_held().await?;
        self.end.state_after = Some(self.capture(Outcome::Failed).await?);
        Ok(())
    }

    /// Removes what was made for the trial. A system that ran before goes on running.
    async fn remove_stack(&self, failed: &mut Option<Failed>) {
        let Some(engine) = &self.context.engine else {
            return;
        };
        let (project, is_attached) = (&self.scope.project, self.scope.is_attached());
        if self.scope.stack.is_none() && !is_attached {
            return;
        }
        self.await_engine().await;
        if is_attached {
            self.settle().await;
        }
        let removed = match &self.scope.stack {
            Some(stack) if !self.cancel.is_cancelled() => {
                engine.stack_down(stack, TEARDOWN_LIMIT).await
            }
            // The compose tool takes its time.
            _ => engine.remove_project(project).await,
        };
        if let Err(error) = removed {
            let error = Error::from(error)
                .context(format_args!("remove the stack {project}"))
                .hint("`duress recover` removes it once the engine answers");
            // A network or a volume that stays gives no response of the subject: it is told, and the outcome stands.
            let containers = engine.containers(project).await;
            if is_attached || containers.is_ok_and(|containers| containers.is_empty()) {
                let leftovers = format!("leftovers: {error}");
                self.scope.audit.log("warn", "duress", &leftovers);
                self.observer.important(leftovers);
            } else {
                self.observer.important(error.to_string());
                failed.get_or_insert(Failed::new(Outcome::Environment, error));
            }
        }
        // What could not be reverted in a container is void once the container is gone.
        self.settle().await;
    }

    /// Reverts what is still in force, or notes that it is gone.
    async fn settle(&self) {
        if let Changes::Made(journal) = &self.scope.changes {
            let _ = journal.roll_back().await;
        }
    }

    /// Removes the stack and stores the result.
    async fn finish(mut self, result: Result<(), Failed>) -> duress_model::Result<Finished> {
        self.observer.phase(Phase::Report);
        let mut failed = result.err();
        self.remove_stack(&mut failed).await;
        self.end.outcome = failed
            .as_ref()
            .map_or(Outcome::Passed, |failed| failed.outcome);
        self.end.error = failed.as_ref().map(|failed| failed.error.to_string());
        self.end.hints = failed
            .as_ref()
            .map_or_else(Vec::new, |failed| failed.error.hints().to_vec());
        self.end.ended_at = now();
        let finished = Finished {
            outcome: self.end.outcome,
            error: failed.map(|failed| failed.error),
            recovery_ms: self.end.recovery_ms,
            circumstances: self.end.circumstances.clone(),
        };
        self.context
            .store
            .finish_trial(&self.trial.id, self.end)
            .await?;
        Ok(finished)
    }
}

/// Milliseconds since the Unix epoch.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
