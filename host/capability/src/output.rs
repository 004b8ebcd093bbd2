//! Standard output and standard error of a component: lines of the trial's log.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::host::{CallLog, LINE_LENGTH};
use super::{PluginScope, host};

/// One of the two, in one call. Cheap to clone; the clones are one.
#[derive(Clone)]
pub(super) struct Output(Arc<Inner>);

struct Inner {
    /// A line that has no end yet.
    begun: Mutex<Vec<u8>>,
    stream: Stream,
    scope: Arc<PluginScope>,
    log: Arc<CallLog>,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Error,
}

impl Output {
    pub(super) fn new(stream: Stream, scope: &Arc<PluginScope>, log: &Arc<CallLog>) -> Self {
        Self(Arc::new(Inner {
            begun: Mutex::default(),
            stream,
            scope: Arc::clone(scope),
            log: Arc::clone(log),
        }))
    }

    /// Takes what was written: each whole line is logged, and what is too long for one.
    fn take(&self, bytes: &[u8]) {
        let mut begun = self.begun();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || begun.len() > LINE_LENGTH {
                self.log(&std::mem::take(&mut *begun));
            }
        }
    }

    /// Logs the line that was begun last.
    pub(super) fn end(&self) {
        let line = std::mem::take(&mut *self.begun());
        self.log(&line);
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        let level = match self.0.stream {
            Stream::Out => host::Level::Info,
            Stream::Error => {
                self.0.log.note_complaint(line);
                host::Level::Warn
            }
        };
        self.0.log.line(&self.0.scope, level, line);
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE_LENGTH)
    }
}

#[async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
