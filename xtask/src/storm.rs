//! The storm: real campaigns on real containers, and a duress that is killed or stopped at random moments. Nobody calls `duress recover`:
//! whatever moment that was, nothing is in force once the grace of its guardian is over, and the campaign goes on to its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use crate::sh::Sh;
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

/// A database of its own, and the program that writes it.
struct Storm {
    folder: PathBuf,
    environment: Vec<(String, String)>,
    random: StdRng,
    kills: u64,
}

/// Kills so many times; whether all went well.
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
        environment: images::environment()?,
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

impl Storm {
    /// Begins a campaign, then kills and resumes it until it ends or enough kills were made.
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

    /// Goes on with what was killed last, undisturbed.
    fn finish(&mut self) -> Result<()> {
        if self.campaign_id().is_none() {
            return Ok(());
        }
        let file = self.folder.join("storm.yaml").display().to_string();
        let mut child = self.start(&["run", "campaign", &file, "--resume"])?;
        child.wait().context("wait for the last run")?;
        self.check_complete()
    }

    fn duress(&self) -> Sh {
        let machine = self.folder.join("machine");
        let environment = self.environment.iter();
        Sh::new("target/debug/duress")
            .envs(environment.map(|(name, value)| (name.clone(), value.clone())))
            .env("DURESS_DB", self.database())
            .env("DURESS_MACHINE_DIR", machine)
            .env("DURESS_GUARDIAN", GRACE)
    }

    fn database(&self) -> PathBuf {
        self.folder.join("storm.db")
    }

    fn start(&self, arguments: &[&str]) -> Result<Child> {
        self.duress()
            .args(arguments)
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start duress")
    }

    /// Kills it some time later. Whether it still ran by then.
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

    /// Waits until the guardian of what was killed last has done its work, and ended.
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
        let nothing = self.duress().args(["recover", "--dry-run"]).succeeds()?;
        ensure!(nothing, "a recovery would find something");
        let sound = self.duress().args(["db", "check"]).read();
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
            let rules = Sh::new(tables).read().unwrap_or_default();
            ensure!(
                !rules.contains("duress"),
                "a rule of the machine's own: {rules}"
            );
        }
        Ok(())
    }

    /// Returns the newest campaign, if one was begun and has not been completed.
    fn campaign_id(&self) -> Option<String> {
        let listed = self.duress().args(["list", "--json"]).read().ok()?;
        let listed: Value = serde_json::from_str(&listed).ok()?;
        let newest = listed.get(0)?;
        (newest["outcome"] != "completed").then(|| newest["id"].as_str().map(str::to_owned))?
    }

    /// Every trial has ended once.
    fn check_complete(&self) -> Result<()> {
        self.await_guardian()?;
        let shown = self
            .duress()
            .args(["show", "storm", "--json", "--limit", "0"])
            .read()?;
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

/// Returns the processes of the machine that are such, by their command lines and environments.
fn programs(are_such: impl Fn(&str, &str) -> bool) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("read /proc")?.flatten() {
        let name = entry.file_name();
        if !name.to_string_lossy().bytes().all(|b| b.is_ascii_digit()) {
            continue;
        }
        let folder = entry.path();
        let read = |name: &str| {
            let bytes = fs::read(folder.join(name)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        let words = read("cmdline");
        if are_such(&words, &read("environ")) {
            found.push(words.trim().to_owned());
        }
    }
    Ok(found)
}

fn signal(child: &Child, signal: &str) -> Result<()> {
    let pid = child.id().to_string();
    let sent = Sh::new("kill").args(["-s", signal, pid.as_str()]).works();
    ensure!(sent, "send {signal} to duress");
    Ok(())
}
