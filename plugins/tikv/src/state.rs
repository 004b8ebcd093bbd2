//! The cluster's state as a document and as numbers.

use duress_sdk::{Error, Metric, Result, State};
use serde_json::{Value, json};

use crate::health::is_up;
use crate::pd::Store;
use crate::size;

/// Puts together what PD said. A size that cannot be read is an error: a guess would pass for a measurement.
pub(crate) fn build(leader: &str, stores: &[Store], regions: u64) -> Result<State> {
    let capacity = sizes(stores, |store| store.status.capacity.as_deref())?;
    let available = sizes(stores, |store| store.status.available.as_deref())?;
    let described: Vec<Value> = stores
        .iter()
        .zip(capacity.iter().zip(&available))
        .map(|(store, (capacity, available))| {
            json!({
                "id": store.store.id,
                "address": store.store.address,
                "health": store.store.state_name,
                "capacity_bytes": capacity,
                "available_bytes": available,
                "leader_count": store.status.leader_count,
                "region_count": store.status.region_count,
            })
        })
        .collect();
    let document = json!({
        "pd_leader": leader,
        "store_count": stores.len(),
        "region_count": regions,
        "stores": described,
    });
    let up = stores.iter().filter(|store| is_up(store)).count();
    let metric = |name: &str, value: u64, unit: &str| Metric {
        name: name.into(),
        value: value as f64,
        unit: unit.into(),
    };
    Ok(State {
        document: document.to_string(),
        metrics: vec![
            metric("store_count", stores.len() as u64, "1"),
            metric("stores_up", up as u64, "1"),
            metric("region_count", regions, "1"),
            metric("capacity_bytes", capacity.iter().flatten().sum(), "By"),
            metric("available_bytes", available.iter().flatten().sum(), "By"),
        ],
    })
}

fn sizes(stores: &[Store], text: impl Fn(&Store) -> Option<&str>) -> Result<Vec<Option<u64>>> {
    let parsed = stores.iter().map(|store| match text(store) {
        None => Ok(None),
        Some(text) => size::parse(text).map(Some).ok_or_else(|| {
            let address = &store.store.address;
            Error::Failed(format!(
                "PD returned `{text}` for {address}, which is not a size"
            ))
        }),
    });
    parsed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pd::tests::two_stores;

    #[test]
    fn counts_and_sizes_are_in_the_document_and_in_the_metrics() {
        let state = build("pd1", &two_stores(), 9).expect("a state");
        let document: Value = serde_json::from_str(&state.document).expect("JSON");
        assert_eq!(document["store_count"], 2);
        assert_eq!(document["region_count"], 9);
        assert_eq!(document["stores"][0]["capacity_bytes"], 195_u64 << 30);
        assert_eq!(document["stores"][1]["health"], "Down");
        assert_eq!(document["stores"][1]["capacity_bytes"], Value::Null);
        let metric = |name: &str| state.metrics.iter().find(|metric| metric.name == name);
        assert_eq!(metric("stores_up").map(|metric| metric.value), Some(1.0));
        assert_eq!(
            metric("capacity_bytes").map(|metric| metric.value),
            Some((195_u64 << 30) as f64)
        );
    }

    #[test]
    fn a_size_that_cannot_be_read_is_an_error() {
        let mut stores = two_stores();
        stores[0].status.available = Some("plenty".into());
        let error = build("pd1", &stores, 9).expect_err("no size");
        assert_eq!(
            error.text(),
            "PD returned `plenty` for tikv0:20160, which is not a size"
        );
    }
}
