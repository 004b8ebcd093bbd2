//! Units: which a condition may use for a metric, what they are worth, and which values a metric can have.

use crate::source::{ContainerMeasure, Metric, Parse, Reading, Source, Unit};

/// A unit behind a number of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suffix {
    /// So many microseconds.
    Time(u64),
    /// So many bytes.
    Size(u64),
    /// `%`.
    Percent,
    /// `/s`.
    PerSecond,
}

/// Every unit that a condition may use.
const SUFFIXES: [(&str, Suffix); 17] = [
    ("us", Suffix::Time(1)),
    ("µs", Suffix::Time(1)),
    ("ms", Suffix::Time(1_000)),
    ("s", Suffix::Time(1_000_000)),
    ("m", Suffix::Time(60_000_000)),
    ("h", Suffix::Time(3_600_000_000)),
    ("B", Suffix::Size(1)),
    ("kB", Suffix::Size(1_000)),
    ("MB", Suffix::Size(1_000_000)),
    ("GB", Suffix::Size(1_000_000_000)),
    ("TB", Suffix::Size(1_000_000_000_000)),
    ("KiB", Suffix::Size(1 << 10)),
    ("MiB", Suffix::Size(1 << 20)),
    ("GiB", Suffix::Size(1 << 30)),
    ("TiB", Suffix::Size(1 << 40)),
    ("%", Suffix::Percent),
    ("/s", Suffix::PerSecond),
];

/// Returns the unit that a text names.
pub(crate) fn suffix(text: &str) -> Option<Suffix> {
    let found = SUFFIXES.iter().find(|(name, _)| *name == text);
    found.map(|(_, suffix)| *suffix)
}

/// Returns every text that names a unit, for suggestions.
pub(crate) fn suffix_names() -> impl Iterator<Item = &'static str> + Clone {
    SUFFIXES.iter().map(|(name, _)| *name)
}

impl Unit {
    /// Returns what values are called in messages.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Number => "plain numbers",
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Bytes => "bytes",
            Self::Share => "a share from 0 to 1",
            Self::Percent => "a share in percent",
            Self::PerSecond => "a number per second",
        }
    }

    /// Returns the units that conditions may use, in words.
    pub(crate) fn suffixes(self) -> &'static str {
        match self {
            Self::Number => "no unit",
            Self::Seconds | Self::Milliseconds => "`us`, `ms`, `s`, `m` or `h`",
            Self::Bytes => "`B`, `kB`, `MB`, `GB`, `TB`, `KiB`, `MiB`, `GiB` or `TiB`",
            Self::Share | Self::Percent => "`%`",
            Self::PerSecond => "`/s`",
        }
    }

    /// Returns a number with a unit as a value of this unit; nothing where the two do not fit.
    pub(crate) fn convert(self, number: f64, suffix: Option<Suffix>) -> Option<f64> {
        // A count of seconds could mean milliseconds; a zero, or a share, cannot be misread.
        match (self, suffix) {
            (Self::Seconds | Self::Milliseconds, None) => (number == 0.0).then_some(number),
            (_, None) => Some(number),
            (Self::Seconds, Some(Suffix::Time(us))) => Some(scaled(number, us, 1_000_000)),
            (Self::Milliseconds, Some(Suffix::Time(us))) => Some(scaled(number, us, 1_000)),
            (Self::Bytes, Some(Suffix::Size(bytes))) => Some(scaled(number, bytes, 1)),
            (Self::Share, Some(Suffix::Percent)) => Some(number / 100.0),
            (Self::Percent, Some(Suffix::Percent)) | (Self::PerSecond, Some(Suffix::PerSecond)) => {
                Some(number)
            }
            _ => None,
        }
    }

    /// Returns a value with its unit, for people: `0.25 s`, `5 %`.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Number => shown(value),
            Self::Seconds if value.abs() < 1.0 && value != 0.0 => {
                format!("{} ms", shown(value * 1_000.0))
            }
            Self::Seconds => format!("{} s", shown(value)),
            Self::Milliseconds => format!("{} ms", shown(value)),
            Self::Bytes => bytes(value),
            Self::Share => format!("{} %", shown(value * 100.0)),
            Self::Percent => format!("{} %", shown(value)),
            Self::PerSecond => format!("{}/s", shown(value)),
        }
    }
}

/// Multiplies before it divides, or the other way round: the one that has the smaller error, so that `200ms` is 0.2.
#[expect(
    clippy::cast_precision_loss,
    reason = "units are powers of ten and two below 2^53"
)]
fn scaled(number: f64, worth: u64, per: u64) -> f64 {
    if worth >= per {
        number * (worth / per) as f64
    } else {
        number / (per / worth) as f64
    }
}

/// A number with four significant digits at most behind its point.
fn shown(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    if value != 0.0 && !(1e-3..1e9).contains(&value.abs()) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn bytes(value: f64) -> String {
    const STEPS: [(f64, &str); 4] = [
        (1_099_511_627_776.0, "TiB"),
        (1_073_741_824.0, "GiB"),
        (1_048_576.0, "MiB"),
        (1024.0, "KiB"),
    ];
    let step = STEPS.iter().find(|(size, _)| value.abs() >= *size);
    match step {
        Some((size, name)) => format!("{} {name}", shown(value / size)),
        None => format!("{} B", shown(value)),
    }
}

/// The least and the greatest value that a metric can have.
pub(crate) fn range(metric: &Metric) -> (f64, f64) {
    let of_unit = match metric.unit {
        Unit::Number => (f64::NEG_INFINITY, f64::INFINITY),
        Unit::Seconds | Unit::Milliseconds | Unit::Bytes | Unit::PerSecond => (0.0, f64::INFINITY),
        Unit::Share => (0.0, 1.0),
        Unit::Percent => (0.0, 100.0),
    };
    match &metric.source {
        Source::Command {
            parse: Parse::ExitCode,
            ..
        } => (0.0, 255.0),
        Source::Http {
            reading: Reading::Status,
            ..
        } => (100.0, 999.0),
        // Plugins report counts, sizes and shares of these.
        Source::State { .. } | Source::Workload { .. } | Source::Container { .. } => {
            (0.0, of_unit.1)
        }
        _ => of_unit,
    }
}

impl ContainerMeasure {
    /// Returns the unit that it has.
    pub fn unit(self) -> Unit {
        match self {
            Self::Memory => Unit::Bytes,
            Self::Cpu | Self::Restarts | Self::OomKills => Unit::Number,
        }
    }
}
