//! The storm: real campaigns on real containers, and a duress that is killed or stopped at random moments. Nobody calls `duress recover`:
//! whatever the moment, no fault is in force once the grace period of its guardian is over, and the campaign resumes and completes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use procfs::process::all_processes;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use xshell::{Shell, cmd};

use crate::sh::{CmdExt as _, shell};
use crate::{images, leftovers, workspace};

/// Faults of every kind: of rules, of the container's life, of disks, of tasks, of several at once.
const CAMPAIGN: &str = "
name: storm
subjects: [etcd]
trials_per_combination: 2
parallel: 2
defaults: {duration_seconds: 2}
chaos_types:
  - {type: network_partition}
  - {type: process_pause}
  - {type: node_kill}
  - {type: disk_pressure}
  - {type: cpu_stress, params: {percent: 30}}
  - {type: latency, params: {delay_ms: 20}}
  - label: several
    steps:
      - {at: 0s, type: process_pause, for: 1s}
      - {at: 1s, type: network_partition}
";
/// The longest time before a kill: a trial is anywhere in its course by then.
const LONGEST: Duration = Duration::from_secs(16);
/// The grace of the guardians, in seconds.
const GRACE: &str = "2";
/// The longest time from a kill until nothing is left: the grace, the reverts, and the removal of two stacks on a busy machine.
const GUARDED: Duration = Duration::from_secs(90);

/// A database of its own, and the shell that runs the program on it.
struct Storm {
    folder: PathBuf,
    /// Its environment is that of every run.
    sh: Shell,
    random: StdRng,
    kills: u64,
}

/// Kills duress so many times. Returns whether all went well.
pub(crate) fn run(kills: u64, seed: Option<u64>) -> Result<bool> {
    let seed = seed.unwrap_or_else(|| rand::random::<u32>().into());
    println!("The storm's seed is {seed}.");
    let folder = workspace::scratch()?.join(format!("storm-{seed}"));
    if folder.exists() {
        fs::remove_dir_all(&folder).context("remove what an earlier storm left")?;
    }
    fs::create_dir_all(&folder).context("make the storm's folder")?;
    fs::write(folder.join("storm.yaml"), CAMPAIGN).context("write the storm's campaign")?;
    let mut storm = Storm {
        sh: environment(&folder)?,
        random: StdRng::seed_from_u64(seed),
        kills: 0,
        folder,
    };
    let mut campaigns = 0;
    let survived = loop {
        if storm.kills >= kills {
            break storm.finish();
        }
        campaigns += 1;
        if let Err(error) = storm.campaign(kills) {
            break Err(error);
        }
    };
    match survived {
        Ok(()) => {
            println!(
                "{} kills survived, in {campaigns} campaigns; nothing was left.",
                storm.kills
            );
            fs::remove_dir_all(&storm.folder).context("remove the storm's folder")?;
            Ok(true)
        }
        Err(error) => {
            println!(
                "FAILED after {} kills: {error:#}\nIts database is in {}; again: cargo xtask test --storm {kills} --seed {seed}",
                storm.kills,
                storm.folder.display()
            );
            Ok(false)
        }
    }
}

fn database(folder: &Path) -> PathBuf {
    folder.join("storm.db")
}

/// Opens a shell with the environment of every run.
fn environment(folder: &Path) -> Result<Shell> {
    let sh = shell()?;
    for (variable, image) in images::environment() {
        sh.set_var(variable, image);
    }
    sh.set_var("DURESS_DB", database(folder));
    sh.set_var("DURESS_MACHINE_DIR", folder.join("machine"));
    sh.set_var("DURESS_GUARDIAN", GRACE);
    Ok(sh)
}

impl Storm {
    /// Starts a campaign and kills it, resumes and kills it, until it completes or there were enough kills.
    fn campaign(&mut self, kills: u64) -> Result<()> {
        let file = self.folder.join("storm.yaml").display().to_string();
        let mut child = self.start(&["run", "campaign", &file])?;
        loop {
            if self.kill(&mut child, LONGEST)? {
                self.kills += 1;
                println!("kill {} of {kills}", self.kills);
            } else {
                return self.check_complete();
            }
            self.await_guardian()?;
            if self.kills >= kills {
                return Ok(());
            }
            if self.campaign_id().is_none() {
                return Ok(());
            }
            child = self.start(&["run", "campaign", &file, "--resume"])?;
        }
    }

    /// Resumes what was killed last, undisturbed.
    fn finish(&mut self) -> Result<()> {
        if self.campaign_id().is_none() {
            return Ok(());
        }
        let file = self.folder.join("storm.yaml").display().to_string();
        let mut child = self.start(&["run", "campaign", &file, "--resume"])?;
        child.wait().context("wait for the last run")?;
        self.check_complete()
    }

    fn database(&self) -> PathBuf {
        database(&self.folder)
    }

    fn start(&self, arguments: &[&str]) -> Result<Child> {
        Command::from(cmd!(self.sh, "target/debug/duress {arguments...}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start duress")
    }

    /// Kills it some time later. Returns whether it still ran by then.
    fn kill(&mut self, child: &mut Child, longest: Duration) -> Result<bool> {
        let millis = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        let end = Instant::now() + Duration::from_millis(self.random.random_range(0..millis));
        while Instant::now() < end {
            if child.try_wait().context("look at duress")?.is_some() {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if self.random.random_ratio(1, 4) {
            // Stopped, and dead only when its guardian has done its work.
            signal(child, "STOP")?;
            self.await_guardian()
                .context("beside a duress that was stopped")?;
        }
        child.kill().context("kill duress")?;
        child.wait().context("wait for the killed duress")?;
        Ok(true)
    }

    /// Waits until the guardian of what was killed last has done its work and ended.
    fn await_guardian(&self) -> Result<()> {
        let deadline = Instant::now() + GUARDED;
        loop {
            let database = self.database().display().to_string();
            let guards =
                programs(|words, _| words.contains(" guard ") && words.contains(&database))?;
            let checked = self.check_machine();
            if guards.is_empty() && checked.is_ok() {
                break;
            }
            if Instant::now() >= deadline {
                checked?;
                bail!("its guardian has not ended");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        if !self.database().exists() {
            // It was killed before it made one.
            return Ok(());
        }
        let nothing = cmd!(self.sh, "target/debug/duress recover --dry-run").succeeds()?;
        ensure!(nothing, "a recovery would find something");
        let sound = cmd!(self.sh, "target/debug/duress db check").capture();
        sound.context("check the database").map(drop)
    }

    fn check_machine(&self) -> Result<()> {
        let left = leftovers::of_database(&self.database())?;
        ensure!(left.is_empty(), "left in the engine: {}", left.join(", "));
        let programs = stray_programs()?;
        ensure!(
            programs.is_empty(),
            "still at work: {}",
            programs.join(", ")
        );
        for tables in ["iptables-save", "ip6tables-save"] {
            let rules = cmd!(self.sh, "{tables}").capture().unwrap_or_default();
            ensure!(
                !rules.contains("duress"),
                "a rule of the machine's own: {rules}"
            );
        }
        Ok(())
    }

    /// The newest campaign, if one was begun and has not been completed.
    fn campaign_id(&self) -> Option<String> {
        let listed = cmd!(self.sh, "target/debug/duress list --json");
        let listed = listed.capture().ok()?;
        let listed: Value = serde_json::from_str(&listed).ok()?;
        let newest = listed.get(0)?;
        (newest["outcome"] != "completed").then(|| newest["id"].as_str().map(str::to_owned))?
    }

    /// Checks that every trial has ended once.
    fn check_complete(&self) -> Result<()> {
        self.await_guardian()?;
        let shown = cmd!(self.sh, "target/debug/duress show storm --json --limit 0");
        let shown = shown.capture()?;
        let shown: Value = serde_json::from_str(&shown).context("read the campaign")?;
        let campaign = &shown["campaign"];
        ensure!(
            campaign["outcome"] == "completed",
            "the campaign is {campaign}"
        );
        ensure!(
            campaign["trials_ended"] == campaign["trials_planned"],
            "not every trial has ended: {campaign}"
        );
        let mut names: Vec<_> = shown["trials"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|trial| trial["superseded"] == false)
            .collect();
        let planned = campaign["trials_planned"].as_u64();
        ensure!(
            Some(names.len() as u64) == planned,
            "there are {} trials",
            names.len()
        );
        names.sort_by_key(|trial| trial["name"].to_string());
        names.dedup_by_key(|trial| trial["name"].to_string());
        ensure!(
            Some(names.len() as u64) == planned,
            "a trial has ended twice"
        );
        let failed = names.iter().filter(|trial| trial["outcome"] != "passed");
        let failed: Vec<_> = failed
            .map(|trial| format!("{}: {} {}", trial["name"], trial["outcome"], trial["error"]))
            .collect();
        if !failed.is_empty() {
            bail!(
                "trials that nobody disturbed did not pass: {}",
                failed.join("; ")
            );
        }
        Ok(())
    }
}

/// Helpers and compose tools that work for no living duress.
fn stray_programs() -> Result<Vec<String>> {
    programs(|words, environment| {
        let file = words.split(' ').next().unwrap_or_default();
        let name = Path::new(file).file_name();
        name.is_some_and(|name| name == "duress-helper")
            || environment.contains("COMPOSE_PROJECT_NAME=duress-")
    })
}

/// Returns the command lines of processes, chosen by their command lines and environments.
fn programs(is_wanted: impl Fn(&str, &str) -> bool) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for process in all_processes().context("read /proc")?.flatten() {
        // A process that has ended has neither.
        let words = process.cmdline().unwrap_or_default().join(" ");
        let environment: Vec<_> = process
            .environ()
            .unwrap_or_default()
            .into_iter()
            .map(|(name, value)| format!("{}={}", name.display(), value.display()))
            .collect();
        if is_wanted(&words, &environment.join(" ")) {
            found.push(words);
        }
    }
    Ok(found)
}

fn signal(child: &Child, signal: &str) -> Result<()> {
    let pid = child.id().to_string();
    let sh = shell()?;
    let sent = cmd!(sh, "kill -s {signal} {pid}").works();
    ensure!(sent, "send {signal} to duress");
    Ok(())
}
