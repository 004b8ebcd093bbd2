//! What is in the machine, and what goes wrong with it, all drawn from one seed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::container::Container;
use super::script::Script;
use duress_engine::{ContainerCopy, EngineError, EngineResult, Output, Project, State};
use duress_http::{Answers, HttpError, HttpResponse};
use duress_model::{HttpRequest, SeededRandom};

/// What goes wrong, as chances in a thousand at each step.
#[derive(Debug, Clone, Copy, Default)]
pub struct Troubles {
    /// An operation fails before it did anything.
    pub fails: usize,
    /// An operation is done, and its answer is lost.
    pub answer_is_lost: usize,
    /// An operation takes up to three seconds.
    pub slow: usize,
    /// An operation is not answered for half a minute, and fails.
    pub hangs: usize,
    /// Somebody removes a container by hand.
    pub removed_by_hand: usize,
    /// A container restarts by itself.
    pub restarts: usize,
    /// Somebody takes a whole stack down.
    pub taken_down: usize,
    /// The engine is gone for a while.
    pub engine_goes: usize,
    /// The disk of the database is full for a while.
    pub disk_full: usize,
}

/// A stack: its containers, and who owns it.
#[derive(Debug, Clone, Default)]
pub struct Stack {
    /// The trial that it is for.
    pub trial: String,
    /// The database that has that trial.
    pub database: String,
    /// That database's identity.
    pub database_id: String,
    /// The process that runs that trial.
    pub host: String,
    /// What is in it.
    pub containers: Vec<Container>,
    /// What requests have changed in the system, in the words of a [`Script`].
    pub marks: BTreeSet<String>,
}

/// What is in the machine.
#[derive(Debug)]
pub struct Machine {
    /// What is there, by project.
    pub stacks: BTreeMap<Project, Stack>,
    /// For each trial, the services that something was changed in.
    pub touched: BTreeMap<String, BTreeSet<String>>,
    troubles: Troubles,
    random: SeededRandom,
    made: u64,
    steps: u64,
    end: End,
    crashed: bool,
    interrupted: bool,
    frozen: bool,
    engine_gone_until: Option<Instant>,
    disk_full_until: Option<Instant>,
    /// Stacks cannot be removed.
    pub sticky: bool,
    /// Containers can be removed, and what they leave cannot.
    pub sticky_volumes: bool,
    /// Nothing that faults may need is there.
    pub bare: bool,
    /// What the systems in the containers answer.
    pub script: Arc<Script>,
    /// What was asked that the script has no answer for.
    pub unanswered: BTreeSet<String>,
    /// Operations that take so long, by what they do.
    pub slow: BTreeMap<&'static str, Duration>,
}

/// The machine, as everything in a run shares it.
#[derive(Debug, Clone)]
pub struct World(Arc<(Mutex<Machine>, Notify)>);

/// How a process ends before its time, counted in steps from the start of the machine.
#[derive(Debug, Clone, Copy)]
pub enum End {
    /// It does not.
    Never,
    /// The machine crashes.
    Crash(u64),
    /// Somebody presses Ctrl+C.
    Interrupt(u64),
    /// The process is stopped, and goes on once the world is thawed.
    Freeze(u64),
    /// It goes on, but the engine has trouble at this step.
    Trouble(u64),
}

/// What becomes of a step.
enum Fate {
    Done,
    Dead,
    Frozen,
    After(Duration, EngineResult<()>),
}

impl World {
    /// A machine with nothing in it.
    pub fn new(seed: u64, troubles: Troubles, end: End) -> Self {
        let machine = Machine {
            stacks: BTreeMap::new(),
            touched: BTreeMap::new(),
            troubles,
            random: SeededRandom::new(seed),
            made: 0,
            steps: 0,
            end,
            crashed: false,
            interrupted: false,
            frozen: false,
            engine_gone_until: None,
            disk_full_until: None,
            sticky: false,
            sticky_volumes: false,
            bare: false,
            script: Arc::new(Script::default()),
            unanswered: BTreeSet::new(),
            slow: BTreeMap::new(),
        };
        Self(Arc::new((Mutex::new(machine), Notify::new())))
    }

    /// Returns what is in it, for as long as this is held.
    pub fn lock(&self) -> MutexGuard<'_, Machine> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the machine again after a crash. Its contents stay; how much goes wrong from now on, and when it crashes again.
    pub fn reboot(&self, troubles: Troubles, end: End) {
        let mut machine = self.lock();
        machine.troubles = troubles;
        machine.steps = 0;
        machine.end = end;
        machine.crashed = false;
        machine.interrupted = false;
        machine.frozen = false;
        machine.engine_gone_until = None;
        machine.disk_full_until = None;
    }

    /// Makes a stack without a compose file.
    pub fn make_stack(&self, project: &Project, services: &[String]) {
        let mut machine = self.lock();
        machine.stacks.entry(project.clone()).or_default();
        for service in services {
            machine.make(project, service);
        }
    }

    /// Returns how many steps there were since the machine was started.
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Waits for the crash.
    pub async fn crashed(&self) {
        self.until(|machine| machine.crashed).await;
    }

    /// Nothing goes wrong from now on.
    pub fn calm(&self) {
        let mut machine = self.lock();
        machine.troubles = Troubles::default();
        machine.engine_gone_until = None;
        machine.disk_full_until = None;
    }

    /// Waits until the process is stopped.
    pub async fn frozen(&self) {
        self.until(|machine| machine.frozen).await;
    }

    /// Lets the process that was stopped go on: as one that is asked to end after so many more steps.
    pub fn thaw(&self, steps: u64) {
        {
            let mut machine = self.lock();
            machine.frozen = false;
            machine.end = End::Interrupt(machine.steps + steps);
        }
        self.0.1.notify_waiters();
    }

    /// Waits for Ctrl+C.
    pub async fn interrupted(&self) {
        self.until(|machine| machine.interrupted).await;
    }

    async fn until(&self, holds: impl Fn(&Machine) -> bool) {
        loop {
            let told = self.0.1.notified();
            tokio::pin!(told);
            // From here on nothing that is told is missed.
            told.as_mut().enable();
            if holds(&self.lock()) {
                return;
            }
            told.await;
        }
    }

    /// One step of the engine: the machine may crash here, and much else may happen.
    pub async fn step(&self, what: &str) -> EngineResult<()> {
        let fate = {
            let mut machine = self.lock();
            match self.count(&mut machine) {
                Fate::Done => machine.before(what),
                dead => dead,
            }
        };
        self.meet(fate).await
    }

    /// After an operation that changed something, and before its answer is heard.
    pub async fn answer(&self, what: &str) -> EngineResult<()> {
        let fate = {
            let mut machine = self.lock();
            match self.count(&mut machine) {
                Fate::Done => machine.after(what),
                dead => dead,
            }
        };
        self.meet(fate).await
    }

    /// One step of the disk. Whether there is room.
    pub async fn disk(&self) -> bool {
        let (fate, is_full) = {
            let mut machine = self.lock();
            let chance = machine.troubles.disk_full;
            if machine.chance(chance) {
                let seconds = 1 + machine.random.below(20) as u64;
                machine.disk_full_until = Some(Instant::now() + Duration::from_secs(seconds));
            }
            let is_full = machine
                .disk_full_until
                .is_some_and(|until| Instant::now() < until);
            (self.count(&mut machine), is_full)
        };
        // Only the dead wait.
        let _ = self.meet(fate).await;
        !is_full
    }

    /// Counts a step; the one that was chosen ends what runs.
    fn count(&self, machine: &mut Machine) -> Fate {
        machine.steps += 1;
        match machine.end {
            End::Crash(at) if machine.steps >= at => machine.crashed = true,
            End::Interrupt(at) if machine.steps >= at => machine.interrupted = true,
            End::Freeze(at) if machine.steps == at => machine.frozen = true,
            _ => {}
        }
        self.0.1.notify_waiters();
        match machine.end {
            _ if machine.crashed => Fate::Dead,
            End::Freeze(at) if machine.steps == at => Fate::Frozen,
            End::Trouble(at) if machine.steps == at => {
                let failed = EngineError::Failed("the engine had trouble".to_owned());
                Fate::After(Duration::ZERO, Err(failed))
            }
            _ => Fate::Done,
        }
    }

    async fn meet(&self, fate: Fate) -> EngineResult<()> {
        match fate {
            Fate::Done => Ok(()),
            Fate::After(wait, result) => {
                tokio::time::sleep(wait).await;
                result
            }
            Fate::Dead => std::future::pending().await,
            Fate::Frozen => {
                self.until(|machine| !machine.frozen).await;
                Ok(())
            }
        }
    }
}

/// Requests are answered by the script, where what is asked runs.
impl Answers for World {
    fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        let mut machine = self.lock();
        let script = Arc::clone(&machine.script);
        let unavailable = |why: &str| {
            HttpError::Unavailable(format!("{} {}: {why}", request.method, request.url))
        };
        let host = reqwest::Url::parse(&request.url).ok();
        let host = host.and_then(|url| url.host_str().map(str::to_owned));
        for stack in machine.stacks.values_mut() {
            let found = stack
                .containers
                .iter()
                .find(|one| Some(&one.service) == host.as_ref());
            let Some(container) = found else { continue };
            if container.state != State::Running {
                return Err(unavailable("nobody answers: the container does not run"));
            }
            let marks: BTreeSet<_> = stack.marks.union(&container.all_marks()).cloned().collect();
            if let Some(answer) = script.request(request, &marks) {
                answer.mark(&mut stack.marks);
                return Ok(HttpResponse {
                    status: answer.status.unwrap_or(200),
                    headers: Vec::new(),
                    body: answer.body.clone().into_bytes(),
                });
            }
        }
        let asked = format!("request: {} {}", request.method, request.url);
        machine.unanswered.insert(asked);
        Err(unavailable("connection refused: the script has no answer"))
    }
}

impl Machine {
    fn chance(&mut self, in_a_thousand: usize) -> bool {
        in_a_thousand > 0 && self.random.below(1000) < in_a_thousand
    }

    fn before(&mut self, what: &str) -> Fate {
        self.others_act();
        let troubles = self.troubles;
        if self.chance(troubles.engine_goes) {
            let seconds = 1 + self.random.below(90) as u64;
            self.engine_gone_until = Some(Instant::now() + Duration::from_secs(seconds));
        }
        if self
            .engine_gone_until
            .is_some_and(|until| Instant::now() < until)
        {
            let missing = EngineError::Missing {
                message: format!("{what}: the engine does not answer"),
                hint: "start it".into(),
            };
            return Fate::After(Duration::from_millis(5), Err(missing));
        }
        if self.chance(troubles.fails) {
            let failed = EngineError::Failed(format!("{what}: the engine had trouble"));
            return Fate::After(Duration::ZERO, Err(failed));
        }
        if self.chance(troubles.hangs) {
            let after = Duration::from_secs(30);
            let timeout = EngineError::Timeout {
                what: what.to_owned(),
                after,
            };
            return Fate::After(after, Err(timeout));
        }
        if self.chance(troubles.slow) {
            let wait = self.random.below(3000) as u64;
            return Fate::After(Duration::from_millis(wait), Ok(()));
        }
        match self.slow.get(what) {
            Some(wait) => Fate::After(*wait, Ok(())),
            None => Fate::Done,
        }
    }

    fn after(&mut self, what: &str) -> Fate {
        if self.chance(self.troubles.answer_is_lost) {
            let lost = EngineError::Failed(format!("{what}: the connection broke off"));
            return Fate::After(Duration::ZERO, Err(lost));
        }
        Fate::Done
    }

    /// People and processes that are not ours.
    fn others_act(&mut self) {
        let troubles = self.troubles;
        if self.chance(troubles.taken_down)
            && let Some(project) = self.any_project()
        {
            self.stacks.remove(&project);
        }
        if self.chance(troubles.removed_by_hand)
            && let Some(project) = self.any_project()
        {
            self.one_of(&project, |containers, which| {
                containers.remove(which);
            });
        }
        if self.chance(troubles.restarts)
            && let Some(project) = self.any_project()
        {
            self.one_of(&project, |containers, which| {
                // What was ended or set aside on purpose is not started by anybody.
                if containers[which].state == State::Running {
                    containers[which].end();
                    containers[which].start();
                    containers[which].restarts += 1;
                }
            });
        }
    }

    fn any_project(&mut self) -> Option<Project> {
        let projects: Vec<_> = self.stacks.keys().cloned().collect();
        (!projects.is_empty()).then(|| projects[self.random.below(projects.len())].clone())
    }

    fn one_of(&mut self, project: &Project, act: impl FnOnce(&mut Vec<Container>, usize)) {
        let count = self
            .stacks
            .get(project)
            .map_or(0, |stack| stack.containers.len());
        if count > 0 {
            let which = self.random.below(count);
            if let Some(stack) = self.stacks.get_mut(project) {
                act(&mut stack.containers, which);
            }
        }
    }

    /// Makes a container of a stack.
    pub fn make(&mut self, project: &Project, service: &str) {
        self.made += 1;
        let (id, number) = (format!("container-{}", self.made), self.made as u8);
        let files = self.script.files_of(service);
        if let Some(stack) = self.stacks.get_mut(project)
            && !stack.containers.iter().any(|one| one.service == service)
        {
            let mut container = Container::new(id, service.to_owned(), number);
            container.kept_files = files.clone();
            container.made_files = files;
            stack.containers.push(container);
        }
    }

    /// Make a container from another, once.
    pub(super) fn make_copy(
        &mut self,
        project: &Project,
        token: &str,
        copy: &ContainerCopy,
    ) -> EngineResult<()> {
        self.made += 1;
        let (id, number) = (format!("container-{}", self.made), self.made as u8);
        let made = self.touch(&copy.of.0)?.copy(id, number, token, copy);
        let stack = self.stacks.get_mut(project);
        let stack = stack.ok_or_else(|| EngineError::Gone(copy.of.0.clone()))?;
        if !stack
            .containers
            .iter()
            .any(|one| one.is_copy(token) && one.service == copy.name)
        {
            stack.containers.push(made);
        }
        Ok(())
    }

    /// A program that neither the machine nor the script knows.
    pub(super) fn unanswered_program(&mut self, command: &[String]) -> Output {
        self.unanswered
            .insert(format!("program: {}", command.join(" ")));
        let why = format!("{}: no such program on the simulated machine", command[0]);
        super::network::output(127, "", &why)
    }

    /// A container by its id.
    pub fn container(&mut self, id: &str) -> EngineResult<&mut Container> {
        self.stacks
            .values_mut()
            .flat_map(|stack| &mut stack.containers)
            .find(|container| container.id == id)
            .ok_or_else(|| EngineError::Gone(id.to_owned()))
    }

    /// A container that something is about to be changed in.
    pub fn touch(&mut self, id: &str) -> EngineResult<&mut Container> {
        let owner = self.stacks.values().find_map(|stack| {
            let found = stack
                .containers
                .iter()
                .find(|container| container.id == id)?;
            Some((stack.trial.clone(), found.service.clone()))
        });
        if let Some((trial, service)) = owner {
            self.touched.entry(trial).or_default().insert(service);
        }
        self.container(id)
    }
}
