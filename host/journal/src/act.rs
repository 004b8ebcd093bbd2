//! Doing and looking: one action at a time, and whether a change is in force.

use std::sync::Arc;
use std::time::Duration;

use super::change::{Action, Change, Place, PlacedProgram, Probe};
use duress_engine::{
    Arranged, Arrangement, ContainerId, Engine, EngineError, EngineResult, Limits, Output, Program,
    State,
};
use duress_http::{Client, HttpResponse, Reach};
use duress_model::HttpRequest;

/// The longest that one program of a change may take, whatever the change says: rollback waits for it.
const LONGEST_PROGRAM: Duration = Duration::from_secs(60);
/// The longest that one program on a container's volumes may take: it runs while the container is stopped.
pub(super) const LONGEST_OFFLINE: Duration = Duration::from_secs(30);
/// Signals whose effect is that the first process ends.
pub(super) const ENDING_SIGNALS: [&str; 5] = ["SIGKILL", "SIGTERM", "SIGINT", "SIGQUIT", "SIGABRT"];

/// Why an action failed.
pub(super) enum Failure {
    /// The container was removed, and with it whatever was changed in it.
    Gone,
    /// Anything else, as a sentence.
    Other(String),
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Gone(_) => Self::Gone,
            other => Self::Other(other.to_string()),
        }
    }
}

/// Returns whether a signal's effect is that the first process ends.
pub(super) fn is_ending(signal: &str) -> bool {
    ENDING_SIGNALS.contains(&signal)
}

/// What acts on containers for the journal.
#[derive(Debug, Clone)]
pub struct Executor {
    /// The containers' engine.
    pub engine: Arc<dyn Engine>,
    /// For `ask` and its probes.
    pub http: Client,
}

impl Executor {
    /// Does one action of a change.
    ///
    /// A task that it starts ends by itself after `tasks_end_after`, though nobody ends it.
    pub(super) async fn act(
        &self,
        change: &Change,
        action: &Action,
        tasks_end_after: Option<Duration>,
    ) -> Result<(), Failure> {
        let (engine, id) = (&self.engine, &change.container);
        match action {
            Action::Run(program) => {
                let output = self.run(change, program).await?;
                if output.exit_code != 0 && !program.tolerated.contains(&output.exit_code) {
                    return Err(Failure::Other(complaint_of(change, program, &output)));
                }
            }
            Action::Signal(signal) => engine.signal(id, signal).await?,
            Action::Pause => engine.pause(id).await?,
            Action::Unpause => engine.unpause(id).await?,
            Action::Stop { grace_ms } => {
                let grace = Duration::from_millis(*grace_ms).min(LONGEST_PROGRAM);
                engine.stop(id, grace).await?;
            }
            Action::Start => engine.start(id).await?,
            Action::Restart { grace_ms } => {
                let grace = Duration::from_millis(*grace_ms).min(LONGEST_PROGRAM);
                engine.restart(id, grace).await?;
            }
            Action::SignalProcess { signal, .. } => {
                // All are sent by the first of them: processes that are to stop together must not
                // stop one after another.
                if let Some(together) = change.signalled_by(action) {
                    let send = || engine.signal_processes(id, &together, signal);
                    ended_is_well(self.thawed(change, send).await)?;
                }
            }
            Action::StartTask { id: task, work } => {
                engine.start_task(id, task, work, tasks_end_after).await?;
            }
            Action::StopTask { id: task } => {
                if let Some(work) = change.task(task) {
                    let stop = || engine.stop_task(id, task, work);
                    ended_is_well(self.thawed(change, stop).await)?;
                }
            }
            Action::Limit(limits) => engine.set_limits(id, *limits).await?,
            Action::RestoreLimits { before, still } => {
                let kinds = change.limits().unwrap_or_default();
                let freed = kinds.without(still);
                if freed != Limits::default() {
                    engine.restore_limits(id, before, &freed).await?;
                }
                if *still != Limits::default() {
                    engine.set_limits(id, *still).await?;
                }
            }
            Action::FillDisk { .. } => {
                if let Some(fill) = action.fill() {
                    engine.fill_disk(id, fill).await?;
                }
            }
            Action::RemoveFill { path } => {
                if let Some(fill) = change.fill(path) {
                    engine.remove_fill(id, fill).await?;
                }
            }
            Action::ReplaceFile { path, .. } => {
                if let Some(new) = change.replaced(path) {
                    let wanted = new.wanted().map_err(Failure::Other)?;
                    let replace = || engine.replace_file(id, wanted);
                    self.thawed(change, replace).await?;
                }
            }
            Action::RestoreFile { path, .. } => {
                if let Some(new) = change.replaced(path) {
                    let wanted = new.wanted().map_err(Failure::Other)?;
                    let restore = || engine.restore_file(id, wanted);
                    self.thawed(change, restore).await?;
                }
            }
            Action::Rearrange(arrangement) => {
                engine.arrange(&change.project, arrangement).await?;
            }
            Action::PutBack => {
                for arrangement in change.arrangements() {
                    engine.put_back(&change.project, arrangement).await?;
                }
            }
            Action::RunOffline {
                command,
                timeout_ms,
                tolerated,
            } => {
                let program = Program {
                    command: command.clone(),
                    timeout: Duration::from_millis(*timeout_ms).min(LONGEST_OFFLINE),
                };
                let output = engine.run_offline(id, &program).await?;
                if output.exit_code != 0 && !tolerated.contains(&output.exit_code) {
                    let place = format!("on the volumes of {}", change.container_name);
                    return Err(Failure::Other(complaint(&place, command, &output)));
                }
            }
            Action::Ask(request) => {
                let answer = self.ask(change, request).await?;
                if answer.status >= 400 {
                    return Err(Failure::Other(format!(
                        "{} {} answered {}: {}",
                        request.method,
                        request.url,
                        answer.status,
                        first_line(&answer.body)
                    )));
                }
            }
        }
        Ok(())
    }

    /// For each part of a change that can be seen, whether it is in force; `in_force` says which of the two is looked for.
    pub(super) async fn observe(
        &self,
        change: &Change,
        in_force: bool,
    ) -> Result<Vec<(String, bool)>, Failure> {
        let (engine, id) = (&self.engine, &change.container);
        let mut seen = Vec::new();
        for action in &change.apply {
            match action {
                Action::Signal(signal) if ENDING_SIGNALS.contains(&signal.as_str()) => {
                    let state = engine.state(id).await?;
                    seen.push((format!("it ended by {signal}"), !is_up(state)));
                }
                Action::Stop { .. } => {
                    seen.push(("it is stopped".to_owned(), !is_up(engine.state(id).await?)));
                }
                Action::Pause => {
                    let paused = engine.state(id).await? == State::Paused;
                    seen.push(("it is paused".to_owned(), paused));
                }
                Action::Limit(wanted) => {
                    let now = engine.limits_record(id).await?;
                    let restored = change.limits_before().filter(|_| !in_force);
                    let limited = match restored {
                        None => now.limits().holds(wanted),
                        // As it was, but for what other changes still limit.
                        Some((before, still)) => {
                            let still = still.of_kinds(wanted);
                            !now.is_same(before, &wanted.without(&still))
                                || !now.limits().holds(&still)
                        }
                    };
                    seen.push(("its limits are set".to_owned(), limited));
                }
                Action::FillDisk { path, size, .. } => {
                    if let Some(fill) = action.fill() {
                        let there = engine.fill_is_there(id, fill).await?;
                        seen.push((format!("{path} takes up {size} bytes"), there));
                    }
                }
                Action::StartTask { id: task, work } => {
                    let look = || engine.task_works(id, task, work);
                    let works = match self.thawed(change, look).await {
                        Ok(works) => works,
                        // Tasks end with the container.
                        Err(EngineError::NotRunning { state, .. }) if !is_up(state) => false,
                        Err(error) => return Err(error.into()),
                    };
                    seen.push((format!("{task} is at work"), works));
                }
                Action::ReplaceFile { path, .. } => {
                    if let Some(new) = change.replaced(path) {
                        let look = || engine.read_file(id, path);
                        let there = self.thawed(change, look).await?;
                        let holds = new.holds(&there, in_force);
                        seen.push((format!("{path} is replaced"), holds));
                    }
                }
                Action::Rearrange(arrangement) => {
                    let arranged = engine.arranged(&change.project, arrangement).await?;
                    let holds = match in_force {
                        true => arranged == Arranged::Whole,
                        false => arranged != Arranged::Not,
                    };
                    seen.push((shown(arrangement, &change.container_name), holds));
                }
                // Processes are looked at together; what a program or a request did is the probe's to tell.
                Action::Signal(_)
                | Action::SignalProcess { .. }
                | Action::Run(_)
                | Action::Unpause
                | Action::Start
                | Action::Restart { .. }
                | Action::StopTask { .. }
                | Action::RemoveFill { .. }
                | Action::RestoreLimits { .. }
                | Action::PutBack
                | Action::RunOffline { .. }
                | Action::RestoreFile { .. }
                | Action::Ask(_) => {}
            }
        }
        // What shows no effect because the container is stopped has not been reverted.
        if !in_force && change.is_offline() {
            seen.push(("it is stopped".to_owned(), !is_up(engine.state(id).await?)));
        }
        seen.extend(self.observe_processes(change, in_force).await?);
        if let Some(probe) = &change.in_force {
            self.look(change, probe, in_force, &mut seen).await?;
        }
        Ok(seen)
    }

    /// What a change's own probe shows.
    async fn look(
        &self,
        change: &Change,
        probe: &Probe,
        in_force: bool,
        seen: &mut Vec<(String, bool)>,
    ) -> Result<(), Failure> {
        match probe {
            Probe::Run(program) => {
                let holds = match self.run(change, program).await {
                    Ok(output) => output.exit_code == 0,
                    // Rules and processes end with the container's processes.
                    Err(EngineError::NotRunning { state, .. }) if !is_up(state) => false,
                    Err(error) => return Err(error.into()),
                };
                seen.push((format!("`{}` says so", program.command.join(" ")), holds));
            }
            Probe::Output { program, texts } => {
                let stdout = match self.run(change, program).await {
                    Ok(output) if output.exit_code == 0 => output.stdout,
                    Ok(output) => {
                        return Err(Failure::Other(complaint_of(change, program, &output)));
                    }
                    Err(EngineError::NotRunning { state, .. }) if !is_up(state) => Vec::new(),
                    Err(error) => return Err(error.into()),
                };
                let stdout = String::from_utf8_lossy(&stdout);
                let command = program.command.join(" ");
                seen.extend(texts.iter().map(|text| {
                    (
                        format!("`{command}` shows `{text}`"),
                        stdout.contains(text.as_str()),
                    )
                }));
            }
            Probe::Answer { request, text } => {
                let answer = self.ask(change, request).await?;
                let holds =
                    answer.status == 200 && String::from_utf8_lossy(&answer.body).contains(text);
                seen.push((format!("{} says {text}", request.url), holds));
            }
            Probe::Compare(comparison) => {
                seen.push(self.compare(change, comparison, in_force).await?);
            }
            Probe::All(probes) => {
                for probe in probes {
                    Box::pin(self.look(change, probe, in_force, seen)).await?;
                }
            }
        }
        Ok(())
    }

    /// What of a change holds before it is made: such a part could not show that the change took effect. What cannot be looked at yet
    /// does not hold yet.
    ///
    /// Processes may end, or be stopped, while a change that names many of them is on its way: one that is left is enough.
    pub(super) async fn holds_already(&self, change: &Change) -> Option<String> {
        let (processes, rest): (Vec<_>, Vec<_>) = change
            .apply
            .iter()
            .cloned()
            .partition(|action| matches!(action, Action::SignalProcess { .. }));
        let part = |apply, in_force| Change {
            apply,
            in_force,
            ..change.clone()
        };
        let rest = self
            .observe(&part(rest, change.in_force.clone()), true)
            .await;
        if let Some((what, _)) = rest.ok()?.into_iter().find(|(_, holds)| *holds) {
            return Some(what);
        }
        let seen = self.observe(&part(processes, None), true).await.ok()?;
        let all = !seen.is_empty() && seen.iter().all(|(_, holds)| *holds);
        all.then(|| {
            seen.into_iter()
                .map(|(what, _)| what)
                .collect::<Vec<_>>()
                .join(", ")
        })
    }

    /// Asks for something that needs the container's processes to run. A frozen container is thawed for that moment.
    pub(super) async fn thawed<T, F>(&self, change: &Change, ask: impl Fn() -> F) -> EngineResult<T>
    where
        F: Future<Output = EngineResult<T>>,
    {
        match ask().await {
            Err(EngineError::NotRunning {
                state: State::Paused,
                ..
            }) => {
                self.engine.unpause(&change.container).await?;
                let answer = ask().await;
                self.engine.pause(&change.container).await?;
                answer
            }
            other => other,
        }
    }

    pub(super) async fn run(
        &self,
        change: &Change,
        program: &PlacedProgram,
    ) -> EngineResult<Output> {
        let timeout = Duration::from_millis(program.timeout_ms).min(LONGEST_PROGRAM);
        let run = Program {
            command: program.command.clone(),
            timeout,
        };
        let container = self.container_now(change).await?;
        match program.place {
            Place::Container => self.engine.exec(&container, &run).await,
            Place::NetworkOfContainer => self.engine.run_in_network(&container, &run).await,
        }
    }

    /// Returns the container that a change's probe looks at: while its own is replaced, the one in its place; while its own is stopped
    /// to have fewer, another of the service.
    async fn container_now(&self, change: &Change) -> EngineResult<ContainerId> {
        let Some(arrangement) = change.arrangements().next() else {
            return Ok(change.container.clone());
        };
        let mut stack = self.engine.containers(&change.project).await?;
        stack.retain(|one| {
            one.name == change.container_name || Some(&one.service) == arrangement.scales.as_ref()
        });
        stack.sort_by_key(|one| one.name != change.container_name);
        let found = stack.into_iter().next().map(|one| one.id);
        Ok(found.unwrap_or_else(|| change.container.clone()))
    }

    /// Asks the system. Where the whole stack is gone, there is nobody left to ask, and nothing of what was asked.
    pub(super) async fn ask(
        &self,
        change: &Change,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Failure> {
        let reach = Reach {
            engine: Some(self.engine.as_ref()),
            project: &change.project,
            hosts: &change.http_hosts,
        };
        match self.http.send(reach, request).await {
            Ok(answer) => Ok(answer),
            Err(_) if self.engine.containers(&change.project).await?.is_empty() => {
                Err(Failure::Gone)
            }
            Err(error) => Err(Failure::Other(error.to_string())),
        }
    }
}

/// Tasks and processes end with their container.
fn ended_is_well(asked: EngineResult<()>) -> EngineResult<()> {
    match asked {
        Err(EngineError::NotRunning { state, .. }) if !is_up(state) => Ok(()),
        other => other,
    }
}

/// Whether its first process exists.
pub(super) fn is_up(state: State) -> bool {
    matches!(state, State::Running | State::Paused | State::Restarting)
}

/// What an arrangement looks like while it is in force.
fn shown(arrangement: &Arrangement, container: &str) -> String {
    match &arrangement.scales {
        Some(service) => format!("{service} has another number of containers"),
        None => format!("{container} runs as another container"),
    }
}

pub(super) fn complaint_of(change: &Change, program: &PlacedProgram, output: &Output) -> String {
    let place = match program.place {
        Place::Container => format!("in {}", change.container_name),
        Place::NetworkOfContainer => format!("in the network of {}", change.container_name),
    };
    complaint(&place, &program.command, output)
}

fn complaint(place: &str, command: &[String], output: &Output) -> String {
    let text = if output.stderr.is_empty() {
        &output.stdout
    } else {
        &output.stderr
    };
    format!(
        "`{}` {place} ended with exit code {}: {}",
        command.join(" "),
        output.exit_code,
        first_line(text)
    )
}

fn first_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    text.lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("(it said nothing)")
        .trim()
        .to_owned()
}
