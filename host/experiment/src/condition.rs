//! The grammar of conditions: `METRIC OPERATOR NUMBER UNIT`, or `METRIC OPERATOR baseline * NUMBER`.
//!
//! A reader for one line, with the place of each part in it: units can be checked, and a mistake is shown where it stands. It takes
//! time in proportion to the text, and never panics.

use std::fmt;
use std::ops::Range;

use duress_model::nearest;
use duress_yaml::shown;
use serde::{Deserialize, Serialize};

use crate::quantity::{self, Suffix};

/// The word that stands for a metric's mean over the baseline.
pub(crate) const BASELINE: &str = "baseline";

/// How a value is compared with a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the serialised form says what they are")]
pub enum Operator {
    #[serde(rename = "<")]
    Less,
    #[serde(rename = "<=")]
    LessOrEqual,
    #[serde(rename = ">")]
    Greater,
    #[serde(rename = ">=")]
    GreaterOrEqual,
    #[serde(rename = "==")]
    Equal,
    #[serde(rename = "!=")]
    NotEqual,
}

impl Operator {
    /// Returns whether a value is so to a threshold. Nothing is so to NaN, unequal included.
    #[expect(
        clippy::float_cmp,
        reason = "a person who writes == means the same number"
    )]
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        if value.is_nan() || threshold.is_nan() {
            return false;
        }
        match self {
            Self::Less => value < threshold,
            Self::LessOrEqual => value <= threshold,
            Self::Greater => value > threshold,
            Self::GreaterOrEqual => value >= threshold,
            Self::Equal => value == threshold,
            Self::NotEqual => value != threshold,
        }
    }

    /// Returns it as people write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        }
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A condition as it was read; places are bytes of the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) metric: String,
    pub(crate) metric_at: Range<usize>,
    pub(crate) operator: Operator,
    pub(crate) right: Right,
    /// The whole right side.
    pub(crate) right_at: Range<usize>,
}

/// What a metric is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Right {
    /// A number with or without a unit.
    Number(f64, Option<Suffix>),
    /// So many times the mean over the baseline.
    Baseline(f64),
}

/// Why a text is not a condition.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mistake {
    pub(crate) at: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// What conditions look like, for messages.
pub(crate) const EXAMPLES: &str =
    "conditions look like `p99 < 200ms`, `up >= 2` or `p99 < baseline * 3`";

/// Reads a condition.
pub(crate) fn parse(text: &str) -> Result<Parsed, Mistake> {
    let mut reader = Reader { text, at: 0 };
    let (metric, metric_at) = reader.metric()?;
    let operator = reader.operator(&metric)?;
    reader.space();
    let start = reader.at;
    let right = reader.right()?;
    let right_at = start..reader.at;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.surplus());
    }
    Ok(Parsed {
        metric,
        metric_at,
        operator,
        right,
        right_at,
    })
}

struct Reader<'a> {
    text: &'a str,
    /// In bytes; always between two characters.
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Goes past the characters that fit, and returns them.
    fn run(&mut self, fits: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let length = rest.find(|c| !fits(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Goes past a text, if it is next.
    fn skip(&mut self, text: &str) -> bool {
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// A mistake in what comes next, up to a space.
    fn mistake(&self, message: impl Into<String>) -> Mistake {
        let rest = self.rest();
        let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
        Mistake {
            at: self.at..self.at + length,
            message: message.into(),
            help: Some(EXAMPLES.to_owned()),
        }
    }

    /// What comes next, for a message.
    fn next(&self) -> String {
        match self.rest().split_whitespace().next() {
            Some(word) => format!("`{}`", shown(word)),
            None => "the end".to_owned(),
        }
    }

    fn metric(&mut self) -> Result<(String, Range<usize>), Mistake> {
        self.space();
        let start = self.at;
        let name = self.run(is_name);
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            self.at = start;
            let message = format!(
                "a condition begins with a metric's name, not with {}",
                self.next()
            );
            return Err(self.mistake(message));
        }
        if name == BASELINE {
            self.at = start;
            let message = "`baseline` stands on the right of the comparison, behind the metric";
            return Err(self.mistake(message));
        }
        Ok((name.to_owned(), start..self.at))
    }

    fn operator(&mut self, metric: &str) -> Result<Operator, Mistake> {
        self.space();
        let start = self.at;
        let symbol = self.run(|c| "<>=!≤≥≠~&|".contains(c));
        let instead = match symbol {
            "<" => return Ok(Operator::Less),
            "<=" => return Ok(Operator::LessOrEqual),
            ">" => return Ok(Operator::Greater),
            ">=" => return Ok(Operator::GreaterOrEqual),
            "==" => return Ok(Operator::Equal),
            "!=" => return Ok(Operator::NotEqual),
            "=" => "==",
            "≤" | "=<" => "<=",
            "≥" | "=>" => ">=",
            "≠" | "<>" => "!=",
            _ => "",
        };
        self.at = start;
        let mut message = format!(
            "behind `{}` comes one of `<`, `<=`, `>`, `>=`, `==`, `!=`, not {}",
            shown(metric),
            self.next()
        );
        if !instead.is_empty() {
            message = format!("`{symbol}` is not a comparison; write `{instead}`");
        }
        let mut mistake = self.mistake(message);
        if !symbol.is_empty() {
            mistake.at = start..start + symbol.len();
        }
        Err(mistake)
    }

    fn right(&mut self) -> Result<Right, Mistake> {
        if self.rest().starts_with(is_letter) {
            return self.baseline();
        }
        let number =
            self.number("a threshold is a number with its unit, or `baseline * NUMBER`")?;
        let before = self.at;
        self.space();
        if self.skip("*") {
            self.space();
            let start = self.at;
            if self.run(is_name) != BASELINE {
                self.at = start;
                return Err(self.mistake(format!(
                    "only `baseline` can be multiplied, not {}",
                    self.next()
                )));
            }
            return Ok(Right::Baseline(number));
        }
        let start = self.at;
        let unit = self.run(|c| c.is_alphabetic() || "%/µ".contains(c));
        if unit.is_empty() {
            self.at = before;
            return Ok(Right::Number(number, None));
        }
        if let Some(suffix) = quantity::suffix(unit) {
            return Ok(Right::Number(number, Some(suffix)));
        }
        let mut message = format!("unknown unit `{}`", shown(unit));
        let same = quantity::suffix_names().find(|name| name.eq_ignore_ascii_case(unit));
        if let Some(near) = same.or_else(|| nearest(unit, quantity::suffix_names())) {
            message.push_str(&format!("; did you mean `{near}`?"));
        }
        Err(Mistake {
            at: start..self.at,
            message,
            help: Some(
                "units are us, ms, s, m, h; B, kB, MB, GB, TB, KiB, MiB, GiB, TiB; %; /s".into(),
            ),
        })
    }

    /// `baseline`, `baseline * 3`.
    fn baseline(&mut self) -> Result<Right, Mistake> {
        let start = self.at;
        let word = self.run(is_name);
        if word != BASELINE {
            self.at = start;
            let mut message = format!(
                "a threshold is a number with its unit, or `baseline * NUMBER`, not `{}`",
                shown(word)
            );
            if nearest(word, [BASELINE]).is_some() {
                message.push_str("; did you mean `baseline`?");
            }
            return Err(self.mistake(message));
        }
        let before = self.at;
        self.space();
        if !self.skip("*") {
            self.at = before;
            return Ok(Right::Baseline(1.0));
        }
        self.space();
        let factor = self.number("behind `baseline *` comes a number")?;
        if self.rest().starts_with('%') {
            return Err(self.mistake("a factor has no unit; write 1.5 for 150%"));
        }
        Ok(Right::Baseline(factor))
    }

    /// Digits with at most one point, a sign before and an exponent behind them.
    fn number(&mut self, wanted: &str) -> Result<f64, Mistake> {
        let start = self.at;
        let _ = self.skip("-") || self.skip("+");
        let whole = self.run(|c| c.is_ascii_digit()).len();
        let fraction = if self.skip(".") {
            self.run(|c| c.is_ascii_digit()).len()
        } else {
            0
        };
        if whole + fraction == 0 {
            self.at = start;
            return Err(self.mistake(format!("{wanted}, not {}", self.next())));
        }
        self.exponent();
        let text = &self.text[start..self.at];
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => {
                self.at = start;
                Err(self.mistake(format!("`{}` is too large for a number", shown(text))))
            }
        }
    }

    /// `e6`, `E-3`; what only begins like one is left.
    fn exponent(&mut self) {
        let before = self.at;
        if self.skip("e") || self.skip("E") {
            let _ = self.skip("-") || self.skip("+");
            if self.run(|c| c.is_ascii_digit()).is_empty() {
                self.at = before;
            }
        }
    }

    /// What stands behind a complete condition.
    fn surplus(&self) -> Mistake {
        let word = self.rest().split_whitespace().next().unwrap_or("");
        let mut mistake = self.mistake(format!(
            "`{}` stands behind the end of the condition",
            shown(word)
        ));
        if ["and", "or", "&&", "||", ","].contains(&word.to_ascii_lowercase().as_str()) {
            mistake.help = Some("write each condition as an item of its own".into());
        }
        mistake
    }
}

/// Whether a character may stand in a metric's name.
pub(crate) fn is_name(character: char) -> bool {
    is_letter(character) || character.is_ascii_digit()
}

fn is_letter(character: char) -> bool {
    character.is_ascii_alphabetic() || character == '_'
}
