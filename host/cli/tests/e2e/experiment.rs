//! Experiments on a small shop with a real Prometheus: aborts in time, verdicts, and what a person is told of mistakes.

use std::fs;
use std::os::unix::process::CommandExt as _;

use serde_json::Value;

use crate::docker::Container;
use crate::program::{Ended, Program, Running, repository};
use crate::runs::project;
use crate::wait::until_true;

/// Clients that ask the shop for its stock. They wait for longer than the shop does.
const WORKLOAD: &str = "workload: {http: {url: 'http://web:8080/cart'}, rate: 20/s, timeout: 5s}\n";

/// The share of failed responses, as Prometheus has it.
const ERROR_RATE: &str = "
    error_rate:
      promql: sum(rate(http_requests_total{job=\"web\",code=\"502\"}[3s])) / sum(rate(http_requests_total{job=\"web\"}[3s]))
      at: prometheus:9090
      scrape_interval: 1s
      timeout: 1s
      unit: share
";

/// A shop of which one response in ten is missing while `stock0` is, and a campaign for it.
struct Shop {
    program: Program,
}

impl Shop {
    fn new() -> Self {
        let program = Program::new();
        let folder = program.folder.path().join("subjects/shop");
        fs::create_dir_all(&folder).unwrap();
        for name in [
            "docker-compose.yaml",
            "prometheus.yaml",
            "server.py",
            "subject.yaml",
        ] {
            let text = fs::read_to_string(repository().join("subjects/web").join(name)).unwrap();
            let others = "stock1:8080 ".repeat(9);
            let text = match name {
                "docker-compose.yaml" => text.replace(
                    "STOCK: stock0:8080 stock1:8080",
                    &format!("STOCK: stock0:8080 {}", others.trim_end()),
                ),
                "subject.yaml" => text.replace("name: web", "name: shop"),
                _ => text,
            };
            fs::write(folder.join(name), text).unwrap();
        }
        Self { program }
    }

    /// Writes a campaign of so many trials, in which `stock0` is paused for so long, and returns the words that run it.
    fn campaign(&self, trials: u32, seconds: u32, rest: &str) -> Vec<String> {
        self.steps(
            trials,
            &format!("{{type: process_pause, targets: [stock0], duration_seconds: {seconds}}}"),
            rest,
        )
    }

    /// As [`Shop::campaign`], with a chaos type of its own.
    fn steps(&self, trials: u32, chaos: &str, rest: &str) -> Vec<String> {
        let file = self.program.folder.path().join("campaign.yaml");
        let head = format!(
            "name: shop\nsubjects: [shop]\ntrials_per_combination: {trials}\n\
             chaos_types: [{chaos}]\n"
        );
        fs::write(&file, format!("{head}{rest}")).unwrap();
        ["run", "campaign", file.to_str().unwrap()]
            .map(str::to_owned)
            .into()
    }

    fn command(&self, words: &[String]) -> std::process::Command {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let mut command = self.program.command(&words);
        command.env("DURESS_PATH", self.program.folder.path());
        command
    }

    fn run(&self, words: &[String]) -> Ended {
        Ended::of(&mut self.command(words))
    }

    fn start(&self, words: &[String]) -> Running {
        Running::of(&mut self.command(words))
    }

    fn trial(&self, number: u32) -> Value {
        let name = format!("trial-shop-process_pause-{number}");
        let shown = self.program.json(&["show", &name]);
        let mut trial = shown["trial"].clone();
        trial["findings"] = shown["findings"].clone();
        trial
    }

    fn is_paused(&self) -> bool {
        let stock = Container::of(&project(&self.program), "stock0");
        stock.inspect("{{.State.Paused}}") == "true"
    }

    /// Nothing was changed, and nothing is left.
    fn is_untouched(&self) {
        let shown = self.program.json(&["show", "trial-shop-process_pause-1"]);
        assert_eq!(shown["changes"], serde_json::json!([]));
        self.is_clean();
    }

    fn is_clean(&self) {
        assert_eq!(self.program.left(), [""; 0]);
    }
}

fn time(value: &Value, name: &str) -> i64 {
    let time = value[name].as_i64();
    time.unwrap_or_else(|| panic!("no {name}: {value}"))
}

#[test]
fn an_abort_by_prometheus_is_rolled_back_within_two_intervals_and_stops_the_campaign() {
    let shop = Shop::new();
    let words = shop.campaign(
        2,
        120,
        &format!(
            "{WORKLOAD}experiment:\n  every: 5s\n  warm_up: 16s\n  hold: 5s\n  recover_within: 60s\n  \
             metrics:{ERROR_RATE}  expect: [{{that: error_rate < 1%, no_data: ignore}}]\n  abort: [error_rate > 5%]\n"
        ),
    );
    let running = shop.start(&words);
    running.wait_for_change();
    assert!(shop.is_paused());
    running.wait_for("the abort", |event| {
        let message = event["message"].as_str().unwrap_or_default();
        message.starts_with("ABORT: error_rate > 5%")
    });
    // Long before the fault would have ended by itself.
    until_true("the fault is gone", || !shop.is_paused());
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(1), "{events:?}");

    let trial = shop.trial(1);
    assert_eq!(trial["outcome"], "aborted", "{trial}");
    let abort = &trial["findings"]["abort"];
    let interval = 5_000;
    let began = time(&trial, "injected_at");
    let (breached, gone) = (time(abort, "breached_at"), time(abort, "last_gone_at"));
    assert!(gone - breached <= 2 * interval, "{abort}");
    // Not from the sample on alone: from the fault's first moment to the first revert.
    let reverted = time(abort, "rollback_began_at");
    assert!(reverted - began <= 2 * interval, "{began}: {abort}");
    let order = [
        "breached_at",
        "seen_at",
        "decided_at",
        "rollback_began_at",
        "first_gone_at",
        "last_gone_at",
    ];
    let times = order.map(|name| time(abort, name));
    assert!(times.is_sorted(), "{abort}");
    let bound = time(&trial["findings"]["bounds"][0], "total_ms");
    assert!(
        bound <= 2 * interval && reverted - began <= bound,
        "{bound}: {abort}"
    );
    // It was one response in ten, and it is well again.
    let looks = &trial["findings"]["judgement"]["abort"]["looks"];
    let rate = looks[0]["value"]["Ok"].as_f64().unwrap();
    assert!((0.05..0.2).contains(&rate), "{looks}");
    let recovery = &trial["findings"]["judgement"]["recovery"];
    assert!(
        recovery["held_ms"].is_i64() || recovery["held_ms"].is_u64(),
        "{recovery}"
    );

    let second = shop.program.run(&["show", "trial-shop-process_pause-2"]);
    assert_eq!(second.code(), 2, "it has not run: {}", second.printed());
    shop.is_clean();
}

#[test]
fn after_an_abort_the_campaign_goes_on_where_it_says_so() {
    let shop = Shop::new();
    let words = shop.campaign(
        2,
        60,
        &format!(
            "{WORKLOAD}experiment:\n  every: 2s\n  warm_up: 4s\n  hold: 2s\n  recover_within: 40s\n  on_abort: continue\n  \
             metrics: {{error_rate: {{workload: error_rate}}}}\n  abort: [error_rate > 5%]\n"
        ),
    );
    let ended = shop.run(&words);
    assert_eq!(ended.code(), 1, "{}", ended.said());
    for number in [1, 2] {
        let trial = shop.trial(number);
        assert_eq!(trial["outcome"], "aborted", "{trial}");
        let abort = &trial["findings"]["abort"];
        let taken = time(abort, "last_gone_at") - time(abort, "breached_at");
        assert!(taken <= 4_000, "{abort}");
    }
    shop.is_clean();
}

/// Runs a campaign of one trial that measures the stock by HTTP; its exit code and its trial.
fn measured(url: &str, rest: &str) -> (Shop, i32, Value) {
    let chaos = "{type: process_pause, targets: [stock0], duration_seconds: 8}";
    measured_under(chaos, url, rest)
}

fn measured_under(chaos: &str, url: &str, rest: &str) -> (Shop, i32, Value) {
    let shop = Shop::new();
    let words = shop.steps(
        1,
        chaos,
        &format!(
            "{WORKLOAD}experiment:\n  every: 1s\n  warm_up: 4s\n  hold: 2s\n  recover_within: 60s\n  metrics:\n    \
             error_rate: {{workload: error_rate}}\n    \
             stock: {{http: '{url}', path: $.in_stock}}\n  {rest}\n"
        ),
    );
    let code = shop.run(&words).code();
    let trial = shop.trial(1);
    shop.is_clean();
    (shop, code, trial)
}

fn error(trial: &Value) -> &str {
    trial["error"].as_str().unwrap_or_default()
}

#[test]
fn a_baseline_that_does_not_hold_ends_a_trial_before_its_fault() {
    let rest = "expect: [stock > 100, error_rate < 1%]";
    let (shop, code, trial) = measured("http://stock1:8080/stock", rest);
    assert_eq!(
        (code, &trial["outcome"]),
        (1, &"environment".into()),
        "{trial}"
    );
    let said = error(&trial);
    assert!(
        said.contains("does not hold before any fault: stock > 100"),
        "{said}"
    );
    assert!(said.contains('7') && !said.contains("error_rate"), "{said}");
    let before = &trial["findings"]["judgement"]["baseline"]["conditions"][0]["values"];
    assert_eq!(before["mean"], 7.0, "{trial}");
    assert_eq!(trial["injected_at"], Value::Null);
    shop.is_untouched();
}

#[test]
fn a_hypothesis_that_is_violated_fails_the_trial() {
    let rest = "expect: [error_rate < 1%, {that: stock == 7, no_data: ignore}]";
    let (_, code, trial) = measured("http://stock1:8080/stock", rest);
    assert_eq!((code, &trial["outcome"]), (1, &"failed".into()), "{trial}");
    let said = error(&trial);
    assert!(said.contains("violated: error_rate < 1% ("), "{said}");
    assert!(!said.contains("stock"), "{said}");
    let during = &trial["findings"]["workload"]["phases"];
    assert!(
        during.to_string().contains("status_5xx") || during.is_array(),
        "{during}"
    );
}

#[test]
fn a_hypothesis_that_is_maintained_passes_the_trial() {
    let (_, code, trial) = measured(
        "http://stock1:8080/stock",
        "expect: [{that: stock == 7, no_data: ignore}]",
    );
    assert_eq!((code, &trial["outcome"]), (0, &"passed".into()), "{trial}");
    let judgement = &trial["findings"]["judgement"];
    assert_eq!(judgement["hypothesis"], "maintained");
    let metrics = judgement["metrics"].as_array().unwrap();
    let rate = metrics
        .iter()
        .find(|one| one["metric"] == "error_rate")
        .unwrap();
    // It is measured, though nothing is expected of it.
    assert!(rate["during"]["max"].as_f64().unwrap() > 0.03, "{rate}");
    assert_eq!(rate["before"]["max"], 0.0, "{rate}");
}

#[test]
fn what_was_never_seen_under_the_fault_proves_nothing() {
    let rest = "expect: [{that: stock == 7, no_data: ignore}]";
    let (_, code, trial) = measured("http://stock0:8080/stock", rest);
    assert_eq!((code, &trial["outcome"]), (1, &"invalid".into()), "{trial}");
    let judgement = &trial["findings"]["judgement"];
    assert_eq!(judgement["hypothesis"], "not_observed", "{trial}");
    assert!(
        error(&trial).contains("not observed: stock == 7"),
        "{trial}"
    );
}

#[test]
fn looks_without_a_value_leave_a_hypothesis_undecided() {
    // Some looks get no stock, and others do.
    let chaos = "{label: process_pause, duration_seconds: 10, steps: [{type: process_pause, targets: [stock0], for: 4s}, \
                 {type: process_pause, targets: [stock1], at: 6s, for: 2s}]}";
    let url = "http://stock0:8080/stock";
    let (_, code, trial) = measured_under(chaos, url, "expect: [stock == 7]");
    assert_eq!((code, &trial["outcome"]), (1, &"invalid".into()), "{trial}");
    let judgement = &trial["findings"]["judgement"];
    assert_eq!(judgement["hypothesis"], "inconclusive", "{trial}");
    assert!(error(&trial).contains("looks had no value"), "{trial}");
}

#[test]
fn a_metric_without_data_and_a_prometheus_that_is_not_there_end_a_trial_before_its_fault() {
    for (at, query, says) in [
        ("prometheus:9090", "nothing_of_this_name", "nothing < 1: "),
        ("stock1:9090", "up", "nothing < 1: "),
        ("prometheus:9090", "sum(", "metric `nothing`: "),
    ] {
        let shop = Shop::new();
        let words = shop.campaign(
            1,
            6,
            &format!(
                "experiment:\n  every: 500ms\n  warm_up: 2s\n  metrics:\n    \
                 nothing: {{promql: '{query}', at: '{at}', scrape_interval: 1s}}\n  expect: [nothing < 1]\n"
            ),
        );
        let ended = shop.run(&words);
        assert_eq!(ended.code(), 1, "{}", ended.said());
        let trial = shop.trial(1);
        assert_eq!(trial["outcome"], "environment", "{trial}");
        assert!(error(&trial).contains(says), "{trial}");
        shop.is_untouched();
    }
}

#[test]
fn mistakes_are_told_all_at_once_and_nothing_is_begun() {
    let shop = Shop::new();
    let words = shop.campaign(
        1,
        6,
        "workload: {http: {url: 'http://wep:8080/cart'}, rate: 0/s}\n\
         experiment:\n  every: 5s\n  metrics:\n    error_rate: {workload: error_rate}\n    \
         up: {promql: up, at: 'promtheus:9090'}\n  \
         expect: [error_rate < 10%, error_rate < 5ms, latency < 1]\n  abort: [error_rate > 5%]\n",
    );
    let ended = shop.run(&words);
    ended.refuses(&[
        "the rate is 0",
        "has no service `wep`; did you mean `web`?",
        "has no service `promtheus`; did you mean `prometheus`?",
        "latency",
        "5ms",
    ]);
    // Each with its place.
    assert!(
        ended.said().contains("campaign.yaml:5:"),
        "{}",
        ended.said()
    );
    let words = shop.campaign(
        1,
        6,
        "workload: {http: {url: 'http://web:8080/cart'}, rate: 5/s}\n\
         experiment:\n  every: 5s\n  metrics:\n    error_rate: {workload: error_rate}\n  \
         expect: [error_rate < 10%]\n  abort: [error_rate > 5%]\n",
    );
    shop.run(&words).refuses(&["error_rate > 5%"]);
    shop.is_clean();
}

#[test]
fn a_killed_experiment_is_reverted_and_has_not_passed() {
    let shop = Shop::new();
    let words = shop.campaign(
        1,
        600,
        &format!(
            "{WORKLOAD}experiment:\n  every: 500ms\n  warm_up: 2s\n  hold: 2s\n  \
             metrics: {{error_rate: {{workload: error_rate}}}}\n  expect: [error_rate < 50%]\n"
        ),
    );
    let mut command = shop.command(&words);
    command.env("DURESS_GUARDIAN", "2").process_group(0);
    let running = Running::of(&mut command);
    running.wait_for_change();
    assert!(shop.is_paused());
    running.signal_group("KILL");
    running.end();
    until_true("the stack is gone", || shop.program.left().is_empty());
    shop.program.json(&["recover"]);
    let trial = shop.trial(1);
    assert_eq!(trial["outcome"], "cancelled", "{trial}");
}

#[test]
fn a_dry_run_says_which_metrics_have_data_and_how_long_an_abort_takes() {
    let shop = Shop::new();
    let mut words = shop.campaign(
        1,
        60,
        &format!(
            "{WORKLOAD}experiment:\n  every: 5s\n  warm_up: 16s\n  \
             metrics:\n    nothing: {{promql: nothing_of_this_name, at: 'prometheus:9090'}}{ERROR_RATE}  \
             expect: [{{that: error_rate < 1%, no_data: ignore}}]\n  abort: [error_rate > 5%]\n"
        ),
    );
    words.push("--dry-run".to_owned());
    let ended = shop.run(&words);
    let said = format!("{}{}", ended.printed(), ended.said());
    assert_eq!(ended.code(), 0, "{said}");
    for line in [
        "looks had a value, lastly 0 %",
        "metric nothing: no data in",
        "abort error_rate > 5%: at most 10 s from the breach to the first revert",
        "scrape interval 1 s + range window 3 s + evaluation interval × 1 5 s + time limit of a look 1 s",
        "two evaluation intervals are 10 s",
    ] {
        assert!(said.contains(line), "it does not say `{line}`: {said}");
    }
    shop.is_clean();
}
