//! The images that subjects run on: pulled where they can be had, else made here.
//!
//! An image that was made carries the digest of what it was made from, and is made again when that differs.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::packages::{codename, install_packages, is_there};
use crate::sh::Sh;
use crate::wasm_std::compiler;
use crate::{debian, workspace};

/// The variables by which the compose files name their images, for a shell to read.
pub(crate) const ENVIRONMENT_FILE: &str = "target/duress/images.env";

const BASE_LOCAL: &str = "duress/base:local";
const PD_LOCAL: &str = "duress/pd-standin:local";
const TIKV_LOCAL: &str = "duress/tikv-standin:local";
/// Nothing but one static program, for tests: what works on it works on any image.
const BARE_LOCAL: &str = "duress/bare:local";
/// As `duress` itself calls it.
pub(crate) const TOOLBOX: &str = "duress/toolbox:local";
const INPUTS: &str = "io.duress.inputs";
/// What tests and people look at a network with.
const TOOLS: &str = "iproute2,iptables,iputils-ping,procps";

/// Gets every image, and writes down which.
pub(crate) fn build() -> Result<()> {
    let etcd = ETCD.get()?;
    let redis = REDIS.get()?;
    let postgres = POSTGRES.get()?;
    with_programs()?;
    let variables = format!(
        "DURESS_ETCD_IMAGE={etcd}\nDURESS_REDIS_IMAGE={redis}\nDURESS_POSTGRES_IMAGE={postgres}\nDURESS_PD_IMAGE={PD_LOCAL}\nDURESS_TIKV_IMAGE={TIKV_LOCAL}\n\
         DURESS_BASE_IMAGE={BASE_LOCAL}\nDURESS_BARE_IMAGE={BARE_LOCAL}\n"
    );
    workspace::scratch()?;
    fs::write(workspace::root().join(ENVIRONMENT_FILE), variables).context("note the images")
}

/// Returns the variables that name the images; what the user has set stays.
pub(crate) fn environment() -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(workspace::root().join(ENVIRONMENT_FILE))
        .context("read which images there are: `cargo xtask setup` says so")?;
    let variables = text.lines().filter_map(|line| line.split_once('='));
    Ok(variables
        .filter(|(name, _)| std::env::var_os(name).is_none())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

/// A real system's own image, where it can be pulled; else one with Debian's packages of it.
struct System {
    published: &'static str,
    local: &'static str,
    packages: &'static str,
}

const ETCD: System = System {
    published: "quay.io/coreos/etcd:v3.5.17",
    local: "duress/etcd:local",
    packages: "etcd-server,etcd-client",
};
const REDIS: System = System {
    published: "docker.io/library/redis:7.4",
    local: "duress/redis:local",
    packages: "redis-server,redis-tools",
};
const POSTGRES: System = System {
    published: "docker.io/library/postgres:15-bookworm",
    local: "duress/postgres:local",
    packages: "postgresql-15",
};

impl System {
    fn get(&self) -> Result<&'static str> {
        let Self {
            published,
            local,
            packages,
        } = *self;
        if exists(published) {
            return Ok(published);
        }
        // The release of Debian that has etcd 3.4, a later one lacks it.
        let recipe = Recipe {
            suite: "bookworm".to_owned(),
            packages: format!("{packages},{TOOLS}"),
        };
        if recipe.is_made(local) {
            return Ok(local);
        }
        println!("Pulling {published}");
        // Without a way to the registry some resolvers hang.
        let pulled = Sh::new("timeout")
            .args(["60", "docker", "pull", "--quiet", published])
            .read();
        if pulled.is_ok() {
            return Ok(published);
        }
        println!("It cannot be pulled, so an image with Debian's package is made");
        recipe.make(local)?;
        Ok(local)
    }
}

/// The images around programs of this workspace: the stand-ins, where the real images have the real ones, and the toolbox.
fn with_programs() -> Result<()> {
    println!("Building the TiKV stand-in and the helper");
    let release = ["build", "--quiet", "--release", "--package"];
    Sh::new("cargo").args(release).arg("tikv-standin").run()?;
    let host = compiler("host")?;
    // Static, for it runs in containers that hold nothing else.
    Sh::new("cargo")
        .args(release)
        .args(["duress-helper", "--target", &host])
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            "-Ctarget-feature=+crt-static\x1f-Cstrip=symbols",
        )
        .run()?;
    // Debian of this machine's own release, so that programs built here run there.
    let suite = codename().context("/etc/os-release names no release of Debian")?;
    let base = Recipe {
        suite,
        packages: TOOLS.to_owned(),
    };
    if !base.is_made(BASE_LOCAL) {
        base.make(BASE_LOCAL)?;
    }
    let helper = format!("{host}/release/duress-helper");
    for (program, image) in [
        ("release/pd-server", PD_LOCAL),
        ("release/tikv-server", TIKV_LOCAL),
        (helper.as_str(), TOOLBOX),
    ] {
        with_program(
            &base,
            &workspace::root().join("target").join(program),
            image,
        )?;
    }
    bare(&workspace::root().join("target").join(helper))
}

/// An image of one program, which waits.
fn bare(program: &Path) -> Result<()> {
    let content = fs::read(program).with_context(|| format!("read {}", program.display()))?;
    let inputs = digest(&[b"/program", &content]);
    if label(BARE_LOCAL).as_deref() == Some(&inputs) {
        return Ok(());
    }
    println!("Making the image {BARE_LOCAL}");
    let folder = program.parent().context("a program lies in a folder")?;
    let name = program.file_name().context("a program has a name")?;
    let archive = workspace::scratch()?.join("bare.tar");
    Sh::new("tar")
        .args(["--create", "--file"])
        .arg(&archive)
        .arg("--directory")
        .arg(folder)
        .arg(name)
        .args(["--transform", "s/.*/program/"])
        .read()?;
    Sh::new("docker")
        .args(["import", "--change"])
        .arg(format!("LABEL {INPUTS}={inputs}"))
        .args(["--change", "ENTRYPOINT [\"/program\", \"wait\"]"])
        .arg(&archive)
        .arg(BARE_LOCAL)
        .read()?;
    fs::remove_file(&archive).with_context(|| format!("remove {}", archive.display()))
}

/// An image with a program at its root.
fn with_program(base: &Recipe, path: &Path, image: &str) -> Result<()> {
    let content = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    let inputs = digest(&[base.digest().as_bytes(), &content]);
    if label(image).as_deref() == Some(&inputs) {
        return Ok(());
    }
    println!("Making the image {image}");
    let container = Sh::new("docker")
        .args(["create", BASE_LOCAL, "true"])
        .read()?;
    let container = container.trim();
    let made = Sh::new("docker")
        .arg("cp")
        .arg(path)
        .arg(format!("{container}:/"))
        .read()
        .and_then(|_| {
            Sh::new("docker")
                .args(["commit", "--change"])
                .arg(format!("LABEL {INPUTS}={inputs}"))
                .args([container, image])
                .read()
        });
    Sh::new("docker").args(["rm", container]).read()?;
    made.map(drop)
}

/// A small Debian with some packages.
struct Recipe {
    suite: String,
    packages: String,
}

impl Recipe {
    fn digest(&self) -> String {
        digest(&[self.suite.as_bytes(), self.packages.as_bytes()])
    }

    fn is_made(&self, image: &str) -> bool {
        label(image) == Some(self.digest())
    }

    fn make(&self, image: &str) -> Result<()> {
        if !is_there("mmdebstrap") {
            println!("`mmdebstrap` is missing (it makes the image {image})");
            install_packages(["mmdebstrap"])?;
        }
        println!(
            "Making the image {image} with mmdebstrap, from Debian {}",
            self.suite
        );
        let archive = workspace::scratch()?.join("image.tar");
        Sh::new("mmdebstrap")
            .args(["--quiet", "--variant=minbase"])
            .arg(format!("--include={}", self.packages))
            .arg(&self.suite)
            .arg(&archive)
            .arg(debian::mirror())
            .read()?;
        let label = format!("LABEL {INPUTS}={}", self.digest());
        Sh::new("docker")
            .args(["import", "--change", &label])
            .arg(&archive)
            .arg(image)
            .read()?;
        fs::remove_file(&archive).with_context(|| format!("remove {}", archive.display()))?;
        if !self.is_made(image) {
            bail!("`docker import` made no image {image}");
        }
        Ok(())
    }
}

fn exists(image: &str) -> bool {
    let inspect = Sh::new("docker").args(["image", "inspect", image]);
    inspect
        .command()
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Returns what an image was made from; `None` where there is no such image, or it was not made here.
fn label(image: &str) -> Option<String> {
    let format = format!("{{{{index .Config.Labels \"{INPUTS}\"}}}}");
    let label = Sh::new("docker")
        .args(["image", "inspect", "--format", &format, image])
        .read()
        .ok()?;
    Some(label.trim().to_owned())
}

fn digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
