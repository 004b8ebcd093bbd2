//! What PD knows of the stores and regions. Times are in milliseconds since the Unix epoch, and handed in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// How many regions there are once there are enough stores.
const REGIONS: u64 = 12;
/// How many replicas a region has: that many stores make the cluster begin.
const REPLICAS: usize = 3;
/// `max-store-down-time`.
const DOWN: u64 = 30 * 60 * 1_000;

/// How a store introduces itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Identity {
    /// Where other stores and clients reach it.
    pub address: String,
    /// Where its status is asked.
    pub status_address: String,
    /// Its version.
    pub version: String,
    /// When it started, in milliseconds since the Unix epoch.
    pub started: u64,
}

/// What a store tells of itself; sizes in bytes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stats {
    /// Its number.
    pub id: u64,
    /// Of the file system that holds its data.
    pub capacity: u64,
    /// Of the file system that holds its data.
    pub available: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Store {
    pub(super) id: u64,
    pub(super) identity: Identity,
    pub(super) stats: Stats,
    pub(super) heartbeat: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Region {
    peers: Vec<u64>,
    leader: Option<u64>,
}

/// The whole, as the leader sends it to the others.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Cluster {
    /// Grows with each change.
    pub(super) version: u64,
    stores: BTreeMap<u64, Store>,
    regions: Vec<Region>,
    schedulers: BTreeSet<String>,
    last_id: u64,
}

impl Cluster {
    pub(super) fn stores(&self) -> impl Iterator<Item = &Store> {
        self.stores.values()
    }

    /// A store's number: the one that it had, if its address is known.
    pub(super) fn register(&mut self, identity: Identity, now: u64) -> u64 {
        self.version += 1;
        let known = self
            .stores
            .values()
            .find(|store| store.identity.address == identity.address);
        let id = known.map_or_else(
            || {
                self.last_id += 1;
                self.last_id
            },
            |store| store.id,
        );
        let stats = Stats {
            id,
            ..Stats::default()
        };
        self.stores.insert(
            id,
            Store {
                id,
                identity,
                stats,
                heartbeat: now,
            },
        );
        if self.regions.is_empty() && self.stores.len() >= REPLICAS {
            let peers: Vec<_> = self.stores.keys().copied().take(REPLICAS).collect();
            self.regions = (0..REGIONS)
                .map(|_| Region {
                    peers: peers.clone(),
                    leader: None,
                })
                .collect();
        }
        id
    }

    /// A store lives. False for a store that nobody knows.
    pub(super) fn heartbeat(&mut self, stats: Stats, now: u64) -> bool {
        let Some(store) = self.stores.get_mut(&stats.id) else {
            return false;
        };
        self.version += 1;
        store.stats = stats;
        store.heartbeat = now;
        true
    }

    /// A new leader cannot know how long a store has been silent: it begins to count when it takes over.
    pub(super) fn forgive(&mut self, now: u64, disconnect: u64) {
        for store in self.stores.values_mut() {
            // Those that were silent before stay so.
            if store.heartbeat + disconnect > now {
                store.heartbeat = now;
            }
        }
    }

    pub(super) fn state_of(&self, store: &Store, now: u64, disconnect: u64) -> &'static str {
        match now.saturating_sub(store.heartbeat) {
            silent if silent > DOWN => "Down",
            silent if silent > disconnect => "Disconnected",
            _ => "Up",
        }
    }

    /// Gives every region a leader on a store that is up, evenly or as a scheduler says. Whether anything changed.
    pub(super) fn schedule(&mut self, now: u64, disconnect: u64) {
        let up: BTreeSet<u64> = self
            .stores
            .values()
            .filter(|store| self.state_of(store, now, disconnect) == "Up")
            .map(|store| store.id)
            .collect();
        let granted = self.schedulers.iter().find_map(|name| {
            name.strip_prefix("grant-leader-scheduler-")?
                .parse::<u64>()
                .ok()
                .filter(|id| up.contains(id))
        });
        let mut leaders: BTreeMap<u64, usize> = up.iter().map(|id| (*id, 0)).collect();
        for leader in self.regions.iter().filter_map(|region| region.leader) {
            leaders.entry(leader).and_modify(|count| *count += 1);
        }
        let mut changed = false;
        for region in &mut self.regions {
            let live: Vec<u64> = region
                .peers
                .iter()
                .copied()
                .filter(|id| up.contains(id))
                .collect();
            let least = live.iter().copied().min_by_key(|id| leaders.get(id));
            let keeps = region
                .leader
                .filter(|leader| live.contains(leader))
                .filter(|leader| {
                    granted.is_none_or(|granted| granted == *leader)
                        && (granted.is_some()
                            || least.is_none_or(|least| leaders[leader] <= leaders[&least] + 1))
                });
            // Without a majority of its replicas a region has no leader.
            let wanted = if live.len() <= region.peers.len() / 2 {
                None
            } else {
                keeps.or(granted).or(least)
            };
            if wanted != region.leader {
                if let Some(count) = region.leader.and_then(|leader| leaders.get_mut(&leader)) {
                    *count -= 1;
                }
                if let Some(count) = wanted.and_then(|leader| leaders.get_mut(&leader)) {
                    *count += 1;
                }
                region.leader = wanted;
                changed = true;
            }
        }
        self.version += u64::from(changed);
    }

    pub(super) fn region_count(&self) -> usize {
        self.regions.len()
    }

    pub(super) fn leader_count(&self, store: u64) -> usize {
        self.regions
            .iter()
            .filter(|region| region.leader == Some(store))
            .count()
    }

    pub(super) fn peer_count(&self, store: u64) -> usize {
        self.regions
            .iter()
            .filter(|region| region.peers.contains(&store))
            .count()
    }

    pub(super) fn schedulers(&self) -> Vec<String> {
        let own = ["balance-leader-scheduler", "balance-region-scheduler"].map(str::to_owned);
        own.into_iter()
            .chain(self.schedulers.iter().cloned())
            .collect()
    }

    pub(super) fn grant_leaders(&mut self, store: u64) -> bool {
        self.version += 1;
        self.stores.contains_key(&store)
            && self
                .schedulers
                .insert(format!("grant-leader-scheduler-{store}"))
    }

    pub(super) fn remove_scheduler(&mut self, name: &str) -> bool {
        self.version += 1;
        self.schedulers.remove(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DISCONNECT: u64 = 20_000;

    fn three() -> Cluster {
        let mut cluster = Cluster::default();
        for n in 0..3 {
            let identity = Identity {
                address: format!("tikv{n}:20160"),
                status_address: format!("tikv{n}:20180"),
                version: "8.5.0".into(),
                started: 0,
            };
            assert_eq!(cluster.register(identity, 0), n + 1);
        }
        cluster.schedule(0, DISCONNECT);
        cluster
    }

    fn states(cluster: &Cluster, now: u64) -> Vec<&'static str> {
        cluster
            .stores()
            .map(|store| cluster.state_of(store, now, DISCONNECT))
            .collect()
    }

    #[test]
    fn leaders_are_spread_evenly() {
        let cluster = three();
        assert_eq!([1, 2, 3].map(|id| cluster.leader_count(id)), [4, 4, 4]);
    }

    #[test]
    fn a_silent_store_is_disconnected_and_leads_nothing_and_returns() {
        let mut cluster = three();
        for id in [1, 2] {
            assert!(cluster.heartbeat(
                Stats {
                    id,
                    ..Stats::default()
                },
                20_000
            ));
        }
        assert_eq!(states(&cluster, 20_001), ["Up", "Up", "Disconnected"]);
        cluster.schedule(20_001, DISCONNECT);
        assert_eq!([1, 2, 3].map(|id| cluster.leader_count(id)), [6, 6, 0]);
        assert!(cluster.heartbeat(
            Stats {
                id: 3,
                ..Stats::default()
            },
            30_000
        ));
        cluster.schedule(30_000, DISCONNECT);
        assert_eq!(states(&cluster, 30_000), ["Up", "Up", "Up"]);
        assert_eq!([1, 2, 3].map(|id| cluster.leader_count(id)), [4, 4, 4]);
    }

    #[test]
    fn without_a_majority_regions_have_no_leader() {
        let mut cluster = three();
        cluster.heartbeat(
            Stats {
                id: 1,
                ..Stats::default()
            },
            20_000,
        );
        cluster.schedule(20_001, DISCONNECT);
        assert_eq!([1, 2, 3].map(|id| cluster.leader_count(id)), [0, 0, 0]);
    }

    #[test]
    fn a_grant_concentrates_the_leaders_until_it_is_taken_back() {
        let mut cluster = three();
        assert!(cluster.grant_leaders(2));
        cluster.schedule(0, DISCONNECT);
        assert_eq!(cluster.leader_count(2), 12);
        assert!(cluster.remove_scheduler("grant-leader-scheduler-2"));
        cluster.schedule(0, DISCONNECT);
        assert_eq!([1, 2, 3].map(|id| cluster.leader_count(id)), [4, 4, 4]);
    }

    #[test]
    fn a_store_that_returns_keeps_its_number() {
        let mut cluster = three();
        let again = cluster.stores().nth(1).expect("a store").identity.clone();
        assert_eq!(cluster.register(again, 5), 2);
        assert_eq!(cluster.stores().count(), 3);
    }
}
