//! Where the containers of one stack are reached, without asking the engine for each of many connections.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::{Container, Engine, EngineError, EngineResult, Project};

/// How long an address is used before the engine is asked again.
const FRESH: Duration = Duration::from_secs(1);
/// How long it is used when a connection to it did not succeed, or none was found: what is restarted has another one soon.
const DOUBTFUL: Duration = Duration::from_millis(100);
/// How long an address is used while the engine does not answer.
const STALE: Duration = Duration::from_secs(10);
/// The most places that are remembered: a port of each of a thousand containers.
const PLACES: usize = 1_000;

/// A port of a container, and where it is reached.
#[derive(Debug, Clone)]
pub struct Place {
    /// The container, as it was when the engine was asked.
    pub container: Container,
    /// The address of the port.
    pub address: SocketAddr,
}

/// The addresses of one stack's containers. The engine is asked once a second for each place in use, beside those who use it. So for
/// about a second, an address may be used that the container has no more.
#[derive(Debug, Clone)]
pub struct AddressBook(Arc<Book>);

#[derive(Debug)]
struct Book {
    engine: Arc<dyn Engine>,
    project: Project,
    containers: Arc<Slot<Vec<Container>>>,
    places: Mutex<HashMap<(String, u16), PlaceSlot>>,
}

/// What is known of one place; no place if no container has that name.
type PlaceSlot = Arc<Slot<Option<Place>>>;

/// What is known of one thing.
#[derive(Debug)]
struct Slot<T> {
    known: watch::Sender<Option<Known<T>>>,
    state: Mutex<Asking>,
}

#[derive(Debug, Default)]
struct Asking {
    under_way: bool,
    doubtful: bool,
}

/// An answer of the engine.
#[derive(Debug, Clone)]
struct Known<T> {
    at: Instant,
    answer: EngineResult<T>,
}

impl AddressBook {
    /// An empty one for a stack.
    pub fn new(engine: Arc<dyn Engine>, project: Project) -> Self {
        Self(Arc::new(Book {
            engine,
            project,
            containers: Arc::new(Slot::new()),
            places: Mutex::default(),
        }))
    }

    /// Returns the stack whose containers it knows.
    pub fn project(&self) -> &Project {
        &self.0.project
    }

    /// Returns the engine that it asks.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.0.engine
    }

    /// Returns the containers of the stack, by name.
    ///
    /// # Errors
    /// What the engine says.
    pub async fn containers(&self) -> EngineResult<Vec<Container>> {
        let book = Arc::clone(&self.0);
        let ask = async move || book.engine.containers(&book.project).await;
        self.0.containers.get(ask).await
    }

    /// Returns where a port of a container is reached; `None` if no container of the stack has that name.
    ///
    /// # Errors
    /// What the engine says, e.g. that the container does not run.
    pub async fn place(&self, container: &str, port: u16) -> EngineResult<Option<Place>> {
        let (book, name) = (Arc::clone(&self.0), container.to_owned());
        let ask = async move || book.ask(&name, port).await;
        self.slot(container, port).get(ask).await
    }

    /// Says that a connection to a place did not succeed: the engine is asked again soon.
    pub fn doubt(&self, container: &str, port: u16) {
        self.slot(container, port).asking().doubtful = true;
    }

    fn slot(&self, container: &str, port: u16) -> PlaceSlot {
        let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = places.get(&(container.to_owned(), port)) {
            return Arc::clone(slot);
        }
        if places.len() >= PLACES {
            places.clear();
        }
        let slot = Arc::new(Slot::new());
        places.insert((container.to_owned(), port), Arc::clone(&slot));
        slot
    }
}

impl Book {
    async fn ask(&self, name: &str, port: u16) -> EngineResult<Option<Place>> {
        let containers = self.engine.containers(&self.project).await?;
        let Some(container) = containers.into_iter().find(|one| one.name == name) else {
            return Ok(None);
        };
        let address = self.engine.endpoint(&container.id, port).await?;
        Ok(Some(Place { container, address }))
    }
}

impl<T: Clone + Send + Sync + 'static> Slot<T> {
    fn new() -> Self {
        Self {
            known: watch::Sender::new(None),
            state: Mutex::default(),
        }
    }

    fn asking(&self) -> MutexGuard<'_, Asking> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known, and waits only where nothing is.
    async fn get<W>(self: &Arc<Self>, ask: impl FnOnce() -> W + Send + 'static) -> EngineResult<T>
    where
        W: Future<Output = EngineResult<T>> + Send + 'static,
    {
        let mut answers = self.known.subscribe();
        self.ask_if_due(ask);
        let known = answers
            .wait_for(|known| {
                known
                    .as_ref()
                    .is_some_and(|known| known.at.elapsed() < STALE)
            })
            .await;
        // The sender is in the slot, which is held here.
        known
            .ok()
            .and_then(|known| known.as_ref().map(|known| known.answer.clone()))
            .unwrap_or_else(|| Err(EngineError::Failed("no answer from the engine".into())))
    }

    /// Asks the engine, in a task of its own, unless what is known is fresh.
    fn ask_if_due<W>(self: &Arc<Self>, ask: impl FnOnce() -> W + Send + 'static)
    where
        W: Future<Output = EngineResult<T>> + Send + 'static,
    {
        let mut state = self.asking();
        let is_due = match &*self.known.borrow() {
            None => true,
            Some(known) => {
                let is_settled = known.answer.is_ok() && !state.doubtful;
                known.at.elapsed() >= if is_settled { FRESH } else { DOUBTFUL }
            }
        };
        if state.under_way || !is_due {
            return;
        }
        state.under_way = true;
        state.doubtful = false;
        let slot = Arc::clone(self);
        tokio::spawn(async move {
            let end = EndOfAsking(slot);
            let answer = ask().await;
            end.0.known.send_replace(Some(Known {
                at: Instant::now(),
                answer,
            }));
        });
    }
}

/// Ends the asking, also when it panics.
struct EndOfAsking<T: Clone + Send + Sync + 'static>(Arc<Slot<T>>);

impl<T: Clone + Send + Sync + 'static> Drop for EndOfAsking<T> {
    fn drop(&mut self) {
        self.0.asking().under_way = false;
    }
}
