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
    places: Mutex<HashMap<(String, u16), Arc<Slot>>>,
}

/// What is known of one place.
#[derive(Debug)]
struct Slot {
    known: watch::Sender<Option<Known>>,
    state: Mutex<Asking>,
}

#[derive(Debug, Default)]
struct Asking {
    under_way: bool,
    doubtful: bool,
}

/// An answer of the engine; no place if there is no container of that name.
#[derive(Debug, Clone)]
struct Known {
    at: Instant,
    place: EngineResult<Option<Place>>,
}

impl AddressBook {
    /// An empty one for a stack.
    pub fn new(engine: Arc<dyn Engine>, project: Project) -> Self {
        Self(Arc::new(Book {
            engine,
            project,
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

    /// Returns where a port of a container is reached; `None` if no container of the stack has that name.
    ///
    /// # Errors
    /// What the engine says, e.g. that the container does not run.
    pub async fn place(&self, container: &str, port: u16) -> EngineResult<Option<Place>> {
        let slot = self.slot(container, port);
        let mut answers = slot.known.subscribe();
        self.ask_if_due(&slot, container, port);
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
            .and_then(|known| known.as_ref().map(|known| known.place.clone()))
            .unwrap_or_else(|| {
                Err(EngineError::Failed(format!(
                    "look for container {container}: no answer from the engine"
                )))
            })
    }

    /// Says that a connection to a place did not succeed: the engine is asked again soon.
    pub fn doubt(&self, container: &str, port: u16) {
        asking(&self.slot(container, port)).doubtful = true;
    }

    fn slot(&self, container: &str, port: u16) -> Arc<Slot> {
        let mut places = self.0.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = places.get(&(container.to_owned(), port)) {
            return Arc::clone(slot);
        }
        if places.len() >= PLACES {
            places.clear();
        }
        let slot = Arc::new(Slot {
            known: watch::Sender::new(None),
            state: Mutex::default(),
        });
        places.insert((container.to_owned(), port), Arc::clone(&slot));
        slot
    }

    /// Asks the engine, in a task of its own, unless what is known is fresh.
    fn ask_if_due(&self, slot: &Arc<Slot>, container: &str, port: u16) {
        let mut state = asking(slot);
        let is_due = match &*slot.known.borrow() {
            None => true,
            Some(known) => {
                let settled = matches!(&known.place, Ok(Some(_))) && !state.doubtful;
                known.at.elapsed() >= if settled { FRESH } else { DOUBTFUL }
            }
        };
        if state.under_way || !is_due {
            return;
        }
        state.under_way = true;
        state.doubtful = false;
        let (book, slot, name) = (Arc::clone(&self.0), Arc::clone(slot), container.to_owned());
        tokio::spawn(async move {
            // Also when the engine's answer is a panic's.
            let _end = EndOfAsking(Arc::clone(&slot));
            let place = book.ask(&name, port).await;
            slot.known.send_replace(Some(Known {
                at: Instant::now(),
                place,
            }));
        });
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

fn asking(slot: &Slot) -> MutexGuard<'_, Asking> {
    slot.state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct EndOfAsking(Arc<Slot>);

impl Drop for EndOfAsking {
    fn drop(&mut self) {
        asking(&self.0).under_way = false;
    }
}
