//! `misbehave`: everything that a host must withstand from a component.

use std::hint::black_box;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{conduct, reach, rebuild, unchanged};
use duress_sdk::schemars::JsonSchema;
use duress_sdk::{Error, Fault, Parameters, Result, Scene, Step, host, http, info, schemars};

/// Longer than any host waits for a call.
const FOR_EVER_MS: u64 = 24 * 60 * 60 * 1000;
/// One line of the flood, and one piece of the memory, in bytes.
const LINE: usize = 1024;
const PIECE: usize = 1 << 20;
/// More than any host takes as an answer, in bytes.
const HUGE: usize = 64 << 20;
/// A host that no manifest names (RFC 2606).
const ELSEWHERE: &str = "http://elsewhere.invalid/";

/// What it does wrong.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum How {
    /// Panic.
    Panic,
    /// Compute for ever.
    Spin,
    /// Wait for ever.
    Sleep,
    /// Take memory for ever.
    Allocate,
    /// Write lines to the log for ever.
    LogFlood,
    /// Call the host for ever.
    CallFlood,
    /// Call itself for ever.
    Recurse,
    /// Answer with metadata of 64 MiB.
    HugeOutput,
    /// Ask for what was not granted.
    DeniedCall,
    /// Fail with a reason of 64 MiB that would clear the terminal.
    HugeReason,
    /// Use each of some names, and many strange ones, wherever a container's or a change's name is asked for.
    Names,
    /// Send a request to each of some addresses.
    Requests,
    /// Open a TCP connection to each of some addresses, and then more than any call may.
    Connections,
    /// Give a shell something to do, wherever it might listen.
    Shell,
    /// Make changes for ever.
    ChangeFlood,
    /// Do to its own target what its manifest does not ask for.
    Ungranted,
    /// Make containers otherwise, replace files and start programs where it may not, and in ways that it may not.
    Rebuild,
    /// Not at all: it replaces a file of each target.
    ReplaceFile,
    /// Not at all.
    Behave,
    /// Make a change, and leave nothing to find it by again.
    Forget,
    /// Applies a change, and reverts it at once.
    Undo,
    /// Change what is not among the targets.
    ChangeAnother,
    /// Take a change back in a way that does not, and say that it did.
    Pretend,
}

/// The parameters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Misbehave {
    /// What it does wrong.
    how: How,
    /// The names or addresses that it tries.
    #[serde(default)]
    with: Vec<String>,
}

impl Parameters for Misbehave {}

/// Returns the fault.
pub(crate) fn fault() -> Fault {
    Fault::new(
        "misbehave",
        "Do to the host what a broken or a hostile component would.",
        |misbehave: Misbehave, scene| act(&misbehave, scene).map(|step| vec![step]),
    )
}

fn act(misbehave: &Misbehave, scene: &Scene) -> Result<Step> {
    let Misbehave { how, with } = misbehave;
    match how {
        How::Panic => panic!("misbehaving as asked"),
        How::Spin => loop {
            black_box(());
        },
        How::Sleep => host::sleep(FOR_EVER_MS),
        How::Allocate => {
            let mut taken = Vec::new();
            loop {
                taken.push(vec![1_u8; PIECE]);
                black_box(&taken);
            }
        }
        How::LogFlood => {
            let line = "flood ".repeat(LINE / 6);
            loop {
                info!("{line}");
            }
        }
        How::CallFlood => loop {
            black_box(host::now());
        },
        How::Recurse => {
            black_box(deeper(0));
        }
        How::HugeOutput => {
            let mut step = unchanged();
            step.facts.insert("huge".into(), "x".repeat(HUGE).into());
            return Ok(step);
        }
        How::DeniedCall => {
            let answer: Result<serde_json::Value> =
                http::get_json(ELSEWHERE, Duration::from_secs(1));
            answer?;
        }
        How::HugeReason => {
            return Err(Error::Failed("\u{1b}[2J".repeat(HUGE / 4)));
        }
        How::Names => return Err(reach::names(with)),
        How::Requests => return Err(reach::requests(with)),
        How::Connections => return Err(reach::connections(with)),
        How::Shell => return Err(reach::shell(with)),
        How::Ungranted => return Err(reach::ungranted(scene)),
        How::ChangeFlood => return Err(reach::change_flood(scene)),
        How::Rebuild => return Err(rebuild::all(scene, with)),
        How::ReplaceFile => return conduct::with_another_file(scene, with),
        How::Behave => return Ok(conduct::well(scene)),
        How::Forget => return conduct::forgetfully(scene),
        How::Undo => return conduct::hastily(scene),
        How::ChangeAnother => return conduct::elsewhere(scene),
        How::Pretend => return Ok(conduct::dishonestly(scene)),
    }
    Err(Error::Failed(format!("{how:?} was survived")))
}

/// It has an end that is never reached, and uses what it returns, so that it is not made into a loop.
fn deeper(depth: u64) -> u64 {
    if depth == u64::MAX {
        return depth;
    }
    let frame = black_box([depth; 16]);
    deeper(black_box(depth + 1)) + frame[0]
}
