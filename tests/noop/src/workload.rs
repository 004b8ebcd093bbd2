//! Operations of a workload: what measures the host alone, and what a host must withstand.

use std::hint::black_box;
use std::time::Duration;

use duress_sdk::bindings::duress::plugin::http as raw;
use duress_sdk::{Failure, Input, Operation, containers, host, http, info, settings, tcp};

use crate::Settings;

/// Longer than any host waits for a call, in milliseconds.
const FOR_EVER_MS: u64 = 24 * 60 * 60 * 1000;
/// More than any host takes as a message, in bytes.
const HUGE: usize = 256 << 10;
/// A piece of memory, in bytes.
const PIECE: usize = 1 << 20;
/// Time limit for an exchange.
const LIMIT: Duration = Duration::from_secs(60);
/// More lines than any host records.
const LINES: usize = 2_000;

/// Returns every operation, or what `operations` in the settings asks for.
pub(crate) fn operations() -> Vec<Operation> {
    let asked = settings::<Settings>().unwrap_or_default().operations;
    let named = |name: String| Operation {
        name: name.leak(),
        description: "Do nothing.",
        make: |_| Ok(()),
    };
    match asked.as_str() {
        "many" => {
            return (0..10_000)
                .map(|n| named(format!("operation_{n}")))
                .collect();
        }
        "twice" => return vec![named("same".into()), named("same".into())],
        "" | "hostile" => {}
        odd => return vec![named(odd.to_owned())],
    }
    let operation: fn(&'static str, Make) -> Operation = |name, make| Operation {
        name,
        description: "Do to the host what its name says.",
        make,
    };
    let mut all = vec![
        operation("nothing", |_| Ok(())),
        operation("request", request),
        operation("connect", connect),
    ];
    if asked == "hostile" {
        all.extend(hostile(operation));
    }
    all
}

type Make = fn(Input) -> Result<(), Failure>;

fn hostile(operation: fn(&'static str, Make) -> Operation) -> Vec<Operation> {
    vec![
        operation("panic", |_| panic!("misbehaving as asked")),
        operation("spin", |_| {
            loop {
                black_box(());
            }
        }),
        operation("sleep", |_| {
            host::sleep(FOR_EVER_MS);
            Ok(())
        }),
        operation("huge_failure", |_| {
            Err(Failure::new(
                &"k".repeat(HUGE),
                "\u{1b}[2J".repeat(HUGE / 4),
            ))
        }),
        operation("odd_kinds", |input: Input| {
            Err(Failure::new(&format!("kind {}", input.number), "odd"))
        }),
        operation("allocate", |_| {
            let mut taken = Vec::new();
            loop {
                taken.push(vec![1_u8; PIECE]);
                black_box(&taken);
            }
        }),
        operation("log_flood", |_| {
            (0..LINES).for_each(|line| info!("line {line}"));
            Ok(())
        }),
        operation("exec", |_| {
            // It is granted to the subject's other calls.
            containers::exec("one", &["/bin/true"], LIMIT)?;
            Ok(())
        }),
    ]
}

/// A request to where `url` in the settings says.
fn request(_: Input) -> Result<(), Failure> {
    let url = settings::<Settings>()?.url;
    if url.is_empty() {
        return Ok(());
    }
    let response = raw::send(&http::request("GET", &url, None, LIMIT))?;
    match response.status {
        200..=299 => Ok(()),
        status => Err(Failure::new("status", status)),
    }
}

/// A connection to `connect_to` in the settings, on which a line is sent and one is received.
fn connect(_: Input) -> Result<(), Failure> {
    let settings = settings::<Settings>()?;
    if settings.connect_to.is_empty() {
        return Ok(());
    }
    let mut connection = tcp::Connection::open(&settings.connect_to, settings.port, LIMIT)?;
    connection.send(b"GET / HTTP/1.0\r\n\r\n")?;
    connection.read_line()?;
    Ok(())
}
