//! A netfilter queue (`NFQUEUE` in iptables-extensions(8)) whose packets are let go late, or not at all: what netem does, where the kernel
//! has no netem. The rules that fill the queue carry `--queue-bypass`, so packets flow as before when this program has ended.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use duress_tasks::{Distribution, PacketQueue};
use nfq::{Message, Queue, Verdict};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// Packets that wait at most; the kernel lets those beyond pass.
const LENGTH: u32 = 65_535;
/// While packets wait, new ones are looked for so often.
const LOOKS: Duration = Duration::from_micros(60);
/// The bytes of a packet that are needed when none is changed.
const NONE_OF_IT: u16 = 0;
/// All of a packet.
const ALL_OF_IT: u16 = 65_535;

pub(crate) fn run(rules: &PacketQueue) -> Result<()> {
    let mut queue = open(rules).context("take the packets of a netfilter queue")?;
    // A wait of tens of microseconds is not to become one of a hundred.
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))
        .context("set the timer's slack")?;
    let mut fate = Fate::new(StdRng::from_rng(&mut rand::rng()));
    let mut waiting = BinaryHeap::new();
    let mut received = 0_u64;
    crate::ready()?;
    loop {
        queue.set_nonblocking(!waiting.is_empty());
        loop {
            match queue.recv() {
                Ok(mut packet) => {
                    let now = Instant::now();
                    match fate.of(rules) {
                        Verdicts::Lost => {
                            packet.set_verdict(Verdict::Drop);
                            give(&mut queue, packet)?;
                        }
                        Verdicts::Passed { after, damaged } => {
                            if damaged {
                                fate.damage(packet.get_payload_mut());
                            }
                            received += 1;
                            waiting.push(Reverse(Waiting {
                                due: now + after,
                                order: received,
                                packet,
                            }));
                        }
                    }
                    queue.set_nonblocking(true);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                // The kernel had more than fitted: what did not has passed by.
                Err(error)
                    if error.raw_os_error() == Some(rustix::io::Errno::NOBUFS.raw_os_error()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("receive a packet"),
            }
            release(&mut queue, &mut waiting)?;
        }
        let next = release(&mut queue, &mut waiting)?;
        if let Some(due) = next {
            let left = due.saturating_duration_since(Instant::now());
            std::thread::sleep(left.min(LOOKS));
        }
    }
}

fn open(rules: &PacketQueue) -> std::io::Result<Queue> {
    let mut queue = Queue::open()?;
    queue.bind(rules.number)?;
    queue.set_queue_max_len(rules.number, LENGTH)?;
    queue.set_fail_open(rules.number, true)?;
    let damaging = rules.corrupt_percent > 0.0;
    queue.set_copy_range(rules.number, if damaging { ALL_OF_IT } else { NONE_OF_IT })?;
    Ok(queue)
}

/// Lets go what is due. When the next one is.
fn release(
    queue: &mut Queue,
    waiting: &mut BinaryHeap<Reverse<Waiting>>,
) -> Result<Option<Instant>> {
    while let Some(Reverse(first)) = waiting.peek() {
        if first.due > Instant::now() {
            return Ok(Some(first.due));
        }
        if let Some(Reverse(first)) = waiting.pop() {
            give(queue, first.packet)?;
        }
    }
    Ok(None)
}

fn give(queue: &mut Queue, packet: Message) -> Result<()> {
    match queue.verdict(packet) {
        Ok(()) => Ok(()),
        // Its interface has gone, and the packet with it.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).context("let a packet go"),
    }
}

/// A packet until its time has come; of two with the same time, the first first.
struct Waiting {
    due: Instant,
    order: u64,
    packet: Message,
}

impl Waiting {
    fn rank(&self) -> (Instant, u64) {
        (self.due, self.order)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// What becomes of a packet.
#[derive(Debug, PartialEq)]
enum Verdicts {
    Lost,
    Passed { after: Duration, damaged: bool },
}

/// Chance with a memory: each kind of draw may depend on the one before.
struct Fate {
    random: StdRng,
    delay: f64,
    loss: f64,
    reorder: f64,
    corrupt: f64,
    bad: bool,
}

impl Fate {
    fn new(mut random: StdRng) -> Self {
        let mut first = || random.random();
        let (delay, loss, reorder, corrupt) = (first(), first(), first(), first());
        Self {
            random,
            delay,
            loss,
            reorder,
            corrupt,
            bad: false,
        }
    }

    fn of(&mut self, rules: &PacketQueue) -> Verdicts {
        if self.is_lost(rules) {
            return Verdicts::Lost;
        }
        let draw = correlated(
            &mut self.random,
            &mut self.reorder,
            rules.reorder_correlation_percent,
        );
        let overtakes = draw * 100.0 < rules.reorder_percent;
        let draw = correlated(
            &mut self.random,
            &mut self.corrupt,
            rules.corrupt_correlation_percent,
        );
        let damaged = draw * 100.0 < rules.corrupt_percent;
        let after = if overtakes {
            Duration::ZERO
        } else {
            self.wait(rules)
        };
        Verdicts::Passed { after, damaged }
    }

    fn is_lost(&mut self, rules: &PacketQueue) -> bool {
        if rules.enter_percent > 0.0 {
            let turns = if self.bad {
                rules.leave_percent
            } else {
                rules.enter_percent
            };
            if self.random.random::<f64>() * 100.0 < turns {
                self.bad = !self.bad;
            }
            if self.bad && self.random.random::<f64>() * 100.0 < rules.burst_loss_percent {
                return true;
            }
        }
        let draw = correlated(
            &mut self.random,
            &mut self.loss,
            rules.loss_correlation_percent,
        );
        draw * 100.0 < rules.loss_percent
    }

    fn wait(&mut self, rules: &PacketQueue) -> Duration {
        let draw = correlated(
            &mut self.random,
            &mut self.delay,
            rules.delay_correlation_percent,
        );
        let part = match rules.distribution {
            Distribution::Uniform => 2.0 * draw - 1.0,
            Distribution::Normal => self.normal(),
            Distribution::Pareto => pareto(draw),
        };
        let wait = rules.delay_ms + part * rules.jitter_ms;
        Duration::from_secs_f64((wait / 1000.0).max(0.0))
    }

    /// A standard normal draw, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let (one, other) = (self.random.random::<f64>(), self.random.random::<f64>());
        (-2.0 * (1.0 - one).ln()).sqrt() * (std::f64::consts::TAU * other).cos()
    }

    /// Flips one bit of the second half, which holds data more often than headers.
    fn damage(&mut self, packet: &mut [u8]) {
        if let Some(last) = packet.len().checked_sub(1) {
            let at = self.random.random_range(packet.len() / 2..=last);
            packet[at] ^= 1 << self.random.random_range(0..8);
        }
    }
}

/// A draw from 0 to 1 that depends on the last one, as netem's do.
fn correlated(random: &mut StdRng, last: &mut f64, percent: f64) -> f64 {
    let share = percent / 100.0;
    *last = random.random::<f64>() * (1.0 - share) + *last * share;
    *last
}

/// A Pareto draw with shape 3, moved to a mean of 0 and scaled to a deviation of 1; few are very large.
fn pareto(draw: f64) -> f64 {
    const SHAPE: f64 = 3.0;
    let mean = SHAPE / (SHAPE - 1.0);
    let deviation = (SHAPE / (SHAPE - 2.0)).sqrt() / (SHAPE - 1.0);
    ((1.0 - draw).max(1e-9).powf(-1.0 / SHAPE) - mean) / deviation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> PacketQueue {
        PacketQueue {
            leave_percent: 100.0,
            burst_loss_percent: 100.0,
            ..PacketQueue::default()
        }
    }

    fn fates(rules: &PacketQueue, number: usize) -> Vec<Verdicts> {
        let mut fate = Fate::new(StdRng::seed_from_u64(7));
        (0..number).map(|_| fate.of(rules)).collect()
    }

    fn waits(rules: &PacketQueue) -> Vec<f64> {
        let waits = fates(rules, 10_000).into_iter().map(|fate| match fate {
            Verdicts::Passed { after, .. } => after.as_secs_f64() * 1000.0,
            Verdicts::Lost => panic!("none is to be lost"),
        });
        waits.collect()
    }

    fn mean(numbers: &[f64]) -> f64 {
        numbers.iter().sum::<f64>() / numbers.len() as f64
    }

    #[test]
    fn a_delay_has_its_mean_and_stays_within_its_jitter() {
        let waits = waits(&PacketQueue {
            delay_ms: 100.0,
            jitter_ms: 20.0,
            ..rules()
        });
        assert!((mean(&waits) - 100.0).abs() < 1.0, "{}", mean(&waits));
        assert!(waits.iter().all(|wait| (80.0..=120.0).contains(wait)));
    }

    #[test]
    fn every_distribution_has_the_mean_that_was_asked_for() {
        for distribution in [Distribution::Normal, Distribution::Pareto] {
            let waits = waits(&PacketQueue {
                delay_ms: 100.0,
                jitter_ms: 10.0,
                distribution,
                ..rules()
            });
            assert!(
                (mean(&waits) - 100.0).abs() < 2.0,
                "{distribution:?}: {}",
                mean(&waits)
            );
        }
    }

    #[test]
    fn as_many_are_lost_as_was_said() {
        let lost = |rules: PacketQueue| {
            let fates = fates(&rules, 10_000);
            fates.iter().filter(|fate| **fate == Verdicts::Lost).count()
        };
        assert_eq!(lost(rules()), 0);
        assert!((2_800..3_200).contains(&lost(PacketQueue {
            loss_percent: 30.0,
            ..rules()
        })));
        // Bad a tenth of the time: it enters with 1 of 100, and leaves with 9 of 100.
        let burst = lost(PacketQueue {
            enter_percent: 1.0,
            leave_percent: 9.0,
            ..rules()
        });
        assert!((700..1_300).contains(&burst), "{burst}");
    }

    #[test]
    fn who_overtakes_does_not_wait() {
        let waits = waits(&PacketQueue {
            delay_ms: 50.0,
            reorder_percent: 25.0,
            ..rules()
        });
        let at_once = waits.iter().filter(|wait| **wait == 0.0).count();
        assert!((2_200..2_800).contains(&at_once), "{at_once}");
    }

    #[test]
    fn damage_flips_one_bit() {
        let mut fate = Fate::new(StdRng::seed_from_u64(7));
        let mut packet = [0_u8; 64];
        fate.damage(&mut packet);
        let flipped: u32 = packet.iter().map(|byte| byte.count_ones()).sum();
        assert_eq!(flipped, 1);
        fate.damage(&mut []);
    }
}
