//! A trial's experiment: the workload runs, each metric is looked at again and again, and the judge says what that shows.
//!
//! The judge is asked with each sample. An abort is known to the trial at that moment: between a sample and the first revert lies
//! neither the store nor a plugin.

mod findings;
mod inside;
mod reread;
mod sampler;
mod words;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use duress_engine::AddressBook;
use duress_experiment::{Judge, LoadClient, Plan, Sample, Verdict};
use duress_http::Anywhere;
use duress_metrics::{Clock, Context, Probe, Unready};
use duress_model::{Error, Outcome, Phase};
use duress_plugin::PluginClient;
use duress_workload::{Client, HttpClient, Running, Workload};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Failed, Run};
pub use findings::{AbortTimes, Findings, Reread};
use inside::InTrial;
use sampler::Sampler;

/// How many samples of a trial are kept to be judged again: a day of ten metrics each second.
const KEPT: usize = 1_000_000;

/// What the samplers and the trial share.
#[derive(Debug)]
pub(super) struct Shared {
    judge: Mutex<Judge>,
    phase: Mutex<Phase>,
    samples: Mutex<Vec<Sample>>,
    clock: Clock,
    /// Cancelled once the judge has decided that the trial must end.
    aborted: CancellationToken,
}

/// An experiment under way.
#[derive(Debug)]
pub(super) struct Measuring {
    plan: Arc<Plan>,
    shared: Arc<Shared>,
    load: Arc<Mutex<Option<Running>>>,
    samplers: Vec<JoinHandle<Probe>>,
    stop: CancellationToken,
    times: Times,
}

/// When what happened, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, Default)]
struct Times {
    baseline_ended: Option<i64>,
    in_force: Option<i64>,
    rollback_began: Option<i64>,
    rolled_back: Option<i64>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Measuring {
    /// Returns what is cancelled once the trial must end for safety.
    pub(super) fn aborted(&self) -> &CancellationToken {
        &self.shared.aborted
    }

    fn now(&self) -> i64 {
        self.shared.clock.now()
    }

    /// Notes the trial's phase: what is measured from now on belongs to it.
    pub(super) fn phase(&self, phase: Phase) {
        *lock(&self.shared.phase) = phase;
        if let Some(load) = lock(&self.load).as_ref() {
            load.phase(phase.as_str());
        }
    }

    /// Notes that the faults of the first moment are in force.
    pub(super) fn in_force(&mut self) {
        let now = self.now();
        self.times.in_force.get_or_insert(now);
        lock(&self.shared.judge).fault_in_force(now);
    }

    /// Notes that the first revert begins.
    pub(super) fn rollback_began(&mut self) {
        let now = self.now();
        self.times.rollback_began.get_or_insert(now);
        lock(&self.shared.judge).rollback_began(now);
    }

    /// Notes that every change is reverted.
    pub(super) fn rolled_back(&mut self) {
        let now = self.now();
        self.times.rolled_back.get_or_insert(now);
        lock(&self.shared.judge).rolled_back(now);
    }

    /// Returns whether every condition has held for long enough again; true without a condition.
    pub(super) fn has_recovered(&self) -> bool {
        self.plan.expect.is_empty() || lock(&self.shared.judge).has_recovered()
    }

    /// Returns whether the time in which it must have recovered is over.
    pub(super) fn is_too_late(&self) -> bool {
        let deadline = lock(&self.shared.judge).recovery_deadline();
        deadline.is_some_and(|deadline| self.now() >= deadline)
    }
}

impl Run<'_> {
    /// Starts the workload and the looks at each metric, where the trial has an experiment.
    pub(super) async fn begin_measuring(&mut self) -> Result<(), Failed> {
        let Some(plan) = &self.trial.experiment else {
            return Ok(());
        };
        let environment = |error: Error| Failed::new(Outcome::Environment, error);
        let engine = self.context.engine.as_ref().ok_or_else(|| {
            environment(Error::failed(
                "nothing can be measured: the subject has no containers",
            ))
        })?;
        let clock = Clock::start();
        let load = Arc::new(Mutex::new(None));
        if let Some(wanted) = &plan.load {
            let client = self.load_client(wanted).await.map_err(environment)?;
            *lock(&load) = Some(Workload::start(wanted, client, clock.now()));
        }
        let stop = CancellationToken::new();
        if plan.load.is_some() {
            let seconds = sampler::Seconds {
                load: Arc::clone(&load),
                store: self.context.store.clone(),
                trial: self.trial.id.clone(),
            };
            tokio::spawn(seconds.run(stop.clone()));
        }
        let subject = &self.trial.subject.plugin;
        let context = Context {
            engine: Arc::clone(engine),
            project: self.scope.project.clone(),
            clock,
            client: Anywhere::beside(&self.context.http).map_err(environment)?,
            inside: Arc::new(InTrial {
                plugin: Arc::clone(subject),
                scope: self.scope_of(subject),
                limit: self.limits.capture,
                load: Arc::clone(&load),
            }),
        };
        let shared = Arc::new(Shared {
            judge: Mutex::new(Judge::new(plan)),
            phase: Mutex::new(Phase::BaselineCheck),
            samples: Mutex::default(),
            clock,
            aborted: CancellationToken::new(),
        });
        let measuring = self.measuring.insert(Measuring {
            plan: Arc::clone(plan),
            shared: Arc::clone(&shared),
            load,
            samplers: Vec::new(),
            stop: stop.clone(),
            times: Times::default(),
        });
        measuring.phase(Phase::BaselineCheck);
        let probes = self.checked_probes(plan, &context).await?;
        for probe in probes {
            let sampler = Sampler {
                probe,
                plan: Arc::clone(plan),
                shared: Arc::clone(&shared),
                observer: self.observer.clone(),
                store: self.context.store.clone(),
                trial: self.trial.id.clone(),
            };
            let sampling = tokio::spawn(sampler.run(stop.clone()));
            if let Some(measuring) = &mut self.measuring {
                measuring.samplers.push(sampling);
            }
        }
        Ok(())
    }

    /// Returns what looks at each metric. What is asked wrongly is told of all of them: it will have no value later either.
    async fn checked_probes(&self, plan: &Plan, context: &Context) -> Result<Vec<Probe>, Failed> {
        let mut probes = Vec::new();
        let mut wrong = Vec::new();
        for metric in &plan.metrics {
            let probe = Probe::new(metric, context);
            let mut probe = probe.map_err(|error| Failed::new(Outcome::Environment, error))?;
            match self.unless_cancelled(probe.check()).await? {
                Err(Unready::Wrong(why)) => wrong.push(format!("metric `{}`: {why}", metric.name)),
                Err(Unready::NotYet(_)) | Ok(_) => probes.push(probe),
            }
        }
        match wrong.is_empty() {
            true => Ok(probes),
            false => Err(Failed::new(
                Outcome::Environment,
                Error::failed(wrong.join("; ")).hint("nothing was injected"),
            )),
        }
    }

    async fn load_client(
        &self,
        load: &duress_experiment::Load,
    ) -> duress_model::Result<Arc<dyn Client>> {
        match &load.client {
            LoadClient::Http { .. } => {
                let stack = self.context.engine.as_ref();
                let stack = stack
                    .map(|engine| AddressBook::new(Arc::clone(engine), self.scope.project.clone()));
                Ok(Arc::new(HttpClient::new(&self.context.http, load, stack)?))
            }
            LoadClient::Plugin { .. } => {
                let plugin = &self.trial.subject.plugin;
                let scope = self.scope_of(plugin);
                let seed = self.trial.spec.seed;
                let client =
                    PluginClient::new(Arc::clone(plugin), &scope, load, seed, &self.limits).await?;
                Ok(Arc::new(client))
            }
        }
    }

    /// Measures the system before any fault, and sees whether the hypothesis holds then.
    pub(super) async fn measure_baseline(&mut self) -> Result<(), Failed> {
        let Some(measuring) = &self.measuring else {
            return Ok(());
        };
        let warm_up = std::time::Duration::from_millis(measuring.plan.warm_up_ms);
        let warmed_up = self.unless_cancelled(tokio::time::sleep(warm_up)).await;
        let Some(measuring) = &mut self.measuring else {
            return Ok(());
        };
        match warmed_up {
            // Nothing was injected that could be aborted.
            Err(failed) if failed.outcome == Outcome::Aborted => {
                let decision = lock(&measuring.shared.judge).abort().cloned();
                let rule = decision.map_or_else(String::new, |decision| decision.condition);
                return Err(Failed::new(
                    Outcome::Environment,
                    Error::failed(format!(
                        "{rule}, which aborts a trial, was met before any fault"
                    ))
                    .hint("the system is not well, or the limit is too low: nothing was injected"),
                ));
            }
            warmed_up => warmed_up?,
        }
        let now = measuring.now();
        measuring.times.baseline_ended = Some(now);
        let check = lock(&measuring.shared.judge).end_baseline(now);
        if check.holds {
            return Ok(());
        }
        Err(Failed::new(
            Outcome::Environment,
            Error::failed(format!(
                "the hypothesis does not hold before any fault: {}",
                words::baseline(&measuring.plan, &check, &lock(&measuring.shared.samples))
            ))
            .hint("`expect` may ask too much, or the system is not well: nothing was injected"),
        ))
    }

    /// Waits until every condition has held again for as long as the experiment says.
    pub(super) async fn await_held(&mut self) -> Result<(), Failed> {
        loop {
            let Some(measuring) = &self.measuring else {
                return Ok(());
            };
            // In a dry run there is nothing to recover from.
            if self.trial.dry_run || measuring.has_recovered() {
                return Ok(());
            }
            if measuring.is_too_late() {
                let judgement = lock(&measuring.shared.judge).judgement();
                let within = measuring.plan.recover_within_ms / 1_000;
                let hold = measuring.plan.hold_ms / 1_000;
                return Err(Failed::new(
                    Outcome::TimedOut,
                    Error::failed(format!(
                        "the hypothesis did not hold again for {hold} s within {within} s after the rollback: {}",
                        words::recovery(&judgement)
                    ))
                    .hint("`recover_within` in the experiment gives it longer"),
                ));
            }
            let pause = std::time::Duration::from_millis(100);
            self.unless_cancelled(tokio::time::sleep(pause)).await?;
        }
    }

    /// Ends the looks and the workload, reads past windows again, and puts on record what is to be said of all.
    pub(super) async fn end_measuring(&mut self) -> Option<Findings> {
        let mut measuring = self.measuring.take()?;
        measuring.stop.cancel();
        let mut probes = Vec::new();
        for sampler in measuring.samplers.drain(..) {
            probes.extend(sampler.await.ok());
        }
        let load = lock(&measuring.load).take();
        let workload = match load {
            Some(load) => {
                let (report, seconds) = load.stop_with_seconds().await;
                sampler::note_seconds(&self.context.store, &self.trial.id, seconds);
                Some(report)
            }
            None => None,
        };
        let judgement = lock(&measuring.shared.judge).judgement();
        let reread = match self.cancel.is_cancelled() || self.trial.dry_run {
            true => None,
            false => reread::reread(&measuring, &mut probes, &judgement).await,
        };
        let findings = Findings {
            abort: self.abort_times(&measuring, &judgement),
            judgement,
            workload,
            reread,
            bounds: measuring.plan.abort_bounds(),
        };
        let value = serde_json::to_value(&findings).unwrap_or_default();
        self.context.store.post_findings(&self.trial.id, value);
        let lines = match self.trial.dry_run {
            true => words::dry_run(&measuring.plan, &lock(&measuring.shared.samples)),
            false => words::findings(&findings),
        };
        for line in lines {
            self.observer.important(line);
        }
        Some(findings)
    }

    /// Returns when an abort was decided, and when it was done.
    fn abort_times(
        &self,
        measuring: &Measuring,
        judgement: &duress_experiment::Judgement,
    ) -> Option<AbortTimes> {
        let decision = judgement.abort.as_ref()?;
        let breach = decision.breach()?;
        let gone = self.held().into_iter().filter_map(|held| held.gone);
        let gone: Vec<_> = gone.map(|gone| measuring.shared.clock.at(gone)).collect();
        Some(AbortTimes {
            condition: decision.condition.clone(),
            breached_at: breach.sampled_at,
            seen_at: breach.seen_at,
            decided_at: decision.decided_at,
            rollback_began_at: measuring.times.rollback_began,
            first_gone_at: gone.iter().min().copied(),
            last_gone_at: gone.iter().max().copied(),
        })
    }

    /// What a result is worth once it is known what was measured.
    pub(super) fn judged_by_experiment(
        &self,
        result: Result<(), Failed>,
        findings: Option<&Findings>,
    ) -> Result<(), Failed> {
        let Some(findings) = findings.filter(|_| !self.trial.dry_run) else {
            return result;
        };
        let judgement = &findings.judgement;
        let is_late = matches!(&result, Err(failed) if failed.outcome == Outcome::TimedOut);
        if result.is_err() && !is_late {
            return result;
        }
        let (outcome, hint) = match judgement.hypothesis {
            Some(Verdict::Violated) => (
                Outcome::Failed,
                "`duress show TRIAL --json` has each metric before, during and after the fault",
            ),
            _ if is_late => return result,
            None | Some(Verdict::Maintained) => return result,
            Some(Verdict::Inconclusive) => (
                Outcome::Invalid,
                "`no_data` in the experiment says what a missing value counts as",
            ),
            Some(Verdict::NotObserved) => (
                Outcome::Invalid,
                "let the fault hold for longer than the evaluation interval, and see that each metric has data",
            ),
        };
        let mut said = words::hypothesis(judgement);
        if let Err(failed) = result {
            said = format!("{said}; and {}", failed.error);
        }
        Err(Failed::new(outcome, Error::failed(said).hint(hint)))
    }
}
