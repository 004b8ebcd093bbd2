//! What being reliable costs: resuming a long campaign, looking at it, tidying up where there is nothing, and Ctrl+C.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use rusqlite::Connection;
use serde_json::Value;

use crate::program::duress;
use crate::{Row, median};
use duress_docker::Docker;
use duress_engine::Engine;
use duress_http::Client;
use duress_store::Store;

/// In ten ways to break it, as a campaign of that length would have.
const CAMPAIGN: &str = "name: long\nsubjects: [noop]\nseed: 1\ntrials_per_combination: 10000\nparallel: 1\n\
    defaults: {duration_seconds: 0}\ninclude_baseline: true\nchaos_types:\n";
const TRIALS: i64 = 100_000;
const ROUNDS: usize = 9;

pub(crate) async fn measure() -> Result<Vec<Row>> {
    let mut rows = long_campaign()?;
    rows.push(recovery().await?);
    rows.push(guardian()?);
    rows.push(interrupt()?);
    Ok(rows)
}

/// A campaign of a hundred thousand trials of which all but ten have finished.
fn long_campaign() -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("long.yaml");
    let entries: String = (1..10)
        .map(|number| {
            format!(
                "  - {{type: nothing, label: nothing-{number}, duration_seconds: 0.{number}}}\n"
            )
        })
        .collect();
    fs::write(&file, format!("{CAMPAIGN}{entries}"))?;
    let file = file.display().to_string();
    let (mut child, _) = first_trial(duress(&folder, &["run", "campaign", &file, "--json"]))?;
    child.kill()?;
    child.wait()?;
    // What the killed one left is reverted before its rows are multiplied.
    duress(&folder, &["recover"]).status()?;
    fill(&folder.path().join("bench.db"))?;

    let mut times = Vec::new();
    for _ in 0..3 {
        let (mut child, took) = first_trial(duress(&folder, &["resume", "long", "--json"]))?;
        child.kill()?;
        child.wait()?;
        duress(&folder, &["recover"]).status()?;
        times.push(took);
    }
    let mut rows = vec![Row::below(
        "resuming 100,000 trials, to the next one's start",
        median(times),
        Duration::from_secs(1),
        "< 1 s",
    )];
    for (what, verb) in [
        ("`list` of a database with them", ["list"].as_slice()),
        ("`show` of them", &["show", "long"]),
    ] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let status = duress(&folder, verb).status()?;
            ensure!(status.success(), "{verb:?}: {status}");
            times.push(began.elapsed());
        }
        rows.push(Row::below(
            what,
            median(times),
            Duration::from_millis(100),
            "< 100 ms",
        ));
    }
    Ok(rows)
}

/// Gives the database's campaign its finished trials: like its first one, but for their names.
fn fill(database: &Path) -> Result<()> {
    let connection = Connection::open(database)?;
    let columns = "campaign_id, host_id, subject, slot, seed, project, digests, spec, phase, targets, metadata, state_before,
        state_after, started_at, injected_at, rollback_at, recovered_at, recovery_ms, ended_at, error, hints";
    let inserted = connection.execute(
        &format!(
            "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 10000),
                label(l, c) AS (SELECT 'baseline', 0 UNION ALL
                    SELECT 'nothing-' || (c + 1), c + 1 FROM label WHERE c < 9)
             INSERT INTO trials (id, name, chaos, outcome, {columns})
             SELECT printf('0%07d-%d', n, c), 'trial-noop-' || l || '-' || n, l, 'passed', {columns}
             FROM number, label, (SELECT * FROM trials ORDER BY id LIMIT 1)
             WHERE n < 10000 AND 'trial-noop-' || l || '-' || n NOT IN (SELECT name FROM trials)"
        ),
        [],
    )?;
    ensure!(inserted as i64 > TRIALS - 100, "{inserted} rows");
    Ok(())
}

/// Starts it; when its first trial has begun, how long that took.
fn first_trial(mut command: Command) -> Result<(Child, Duration)> {
    let began = Instant::now();
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    wait_for(&mut child, |event| event["event"] == "trial_started")?;
    Ok((child, began.elapsed()))
}

/// Reads its events until the one that is meant.
fn wait_for(child: &mut Child, is_it: impl Fn(&Value) -> bool) -> Result<()> {
    let output = child.stdout.as_mut().context("its events")?;
    // Byte by byte as far as the line goes: what comes after it is for the next who waits.
    let mut reader = BufReader::with_capacity(1, output);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        if serde_json::from_str(&line).is_ok_and(|event: Value| is_it(&event)) {
            return Ok(());
        }
        line.clear();
    }
    Err(anyhow!("it ended before that"))
}

/// Returns what looking for the dead adds to a start, where there are none.
async fn recovery() -> Result<Row> {
    let folder = tempfile::tempdir()?;
    let failed = |error: duress_model::Error| anyhow!("{error}");
    let store = Store::open(&folder.path().join("bench.db")).map_err(failed)?;
    let engine: Arc<dyn Engine> = Arc::new(Docker::connect(None).await?);
    let http = Client::new().map_err(failed)?;
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let recovered = duress_runner::recover_dead_hosts(&store, Arc::clone(&engine), &http).await;
        ensure!(recovered.map_err(failed)?.is_empty(), "something was left");
        times.push(began.elapsed());
    }
    Ok(Row::below(
        "`recover` with nothing to do, of a start",
        median(times),
        Duration::from_millis(20),
        "< 20 ms",
    ))
}

/// Returns what a guardian adds to a run's start: the difference of the times until the first trial begins, with and without one.
fn guardian() -> Result<Row> {
    let folder = tempfile::tempdir()?;
    let start = |guardian: &str| -> Result<Duration> {
        let arguments = [
            "run",
            "--subject",
            "etcd",
            "--baseline",
            "--guardian",
            guardian,
            "--json",
        ];
        let (mut child, took) = first_trial(duress(&folder, &arguments))?;
        let pid = child.id().to_string();
        Command::new("kill").args(["-s", "INT", &pid]).status()?;
        wait_for(&mut child, |event| event["event"] == "summary")?;
        child.wait()?;
        Ok(took)
    };
    let (mut with, mut without) = (Vec::new(), Vec::new());
    // By turns, so that whatever else the machine does befalls both.
    for _ in 0..ROUNDS {
        without.push(start("off")?);
        with.push(start("5")?);
    }
    let (with, without) = (median(with), median(without));
    // What it adds may be less than what a start differs from another.
    Ok(Row {
        what: "a run's start with a guardian",
        measured: format!("{with:.1?} ({without:.1?} without)"),
        promised: "< 100 ms more",
        kept: with < without + Duration::from_millis(100),
    })
}

/// From Ctrl+C to the first revert, of a fault whose way back is one call of the engine.
fn interrupt() -> Result<Row> {
    let folder = tempfile::tempdir()?;
    let arguments = [
        "run",
        "--subject",
        "etcd",
        "--chaos",
        "process_pause",
        "--duration",
        "60",
        "--json",
    ];
    let mut times = Vec::new();
    for _ in 0..3 {
        let mut child = duress(&folder, &arguments).stdout(Stdio::piped()).spawn()?;
        let says = |event: &Value, what: &str| {
            event["message"]
                .as_str()
                .is_some_and(|line| line.starts_with(what))
        };
        wait_for(&mut child, |event| says(event, "applied: "))?;
        let began = Instant::now();
        let pid = child.id().to_string();
        Command::new("kill").args(["-s", "INT", &pid]).status()?;
        wait_for(&mut child, |event| says(event, "reverted: "))?;
        times.push(began.elapsed());
        wait_for(&mut child, |event| event["event"] == "summary")?;
        child.wait()?;
    }
    Ok(Row::below(
        "from Ctrl+C to a frozen container that goes on",
        median(times),
        Duration::from_millis(50),
        "< 50 ms",
    ))
}
