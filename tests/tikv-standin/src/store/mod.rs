//! A store: it tells PD that it lives and how much room it has, and answers for its status.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::pd::{Identity, Stats};
use crate::server::{authority, log};
use crate::{server, settings};

/// The version of TiKV whose behaviour this follows.
const VERSION: &str = "8.5.0";

/// The flags of `tikv-server` that a compose file passes.
#[derive(Debug, clap::Parser)]
#[command(name = "tikv-server")]
pub struct Flags {
    /// Where it listens for clients and other stores
    #[arg(long, default_value = "127.0.0.1:20160")]
    pub addr: String,
    /// Where they reach it
    #[arg(long)]
    pub advertise_addr: Option<String>,
    /// Address of its status server
    #[arg(long, default_value = "127.0.0.1:20180")]
    pub status_addr: String,
    /// Where they reach it
    #[arg(long)]
    pub advertise_status_addr: Option<String>,
    /// Where its data are kept
    #[arg(long, default_value = "/tmp/tikv")]
    pub data_dir: PathBuf,
    /// The placement drivers, with commas between
    #[arg(
        long,
        alias = "pd-endpoints",
        value_delimiter = ',',
        default_value = "127.0.0.1:2379"
    )]
    pub pd: Vec<String>,
    /// A file of settings; the stand-in needs none
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// Serves until something fails.
///
/// # Errors
/// When it cannot listen, or its data folder cannot be made.
pub async fn serve(flags: Flags) -> Result<()> {
    std::fs::create_dir_all(&flags.data_dir)
        .with_context(|| format!("make {}", flags.data_dir.display()))?;
    let status = Router::new()
        .route("/status", get(async || Json(json!({ "version": VERSION }))))
        .route(
            "/metrics",
            get(async || "# HELP tikv_server_up 1 while it runs\ntikv_server_up 1\n"),
        );
    tokio::select! {
        ended = server::http(&flags.status_addr, status) => ended,
        ended = listen(&flags.addr) => ended,
        ended = live(&flags) => ended,
    }
}

/// Takes connections and reads what comes: whether a store can be reached is what partitions are about.
async fn listen(address: &str) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen at {address}"))?;
    loop {
        let (mut connection, _) = listener.accept().await.context("accept a connection")?;
        tokio::spawn(async move {
            let mut ignored = [0; 1024];
            while connection
                .read(&mut ignored)
                .await
                .is_ok_and(|read| read > 0)
            {}
        });
    }
}

/// Registers, then sends heartbeats for ever.
async fn live(flags: &Flags) -> Result<()> {
    let http = server::client()?;
    let identity = Identity {
        address: flags
            .advertise_addr
            .clone()
            .unwrap_or_else(|| flags.addr.clone()),
        status_address: flags
            .advertise_status_addr
            .clone()
            .unwrap_or_else(|| flags.status_addr.clone()),
        version: VERSION.to_owned(),
        started: jiff::Timestamp::now().as_millisecond().unsigned_abs(),
    };
    let interval = settings::heartbeat();
    let mut id: Option<u64> = None;
    loop {
        let told = match id {
            None => match ask(&http, &flags.pd, "register", &json!(identity)).await {
                Some(answer) => {
                    id = answer.get("id").and_then(Value::as_u64);
                    log(format_args!("registered as store {}", id.unwrap_or(0)));
                    // The first heartbeat follows at once.
                    continue;
                }
                None => false,
            },
            Some(id) => {
                let stats = stats(id, &flags.data_dir);
                ask(&http, &flags.pd, "heartbeat", &json!(stats))
                    .await
                    .is_some()
            }
        };
        if !told {
            log("no placement driver answers");
            // A leader that does not know this store learns of it again; one that does gives it the same number.
            id = None;
        }
        // Without an answer it is tried again sooner, as the real one does.
        tokio::time::sleep(if told {
            interval
        } else {
            interval.min(std::time::Duration::from_secs(1))
        })
        .await;
    }
}

fn stats(id: u64, folder: &Path) -> Stats {
    let Ok(stat) = rustix::fs::statvfs(folder) else {
        return Stats {
            id,
            ..Stats::default()
        };
    };
    Stats {
        id,
        capacity: stat.f_blocks.saturating_mul(stat.f_frsize),
        available: stat.f_bavail.saturating_mul(stat.f_frsize),
    }
}

/// Asks the placement drivers in turn. `None` when none of them did it.
async fn ask(
    http: &reqwest::Client,
    drivers: &[String],
    what: &str,
    body: &Value,
) -> Option<Value> {
    for driver in drivers {
        let url = format!("http://{}/standin/{what}", authority(driver));
        if let Ok(answer) = http.post(url).json(body).send().await
            && answer.status().is_success()
        {
            return Some(answer.json().await.unwrap_or_default());
        }
    }
    None
}
