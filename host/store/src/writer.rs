//! The one thread that writes. Whatever waits is written in one transaction, so that many trials share one wait for the disk.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::open::explain;
use duress_model::{Error, Result};

/// How many writes may wait. Who posts more waits for the thread, which never waits for anybody.
const QUEUE: usize = 4_096;
/// The most writes of one transaction.
const BATCH: usize = 512;

/// Told whether the transaction was committed.
type Deliver = Box<dyn FnOnce(Result<()>) + Send>;
/// Called with the transaction, or why there isn't one.
pub(super) type Job = Box<dyn FnOnce(Result<&mut Transaction<'_>>) -> Deliver + Send>;

enum Message {
    Job(Job),
    Checkpoint,
    /// Write everything into a new file, and return the result.
    Save(PathBuf, oneshot::Sender<rusqlite::Result<()>>),
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
        self.send(Message::Job(job(&self.path, what, work, |result| {
            // The caller may be gone.
            let _ = sender.send(result);
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
        self.send(Message::Job(job(&self.path, what, work, unrecorded)));
    }

    /// Writes, in order, without ever waiting: not even for room in the queue. The caller receives the result.
    pub(super) fn note(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
        tell: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        if let Some(queue) = &self.queue {
            // If the queue is full, `tell` is dropped, which the caller sees.
            let _ = queue.try_send(Message::Job(job(&self.path, what, work, tell)));
        }
    }

    /// Writes everything into a new file.
    pub(super) async fn save_to(&self, to: &Path) -> Result<()> {
        let (sender, told) = oneshot::channel();
        self.send(Message::Save(to.to_owned(), sender));
        match told.await {
            Ok(saved) => saved.map_err(|error| explain(to, "save", &error)),
            Err(_) => Err(Error::failed("save: the database's thread has ended")),
        }
    }

    pub(super) fn checkpoint(&self) {
        self.send(Message::Checkpoint);
    }

    fn send(&self, message: Message) {
        // It lives until this is dropped, and the thread outlives it.
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

/// Nobody waits for what was posted.
pub(super) fn unrecorded(result: Result<()>) {
    if let Err(error) = result {
        tracing::warn!("not recorded: {error}");
    }
}

/// One write, and whom to return the result.
pub(super) fn job<T: Send + 'static>(
    path: &Path,
    what: &'static str,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    tell: impl FnOnce(Result<T>) + Send + 'static,
) -> Job {
    let path = path.to_owned();
    Box::new(move |transaction| {
        let result = transaction.and_then(|transaction| {
            apart(transaction, work).map_err(|error| explain(&path, what, &error))
        });
        Box::new(move |committed| tell(committed.and(result)))
    })
}

fn work(mut connection: Connection, messages: &Receiver<Message>, path: &Path) {
    let mut jobs = Vec::new();
    while let Ok(first) = messages.recv() {
        let mut message = Some(first);
        let mut checkpoint = false;
        let mut save = None;
        while let Some(one) = message.take() {
            match one {
                Message::Job(job) => jobs.push(job),
                Message::Checkpoint => checkpoint = true,
                Message::Save(to, sender) => save = Some((to, sender)),
            }
            if jobs.len() < BATCH && !checkpoint && save.is_none() {
                message = messages.try_recv().ok();
            }
        }
        batch(&mut connection, std::mem::take(&mut jobs), path);
        if checkpoint {
            fold(&connection);
        }
        if let Some((to, sender)) = save {
            let to = to.display().to_string();
            let saved = connection.execute("VACUUM INTO ?", [to]).map(drop);
            // The caller may be gone.
            let _ = sender.send(saved);
        }
    }
}

/// Writes these jobs in one transaction, and sends each its result.
pub(super) fn batch(connection: &mut Connection, jobs: Vec<Job>, path: &Path) {
    if jobs.is_empty() {
        return;
    }
    // What was met in one place of the file may be anywhere in it: nothing more is written.
    if let Err(error) = super::damage::refuse(path) {
        for job in jobs {
            job(Err(error.clone()))(Ok(()));
        }
        return;
    }
    let begun = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| explain(path, "begin", &error));
    let (deliveries, committed): (Vec<_>, _) = match begun {
        Ok(mut transaction) => {
            let deliveries = jobs
                .into_iter()
                .map(|job| job(Ok(&mut transaction)))
                .collect();
            let committed = transaction
                .commit()
                .map_err(|error| explain(path, "commit", &error));
            (deliveries, committed)
        }
        // No job may run outside a transaction.
        Err(error) => {
            let deliveries = jobs.into_iter().map(|job| job(Err(error.clone())));
            (deliveries.collect(), Ok(()))
        }
    };
    for deliver in deliveries {
        deliver(committed.clone());
    }
}

/// Runs one write so that its failure harms no other of the same transaction.
fn apart<T>(
    transaction: &mut Transaction<'_>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let savepoint = transaction.savepoint()?;
    let value = work(&savepoint)?;
    savepoint.commit()?;
    Ok(value)
}

/// Folds the log into the file. Others may be reading; then it happens another time.
pub(super) fn fold(connection: &Connection) {
    let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
}
