//! `duress guard`: the guardian's process. Runs start it; nobody types it.

use std::io::{Read as _, Write as _};
use std::os::fd::RawFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use duress_http::Client;
use duress_journal::Recovered;
use duress_runner::guardian::{self, Heard, Verdict};

use duress_model::{Error, Result};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::context::Context;
use crate::process;

/// Time for which reverting is tried again when the engine does not answer or a change resists.
const PERSISTENCE: Duration = Duration::from_secs(600);
/// Time between two tries.
const PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Run to watch, by its ID in the database
    #[arg(long)]
    host: String,
    /// Process of the run
    #[arg(long)]
    pid: i32,
    /// Longest silence of the run, in milliseconds
    #[arg(long)]
    grace_ms: u64,
}

/// Watches the run at the other end of standard input.
///
/// It must be called before this process has started a thread or opened a file.
pub(crate) fn main(context: &Context, arguments: &Arguments) -> ExitCode {
    close_what_was_inherited();
    // A session of its own, so that no signal to the run's terminal or process group ends it. A group leader cannot have one.
    let _ = rustix::process::setsid();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        return ExitCode::FAILURE;
    };
    match runtime.block_on(guard(context, arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

async fn guard(context: &Context, arguments: &Arguments) -> Result<()> {
    let database = context.database()?;
    let failed = |error: std::io::Error| Error::environment(format!("begin to watch: {error}"));
    // They are meant for the run, which ends in good order and says so.
    let mut ignored = Vec::new();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
        SignalKind::quit(),
    ] {
        ignored.push(signal(kind).map_err(failed)?);
    }
    let (sender, mut heard) = unbounded_channel();
    std::thread::Builder::new()
        .spawn(move || listen(&sender))
        .map_err(failed)?;
    say(b"w").map_err(failed)?;
    let grace = Duration::from_millis(arguments.grace_ms);
    let is_stopped = || process::is_stopped(arguments.pid);
    // The run learns so that its guardian guards. A dead run hears nothing.
    let answer = || drop(say(b"a"));
    if guardian::watch(&mut heard, grace, is_stopped, answer).await == Verdict::TakeOver {
        take_over(context, database, &arguments.host).await;
    }
    Ok(())
}

/// Writes to the run, which reads standard output.
fn say(bytes: &[u8]) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    output.write_all(bytes)?;
    output.flush()
}

/// Passes on what the run says.
fn listen(heard: &UnboundedSender<Heard>) {
    let mut input = std::io::stdin().lock();
    let mut byte = [0];
    while input.read_exact(&mut byte).is_ok() {
        let _ = heard.send(Heard::of(byte[0]));
    }
    let _ = heard.send(Heard::Closed);
}

/// Reverts what the run has in force, again and again until nothing is left.
async fn take_over(context: &Context, database: &Path, host: &str) {
    let log = Log::beside(database);
    log.line(&format!("the run {host} is dead or stands still"));
    let deadline = Instant::now() + PERSISTENCE;
    loop {
        match once(context, database, host).await {
            Ok(recovered) => {
                for what in &recovered.reverted {
                    log.line(&format!("reverted: {what}"));
                }
                for trial in &recovered.trials {
                    log.line(&format!("removed the stack of {trial}"));
                }
                for left in &recovered.left {
                    log.line(&format!("NOT RECOVERED: {left}"));
                }
                if recovered.left.is_empty() {
                    return;
                }
            }
            Err(error) => log.line(&format!("error: {error}")),
        }
        if Instant::now() >= deadline {
            log.line("gave up: `duress recover` tries again");
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn once(context: &Context, database: &Path, host: &str) -> Result<Recovered> {
    let engine = context.engine().await?;
    guardian::take_over(database, host, engine, &Client::new()?).await
}

/// What a guardian did, for people: a file beside the database.
struct Log(PathBuf);

impl Log {
    fn beside(database: &Path) -> Self {
        let mut name = duress_store::canonical(database).into_os_string();
        name.push("-guardian.log");
        Self(name.into())
    }

    fn line(&self, text: &str) {
        let file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.0);
        if let Ok(mut file) = file {
            let _ = writeln!(file, "{} {text}", jiff::Timestamp::now());
        }
    }
}

/// Closes every file but the standard ones. What the run's own parent gave it, a pipe of a test or a lock of a script, must not stay open
/// for as long as a guardian lives.
fn close_what_was_inherited() {
    let Ok(listed) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let numbers = listed.flatten().filter_map(|entry| {
        let number: RawFd = entry.file_name().to_str()?.parse().ok()?;
        (number > 2).then_some(number)
    });
    let numbers: Vec<_> = numbers.collect();
    let is_open = |number: &RawFd| Path::new(&format!("/proc/self/fd/{number}")).is_symlink();
    for number in numbers.into_iter().filter(is_open) {
        // SAFETY: this process has opened nothing yet that is still open: no object of it owns any of these descriptors. The one of the
        // listing itself is closed already.
        #[expect(unsafe_code, reason = "no object owns what was inherited")]
        unsafe {
            rustix::io::close(number);
        }
    }
}
