//! The newest lines of a container's log.

use std::collections::VecDeque;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptions;
use futures::StreamExt as _;

use super::calls::call;
use super::{Docker, short};
use duress_engine::{ContainerId, EngineResult, LOG_LINES_LIMIT, LogLine, LogsAsked};

/// The longest part of one line that is kept, in bytes: the engine itself breaks lines at 16 KiB.
const LINE_LIMIT: usize = 32 << 10;

impl Docker {
    /// Returns the newest lines, oldest first.
    pub(super) async fn read_logs(
        &self,
        id: &ContainerId,
        asked: LogsAsked,
    ) -> EngineResult<Vec<LogLine>> {
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            timestamps: true,
            // In whole seconds, rounded down; what is older is left out below.
            since: asked
                .since_ms
                .and_then(|since| i32::try_from(since / 1000).ok())
                .unwrap_or(0),
            tail: asked.lines.min(LOG_LINES_LIMIT).to_string(),
            ..LogsOptions::default()
        };
        let what = format!("read the log of container {}", short(id));
        let mut output = self.api.logs(&id.0, Some(options));
        let read = async {
            let mut newest = Newest::new(asked);
            while let Some(chunk) = output.next().await {
                newest.take(&chunk?);
            }
            Ok(newest.end())
        };
        call(&what, id, read).await
    }
}

/// What is kept of a log while it is read from its older end: never more than what was asked for, and one line.
struct Newest {
    asked: LogsAsked,
    lines: VecDeque<LogLine>,
    bytes: usize,
    /// The lines of the two streams that have no end yet.
    begun: [Vec<u8>; 2],
}

impl Newest {
    fn new(asked: LogsAsked) -> Self {
        Self {
            asked,
            lines: VecDeque::new(),
            bytes: 0,
            begun: Default::default(),
        }
    }

    fn take(&mut self, chunk: &LogOutput) {
        let (is_error, message) = match chunk {
            LogOutput::StdErr { message } => (true, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => (false, message),
            LogOutput::StdIn { .. } => return,
        };
        for piece in message.split_inclusive(|byte| *byte == b'\n') {
            let begun = &mut self.begun[usize::from(is_error)];
            let room = LINE_LIMIT.saturating_sub(begun.len());
            begun.extend_from_slice(&piece[..piece.len().min(room)]);
            if piece.ends_with(b"\n") {
                let line = std::mem::take(begun);
                self.line(is_error, &line);
            }
        }
    }

    /// One line, which begins with the engine's timestamp.
    fn line(&mut self, is_error: bool, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let (at, text) = line.split_once(' ').unwrap_or((&line, ""));
        let at = at.trim_end().parse::<jiff::Timestamp>().ok();
        let at_ms = at.map_or(0, |at| at.as_millisecond().unsigned_abs());
        if self.asked.since_ms.is_some_and(|since| at_ms < since) {
            return;
        }
        let text = text.trim_end_matches(['\n', '\r']).to_owned();
        self.bytes += text.len();
        self.lines.push_back(LogLine {
            at_ms,
            is_error,
            text,
        });
        while self.bytes > self.asked.bytes || self.lines.len() > self.asked.lines as usize {
            let Some(oldest) = self.lines.pop_front() else {
                break;
            };
            self.bytes -= oldest.text.len();
        }
    }

    fn end(mut self) -> Vec<LogLine> {
        for is_error in [false, true] {
            let line = std::mem::take(&mut self.begun[usize::from(is_error)]);
            if !line.is_empty() {
                self.line(is_error, &line);
            }
        }
        self.lines.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(asked: LogsAsked, chunks: &[(bool, &str)]) -> Vec<(u64, bool, String)> {
        let mut newest = Newest::new(asked);
        for &(is_error, text) in chunks {
            let message = text.to_owned().into();
            newest.take(&match is_error {
                true => LogOutput::StdErr { message },
                false => LogOutput::StdOut { message },
            });
        }
        let lines = newest.end().into_iter();
        lines
            .map(|line| (line.at_ms, line.is_error, line.text))
            .collect()
    }

    const ALL: LogsAsked = LogsAsked {
        since_ms: None,
        lines: 10,
        bytes: 1000,
    };

    #[test]
    fn lines_of_both_streams_are_told_apart() {
        let chunks = [
            (false, "2026-01-01T00:00:01.5Z one\n"),
            (true, "2026-01-01T00:00:02Z an err"),
            (true, "or\r\n2026-01-01T00:00:03Z \n"),
            (false, "2026-01-01T00:00:04Z without an end"),
        ];
        let base = 1_767_225_600_000;
        assert_eq!(
            read(ALL, &chunks),
            [
                (base + 1500, false, "one".to_owned()),
                (base + 2000, true, "an error".to_owned()),
                (base + 3000, true, String::new()),
                (base + 4000, false, "without an end".to_owned()),
            ]
        );
        let since_ms = Some(base + 2001);
        assert_eq!(read(LogsAsked { since_ms, ..ALL }, &chunks).len(), 2);
    }

    #[test]
    fn the_newest_lines_are_kept_whatever_comes() {
        let many: Vec<String> = (0..100)
            .map(|n| format!("2026-01-01T00:00:00Z {n:03}\n"))
            .collect();
        let chunks: Vec<(bool, &str)> = many.iter().map(|line| (false, line.as_str())).collect();
        let texts = |asked| -> Vec<String> {
            read(asked, &chunks)
                .into_iter()
                .map(|(.., text)| text)
                .collect()
        };
        assert_eq!(texts(LogsAsked { lines: 2, ..ALL }), ["098", "099"]);
        assert_eq!(texts(LogsAsked { bytes: 7, ..ALL }), ["098", "099"]);
        assert_eq!(texts(LogsAsked { bytes: 2, ..ALL }), [""; 0]);
        let endless = "x".repeat(10 * LINE_LIMIT);
        let kept = read(
            LogsAsked {
                bytes: usize::MAX,
                ..ALL
            },
            &[(false, "2026-01-01T00:00:00Z "), (false, &endless)],
        );
        assert!(kept[0].2.len() < LINE_LIMIT, "a line is cut");
    }
}
