//! What a trial gives its metrics, and the metrics that only a trial answers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use duress_docker::Docker;
use duress_engine::Project;
use duress_experiment::{Metric, Sample, Source, Unit};
use duress_http::{Anywhere, Client};
use duress_metrics::{Clock, Context, Inside, Probe};
use serde_json::{Value, json};

/// A trial with a state and a workload of the test's own.
#[derive(Debug)]
struct Told;

#[async_trait]
impl Inside for Told {
    async fn state(&self) -> Result<Value, String> {
        Ok(json!({"members_healthy": 3, "leader": "etcd0"}))
    }

    fn workload(&self, measure: &str, window: Duration) -> Result<f64, String> {
        match measure {
            "p99" => Ok(window.as_secs_f64()),
            _ => Err("no operation\nhas ended yet".to_owned()),
        }
    }
}

pub async fn context(project: &str) -> Context {
    Context {
        engine: Arc::new(Docker::connect(None).await.unwrap()),
        project: Project(project.to_owned()),
        client: Anywhere::beside(&Client::new().unwrap()).unwrap(),
        clock: Clock::start(),
        inside: Arc::new(Told),
    }
}

/// The context of metrics that are not of any stack.
pub async fn nowhere() -> Context {
    context("duress-metrics-nowhere").await
}

pub fn probe(source: Source, timeout_ms: u64, context: &Context) -> Probe {
    let metric = Metric {
        name: "m".to_owned(),
        source,
        unit: Unit::Number,
        timeout_ms,
    };
    Probe::new(&metric, context).unwrap()
}

/// Returns a sample's value, or the reason for none, which is one line of harmless text.
pub fn value(sample: &Sample) -> Result<f64, String> {
    match &sample.value {
        Ok(value) => Ok(*value),
        Err(no_data) => {
            let reason = &no_data.reason;
            let is_short = reason.len() < 500 && !reason.contains(char::is_control);
            assert!(is_short && !reason.is_empty(), "{reason:?}");
            Err(reason.clone())
        }
    }
}

pub async fn look(source: Source, context: &Context) -> Result<f64, String> {
    value(&probe(source, 5_000, context).sample().await)
}

/// Asserts that a look found a reason instead of a value, with these words in it.
pub fn reason(value: Result<f64, String>, words: &[&str]) {
    let reason = value.expect_err("no value");
    for word in words {
        assert!(reason.contains(word), "`{word}` is not in: {reason}");
    }
}

#[tokio::test]
async fn a_trials_own_values_have_a_number_or_a_reason() {
    let context = nowhere().await;
    let state = |field: &str| Source::State {
        field: field.to_owned(),
    };
    assert_eq!(look(state("members_healthy"), &context).await, Ok(3.0));
    let none = look(state("members"), &context).await;
    reason(none, &["no metric `members`", "members_healthy"]);
    reason(look(state("leader"), &context).await, &["not a number"]);
    let workload = |measure: &str| Source::Workload {
        measure: measure.to_owned(),
        window_ms: 3_000,
    };
    assert_eq!(look(workload("p99"), &context).await, Ok(3.0));
    let none = look(workload("p50"), &context).await;
    reason(none, &["no operation has ended yet"]);
}
