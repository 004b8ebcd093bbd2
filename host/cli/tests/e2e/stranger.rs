//! A folder of somebody's own that holds no plugin: a compose file, the least of a `subject.yaml`, and a campaign.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::docker::Container;
use crate::netem::kernel_has_netem;
use crate::program::{Ended, Program, Running};
use crate::runs::project;

/// Parameters of the faults that need some here.
const PARAMETERS: [(&str, &str); 15] = [
    ("bandwidth", "{rate_kbit: 1000}"),
    ("corruption", "{percent: 5}"),
    ("cpu_limit", "{cpus: 0.5}"),
    ("cpu_stress", "{percent: 10, workers: 1}"),
    ("disk_pressure", "{path: /data}"),
    ("disk_stress", "{path: /data, workers: 1, file_mb: 1}"),
    ("duplication", "{percent: 5}"),
    ("memory_limit", "{memory_mb: 64}"),
    ("memory_pressure", "{memory_mb: 8}"),
    ("packet_loss", "{percent: 5}"),
    ("partition_topology", "{shape: one}"),
    ("pids_limit", "{pids: 50}"),
    ("process_kill", "{process: sleep, restart_container: true}"),
    ("container_recreate", "{environment: {MODE: other}}"),
    ("container_restart", "{grace_seconds: 1}"),
];

struct Stranger {
    program: Program,
    root: PathBuf,
}

impl Stranger {
    /// A service for each of the names, which waits and can be asked.
    fn new(services: &[String]) -> Self {
        let program = Program::new();
        let root = program.folder.path().join("shop");
        let subject = root.join("subjects/shop");
        fs::create_dir_all(&subject).unwrap();
        fs::write(
            subject.join("subject.yaml"),
            "name: shop\nsummary: Somebody's shop\ncompose: docker-compose.yaml\n",
        )
        .unwrap();
        let mut compose = String::from(
            "x-service: &service\n  image: ${DURESS_BASE_IMAGE}\n  command: [sleep, infinity]\n  init: true\n  mem_limit: 256m\n  \
             restart: \"no\"\n  tmpfs: [\"/data:size=64m\"]\nservices:\n",
        );
        for service in services {
            writeln!(compose, "  {service}: *service").unwrap();
        }
        fs::write(subject.join("docker-compose.yaml"), compose).unwrap();
        Self { program, root }
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.program.command(arguments);
        command.current_dir(&self.root).env_remove("DURESS_PATH");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    /// Returns the faults that its subject can be given, as `plugin:name`.
    fn faults(&self) -> Vec<String> {
        let listed = self.run(&["fault", "list", "shop", "--json"]);
        assert_eq!(listed.code(), 0, "{}", listed.said());
        let faults: serde_json::Value = serde_json::from_str(&listed.printed()).unwrap();
        let faults = faults.as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        faults
            .map(|fault| format!("{}:{}", text(&fault["plugin"]), text(&fault["name"])))
            .collect()
    }
}

#[test]
fn a_folder_without_a_plugin_has_every_general_fault() {
    let faults = Stranger::new(&["web".to_owned()]).faults();
    assert!(faults.len() >= 25, "{faults:?}");
    let names = faults.iter().map(|fault| {
        fault
            .strip_prefix("faults:")
            .expect("nothing but the general faults")
    });
    // All at once, each on a container of its own.
    let names: Vec<&str> = names
        .filter(|name| kernel_has_netem() || *name != "duplication")
        .collect();
    let service = |name: &str| name.replace('_', "-");
    let mut services: Vec<String> = names.iter().map(|name| service(name)).collect();
    services.extend(["alone-1", "alone-2"].map(str::to_owned));
    let stranger = Stranger::new(&services);
    let mut campaign = String::from(
        "name: everything\nsubjects: [shop]\nchaos_types:\n  - label: all\n    duration_seconds: 3\n    steps:\n",
    );
    for name in &names {
        let parameters = PARAMETERS.iter().find(|(fault, _)| fault == name);
        let parameters = parameters.map_or("{}", |(_, parameters)| parameters);
        // Links are cut between several.
        let targets = match *name {
            "partition_topology" => {
                "[partition-topology, alone-1, alone-2], target_count: 3".to_owned()
            }
            other => format!("[{}]", service(other)),
        };
        writeln!(
            campaign,
            "      - {{type: {name}, params: {parameters}, targets: {targets}}}"
        )
        .unwrap();
    }
    fs::write(stranger.root.join("campaign.yaml"), campaign).unwrap();
    let running = Running::of(&mut stranger.command(&["run", "campaign", "campaign.yaml"]));
    running.wait_for("a pause", |event| {
        event["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("applied: pause"))
    });
    let paused = Container::of(&project(&stranger.program), "process-pause");
    assert_eq!(paused.inspect("{{.State.Status}}"), "paused");
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(0), "{events:?}");
    assert_eq!(stranger.program.left(), [""; 0]);
}

#[test]
fn the_general_faults_can_be_switched_off_and_replaced() {
    let stranger = Stranger::new(&["web".to_owned()]);
    let listed = stranger.run(&["plugin", "list"]);
    assert!(
        listed.printed().contains("built in"),
        "{}",
        listed.printed()
    );
    stranger
        .run(&["plugin", "build", "faults"])
        .refuses(&["is built into duress"]);
    // A plugin of that name that lies here goes before, and has to be granted like any other.
    let own = stranger.root.join("plugins/faults");
    fs::create_dir_all(&own).unwrap();
    let built_in = crate::program::repository().join("plugins/faults");
    for file in ["plugin.yaml", "faults.wasm"] {
        fs::copy(built_in.join(file), own.join(file)).unwrap();
    }
    stranger
        .run(&["fault", "list", "faults"])
        .refuses(&["was granted nothing yet", "duress plugin add"]);
    fs::remove_dir_all(&own).unwrap();

    let lock = stranger.root.join("duress.lock");
    fs::write(&lock, "disable_built_in: [faults]\n").unwrap();
    assert_eq!(stranger.faults(), [""; 0]);
    stranger
        .run(&["fault", "list", "faults"])
        .refuses(&["unknown plugin `faults`", "disable_built_in"]);
    fs::write(&lock, "disable_built_in: [fault]\n").unwrap();
    stranger
        .run(&["fault", "list", "shop"])
        .refuses(&["duress.lock:1"]);
    fs::write(&lock, "disable_built_in: [compose]\n").unwrap();
    stranger
        .run(&["run", "--subject", "shop", "--baseline"])
        .refuses(&["unknown plugin `compose`", "disable_built_in"]);
}

#[test]
fn a_stack_is_well_when_its_health_checks_say_so() {
    let stranger = Stranger::new(&["web".to_owned()]);
    let compose = stranger.root.join("subjects/shop/docker-compose.yaml");
    let text = fs::read_to_string(&compose).unwrap();
    // It is well once it has made a file, and a container that ends has to be named.
    let checked = "  web:\n    <<: *service\n    command: [sh, -c, \"sleep 1; touch /tmp/up; sleep infinity\"]\n    \
         healthcheck: {test: [CMD, test, -e, /tmp/up], interval: 1s, retries: 60}\n  \
         migrate:\n    <<: *service\n    command: [\"true\"]\n";
    fs::write(&compose, text.replace("  web: *service\n", checked)).unwrap();
    let subject = stranger.root.join("subjects/shop/subject.yaml");
    let manifest = fs::read_to_string(&subject).unwrap();
    fs::write(
        &subject,
        format!("{manifest}settings: {{healthy_seconds: 5}}\n"),
    )
    .unwrap();
    let run = ["run", "--subject", "shop", "--baseline", "--duration", "0"];
    let failed = stranger.run(&run);
    assert_eq!(failed.code(), 1, "{}", failed.said());
    assert!(
        failed.said().contains("migrate has exited"),
        "{}",
        failed.said()
    );
    fs::write(
        &subject,
        format!("{manifest}settings: {{one_shot: [migrate]}}\n"),
    )
    .unwrap();
    let passed = stranger.run(&run);
    assert_eq!(passed.code(), 0, "{}", passed.said());
    fs::write(
        &subject,
        format!("{manifest}settings: {{once: [migrate]}}\n"),
    )
    .unwrap();
    let mistaken = stranger.run(&run);
    assert!(
        mistaken.said().contains("unknown field `once`"),
        "{}",
        mistaken.said()
    );
    assert_eq!(stranger.program.left(), [""; 0]);
}
