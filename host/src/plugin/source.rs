//! Where a plugin comes from: a folder, a URL, an OCI registry.
//!
//! In a registry a component is an artifact of one layer, as the WebAssembly working group of the CNCF lays it out
//! (<https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/>), and so as `wkg` reads and writes it. What is fetched is kept
//! under its digest.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;
use oci_client::manifest::OciDescriptor;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use oci_wasm::{WASM_LAYER_MEDIA_TYPE, WasmClient, WasmConfig};
use reqwest::{StatusCode, Url};

use super::package::embedded;
use super::runtime::{COMPONENT_LIMIT, sha256};
use crate::{Error, Result};

/// For a registry or a server to take a connection, and to send something more.
const PATIENCE: Duration = Duration::from_secs(20);

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
            let parsed = reference.parse().map_err(|error| {
                Error::input(format!("`{text}` names nothing in a registry: {error}"))
                    .hint("it is oci://HOST/NAME:TAG or oci://HOST/NAME@sha256:…")
            })?;
            return Ok(Self::Registry(parsed));
        }
        if text.starts_with("https://") || text.starts_with("http://") {
            let url: Url = text
                .parse()
                .map_err(|error| Error::input(format!("`{text}` is no URL: {error}")))?;
            if url.scheme() == "http" && !is_here(url.host_str().unwrap_or_default()) {
                return Err(Error::input(format!(
                    "`{text}` is http: whoever is on the way could change what it gives"
                ))
                .hint("use https"));
            }
            return Ok(Self::Url(url));
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
    /// Fetch what is elsewhere, or in one file; `None` for a folder. With a digest, e.g. `sha256:2c26…`, that component and no other: from the folder
    /// `kept` where it is there.
    ///
    /// # Errors
    /// `Environment` when nobody answers, or not to us; `Input` when there is no such thing, or it is no plugin.
    pub async fn fetch(
        &self,
        digest: Option<&str>,
        kept: Option<&Path>,
    ) -> Result<Option<Fetched>> {
        let kept = Kept(kept);
        let known = digest.and_then(|digest| kept.get(digest));
        let component = match (known, self) {
            (_, Self::Path(path)) if path.is_file() => fs::read(path)
                .map_err(|error| Error::environment(format!("read {}: {error}", path.display())))?,
            (_, Self::Path(_)) => return Ok(None),
            (Some(component), _) => component,
            (None, Self::Url(url)) => download(url).await?,
            (None, Self::Registry(reference)) => pull(reference, &kept).await?,
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

/// Push a component, with the manifest in it. Returns the digest of what the registry then has: that of the artifact's own manifest.
///
/// # Errors
/// As for [`Source::fetch`].
pub async fn push(reference: &Reference, component: Vec<u8>, license: &str) -> Result<String> {
    let failed = |error: OciDistributionError| refused(reference, "push", &error);
    let (config, layer) = WasmConfig::from_raw_component(component, None)
        .map_err(|error| Error::input(format!("describe the component: {error:#}")))?;
    let client = client(reference);
    let auth = credentials(reference)?;
    // Otherwise the first request is made without them.
    client
        .store_auth_if_needed(reference.resolve_registry(), &auth)
        .await;
    let annotations = [(
        "org.opencontainers.image.licenses".to_owned(),
        license.to_owned(),
    )];
    let client = WasmClient::new(client);
    let pushed = client
        .push(reference, &auth, layer, config, Some(annotations.into()))
        .await;
    pushed.map_err(|error| match error.downcast::<OciDistributionError>() {
        Ok(error) => failed(error),
        Err(error) => Error::environment(format!("push oci://{reference}: {error:#}")),
    })?;
    client
        .fetch_manifest_digest(reference, &auth)
        .await
        .map_err(failed)
}

/// The component of an artifact.
async fn pull(reference: &Reference, kept: &Kept<'_>) -> Result<Vec<u8>> {
    let failed = |error: OciDistributionError| refused(reference, "pull", &error);
    let client = client(reference);
    let auth = credentials(reference)?;
    let (manifest, _) = client
        .pull_image_manifest(reference, &auth)
        .await
        .map_err(failed)?;
    let layer = match manifest.layers.as_slice() {
        [layer] if layer.media_type == WASM_LAYER_MEDIA_TYPE => layer,
        layers => {
            let kinds: Vec<_> = layers
                .iter()
                .map(|layer| layer.media_type.as_str())
                .collect();
            return Err(Error::input(format!(
                "oci://{reference} is no WebAssembly component: it is one layer of `{WASM_LAYER_MEDIA_TYPE}`, and this has {}",
                if kinds.is_empty() { "none".to_owned() } else { kinds.join(", ") }
            ))
            .hint("is it the image of a container?"));
        }
    };
    if let Some(component) = kept.get(&layer.digest) {
        return Ok(component);
    }
    check_size(reference, layer)?;
    let mut component = Vec::new();
    client
        .pull_blob(reference, layer, &mut component)
        .await
        .map_err(failed)?;
    Ok(component)
}

fn check_size(reference: &Reference, layer: &OciDescriptor) -> Result<()> {
    match u64::try_from(layer.size) {
        Ok(size) if size <= COMPONENT_LIMIT => Ok(()),
        _ => Err(too_large(&format!("oci://{reference}"), layer.size >> 20)),
    }
}

fn too_large(what: &str, mebibytes: i64) -> Error {
    Error::input(format!(
        "{what} has {mebibytes} MiB; a component may have {}",
        COMPONENT_LIMIT >> 20
    ))
}

async fn download(url: &Url) -> Result<Vec<u8>> {
    let unreachable = |error: reqwest::Error| {
        Error::environment(format!("fetch {url}: {}", crate::http::causes(&error)))
            .hint("is it written rightly, and can this machine reach it?")
    };
    let client = reqwest::Client::builder()
        .connect_timeout(PATIENCE)
        .read_timeout(PATIENCE)
        .https_only(url.scheme() == "https")
        .user_agent(concat!("duress/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(unreachable)?;
    let mut response = client.get(url.clone()).send().await.map_err(unreachable)?;
    let status = response.status();
    if !status.is_success() {
        let refused = format!("fetch {url}: the server answered {status}");
        return Err(match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Error::input(refused).hint("is it written rightly?")
            }
            _ => Error::environment(refused),
        });
    }
    let mut component = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        component.extend_from_slice(&chunk);
        if component.len() as u64 > COMPONENT_LIMIT {
            return Err(too_large(url.as_str(), component.len() as i64 >> 20));
        }
    }
    if !component.starts_with(b"\0asm") {
        return Err(
            Error::input(format!("what {url} gives is no WebAssembly component"))
                .hint("the URL must be that of the component itself, not of a page about it"),
        );
    }
    Ok(component)
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// A client for a registry: by https, but for one on this machine, as Docker has it.
fn client(reference: &Reference) -> Client {
    let registry = reference.resolve_registry();
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() => host,
        _ => registry,
    };
    let protocol = match is_here(host) {
        true => ClientProtocol::Http,
        false => ClientProtocol::Https,
    };
    Client::new(ClientConfig {
        protocol,
        read_timeout: Some(PATIENCE),
        connect_timeout: Some(PATIENCE),
        user_agent: concat!("duress/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    })
}

/// What `docker login` has stored for a registry.
fn credentials(reference: &Reference) -> Result<RegistryAuth> {
    let registry = reference.resolve_registry();
    match docker_credential::get_credential(registry) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(RegistryAuth::Basic(user, password))
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(RegistryAuth::Bearer(token)),
        Err(
            CredentialRetrievalError::ConfigNotFound
            | CredentialRetrievalError::ConfigReadError
            | CredentialRetrievalError::NoCredentialConfigured,
        ) => Ok(RegistryAuth::Anonymous),
        Err(error) => Err(Error::environment(format!(
            "read the credentials for {registry} that `docker login` stored: {error}"
        ))
        .hint(format!("docker login {registry}"))),
    }
}

/// What a registry's refusal means, and what to do.
fn refused(reference: &Reference, verb: &str, error: &OciDistributionError) -> Error {
    use OciDistributionError as E;
    let registry = reference.resolve_registry();
    let what = format!("{verb} oci://{reference}");
    let unauthorized = || {
        Error::environment(format!(
            "{what}: the registry wants to know who asks, or does not let them (401)"
        ))
        .hint(format!("docker login {registry}"))
    };
    let not_found = || {
        Error::input(format!("{what}: the registry has no such thing (404)"))
            .hint("are the name and the tag written rightly?")
    };
    match error {
        E::UnauthorizedError { .. } | E::AuthenticationFailure(_) => unauthorized(),
        E::ImageManifestNotFoundError(_) => not_found(),
        E::ServerError {
            code: 401 | 403, ..
        } => unauthorized(),
        E::ServerError { code: 404, .. } => not_found(),
        E::ServerError { code, message, .. } => Error::environment(format!(
            "{what}: the registry answered {code}: {}",
            crate::capability::tame(message, 200)
        )),
        E::RegistryError { envelope, .. } => {
            let codes: Vec<_> = envelope
                .errors
                .iter()
                .map(|one| format!("{:?}", one.code))
                .collect();
            match codes.iter().any(|code| code.ends_with("Unknown")) {
                true => not_found(),
                false
                    if codes
                        .iter()
                        .any(|code| code == "Unauthorized" || code == "Denied") =>
                {
                    unauthorized()
                }
                false => Error::environment(format!(
                    "{what}: the registry refused: {}",
                    codes.join(", ")
                )),
            }
        }
        E::RequestError(error) if error.is_decode() => garbage(&what, &crate::http::causes(error)),
        E::RequestError(error) => Error::environment(format!(
            "{what}: {registry} does not answer: {}",
            crate::http::causes(error)
        ))
        .hint("is it written rightly, and can this machine reach it?"),
        other => garbage(&what, &other.to_string()),
    }
}

fn garbage(what: &str, why: &str) -> Error {
    Error::environment(format!(
        "{what}: the answer is not that of a registry: {}",
        crate::capability::tame(why, 200)
    ))
    .hint("does the address belong to an OCI registry?")
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

    /// What somebody else has put there has another digest.
    fn get(&self, digest: &str) -> Option<Vec<u8>> {
        let bytes = fs::read(self.path(digest)?).ok()?;
        (sha256(&bytes) == digest).then_some(bytes)
    }

    /// Where it cannot be kept, it is fetched again.
    fn put(&self, digest: &str, component: &[u8]) {
        let Some(path) = self.path(digest) else {
            return;
        };
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let folder = path.parent().unwrap_or(Path::new("."));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&temporary, component))
            .and_then(|()| fs::rename(&temporary, &path));
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
        assert!(plain.to_string().contains("on the way"), "{plain}");
        let registry = source("oci://127.0.0.1:5000/x/y:1").expect("a reference");
        assert_eq!(registry.to_string(), "oci://127.0.0.1:5000/x/y:1");
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
