//! A database in simulated time: everything is done on the calling thread, so that no clock runs ahead of it.
//!
//! What is posted is written with the next write, and lost with the process, as can happen in a real run.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use rusqlite::Connection;

use super::writer;
use super::writer::{batch, job};
use duress_model::Result;

/// What a simulated machine does at each write that somebody waits for.
#[async_trait]
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Before it. An error: nothing is written. One that never returns: the machine is dead.
    async fn before_write(&self) -> Result<()>;
    /// After it was made durable, and before anybody knows.
    async fn after_write(&self);
}

/// In the place of the writer's thread.
pub(super) struct Simulated {
    path: PathBuf,
    disk: Arc<dyn Disk>,
    inner: Mutex<Inner>,
}

struct Inner {
    connection: Connection,
    posted: Vec<writer::Job>,
}

impl Simulated {
    pub(super) fn new(connection: Connection, path: PathBuf, disk: Arc<dyn Disk>) -> Self {
        Self {
            path,
            disk,
            inner: Mutex::new(Inner {
                connection,
                posted: Vec::new(),
            }),
        }
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.disk.before_write().await?;
        let (sender, receiver) = std::sync::mpsc::channel();
        {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            let mut jobs = std::mem::take(&mut inner.posted);
            jobs.push(job(&self.path, what, work, move |result| {
                let _ = sender.send(result);
            }));
            batch(&mut inner.connection, jobs, &self.path);
        }
        let lost = |_| {
            Err(duress_model::Error::failed(format!(
                "{what}: it was not answered"
            )))
        };
        let result = receiver.try_recv().unwrap_or_else(lost);
        self.disk.after_write().await;
        result
    }

    pub(super) fn post(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .posted
            .push(job(&self.path, what, work, writer::unrecorded));
    }

    pub(super) fn note(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
        tell: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.posted.push(job(&self.path, what, work, tell));
    }

    pub(super) fn read<T>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        work(&inner.connection).map_err(|error| super::open::explain(&self.path, what, &error))
    }
}
