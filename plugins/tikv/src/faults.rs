//! The faults that only TiKV has.

use duress_sdk::faults::destination::shared_addresses;
use duress_sdk::faults::network_partition::{Direction, NEEDS, cut};
use duress_sdk::faults::node_kill;
use duress_sdk::schemars::{self, JsonSchema};
use duress_sdk::{
    Action, Change, Container, Error, Fault, NoParameters, Parameters, Probe, Request, Result,
    Step, containers, host, http,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::pd;
use crate::settings::{DRIVERS, PEERS, STORES, Settings};

/// `pd_leader_kill`: the placement driver that leads dies, whichever it is.
pub(crate) fn pd_leader_kill() -> Fault {
    Fault::new(
        "pd_leader_kill",
        "Kill the placement driver that leads with SIGKILL; cleanup starts it again.",
        |_: NoParameters, scene| {
            let leader = pd::leader(&Settings::read()?)?;
            let target = scene.targets.iter().find(|target| target.name == leader);
            let target = target.ok_or_else(|| {
                Error::Invalid(format!("{leader} leads, and is not among the targets"))
            })?;
            Ok(vec![node_kill::kill(&target.name)])
        },
    )
    .on(DRIVERS)
    .choosing()
}

/// How one link is cut.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct AsymmetricPartition {
    /// Which packets are lost, as the target sees it: those that come `in` from its peer, those that go `out` to it, or `both`.
    direction: Direction,
}

impl Parameters for AsymmetricPartition {}

/// `asymmetric_partition`: a store is cut off from one of its peers, and from no other.
pub(crate) fn asymmetric_partition() -> Fault {
    Fault::for_each(
        "asymmetric_partition",
        "Drop all packets between a store and one other member, so that the cluster disagrees on who is there.",
        |partition: &AsymmetricPartition, target, scene| {
            let peers: Vec<&Container> = containers::of_services(&scene.stack, PEERS)
                .filter(|peer| peer.name != target.name && !peer.addresses.is_empty())
                .collect();
            if peers.is_empty() {
                return Err(Error::Unavailable(format!("{} has no peer that runs", target.name)));
            }
            // There are fewer than 2^32 peers, so truncation loses nothing.
            let peer = peers[(host::random() % peers.len() as u64) as usize];
            let ips = shared_addresses(target, std::iter::once(peer))?;
            let mut step = cut(&target.name, ips, partition.direction);
            step.facts.insert("peer".into(), peer.name.clone().into());
            Ok(step)
        },
    )
    .on(STORES)
    .requires(NEEDS)
}

/// `leader_concentration`: every region's leader moves to one store.
pub(crate) fn leader_concentration() -> Fault {
    Fault::for_each(
        "leader_concentration",
        "Move the leaders of all regions to one store, by a scheduler of PD; cleanup removes the scheduler.",
        |_: &NoParameters, target, scene| {
            let settings = Settings::read()?;
            let stores = pd::stores(&settings)?;
            let of_target = |address: &str| address.split(':').next() == Some(target.name.as_str());
            let store = stores.iter().find(|store| of_target(&store.store.address));
            let store = store.ok_or_else(|| Error::Unavailable(format!("PD knows no store of {}", target.name)))?;
            concentrate(target, store.store.id, &scene.stack, &settings)
        },
    )
    .on(STORES)
}

fn concentrate(
    target: &Container,
    store: u64,
    stack: &[Container],
    settings: &Settings,
) -> Result<Step> {
    let drivers: Vec<&Container> = containers::of_services(stack, DRIVERS).collect();
    let first = drivers
        .first()
        .ok_or_else(|| Error::Unavailable("the stack has no placement driver".into()))?;
    let ask = |driver: &Container, method: &str, path: &str, body: Option<&Value>| -> Request {
        let url = format!(
            "http://{}:{}/pd/api/v1/{path}",
            driver.name, settings.pd_port
        );
        http::request(method, &url, body, settings.request_timeout())
    };
    let scheduler = format!("grant-leader-scheduler-{store}");
    let grant = json!({ "name": "grant-leader-scheduler", "store_id": store });
    let removal = format!("schedulers/{scheduler}");
    Ok(Step {
        facts: serde_json::Map::from_iter([
            ("target_container".to_owned(), json!(target.name)),
            ("store_id".to_owned(), json!(store)),
            ("scheduler".to_owned(), json!(scheduler)),
        ]),
        changes: vec![
            Change {
                container: target.name.clone(),
                summary: format!("move all region leaders to {} (store {store})", target.name),
                apply: vec![Action::Ask(ask(first, "POST", "schedulers", Some(&grant)))],
                // The first server that knows a leader; the others report none or do not respond.
                revert: drivers
                    .iter()
                    .map(|driver| Action::Ask(ask(driver, "DELETE", &removal, None)))
                    .collect(),
                in_force: Some(Probe::Answer((
                    ask(first, "GET", "schedulers", None),
                    scheduler,
                ))),
            }
            .into(),
        ],
    })
}
