//! The images that subjects and tests run on: pulled where a registry has them, else made here.
//!
//! An image that was made carries the digest of what it was made from, and is made again when that differs.

mod debian;
mod label;
mod program;

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context as _, Result};

pub(crate) use program::TOOLBOX;

use crate::workspace;

/// The variables by which the compose files name their images, for a shell to read.
pub(crate) const ENVIRONMENT_FILE: &str = "target/duress/images.env";

/// An image, by its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Image {
    /// etcd, for the subject of that name.
    Etcd,
    /// Redis, for an example.
    Redis,
    /// PostgreSQL, for an example.
    Postgres,
    /// Prometheus, for a subject that has one.
    Prometheus,
    /// Python with the library that exports metrics, for the same subject.
    Web,
    /// Debian with the tools that a network is looked at with.
    Base,
    /// The stand-in for TiKV's placement driver.
    Pd,
    /// The stand-in for TiKV's store.
    Tikv,
    /// The toolbox, whose name duress knows.
    Toolbox,
    /// A single static program, for tests: what works on it works on any image.
    Bare,
}

impl Image {
    /// Every image.
    pub(crate) const ALL: [Self; 10] = [
        Self::Etcd,
        Self::Redis,
        Self::Postgres,
        Self::Prometheus,
        Self::Web,
        Self::Base,
        Self::Pd,
        Self::Tikv,
        Self::Toolbox,
        Self::Bare,
    ];

    /// The variable that names it to compose files; `None` for the one that duress knows.
    pub(crate) fn variable(self) -> Option<&'static str> {
        match self {
            Self::Etcd => Some("DURESS_ETCD_IMAGE"),
            Self::Redis => Some("DURESS_REDIS_IMAGE"),
            Self::Postgres => Some("DURESS_POSTGRES_IMAGE"),
            Self::Prometheus => Some("DURESS_PROMETHEUS_IMAGE"),
            Self::Web => Some("DURESS_WEB_IMAGE"),
            Self::Base => Some("DURESS_BASE_IMAGE"),
            Self::Pd => Some("DURESS_PD_IMAGE"),
            Self::Tikv => Some("DURESS_TIKV_IMAGE"),
            Self::Toolbox => None,
            Self::Bare => Some("DURESS_BARE_IMAGE"),
        }
    }

    /// Gets it, and returns its name.
    fn get(self) -> Result<&'static str> {
        match self {
            Self::Etcd => debian::ETCD.get(),
            Self::Redis => debian::REDIS.get(),
            Self::Postgres => debian::POSTGRES.get(),
            Self::Prometheus => debian::PROMETHEUS.get(),
            Self::Web => debian::web(),
            Self::Base => debian::base(),
            Self::Pd => program::pd(),
            Self::Tikv => program::tikv(),
            Self::Toolbox => program::toolbox(),
            Self::Bare => program::bare(),
        }
    }
}

/// Gets these images and adds them to the file that names them.
pub(crate) fn get(images: &[Image]) -> Result<()> {
    let mut names = named();
    for image in images {
        let name = image.get()?;
        if let Some(variable) = image.variable() {
            names.insert(variable.to_owned(), name.to_owned());
        }
    }
    let text: String = names
        .iter()
        .map(|(variable, name)| format!("{variable}={name}\n"))
        .collect();
    workspace::scratch()?;
    fs::write(workspace::root().join(ENVIRONMENT_FILE), text).context("note the images")
}

/// Returns the variables that name the images. What the user has set stays.
pub(crate) fn environment() -> Vec<(String, String)> {
    named()
        .into_iter()
        .filter(|(variable, _)| std::env::var_os(variable).is_none())
        .collect()
}

/// Returns the variables of the file; none where no image was made yet.
fn named() -> BTreeMap<String, String> {
    let text = fs::read_to_string(workspace::root().join(ENVIRONMENT_FILE)).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(variable, name)| (variable.to_owned(), name.to_owned()))
        .collect()
}
