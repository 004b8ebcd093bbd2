//! PD's HTTP API, as far as the subject uses it, and what members and stores say to each other.
//!
//! A member that does not lead forwards what it is asked to the one that does; without a leader it answers 503.

use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::cluster::{Cluster, Identity, Stats, Store};
use super::election::{Answer, Claim};
use super::member::{Beat, Member, epoch_ms};
use crate::size;

/// Forwarded once already: a leader that has just stepped down must not send it round.
const FORWARDED: &str = "x-forwarded-by";

/// Returns what other members call.
pub(super) fn for_peers(member: Member) -> Router {
    Router::new()
        .route(
            "/vote",
            post(
                async |State(member): State<Member>, Json(claim): Json<Claim>| -> Json<Answer> {
                    Json(member.on_vote_asked(&claim))
                },
            ),
        )
        .route(
            "/beat",
            post(
                async |State(member): State<Member>, Json(beat): Json<Beat>| -> Json<Answer> {
                    Json(member.on_beat(beat))
                },
            ),
        )
        .route(
            "/stand",
            post(async |State(member): State<Member>| {
                let send = member.state().election.stand(member.now());
                member.send(&send);
            }),
        )
        .with_state(member)
}

/// Returns what clients and stores call.
pub(super) fn for_clients(member: Member) -> Router {
    let api = Router::new()
        .route("/stores", get(stores))
        .route("/leader", get(leader))
        .route("/leader/resign", post(resign))
        .route("/leader/transfer/{name}", post(transfer))
        .route("/members", get(members))
        .route("/health", get(health))
        .route("/stats/region", get(region_stats))
        .route("/regions/count", get(region_count))
        .route("/schedulers", get(schedulers).post(add_scheduler))
        .route("/schedulers/{name}", delete(remove_scheduler));
    Router::new()
        .nest("/pd/api/v1", api)
        .route("/standin/register", post(register))
        .route("/standin/heartbeat", post(heartbeat))
        .layer(middleware::from_fn_with_state(
            member.clone(),
            by_the_leader,
        ))
        .with_state(member)
}

async fn by_the_leader(State(member): State<Member>, request: Request, next: Next) -> Response {
    let url = {
        let state = member.state();
        if state.election.leads() {
            None
        } else {
            Some(state.election.leader().and(state.leader_url.clone()))
        }
    };
    match url {
        None => next.run(request).await,
        Some(Some(url)) if !request.headers().contains_key(FORWARDED) => {
            forward(&member, &url, request)
                .await
                .unwrap_or_else(no_leader)
        }
        Some(_) => no_leader(),
    }
}

fn no_leader() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, "no leader").into_response()
}

async fn forward(member: &Member, url: &str, request: Request) -> Option<Response> {
    let path = request
        .uri()
        .path_and_query()
        .map_or("/", |path| path.as_str());
    let url = format!("{}{path}", url.trim_end_matches('/'));
    let method = request.method().clone();
    let json = request.headers().get("content-type").cloned();
    let body: Bytes = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .ok()?;
    let mut asked = member
        .http
        .request(method, url)
        .header(FORWARDED, &member.name)
        .body(body);
    if let Some(json) = json {
        asked = asked.header("content-type", json);
    }
    let answer = asked.send().await.ok()?;
    let status = answer.status();
    let json = answer.headers().get("content-type").cloned();
    let body = answer.bytes().await.ok()?;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    if let Some(json) = json {
        response.headers_mut().insert("content-type", json);
    }
    Some(response)
}

async fn stores(State(member): State<Member>) -> Json<Value> {
    let state = member.state();
    let stores: Vec<_> = state
        .cluster
        .stores()
        .map(|store| described(&state.cluster, store, member.disconnect))
        .collect();
    Json(json!({ "count": stores.len(), "stores": stores }))
}

fn described(cluster: &Cluster, store: &Store, disconnect: u64) -> Value {
    let time = |ms: u64| {
        let time = jiff::Timestamp::from_millisecond(i64::try_from(ms).unwrap_or(0));
        time.map(|time| time.to_string()).unwrap_or_default()
    };
    let (leaders, regions) = (cluster.leader_count(store.id), cluster.peer_count(store.id));
    let (capacity, available) = (store.stats.capacity, store.stats.available);
    json!({
        "store": {
            "id": store.id,
            "address": store.identity.address,
            "version": store.identity.version,
            "status_address": store.identity.status_address,
            "start_timestamp": store.identity.started / 1_000,
            "deploy_path": "/",
            "last_heartbeat": store.heartbeat * 1_000_000,
            "state_name": cluster.state_of(store, epoch_ms(), disconnect),
        },
        "status": {
            "capacity": size::text(capacity),
            "available": size::text(available),
            "used_size": size::text(capacity.saturating_sub(available)),
            "leader_count": leaders, "leader_weight": 1, "leader_score": leaders, "leader_size": leaders,
            "region_count": regions, "region_weight": 1, "region_score": regions, "region_size": regions,
            "start_ts": time(store.identity.started),
            "last_heartbeat_ts": time(store.heartbeat),
            "uptime": format!("{}s", store.heartbeat.saturating_sub(store.identity.started) / 1_000),
        },
    })
}

/// A member as PD describes it. Its number is its place in the cluster's list.
fn described_member(member: &Member, name: &str) -> Value {
    let place = member.peers.iter().position(|peer| peer.name == name);
    let peer_url = place.map(|place| member.peers[place].url.clone());
    // Members listen for clients at the port beside that for peers, at the same host.
    let client_url = if name == member.name {
        Some(member.client_url.clone())
    } else {
        peer_url.as_ref().map(|url| url.replace(":2380", ":2379"))
    };
    json!({
        "name": name, "member_id": place.map_or(0, |place| place + 1),
        "peer_urls": [peer_url], "client_urls": [client_url],
    })
}

async fn leader(State(member): State<Member>) -> Json<Value> {
    Json(described_member(&member, &member.name))
}

async fn members(State(member): State<Member>) -> Json<Value> {
    let all: Vec<_> = member
        .peers
        .iter()
        .map(|peer| described_member(&member, &peer.name))
        .collect();
    let leader = described_member(&member, &member.name);
    Json(
        json!({ "header": { "cluster_id": 1 }, "members": all, "leader": leader, "etcd_leader": leader }),
    )
}

async fn health(State(member): State<Member>) -> Json<Value> {
    let mut all = Vec::new();
    for peer in &member.peers {
        let mut described = described_member(&member, &peer.name);
        let healthy = peer.name == member.name || member.http.get(&peer.url).send().await.is_ok();
        described["health"] = healthy.into();
        all.push(described);
    }
    Json(all.into())
}

async fn region_stats(State(member): State<Member>) -> Json<Value> {
    let state = member.state();
    let cluster = &state.cluster;
    let by_store = |count: fn(&Cluster, u64) -> usize| -> Value {
        cluster
            .stores()
            .map(|store| (store.id.to_string(), count(cluster, store.id).into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    Json(json!({
        "count": cluster.region_count(), "empty_count": cluster.region_count(), "storage_size": 0, "storage_keys": 0,
        "store_leader_count": by_store(Cluster::leader_count), "store_peer_count": by_store(Cluster::peer_count),
    }))
}

async fn region_count(State(member): State<Member>) -> Json<Value> {
    Json(json!({ "count": member.state().cluster.region_count() }))
}

async fn schedulers(State(member): State<Member>) -> Json<Value> {
    Json(member.state().cluster.schedulers().into())
}

async fn add_scheduler(State(member): State<Member>, Json(wanted): Json<Value>) -> Response {
    let store = wanted.get("store_id").and_then(Value::as_u64);
    match (wanted.get("name").and_then(Value::as_str), store) {
        (Some("grant-leader-scheduler"), Some(store)) => {
            if member.state().cluster.grant_leaders(store) {
                Json("The scheduler is created.").into_response()
            } else {
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "scheduler existed, or no such store",
                )
                    .into_response()
            }
        }
        _ => (StatusCode::BAD_REQUEST, "unknown scheduler").into_response(),
    }
}

async fn remove_scheduler(State(member): State<Member>, Path(name): Path<String>) -> Response {
    if member.state().cluster.remove_scheduler(&name) {
        Json("The scheduler is removed.").into_response()
    } else {
        (StatusCode::NOT_FOUND, "scheduler not found").into_response()
    }
}

async fn resign(State(member): State<Member>) -> Response {
    let next = member
        .peers
        .iter()
        .find(|peer| peer.name != member.name)
        .map(|peer| peer.name.clone());
    match next {
        Some(next) => hand_over(&member, &next).await,
        None => (StatusCode::INTERNAL_SERVER_ERROR, "no other member").into_response(),
    }
}

async fn transfer(State(member): State<Member>, Path(name): Path<String>) -> Response {
    if name == member.name {
        return Json("The transfer command is submitted.").into_response();
    }
    hand_over(&member, &name).await
}

async fn hand_over(member: &Member, name: &str) -> Response {
    let Some(peer) = member.peers.iter().find(|peer| peer.name == name) else {
        return (StatusCode::NOT_FOUND, "not found, pd: no such member").into_response();
    };
    member.state().election.resign(member.now());
    match member.http.post(format!("{}/stand", peer.url)).send().await {
        Ok(_) => Json("The transfer command is submitted.").into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn register(State(member): State<Member>, Json(identity): Json<Identity>) -> Json<Value> {
    let id = member.state().cluster.register(identity, epoch_ms());
    Json(json!({ "id": id }))
}

async fn heartbeat(State(member): State<Member>, Json(stats): Json<Stats>) -> StatusCode {
    if member.state().cluster.heartbeat(stats, epoch_ms()) {
        StatusCode::OK
    } else {
        StatusCode::NOT_FOUND
    }
}
