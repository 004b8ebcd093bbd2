//! Containers that are replaced, scaled, and worked on while they are stopped: what the engine itself shows before, during and after.

use std::collections::BTreeSet;
use std::time::Duration;

use duress_docker::Docker;
use duress_engine::{
    Arranged, Arrangement, Arrangements as _, ContainerCopy, ContainerId, EngineError,
    LABEL_PROJECT, Lifecycle as _, Overrides, Program, Programs as _, Project, Stack, Stacks as _,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::docker::{Container, attempt, docker, labelled, remove};

const LIMIT: Duration = Duration::from_secs(60);

/// Everything that a container can have and that must be the same in one that replaces it.
const COMPOSE: &str = r#"
services:
  target:
    image: ${DURESS_BASE_IMAGE}
    init: true
    entrypoint: ["setpriv", "--nnp"]
    command: ["sleep", "infinity"]
    environment: { KEPT: "one two", CHANGED: before, GONE: "yes" }
    working_dir: /var
    user: "0:33"
    cap_add: [NET_ADMIN]
    cap_drop: [MKNOD]
    mem_limit: 64m
    pids_limit: 50
    restart: "no"
    stop_signal: SIGINT
    read_only: false
    tmpfs: ["/scratch:size=1m"]
    volumes: ["/anonymous", "named:/named", "./bound:/bound:ro"]
    labels: { com.example.own: label }
    healthcheck: { test: ["CMD", "true"], interval: 1h }
    extra_hosts: ["elsewhere:192.0.2.7"]
    expose: ["7000"]
    networks:
      first: { aliases: [another-name] }
      second: {}
  peer:
    image: ${DURESS_BASE_IMAGE}
    init: true
    command: ["sleep", "infinity"]
    networks: [first, second]
networks: { first: {}, second: {} }
volumes: { named: {} }
"#;

/// A stack of a compose file of this test's own.
struct Stacked {
    engine: Docker,
    stack: Stack,
    _folder: TempDir,
}

impl Stacked {
    async fn up(compose: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let compose_file = folder.path().join("compose.yaml");
        std::fs::write(&compose_file, compose).unwrap();
        std::fs::create_dir(folder.path().join("bound")).unwrap();
        let id = uuid::Uuid::now_v7().simple().to_string();
        let project = Project(format!("duress-{}", &id[20..]));
        let labels = [(LABEL_PROJECT.to_owned(), project.to_string())];
        let stacked = Self {
            engine: Docker::connect(None).await.unwrap(),
            stack: Stack {
                project,
                compose_file,
                labels: labels.into(),
            },
            _folder: folder,
        };
        stacked
            .engine
            .stack_up(&stacked.stack, LIMIT)
            .await
            .unwrap();
        stacked
    }

    fn project(&self) -> &Project {
        &self.stack.project
    }

    /// The container that the engine of duress shows for a name.
    async fn listed(&self, name: &str) -> Option<Container> {
        let all = self.engine.containers(self.project()).await.unwrap();
        let found = all.into_iter().find(|one| one.name == name);
        found.map(|one| Container(one.id.0))
    }

    async fn names(&self) -> Vec<String> {
        let all = self.engine.containers(self.project()).await.unwrap();
        all.into_iter().map(|one| one.name).collect()
    }
}

impl Drop for Stacked {
    fn drop(&mut self) {
        // The engine's toolboxes beside them are no part of the compose project.
        let beside = format!("label={LABEL_PROJECT}={}", self.stack.project);
        let toolboxes = attempt(&["ps", "-aq", "--filter", &beside]).stdout;
        let toolboxes = String::from_utf8_lossy(&toolboxes).into_owned();
        remove(&toolboxes.lines().collect::<Vec<_>>());
        let label = format!("label=com.docker.compose.project={}", self.stack.project);
        for (list, remove) in [
            (["ps", "-aq"].as_slice(), ["rm", "-fv"].as_slice()),
            (&["network", "ls", "-q"], &["network", "rm"]),
            (&["volume", "ls", "-q"], &["volume", "rm", "-f"]),
        ] {
            let found = attempt(&[list, &["--filter", &label]].concat()).stdout;
            let found = String::from_utf8_lossy(&found).into_owned();
            let found: Vec<&str> = found.lines().collect();
            if !found.is_empty() {
                attempt(&[remove, &found].concat());
            }
        }
    }
}

fn overrides(image: Option<String>) -> Overrides {
    Overrides {
        command: None,
        environment: [
            ("CHANGED".to_owned(), Some("after".to_owned())),
            ("NEW".to_owned(), Some("a=b c".to_owned())),
            ("GONE".to_owned(), None),
        ]
        .into(),
        image,
    }
}

fn replacement(target: &Container, overrides: Overrides) -> Arrangement {
    let id = ContainerId(target.inspect("{{.Id}}"));
    let copy = ContainerCopy {
        of: id.clone(),
        name: "target".into(),
        number: None,
        overrides,
    };
    Arrangement {
        token: uuid::Uuid::now_v7().simple().to_string(),
        scales: None,
        aside: vec![id],
        copies: vec![copy],
    }
}

fn json(container: &Container, template: &str) -> Value {
    serde_json::from_str(&container.inspect(template)).unwrap()
}

/// How a container was made, without what must differ between two.
fn made(container: &Container) -> Value {
    let mut host = json(container, "{{json .HostConfig}}");
    // An anonymous volume is named in the one that has it from another.
    host["Binds"] = Value::Null;
    let mut config = json(container, "{{json .Config}}");
    for own in ["Hostname", "Env", "Cmd", "Image", "Volumes"] {
        config[own] = Value::Null;
    }
    config["Labels"]["io.duress.arrangement"] = Value::Null;
    let mounts = json(container, "{{json .Mounts}}");
    let mounts: BTreeSet<String> = mounts
        .as_array()
        .unwrap()
        .iter()
        .map(|mount| {
            format!(
                "{} {} {}",
                mount["Source"], mount["Destination"], mount["RW"]
            )
        })
        .collect();
    serde_json::json!({ "host": host, "config": config, "mounts": mounts })
}

fn environment(container: &Container) -> Vec<String> {
    let (_, text) = container.run(&["sh", "-c", "echo \"$KEPT|$CHANGED|$NEW|${GONE-unset}\""]);
    text.split('|').map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_differs_in_what_was_said_alone_and_the_original_comes_back() {
    let stacked = Stacked::up(COMPOSE).await;
    let (engine, project) = (&stacked.engine, stacked.project());
    let original = stacked.listed("target").await.unwrap();
    let peer = stacked.listed("peer").await.unwrap();
    let name = original.inspect("{{.Name}}");
    let before = (made(&original), json(&original, "{{json .Config}}"));
    for mark in ["/mark", "/anonymous/mark", "/named/mark"] {
        assert!(original.run(&["touch", mark]).0);
    }

    let arrangement = replacement(&original, overrides(None));
    engine.arrange(project, &arrangement).await.unwrap();
    assert_eq!(
        engine.arranged(project, &arrangement).await.unwrap(),
        Arranged::Whole
    );
    let copy = stacked.listed("target").await.unwrap();
    assert_ne!(copy, original);
    assert_eq!(
        stacked.names().await,
        ["peer", "target"],
        "the original is hidden"
    );
    assert_eq!(original.inspect("{{.State.Status}}"), "exited");
    assert_eq!(copy.inspect("{{.Name}}"), name);
    assert_eq!(environment(&copy), ["one two", "after", "a=b c", "unset"]);
    let same = (made(&copy), &before.0);
    assert_eq!(&same.0, same.1, "nothing else is different");
    assert!(
        !copy.run(&["test", "-e", "/mark"]).0,
        "a root file system of its own"
    );
    assert!(
        copy.run(&["ls", "/anonymous/mark", "/named/mark"]).0,
        "the same volumes"
    );
    for host in ["target", "another-name"] {
        let (found, text) = peer.run(&["getent", "hosts", host]);
        let addresses = copy.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}");
        let address = text.split_whitespace().next().unwrap_or_default();
        assert!(
            found && addresses.contains(address),
            "{host}: {text} of {addresses}"
        );
    }
    let snapshots = engine.snapshots(project).await.unwrap();
    assert_eq!(
        snapshots.iter().filter(|one| one.name == "target").count(),
        1
    );

    // Once more is once.
    engine.arrange(project, &arrangement).await.unwrap();
    assert_eq!(stacked.listed("target").await.unwrap(), copy);

    for _ in 0..2 {
        engine.put_back(project, &arrangement).await.unwrap();
        assert_eq!(
            engine.arranged(project, &arrangement).await.unwrap(),
            Arranged::Not
        );
        assert_eq!(stacked.listed("target").await.unwrap(), original);
        assert_eq!(
            original.inspect("{{.Name}} {{.State.Status}}"),
            format!("{name} running")
        );
    }
    assert_eq!(
        (made(&original), json(&original, "{{json .Config}}")),
        before
    );
    assert_eq!(environment(&original), ["one two", "before", "", "yes"]);
    assert!(
        original
            .run(&["ls", "/mark", "/anonymous/mark", "/named/mark"])
            .0
    );
    let label = format!("io.duress.arrangement={}", arrangement.token);
    assert_eq!(labelled(&label), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replacement_that_broke_off_at_any_step_is_reverted() {
    let stacked = Stacked::up(COMPOSE).await;
    let (engine, project) = (&stacked.engine, stacked.project());
    let original = stacked.listed("target").await.unwrap();
    let name = original
        .inspect("{{.Name}}")
        .trim_start_matches('/')
        .to_owned();
    let (aside, next) = (
        format!("{name}.{}.duress-aside", &original.0[..12]),
        format!("{name}.duress-next"),
    );
    let image = std::env::var("DURESS_BASE_IMAGE").unwrap();
    for steps in 1..=5 {
        let arrangement = replacement(&original, overrides(None));
        let labels = [
            format!("com.docker.compose.project={project}"),
            "com.docker.compose.service=target".to_owned(),
            "com.docker.compose.container-number=1".to_owned(),
            format!("io.duress.arrangement={}", arrangement.token),
        ];
        let labels: Vec<&str> = labels.iter().flat_map(|one| ["--label", one]).collect();
        let create = [
            &["create", "--name", &next],
            &labels[..],
            &[&image, "sleep", "9"],
        ]
        .concat();
        // What a process does that is killed after so many steps.
        let all: [&[&str]; 5] = [
            &create,
            &["stop", "-t", "0", &original.0],
            &["rename", &original.0, &aside],
            &["rename", &next, &name],
            &["start", &name],
        ];
        all.iter().take(steps).for_each(|step| drop(docker(step)));
        let arranged = engine.arranged(project, &arrangement).await.unwrap();
        assert_eq!(arranged, Arranged::Partly, "after {steps} steps");
        engine.put_back(project, &arrangement).await.unwrap();
        let arranged = engine.arranged(project, &arrangement).await.unwrap();
        assert_eq!(arranged, Arranged::Not, "after {steps} steps");
        assert_eq!(stacked.listed("target").await.as_ref(), Some(&original));
        assert_eq!(original.inspect("{{.State.Status}}"), "running");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_not_there_stops_nothing_and_another_keeps_what_the_compose_file_says() {
    let stacked = Stacked::up(COMPOSE).await;
    let (engine, project) = (&stacked.engine, stacked.project());
    let original = stacked.listed("target").await.unwrap();
    let started = original.inspect("{{.State.StartedAt}}");
    let missing = replacement(&original, overrides(Some("duress/no-such:image".into())));
    let refused = engine.arrange(project, &missing).await;
    assert!(
        matches!(&refused, Err(EngineError::Missing { message, .. }) if message.contains("duress/no-such:image")),
        "{refused:?}"
    );
    assert_eq!(
        original.inspect("{{.State.StartedAt}}"),
        started,
        "it ran on"
    );
    engine.put_back(project, &missing).await.unwrap();

    let image = std::env::var("DURESS_REDIS_IMAGE").unwrap();
    let other = replacement(&original, overrides(Some(image.clone())));
    engine.arrange(project, &other).await.unwrap();
    let copy = stacked.listed("target").await.unwrap();
    assert_eq!(copy.inspect("{{.Config.Image}}"), image);
    assert_eq!(copy.inspect("{{.Config.User}}"), "0:33");
    assert_eq!(environment(&copy), ["one two", "after", "a=b c", "unset"]);
    assert!(
        copy.run(&["redis-server", "--version"]).0,
        "it is the other image"
    );

    // Removing the stack now removes both, and the volumes that have no names.
    let mounts = json(&original, "{{json .Mounts}}");
    let volumes = mounts
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|one| one["Name"].as_str());
    let volumes: Vec<String> = volumes.map(str::to_owned).collect();
    engine.remove_project(project).await.unwrap();
    assert_eq!(
        labelled(&format!("com.docker.compose.project={project}")),
        [""; 0]
    );
    for volume in volumes {
        assert!(
            !attempt(&["volume", "inspect", &volume]).status.success(),
            "{volume}"
        );
    }
    let gone = engine.put_back(project, &other).await;
    assert!(matches!(gone, Err(EngineError::Gone(_))), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_works_on_the_volumes_of_a_container_that_is_stopped() {
    let stacked = Stacked::up(COMPOSE).await;
    let engine = &stacked.engine;
    let target = stacked.listed("target").await.unwrap();
    let id = ContainerId(target.inspect("{{.Id}}"));
    assert!(
        target
            .run(&["sh", "-c", "echo was-there > /anonymous/file"])
            .0
    );
    // What a process left that was killed meanwhile.
    let label = format!("io.duress.offline-of={}", id.0);
    let image = std::env::var("DURESS_BASE_IMAGE").unwrap();
    docker(&["run", "-d", "--label", &label, &image, "sleep", "infinity"]);
    let program = |script: &str| Program {
        command: ["sh", "-c", script].map(str::to_owned).into(),
        timeout: LIMIT,
    };
    let look = "cat /anonymous/file; id -u; id -g; pwd; echo $CHANGED; ls /sys/class/net; \
                grep -h NoNewPrivs /proc/self/status; touch /bound/x || echo read-only >&2; \
                echo new > /named/file; exit 3";
    let output = engine.run_offline(&id, &program(look)).await.unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[..6], ["was-there", "0", "33", "/var", "before", "lo"]);
    assert_eq!(output.exit_code, 3);
    assert!(String::from_utf8_lossy(&output.stderr).contains("read-only"));
    assert_eq!(
        target.inspect("{{.State.Status}}"),
        "exited",
        "it stays stopped"
    );
    assert_eq!(labelled(&label), [""; 0], "nothing of it is left");

    let late = Program {
        timeout: Duration::from_millis(300),
        ..program("sleep infinity")
    };
    let late = engine.run_offline(&id, &late).await;
    assert!(matches!(late, Err(EngineError::Timeout { .. })), "{late:?}");
    assert_eq!(
        labelled(&label),
        [""; 0],
        "one that takes too long is ended"
    );
    engine.start(&id).await.unwrap();
    assert_eq!(target.run(&["cat", "/named/file"]), (true, "new".into()));
    assert_eq!(stacked.names().await, ["peer", "target"]);
}
