//! The one thread that writes. Whatever waits is written in one transaction, so that many trials share one wait for the disk.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::open::explain;
use crate::{Error, Result};

/// How many writes may wait. Who posts more waits for the thread, which never waits for anybody.
const QUEUE: usize = 4_096;
/// The most writes of one transaction.
const BATCH: usize = 512;

/// Told whether the transaction was committed.
type Deliver = Box<dyn FnOnce(Result<()>) + Send>;
type Job = Box<dyn FnOnce(&mut Transaction<'_>) -> Deliver + Send>;

enum Message {
    Job(Job),
    Checkpoint,
}

/// The thread's other end. The thread ends when this is dropped and all is written.
pub(super) struct Writer {
    queue: Option<SyncSender<Message>>,
    thread: Option<std::thread::JoinHandle<()>>,
    path: PathBuf,
}

impl Writer {
    pub(super) fn start(connection: Connection, path: PathBuf) -> Result<Self> {
        let (queue, messages) = sync_channel(QUEUE);
        let file = path.clone();
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || work(connection, &messages, &file))
            .map_err(|error| Error::environment(format!("start the database's thread: {error}")))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            path,
        })
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        let path = self.path.clone();
        self.send(Message::Job(Box::new(move |transaction| {
            let result = apart(transaction, work).map_err(|error| explain(&path, what, &error));
            Box::new(move |committed: Result<()>| {
                // Whoever asked may have gone.
                let _ = sender.send(committed.and(result));
            })
        })));
        let lost = || {
            Err(Error::failed(format!(
                "{what}: the database's thread has ended"
            )))
        };
        receiver.await.unwrap_or_else(|_| lost())
    }

    pub(super) fn post(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) {
        let path = self.path.clone();
        self.send(Message::Job(Box::new(move |transaction| {
            let result = apart(transaction, work).map_err(|error| explain(&path, what, &error));
            Box::new(move |committed: Result<()>| {
                if let Err(error) = committed.and(result) {
                    tracing::warn!("not recorded: {error}");
                }
            })
        })));
    }

    pub(super) fn checkpoint(&self) {
        self.send(Message::Checkpoint);
    }

    fn send(&self, message: Message) {
        // It is there until this is dropped, and the thread outlives it.
        if let Some(queue) = &self.queue {
            let _ = queue.send(message);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already, and everyone who waited was told.
            let _ = thread.join();
        }
    }
}

fn work(mut connection: Connection, messages: &Receiver<Message>, path: &Path) {
    while let Ok(message) = messages.recv() {
        match message {
            Message::Checkpoint => fold(&connection),
            Message::Job(first) => {
                let checkpoint = batch(&mut connection, first, messages, path);
                if checkpoint {
                    fold(&connection);
                }
            }
        }
    }
}

/// Write one job and all that wait, commit, and tell them. Whether a checkpoint was asked for meanwhile.
fn batch(
    connection: &mut Connection,
    first: Job,
    messages: &Receiver<Message>,
    path: &Path,
) -> bool {
    let begun = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let mut transaction = match begun {
        Ok(transaction) => transaction,
        Err(error) => {
            // No job may run outside a transaction; its sender's channel closes, and for a post there is this line.
            tracing::warn!("not recorded: {}", explain(path, "begin", &error));
            return false;
        }
    };
    let mut deliveries = vec![first(&mut transaction)];
    let mut checkpoint = false;
    while deliveries.len() < BATCH {
        match messages.try_recv() {
            Ok(Message::Job(job)) => deliveries.push(job(&mut transaction)),
            Ok(Message::Checkpoint) => {
                checkpoint = true;
                break;
            }
            Err(_) => break,
        }
    }
    let committed = transaction
        .commit()
        .map_err(|error| explain(path, "commit", &error));
    for deliver in deliveries {
        deliver(committed.clone());
    }
    checkpoint
}

/// Run one write so that its failure harms no other of the same transaction.
fn apart<T>(
    transaction: &mut Transaction<'_>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let savepoint = transaction.savepoint()?;
    let value = work(&savepoint)?;
    savepoint.commit()?;
    Ok(value)
}

/// Fold the log into the file. Others may be reading; then it happens another time.
fn fold(connection: &Connection) {
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
}
