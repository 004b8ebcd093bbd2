//! `tikv-server`, as the image `pingcap/tikv` has it.

use std::process::ExitCode;

use clap::Parser as _;
use tikv_standin::{server, store};

fn main() -> ExitCode {
    server::run("tikv-server", store::serve(store::Flags::parse()))
}
