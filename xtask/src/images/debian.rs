//! Images of a small Debian with some packages, by `mmdebstrap`.

use std::fs;

use anyhow::{Context as _, Result, bail};
use xshell::cmd;

use super::label;
use crate::progress::{say, step};
use crate::sh::{CmdExt as _, shell};
use crate::{apt, workspace};

/// The image that the stand-ins and the toolbox are made from.
pub(super) const BASE: &str = "duress/base:local";
/// What tests and people look at a network with.
const TOOLS: &str = "iproute2,iptables,iputils-ping,procps";
/// The time for a pull, in seconds: without a route to the registry some resolvers hang.
const PULL_SECONDS: &str = "60";

/// A real system's published image, where it can be pulled; else one with Debian's packages of it.
pub(super) struct System {
    published: &'static str,
    local: &'static str,
    packages: &'static str,
}

pub(super) const ETCD: System = System {
    published: "quay.io/coreos/etcd:v3.5.17",
    local: "duress/etcd:local",
    packages: "etcd-server,etcd-client",
};
pub(super) const REDIS: System = System {
    published: "docker.io/library/redis:7.4",
    local: "duress/redis:local",
    packages: "redis-server,redis-tools",
};
pub(super) const POSTGRES: System = System {
    published: "docker.io/library/postgres:15-bookworm",
    local: "duress/postgres:local",
    packages: "postgresql-15",
};
pub(super) const PROMETHEUS: System = System {
    published: "quay.io/prometheus/prometheus:v2.55.1",
    local: "duress/prometheus:local",
    packages: "prometheus",
};
/// Python with the library that exports metrics.
const WEB: &str = "duress/web:local";

impl System {
    pub(super) fn get(&self) -> Result<&'static str> {
        let Self {
            published,
            local,
            packages,
        } = *self;
        let sh = shell()?;
        if cmd!(sh, "docker image inspect {published}").works() {
            return Ok(published);
        }
        // The release of Debian that has etcd 3.4; later ones lack it.
        let recipe = Recipe {
            suite: "bookworm".to_owned(),
            packages: format!("{packages},{TOOLS}"),
        };
        if recipe.is_made(local)? {
            return Ok(local);
        }
        let pulled = step(&format!("Pull the image {published}"), "10 s", || {
            Ok(cmd!(sh, "timeout {PULL_SECONDS} docker pull --quiet {published}").works())
        })?;
        if pulled {
            return Ok(published);
        }
        say("It cannot be pulled, so an image with Debian's package is made");
        recipe.make(local)?;
        Ok(local)
    }
}

/// Gets the base image. It has this machine's own release of Debian, so that programs built here run there.
pub(super) fn base() -> Result<&'static str> {
    let recipe = base_recipe()?;
    if !recipe.is_made(BASE)? {
        recipe.make(BASE)?;
    }
    Ok(BASE)
}

/// Gets the image with Python and the library that exports metrics.
pub(super) fn web() -> Result<&'static str> {
    let recipe = Recipe {
        suite: apt::codename()?,
        packages: format!("python3,python3-prometheus-client,{TOOLS}"),
    };
    if !recipe.is_made(WEB)? {
        recipe.make(WEB)?;
    }
    Ok(WEB)
}

/// Returns the digest of what the base image is made from.
pub(super) fn base_inputs() -> Result<String> {
    Ok(base_recipe()?.inputs())
}

fn base_recipe() -> Result<Recipe> {
    Ok(Recipe {
        suite: apt::codename()?,
        packages: TOOLS.to_owned(),
    })
}

struct Recipe {
    suite: String,
    packages: String,
}

impl Recipe {
    fn inputs(&self) -> String {
        label::digest(&[self.suite.as_bytes(), self.packages.as_bytes()])
    }

    fn is_made(&self, image: &str) -> Result<bool> {
        label::is_made_from(image, &self.inputs())
    }

    fn make(&self, image: &str) -> Result<()> {
        if !apt::has("mmdebstrap") {
            say(&format!(
                "`mmdebstrap` is missing: it makes the image {image}"
            ));
            apt::install(["mmdebstrap"])?;
        }
        let Self { suite, packages } = self;
        let what = format!("Make the image {image} with mmdebstrap, from Debian {suite}");
        step(&what, "20 s", || {
            let name = image.replace(['/', ':'], "-");
            let archive = workspace::scratch()?.join(format!("{name}.tar"));
            let mirror = apt::mirror();
            let change = label::change(&self.inputs());
            let sh = shell()?;
            cmd!(sh, "mmdebstrap --quiet --variant=minbase --include={packages} {suite} {archive} {mirror}")
                .capture()?;
            cmd!(sh, "docker import --change {change} {archive} {image}").capture()?;
            fs::remove_file(&archive).with_context(|| format!("remove {}", archive.display()))?;
            if !self.is_made(image)? {
                bail!("`docker import` made no image {image}");
            }
            Ok(())
        })
    }
}
