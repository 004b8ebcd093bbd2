//! Whole files: plans, and mistakes as people see them.

use duress_yaml::Document;
use insta::assert_snapshot;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{Experiment, Known, Plan, Workload, check};

/// A file with nothing but the two keys.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "read for its form")]
    workload: Option<Workload>,
    #[expect(dead_code, reason = "read for its form")]
    experiment: Option<Experiment>,
}

pub(super) fn known() -> Known {
    Known {
        services: vec![(
            "shop".into(),
            vec!["web".into(), "db".into(), "prometheus".into()],
        )],
        operations: vec![("shop".into(), vec!["put".into(), "get".into()])],
    }
}

fn read(text: &str) -> Result<Plan, String> {
    let document = Document::parse("experiment.yaml", text).map_err(|e| e.render(false))?;
    let (_, mut problems) = document.interpret::<File>();
    let (plan, more) = check(&document, "/workload", "/experiment", &known());
    problems.extend(more);
    match plan {
        Some(plan) if problems.is_empty() => Ok(plan),
        _ => Err(document.invalid(problems).render(false)),
    }
}

/// Returns the plan of a file without mistakes.
pub(super) fn plan(text: &str) -> Plan {
    read(text).unwrap_or_else(|problems| panic!("{problems}"))
}

fn mistakes(text: &str) -> String {
    read(text).expect_err("this has mistakes")
}

pub(super) const FULL: &str = r#"
workload:
  http: {url: "http://web:8080/cart", rate: 50/s, timeout: 2s}
experiment:
  every: 2s
  warm_up: 30s
  recover_within: 60s
  hold: 10s
  metrics:
    p99:        {promql: "histogram_quantile(0.99, rate(x_bucket[5s]))", at: "prometheus:9090", unit: s, scrape_interval: 1s}
    error_rate: {workload: error_rate}
    up:         {state: members_healthy}
    queue:      {http: "http://web:2379/x", path: "$.depth"}
    writes:     {command: [probe], in: db, parse: number}
    memory:     {container: memory, of: web}
  expect:
    - p99 < 200ms
    - up >= 2
    - memory < 1.5GiB
    - {that: p99 < baseline * 3, allow: 3 of 30, no_data: inconclusive}
  abort:
    - {that: error_rate > 5%, no_data: breach}
    - up < 1
  on_abort: continue
"#;

#[test]
fn a_full_experiment_becomes_a_plan() {
    let plan = plan(FULL);
    let json = serde_json::to_string_pretty(&plan).expect("JSON");
    assert_eq!(serde_json::from_str::<Plan>(&json).expect("a plan"), plan);
    assert_snapshot!(json);
    let bounds: Vec<_> = plan
        .abort_bounds()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_snapshot!(bounds.join("\n"));
}

#[test]
fn a_workload_may_stand_alone() {
    let plan = plan("workload: {plugin: {put: 80%, get: 20%}, rate: 500/s, connections: 20}");
    assert_snapshot!(serde_json::to_string_pretty(&plan.load).expect("JSON"));
    assert_eq!(plan.metrics, []);
}

#[test]
fn without_the_keys_there_is_no_plan_and_no_mistake() {
    let document = Document::parse("experiment.yaml", "{}").expect("YAML");
    assert_eq!(
        check(&document, "/workload", "/experiment", &known()),
        (None, vec![])
    );
}

#[test]
fn every_mistake_of_metrics_at_once() {
    assert_snapshot!(mistakes(
        r#"
experiment:
  warm_up: 10s
  metrics:
    p99: {promql: "rate(x[1m])", at: "prometheus:9090"}
    p50: {promql: "rate(x[$i])", at: "prometheus:9090"}
    p90: {promql: up}
    both: {http: "http://web/x", state: up}
    none: {unit: s}
    baseline: {state: up}
    9lives: {state: up}
    error_rate: {workload: error_rate}
    writes: {command: [probe]}
    reads: {command: [probe], in: bd}
    ftp: {http: "ftp://web/x", path: "$.a", pattern: "(.*)"}
    memory: {container: memory, of: wbe, unit: s}
    slow: {state: up, timeout: 5s}
    odd: {state: up, path: "$.x"}
    at: {promql: up, at: "web:9090/x y"}
"#
    ));
}

#[test]
fn every_mistake_of_conditions_at_once() {
    assert_snapshot!(mistakes(
        r#"
workload: {plugin: {put: 100%}, rate: 10/s}
experiment:
  metrics:
    p99: {workload: p99}
    error_rate: {workload: error_rate}
    up: {state: members_healthy}
    memory: {container: memory}
  expect:
    - p98 < 200ms
    - p99 < 200
    - "p99 < 200MiB"
    - up < 2s
    - error_rate < 120%
    - error_rate > 100%
    - up >= -1
    - {that: p99 < baseline * 0.5}
    - {that: p99 == baseline}
    - {that: p99 < 1s, allow: 30 of 30}
    - {that: p99 < 2s, allow: 1 of 0}
    - memory < 1GiB
    - memory > 2GiB
    - memory < 1024MiB
"#
    ));
}

#[test]
fn every_mistake_of_aborts_at_once() {
    assert_snapshot!(mistakes(
        r#"
workload: {plugin: {put: 100%}, rate: 10/s}
experiment:
  every: 4s
  metrics:
    p99: {workload: p99}
    error_rate: {workload: error_rate}
    up: {state: members_healthy}
    slow: {promql: "rate(x[5s])", at: "prometheus:9090"}
  expect:
    - error_rate < 2%
    - up >= 2
    - p99 < 300ms
  abort:
    - error_rate > 1%
    - error_rate < 5%
    - up < 3
    - p99 > baseline * 5
    - eror_rate > 5%
    - error_rate > 100%
    - {that: p99 > 1s, after: 2}
    - slow > 3
"#
    ));
}

#[test]
fn a_stricter_abort_fits_its_hypothesis() {
    for (expect, abort) in [
        ("error_rate < 2%", "error_rate > 5%"),
        ("error_rate < 2%", "error_rate >= 2%"),
        ("up >= 2", "up < 2"),
        ("up >= 2", "up < 1"),
        ("up == 3", "up < 3"),
    ] {
        plan(&format!(
            "workload: {{plugin: {{put: 100%}}, rate: 1/s}}\nexperiment: {{every: 4s, metrics: {{error_rate: {{workload: error_rate}}, \
             up: {{state: up}}}}, expect: [{expect}], abort: [{abort}]}}"
        ));
    }
    for (expect, abort) in [
        ("error_rate < 2%", "error_rate > 1.9%"),
        ("error_rate <= 2%", "error_rate >= 2%"),
    ] {
        let seen = mistakes(&format!(
            "workload: {{plugin: {{put: 100%}}, rate: 1/s}}\nexperiment: {{every: 4s, metrics: {{error_rate: {{workload: error_rate}}}}, \
             expect: [{expect}], abort: [{abort}]}}"
        ));
        assert!(seen.contains("while the hypothesis"), "{seen}");
    }
}

#[test]
fn a_long_lag_must_be_accepted() {
    let text = |lag: &str| {
        format!(
            "experiment: {{every: 1s, metrics: {{up: {{state: up}}}}, abort: [{{that: up < 1, after: 2}}]{lag}}}"
        )
    };
    let seen = mistakes(&text(""));
    assert!(
        seen.contains("may take 3 s = 2 s evaluation interval × 2 + 1 s time limit of a look"),
        "{seen}"
    );
    assert!(plan(&text(", lag: accepted")).abort_bounds()[0].exceeds());
}

#[test]
fn mistakes_of_workloads_and_times() {
    assert_snapshot!(mistakes("workload: {}\nexperiment: {metrics: {}}\n"));
    assert_snapshot!(mistakes(
        r#"
workload:
  http:
    url: "http://user:secret@web:8080/"
    method: get
    headers: {"a b": "x", "x": "a\nb"}
    rate: 0/s
  rate: 5/s
experiment:
  every: 10ms
  warm_up: 0s
  hold: 2m
  recover_within: 1m
  metrics: {up: {state: up}}
  lag: accepted
  on_abort: stop
"#
    ));
    assert_snapshot!(mistakes(
        "workload: {plugin: {put: 80%, gte: 30%, x: 0%}, rate: 1000000/s, timeout: 1h, http: 3}\n"
    ));
    assert_snapshot!(mistakes(
        "workload: {plugin: {put: 80%, get: 30%}, rate: 1000000/s, timeout: 1h}\n"
    ));
}
