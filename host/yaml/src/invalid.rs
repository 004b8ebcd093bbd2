//! Mistakes in a file, and how a person sees them.

use std::fmt;
use std::sync::Arc;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
    SourceSpan,
};
use serde::Serialize;

use duress_model::text::{harmless, is_steering};

/// How many mistakes of one file are drawn. Who has made more than this has named the wrong file.
pub const PROBLEMS_SHOWN: usize = 25;
/// The longest line that is drawn, in bytes: about five lines of a terminal.
const LINE_DRAWN: usize = 400;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// What it is about, as a JSON Pointer (RFC 6901) into the document; empty for the whole.
    pub pointer: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong, and what would be right.
    pub message: String,
    /// More that helps to put it right.
    pub help: Option<String>,
    /// Byte offset and length of the place.
    #[serde(skip)]
    pub(super) span: (usize, usize),
}

impl Problem {
    /// Adds what helps to put it right.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A file's text, or a command line's.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) name: String,
    pub(super) text: String,
    /// Byte offsets at which lines begin.
    lines: Vec<usize>,
}

impl Source {
    pub(super) fn new(name: String, text: String) -> Self {
        let breaks = text.match_indices('\n').map(|(offset, _)| offset + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        Self { name, text, lines }
    }

    /// Line and column, from 1.
    pub(super) fn position(&self, offset: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line - 1];
        let column = self.text.get(start..offset).unwrap_or("").chars().count() + 1;
        (line, column)
    }

    /// Returns the byte offset of a line and a column, each from 1; of the nearest place there is.
    pub(super) fn offset(&self, line: u64, column: u64) -> usize {
        let line = usize::try_from(line).unwrap_or(0).saturating_sub(1);
        let column = usize::try_from(column).unwrap_or(0).saturating_sub(1);
        let start = self.lines.get(line).copied().unwrap_or(self.text.len());
        let rest = self.text[start..].lines().next().unwrap_or("");
        let characters = rest.char_indices().map(|(offset, _)| offset);
        start
            + characters
                .chain([rest.len()])
                .take(column + 1)
                .last()
                .unwrap_or(0)
    }

    /// Returns the length in bytes of the line that holds an offset.
    fn line_length(&self, offset: usize) -> usize {
        let line = self.lines.partition_point(|start| *start <= offset);
        let end = self.lines.get(line).copied().unwrap_or(self.text.len());
        end - self.lines[line - 1]
    }

    /// Returns the text without characters that a terminal would obey, byte offsets unchanged.
    fn drawable(&self) -> String {
        let mut drawable = String::with_capacity(self.text.len());
        for c in self.text.chars() {
            if is_steering(c) && !matches!(c, '\n' | '\r' | '\t') {
                drawable.extend(std::iter::repeat_n('?', c.len_utf8()));
            } else {
                drawable.push(c);
            }
        }
        // A line's end may be `\r\n`; anywhere else this one is a terminal's too.
        let mut bytes = drawable.into_bytes();
        for at in 0..bytes.len() {
            if bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n') {
                bytes[at] = b'?';
            }
        }
        // One ASCII character took the place of another.
        String::from_utf8(bytes).unwrap_or_default()
    }
}

/// A file's mistakes, in the file's order; at least one.
#[derive(Clone)]
pub struct Invalid {
    source: Arc<Source>,
    problems: Vec<Problem>,
    drawn: Vec<Drawn>,
}

impl Invalid {
    pub(super) fn new(source: Arc<Source>, mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| (a.span.0, &a.message).cmp(&(b.span.0, &b.message)));
        problems.dedup_by(|a, b| a.span == b.span && a.message == b.message);
        let text = Arc::new(NamedSource::new(harmless(&source.name), source.drawable()));
        let drawn = problems.iter().take(PROBLEMS_SHOWN).map(|problem| Drawn {
            message: harmless(&problem.message).into_owned(),
            help: problem
                .help
                .as_deref()
                .map(|help| harmless(help).into_owned()),
            span: problem.span.into(),
            place: (source.line_length(problem.span.0) > LINE_DRAWN).then(|| {
                format!(
                    "{}:{}:{}",
                    harmless(&source.name),
                    problem.line,
                    problem.column
                )
            }),
            source: Arc::clone(&text),
        });
        Self {
            drawn: drawn.collect(),
            source,
            problems,
        }
    }

    /// Returns the mistakes, in the file's order.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// Returns the file, as the person named it.
    pub fn name(&self) -> &str {
        &self.source.name
    }

    /// Returns what a person sees: each mistake with the lines about it and the place underlined. It says the same without colour.
    pub fn render(&self, colour: bool) -> String {
        let theme = if colour {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme::unicode_nocolor()
        };
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_links(false)
            .with_wrap_lines(false)
            .without_syntax_highlighting();
        let mut text = String::new();
        for drawn in &self.drawn {
            // Writing to a string cannot fail, and a report that could not be drawn is still told.
            if handler.render_report(&mut text, drawn).is_err() {
                text.push_str(&format!("  × {drawn}\n"));
            }
            text.push('\n');
        }
        text.push_str(&format!("{}\n", harmless(&self.to_string())));
        text
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.source.name;
        match self.problems.len() {
            1 => write!(f, "{name} has a mistake"),
            n if n > PROBLEMS_SHOWN => {
                write!(
                    f,
                    "{name} has {n} mistakes, of which these are the first {PROBLEMS_SHOWN}"
                )
            }
            n => write!(f, "{name} has {n} mistakes"),
        }
    }
}

impl fmt::Debug for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invalid")
            .field("name", &self.source.name)
            .field("problems", &self.problems)
            .finish()
    }
}

impl std::error::Error for Invalid {}

impl Diagnostic for Invalid {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        Some(Box::new(self.drawn.iter().map(|d| d as &dyn Diagnostic)))
    }
}

impl From<Invalid> for duress_model::Error {
    /// For where nothing can be drawn: one line for each mistake.
    fn from(invalid: Invalid) -> Self {
        let mut message = invalid.to_string();
        for problem in invalid.problems.iter().take(PROBLEMS_SHOWN) {
            let Problem { line, column, .. } = problem;
            let name = &invalid.source.name;
            message.push_str(&format!("\n{name}:{line}:{column}: {}", problem.message));
            if let Some(help) = &problem.help {
                message.push_str(&format!(" ({help})"));
            }
        }
        Self::input(message)
    }
}

/// One mistake with the text that it is drawn in.
#[derive(Clone, Debug)]
struct Drawn {
    message: String,
    help: Option<String>,
    span: SourceSpan,
    /// Said in the message instead, where the line is too long to draw.
    place: Option<String>,
    source: Arc<NamedSource<String>>,
}

impl fmt::Display for Drawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{place}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Drawn {}

impl Diagnostic for Drawn {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.help
            .as_ref()
            .map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.place.is_some() {
            return None;
        }
        let label = LabeledSpan::new_primary_with_span(None, self.span);
        Some(Box::new(std::iter::once(label)))
    }
}
