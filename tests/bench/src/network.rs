//! How fast a fault of the network is made, and what the packet queue costs.

use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::harness::{Harness, PATIENCE};
use crate::{Row, median};
use duress_engine::{
    ContainerId, NetDriver, PacketQueue, Program, Programs as _, Stacks as _, Tasks as _, Work,
};

const ROUNDS: usize = 30;
/// What the queue is asked for, in milliseconds.
const DELAY: f64 = 5.0;
/// For how long packets are sent as fast as they go.
const FLOOD: Duration = Duration::from_secs(2);

pub(crate) async fn measure() -> Result<Vec<Row>> {
    let harness = Harness::up(Some(NetDriver::Namespace)).await?;
    let measured = by_namespace(&harness).await;
    harness.down().await?;
    let mut rows = measured?;
    let harness = Harness::up(Some(NetDriver::Toolbox)).await?;
    let measured = by_toolbox(&harness).await;
    harness.down().await?;
    rows.push(measured?);
    Ok(rows)
}

fn rule(verb: &str, target: &[&str]) -> Vec<String> {
    let words = [
        "iptables",
        "-w",
        "5",
        "-t",
        "mangle",
        verb,
        "POSTROUTING",
        "-o",
        "eth0",
        "-j",
    ];
    words
        .iter()
        .chain(target)
        .map(|&word| word.to_owned())
        .collect()
}

/// Returns how long it takes to put a rule into a container's network, the rule taken out again each time.
async fn put(harness: &Harness) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        for (verb, counts) in [("-I", true), ("-D", false)] {
            let began = Instant::now();
            run(harness, rule(verb, &["ACCEPT"])).await?;
            if counts {
                times.push(began.elapsed());
            }
        }
    }
    Ok(median(times))
}

async fn run(harness: &Harness, command: Vec<String>) -> Result<()> {
    let program = Program {
        command,
        timeout: PATIENCE,
    };
    let output = harness
        .docker
        .run_in_network(&harness.one, &program)
        .await?;
    ensure!(
        output.exit_code == 0,
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// Returns the same rule by the command `docker exec`.
fn put_by_command(harness: &Harness) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        for (verb, counts) in [("-I", true), ("-D", false)] {
            let began = Instant::now();
            let done = Command::new("docker")
                .args(["exec", &harness.one.0])
                .args(rule(verb, &["ACCEPT"]))
                .status()?;
            ensure!(done.success(), "docker exec");
            if counts {
                times.push(began.elapsed());
            }
        }
    }
    Ok(median(times))
}

async fn by_namespace(harness: &Harness) -> Result<Vec<Row>> {
    let by_command = put_by_command(harness)?;
    let by_driver = put(harness).await?;
    let times = by_command.as_secs_f64() / by_driver.as_secs_f64();
    let mut rows = vec![
        Row::below(
            "a rule by the driver `namespace`, confined",
            by_driver,
            Duration::from_millis(10),
            "< 10 ms",
        ),
        Row {
            what: "faster than the command `docker exec`",
            measured: format!("{times:.1} x ({by_command:.1?})"),
            promised: ">= 8 x",
            kept: times >= 8.0,
        },
    ];

    let without = round_trip(harness).await?;
    let queue = PacketQueue {
        number: 1,
        delay_ms: DELAY,
        leave_percent: 100.0,
        ..PacketQueue::default()
    };
    let work = Work::QueuePackets(queue);
    harness
        .docker
        .start_task(&harness.one, "bench", &work, None)
        .await?;
    let to_queue = ["NFQUEUE", "--queue-num", "1", "--queue-bypass"];
    run(harness, rule("-I", &to_queue)).await?;
    let with = round_trip(harness).await?;
    let added = (with - without - DELAY).max(0.0);
    rows.push(Row {
        what: "the packet queue adds to a delay (median)",
        measured: format!("{added:.2} ms"),
        promised: "< 0.3 ms",
        kept: added < 0.3,
    });
    let rate = flood(harness).await?;
    rows.push(Row {
        what: "packets through the queue, per second",
        measured: format!("{rate:.0}"),
        promised: ">= 20000",
        kept: rate >= 20_000.0,
    });
    Ok(rows)
}

/// One container lends its tools, however many rules there are.
async fn by_toolbox(harness: &Harness) -> Result<Row> {
    let by_driver = put(harness).await?;
    let of_stage = format!("label=io.duress.toolbox-of={}", harness.one.0);
    let listed = Command::new("docker")
        .args(["ps", "--all", "--quiet", "--filter", &of_stage])
        .output()?;
    let toolboxes = String::from_utf8_lossy(&listed.stdout).lines().count();
    Ok(Row {
        what: "toolboxes for many rules on one target",
        measured: format!("{toolboxes} ({by_driver:.1?} a rule)"),
        promised: "1",
        kept: toolboxes == 1,
    })
}

/// Returns the median round trip by ping, in milliseconds.
async fn round_trip(harness: &Harness) -> Result<f64> {
    let program = |command: &[&str]| Program {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        timeout: PATIENCE,
    };
    let pings = program(&["ping", "-n", "-c", "300", "-i", "0.005", "one"]);
    let output = harness.docker.exec(&harness.peer, &pings).await?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let times = text
        .lines()
        .filter_map(|line| line.split("time=").nth(1)?.split(' ').next());
    let mut times: Vec<f64> = times.filter_map(|time| time.parse().ok()).collect();
    ensure!(times.len() > 200, "ping says: {text}");
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn pid(container: &ContainerId) -> Result<String> {
    let inspected = Command::new("docker")
        .args(["inspect", "--format", "{{.State.Pid}}", &container.0])
        .output()?;
    Ok(String::from_utf8_lossy(&inspected.stdout).trim().to_owned())
}

/// Sends small packets from the container's network as fast as they go; how many the queue let go, per second.
async fn flood(harness: &Harness) -> Result<f64> {
    let pid = pid(&harness.one)?;
    let network = std::fs::File::open(format!("/proc/{pid}/ns/net"))?;
    let peer = harness
        .docker
        .containers(&harness.project)
        .await?
        .into_iter()
        .find(|container| container.id == harness.peer)
        .and_then(|container| container.addresses.first().map(|(_, address)| *address))
        .context("the peer has an address")?;
    let before = passed(&pid)?;
    let began = Instant::now();
    let sent = std::thread::spawn(move || -> Result<()> {
        // This thread alone, which ends with the flood.
        rustix::thread::move_into_link_name_space(network.as_fd(), None)?;
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.connect((peer, 9))?;
        while began.elapsed() < FLOOD {
            // Nothing listens there, so the error is expected.
            let _ = socket.send(&[0; 32]);
        }
        Ok(())
    });
    sent.join()
        .map_err(|_| anyhow::anyhow!("the flood broke off"))??;
    let passed = passed(&pid)? - before;
    Ok(passed as f64 / began.elapsed().as_secs_f64())
}

/// How many packets the helper has let go: all that were queued, without those that wait (see `nfqnl_seq_show` in the kernel).
fn passed(pid: &str) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/net/netfilter/nfnetlink_queue"))?;
    let numbers: Vec<u64> = text
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let (waiting, queued) = (numbers.get(2), numbers.get(7));
    let (Some(waiting), Some(queued)) = (waiting, queued) else {
        anyhow::bail!("no queue found: {text}");
    };
    Ok(queued.saturating_sub(*waiting))
}
