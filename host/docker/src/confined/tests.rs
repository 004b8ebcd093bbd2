//! What a hostile program finds when it is confined: tried without the list of programs that stands before it. They need root.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::*;

/// A network of nobody else's.
fn network() -> File {
    let made = std::thread::spawn(|| {
        unshare_thread(UnshareFlags::NEWNET).expect("these tests run as root");
        File::open("/proc/thread-self/ns/net").expect("a network namespace")
    });
    made.join().expect("a network namespace")
}

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|&word| word.to_owned()).collect()
}

/// Runs a program to its end; whether it succeeded, and all that it said.
async fn run(network: &File, command: &[&str]) -> (bool, String) {
    let child = spawn(network, &words(command)).await.expect("it starts");
    let output = child.wait_with_output().await.expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    (output.status.success(), said)
}

/// A process that was started and goes on, as the machine sees it.
struct Watched {
    child: Child,
    folder: PathBuf,
}

impl Watched {
    /// `tc monitor`, once it is that program and no copy of this process any more, and its limits are set.
    async fn new(network: &File) -> Self {
        let child = spawn(network, &words(&["tc", "monitor"])).await;
        let child = child.expect("it starts");
        let folder = PathBuf::from(format!("/proc/{}", child.id().expect("it runs")));
        Self { child, folder }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).expect("it runs")
    }

    fn status(&self, key: &str) -> String {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let line = line.unwrap_or_else(|| panic!("no {key} in {status}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

#[tokio::test]
async fn tools_of_the_network_work() {
    let network = network();
    let link = ["ip", "link", "set", "lo", "up"];
    assert_eq!(run(&network, &link).await, (true, String::new()));
    let rule = "-w 5 -t mangle -A OUTPUT -o lo -p tcp --dport 9 -m comment --comment x -j DROP";
    for (program, save) in [
        ("iptables-nft", "iptables-nft-save"),
        ("iptables-legacy", "iptables-legacy-save"),
        ("ip6tables-legacy", "ip6tables-legacy-save"),
    ] {
        let put = [&[program], &rule.split(' ').collect::<Vec<_>>()[..]].concat();
        assert_eq!(
            run(&network, &put).await,
            (true, String::new()),
            "{program}"
        );
        let (saved, said) = run(&network, &[save]).await;
        assert!(saved && said.contains("--dport 9"), "{save}: {said}");
    }
    let queue = "tc qdisc add dev lo root tbf rate 1mbit burst 32kbit latency 50ms";
    let queue: Vec<_> = queue.split(' ').collect();
    assert_eq!(run(&network, &queue).await, (true, String::new()));
    let (_, said) = run(&network, &["tc", "qdisc"]).await;
    assert!(said.contains("tbf"), "{said}");
    let (listed, said) = run(&network, &["ss", "-tan"]).await;
    assert!(listed && said.starts_with("State"), "{said}");
}

#[tokio::test]
async fn a_program_has_the_capabilities_of_the_network_alone() {
    let program = Watched::new(&network()).await;
    let nobody = "65534 65534 65534 65534";
    for (key, value) in [
        ("Uid:", nobody),
        ("Gid:", nobody),
        ("Groups:", ""),
        ("NoNewPrivs:", "1"),
        // CAP_NET_ADMIN and CAP_NET_RAW.
        ("CapInh:", "0000000000003000"),
        ("CapPrm:", "0000000000003000"),
        ("CapEff:", "0000000000003000"),
        ("CapBnd:", "0000000000003000"),
        ("CapAmb:", "0000000000003000"),
    ] {
        assert_eq!(program.status(key), value, "{key}");
    }
    let limits = program.read("limits");
    for name in ["Max processes", "Max file size", "Max core file size"] {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        let numbers = line.expect("a limit").split_whitespace().take(2);
        assert_eq!(numbers.collect::<Vec<_>>(), ["0", "0"], "{name}");
    }
    let environment = program.read("environ");
    let names = environment
        .split('\0')
        .filter_map(|pair| pair.split('=').next());
    let names: BTreeSet<_> = names.filter(|name| !name.is_empty()).collect();
    assert_eq!(names, root::ENVIRONMENT.map(|(name, _)| name).into());
}

#[tokio::test]
async fn a_program_sees_nothing_of_the_machine() {
    let network = network();
    let program = Watched::new(&network).await;
    // The first of its own processes, and so it can name no other.
    assert!(program.status("NSpid:").ends_with(" 1"));
    let namespace = |folder: &std::path::Path, name: &str| {
        std::fs::read_link(folder.join("ns").join(name)).expect("a namespace")
    };
    for name in ["mnt", "pid", "ipc", "uts", "net"] {
        let own = namespace(std::path::Path::new("/proc/self"), name);
        assert_ne!(namespace(&program.folder, name), own, "{name}");
    }
    let root = program.folder.join("root");
    let listed = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(root.join(folder)).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    };
    let mut found = listed("");
    found.remove("lib64");
    assert_eq!(
        found,
        ["bin", "lib", "proc", "run"].map(str::to_owned).into()
    );
    assert_eq!(listed("bin"), ["tool".to_owned()].into());
    assert_eq!(listed("proc"), ["net".to_owned()].into());
    let mounts = program.read("mounts");
    for mount in mounts.lines() {
        let options = mount.split(' ').nth(3).expect("options");
        let options: BTreeSet<_> = options.split(',').collect();
        let safe = ["ro", "nosuid", "nodev"]
            .iter()
            .all(|option| options.contains(option));
        assert!(safe, "{mount}");
    }
    // What it has open once it is loaded: its streams, and its connections to the kernel.
    let open = || -> Vec<String> {
        let entries = std::fs::read_dir(program.folder.join("fd")).expect("it runs");
        let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
        links.map(|link| link.display().to_string()).collect()
    };
    let known = |open: &String| {
        let starts = ["/dev/null", "/null", "pipe:", "socket:"];
        starts.iter().any(|start| open.starts_with(start))
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    while !open().iter().any(|open| open.starts_with("socket:")) || !open().iter().all(known) {
        assert!(Instant::now() < deadline, "it has open: {:?}", open());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn attacks_on_the_machine_reach_nothing() {
    let network = network();
    let text = "import os; os.system('id')";
    let rule = [
        "iptables",
        "-A",
        "OUTPUT",
        "-m",
        "comment",
        "--comment",
        text,
    ];
    assert_eq!(run(&network, &rule).await, (true, String::new()));
    let machine = tempfile::tempdir().expect("a folder");
    rustix::fs::chmod(machine.path(), rustix::fs::Mode::from_raw_mode(0o777)).expect("a folder");
    let target = machine.path().join("x.pth").display().to_string();
    for path in [
        target.as_str(),
        "/x",
        "/run/x",
        "/lib/x",
        "/run/xtables.lock",
    ] {
        let (saved, said) = run(&network, &["iptables-save", "-f", path]).await;
        assert!(!saved, "{path}: {said}");
    }
    assert!(!std::path::Path::new(&target).exists());

    let shadow = std::fs::read_to_string("/etc/shadow").expect("these tests run as root");
    let first = shadow.split(':').next().expect("a user");
    for attack in [
        &["tc", "-b", "/etc/shadow"][..],
        &["ip", "-b", "/etc/shadow"],
        &["tc", "-n", "../../proc/2/ns/net", "qdisc"],
        &["tc", "-n", "../../proc/1/ns/net", "qdisc"],
        &["ip", "-n", "../../proc/1/ns/net", "link"],
        &["ip", "netns", "add", "x"],
        &["ip", "netns", "exec", "x", "/bin/tool"],
        &["ip", "vrf", "exec", "x", "/bin/tool"],
        &["ip", "link", "set", "lo", "netns", "2"],
        &["tc", "exec", "bpf", "import", "/x", "run", "/bin/tool"],
        &["iptables-restore", "/etc/shadow"],
        &["iptables", "--modprobe=/bin/tool", "-t", "none", "-L"],
        &["ss", "-F", "/etc/shadow"],
        &["ss", "-N", "../../proc/1/ns/net"],
    ] {
        let (succeeded, said) = run(&network, attack).await;
        assert!(!succeeded, "{attack:?}: {said}");
        assert!(!said.contains(&format!("{first}:")), "{attack:?}: {said}");
    }
    let nothing = spawn(&network, &words(&["no-such-program"])).await;
    assert!(matches!(nothing, Err(SpawnError::NoProgram(_))));
}

#[tokio::test]
async fn a_program_ends_when_nobody_waits_for_it() {
    let program = Watched::new(&network()).await;
    let folder = program.folder.clone();
    drop(program.child);
    let deadline = Instant::now() + Duration::from_secs(20);
    // Ended, and either reaped or about to be.
    let gone = || match std::fs::read_to_string(folder.join("stat")) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    while !gone() {
        assert!(Instant::now() < deadline, "it goes on");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn this_process_keeps_its_own_privileges() {
    let network = network();
    run(&network, &["tc", "qdisc"]).await;
    let own = rustix::thread::capabilities(None).expect("capabilities");
    assert!(own.effective.contains(NEEDED));
    assert!(rustix::process::geteuid().is_root());
    assert!(std::path::Path::new("/etc/shadow").exists());
}
