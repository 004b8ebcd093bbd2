//! Under simulated time: every figure is known beforehand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, sleep_until};

use duress_experiment::{Load, LoadClient};

use super::*;

/// An arbitrary time: that of the first moment, in milliseconds since the Unix epoch.
const BEGAN_AT: i64 = 1_800_000_000_000;

/// Timers have a resolution of a millisecond: how late an operation may begin and end.
const RESOLUTION_US: u64 = 2_000;

fn load(rate: f64, timeout_ms: u64, in_flight: u32) -> Load {
    Load {
        rate,
        timeout_ms,
        in_flight,
        client: LoadClient::Plugin {
            operations: Vec::new(),
        },
    }
}

/// Does what a function says, which gets the operation's number.
struct Acting<F>(F);

#[async_trait]
impl<F, W> Client for Acting<F>
where
    F: Fn(u64) -> W + Send + Sync + 'static,
    W: Future<Output = Result<(), Failure>> + Send,
{
    async fn operate(&self, number: u64) -> Result<(), Failure> {
        (self.0)(number).await
    }
}

fn start<F, W>(load: &Load, act: F) -> Running
where
    F: Fn(u64) -> W + Send + Sync + 'static,
    W: Future<Output = Result<(), Failure>> + Send + 'static,
{
    Workload::start(load, Arc::new(Acting(act)), BEGAN_AT)
}

/// A system that answers in 5 ms, but for a stall of two seconds.
async fn stalling(began: Instant) -> Result<(), Failure> {
    let (stall, end) = (Duration::from_secs(3), Duration::from_secs(5));
    if (stall..end).contains(&began.elapsed()) {
        sleep_until(began + end).await;
    } else {
        sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_exact_in_every_second() {
    for rate in [1.0, 7.0, 200.0, 2_000.0] {
        let running = start(&load(rate, 1_000, 100), |_| async {
            sleep(Duration::from_millis(5)).await;
            Ok(())
        });
        sleep(Duration::from_millis(10_500)).await;
        let seconds = running.seconds();
        assert_eq!(seconds.len(), 10);
        for (n, second) in seconds.iter().enumerate() {
            // What is due at the very end of a second begins in the next, by the timer's resolution.
            assert!(
                (second.started as f64 - rate).abs() <= 3.0,
                "{rate}: {second:?}"
            );
            assert_eq!(second.at, BEGAN_AT + 1_000 * n as i64);
            assert!(second.errors.is_empty());
            let latency = second.latency.expect("latencies");
            assert!(
                (5_000..=5_000 + RESOLUTION_US).contains(&latency.max_us),
                "{latency:?}"
            );
            assert!(second.late_us <= RESOLUTION_US, "{second:?}");
        }
        assert!(running.seconds().is_empty(), "each is fetched once");
        let report = running.stop().await;
        // The last are due within the timer's resolution of the end.
        let started = (10.5 * rate) as u64;
        assert!(
            (started - 2..=started + 1).contains(&report.phases[0].started),
            "{rate}: {report:?}"
        );
        assert_eq!(report.phases[0].completed, report.phases[0].started);
        assert_eq!(report.shortfall, None);
        assert_eq!(report.reached, rate);
    }
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_shown_as_clients_see_it() {
    let began = Instant::now();
    let running = start(&load(100.0, 10_000, 1_000), move |_| stalling(began));
    sleep(Duration::from_millis(10_100)).await;
    let seconds = running.seconds();
    // It went on beginning operations, none of which ended.
    assert_eq!((seconds[4].started, seconds[4].completed), (100, 0));
    assert_eq!(seconds[4].in_flight, 200);
    let after = seconds[5].latency.expect("latencies");
    let two_seconds = 1_960_000..=2_000_000 + RESOLUTION_US;
    assert!(two_seconds.contains(&after.max_us), "{after:?}");
    // Of some 300 operations that end in the second after, two thirds waited, for 1 s in the middle.
    assert!((400_000..600_000).contains(&after.p50_us), "{after:?}");
    assert!(two_seconds.contains(&after.p99_us), "{after:?}");
    let report = running.stop().await;
    let all = report.phases[0].latency.expect("latencies");
    // 1 in 5 of all operations was due during the stall, 1 in 10 before its last second.
    assert!((900_000..1_100_000).contains(&all.p90_us), "{all:?}");
    assert!(two_seconds.contains(&all.max_us), "{all:?}");
    assert_eq!(report.shortfall, None);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_place_is_counted_as_overload() {
    let began = Instant::now();
    let running = start(&load(100.0, 10_000, 10), move |_| stalling(began));
    sleep(Duration::from_millis(10_100)).await;
    let (report, seconds) = running.stop_with_seconds().await;
    let overload: u64 = seconds
        .iter()
        .filter_map(|one| one.errors.get(OVERLOAD))
        .sum();
    assert!(
        (189..=191).contains(&overload),
        "{overload} of 200, but for the 10 places"
    );
    assert_eq!(
        (report.errors[0].kind.as_str(), report.errors[0].count),
        (OVERLOAD, overload)
    );
    let phase = &report.phases[0];
    assert_eq!(phase.started, phase.completed + overload);
    assert!((80.0..83.0).contains(&report.reached), "{}", report.reached);
    let why = report.shortfall.expect("a sentence");
    assert!(
        why.contains("100.0 operations/s were asked for, and 81."),
        "{why}"
    );
    assert!(why.contains("in_flight"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn an_operation_without_end_times_out_and_counts_with_its_time() {
    let running = start(&load(10.0, 1_500, 100), |number| async move {
        if number % 2 == 0 {
            std::future::pending::<()>().await;
        }
        Ok(())
    });
    sleep(Duration::from_secs(5)).await;
    assert_eq!(
        running.measure("throughput", Duration::from_secs(2)).ok(),
        Some(5.0)
    );
    assert_eq!(
        running.measure("error_rate", Duration::from_secs(2)).ok(),
        Some(0.5)
    );
    assert_eq!(
        running.measure("errors", Duration::from_secs(2)).ok(),
        Some(10.0)
    );
    let p99 = running
        .measure("p99", Duration::from_secs(2))
        .expect("a value");
    assert!((1.5..1.52).contains(&p99), "{p99}");
    let p50 = running
        .measure("p50", Duration::from_secs(2))
        .expect("a value");
    assert!(p50 < 0.01, "{p50}");
    let report = running.stop().await;
    assert_eq!(report.errors[0].kind, TIMEOUT);
    assert_eq!(report.errors[0].example, "no end within 1500 ms");
}

#[tokio::test(start_paused = true)]
async fn failures_at_once_do_not_make_latencies_look_better() {
    let running = start(&load(100.0, 1_000, 100), |number| async move {
        if number % 10 != 0 {
            return Err(Failure::new("refused", "connection refused"));
        }
        sleep(Duration::from_millis(300)).await;
        Ok(())
    });
    sleep(Duration::from_millis(3_100)).await;
    let p50 = running
        .measure("p50", Duration::from_secs(1))
        .expect("a value");
    assert!((0.3..0.31).contains(&p50), "{p50}");
    let report = running.stop().await;
    let phase = &report.phases[0];
    assert_eq!(phase.errors["refused"] + phase.completed, phase.started);
    assert!(
        phase
            .error_rate
            .is_some_and(|rate| (0.89..=0.91).contains(&rate))
    );
}

#[tokio::test(start_paused = true)]
async fn no_value_is_a_reason_and_never_a_good_one() {
    let running = start(&load(10.0, 1_000, 100), |_| async {
        Err(Failure::new("refused", "connection refused"))
    });
    let reason = |name: &str| {
        let none = running
            .measure(name, Duration::from_secs(5))
            .expect_err("no value");
        none.reason
    };
    assert!(reason("p99").contains("less than a second"));
    sleep(Duration::from_millis(2_100)).await;
    assert_eq!(reason("p99"), "all 20 operations of the last 2 s failed");
    assert!(reason("p98").contains("no measure `p98`; it has throughput, error_rate"));
    assert_eq!(
        running.measure("error_rate", Duration::from_secs(5)).ok(),
        Some(1.0)
    );
    assert_eq!(
        running.measure("throughput", Duration::from_secs(5)).ok(),
        Some(0.0)
    );

    let stuck = start(&load(10.0, 60_000, 100), |_| std::future::pending());
    sleep(Duration::from_millis(2_100)).await;
    let none = stuck
        .measure("error_rate", Duration::from_secs(1))
        .expect_err("no value");
    assert_eq!(none.reason, "no operation ended in the last 1 s");
}

#[tokio::test(start_paused = true)]
async fn phases_are_counted_apart() {
    let down = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&down);
    let running = start(&load(50.0, 1_000, 100), move |_| {
        let is_down = seen.load(Ordering::Relaxed) == 1;
        async move {
            match is_down {
                true => Err(Failure::new("refused", "connection refused")),
                false => Ok(()),
            }
        }
    });
    running.phase("baseline");
    // Half a period of the rate later, so that no operation is due at the moment of a change.
    sleep(Duration::from_millis(4_010)).await;
    running.phase("fault");
    down.store(1, Ordering::Relaxed);
    sleep(Duration::from_secs(2)).await;
    running.phase("recovery");
    down.store(0, Ordering::Relaxed);
    sleep(Duration::from_secs(1)).await;
    let (report, seconds) = running.stop_with_seconds().await;
    let counts = |phase: &PhaseReport| (phase.completed, phase.errors.get("refused").copied());
    let names: Vec<_> = report
        .phases
        .iter()
        .map(|phase| phase.name.as_str())
        .collect();
    assert_eq!(names, ["baseline", "fault", "recovery"]);
    assert_eq!(counts(&report.phases[0]), (201, None));
    assert_eq!(counts(&report.phases[1]), (0, Some(100)));
    assert_eq!(counts(&report.phases[2]), (50, None));
    assert_eq!(report.phases[1].began_at, BEGAN_AT + 4_010);
    assert_eq!(report.phases[1].latency, None);
    assert_eq!(report.phases[1].error_rate, Some(1.0));
    let phases: Vec<_> = seconds.iter().map(|second| second.phase.as_str()).collect();
    assert_eq!(
        phases,
        [
            "start", "baseline", "baseline", "baseline", "baseline", "fault", "fault", "recovery"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_breaks_down_is_an_error_and_not_an_end() {
    let running = start(&load(10.0, 1_000, 5), |number| async move {
        assert!(number % 2 == 1, "an even number");
        Ok(())
    });
    sleep(Duration::from_millis(10_050)).await;
    let report = running.stop().await;
    assert_eq!(report.phases[0].errors[CLIENT_FAILED], 51);
    assert_eq!(report.phases[0].completed, 50, "no place is lost");
}

#[tokio::test(start_paused = true)]
async fn kinds_and_texts_are_bounded() {
    let running = start(&load(1_000.0, 1_000, 100), |number| async move {
        let text = "x".repeat(1 << 20);
        match number % 3 {
            0 => Err(Failure::new(&format!("kind_{number}"), &text)),
            1 => Err(Failure::new(&text, "\u{1b}[2J")),
            _ => Err(Failure::new("Not A Kind", "")),
        }
    });
    sleep(Duration::from_millis(2_100)).await;
    let report = running.stop().await;
    assert!(report.errors.len() <= 25, "{}", report.errors.len());
    assert_eq!(report.errors[0].kind, OTHER);
    let all: u64 = report.errors.iter().map(|one| one.count).sum();
    assert_eq!(all, report.phases[0].started);
    for error in &report.errors {
        assert!(
            error.kind.len() <= 32 && error.example.len() <= 310,
            "{}",
            error.kind
        );
        assert!(!error.example.contains('\u{1b}'));
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_for_operations_and_dropping_ends_them() {
    let act = |ended: &Arc<AtomicU64>| {
        let ended = Arc::clone(ended);
        move |_| {
            let ended = Arc::clone(&ended);
            async move {
                sleep(Duration::from_millis(700)).await;
                ended.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        }
    };
    let ended = Arc::new(AtomicU64::new(0));
    let running = start(&load(10.0, 1_000, 100), act(&ended));
    sleep(Duration::from_millis(1_050)).await;
    let report = running.stop().await;
    assert_eq!(report.phases[0].completed, 11);
    assert_eq!(ended.load(Ordering::Relaxed), 11);

    let ended = Arc::new(AtomicU64::new(0));
    let running = start(&load(10.0, 1_000, 100), act(&ended));
    sleep(Duration::from_millis(1_050)).await;
    let before = ended.load(Ordering::Relaxed);
    drop(running);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(ended.load(Ordering::Relaxed), before);
    assert_eq!(Arc::strong_count(&ended), 1, "nothing is left behind");
}

#[tokio::test(start_paused = true)]
async fn odd_loads_are_lowered_to_what_is_possible() {
    for rate in [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e18] {
        let running = start(&load(rate, u64::MAX, 0), |_| async { Ok(()) });
        sleep(Duration::from_millis(50)).await;
        let report = running.stop().await;
        assert!(report.phases[0].started >= 1, "{rate}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_begins_operations_late_says_so() {
    let running = start(&load(100.0, 1_000, 1_000), |_| async { Ok(()) });
    for _ in 0..10 {
        // The thread was away: time passes without a timer.
        tokio::time::advance(Duration::from_millis(500)).await;
        tokio::task::yield_now().await;
    }
    let report = running.stop().await;
    let why = report.shortfall.expect("a sentence");
    assert!(
        why.contains("this machine is too slow or too busy"),
        "{why}"
    );
}
