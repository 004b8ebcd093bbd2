//! Programs in a container's network, and duress's helper in a container, against hostile company: by each driver.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use crate::docker::{Container, docker, remove_with_toolboxes};
use duress_docker::Docker;
use duress_engine::{
    ContainerId, Engine, EngineError, EngineResult, LABEL_PROJECT, NetDriver, Output, Program,
    Project, Work,
};

const LOAD: Work = Work::BurnCpu {
    percent: 10,
    workers: 1,
};

/// A container of the image with tools, and an engine that works on it.
struct Lab {
    engine: Arc<dyn Engine>,
    container: Container,
    id: ContainerId,
    project: Project,
}

impl Lab {
    async fn new(driver: NetDriver, options: &[&str]) -> Self {
        let id = uuid::Uuid::now_v7();
        let project = Project(format!("duress-{}", &id.simple().to_string()[20..]));
        let label = format!("{LABEL_PROJECT}={project}");
        let image = std::env::var("DURESS_BASE_IMAGE").unwrap();
        let run = [
            "run",
            "--detach",
            "--init",
            "--cap-add",
            "NET_ADMIN",
            "--label",
            &label,
        ];
        let name = docker(&[&run[..], options, &[&image, "sleep", "600"]].concat());
        Self {
            engine: Arc::new(Docker::connect(Some(driver)).await.unwrap()),
            id: ContainerId(name.clone()),
            container: Container(name),
            project,
        }
    }

    async fn run(&self, command: &[&str]) -> EngineResult<Output> {
        let program = Program {
            command: command.iter().map(|&word| word.to_owned()).collect(),
            timeout: Duration::from_secs(20),
        };
        self.engine.run_in_network(&self.id, &program).await
    }

    async fn down(self) {
        // The toolboxes, and then what was made here without the compose tool.
        self.engine.remove_project(&self.project).await.unwrap();
        drop(self);
    }
}

impl Drop for Lab {
    /// Whatever became of its test, nothing of it stays.
    fn drop(&mut self) {
        remove_with_toolboxes(&self.id.0);
    }
}

/// Returns the value of a line of a process' status (proc_pid_status(5)).
fn status(pid: &str, key: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    line.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_program_in_a_containers_network_reaches_nothing_of_the_machine() {
    for driver in [
        NetDriver::Namespace,
        NetDriver::Toolbox,
        NetDriver::Container,
    ] {
        let lab = Lab::new(driver, &[]).await;
        let text = "import os; os.system('id')";
        let rule = lab
            .run(&[
                "iptables",
                "-A",
                "OUTPUT",
                "-m",
                "comment",
                "--comment",
                text,
            ])
            .await;
        assert_eq!(rule.unwrap().exit_code, 0, "{driver:?}");
        assert!(
            lab.container
                .rules()
                .iter()
                .any(|rule| rule.contains("import os")),
            "{driver:?}"
        );
        let file = format!("/var/tmp/{}.pth", lab.project);
        let saved = lab.run(&["iptables-save", "-f", &file]).await.unwrap();
        assert!(!Path::new(&file).exists(), "{driver:?}");
        if driver != NetDriver::Container {
            assert_ne!(saved.exit_code, 0, "{driver:?}");
        }
        for refused in [
            &["sh", "-c", "true"][..],
            &["start-stop-daemon", "--start"],
            &["tc", "-b", "/etc/shadow"],
            &["tc", "-n", "../../proc/2/ns/net", "qdisc"],
            &["ip", "netns", "exec", "x", "id"],
            &["ip", "vrf", "exec", "x", "id"],
            &[
                "ip",
                "link",
                "add",
                "link",
                "eth0",
                "link-netnsid",
                "0",
                "type",
                "macvlan",
            ],
        ] {
            let error = lab.run(refused).await.unwrap_err().to_string();
            assert!(error.contains("may not run"), "{driver:?}: {error}");
        }
        if driver == NetDriver::Toolbox {
            let of_target = format!("label=io.duress.toolbox-of={}", lab.id.0);
            let toolbox = Container(docker(&["ps", "-q", "--no-trunc", "--filter", &of_target]));
            let pid = toolbox.inspect("{{.State.Pid}}");
            assert_eq!(status(&pid, "CapBnd:"), "0000000000003000");
            assert_eq!(status(&pid, "NoNewPrivs:"), "1");
            let (written, said) = toolbox.run(&["touch", "/x"]);
            assert!(!written && said.contains("Read-only"), "{said}");
        }
        lab.down().await;
    }
}

#[tokio::test]
async fn a_container_cannot_replace_the_helper() {
    let lab = Lab::new(NetDriver::Namespace, &["--read-only"]).await;
    lab.engine
        .start_task(&lab.id, "load", &LOAD, None)
        .await
        .unwrap();
    assert!(lab.engine.task_works(&lab.id, "load", &LOAD).await.unwrap());
    let helper = "/proc/tty/duress-helper";
    let (found, said) = lab.container.run(&["ls", "-l", helper]);
    assert!(found, "{said}");
    for attack in [
        &["rm", "-f", helper][..],
        &["cp", "/bin/true", helper],
        &["mv", "/proc/tty", "/proc/x"],
        &["umount", "/proc/tty"],
        &["mount", "-o", "remount,rw", "/proc/tty"],
        &["mount", "--bind", "/bin/true", helper],
    ] {
        let (done, said) = lab.container.run(attack);
        assert!(!done, "{attack:?}: {said}");
    }
    lab.engine.stop_task(&lab.id, "load", &LOAD).await.unwrap();
    assert!(!lab.engine.task_works(&lab.id, "load", &LOAD).await.unwrap());
    // A second helper uses the first one's file, and mounts no other.
    let (_, mounts) = lab.container.run(&["cat", "/proc/mounts"]);
    assert_eq!(mounts.matches("/proc/tty").count(), 1, "{mounts}");
    lab.down().await;
}

#[tokio::test]
async fn a_task_that_cannot_begin_leaves_nothing_to_end() {
    let lab = Lab::new(NetDriver::Toolbox, &["--read-only"]).await;
    let began = lab.engine.start_task(&lab.id, "load", &LOAD, None).await;
    assert!(
        matches!(began, Err(EngineError::Missing { .. })),
        "{began:?}"
    );
    assert!(!lab.engine.task_works(&lab.id, "load", &LOAD).await.unwrap());
    lab.engine.stop_task(&lab.id, "load", &LOAD).await.unwrap();
    lab.down().await;
}

#[tokio::test]
async fn a_program_goes_on_in_a_read_only_container_or_is_refused_with_what_to_do() {
    let command = ["sleep", "4141"].map(str::to_owned).into();
    let work = Work::RunProgram { command };
    let running = |lab: &Lab| docker(&["top", &lab.id.0, "-eo", "pid,args"]).contains("sleep 4141");
    let with_volume = ["--read-only", "--volume", "/data"];
    for (driver, options) in [
        (NetDriver::Toolbox, &with_volume[..]),
        (NetDriver::Namespace, &with_volume[..1]),
    ] {
        let lab = Lab::new(driver, options).await;
        let started = lab.engine.start_task(&lab.id, "goes-on", &work, None).await;
        started.unwrap();
        let works = lab.engine.task_works(&lab.id, "goes-on", &work).await;
        assert!(works.unwrap() && running(&lab), "{driver:?}");
        lab.engine
            .stop_task(&lab.id, "goes-on", &work)
            .await
            .unwrap();
        assert!(!running(&lab), "{driver:?}");
        let (_, files) = lab
            .container
            .run(&["find", "/", "-xdev", "-name", "duress-helper"]);
        assert!(!files.contains("/data"), "{driver:?}: {files}");
        lab.down().await;
    }
    let lab = Lab::new(NetDriver::Toolbox, &["--read-only"]).await;
    let refused = lab.engine.start_task(&lab.id, "goes-on", &work, None).await;
    let Err(EngineError::Missing { message, hint }) = refused else {
        panic!("{refused:?}");
    };
    assert!(message.contains("read-only"), "{message}");
    assert!(hint.contains("a volume in the compose file"), "{hint}");
    assert!(!running(&lab));
    lab.down().await;
}

#[tokio::test]
async fn a_helper_on_a_volume_is_run_as_whoever_could_replace_it() {
    let volume = format!("duress-confined-{}", uuid::Uuid::now_v7().simple());
    let mount = format!("{volume}:/data");
    docker(&[
        "run",
        "--rm",
        "--volume",
        &mount,
        &std::env::var("DURESS_BASE_IMAGE").unwrap(),
        "chmod",
        "0777",
        "/data",
    ]);
    let options = ["--read-only", "--user", "1234:1234", "--volume", &mount];
    let lab = Lab::new(NetDriver::Toolbox, &options).await;
    lab.engine
        .start_task(&lab.id, "load", &LOAD, None)
        .await
        .unwrap();
    let top = docker(&["top", &lab.id.0, "-eo", "pid,args"]);
    let line = top.lines().find(|line| line.contains("--id load")).unwrap();
    let pid = line.split_whitespace().next().unwrap();
    assert_eq!(status(pid, "Uid:"), "1234");
    lab.engine.stop_task(&lab.id, "load", &LOAD).await.unwrap();
    lab.down().await;
    docker(&["volume", "rm", &volume]);
}

/// A process of this machine, ended with the test.
struct Bystander(Child);

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_container_that_sees_the_machines_processes_has_only_its_own() {
    let mut bystander = Bystander(Command::new("sleep").arg("600").spawn().unwrap());
    let pid = i32::try_from(bystander.0.id()).unwrap();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let started = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .nth(19)
        .unwrap();
    let lab = Lab::new(NetDriver::Namespace, &["--pid", "host"]).await;
    let processes = lab.engine.processes(&lab.id).await.unwrap();
    let commands: Vec<_> = processes
        .iter()
        .map(|process| process.command.join(" "))
        .collect();
    assert!(
        commands.iter().any(|command| command == "sleep 600"),
        "{commands:?}"
    );
    assert!(
        processes.iter().all(|process| process.pid != pid),
        "{commands:?}"
    );
    let machines = processes.iter().find(|process| process.pid == 1);
    assert!(machines.is_none(), "{commands:?}");
    let process = (pid, started.parse().unwrap());
    let _ = lab
        .engine
        .signal_processes(&lab.id, &[process], "SIGKILL")
        .await;
    assert!(bystander.0.try_wait().unwrap().is_none(), "it was killed");
    lab.down().await;
}
