//! Campaigns and manifests: from any text to a plan, or to mistakes that can be shown.

use std::collections::{BTreeMap, HashSet};
use std::sync::LazyLock;

use duress_campaign::{Catalog, Draft, Plan, Subject};
use duress_model::{Choice, FaultType};
use duress_plugin::{PluginManifest, SubjectManifest};
use duress_yaml::{Document, Invalid};
use serde_json::json;

/// More trials than this are laid out in no fuzzer's time.
const TRIALS: u32 = 2_000;

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    let fault = |name: &str, parameters| FaultType {
        plugin: "etcd".into(),
        name: name.into(),
        summary: String::new(),
        parameters,
        requires: Vec::new(),
        services: Vec::new(),
        choice: Choice::ByHost,
    };
    let latency = json!({
        "type": "object",
        "properties": {
            "delay_ms": { "type": "number", "minimum": 0, "maximum": 60000, "default": 100 },
            "to": { "type": "array", "items": { "type": "string" }, "x-duress": "destinations" },
        },
        "additionalProperties": false,
    });
    let subject = Subject {
        services: vec!["etcd0".into(), "etcd1".into()],
        faults: vec![
            fault("node_kill", json!({ "type": "object" })),
            fault("latency", latency),
        ],
        targets: Some(vec!["*".into()]),
        ..Subject::default()
    };
    Catalog {
        subjects: BTreeMap::from([("etcd".to_owned(), subject)]),
        ..Catalog::default()
    }
});

/// A campaign file.
pub fn campaign(bytes: &[u8]) {
    let Some(document) = document(bytes) else {
        return;
    };
    let mut resolved = Draft::new(document).resolve(&CATALOG);
    for number in 0..resolved.checks().len() {
        resolved.answer(number, Vec::new());
    }
    match resolved.finish() {
        Ok(plan) => check_plan(&plan),
        Err(invalid) => check_mistakes(&invalid),
    }
}

/// A subject's and a plugin's manifest.
pub fn manifest(bytes: &[u8]) {
    let Some(document) = document(bytes) else {
        return;
    };
    for problems in [
        document.interpret::<PluginManifest>().1,
        document.interpret::<SubjectManifest>().1,
    ] {
        if !problems.is_empty() {
            check_mistakes(&document.invalid(problems));
        }
    }
}

fn document(bytes: &[u8]) -> Option<Document> {
    let text = std::str::from_utf8(bytes).ok()?;
    match Document::parse("fuzz.yaml", text) {
        Ok(document) => Some(document),
        Err(invalid) => {
            check_mistakes(&invalid);
            None
        }
    }
}

/// Mistakes are told, in words.
fn check_mistakes(invalid: &Invalid) {
    assert!(!invalid.problems().is_empty());
    assert!(!invalid.render(false).trim().is_empty());
}

/// A plan is read again as it was written, which is what resuming it needs; its trials have names and seeds of their own.
fn check_plan(plan: &Plan) {
    let stored = serde_json::to_string(plan).unwrap();
    assert_eq!(&serde_json::from_str::<Plan>(&stored).unwrap(), plan);
    if plan.combinations.iter().map(|one| one.trials).sum::<u32>() > TRIALS {
        return;
    }
    let trials = plan.trials();
    assert!(!trials.is_empty());
    let names: HashSet<_> = trials.iter().map(|trial| &trial.name).collect();
    assert_eq!(names.len(), trials.len(), "two trials have one name");
    for trial in &trials {
        assert!(trial.seed < 1 << 53, "a seed that JSON cannot hold");
        assert!(trial.faults.is_sorted_by_key(|fault| fault.at_ms));
    }
}
