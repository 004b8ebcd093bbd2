//! Values of containers: what programs in them print, what is accounted to them, and what services in them answer.

use duress_experiment::{ContainerMeasure, Parse, Reading, Source};
use duress_metrics::Context;

use crate::prometheus::until;
use crate::stack::{Stack, attempt, docker};
use crate::trial::{context, look, probe, reason, value};

const BASE: &str = "DURESS_BASE_IMAGE";

fn command(command: &[&str], parse: Parse) -> Source {
    Source::Command {
        command: command.iter().map(|&word| word.to_owned()).collect(),
        service: "web".to_owned(),
        parse,
    }
}

fn shell(text: &str, parse: Parse) -> Source {
    command(&["sh", "-c", text], parse)
}

fn accounts(measure: ContainerMeasure, service: &str) -> Source {
    Source::Container {
        measure,
        service: Some(service.to_owned()),
    }
}

#[tokio::test]
async fn a_program_in_a_container_prints_a_value_or_ends_with_one() {
    let mut stack = Stack::new();
    let id = stack.start("web", &["--init"], BASE, &["sleep", "infinity"]);
    let context = context(&stack.project).await;
    let number = |text: &str| shell(text, Parse::Number);
    assert_eq!(look(number("echo ' 12.5 '"), &context).await, Ok(12.5));
    assert_eq!(
        look(shell("exit 3", Parse::ExitCode), &context).await,
        Ok(3.0)
    );
    reason(look(number("true"), &context).await, &["printed nothing"]);
    reason(
        look(number("echo 12 ms"), &context).await,
        &["`12 ms`, which is not a number"],
    );
    reason(
        look(number("printf '\\033[2Jx'"), &context).await,
        &["u{1b}"],
    );
    reason(
        look(number("echo 1; echo no >&2; exit 4"), &context).await,
        &["exit code 4: no"],
    );
    reason(
        look(number("yes 1 | head -c 3000000"), &context).await,
        &["not a number"],
    );
    reason(
        look(command(&["no-such-program"], Parse::Number), &context).await,
        &["no such program"],
    );
    docker(&["kill", &id]);
    reason(
        look(number("echo 1"), &context).await,
        &["`web` is not running"],
    );
    docker(&["rm", &id]);
    reason(
        look(number("echo 1"), &context).await,
        &["no container now"],
    );
}

#[tokio::test]
async fn a_program_that_does_not_end_is_started_once() {
    let mut stack = Stack::new();
    let id = stack.start("web", &["--init"], BASE, &["sleep", "infinity"]);
    let context = context(&stack.project).await;
    // It writes down each of its starts, and ends when it is let.
    let text = "echo >> /starts; until [ -e /go ]; do sleep 0.05; done; echo 8";
    let mut slow = probe(shell(text, Parse::Number), 1_000, &context);
    reason(value(&slow.sample().await), &["did not end within 1000 ms"]);
    reason(
        value(&slow.sample().await),
        &["not started again meanwhile"],
    );
    reason(
        value(&slow.sample().await),
        &["not started again meanwhile"],
    );
    assert_eq!(docker(&["exec", &id, "grep", "-c", "", "/starts"]), "1");
    docker(&["exec", &id, "touch", "/go"]);
    let found = until("another start", async || value(&slow.sample().await)).await;
    assert_eq!(found, 8.0);
}

async fn of(measure: ContainerMeasure, service: &str, context: &Context) -> Result<f64, String> {
    look(accounts(measure, service), context).await
}

#[tokio::test]
async fn processors_and_memory_are_accounted_without_anything_in_the_image() {
    let mut stack = Stack::new();
    let busy = "while :; do :; done";
    stack.start("busy", &["--cpus=0.5"], BASE, &["sh", "-c", busy]);
    stack.start("idle", &[], "DURESS_BARE_IMAGE", &[]);
    let holder = stack.start("holder", &["--init"], BASE, &["sleep", "infinity"]);
    let context = context(&stack.project).await;
    let mut cpu = probe(accounts(ContainerMeasure::Cpu, "busy"), 10_000, &context);
    let idle = of(ContainerMeasure::Cpu, "idle", &context).await.unwrap();
    for _ in 0..3 {
        let busy = value(&cpu.sample().await).unwrap();
        assert!(
            busy < 0.75 && idle < 0.05,
            "{busy} and {idle} of a processor"
        );
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    let used = until("work", async || match value(&cpu.sample().await) {
        Ok(used) if used > 0.1 => Ok(used),
        other => Err(format!("{other:?}")),
    });
    assert!(used.await < 0.75);

    let before = of(ContainerMeasure::Memory, "holder", &context)
        .await
        .unwrap();
    let fill = "head -c 40000000 /dev/zero > /dev/shm/held";
    docker(&["exec", &holder, "sh", "-c", fill]);
    let after = of(ContainerMeasure::Memory, "holder", &context)
        .await
        .unwrap();
    assert!(
        after - before > 39e6 && after - before < 60e6,
        "{before} {after}"
    );
    let all = Source::Container {
        measure: ContainerMeasure::Memory,
        service: None,
    };
    assert!(look(all, &context).await.unwrap() > after);
    docker(&["kill", &holder]);
    reason(
        of(ContainerMeasure::Memory, "holder", &context).await,
        &["is not running"],
    );
    reason(
        of(ContainerMeasure::Cpu, "nobody", &context).await,
        &["no container now"],
    );
}

#[tokio::test]
async fn restarts_and_kills_for_want_of_memory_are_counted() {
    let mut stack = Stack::new();
    let again = ["--restart=always"];
    stack.start("web", &again, BASE, &["sh", "-c", "sleep 0.2; exit 1"]);
    let greedy = stack.start(
        "greedy",
        &["--init", "--memory=24m", "--memory-swap=24m"],
        BASE,
        &["sleep", "infinity"],
    );
    let context = context(&stack.project).await;
    let restarts = accounts(ContainerMeasure::Restarts, "web");
    let mut restarts = probe(restarts, 10_000, &context);
    let count = until("restarts", async || match value(&restarts.sample().await) {
        Ok(count) if count >= 2.0 => Ok(count),
        other => Err(format!("{other:?}")),
    });
    count.await;
    let mut kills = probe(
        accounts(ContainerMeasure::OomKills, "greedy"),
        10_000,
        &context,
    );
    assert_eq!(value(&kills.sample().await), Ok(0.0));
    for number in [1.0, 2.0] {
        // It wants more than there is, and is killed; the container goes on.
        attempt(&["exec", &greedy, "tail", "/dev/zero"]);
        assert_eq!(value(&kills.sample().await), Ok(number));
    }
    docker(&["restart", "--time=0", &greedy]);
    assert_eq!(value(&kills.sample().await), Ok(2.0));
    attempt(&["exec", &greedy, "tail", "/dev/zero"]);
    assert_eq!(value(&kills.sample().await), Ok(3.0));
}

#[tokio::test]
async fn a_prometheus_in_the_stack_is_found_by_its_service() {
    let mut stack = Stack::new();
    let entrypoint = ["--entrypoint=prometheus"];
    let settings = [
        "--config.file=/dev/null",
        "--storage.tsdb.path=/tmp/prometheus",
    ];
    let id = stack.start(
        "prometheus",
        &entrypoint,
        "DURESS_PROMETHEUS_IMAGE",
        &settings,
    );
    let context = context(&stack.project).await;
    let source = || Source::Promql {
        query: "vector(4)".to_owned(),
        at: "prometheus:9090".to_owned(),
        scrape_ms: 1_000,
        range_ms: 0,
    };
    assert_eq!(
        until("an answer", async || look(source(), &context).await).await,
        4.0
    );
    let status = || Source::Http {
        url: "http://prometheus:9090/-/healthy".to_owned(),
        reading: Reading::Status,
    };
    assert_eq!(look(status(), &context).await, Ok(200.0));
    docker(&["kill", &id]);
    reason(look(source(), &context).await, &["does not run"]);
    docker(&["rm", &id]);
    reason(
        look(status(), &context).await,
        &["no container `prometheus`"],
    );
}
