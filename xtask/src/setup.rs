//! What each verb needs, and how it is made: components by cargo, and images beside it, so that neither waits for the other.

use std::thread;

use anyhow::{Context as _, Result, anyhow};
use xshell::cmd;

use crate::compiler::Lints;
use crate::components::Components;
use crate::images::{self, Image};
use crate::progress::step;
use crate::sh::{CmdExt as _, shell};
use crate::tools::{self, Tool};
use crate::{engine, packages, test, wasm_std};

/// What a verb needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    components: Components,
    images: &'static [Image],
    tools: &'static [Tool],
}

impl Setup {
    /// Everything that a person at work on duress needs.
    pub(crate) const ALL: Self = Self {
        components: Components::All,
        images: &Image::ALL,
        tools: &[],
    };
    /// The quickstart campaign.
    pub(crate) const DEMO: Self = Self {
        components: Components::Of(&["duress-compose", "duress-faults", "duress-etcd"]),
        images: &[Image::Etcd],
        tools: &[],
    };
    /// Campaigns on etcd with faults of every kind.
    pub(crate) const STORM: Self = Self {
        images: &[Image::Etcd, Image::Base, Image::Toolbox],
        ..Self::DEMO
    };
    /// The tests that run on another kernel.
    pub(crate) const NETEM: Self = Self {
        images: &[Image::Etcd, Image::Base, Image::Toolbox, Image::Bare],
        ..Self::ALL
    };
    /// Every test.
    pub(crate) const TEST: Self = Self {
        tools: &Tool::ALL,
        ..Self::ALL
    };
    /// The measurements, of which one is of a component in Python.
    pub(crate) const BENCH: Self = Self {
        tools: &[Tool::ComponentizePy],
        ..Self::ALL
    };
    /// What needs no container.
    pub(crate) const COMPONENTS: Self = Self {
        components: Components::All,
        images: &[],
        tools: &[],
    };

    /// Makes all of it.
    pub(crate) fn run(self) -> Result<()> {
        self.run_with(|| Ok(()))
    }

    /// Makes all of it, and builds the host with the components in it meanwhile.
    pub(crate) fn run_and_build_host(self) -> Result<()> {
        self.run_with(build_host)
    }

    /// Makes all of it. `build` runs as soon as the components are there.
    pub(crate) fn run_with(self, build: impl FnOnce() -> Result<()>) -> Result<()> {
        thread::scope(|scope| {
            let machine = scope.spawn(|| self.prepare_machine());
            let built = self.build_components().and_then(|()| build());
            let prepared = machine
                .join()
                .map_err(|_| anyhow!("the thread that makes the images panicked"));
            // Of two errors that of cargo, which is beneath the screenful that it wrote.
            built.and(prepared?)
        })
    }

    fn build_components(self) -> Result<()> {
        let sysroot =
            wasm_std::find_or_build().context("get Rust's standard library for WebAssembly")?;
        self.components
            .build(sysroot.as_deref())
            .context("build the components")
    }

    /// Gets the packages, the engine, the images and the tools.
    fn prepare_machine(self) -> Result<()> {
        if !self.images.is_empty() {
            packages::install().context("install the packages that are needed")?;
            engine::start().context("start the container engine")?;
            images::get(self.images).context("get the images")?;
        }
        tools::get(self.tools).context("get the tools that tests need")
    }
}

/// Builds every test, and `target/debug/duress` with them.
pub(crate) fn build_tests(lints: Lints) -> Result<()> {
    step("Build duress and its tests", "6 min the first time", || {
        let sh = lints.shell()?;
        test::nextest_or_test(&sh, &["--no-run"]).show()
    })
}

/// Builds `target/debug/duress`.
pub(crate) fn build_host() -> Result<()> {
    step("Build duress", "4 min the first time", || {
        let sh = shell()?;
        cmd!(sh, "cargo build --bin duress").show()
    })
}
