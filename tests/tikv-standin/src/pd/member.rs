//! One member: it lives, speaks to the others, and keeps what it knows.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::Flags;
use super::cluster::Cluster;
use super::election::{Answer, Claim, Election, Send};
use crate::server::log;
use crate::{server, settings};

/// How often time is looked at.
const TICK: Duration = Duration::from_millis(50);

/// What a leader tells the others.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Beat {
    pub(super) claim: Claim,
    pub(super) client_url: String,
    pub(super) cluster: Cluster,
}

/// A member and where it is reached.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) name: String,
    pub(super) url: String,
}

#[derive(Clone)]
pub(super) struct Member(Arc<Inner>);

pub(super) struct Inner {
    pub(super) name: String,
    pub(super) client_url: String,
    /// All members, this one too.
    pub(super) peers: Vec<Peer>,
    pub(super) http: reqwest::Client,
    /// Silence in milliseconds after which a store is `Disconnected`.
    pub(super) disconnect: u64,
    state: Mutex<State>,
    born: Instant,
    file: PathBuf,
}

pub(super) struct State {
    pub(super) election: Election,
    pub(super) cluster: Cluster,
    /// Where the leader's clients reach it.
    pub(super) leader_url: Option<String>,
    saved: u64,
    led: bool,
}

impl std::ops::Deref for Member {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Member {
    pub(super) fn new(flags: &Flags) -> Result<Self> {
        let own = flags
            .advertise_peer_urls
            .clone()
            .unwrap_or_else(|| flags.peer_urls.clone());
        let all = flags
            .initial_cluster
            .clone()
            .unwrap_or_else(|| format!("{}={own}", flags.name));
        let mut peers = Vec::new();
        for entry in all.split(',') {
            let Some((name, url)) = entry.split_once('=') else {
                bail!("--initial-cluster: `{entry}` is not NAME=URL");
            };
            peers.push(Peer {
                name: name.to_owned(),
                url: url.to_owned(),
            });
        }
        if !peers.iter().any(|peer| peer.name == flags.name) {
            bail!(
                "--initial-cluster does not name this member, `{}`",
                flags.name
            );
        }
        std::fs::create_dir_all(&flags.data_dir)
            .with_context(|| format!("make {}", flags.data_dir.display()))?;
        let file = flags.data_dir.join("cluster.json");
        let cluster: Cluster = match std::fs::read(&file) {
            Ok(text) => {
                serde_json::from_slice(&text).with_context(|| format!("read {}", file.display()))?
            }
            Err(_) => Cluster::default(),
        };
        Ok(Self(Arc::new(Inner {
            name: flags.name.clone(),
            client_url: flags
                .advertise_client_urls
                .clone()
                .unwrap_or_else(|| flags.client_urls.clone()),
            http: server::client()?,
            disconnect: u64::try_from(settings::disconnect().as_millis())?,
            state: Mutex::new(State {
                election: Election::new(&flags.name, peers.len()),
                saved: cluster.version,
                cluster,
                leader_url: None,
                led: false,
            }),
            peers,
            born: Instant::now(),
            file,
        })))
    }

    /// Ticks for ever.
    pub(super) async fn live(&self) {
        let mut ticks = tokio::time::interval(TICK);
        // A paused process does not catch up.
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let send = {
                let mut state = self.state();
                let send = state.election.tick(self.now());
                self.lead(&mut state);
                self.save(&mut state);
                send
            };
            if let Some(send) = send {
                self.send(&send);
            }
        }
    }

    /// What a leader does at each tick.
    fn lead(&self, state: &mut State) {
        let leads = state.election.leads();
        if leads != state.led {
            state.led = leads;
            log(format_args!(
                "{} {}",
                self.name,
                if leads { "leads" } else { "no longer leads" }
            ));
            if leads {
                state.cluster.forgive(epoch_ms(), self.disconnect);
            }
        }
        if leads {
            state.leader_url = Some(self.client_url.clone());
            state.cluster.schedule(epoch_ms(), self.disconnect);
        }
    }

    fn save(&self, state: &mut State) {
        if state.saved == state.cluster.version {
            return;
        }
        state.saved = state.cluster.version;
        let text = serde_json::to_vec(&state.cluster).unwrap_or_default();
        let unfinished = self.file.with_extension("unfinished");
        let saved = std::fs::write(&unfinished, text)
            .and_then(|()| std::fs::rename(&unfinished, &self.file));
        if let Err(error) = saved {
            log(format_args!("cannot keep the state: {error}"));
        }
    }

    /// Tells every other member; the answers come in their own time.
    pub(super) fn send(&self, send: &Send) {
        for peer in self.peers.iter().filter(|peer| peer.name != self.name) {
            let member = self.clone();
            let url = peer.url.clone();
            match send {
                Send::Vote => {
                    let claim = {
                        let state = self.state();
                        state.election.claim(state.cluster.version)
                    };
                    tokio::spawn(async move {
                        if let Some(answer) = member.ask(&format!("{url}/vote"), &claim).await {
                            member.state().election.on_vote(member.now(), &answer);
                        }
                    });
                }
                Send::Beat => {
                    let beat = {
                        let state = self.state();
                        Beat {
                            claim: state.election.claim(state.cluster.version),
                            client_url: self.client_url.clone(),
                            cluster: state.cluster.clone(),
                        }
                    };
                    tokio::spawn(async move {
                        if let Some(answer) = member.ask(&format!("{url}/beat"), &beat).await {
                            member
                                .state()
                                .election
                                .on_beat_answered(member.now(), &answer);
                        }
                    });
                }
            }
        }
    }

    async fn ask(&self, url: &str, body: &impl Serialize) -> Option<Answer> {
        self.http
            .post(url)
            .json(body)
            .send()
            .await
            .ok()?
            .json()
            .await
            .ok()
    }

    pub(super) fn on_vote_asked(&self, claim: &Claim) -> Answer {
        let mut state = self.state();
        let version = state.cluster.version;
        state.election.on_vote_asked(self.now(), claim, version)
    }

    pub(super) fn on_beat(&self, beat: Beat) -> Answer {
        let mut state = self.state();
        let answer = state.election.on_beat(self.now(), &beat.claim);
        if answer.yes {
            state.leader_url = Some(beat.client_url);
            state.cluster = beat.cluster;
        }
        answer
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds on a clock that nobody sets.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Milliseconds since the Unix epoch.
pub(super) fn epoch_ms() -> u64 {
    jiff::Timestamp::now().as_millisecond().unsigned_abs()
}
