//! The channel on which a run's events arrive: see [`Event`].

use duress_model::{Event, Timed};
use jiff::Timestamp;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Where events go. Cheap to clone; the clones are one.
#[derive(Debug, Clone)]
pub struct EventSender(UnboundedSender<Timed>);

impl EventSender {
    /// A sender, and where its events arrive.
    pub fn channel() -> (Self, UnboundedReceiver<Timed>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Send an event; this never waits. The listener may have ended: the store has everything that lasts.
    pub fn send(&self, event: Event) {
        let time = Timestamp::now();
        let _ = self.0.send(Timed { time, event });
    }
}
