//! The engine as anybody sees it: by the command `docker`, not by duress.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// On each container that a test runs by itself. `cargo xtask test` looks for what is left of them.
const TEST_LABEL: &str = "io.duress.test";
/// How long the engine may take to remove a container.
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);

/// Runs `docker`; its standard output. Panics when it fails.
pub fn docker(arguments: &[&str]) -> String {
    let output = attempt(arguments);
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs `docker`, whatever comes of it. A container that it runs carries the name of the test.
pub fn attempt(arguments: &[&str]) -> Output {
    let mut command = Command::new("docker");
    let mut rest = arguments;
    if let [verb @ ("run" | "create"), others @ ..] = arguments {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a thread without a name");
        let label = format!("{TEST_LABEL}={test}");
        command.args([verb, "--label", label.as_str()]);
        rest = others;
    }
    command.args(rest).output().expect("docker can be started")
}

/// Removes containers with their volumes, and sees that they are gone: the engine refuses to remove one that is just ending, because
/// another that it shared a namespace with was removed.
pub fn remove(containers: &[&str]) {
    let deadline = Instant::now() + REMOVAL_LIMIT;
    let is_there = |id: &&str| {
        attempt(&["inspect", "--type", "container", id])
            .status
            .success()
    };
    let mut left: Vec<&str> = containers.to_vec();
    while !left.is_empty() && Instant::now() < deadline {
        attempt(&[&["rm", "--force", "--volumes"], left.as_slice()].concat());
        left.retain(is_there);
        if !left.is_empty() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Removes a container that a test made, after the engine's toolboxes beside it, which belong to no stack that would be removed.
pub fn remove_with_toolboxes(id: &str) {
    let beside = format!("label=io.duress.toolbox-of={id}");
    let toolboxes = attempt(&["ps", "-aq", "--no-trunc", "--filter", &beside]).stdout;
    let toolboxes = String::from_utf8_lossy(&toolboxes).into_owned();
    remove(&toolboxes.lines().collect::<Vec<_>>());
    remove(&[id]);
}

/// Everything that carries a label, as `kind name`.
pub fn labelled(label: &str) -> Vec<String> {
    let filter = format!("label={label}");
    let mut found = Vec::new();
    for (kind, arguments) in [
        (
            "container",
            ["ps", "-a", "--format", "{{.Names}}", "--filter"].as_slice(),
        ),
        (
            "network",
            &["network", "ls", "--format", "{{.Name}}", "--filter"],
        ),
        (
            "volume",
            &["volume", "ls", "--format", "{{.Name}}", "--filter"],
        ),
    ] {
        let names = docker(&[arguments, &[filter.as_str()]].concat());
        found.extend(names.lines().map(|name| format!("{kind} {name}")));
    }
    found
}

/// A container of a stack, by the engine's own name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container(pub String);

impl Container {
    /// Returns the container of a service in a compose project.
    pub fn of(project: &str, service: &str) -> Self {
        let project = format!("label=com.docker.compose.project={project}");
        let service = format!("label=com.docker.compose.service={service}");
        let id = docker(&["ps", "-aq", "--filter", &project, "--filter", &service]);
        assert!(!id.is_empty(), "{project} has no {service}");
        Self(id)
    }

    pub fn inspect(&self, template: &str) -> String {
        docker(&["inspect", "--format", template, &self.0])
    }

    /// Returns its address on its one network.
    pub fn address(&self) -> String {
        self.inspect("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")
    }

    /// Runs a program in it; whether it succeeded, and its output.
    pub fn run(&self, command: &[&str]) -> (bool, String) {
        let output = attempt(&[&["exec", &self.0], command].concat());
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).trim().to_owned(),
        )
    }

    /// Sends its first process a signal.
    pub fn signal(&self, name: &str) {
        docker(&["kill", "--signal", name, &self.0]);
    }

    /// Round trips of so many pings to another, 10 ms apart, in milliseconds: one for each answer that came.
    pub fn pings(&self, to: &Self, number: u32) -> Vec<f64> {
        // ping(8) waits for the last answers only twice as long as the slowest took so far: of more than were asked for.
        let sent = (number + 40).to_string();
        let address = to.address();
        let (_, text) = self.run(&["ping", "-n", "-i", "0.01", "-W", "2", "-c", &sent, &address]);
        let word = |line: &str, name: &str| -> Option<f64> {
            line.split(name).nth(1)?.split(' ').next()?.parse().ok()
        };
        let answers = text.lines().filter_map(|line| {
            let counts = word(line, "icmp_seq=")? <= f64::from(number);
            counts.then(|| word(line, "time="))?
        });
        answers.collect()
    }

    /// Runs a program of an image of ours in its network, with its names: it need hold none itself.
    pub fn beside(&self, command: &[&str]) -> (bool, String) {
        let network = format!("container:{}", self.0);
        let image = std::env::var("DURESS_BASE_IMAGE").unwrap();
        let output = attempt(&[&["run", "--rm", "--network", &network, &image], command].concat());
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&text).trim().to_owned(),
        )
    }

    /// A number from one of the files of its cgroup: the first that is there, in cgroup v1 or v2.
    pub fn cgroup(&self, v1: &str, v2: &str) -> String {
        let id = self.inspect("{{.Id}}");
        let (controller, file) = v1.split_once('/').unwrap();
        let places = [
            format!("/sys/fs/cgroup/{controller}/docker/{id}/{file}"),
            format!("/sys/fs/cgroup/system.slice/docker-{id}.scope/{v2}"),
            format!("/sys/fs/cgroup/docker/{id}/{v2}"),
        ];
        let found = places
            .iter()
            .find_map(|path| std::fs::read_to_string(path).ok());
        found.expect("the container's cgroup")
    }

    /// Returns whether it reaches a port of another within two seconds: a dropped packet is a connection that times out.
    pub fn connects(&self, to: &Self, port: u16) -> bool {
        let connect = format!("exec 3<>/dev/tcp/{}/{port}", to.address());
        let (connected, _) = self.run(&["timeout", "2", "bash", "-c", &connect]);
        connected
    }

    /// Bytes that are still free where a path lies, as df(1) counts.
    pub fn free(&self, path: &str) -> u64 {
        let (_, text) = self.run(&["df", "--output=avail", "-B1", path]);
        text.lines().last().unwrap().trim().parse().unwrap()
    }

    /// Returns every rule of its network, as iptables-save(8) writes it, seen from the machine.
    pub fn rules(&self) -> Vec<String> {
        let text = self.in_network(&["iptables-save"]);
        text.lines()
            .filter(|line| line.starts_with("-A"))
            .map(str::to_owned)
            .collect()
    }

    /// Runs one of this machine's programs in its network; its standard output.
    pub fn in_network(&self, command: &[&str]) -> String {
        let process = self.inspect("{{.State.Pid}}");
        let output = Command::new("nsenter")
            .args(["--target", &process, "--net"])
            .args(command)
            .output()
            .expect("nsenter can be started");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
