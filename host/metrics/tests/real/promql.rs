//! Values of PromQL queries, of a real Prometheus.

use std::time::Duration;

use duress_experiment::Source;
use duress_metrics::{Context, Probe, Unready};

use crate::prometheus::{Prometheus, SCRAPE_MS, until};
use crate::service::{Answer, Service};
use crate::trial::{nowhere, probe, reason, value};

const METRICS: &str = "# TYPE depth gauge\ndepth{queue=\"a\"} 7\ndepth{queue=\"b\"} 9\nnothing NaN\nalone 5\nrequests_total 100\n";

struct Bench {
    service: Service,
    prometheus: Prometheus,
    context: Context,
}

impl Bench {
    /// Prometheus with samples of the target in it.
    async fn new() -> Self {
        let service = Service::start(Answer::http("200 OK", "text/plain", METRICS));
        let prometheus = Prometheus::start(&service.address.to_string());
        let bench = Self {
            service,
            prometheus,
            context: nowhere().await,
        };
        let mut rate = bench.probe("rate(requests_total[5s])");
        until("samples", async || value(&rate.sample().await)).await;
        bench
    }

    fn probe(&self, query: &str) -> Probe {
        self.probe_with(query, SCRAPE_MS)
    }

    fn probe_with(&self, query: &str, scrape_ms: u64) -> Probe {
        let source = Source::Promql {
            query: query.to_owned(),
            at: self.prometheus.address.clone(),
            scrape_ms,
            range_ms: 5_000,
        };
        probe(source, 5_000, &self.context)
    }
}

#[tokio::test]
async fn a_query_has_one_value_with_its_samples_own_time() {
    let bench = Bench::new().await;
    // Scrapes may come late on a busy machine: what is not asked for here is how late.
    let mut alone = bench.probe_with("alone", 10_000);
    let mut ages = Vec::new();
    for _ in 0..20 {
        let sample = alone.sample().await;
        assert_eq!(value(&sample), Ok(5.0));
        ages.push((sample.sampled_at, sample.asked_at));
        tokio::time::sleep(Duration::from_millis(13)).await;
    }
    // The time is the scrape's: many looks see the same sample, and none is of the moment of its look.
    let mut times: Vec<_> = ages.iter().map(|(sampled_at, _)| *sampled_at).collect();
    assert!(
        ages.iter()
            .any(|(sampled_at, asked_at)| asked_at - sampled_at > 30),
        "{ages:?}"
    );
    times.dedup_by(|a, b| (*a - *b).abs() <= 10);
    assert!(times.len() < 15, "{ages:?}");
    assert!(times.is_sorted(), "{ages:?}");

    let of = async |query: &str| value(&bench.probe_with(query, 10_000).sample().await);
    assert_eq!(of("sum(depth)").await, Ok(16.0));
    assert_eq!(of("depth{queue=\"b\"}").await, Ok(9.0));
    assert_eq!(of("scalar(alone) * 2").await, Ok(10.0));
    assert_eq!(
        of("sum by (job) (rate(requests_total[5s])) / on (job) group_left () sum by (job) (depth)")
            .await,
        Ok(0.0)
    );
    assert_eq!(of("depth{queue=\"b\"} offset 1ms").await, Ok(9.0));
}

#[tokio::test]
async fn what_is_not_one_value_has_a_reason() {
    let bench = Bench::new().await;
    let of = async |query: &str| value(&bench.probe_with(query, 10_000).sample().await);
    reason(
        of("depth").await,
        &["2 series, {queue=", "} among them", "aggregate it"],
    );
    reason(of("nobody_counts_this").await, &["no series"]);
    reason(of("nothing").await, &["NaN"]);
    reason(of("alone / 0").await, &["infinite"]);
    reason(of("alone[5s]").await, &["a range of samples"]);
    reason(of("sum(").await, &["cannot read the query", "parse error"]);
    reason(
        of("rate(alone)").await,
        &["cannot read the query", "range vector"],
    );

    let is_wrong = async |query: &str| match bench.probe(query).check().await {
        Ok(sample) => panic!("{sample:?}"),
        Err(Unready::Wrong(_)) => true,
        Err(Unready::NotYet(_)) => false,
    };
    assert!(is_wrong("sum(").await);
    assert!(is_wrong("depth").await);
    assert!(!is_wrong("nobody_counts_this").await);
    assert!(bench.probe_with("alone", 10_000).check().await.is_ok());
}

#[tokio::test]
async fn a_rate_that_outlives_its_target_is_no_value() {
    let bench = Bench::new().await;
    let query = "sum(rate(requests_total[1m]))";
    let mut watched = bench.probe_with(query, 10_000);
    assert_eq!(value(&watched.sample().await), Ok(0.0));
    // The target is down: its series end, and the rate goes on.
    bench
        .service
        .answers(Answer::http("500 Down", "text/plain", ""));
    let ended = until("the end of the series", async || {
        match value(&watched.sample().await) {
            Ok(value) => Err(format!("still {value}")),
            Err(reason) => Ok(reason),
        }
    })
    .await;
    assert!(
        ended.contains("has ended") && ended.contains("requests_total"),
        "{ended}"
    );
    // Of a query that shows none of its series nothing is known but its value.
    let mut hidden = bench.probe_with("sum(rate(requests_total[1m] offset 1ms))", 10_000);
    assert_eq!(value(&hidden.sample().await), Ok(0.0));
    let plain = value(&bench.probe_with("alone", 10_000).sample().await);
    reason(plain, &["no series"]);
}

#[tokio::test]
async fn a_sample_that_is_not_renewed_is_stale() {
    let bench = Bench::new().await;
    // As a collector that keeps its own times and has stopped: every scrape brings the same sample.
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let page = format!("kept 5 {}\n", now.as_millis());
    bench
        .service
        .answers(Answer::http("200 OK", "text/plain", &page));
    let mut kept = bench.probe("kept");
    let stale = until("a stale sample", async || {
        match value(&kept.sample().await) {
            Err(reason) if reason.contains("stale") => Ok(reason),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    assert!(
        stale.contains("`kept`") && stale.contains("due every 0.2 s"),
        "{stale}"
    );
    let mut rated = bench.probe("rate(kept[1m]) or vector(1)");
    reason(value(&rated.sample().await), &["stale"]);
}

#[tokio::test]
async fn a_prometheus_that_is_slow_or_down_gives_reasons_in_time() {
    let mut bench = Bench::new().await;
    let source = || Source::Promql {
        query: "alone".to_owned(),
        at: format!("http://{}/", bench.prometheus.address),
        scrape_ms: 10_000,
        range_ms: 0,
    };
    assert_eq!(
        value(&probe(source(), 5_000, &bench.context).sample().await),
        Ok(5.0)
    );
    bench.prometheus.signal("STOP");
    let slow = probe(source(), 300, &bench.context).sample().await;
    reason(value(&slow), &["within"]);
    bench.prometheus.signal("CONT");
    let source = source();
    bench.prometheus.end();
    let down = probe(source.clone(), 5_000, &bench.context).sample().await;
    reason(value(&down), &["refused"]);
    let mut down = probe(source, 5_000, &bench.context);
    assert!(matches!(down.check().await, Err(Unready::NotYet(_))));
    let again = down.range_check(0, 1_000, Duration::from_secs(1)).await;
    assert!(again.expect("a Prometheus keeps the past").is_err());
}

#[tokio::test]
async fn the_past_is_read_again_with_its_gaps() {
    let bench = Bench::new().await;
    let mut alone = bench.probe_with("alone", 10_000);
    let first = alone.sample().await;
    assert_eq!(value(&first), Ok(5.0));
    bench
        .service
        .answers(Answer::http("500 Down", "text/plain", ""));
    let last = until("the end of the series", async || {
        let sample = alone.sample().await;
        match value(&sample) {
            Ok(value) => Err(format!("still {value}")),
            Err(_) => Ok(sample),
        }
    })
    .await;
    let from = first.asked_at;
    let step = Duration::from_millis(100);
    let read = alone.range_check(from, last.asked_at + 100, step).await;
    let points = read.expect("a Prometheus keeps the past").unwrap();
    assert!(
        points
            .windows(2)
            .all(|pair| pair[1].sampled_at - pair[0].sampled_at == 100)
    );
    assert_eq!(points[0].value, Ok(5.0), "{points:?}");
    assert!(points.last().unwrap().value.is_err(), "{points:?}");
    // A window of a year is read in larger steps.
    let year = from - 365 * 24 * 3_600_000;
    let points = alone
        .range_check(year, last.asked_at, step)
        .await
        .unwrap()
        .unwrap();
    assert!(points.len() <= 11_000, "{}", points.len());
    let mut several = bench.probe("depth");
    let read = several
        .range_check(from, last.asked_at, step)
        .await
        .unwrap();
    assert!(read.expect_err("two series").reason.contains("2 series"));
}
