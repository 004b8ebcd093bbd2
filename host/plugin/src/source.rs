//! Where a plugin comes from: a folder, a URL, an OCI registry.
//!
//! What is fetched is kept under its digest.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use reqwest::Url;

use super::artifact::{self, LAYER_TYPE};
use super::download::{DEADLINE, download, is_here, within};
use super::package::embedded;
use super::reference::Reference;
use super::registry::{Credentials, Registry};
use super::runtime::{COMPONENT_LIMIT, sha256};
use duress_files::{Links, read_regular, replace};
use duress_model::{Error, Result};

/// Where a plugin comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder with a `plugin.yaml` and the component, or a component's own file with the manifest in it.
    Path(PathBuf),
    /// A component that a server gives, by https, or by http on this machine.
    Url(Url),
    /// A component in a registry.
    Registry(Reference),
}

/// A component from elsewhere, with the manifest that it brings.
#[derive(Debug)]
pub struct Fetched {
    /// `plugin.yaml`.
    pub manifest: String,
    /// Its bytes.
    pub component: Vec<u8>,
}

impl FromStr for Source {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if let Some(reference) = text.strip_prefix("oci://") {
            let parsed = reference.parse::<Reference>().map_err(|error| {
                Error::input(format!("`{text}` is not an address in a registry: {error}"))
                    .hint("use oci://HOST/NAME:TAG or oci://HOST/NAME@sha256:…")
            })?;
            return Ok(Self::Registry(parsed));
        }
        if text.starts_with("https://") || text.starts_with("http://") {
            let url: Url = text
                .parse()
                .map_err(|error| Error::input(format!("`{text}` is not a URL: {error}")))?;
            if url.scheme() == "http" && !is_here(url.host_str().unwrap_or_default()) {
                return Err(Error::input(format!(
                    "cannot fetch `{text}`: plain http is not allowed, because the download could be tampered with"
                ))
                .hint("use https"));
            }
            return Ok(Self::Url(url));
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(Error::input(format!(
                "`{text}` cannot be fetched: `{scheme}` is not supported"
            ))
            .hint(
                "use https://, oci://, http:// on this machine, or the path of a folder or a file",
            ));
        }
        Ok(Self::Path(PathBuf::from(text)))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Url(url) => url.fmt(f),
            Self::Registry(reference) => write!(f, "oci://{reference}"),
        }
    }
}

impl Source {
    /// Fetches what is elsewhere, or in one file; `None` for a folder. With a digest, e.g. `sha256:2c26…`, that component and no other: from the folder
    /// from `kept` if it has it.
    ///
    /// # Errors
    /// `Environment` when nobody answers, or not to us; `Input` when nothing is found there, or it is not a plugin.
    pub async fn fetch(
        &self,
        digest: Option<&str>,
        kept: Option<&Path>,
    ) -> Result<Option<Fetched>> {
        let kept = Kept(kept);
        let known = digest.and_then(|digest| kept.get(digest));
        let component = match (known, self) {
            (_, Self::Path(path)) if path.is_dir() => return Ok(None),
            (_, Self::Path(path)) => read_regular(path, COMPONENT_LIMIT, Links::Followed)
                .map_err(|error| Error::input(format!("read {}: {error}", path.display())))?,
            (Some(component), _) => component,
            (None, Self::Url(url)) => {
                within(DEADLINE, &format!("fetch {url}"), download(url)).await?
            }
            (None, Self::Registry(reference)) => {
                let what = format!("pull oci://{reference}");
                within(
                    DEADLINE,
                    &what,
                    pull(reference, credentials(reference)?, &kept),
                )
                .await?
            }
        };
        let found = sha256(&component);
        if let Some(wanted) = digest.filter(|wanted| *wanted != found) {
            return Err(Error::input(format!(
                "{self} gives another component than was granted: its digest was {wanted} and is {found}"
            ))
            .hint("see what it is now, and grant it: duress plugin update NAME"));
        }
        let manifest = embedded(&component).map_err(|error| error.context(self))?;
        let manifest = manifest.ok_or_else(|| {
            Error::input(format!("the component of {self} brings no manifest"))
                .hint("its author puts it in with `duress plugin build`, or `duress plugin push`; a folder with a plugin.yaml beside the component will do as well")
        })?;
        kept.put(&found, &component);
        Ok(Some(Fetched {
            manifest,
            component,
        }))
    }
}

/// Pushes a component, with the manifest in it. Returns the digest of what the registry then has: that of the artifact's own manifest.
///
/// # Errors
/// As for [`Source::fetch`].
pub async fn push(reference: &Reference, component: Vec<u8>, license: &str) -> Result<String> {
    let artifact = artifact::describe(component, license)?;
    let mut registry = Registry::new(reference, "push", credentials(reference)?)?;
    let what = format!("push oci://{reference}");
    within(DEADLINE, &what, registry.push(artifact)).await
}

/// Returns the component of an artifact.
async fn pull(reference: &Reference, credentials: Credentials, kept: &Kept<'_>) -> Result<Vec<u8>> {
    let mut registry = Registry::new(reference, "pull", credentials)?;
    let manifest = registry.manifest().await?;
    let layer = match manifest.layers.as_slice() {
        [layer] if layer.media_type == LAYER_TYPE => layer,
        layers => {
            let kinds: Vec<_> = layers
                .iter()
                .take(8)
                .map(|layer| duress_model::text::tame(&layer.media_type, 80))
                .collect();
            return Err(Error::input(format!(
                "oci://{reference} is not a WebAssembly component: it is one layer of `{LAYER_TYPE}`, and this has {}",
                if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") }
            ))
            .hint("is it the image of a container?"));
        }
    };
    match kept.get(&layer.digest) {
        Some(component) => Ok(component),
        None => registry.blob(layer).await,
    }
}

/// Returns what `docker login` has stored for a registry.
fn credentials(reference: &Reference) -> Result<Credentials> {
    let registry = reference.host();
    match docker_credential::get_credential(registry) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(Credentials::Basic(user, password))
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Credentials::Bearer(token)),
        Err(
            CredentialRetrievalError::ConfigNotFound
            | CredentialRetrievalError::ConfigReadError
            | CredentialRetrievalError::NoCredentialConfigured,
        ) => Ok(Credentials::Anonymous),
        Err(error) => Err(Error::environment(format!(
            "read the credentials for {registry} that `docker login` stored: {error}"
        ))
        .hint(format!("docker login {registry}"))),
    }
}

/// Components that were fetched before, each under its digest.
struct Kept<'a>(Option<&'a Path>);

impl Kept<'_> {
    fn path(&self, digest: &str) -> Option<PathBuf> {
        let name = digest.strip_prefix("sha256:")?;
        let is_digest = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let folder = self.0.filter(|_| is_digest)?;
        Some(folder.join(format!("{name}.wasm")))
    }

    /// Returns what is kept under a digest, unless its contents have another one.
    fn get(&self, digest: &str) -> Option<Vec<u8>> {
        let bytes = read_regular(&self.path(digest)?, COMPONENT_LIMIT, Links::Refused).ok()?;
        (sha256(&bytes) == digest).then_some(bytes)
    }

    /// Where it cannot be kept, it is fetched again.
    fn put(&self, digest: &str, component: &[u8]) {
        let Some(path) = self.path(digest) else {
            return;
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        let written = fs::create_dir_all(folder).and_then(|()| replace(&path, component));
        if let Err(error) = written {
            tracing::warn!("{} is not kept: {error}", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        let source = |text: &str| text.parse::<Source>();
        assert!(matches!(source("plugins/x"), Ok(Source::Path(_))));
        assert!(matches!(
            source("https://a.example/x.wasm"),
            Ok(Source::Url(_))
        ));
        assert!(matches!(
            source("http://127.0.0.1:8000/x.wasm"),
            Ok(Source::Url(_))
        ));
        assert!(matches!(source("http://[::1]/x.wasm"), Ok(Source::Url(_))));
        let plain = source("http://a.example/x.wasm").expect_err("not by http");
        assert!(plain.to_string().contains("tampered with"), "{plain}");
        let registry = source("oci://127.0.0.1:5000/x/y:1").expect("a reference");
        assert_eq!(registry.to_string(), "oci://127.0.0.1:5000/x/y:1");
        for other in ["ftp://x/y", "file:///x", "ssh://x", "HTTPS://x"] {
            let refused = source(other).expect_err(other);
            assert!(refused.to_string().contains("not supported"), "{refused}");
        }
        assert!(source("oci://").is_err());
        assert!(source("oci://UPPER/Case:?").is_err());
    }

    #[test]
    fn only_what_has_its_digest_is_taken_from_what_was_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let kept = Kept(Some(folder.path()));
        let digest = sha256(b"component");
        kept.put(&digest, b"component");
        assert_eq!(kept.get(&digest).as_deref(), Some(&b"component"[..]));
        fs::write(kept.path(&digest).expect("a path"), b"another").expect("written");
        assert_eq!(kept.get(&digest), None);
        assert_eq!(kept.path("sha256:../../x"), None);
    }
}
