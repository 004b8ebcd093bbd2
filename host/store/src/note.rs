//! Writes that nobody waits for while they are made, and whose end can be waited for later.

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Access, Store};
use duress_model::{Error, Result};

/// A write that stands in the order of all writes. Dropping it does not take it out.
#[derive(Debug)]
pub struct PendingNote {
    store: Store,
    what: &'static str,
    told: oneshot::Receiver<Result<()>>,
}

impl PendingNote {
    /// Waits until it is durable.
    ///
    /// # Errors
    /// When it could not be written.
    pub async fn written(mut self) -> Result<()> {
        if let Access::Simulated(_) = &self.store.0.access {
            let told = match self.told.try_recv() {
                // Posted writes are made with the next one there.
                Err(oneshot::error::TryRecvError::Empty) => {
                    self.store.flush().await?;
                    self.told.try_recv()
                }
                told => told,
            };
            return told.unwrap_or_else(|_| Err(Error::failed("it was not written")));
        }
        let lost = || {
            Err(Error::failed(format!(
                "{}: too many writes wait for the database",
                self.what
            )))
        };
        self.told.await.unwrap_or_else(|_| lost())
    }
}

impl Store {
    /// Waits until everything that was written before is durable.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn flush(&self) -> Result<()> {
        self.write("flush", |_| Ok(())).await
    }

    /// Writes, in order, without ever waiting.
    pub(super) fn note(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> PendingNote {
        let (sender, told) = oneshot::channel();
        let tell = |result: Result<()>| {
            if let Err(Err(error)) = sender.send(result) {
                tracing::warn!("not recorded: {error}");
            }
        };
        match &self.0.access {
            Access::Threads(writer) => writer.note(what, work, tell),
            Access::Simulated(simulated) => simulated.note(what, work, tell),
        }
        PendingNote {
            store: self.clone(),
            what,
            told,
        }
    }
}
