//! Whether the cluster does its work: PD has a leader, and as many stores are `Up` as there should be.

use duress_sdk::{HealthReport, Result};

use crate::pd::Store;

/// Judges PD's answers: its leader, and the stores.
pub(crate) fn judge(answers: Result<(String, Vec<Store>)>, wanted: usize) -> HealthReport {
    let (leader, stores) = match answers {
        Ok(answers) => answers,
        Err(error) => {
            return HealthReport {
                healthy: false,
                detail: error.text(),
            };
        }
    };
    let up = stores.iter().filter(|store| is_up(store)).count();
    let mut detail = format!("{up} of {wanted} stores are Up");
    for store in stores.iter().filter(|store| !is_up(store)) {
        let identity = &store.store;
        detail.push_str(&format!(
            ", {} is {}",
            identity.address, identity.state_name
        ));
    }
    let healthy = up == wanted && up == stores.len();
    if healthy {
        detail.push_str(&format!(", {leader} leads"));
    }
    HealthReport { healthy, detail }
}

pub(crate) fn is_up(store: &Store) -> bool {
    store.store.state_name == "Up"
}

#[cfg(test)]
mod tests {
    use duress_sdk::Error;

    use super::*;
    use crate::pd::tests::two_stores;

    #[test]
    fn a_store_that_is_not_up_is_named() {
        let report = judge(Ok(("pd0".into(), two_stores())), 2);
        assert!(!report.healthy);
        assert_eq!(report.detail, "1 of 2 stores are Up, tikv1:20160 is Down");
    }

    #[test]
    fn enough_stores_up_is_healthy() {
        let stores = two_stores()[..1].to_vec();
        let report = judge(Ok(("pd0".into(), stores)), 1);
        assert!(report.healthy);
        assert_eq!(report.detail, "1 of 1 stores are Up, pd0 leads");
    }

    #[test]
    fn too_few_stores_are_not_healthy() {
        assert!(!judge(Ok(("pd0".into(), Vec::new())), 3).healthy);
    }

    #[test]
    fn without_an_answer_the_reason_is_the_detail() {
        let report = judge(Err(Error::Unavailable("no leader".into())), 3);
        assert_eq!(
            (report.healthy, report.detail.as_str()),
            (false, "no leader")
        );
    }
}
