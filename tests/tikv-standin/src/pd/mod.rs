//! The placement driver: members that elect a leader, and what the leader knows of the stores.

mod api;
mod cluster;
mod election;
mod member;

pub use cluster::{Identity, Stats};

use std::path::PathBuf;

use anyhow::Result;

use crate::server;

/// The flags of `pd-server` that a compose file passes.
#[derive(Debug, clap::Parser)]
#[command(name = "pd-server")]
pub struct Flags {
    /// The member's name
    #[arg(long, default_value = "pd")]
    pub name: String,
    /// Where its state is kept
    #[arg(long, default_value = "default.pd")]
    pub data_dir: PathBuf,
    /// Where it listens for clients
    #[arg(long, default_value = "http://127.0.0.1:2379")]
    pub client_urls: String,
    /// Where clients reach it
    #[arg(long)]
    pub advertise_client_urls: Option<String>,
    /// Where it listens for other members
    #[arg(long, default_value = "http://127.0.0.1:2380")]
    pub peer_urls: String,
    /// Where other members reach it
    #[arg(long)]
    pub advertise_peer_urls: Option<String>,
    /// All members, as `name=peer URL` with commas between
    #[arg(long)]
    pub initial_cluster: Option<String>,
    /// A file of settings; the stand-in needs none
    #[arg(long)]
    pub config: Option<PathBuf>,
}

/// Serves until something fails.
///
/// # Errors
/// When it cannot listen, or its state cannot be kept.
pub async fn serve(flags: Flags) -> Result<()> {
    let member = member::Member::new(&flags)?;
    let peers = server::http(
        server::authority(&flags.peer_urls),
        api::for_peers(member.clone()),
    );
    let clients = server::http(
        server::authority(&flags.client_urls),
        api::for_clients(member.clone()),
    );
    tokio::select! {
        ended = peers => ended,
        ended = clients => ended,
        () = member.live() => Ok(()),
    }
}
