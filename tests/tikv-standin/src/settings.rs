//! What the real programs fix and tests shorten, from the environment.

use std::time::Duration;

/// How often a store tells PD that it lives. The real one: 10 s.
pub const HEARTBEAT: &str = "DURESS_STANDIN_HEARTBEAT_MS";
/// How long a store may be silent before it is `Disconnected`. The real one: 20 s.
pub const DISCONNECT: &str = "DURESS_STANDIN_DISCONNECT_MS";

/// Returns the interval of a store's heartbeats.
pub fn heartbeat() -> Duration {
    from(HEARTBEAT, 10_000)
}

/// Returns the silence after which a store is `Disconnected`.
pub fn disconnect() -> Duration {
    from(DISCONNECT, 20_000)
}

fn from(name: &str, default: u64) -> Duration {
    let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
    Duration::from_millis(set.filter(|ms| *ms > 0).unwrap_or(default))
}
