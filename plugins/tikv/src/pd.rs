//! PD's HTTP API, under `/pd/api/v1`: what its members say of themselves and of the stores.
//!
//! Any member answers for all, by its leader; so each is tried until one answers.

use duress_sdk::{Container, Error, Result, containers, http};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::settings::{DRIVERS, Settings};

/// `GET /stores`.
#[derive(Debug, Deserialize)]
struct Stores {
    #[serde(default)]
    stores: Vec<Store>,
}

/// One store.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Store {
    pub(crate) store: Identity,
    #[serde(default)]
    pub(crate) status: Status,
}

/// Who it is, and whether PD hears from it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Identity {
    pub(crate) id: u64,
    pub(crate) address: String,
    /// `Up`, `Disconnected`, `Down`, `Offline` or `Tombstone`.
    pub(crate) state_name: String,
}

/// What it said last; all of it is absent until it has said something.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    /// A size as text, e.g. `195GiB`.
    pub(crate) capacity: Option<String>,
    /// As `capacity`.
    pub(crate) available: Option<String>,
    pub(crate) leader_count: u64,
    pub(crate) region_count: u64,
}

/// A member, from `GET /leader`.
#[derive(Debug, Deserialize)]
struct Member {
    name: String,
}

/// `GET /stats/region`.
#[derive(Debug, Deserialize)]
struct Regions {
    count: u64,
}

/// Returns the stores.
pub(crate) fn stores(settings: &Settings) -> Result<Vec<Store>> {
    let answer: Stores = ask(settings, "stores")?;
    Ok(answer.stores)
}

/// Returns the name of PD's leader. Without one, that is the error.
pub(crate) fn leader(settings: &Settings) -> Result<String> {
    let answer: Member = ask(settings, "leader")?;
    Ok(answer.name)
}

/// Returns how many regions there are, replicas not counted.
pub(crate) fn region_count(settings: &Settings) -> Result<u64> {
    let answer: Regions = ask(settings, "stats/region")?;
    Ok(answer.count)
}

fn ask<T: DeserializeOwned>(settings: &Settings, path: &str) -> Result<T> {
    let stack = containers::list()?;
    let drivers = containers::of_services(&stack, DRIVERS);
    first_answer(drivers, |driver| {
        let url = format!(
            "http://{}:{}/pd/api/v1/{path}",
            driver.name, settings.pd_port
        );
        http::get_json(&url, settings.request_timeout())
    })
}

/// Returns the first response, or why none of them responded.
fn first_answer<'a, T>(
    drivers: impl Iterator<Item = &'a Container>,
    ask: impl Fn(&Container) -> Result<T>,
) -> Result<T> {
    let mut reasons = Vec::new();
    for driver in drivers {
        match ask(driver) {
            Err(error) if error.is_final() => return Err(error),
            Err(error) => reasons.push(error.text()),
            answer => return answer,
        }
    }
    if reasons.is_empty() {
        reasons.push("the stack has none".into());
    }
    Err(Error::Unavailable(format!(
        "no placement driver answers: {}",
        reasons.join("; ")
    )))
}

#[cfg(test)]
pub(crate) mod tests {
    use duress_sdk::bindings::duress::plugin::containers::{Health, State};

    use super::*;

    /// As PD writes it, shortened.
    const ANSWER: &str = r#"{"count":2,"stores":[
        {"store":{"id":1,"address":"tikv0:20160","version":"8.5.0","state_name":"Up"},
         "status":{"capacity":"195GiB","available":"183.1 GiB","leader_count":1,"region_count":2,"start_ts":"2021-05-26T06:44:17Z"}},
        {"store":{"id":4,"address":"tikv1:20160","state_name":"Down"},"status":{}}]}"#;

    pub(crate) fn two_stores() -> Vec<Store> {
        let answer: Stores = serde_json::from_str(ANSWER).expect("an answer");
        answer.stores
    }

    fn driver(name: &str) -> Container {
        Container {
            name: name.into(),
            service: name.into(),
            state: State::Running,
            health: Health::None,
            addresses: Vec::new(),
            targetable: false,
        }
    }

    #[test]
    fn stores_are_read_and_a_silent_one_has_no_sizes() {
        let stores = two_stores();
        assert_eq!(stores[0].status.capacity.as_deref(), Some("195GiB"));
        assert_eq!(stores[1].store.state_name, "Down");
        assert_eq!(stores[1].status.capacity, None);
    }

    #[test]
    fn the_next_one_is_tried_when_one_does_not_answer() {
        let drivers = [driver("pd0"), driver("pd1")];
        let answer = first_answer(drivers.iter(), |driver| match driver.name.as_str() {
            "pd0" => Err(Error::Unavailable("refused".into())),
            name => Ok(name.to_owned()),
        });
        assert_eq!(answer.as_deref(), Ok("pd1"));
    }

    #[test]
    fn without_an_answer_every_reason_is_told() {
        let drivers = [driver("pd0"), driver("pd1")];
        let answer: Result<()> = first_answer(drivers.iter(), |driver| {
            Err(Error::Failed(format!("{} no leader", driver.name)))
        });
        let text = answer.expect_err("no answer").text();
        assert_eq!(
            text,
            "no placement driver answers: pd0 no leader; pd1 no leader"
        );
    }
}
