//! What both programs share: they run until they are told to end.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Runs a program until it fails, or SIGTERM or SIGINT ends it.
#[allow(
    clippy::print_stderr,
    reason = "the log of a program in a container is its stderr"
)]
pub fn run(name: &str, program: impl Future<Output = Result<()>>) -> ExitCode {
    let done = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("start the threads")
        .and_then(|runtime| {
            let result = runtime.block_on(async {
                let mut terminate = signal(SignalKind::terminate())?;
                let mut interrupt = signal(SignalKind::interrupt())?;
                tokio::select! {
                    result = program => result,
                    _ = terminate.recv() => Ok(()),
                    _ = interrupt.recv() => Ok(()),
                }
            });
            runtime.shutdown_background();
            result
        });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A line of the log.
#[allow(
    clippy::print_stderr,
    reason = "the log of a program in a container is its stderr"
)]
pub fn log(line: impl std::fmt::Display) {
    eprintln!("{} {line}", jiff::Timestamp::now());
}

/// Serves HTTP at `host:port` for ever.
///
/// # Errors
/// When nobody can listen there.
pub async fn http(address: &str, router: Router) -> Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen at {address}"))?;
    axum::serve(listener, router).await.context("serve HTTP")
}

/// `http://host:port` without what stands before the host.
pub fn authority(url: &str) -> &str {
    url.strip_prefix("http://")
        .unwrap_or(url)
        .trim_end_matches('/')
}

/// A client that waits only so long as a cluster that lives would.
///
/// # Errors
/// When HTTP cannot be set up.
pub fn client() -> Result<reqwest::Client> {
    let client = reqwest::Client::builder()
        .no_proxy()
        // A connection into a partition would hang long after it has healed.
        .pool_max_idle_per_host(0)
        .timeout(std::time::Duration::from_secs(1))
        .build();
    client.context("set up HTTP")
}
