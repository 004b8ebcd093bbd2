//! `pd-server`, as the image `pingcap/pd` has it.

use std::process::ExitCode;

use clap::Parser as _;
use tikv_standin::{pd, server};

fn main() -> ExitCode {
    server::run("pd-server", pd::serve(pd::Flags::parse()))
}
