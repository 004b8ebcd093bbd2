//! What the engine and the kernel account to containers. Their images need nothing for it.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use duress_engine::{Container, ContainerId, EngineError, State};
use duress_experiment::ContainerMeasure;
use tokio::time::Instant;

use crate::context::{Context, none_runs};
use crate::look::{Found, Look, Nothing};
use crate::words::quoted;

/// How long the first look at processors waits for its second reading: several ticks of the kernel's accounts.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

pub(crate) struct Accounts {
    measure: ContainerMeasure,
    service: Option<String>,
    context: Context,
    /// Processor time of each container that ran at the look before.
    before: Option<Reading>,
    kills: HashMap<ContainerId, Kills>,
}

/// The processor time of containers at one moment.
struct Reading {
    at: Instant,
    used: HashMap<ContainerId, Duration>,
}

/// Kills of a container over its starts: the kernel counts from zero at each.
#[derive(Debug, Clone, Copy, Default)]
struct Kills {
    started_ms: Option<u64>,
    /// Those before it was started last.
    earlier: u64,
    /// Those since.
    now: u64,
}

impl Kills {
    /// Takes a look: when it was started last, the kernel's count if it runs, and the engine's word on how it ended last.
    fn see(&mut self, started_ms: Option<u64>, count: Option<u64>, was_killed: bool) -> u64 {
        let was_killed = u64::from(was_killed);
        if self.started_ms != started_ms {
            if self.started_ms.is_some() {
                // The engine may know of a kill that came after the last look.
                let last = count.map_or(self.now, |_| self.now.max(was_killed));
                self.earlier = self.earlier.saturating_add(last);
            }
            self.started_ms = started_ms;
            self.now = 0;
        }
        self.now = self.now.max(count.unwrap_or(was_killed));
        self.earlier.saturating_add(self.now)
    }
}

impl Accounts {
    pub(crate) fn new(measure: ContainerMeasure, service: Option<&str>, context: Context) -> Self {
        Self {
            measure,
            service: service.map(str::to_owned),
            context,
            before: None,
            kills: HashMap::new(),
        }
    }

    pub(crate) fn resolved(&self) -> String {
        let measure = match self.measure {
            ContainerMeasure::Cpu => "cpu",
            ContainerMeasure::Memory => "memory",
            ContainerMeasure::Restarts => "restarts",
            ContainerMeasure::OomKills => "oom_kills",
        };
        match &self.service {
            Some(service) => format!("{measure} of {service}"),
            None => format!("{measure} of all containers"),
        }
    }

    /// Processors in use since the look before, by all that run.
    async fn cpu(&mut self, limit: Duration) -> Result<f64, Nothing> {
        let before = match self.before.take() {
            Some(before) => before,
            None => {
                let first = self.read().await?;
                tokio::time::sleep(FIRST_PAUSE.min(limit / 4)).await;
                first
            }
        };
        let now = self.read().await?;
        let passed = now.at.duration_since(before.at).as_secs_f64();
        let used: Duration = now
            .used
            .iter()
            .map(|(id, used)| {
                let earlier = before.used.get(id).copied().unwrap_or_default();
                // One that was started since has used all of its time since.
                used.checked_sub(earlier).unwrap_or(*used)
            })
            .sum();
        self.before = Some(now);
        match passed > 0.0 {
            true => Ok(used.as_secs_f64() / passed),
            false => Err("no time has passed since the look before".into()),
        }
    }

    async fn read(&self) -> Result<Reading, Nothing> {
        let running = self.running().await?;
        let mut used = HashMap::new();
        let engine = &self.context.engine;
        let asked = Instant::now();
        for container in running {
            match engine.accounts(&container.id).await {
                Ok(accounts) => drop(used.insert(container.id, accounts.cpu_time)),
                Err(error) if has_ended(&error) => {}
                Err(error) => return Err(quoted(&error.to_string()).into()),
            }
        }
        if used.is_empty() {
            return Err("every container ended while it was looked at".into());
        }
        let at = asked + asked.elapsed() / 2;
        Ok(Reading { at, used })
    }

    async fn memory(&self) -> Result<f64, Nothing> {
        let (mut bytes, mut seen) = (0, false);
        for container in self.running().await? {
            match self.context.engine.memory_in_use(&container.id).await {
                Ok(used) => {
                    bytes += used;
                    seen = true;
                }
                Err(error) if has_ended(&error) => {}
                Err(error) => return Err(quoted(&error.to_string()).into()),
            }
        }
        match seen {
            true => Ok(bytes as f64),
            false => Err("every container ended while it was looked at".into()),
        }
    }

    async fn restarts(&self) -> Result<f64, Nothing> {
        let mut restarts: u64 = 0;
        for container in self.all().await? {
            match self.context.engine.details(&container.id).await {
                Ok(details) => restarts += u64::from(details.restart_count),
                Err(EngineError::Gone(_)) => {}
                Err(error) => return Err(quoted(&error.to_string()).into()),
            }
        }
        Ok(restarts as f64)
    }

    async fn oom_kills(&mut self) -> Result<f64, Nothing> {
        for container in self.all().await? {
            let details = match self.context.engine.details(&container.id).await {
                Ok(details) => details,
                Err(EngineError::Gone(_)) => continue,
                Err(error) => return Err(quoted(&error.to_string()).into()),
            };
            let count = match self.context.engine.accounts(&container.id).await {
                Ok(accounts) => Some(accounts.oom_kills.unwrap_or(0)),
                Err(error) if has_ended(&error) => None,
                Err(error) => return Err(quoted(&error.to_string()).into()),
            };
            let kills = self.kills.entry(container.id).or_default();
            kills.see(details.started_ms, count, details.oom_killed);
        }
        let kills = self.kills.values();
        Ok(kills.map(|kills| kills.earlier + kills.now).sum::<u64>() as f64)
    }

    /// Those that run or are frozen. There is at least one.
    async fn running(&self) -> Result<Vec<Container>, Nothing> {
        let all = self.all().await?;
        let runs =
            |container: &Container| matches!(container.state, State::Running | State::Paused);
        if !all.iter().any(runs) {
            return Err(none_runs(self.service.as_deref(), &all).into());
        }
        Ok(all.into_iter().filter(runs).collect())
    }

    /// All of them. There is at least one.
    async fn all(&self) -> Result<Vec<Container>, Nothing> {
        let service = self.service.as_deref();
        let all = self.context.containers(service).await;
        let all = all.map_err(|error| quoted(&error.to_string()))?;
        match all.is_empty() {
            true => Err(none_runs(service, &all).into()),
            false => Ok(all),
        }
    }
}

fn has_ended(error: &EngineError) -> bool {
    matches!(error, EngineError::Gone(_) | EngineError::NotRunning { .. })
}

#[async_trait]
impl Look for Accounts {
    async fn look(&mut self, limit: Duration) -> Result<Found, Nothing> {
        let value = match self.measure {
            ContainerMeasure::Cpu => self.cpu(limit).await?,
            ContainerMeasure::Memory => self.memory().await?,
            ContainerMeasure::Restarts => self.restarts().await?,
            ContainerMeasure::OomKills => self.oom_kills().await?,
        };
        Ok(Found::now(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_counted_over_starts() {
        let mut kills = Kills::default();
        // How it ended before the first look is another trial's.
        assert_eq!(kills.see(Some(1), Some(0), true), 0);
        assert_eq!(kills.see(Some(1), Some(2), true), 2);
        // It has ended: the kernel's count is gone, and the engine's word is left.
        assert_eq!(kills.see(Some(1), None, true), 2);
        assert_eq!(kills.see(Some(2), Some(0), true), 2);
        assert_eq!(kills.see(Some(2), Some(1), true), 3);
        // Killed and started again between two looks.
        assert_eq!(kills.see(Some(3), Some(0), false), 3);
        assert_eq!(kills.see(Some(4), Some(0), true), 4);
        assert_eq!(kills.see(Some(4), None, true), 5);
    }
}
