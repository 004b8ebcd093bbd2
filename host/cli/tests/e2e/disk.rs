//! Disks: whatever changes between a look and the act, a fill lands where it may, and nothing but a fill is removed. Measured in the
//! container, beside the engine (`namespace`) and through it (`toolbox`).

use std::time::{Duration, Instant};

use crate::docker::{Container, attempt, docker, remove, remove_with_toolboxes};
use duress_docker::Docker;
use duress_engine::{ContainerId, Files as _, Fill, Limits, NetDriver, Resources as _};

const MARK: &str = "5d0c3a9e7b8f41d2a6c4e0f1b2d3c4e5";
const SIZE: u64 = 4096;

/// A container with a shell and a bounded volume at `/data`, as a person makes it.
pub struct Target {
    pub container: Container,
    volume: String,
}

impl Target {
    pub fn new(more: &[&str], command: &str) -> Self {
        let volume = format!("duress-disk-{}", uuid::Uuid::now_v7().simple());
        let options = ["type=tmpfs", "device=tmpfs", "o=size=16m"];
        let options = options.iter().flat_map(|option| ["-o", option]);
        let mut create = vec!["volume", "create"];
        create.extend(options);
        create.push(&volume);
        docker(&create);
        let image = std::env::var("DURESS_BASE_IMAGE").unwrap();
        let mount = format!("{volume}:/data");
        let run = ["run", "-d", "--init", "-v", &mount];
        let rest = [image.as_str(), "sh", "-c", command];
        let id = docker(&[&run, more, &rest].concat());
        Self {
            container: Container(id),
            volume,
        }
    }

    pub fn id(&self) -> ContainerId {
        ContainerId(self.container.inspect("{{.Id}}"))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        remove_with_toolboxes(&self.container.0);
        attempt(&["volume", "rm", "-f", &self.volume]);
    }
}

fn fill(path: &str) -> Fill<'_> {
    Fill {
        path,
        size: SIZE,
        mark: Some(MARK),
        root_filesystem: false,
    }
}

async fn engines() -> Vec<(NetDriver, Docker)> {
    let mut engines = Vec::new();
    for driver in [
        NetDriver::Namespace,
        NetDriver::Toolbox,
        NetDriver::Container,
    ] {
        engines.push((driver, Docker::connect(Some(driver)).await.unwrap()));
    }
    engines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_swapped_while_a_disk_is_filled_leads_nowhere() {
    // `/data/way` is by turns a folder of the volume and a link to the container's root file system.
    let swap = "mkdir -p /data/way /elsewhere; ln -s /elsewhere /data/link; \
                while :; do mv -T /data/way /data/folder; mv -T /data/link /data/way; \
                mv -T /data/way /data/link; mv -T /data/folder /data/way; done";
    let target = Target::new(&[], swap);
    let id = target.id();
    let one = fill("/data/way/fill");
    for (driver, engine) in engines().await {
        let (mut made, mut refused) = (0, 0);
        let deadline = Instant::now() + Duration::from_secs(60);
        let most = if driver == NetDriver::Namespace {
            400
        } else {
            25
        };
        for _ in 0..most {
            match engine.fill_disk(&id, one).await {
                Ok(()) => made += 1,
                Err(_) => refused += 1,
            }
            let (_, elsewhere) = target.container.run(&["ls", "-A", "/elsewhere"]);
            assert_eq!(elsewhere, "", "{driver:?}: it went through the link");
            // Wherever the folder is now, it is given back.
            while engine.fill_is_there(&id, one).await.unwrap() {
                engine.remove_fill(&id, one).await.unwrap();
            }
            if (made > 5 && refused > 5) || Instant::now() > deadline {
                break;
            }
        }
        assert!(made + refused > 0, "{driver:?}");
        // The next driver begins with none.
        let clean = "for folder in /data/way /data/folder; do rm -f $folder/fill; done";
        target.container.run(&["sh", "-c", clean]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fill_lies_on_a_bounded_volume_and_only_it_is_removed() {
    let prepare = "head -c 4096 /dev/zero > /data/precious; exec sleep infinity";
    let target = Target::new(&["--tmpfs", "/unbounded", "-v", "/plain"], prepare);
    let id = target.id();
    for (driver, engine) in engines().await {
        for path in ["/fill", "/tmp/fill", "/plain/fill", "/unbounded/fill"] {
            let refused = engine.fill_disk(&id, fill(path)).await;
            let why = refused.expect_err(path).to_string();
            assert!(
                why.contains("allow_root_filesystem"),
                "{driver:?}, {path}: {why}"
            );
        }
        for path in ["/sys/fs/cgroup", "/proc", "/sys", "/", "/plain"] {
            let found = engine.file_system(&id, path).await.unwrap();
            assert!(found.root, "{driver:?}: {path} counts as bounded");
        }
        assert!(!engine.file_system(&id, "/data").await.unwrap().root);

        let one = fill("/data/fill");
        engine.fill_disk(&id, one).await.unwrap();
        assert!(engine.fill_is_there(&id, one).await.unwrap(), "{driver:?}");
        let (_, size) = target.container.run(&["stat", "-c", "%s", "/data/fill"]);
        assert_eq!(size, SIZE.to_string(), "{driver:?}");
        engine.remove_fill(&id, one).await.unwrap();
        assert!(!target.container.run(&["test", "-e", "/data/fill"]).0);

        // Of the same size, and not a fill of duress's.
        let other = fill("/data/precious");
        engine.fill_disk(&id, other).await.unwrap_err();
        assert!(!engine.fill_is_there(&id, other).await.unwrap());
        engine.remove_fill(&id, other).await.unwrap();
        assert!(
            target.container.run(&["test", "-s", "/data/precious"]).0,
            "{driver:?} removed another's file"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_container_has_no_disk_to_fill_and_a_shared_one_is_told() {
    let target = Target::new(&[], "exec sleep infinity");
    let id = target.id();
    let image = std::env::var("DURESS_BASE_IMAGE").unwrap();
    let beside = |mode: &str| {
        let mount = format!("{}:/theirs{mode}", target.volume);
        docker(&[
            "run", "-d", "--init", "-v", &mount, &image, "sleep", "infinity",
        ])
    };
    let (writes, reads) = (beside(""), beside(":ro"));
    let engine = Docker::connect(None).await.unwrap();
    let sharers = engine.volume_sharers(&id, "/data/deep/down").await.unwrap();
    let elsewhere = engine.volume_sharers(&id, "/tmp").await.unwrap();
    remove(&[&writes, &reads]);
    assert_eq!(sharers.len(), 1, "{sharers:?}");
    assert_eq!(sharers[0].id.0, writes);
    assert!(elsewhere.is_empty());

    // Nobody holds the tmpfs any more: what lies at its place is a folder of the machine's disk.
    docker(&["stop", "-t", "0", &target.container.0]);
    for (driver, engine) in engines().await {
        let refused = engine.fill_disk(&id, fill("/data/fill")).await;
        assert!(refused.is_err(), "{driver:?} filled the machine's disk");
    }
    docker(&["start", &target.container.0]);
    assert!(!target.container.run(&["test", "-e", "/data/fill"]).0);
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_restored_in_the_units_in_which_they_were() {
    let engine = Docker::connect(None).await.unwrap();
    let wanted = Limits {
        cpus: Some(0.2),
        memory_bytes: Some(64 << 20),
        pids: Some(50),
    };
    let template = "{{.HostConfig.NanoCpus}} {{.HostConfig.CpuQuota}} {{.HostConfig.CpuPeriod}} {{.HostConfig.Memory}} \
                    {{.HostConfig.MemorySwap}} {{.HostConfig.MemoryReservation}} {{.HostConfig.PidsLimit}}";
    let (quota, swap) = (
        [
            "--cpu-quota",
            "37000",
            "--cpu-period",
            "50000",
            "--pids-limit",
            "100",
        ],
        [
            "-m",
            "200m",
            "--memory-swap",
            "400m",
            "--memory-reservation",
            "150m",
        ],
    );
    let limited = [&quota[..], &swap[..]].concat();
    for (how, exact) in [
        (limited.as_slice(), true),
        (&["--cpus", "0.75", "-m", "200m"], true),
        (&[], false),
    ] {
        let target = Target::new(how, "exec sleep infinity");
        let (id, container) = (target.id(), &target.container);
        let kernel = || {
            [
                ("memory/memory.limit_in_bytes", "memory.max"),
                ("memory/memory.memsw.limit_in_bytes", "memory.swap.max"),
                ("cpu/cpu.cfs_quota_us", "cpu.max"),
                ("pids/pids.max", "pids.max"),
            ]
            .map(|(v1, v2)| container.cgroup(v1, v2))
        };
        let (before, shown) = (kernel(), container.inspect(template));
        let record = engine.limits_record(&id).await.unwrap();
        engine.set_limits(&id, wanted).await.unwrap();
        assert!(engine.limits(&id).await.unwrap().holds(&wanted), "{how:?}");
        assert_ne!(kernel(), before, "{how:?}");
        engine.restore_limits(&id, &record, &wanted).await.unwrap();
        assert_eq!(kernel(), before, "{how:?}");
        let now = engine.limits_record(&id).await.unwrap();
        assert!(now.is_same(&record, &wanted), "{how:?}: {now:?}");
        if exact {
            // The engine shows a limit on processes that was never set as 0 from then on.
            let shown = shown.replace("<no value>", "0");
            assert_eq!(
                container.inspect(template).replace("<no value>", "0"),
                shown
            );
        }
    }
}
