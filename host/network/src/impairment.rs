//! What a bad link does to packets: in the kernel by netem (tc-netem(8)), or by the helper's packet queue.

use duress_engine::{Distribution, PacketQueue};

/// How many packets netem may hold: more than any delay of a minute collects on a busy link. With its own default of 1000, packets of
/// a busy link would be lost.
const NETEM_LIMIT: &str = "100000";

/// Which of two ways impairs a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// The kernel's `sch_netem`.
    Netem,
    /// The helper's packet queue.
    PacketQueue,
}

impl Mechanism {
    /// As it is in metadata.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Netem => "netem",
            Self::PacketQueue => "packet_queue",
        }
    }
}

/// What a bad link does to packets.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Impairment {
    /// What both mechanisms can do; its number is given when it is compiled.
    pub queue: PacketQueue,
    /// How many packets are sent twice, in percent.
    pub duplicate_percent: f64,
    /// How much that depends on the packet before.
    pub duplicate_correlation_percent: f64,
}

impl Impairment {
    /// What is wrong with it, as the end of a sentence.
    pub(super) fn check(&self) -> Result<(), String> {
        self.queue.check()?;
        let shares = [
            ("duplicate-percent", self.duplicate_percent),
            (
                "duplicate-correlation-percent",
                self.duplicate_correlation_percent,
            ),
        ];
        for (name, share) in shares {
            if !(0.0..=100.0).contains(&share) {
                return Err(format!("has {share} as {name}: it is 0 to 100"));
            }
        }
        if *self == Self::default() {
            return Err("impairs a link and does nothing to its packets".into());
        }
        if self.queue.reorder_percent > 0.0 && self.queue.delay_ms <= 0.0 {
            return Err("reorders packets without a delay for the others".into());
        }
        Ok(())
    }

    /// Returns the discipline as tc takes it.
    pub(super) fn netem(&self) -> Vec<String> {
        let queue = &self.queue;
        let mut words = ["netem", "limit", NETEM_LIMIT].map(str::to_owned).to_vec();
        let us = |ms: f64| format!("{}us", (ms * 1000.0).round());
        if queue.delay_ms > 0.0 || queue.jitter_ms > 0.0 {
            words.extend(["delay".to_owned(), us(queue.delay_ms)]);
            if queue.jitter_ms > 0.0 {
                words.push(us(queue.jitter_ms));
                words.extend(correlation(queue.delay_correlation_percent));
                let name = match queue.distribution {
                    Distribution::Uniform => None,
                    Distribution::Normal => Some("normal"),
                    Distribution::Pareto => Some("pareto"),
                };
                words.extend(
                    name.into_iter()
                        .flat_map(|name| ["distribution".to_owned(), name.to_owned()]),
                );
            }
        }
        if queue.enter_percent > 0.0 {
            words.extend(["loss", "gemodel"].map(str::to_owned));
            let shares = [
                queue.enter_percent,
                queue.leave_percent,
                queue.burst_loss_percent,
                0.0,
            ];
            words.extend(shares.map(percent));
        }
        let shares = [
            ("loss", queue.loss_percent, queue.loss_correlation_percent),
            (
                "corrupt",
                queue.corrupt_percent,
                queue.corrupt_correlation_percent,
            ),
            (
                "duplicate",
                self.duplicate_percent,
                self.duplicate_correlation_percent,
            ),
            (
                "reorder",
                queue.reorder_percent,
                queue.reorder_correlation_percent,
            ),
        ];
        for (word, share, depends) in shares {
            if share > 0.0 {
                words.extend([word.to_owned(), percent(share)]);
                words.extend(correlation(depends));
            }
        }
        words
    }

    /// The places where the packet queue can take packets, best first: a table and its chain. One queue for each place, so that
    /// several impairments of a link add up. Delays come before connections are tracked; damaged packets after everything else.
    pub(super) fn places(&self) -> [(&'static str, &'static str); 4] {
        const RAW: (&str, &str) = ("raw", "OUTPUT");
        const MANGLE: (&str, &str) = ("mangle", "OUTPUT");
        const FILTER: (&str, &str) = ("filter", "OUTPUT");
        const LAST: (&str, &str) = ("mangle", "POSTROUTING");
        if self.queue.corrupt_percent > 0.0 {
            [LAST, FILTER, MANGLE, RAW]
        } else if self.queue.reorder_percent > 0.0 {
            [FILTER, MANGLE, RAW, LAST]
        } else if self.queue.delay_ms > 0.0 || self.queue.jitter_ms > 0.0 {
            [RAW, MANGLE, FILTER, LAST]
        } else {
            [MANGLE, FILTER, LAST, RAW]
        }
    }
}

fn correlation(share: f64) -> Option<String> {
    (share > 0.0).then(|| percent(share))
}

/// A share as tc writes it, e.g. `12.5%`.
fn percent(share: f64) -> String {
    format!("{share}%")
}
