//! Random inputs, and inputs that were right before they were spoilt.

use proptest::prelude::*;

use super::{cache, campaign, component, manifest, metadata, repository};

const CAMPAIGN: &str = include_str!("../../../campaigns/etcd-slow-then-dead.yaml");
const SUBJECT: &str = include_str!("../../../subjects/etcd/subject.yaml");
const PLUGIN: &str = include_str!("../../../plugins/etcd/plugin.yaml");

/// A piece of what may stand in such a text.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ \n:\\-{}\\[\\],&*!|>'\"#%@`]{1,4}",
        "\\PC{0,8}",
        "-?[0-9]{1,25}(\\.[0-9]{1,5})?(e[0-9]{1,3})?",
        proptest::sample::select(vec![
            "type: node_kill",
            "type: latency",
            "params: {}",
            "{delay_ms: 5}",
            "subjects: [etcd]",
            "trials: 0",
            "at: 5s",
            "for: -1s",
            "steps: []",
            "null",
            "true",
            ".inf",
            ".nan",
            "<<: *a",
            "&a",
            "? ",
            "\u{0}",
            "\u{feff}",
            "\u{202e}",
            "---",
            "...",
            "\t",
        ])
        .prop_map(str::to_owned),
    ]
}

/// A right text with a few pieces put in the place of others.
fn spoilt(right: &'static str) -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), 0_usize..12, piece());
    prop::collection::vec(edit, 1..5).prop_map(move |edits| {
        let mut text: Vec<char> = right.chars().collect();
        for (at, length, piece) in edits {
            let start = at.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, piece.chars());
        }
        text.into_iter().collect()
    })
}

/// Returns the same of bytes.
fn damaged(sound: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (
        any::<prop::sample::Index>(),
        0_usize..8,
        prop::collection::vec(any::<u8>(), 0..8),
    );
    prop::collection::vec(edit, 1..4).prop_map(move |edits| {
        let mut bytes = sound.clone();
        for (at, length, piece) in edits {
            let start = at.index(bytes.len() + 1);
            let end = (start + length).min(bytes.len());
            bytes.splice(start..end, piece);
        }
        bytes
    })
}

/// Anything that JSON can say.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
    ];
    let key = prop_oneof![
        "\\PC{0,8}",
        proptest::sample::select(vec!["changes", "chaos_type", "steps"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_campaign_or_has_mistakes(text in "(?s).{0,200}") {
        campaign(text.as_bytes());
    }

    #[test]
    fn a_spoilt_campaign_is_a_campaign_or_has_mistakes(text in spoilt(CAMPAIGN)) {
        campaign(text.as_bytes());
    }

    #[test]
    fn a_spoilt_manifest_is_a_manifest_or_has_mistakes(
        text in prop_oneof![spoilt(SUBJECT), spoilt(PLUGIN)],
    ) {
        manifest(text.as_bytes());
    }

    #[test]
    fn any_bytes_in_the_cache_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        cache(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_metadata_is_refused_in_words(value in json()) {
        metadata(value.to_string().as_bytes());
    }

    #[test]
    fn any_bytes_are_no_component(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        component(&bytes);
    }
}

proptest! {
    // Most of them are compiled whole.
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_component_is_refused_or_loaded(
        bytes in damaged(std::fs::read(repository().join("tests/noop/noop.wasm")).expect("`cargo xtask setup` builds it")),
    ) {
        component(&bytes);
    }
}
