//! The host's errors and shapes in the words of the interface, and back.

use super::GuestError;
use super::bindings::duress::plugin as wit;
use duress_engine::{Distribution, DnsLie, EngineError, Limits, PacketQueue, Work};
use duress_http::{HttpError, HttpResponse};
use duress_journal::JournalError;
use duress_journal::change::{Action, Place, PlacedProgram, Probe};
use duress_model::HttpRequest;

impl From<EngineError> for GuestError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Timeout { after, .. } => Self::Timeout(after.as_millis() as u64),
            EngineError::Failed(message) => Self::Failed(message),
            EngineError::Missing { message, hint } => {
                Self::Unavailable(format!("{message}; {hint}"))
            }
            EngineError::Gone(_) | EngineError::NotRunning { .. } => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

impl From<HttpError> for GuestError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Denied(message) => Self::Denied(message),
            HttpError::Invalid(message) => Self::Invalid(message),
            HttpError::Unavailable(message) => Self::Unavailable(message),
            HttpError::Timeout { after, .. } => Self::Timeout(after.as_millis() as u64),
        }
    }
}

impl From<JournalError> for GuestError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Refused(message) => Self::Invalid(message),
            other => Self::Failed(other.to_string()),
        }
    }
}

/// A guest's error as one line.
pub fn describe(error: &GuestError) -> String {
    match error {
        GuestError::Denied(text) => format!("denied: {text}"),
        GuestError::Invalid(text) | GuestError::Unavailable(text) | GuestError::Failed(text) => {
            text.clone()
        }
        GuestError::Timeout(ms) => format!("it did not finish within {ms} ms"),
    }
}

impl From<duress_engine::State> for wit::containers::State {
    fn from(state: duress_engine::State) -> Self {
        match state {
            duress_engine::State::Created => Self::Created,
            duress_engine::State::Running => Self::Running,
            duress_engine::State::Paused => Self::Paused,
            duress_engine::State::Restarting => Self::Restarting,
            duress_engine::State::Exited => Self::Exited,
            duress_engine::State::Dead => Self::Dead,
        }
    }
}

impl From<duress_engine::Health> for wit::containers::Health {
    fn from(health: duress_engine::Health) -> Self {
        match health {
            duress_engine::Health::None => Self::None,
            duress_engine::Health::Starting => Self::Starting,
            duress_engine::Health::Healthy => Self::Healthy,
            duress_engine::Health::Unhealthy => Self::Unhealthy,
        }
    }
}

impl From<duress_engine::Output> for wit::containers::Output {
    fn from(output: duress_engine::Output) -> Self {
        Self {
            exit_code: output.exit_code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl From<duress_engine::Details> for wit::containers::ContainerDetails {
    fn from(details: duress_engine::Details) -> Self {
        Self {
            image: details.image,
            started_at: details.started_ms,
            finished_at: details.finished_ms,
            exit_code: details.exit_code,
            oom_killed: details.oom_killed,
            restart_count: details.restart_count,
        }
    }
}

impl From<duress_engine::LogLine> for wit::containers::LogLine {
    fn from(line: duress_engine::LogLine) -> Self {
        Self {
            at: line.at_ms,
            stream: match line.is_error {
                true => wit::containers::LogStream::Stderr,
                false => wit::containers::LogStream::Stdout,
            },
            text: line.text,
        }
    }
}

impl From<Limits> for wit::changes::Limits {
    fn from(limits: Limits) -> Self {
        Self {
            cpus: limits.cpus,
            memory_bytes: limits.memory_bytes,
            pids: limits.pids,
        }
    }
}

impl From<HttpResponse> for wit::http::Response {
    fn from(response: HttpResponse) -> Self {
        Self {
            status: response.status,
            headers: response
                .headers
                .into_iter()
                .map(|(name, value)| wit::http::Header { name, value })
                .collect(),
            body: response.body,
        }
    }
}

impl From<wit::http::Request> for HttpRequest {
    fn from(request: wit::http::Request) -> Self {
        Self {
            method: request.method,
            url: request.url,
            headers: request
                .headers
                .into_iter()
                .map(|header| (header.name, header.value))
                .collect(),
            body: request.body,
            timeout_ms: request.timeout,
        }
    }
}

impl From<wit::changes::Program> for PlacedProgram {
    fn from(program: wit::changes::Program) -> Self {
        Self {
            place: match program.place {
                wit::changes::Place::Container => Place::Container,
                wit::changes::Place::NetworkOfContainer => Place::NetworkOfContainer,
            },
            command: program.command,
            timeout_ms: program.timeout,
            tolerated: program.tolerated,
        }
    }
}

impl From<duress_engine::Process> for wit::containers::Process {
    fn from(process: duress_engine::Process) -> Self {
        Self {
            pid: process.pid.unsigned_abs(),
            name: process.name,
            command: process.command,
            started: process.started,
        }
    }
}

impl From<wit::changes::DnsLie> for DnsLie {
    fn from(lie: wit::changes::DnsLie) -> Self {
        match lie {
            wit::changes::DnsLie::Nxdomain => Self::Nxdomain,
            wit::changes::DnsLie::Servfail => Self::Servfail,
            wit::changes::DnsLie::WrongAddress => Self::WrongAddress,
        }
    }
}

impl From<wit::changes::Distribution> for Distribution {
    fn from(distribution: wit::changes::Distribution) -> Self {
        match distribution {
            wit::changes::Distribution::Uniform => Self::Uniform,
            wit::changes::Distribution::Normal => Self::Normal,
            wit::changes::Distribution::Pareto => Self::Pareto,
        }
    }
}

impl TryFrom<wit::changes::Work> for Work {
    type Error = GuestError;

    fn try_from(work: wit::changes::Work) -> Result<Self, GuestError> {
        use wit::changes::Work as Wit;
        Ok(match work {
            Wit::BurnCpu(load) => Self::BurnCpu {
                percent: load.percent,
                workers: load.workers,
            },
            Wit::HoldMemory(bytes) => Self::HoldMemory { bytes },
            Wit::WriteDisk(load) => Self::WriteDisk {
                folder: load.folder,
                workers: load.workers,
                file_bytes: load.file_bytes,
                root_filesystem_allowed: false,
            },
            Wit::AnswerDns(server) => Self::AnswerDns {
                port: server.port,
                lie: server.lie.into(),
                domains: server.domains,
                address: server.address.parse().map_err(|_| {
                    GuestError::Invalid(format!(
                        "`{}` is not an IP address",
                        server.address.escape_debug()
                    ))
                })?,
            },
            Wit::QueuePackets(queue) => Self::QueuePackets(PacketQueue {
                number: queue.number,
                delay_ms: queue.delay_ms,
                jitter_ms: queue.jitter_ms,
                delay_correlation_percent: queue.delay_correlation_percent,
                distribution: queue.distribution.into(),
                loss_percent: queue.loss_percent,
                loss_correlation_percent: queue.loss_correlation_percent,
                enter_percent: queue.enter_percent,
                leave_percent: queue.leave_percent,
                burst_loss_percent: queue.burst_loss_percent,
                reorder_percent: queue.reorder_percent,
                reorder_correlation_percent: queue.reorder_correlation_percent,
                corrupt_percent: queue.corrupt_percent,
                corrupt_correlation_percent: queue.corrupt_correlation_percent,
            }),
        })
    }
}

impl TryFrom<wit::changes::Action> for Action {
    type Error = GuestError;

    fn try_from(action: wit::changes::Action) -> Result<Self, GuestError> {
        use wit::changes::Action as Wit;
        Ok(match action {
            Wit::Run(program) => Self::Run(program.into()),
            Wit::Signal(signal) => Self::Signal(signal),
            Wit::Pause => Self::Pause,
            Wit::Unpause => Self::Unpause,
            Wit::Stop(grace_ms) => Self::Stop { grace_ms },
            Wit::Start => Self::Start,
            Wit::Restart(grace_ms) => Self::Restart { grace_ms },
            Wit::SignalProcess(sent) => Self::SignalProcess {
                pid: i32::try_from(sent.pid)
                    .map_err(|_| GuestError::Invalid(format!("{} is not a pid", sent.pid)))?,
                started: sent.started,
                signal: sent.signal,
            },
            Wit::StartTask(task) => Self::StartTask {
                id: task.id,
                work: task.work.try_into()?,
            },
            Wit::StopTask(id) => Self::StopTask { id },
            Wit::Limit(limits) => Self::Limit(Limits {
                cpus: limits.cpus,
                memory_bytes: limits.memory_bytes,
                pids: limits.pids,
            }),
            Wit::FillDisk(fill) => Self::fill_disk(fill.path, fill.size),
            Wit::RemoveFill(path) => Self::RemoveFill { path },
            Wit::Ask(request) => Self::Ask(request.into()),
        })
    }
}

impl From<wit::changes::Probe> for Probe {
    fn from(probe: wit::changes::Probe) -> Self {
        match probe {
            wit::changes::Probe::Run(program) => Self::Run(program.into()),
            wit::changes::Probe::Output((program, texts)) => Self::Output {
                program: program.into(),
                texts,
            },
            wit::changes::Probe::Answer((request, text)) => Self::Answer {
                request: request.into(),
                text,
            },
        }
    }
}
