//! `effects`: typed changes to a container's network. Nothing here has an effect but `draft.apply`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde_json::json;
use wasmtime::component::Resource;

use super::bindings::duress::plugin::changes as wit;
use super::bindings::duress::plugin::effects::{
    Direction, Host, HostDraft, HostImpairment, HostPackets,
};
use super::{Ctx, GuestError, changes, interfaces};
use duress_engine::{Container, DnsLie, Engine, EngineResult, Program, Requirement};
use duress_journal::change::Change;
use duress_network::{Draft, DraftError, Effect, Impairment, Packets, Surroundings};

/// What `wrong-address` returns if the plugin names no address: one that is reserved for documentation (RFC 5737).
const NOWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
/// For a program that looks at a container's network: it takes milliseconds.
const LOOK_TIMEOUT: Duration = Duration::from_secs(10);

type Done = wasmtime::Result<()>;

impl Host for Ctx {}

impl HostPackets for Ctx {
    async fn new(&mut self, direction: Direction) -> wasmtime::Result<Resource<Packets>> {
        self.count()?;
        let direction = match direction {
            Direction::Incoming => duress_network::Direction::Incoming,
            Direction::Outgoing => duress_network::Direction::Outgoing,
            Direction::Both => duress_network::Direction::Both,
        };
        Ok(self.table.push(Packets::new(direction))?)
    }

    async fn peer(
        &mut self,
        packets: Resource<Packets>,
        address: String,
        port: Option<u16>,
    ) -> Done {
        self.count()?;
        self.table.get_mut(&packets)?.add_peer(&address, port);
        Ok(())
    }

    async fn protocol(&mut self, packets: Resource<Packets>, name: String) -> Done {
        self.count()?;
        self.table.get_mut(&packets)?.set_protocol(&name);
        Ok(())
    }

    async fn local_port(&mut self, packets: Resource<Packets>, port: u16) -> Done {
        self.count()?;
        self.table.get_mut(&packets)?.set_local_port(port);
        Ok(())
    }

    async fn network_interface(&mut self, packets: Resource<Packets>, name: String) -> Done {
        self.count()?;
        self.table.get_mut(&packets)?.set_interface(&name);
        Ok(())
    }

    async fn with_multicast(&mut self, packets: Resource<Packets>) -> Done {
        self.count()?;
        self.table.get_mut(&packets)?.with_multicast = true;
        Ok(())
    }

    async fn drop(&mut self, packets: Resource<Packets>) -> Done {
        self.table.delete(packets)?;
        Ok(())
    }
}

impl HostImpairment for Ctx {
    async fn new(&mut self) -> wasmtime::Result<Resource<Impairment>> {
        self.count()?;
        Ok(self.table.push(Impairment::default())?)
    }

    async fn delay(
        &mut self,
        impairment: Resource<Impairment>,
        mean_ms: f64,
        jitter_ms: f64,
        correlation_percent: f64,
        distribution: wit::Distribution,
    ) -> Done {
        self.count()?;
        let queue = &mut self.table.get_mut(&impairment)?.queue;
        queue.delay_ms = mean_ms;
        queue.jitter_ms = jitter_ms;
        queue.delay_correlation_percent = correlation_percent;
        queue.distribution = distribution.into();
        Ok(())
    }

    async fn lose(
        &mut self,
        impairment: Resource<Impairment>,
        percent: f64,
        correlation: f64,
    ) -> Done {
        self.count()?;
        let queue = &mut self.table.get_mut(&impairment)?.queue;
        (queue.loss_percent, queue.loss_correlation_percent) = (percent, correlation);
        Ok(())
    }

    async fn lose_in_bursts(
        &mut self,
        impairment: Resource<Impairment>,
        enter_percent: f64,
        leave_percent: f64,
        loss_percent: f64,
    ) -> Done {
        self.count()?;
        let queue = &mut self.table.get_mut(&impairment)?.queue;
        queue.enter_percent = enter_percent;
        queue.leave_percent = leave_percent;
        queue.burst_loss_percent = loss_percent;
        Ok(())
    }

    async fn reorder(
        &mut self,
        impairment: Resource<Impairment>,
        percent: f64,
        correlation: f64,
    ) -> Done {
        self.count()?;
        let queue = &mut self.table.get_mut(&impairment)?.queue;
        (queue.reorder_percent, queue.reorder_correlation_percent) = (percent, correlation);
        Ok(())
    }

    async fn corrupt(
        &mut self,
        impairment: Resource<Impairment>,
        percent: f64,
        correlation: f64,
    ) -> Done {
        self.count()?;
        let queue = &mut self.table.get_mut(&impairment)?.queue;
        (queue.corrupt_percent, queue.corrupt_correlation_percent) = (percent, correlation);
        Ok(())
    }

    async fn duplicate(
        &mut self,
        impairment: Resource<Impairment>,
        percent: f64,
        correlation: f64,
    ) -> Done {
        self.count()?;
        let impairment = self.table.get_mut(&impairment)?;
        impairment.duplicate_percent = percent;
        impairment.duplicate_correlation_percent = correlation;
        Ok(())
    }

    async fn drop(&mut self, impairment: Resource<Impairment>) -> Done {
        self.table.delete(impairment)?;
        Ok(())
    }
}

impl HostDraft for Ctx {
    async fn new(
        &mut self,
        container: String,
        summary: String,
    ) -> wasmtime::Result<Resource<Draft>> {
        self.count()?;
        let draft = Draft {
            container,
            summary,
            ..Draft::default()
        };
        Ok(self.table.push(draft)?)
    }

    async fn drop_packets(&mut self, draft: Resource<Draft>, packets: Resource<Packets>) -> Done {
        self.add(&draft, &packets, Effect::Drop)
    }

    async fn reject_packets(&mut self, draft: Resource<Draft>, packets: Resource<Packets>) -> Done {
        self.add(&draft, &packets, Effect::Reject)
    }

    async fn reset_connections(
        &mut self,
        draft: Resource<Draft>,
        packets: Resource<Packets>,
    ) -> Done {
        self.add(&draft, &packets, Effect::Reset)
    }

    async fn redirect_packets(
        &mut self,
        draft: Resource<Draft>,
        packets: Resource<Packets>,
        port: u16,
    ) -> Done {
        self.add(&draft, &packets, |packets| Effect::Redirect(packets, port))
    }

    async fn mark_packets(
        &mut self,
        draft: Resource<Draft>,
        packets: Resource<Packets>,
        mark: u32,
    ) -> Done {
        self.add(&draft, &packets, |packets| Effect::Mark(packets, mark))
    }

    async fn impair_link(
        &mut self,
        draft: Resource<Draft>,
        packets: Resource<Packets>,
        impairment: Resource<Impairment>,
    ) -> Done {
        let impairment = self.table.get(&impairment)?.clone();
        self.add(&draft, &packets, |packets| {
            Effect::Impair(packets, impairment)
        })
    }

    async fn limit_rate(
        &mut self,
        draft: Resource<Draft>,
        packets: Resource<Packets>,
        rate_kbit: u32,
        burst_kbyte: u32,
        longest_wait_ms: u64,
    ) -> Done {
        self.add(&draft, &packets, |packets| Effect::LimitRate {
            packets,
            rate_kbit,
            burst_kbyte,
            longest_wait_ms,
        })
    }

    async fn answer_dns(
        &mut self,
        draft: Resource<Draft>,
        lie: wit::DnsLie,
        domains: Vec<String>,
        address: Option<String>,
    ) -> Done {
        self.count()?;
        let draft = self.table.get_mut(&draft)?;
        let address = match address.as_deref().map(str::parse::<IpAddr>) {
            None => NOWHERE,
            Some(Ok(address)) => address,
            Some(Err(_)) => {
                draft.note("answers DNS queries with what is not an IP address".into());
                NOWHERE
            }
        };
        draft.add(Effect::AnswerDns {
            lie: DnsLie::from(lie),
            domains,
            address,
        });
        Ok(())
    }

    async fn wait_for_effect(&mut self, draft: Resource<Draft>, limit: u64) -> Done {
        self.count()?;
        self.table.get_mut(&draft)?.wait_ms = Some(limit);
        Ok(())
    }

    async fn apply(
        &mut self,
        draft: Resource<Draft>,
    ) -> wasmtime::Result<Result<String, GuestError>> {
        let asked = self.table.get(&draft)?.clone();
        let arguments = json!({ "container": asked.container, "summary": asked.summary });
        let applied = self
            .audited("effects.apply", arguments, |scope| async move {
                if asked.applied.is_some() {
                    return Err(GuestError::Invalid(
                        "this draft was applied before; make another".into(),
                    ));
                }
                let trial = scope.trial()?;
                let target = changes::target(trial, &asked.container).await?;
                scope.refuse(scope.grants.missing_effect(&asked))?;
                let affected = trial.check_network(&target).await?;
                let engine = trial.engine()?.as_ref();
                let surroundings = look(engine, &target, &asked).await?;
                let token = trial.draw();
                let compiled = duress_network::compile(&asked, &surroundings, token)?;
                let change = Change {
                    project: trial.project.clone(),
                    container: target.id,
                    container_name: target.name,
                    summary: asked.summary,
                    apply: compiled.apply,
                    revert: compiled.revert,
                    in_force: Some(compiled.in_force),
                    http_hosts: Vec::new(),
                    effect_wait_ms: asked.wait_ms,
                };
                change.check().map_err(GuestError::Invalid)?;
                changes::claim(trial, &affected, &change.container_name)?;
                let id = changes::make(trial, change).await?;
                let mechanism = compiled
                    .mechanism
                    .map_or("", |mechanism| mechanism.as_str());
                Ok((id, mechanism))
            })
            .await?;
        Ok(match applied {
            Ok((id, mechanism)) => {
                self.table.get_mut(&draft)?.applied = Some(mechanism);
                Ok(id)
            }
            Err(error) => Err(error),
        })
    }

    async fn mechanism(&mut self, draft: Resource<Draft>) -> wasmtime::Result<String> {
        self.count()?;
        Ok(self
            .table
            .get(&draft)?
            .applied
            .unwrap_or_default()
            .to_owned())
    }

    async fn drop(&mut self, draft: Resource<Draft>) -> Done {
        self.table.delete(draft)?;
        Ok(())
    }
}

impl Ctx {
    /// Adds an effect on packets to a draft.
    fn add(
        &mut self,
        draft: &Resource<Draft>,
        packets: &Resource<Packets>,
        effect: impl FnOnce(Packets) -> Effect,
    ) -> Done {
        self.count()?;
        let packets = self.table.get(packets)?.clone();
        self.table.get_mut(draft)?.add(effect(packets));
        Ok(())
    }
}

/// Sees how a container's network is now, as far as a draft needs to know.
async fn look(
    engine: &dyn Engine,
    target: &Container,
    draft: &Draft,
) -> Result<Surroundings, GuestError> {
    let mut links = BTreeSet::new();
    let mut named = false;
    let mut impairs = false;
    let mut answers_dns = false;
    for effect in &draft.effects {
        match effect {
            Effect::Impair(packets, _) | Effect::LimitRate { packets, .. } => {
                impairs |= matches!(effect, Effect::Impair(..));
                named = true;
                links.extend(packets.interface.clone());
            }
            Effect::AnswerDns { .. } => answers_dns = true,
            Effect::Drop(packets)
            | Effect::Reject(packets)
            | Effect::Reset(packets)
            | Effect::Redirect(packets, _)
            | Effect::Mark(packets, _) => named |= packets.interface.is_some(),
        }
    }
    let interfaces = if named {
        interfaces::all(engine, target).await?
    } else {
        Vec::new()
    };
    let mut disciplines = BTreeMap::new();
    for link in links.into_iter().filter(|link| interfaces.contains(link)) {
        let shown = run(engine, target, &["tc", "qdisc", "show", "dev", &link]).await?;
        disciplines.insert(link, shown);
    }
    let has_v6 = target.addresses.iter().any(|(_, ip)| ip.is_ipv6());
    let netem = impairs && has(engine, "sch_netem").await?;
    let packet_queue = impairs && has(engine, "nfnetlink_queue").await?;
    let mut rules = String::new();
    if answers_dns || impairs && packet_queue {
        rules = run(engine, target, &["iptables-save"]).await?;
        if has_v6 {
            rules += &run(engine, target, &["ip6tables-save"]).await?;
        }
    }
    Ok(Surroundings {
        has_v6,
        interfaces,
        disciplines,
        rules,
        netem,
        packet_queue,
    })
}

async fn has(engine: &dyn Engine, feature: &str) -> EngineResult<bool> {
    engine.has(&Requirement::Kernel(feature.to_owned())).await
}

/// What a program prints that looks at a container's network; empty where it fails, which the change's own programs will tell.
async fn run(engine: &dyn Engine, target: &Container, command: &[&str]) -> EngineResult<String> {
    let program = Program {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        timeout: LOOK_TIMEOUT,
    };
    let output = engine.run_in_network(&target.id, &program).await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

impl From<DraftError> for GuestError {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::Invalid(message) => Self::Invalid(message),
            DraftError::Unavailable(message) => Self::Unavailable(message),
        }
    }
}
