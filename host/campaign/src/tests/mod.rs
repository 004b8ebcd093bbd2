//! Campaigns against a small catalog.

use std::time::Duration;

use serde_json::json;

use super::*;
use duress_model::{Choice, FaultType, ParameterProblem};
use duress_yaml::Document;

mod mistakes;
mod plans;

/// Two subjects with three and two faults.
fn catalog() -> Catalog {
    let fault = |plugin: &str, name: &str, services: &[&str], parameters| FaultType {
        plugin: plugin.to_owned(),
        name: name.to_owned(),
        summary: String::new(),
        parameters,
        requires: Vec::new(),
        services: services.iter().map(|&service| service.to_owned()).collect(),
        choice: Choice::ByHost,
    };
    let none = json!({ "type": "object" });
    let latency = json!({
        "type": "object",
        "properties": {
            "min_ms": { "type": "integer", "minimum": 0, "maximum": 60000, "default": 50 },
            "max_ms": { "type": "integer", "minimum": 1, "maximum": 60000, "default": 150 },
        },
    });
    let fill = json!({
        "type": "object",
        "properties": {
            "fill_percent": {
                "type": "number", "minimum": 1, "maximum": 100,
                "description": "How much of what is available now, in percent.",
            },
        },
        "required": ["fill_percent"],
        "additionalProperties": false,
    });
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
    let tikv = Subject {
        services: names(&["pd0", "pd1", "pd2", "tikv0", "tikv1", "tikv2"]),
        faults: vec![
            fault("tikv", "node_kill", &["tikv*"], none.clone()),
            fault("tikv", "latency", &["tikv*"], latency.clone()),
            fault("tikv", "disk_pressure", &["tikv*"], fill),
            fault("faults", "latency", &[], latency),
        ],
        recovery_timeout: Some(Duration::from_secs(90)),
        ..Subject::default()
    };
    let closed = json!({ "type": "object", "additionalProperties": false });
    let partition = json!({
        "type": "object",
        "properties": {
            "to": { "type": "array", "items": { "type": "string" }, "x-duress": "destinations" },
        },
    });
    let alone =
        json!({ "type": "object", "x-duress-exclusive": { "what": "source of DNS answers" } });
    let rate = json!({
        "type": "object",
        "properties": { "interface": { "type": ["string", "null"] } },
        "x-duress-exclusive": { "what": "limit of its rate", "per": "interface" },
    });
    let etcd = Subject {
        services: names(&["etcd0", "etcd1", "etcd2"]),
        faults: vec![
            fault("etcd", "node_kill", &[], none),
            fault("etcd", "network_partition", &[], partition),
            fault("etcd", "process_pause", &[], closed),
            fault("faults", "dns_failure", &[], alone),
            fault("faults", "bandwidth", &[], rate),
        ],
        ..Subject::default()
    };
    Catalog {
        subjects: [("tikv".to_owned(), tikv), ("etcd".to_owned(), etcd)].into(),
        ..Catalog::default()
    }
}

/// Returns the file `campaign.yaml` of this text.
fn draft(text: &str) -> Draft {
    Draft::new(Document::parse("campaign.yaml", text).expect("the text is YAML"))
}

/// Returns what `tikv` and `faults` say of latency's parameters.
fn answers(check: &ParameterCheck) -> Vec<ParameterProblem> {
    let (min, max) = (
        &check.parameters.get("min_ms"),
        &check.parameters.get("max_ms"),
    );
    match (min.and_then(|v| v.as_u64()), max.and_then(|v| v.as_u64())) {
        (Some(min), Some(max)) if min > max => vec![ParameterProblem {
            pointer: "/min_ms".to_owned(),
            message: format!("is above max_ms ({max})"),
        }],
        _ => Vec::new(),
    }
}

fn plan_of(draft: Draft) -> Result<Plan, duress_yaml::Invalid> {
    let mut resolved = draft.resolve(&catalog());
    let answers: Vec<_> = resolved.checks().iter().map(answers).collect();
    for (index, problems) in answers.into_iter().enumerate() {
        resolved.answer(index, problems);
    }
    resolved.finish()
}

/// Returns what a person sees of a campaign that has mistakes.
fn seen(draft: Draft) -> String {
    match plan_of(draft) {
        Ok(plan) => panic!("this campaign has no mistakes: {plan:?}"),
        Err(invalid) => invalid.render(false),
    }
}
