//! The images that subjects run on: pulled where they can be had, else made here.
//!
//! An image that was made carries the digest of what it was made from, and is made again when that differs.

use std::fs;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::packages::{codename, install_packages, is_there};
use crate::sh::Sh;
use crate::{debian, workspace};

/// The variables by which the compose files name their images, for a shell to read.
pub(crate) const ENVIRONMENT_FILE: &str = "target/duress/images.env";

const ETCD: &str = "quay.io/coreos/etcd:v3.5.17";
const ETCD_LOCAL: &str = "duress/etcd:local";
const BASE_LOCAL: &str = "duress/base:local";
/// Programs of the TiKV stand-in: each at the root of an image of its own, where the real image has the real one.
const STANDINS: [(&str, &str); 2] = [
    ("pd-server", "duress/pd-standin:local"),
    ("tikv-server", "duress/tikv-standin:local"),
];
const INPUTS: &str = "io.duress.inputs";
/// What tests and people look at a network with.
const TOOLS: &str = "iproute2,iptables,iputils-ping,procps";

/// Get every image, and write down which.
pub(crate) fn build() -> Result<()> {
    let etcd = etcd()?;
    standins()?;
    let [(_, pd), (_, tikv)] = STANDINS;
    let variables =
        format!("DURESS_ETCD_IMAGE={etcd}\nDURESS_PD_IMAGE={pd}\nDURESS_TIKV_IMAGE={tikv}\n");
    workspace::scratch()?;
    fs::write(workspace::root().join(ENVIRONMENT_FILE), variables).context("note the images")
}

/// The variables that name the images; what the user has set stays.
pub(crate) fn environment() -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(workspace::root().join(ENVIRONMENT_FILE))
        .context("read which images there are: `cargo xtask setup` says so")?;
    let variables = text.lines().filter_map(|line| line.split_once('='));
    Ok(variables
        .filter(|(name, _)| std::env::var_os(name).is_none())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect())
}

fn etcd() -> Result<&'static str> {
    if exists(ETCD) {
        return Ok(ETCD);
    }
    let packages = format!("etcd-server,etcd-client,{TOOLS}");
    // The release of Debian that has etcd 3.4, a later one lacks it.
    let recipe = Recipe {
        suite: "bookworm".to_owned(),
        packages,
    };
    if recipe.is_made(ETCD_LOCAL) {
        return Ok(ETCD_LOCAL);
    }
    println!("Pulling {ETCD}");
    // Without a way to the registry some resolvers hang.
    match Sh::new("timeout")
        .args(["60", "docker", "pull", "--quiet", ETCD])
        .read()
    {
        Ok(_) => Ok(ETCD),
        Err(_) => {
            println!("It cannot be pulled, so an image with Debian's etcd is made");
            recipe.make(ETCD_LOCAL)?;
            Ok(ETCD_LOCAL)
        }
    }
}

/// The stand-ins' images: Debian of this machine's own release, so that programs built here run there.
fn standins() -> Result<()> {
    println!("Building the TiKV stand-in");
    Sh::new("cargo")
        .args(["build", "--quiet", "--release", "--package", "tikv-standin"])
        .run()?;
    let suite = codename().context("/etc/os-release names no release of Debian")?;
    let recipe = Recipe {
        suite,
        packages: TOOLS.to_owned(),
    };
    if !recipe.is_made(BASE_LOCAL) {
        recipe.make(BASE_LOCAL)?;
    }
    for (program, image) in STANDINS {
        let path = workspace::root().join("target/release").join(program);
        let content = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let inputs = digest(&[recipe.digest().as_bytes(), &content]);
        if label(image).as_deref() == Some(&inputs) {
            continue;
        }
        println!("Making the image {image}");
        let container = Sh::new("docker")
            .args(["create", BASE_LOCAL, "true"])
            .read()?;
        let container = container.trim();
        let made = Sh::new("docker")
            .arg("cp")
            .arg(&path)
            .arg(format!("{container}:/{program}"))
            .read()
            .and_then(|_| {
                Sh::new("docker")
                    .args(["commit", "--change"])
                    .arg(format!("LABEL {INPUTS}={inputs}"))
                    .args([container, image])
                    .read()
            });
        Sh::new("docker").args(["rm", container]).read()?;
        made?;
    }
    Ok(())
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

/// What an image was made from; `None` where there is no such image, or it was not made here.
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
