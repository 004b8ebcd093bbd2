//! A TCP connection to a simulated container: what was sent is answered by the script.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::script;
use super::world::World;
use duress_engine::State;

/// How much of what was sent is remembered until it is answered, in bytes.
const MEMORY: usize = 64 << 10;

/// One end of a connection. It belongs to one call into a component, which never sends and receives at once.
pub(super) struct Conversation {
    world: World,
    /// The container's id, and its name with the port.
    container: String,
    place: String,
    /// What was sent since the last answer, and what is still to be received.
    sent: Vec<u8>,
    answers: Vec<u8>,
}

impl Conversation {
    pub(super) fn new(world: World, container: String, place: String) -> Self {
        let mut new = Self {
            world,
            container,
            place,
            sent: Vec::new(),
            answers: Vec::new(),
        };
        new.answer();
        new
    }

    /// Remembers what was sent.
    fn remember(&mut self, bytes: &[u8]) {
        self.sent.extend_from_slice(bytes);
        let excess = self.sent.len().saturating_sub(MEMORY);
        self.sent.drain(..excess);
    }

    /// Has the script answer what was sent.
    fn answer(&mut self) {
        let mut machine = self.world.lock();
        let script = Arc::clone(&machine.script);
        let Ok(container) = machine.container(&self.container) else {
            return;
        };
        if let Some(answer) = script.tcp(&self.place, &self.sent, &container.all_marks()) {
            answer.mark(&mut container.marks);
            self.answers.extend(script::bytes(&answer.sends));
            self.sent.clear();
        }
    }

    /// Returns whether the container still runs; what runs in one that is frozen gives no response.
    fn state(&self) -> Option<State> {
        let mut machine = self.world.lock();
        machine.container(&self.container).ok().map(|one| one.state)
    }
}

impl AsyncRead for Conversation {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        match self.state() {
            Some(State::Running) => {}
            // Its reader waits until its time is up: nothing wakes it.
            Some(State::Paused) => return Poll::Pending,
            _ => return Poll::Ready(Ok(())),
        }
        if self.answers.is_empty() {
            let asked = format!("tcp: {}: {}", self.place, self.sent.escape_ascii());
            self.world.lock().unanswered.insert(asked);
            return Poll::Pending;
        }
        let length = self.answers.len().min(buffer.remaining());
        let rest = self.answers.split_off(length);
        buffer.put_slice(&std::mem::replace(&mut self.answers, rest));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Conversation {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        match self.state() {
            Some(State::Running) => {
                self.remember(bytes);
                self.answer();
            }
            Some(State::Paused) => self.remember(bytes),
            _ => return Poll::Ready(Err(std::io::ErrorKind::BrokenPipe.into())),
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
