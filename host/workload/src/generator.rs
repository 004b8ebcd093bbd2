//! The generator: begins operations when they are due, whatever became of those before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use duress_experiment::{Load, NoData};

use super::client::{CLIENT_FAILED, Client, Failure, OVERLOAD, TIMEOUT};
use super::report::{Report, Second};
use super::tally::Tally;

/// The phase in which a workload begins, until the caller names another.
pub const FIRST_PHASE: &str = "start";

/// The lowest and the highest rate, per second. Above it, this machine's own work would be what is measured.
const RATES: (f64, f64) = (0.001, 100_000.0);
/// The most operations that may be under way at once.
const IN_FLIGHT_LIMIT: u32 = 10_000;
/// The longest time limit of one operation.
const TIMEOUT_LIMIT: Duration = Duration::from_secs(600);
/// An operation that begins later than this after it was due shows that this machine is too slow for the rate.
const LATE: Duration = Duration::from_millis(100);
/// The part of the rate that counts as reached.
const REACHED: f64 = 0.99;

/// Starts workloads.
#[derive(Debug)]
pub struct Workload;

/// A workload that runs. When it is dropped, its operations are.
#[derive(Debug)]
pub struct Running {
    load: Load,
    tally: Arc<Mutex<Tally>>,
    /// Taken when it is told to stop.
    stop: Option<oneshot::Sender<()>>,
    generator: JoinHandle<()>,
}

impl Workload {
    /// Begins operations, and goes on until [`Running::stop`]. Rates, places and time limits beyond what a machine can do are lowered
    /// to it. `began_at` is the time now, in milliseconds since the Unix epoch: what rows are dated by.
    pub fn start(load: &Load, client: Arc<dyn Client>, began_at: i64) -> Running {
        let began = Instant::now();
        let tally = Arc::new(Mutex::new(Tally::new(began, began_at, FIRST_PHASE)));
        let (stop, stopped) = oneshot::channel();
        let mut load = load.clone();
        load.rate = match load.rate.is_finite() {
            true => load.rate.clamp(RATES.0, RATES.1),
            false => RATES.0,
        };
        load.in_flight = load.in_flight.clamp(1, IN_FLIGHT_LIMIT);
        let generator = Generator {
            rate: load.rate,
            places: load.in_flight as usize,
            limit: Duration::from_millis(load.timeout_ms).min(TIMEOUT_LIMIT),
            began,
            client,
            tally: Arc::clone(&tally),
            under_way: JoinSet::new(),
        };
        Running {
            load,
            tally,
            stop: Some(stop),
            generator: tokio::spawn(generator.run(stopped)),
        }
    }
}

impl Running {
    /// Begins a phase: what ends from now on counts in it.
    pub fn phase(&self, name: &str) {
        lock(&self.tally).begin_phase(name, Instant::now());
    }

    /// Returns a measure over the last whole seconds, as many as fit into the window and at least one: latencies in seconds, the error
    /// rate from 0 to 1, the throughput per second.
    ///
    /// # Errors
    /// Why the measure has no value: it is unknown, or nothing ended.
    pub fn measure(&self, name: &str, window: Duration) -> Result<f64, NoData> {
        let measure = name.parse().map_err(|reason| NoData { reason })?;
        lock(&self.tally).measure(measure, window, Instant::now())
    }

    /// Returns the seconds that are over and that no call before has returned.
    pub fn seconds(&self) -> Vec<Second> {
        lock(&self.tally).fetch(Instant::now())
    }

    /// Returns what became of the operations until now.
    pub fn report(&self) -> Report {
        self.report_of(Instant::now())
    }

    /// Begins no further operation, waits for those under way (each has its time limit), and returns what became of all. The second
    /// in which it ends is fetched with the others before: [`Running::stop_with_seconds`] returns those too.
    pub async fn stop(self) -> Report {
        self.stop_with_seconds().await.0
    }

    /// As [`Running::stop`], with the seconds that were not fetched before, the last and partial one among them.
    pub async fn stop_with_seconds(mut self) -> (Report, Vec<Second>) {
        if let Some(stop) = self.stop.take() {
            // It may have ended: then there is nobody to tell.
            let _ = stop.send(());
        }
        // What it has counted is in the tally, however it ended.
        let _ = (&mut self.generator).await;
        let now = Instant::now();
        let report = self.report_of(now);
        let seconds = lock(&self.tally).fetch(now + Duration::from_secs(1));
        (report, seconds)
    }

    fn report_of(&self, now: Instant) -> Report {
        let mut tally = lock(&self.tally);
        tally.roll(now);
        let share = tally.begun() as f64 / tally.due().max(1) as f64;
        Report {
            rate: self.load.rate,
            reached: self.load.rate * share,
            shortfall: self.shortfall(&tally, share),
            late: tally.late().summary(),
            errors: tally.errors(),
            phases: tally.phases(now),
        }
    }

    /// Says why fewer operations began than were due, or why they began late.
    fn shortfall(&self, tally: &Tally, share: f64) -> Option<String> {
        let (rate, places) = (self.load.rate, self.load.in_flight);
        let late = Duration::from_micros(tally.late().quantile(0.99).unwrap_or(0));
        if late > LATE {
            return Some(format!(
                "{rate:.1} operations/s were asked for, and 1 in 100 began more than {} ms after it was due: this machine is too slow or too busy for the rate",
                late.as_millis()
            ));
        }
        let begun = tally.begun();
        (share < REACHED).then(|| {
            format!(
                "{rate:.1} operations/s were asked for, and {:.1} were begun ({begun} in all): the others were due while {places} were under way, which is the most that `in_flight` allows",
                rate * share,
            )
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its operations end with it.
        self.generator.abort();
    }
}

/// When each operation is due.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    began: Instant,
    rate: f64,
}

impl Schedule {
    fn new(began: Instant, rate: f64) -> Self {
        Self { began, rate }
    }

    /// When the operation of a number is due.
    fn at(self, number: u64) -> Instant {
        self.began + Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// How many operations are due at a moment, that moment included.
    fn due(self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.began).as_secs_f64();
        // Within one of the truth: a product is rounded otherwise than a quotient.
        let mut due = (passed * self.rate) as u64;
        while self.at(due) <= now {
            due += 1;
        }
        while due > 0 && self.at(due - 1) > now {
            due -= 1;
        }
        due
    }
}

struct Generator {
    rate: f64,
    places: usize,
    limit: Duration,
    began: Instant,
    client: Arc<dyn Client>,
    tally: Arc<Mutex<Tally>>,
    under_way: JoinSet<()>,
}

impl Generator {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let schedule = Schedule::new(self.began, self.rate);
        let full = Failure::new(
            OVERLOAD,
            &format!("{} operations were under way already", self.places),
        );
        let mut next = 0;
        loop {
            tokio::select! {
                biased;
                // Also when nobody is left who could stop it.
                _ = &mut stopped => break,
                () = tokio::time::sleep_until(schedule.at(next)) => {}
            }
            self.reap();
            let now = Instant::now();
            let due = schedule.due(now);
            let places = self.places.saturating_sub(self.under_way.len()) as u64;
            let begin = (due - next).min(places);
            for number in next..next + begin {
                self.begin(number, schedule.at(number), now);
            }
            let left = due - next - begin;
            if left > 0 {
                lock(&self.tally).not_begun(left, &full, now);
            }
            next = due;
        }
        while let Some(ended) = self.under_way.join_next().await {
            self.note(ended);
        }
    }

    fn begin(&mut self, number: u64, due: Instant, now: Instant) {
        lock(&self.tally).began(due, now);
        let (client, tally, limit) = (
            Arc::clone(&self.client),
            Arc::clone(&self.tally),
            self.limit,
        );
        self.under_way.spawn(async move {
            let outcome = tokio::time::timeout(limit, client.operate(number)).await;
            let outcome = outcome.unwrap_or_else(|_| {
                let detail = format!("no end within {} ms", limit.as_millis());
                Err(Failure::new(TIMEOUT, &detail))
            });
            lock(&tally).ended(due, Instant::now(), &outcome);
        });
    }

    /// Frees the places of operations that have ended.
    fn reap(&mut self) {
        while let Some(ended) = self.under_way.try_join_next() {
            self.note(ended);
        }
    }

    /// Counts an operation whose client broke down; the others have counted themselves.
    fn note(&self, ended: Result<(), tokio::task::JoinError>) {
        if let Err(error) = ended {
            let now = Instant::now();
            let failure = Failure::new(CLIENT_FAILED, &error.to_string());
            lock(&self.tally).ended(now, now, &Err(failure));
        }
    }
}

fn lock(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}
