//! Whether a fault of the network met any packet: one that met none has shown nothing.

use super::{Failed, Run};
use duress_capability::Changes;
use duress_model::{Error, Outcome};

impl Run<'_> {
    /// Counts the packets that a fault's changes met, while they are in force. A fault whose changes met none is noted.
    pub(super) async fn count_packets(&mut self, fault: usize, changes: &[String]) {
        let Changes::Made(journal) = &self.scope.changes else {
            return;
        };
        if journal.packets(changes).await == Some(0) {
            let name = self.trial.faults[fault].1.name.clone();
            self.without_traffic.push(name);
        }
    }

    /// A fault that met no packet proves nothing.
    pub(super) fn check_traffic(&self) -> Result<(), Failed> {
        if self.without_traffic.is_empty() {
            return Ok(());
        }
        let names = self.without_traffic.join("`, `");
        Err(Failed::new(
            Outcome::Invalid,
            Error::failed(format!(
                "`{names}` was in force and met no packet, so nothing shows that it had an effect"
            ))
            .hint("put traffic on the link while the fault holds, or name another interface, service or port"),
        ))
    }
}
