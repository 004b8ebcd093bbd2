//! Load on processors, memory and disks, and single processes: in a container that holds no tool at all, measured by its cgroup's own
//! accounts and by the engine.

use std::time::Duration;

use serde_json::json;

use crate::docker::{Container, docker, remove};
use crate::harness::Harness;
use crate::wait::{until, until_true};
use duress_engine::{ContainerId, LABEL_PROJECT, Work};

/// Nanoseconds of processor time that a container has used.
fn cpu_time(container: &Container) -> u64 {
    let text = container.cgroup("cpuacct/cpuacct.usage", "cpu.stat");
    match text
        .lines()
        .find_map(|line| line.strip_prefix("usage_usec "))
    {
        Some(microseconds) => microseconds.parse::<u64>().unwrap() * 1000,
        None => text.trim().parse().unwrap(),
    }
}

/// Nanoseconds of processor time that this process has used, duress's engine, journal and plugins among it (proc_pid_stat(5)).
fn own_cpu_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = stat.rsplit_once(')').unwrap().1;
    let ticks = |index| -> u64 {
        behind_name
            .split_whitespace()
            .nth(index)
            .unwrap()
            .parse()
            .unwrap()
    };
    // Of 10 ms each.
    (ticks(11) + ticks(12)) * 10_000_000
}

/// Returns how many processors' worth of time a container uses for a second, and how many this process.
async fn processors(container: &Container) -> (f64, f64) {
    let begun = std::time::Instant::now();
    let (before, own) = (cpu_time(container), own_cpu_time());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let passed = begun.elapsed().as_nanos() as f64;
    (
        (cpu_time(container) - before) as f64 / passed,
        (own_cpu_time() - own) as f64 / passed,
    )
}

/// Returns the number of the first processor that this process may use (proc_pid_status(5)).
fn first_processor() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mut lines = status.lines();
    let allowed = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first = allowed.unwrap().trim().split([',', '-']).next();
    first.unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_neighbour_takes_nothing_from_the_share_that_was_chosen() {
    let harness = Harness::with_plugin("bare", "faults", &["bare"]).await;
    let (target, neighbour) = (harness.container("bare"), harness.container("peer"));
    // Both have one processor, with equal rights to it.
    let processor = first_processor();
    for container in [&target, &neighbour] {
        docker(&["update", "--cpuset-cpus", &processor, &container.0]);
    }
    let spins = "while :; do :; done";
    docker(&["exec", "--detach", &neighbour.0, "bash", "-c", spins]);
    let parameters = json!({ "percent": 45, "workers": 1 });
    let metadata = harness.break_it("cpu_stress", parameters, &["bare"]).await;
    let used = || (cpu_time(&target), cpu_time(&neighbour));
    let (own, others) = used();
    // Its share of what both got, and not of the time that passed: whatever else the machine does takes from both.
    let enough = Duration::from_secs(4).as_nanos() as u64;
    let share = until("both have used enough of the processor", || {
        let (now, beside) = used();
        let both = (now - own) + (beside - others);
        (both >= enough).then(|| (now - own) as f64 / both as f64)
    });
    assert!((0.39..0.57).contains(&share), "{share} of what both used");
    harness.cleanup(&metadata).await;
    assert_eq!(harness.unsettled().await, 0);
}

fn memory(container: &Container) -> u64 {
    let text = container.cgroup("memory/memory.usage_in_bytes", "memory.current");
    text.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn processor_time_is_used_by_the_target_and_by_nobody_else() {
    let harness = Harness::with_plugin("bare", "faults", &["bare", "locked"]).await;
    for name in ["bare", "locked"] {
        let target = harness.container(name);
        assert!(processors(&target).await.0 < 0.05);
        let parameters = json!({ "percent": 40, "workers": 1 });
        let metadata = harness.break_it("cpu_stress", parameters, &[name]).await;
        let (used, own) = processors(&target).await;
        assert!((0.2..0.6).contains(&used), "{name}: {used} processors");
        assert!(own < 0.1, "duress itself stays idle: {own} processors");
        assert!(processors(&harness.container("peer")).await.0 < 0.05);
        harness.cleanup(&metadata).await;
        assert!(processors(&target).await.0 < 0.05);
        let left = docker(&["diff", &target.0]);
        assert!(!left.contains("duress-helper"), "{left}");
    }
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_is_taken_up_to_a_share_of_the_limit_and_given_back() {
    let harness = Harness::with_plugin("bare", "faults", &["bare", "locked"]).await;
    let target = harness.container("bare");
    const MIB: u64 = 1 << 20;
    assert!(memory(&target) < 40 * MIB);
    let metadata = harness
        .break_it("memory_pressure", json!({ "percent": 75 }), &["bare"])
        .await;
    let used = memory(&target);
    assert!(
        (180 * MIB..220 * MIB).contains(&used),
        "{} MiB of 256",
        used / MIB
    );
    harness.cleanup(&metadata).await;
    until_true("it is given back", || memory(&target) < 60 * MIB);

    let unlimited = harness
        .inject("memory_pressure", json!({ "percent": 50 }), &["locked"])
        .await;
    assert!(unlimited.unwrap_err().to_string().contains("memory_mb"));
    // Never more than the container may have, or half of what the machine has.
    for (name, says) in [
        ("bare", "above its limit of 256 MiB"),
        ("locked", "was refused: at most"),
        ("locked", "half of the machine's memory"),
    ] {
        let too_much = json!({ "memory_mb": 100_000_000 });
        let refused = harness.inject("memory_pressure", too_much, &[name]).await;
        let why = refused.unwrap_err().to_string();
        assert!(why.contains(says), "{why}");
    }
    assert_eq!(target.inspect("{{.State.Running}}"), "true");
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_is_kept_busy_and_nothing_stays_on_it() {
    let harness = Harness::with_plugin("bare", "faults", &["bare", "locked"]).await;
    let target = harness.container("bare");
    let free = || {
        let pid = target.inspect("{{.State.Pid}}");
        let stat = rustix::fs::statvfs(format!("/proc/{pid}/root/data").as_str()).unwrap();
        stat.f_bavail * stat.f_frsize
    };
    let before = free();
    let parameters = json!({ "workers": 2, "file_mb": 8, "path": "/data" });
    let metadata = harness.break_it("disk_stress", parameters, &["bare"]).await;
    until_true("the files grow", || before - free() >= 15 << 20);
    assert!(processors(&target).await.0 > 0.05);
    harness.cleanup(&metadata).await;
    assert_eq!(free(), before);

    let on_root = harness
        .inject("disk_stress", json!({ "path": "/" }), &["bare"])
        .await;
    assert!(
        on_root
            .unwrap_err()
            .to_string()
            .contains("allow_root_filesystem")
    );
    let too_large = harness
        .inject("disk_stress", json!({ "file_mb": 100 }), &["bare"])
        .await;
    assert!(too_large.unwrap_err().to_string().contains("do not fit"));

    // A container outside the blast radius would run out of space as well.
    let image = std::env::var("DURESS_BASE_IMAGE").unwrap();
    let mount = format!("{}_data:/theirs", harness.project);
    let other = docker(&["run", "-d", "--rm", "-v", &mount, &image, "sleep", "600"]);
    let parameters = json!({ "workers": 1, "file_mb": 1, "path": "/data" });
    let shared = harness.inject("disk_stress", parameters, &["bare"]).await;
    remove(&[&other]);
    let why = shared.unwrap_err().to_string();
    assert!(why.contains("writes to the same volume"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn load_ends_with_its_container_and_however_it_fares() {
    let harness = Harness::with_plugin("bare", "faults", &["bare"]).await;
    let target = harness.container("bare");
    type Fate = fn(&Container);
    let fates: [(&str, Fate); 3] = [
        ("killed", |target| drop(docker(&["kill", &target.0]))),
        ("restarted", |target| {
            docker(&["restart", "-t", "0", &target.0]);
        }),
        ("paused", |target| drop(docker(&["pause", &target.0]))),
    ];
    let stress = json!({ "percent": 10, "workers": 1 });
    for (fate, befalls) in fates {
        let metadata = harness
            .break_it("cpu_stress", stress.clone(), &["bare"])
            .await;
        befalls(&target);
        harness.cleanup(&metadata).await;
        // Again is not an error.
        harness.cleanup(&metadata).await;
        assert_eq!(harness.unsettled().await, 0, "{fate}");
        match fate {
            "killed" => drop(docker(&["start", &target.0])),
            "paused" => {
                assert_eq!(target.inspect("{{.State.Paused}}"), "true");
                docker(&["unpause", &target.0]);
            }
            _ => {}
        }
        assert!(processors(&target).await.0 < 0.05, "{fate}");
    }
    let metadata = harness.break_it("cpu_stress", stress, &["bare"]).await;
    docker(&["rm", "--force", &target.0]);
    harness.cleanup(&metadata).await;
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_works_beside_a_container_ends_by_itself_when_nobody_ends_it() {
    let harness = Harness::with_plugin("bare", "faults", &["bare", "peer"]).await;
    let sleeps = "sleep 4343 & sleep 4343";
    let shell = ["bash", "-c", sleeps].map(str::to_owned).into();
    for (name, work, left) in [
        (
            "bare",
            Work::BurnCpu {
                percent: 5,
                workers: 1,
            },
            "burn_cpu",
        ),
        ("peer", Work::RunProgram { command: shell }, "sleep 4343"),
    ] {
        let target = harness.container(name);
        let id = ContainerId(target.inspect("{{.Id}}"));
        let soon = Some(Duration::from_secs(3));
        let started = harness.engine.start_task(&id, "alone", &work, soon).await;
        started.unwrap();
        until_true("it has ended with all that it started", || {
            !docker(&["top", &target.0]).contains(left)
        });
        let works = harness.engine.task_works(&id, "alone", &work).await;
        assert!(!works.unwrap(), "{name}");
    }
    assert_eq!(
        harness.container("bare").inspect("{{.State.Running}}"),
        "true"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn load_ends_where_the_container_has_nothing_left() {
    // Its own file system is read-only, and its volume is full: no file can be put into it.
    let harness = Harness::with_plugin("bare", "faults", &["bare", "locked"]).await;
    let target = harness.container("locked");
    let stress = json!({ "percent": 10, "workers": 1 });
    let load = harness.break_it("cpu_stress", stress, &["locked"]).await;
    // Two at once add up, and each ends by itself.
    let more = json!({ "percent": 60, "workers": 1 });
    let second = harness.break_it("cpu_stress", more, &["locked"]).await;
    let full = json!({ "fill_percent": 100 });
    let full = harness.break_it("disk_pressure", full, &["locked"]).await;
    docker(&["update", "--pids-limit", "6", &target.0]);
    let works = |percent: u8| {
        let processes = docker(&["top", &target.0]);
        processes.contains(&format!(r#""percent":{percent},"#))
    };
    assert!(works(10) && works(60));
    harness.cleanup(&second).await;
    assert!(works(10) && !works(60));
    harness.cleanup(&load).await;
    assert!(!docker(&["top", &target.0]).contains("burn_cpu"));
    harness.cleanup(&full).await;
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn single_processes_are_killed_and_paused() {
    let harness = Harness::with_plugin("etcd", "faults", &["etcd0"]).await;
    let target = harness.container("etcd0");
    docker(&["exec", "--detach", &target.0, "sleep", "4242"]);
    let state = || {
        let (found, text) = target.run(&["ps", "-C", "sleep", "-o", "stat="]);
        found.then_some(text)
    };
    until_true("it sleeps", || state().is_some());
    let metadata = harness
        .break_it("process_pause", json!({ "process": "sleep" }), &["etcd0"])
        .await;
    assert!(state().unwrap().starts_with('T'));
    harness.cleanup(&metadata).await;
    assert!(state().unwrap().starts_with('S'));

    let started = target.inspect("{{.State.StartedAt}}");
    let metadata = harness
        .break_it("process_kill", json!({ "process": "sleep" }), &["etcd0"])
        .await;
    assert_eq!(state(), None);
    assert_eq!(target.inspect("{{.State.StartedAt}}"), started);
    harness.cleanup(&metadata).await;
    assert_ne!(
        target.inspect("{{.State.StartedAt}}"),
        started,
        "cleanup restarts it"
    );
    harness.wait_until_healthy().await;

    for (parameters, why) in [
        (json!({ "process": "nginx" }), "etcd (1)"),
        (json!({ "pid": 99_999 }), "etcd (1)"),
        (json!({ "process": "etcd" }), "include_first"),
    ] {
        let refused = harness.inject("process_kill", parameters, &["etcd0"]).await;
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
    let asked = json!({ "process": "etcd", "include_first": true });
    let metadata = harness.break_it("process_kill", asked, &["etcd0"]).await;
    assert_eq!(target.inspect("{{.State.ExitCode}}"), "137");
    harness.cleanup(&metadata).await;
    harness.wait_until_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_fork_and_end_are_paused_by_name() {
    let harness = Harness::with_plugin("bare", "faults", &["peer"]).await;
    let target = harness.container("peer");
    // A parent that starts a process ten times a second, each of which ends soon.
    let forks = "while :; do sleep 0.3 & sleep 0.1; done";
    docker(&["exec", "--detach", &target.0, "bash", "-c", forks]);
    let states = || {
        let (_, text) = target.run(&["ps", "-C", "bash", "-o", "stat="]);
        text
    };
    until_true("it forks", || states().starts_with('S'));
    for parameters in [
        json!({ "process": "bash" }),
        json!({ "command": "do sleep 0.3 &" }),
    ] {
        let metadata = harness
            .break_it("process_pause", parameters, &["peer"])
            .await;
        let stopped = states();
        assert!(stopped.lines().all(|one| one.starts_with('T')), "{stopped}");
        harness.cleanup(&metadata).await;
        assert!(!states().contains('T'));
    }
    // `sleep` names the children, most of which have ended before they are looked at, and `init`'s own child.
    let named = json!({ "process": "sleep" });
    let metadata = harness.break_it("process_pause", named, &["peer"]).await;
    harness.cleanup(&metadata).await;
    assert_eq!(harness.unsettled().await, 0);

    // Told by its command line, and by its container: another one shares the pid namespace.
    let sleeps = ["sleep", "4242"];
    docker(&[["exec", "--detach", target.0.as_str()].as_slice(), &sleeps].concat());
    let label = format!("{LABEL_PROJECT}={}", harness.project);
    let namespace = format!("container:{}", target.0);
    let image = std::env::var("DURESS_BASE_IMAGE").unwrap();
    let started = [
        "run", "--rm", "--detach", "--label", &label, "--pid", &namespace, &image,
    ];
    let other = Container(docker(&[started.as_slice(), &sleeps].concat()));
    let kill = json!({ "command": "sleep 4242", "restart_container": false });
    let metadata = harness.break_it("process_kill", kill, &["peer"]).await;
    assert_eq!(metadata["pids"].as_array().unwrap().len(), 1, "{metadata}");
    let left = docker(&["top", &target.0]);
    assert!(
        !left.contains("sleep 4242") && left.contains("do sleep 0.3"),
        "{left}"
    );
    assert_eq!(other.inspect("{{.State.Running}}"), "true");
    harness.cleanup(&metadata).await;
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_restarted() {
    let harness = Harness::with_plugin("etcd", "faults", &["etcd0"]).await;
    let target = harness.container("etcd0");
    let started = target.inspect("{{.State.StartedAt}}");
    let metadata = harness
        .break_it("container_restart", json!({}), &["etcd0"])
        .await;
    assert_ne!(target.inspect("{{.State.StartedAt}}"), started);
    harness.cleanup(&metadata).await;
    harness.wait_until_healthy().await;
}
