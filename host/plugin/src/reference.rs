//! The name of something in a registry: `HOST/NAME:TAG`, or `HOST/NAME@DIGEST`.
//!
//! As `docker` reads it: without a host the name is Docker Hub's, without a tag or a digest the tag is `latest`.

use std::fmt;
use std::str::FromStr;

const HUB: &str = "docker.io";
/// Where Docker Hub's registry answers.
const HUB_REGISTRY: &str = "index.docker.io";
/// The longest name, in bytes (OCI distribution specification, "Pulling manifests").
const NAME_LIMIT: usize = 255;
const TAG_LIMIT: usize = 128;
/// Hash functions, with the number of hexadecimal digits of their results.
const ALGORITHMS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// Names an artifact in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    /// The host that answers for the registry, with its port if it has one.
    pub(super) fn host(&self) -> &str {
        match self.registry.as_str() {
            HUB => HUB_REGISTRY,
            registry => registry,
        }
    }

    /// The name in the registry.
    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag, if one is given.
    pub(super) fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one is given.
    pub(super) fn digest(&self) -> Option<&str> {
        self.digest.as_deref()
    }
}

impl FromStr for Reference {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        if !digest.is_none_or(is_digest) {
            return Err("the digest is not `sha256:` and 64 hexadecimal digits");
        }
        // A colon before the last slash belongs to the host's port.
        let name_begins = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[name_begins..].split_once(':') {
            Some((last, tag)) => (&rest[..name_begins + last.len()], Some(tag)),
            None => (rest, None),
        };
        if !tag.is_none_or(is_tag) {
            return Err("the tag contains a character that no tag may contain");
        }
        let (registry, path) = match name.split_once('/') {
            Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
            _ => (HUB, name),
        };
        if !is_host(registry) {
            return Err("the host contains a character that no host may contain");
        }
        if path.len() > NAME_LIMIT {
            return Err("the name is longer than 255 bytes");
        }
        if !path.split('/').all(is_component) {
            return Err(
                "the name must consist of lower-case letters, digits, and `.`, `_`, `-` or `/` between them",
            );
        }
        let registry = if registry == HUB_REGISTRY {
            HUB
        } else {
            registry
        };
        let repository = match (registry, path.contains('/')) {
            // Docker Hub's own images.
            (HUB, false) => format!("library/{path}"),
            _ => path.to_owned(),
        };
        let default_tag = digest.is_none().then_some("latest");
        Ok(Self {
            registry: registry.to_owned(),
            repository,
            tag: tag.or(default_tag).map(str::to_owned),
            digest: digest.map(str::to_owned),
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

fn is_digest(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hex)| {
        let is_whole = ALGORITHMS.contains(&(algorithm, hex.len()));
        is_whole && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = text.bytes();
    text.len() <= TAG_LIMIT
        && bytes.next().is_some_and(is_word)
        && bytes.all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'))
}

fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty()
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.split('.').all(is_label)
        && !port.is_empty()
        && port.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns whether this may stand between two slashes of a name: letters and digits, with `.`, `_`, `__` or dashes between them.
fn is_component(text: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let is_closed = bytes.first().is_some_and(is_word) && bytes.last().is_some_and(is_word);
    is_closed
        && bytes
            .split(is_word)
            .all(|between| matches!(between, b"" | b"." | b"_" | b"__") || is_dashes(between))
}

fn is_dashes(between: &[u8]) -> bool {
    between.iter().all(|byte| *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

    #[test]
    fn a_reference_is_read_as_docker_reads_it() {
        for (text, registry, repository, tag) in [
            ("busybox", "docker.io", "library/busybox", Some("latest")),
            ("test.com:tag", "docker.io", "library/test.com", Some("tag")),
            ("test.com/repo:tag", "test.com", "repo", Some("tag")),
            ("test:5000/repo", "test:5000", "repo", Some("latest")),
            (
                "test:5000/a/b__c/d--e:t.1",
                "test:5000",
                "a/b__c/d--e",
                Some("t.1"),
            ),
            ("localhost/x", "localhost", "x", Some("latest")),
            (
                "foo/foo_bar.com:8080",
                "docker.io",
                "foo/foo_bar.com",
                Some("8080"),
            ),
            (
                "index.docker.io/foo",
                "docker.io",
                "library/foo",
                Some("latest"),
            ),
            ("Host.example/x", "Host.example", "x", Some("latest")),
            (
                &format!("test:5000/repo@{DIGEST}"),
                "test:5000",
                "repo",
                None,
            ),
            (
                &format!("test:5000/repo:1@{DIGEST}"),
                "test:5000",
                "repo",
                Some("1"),
            ),
        ] {
            let read: Reference = text.parse().expect(text);
            assert_eq!(read.registry, registry, "{text}");
            assert_eq!(read.repository(), repository, "{text}");
            assert_eq!(read.tag(), tag, "{text}");
            assert_eq!(read.digest().is_some(), text.contains('@'), "{text}");
            assert_eq!(read.to_string().parse(), Ok(read), "{text}");
        }
        let hub: Reference = "busybox".parse().expect("a name");
        assert_eq!(hub.host(), "index.docker.io");
    }

    #[test]
    fn a_text_that_docker_refuses_is_refused() {
        let long = "a/".repeat(128) + "a";
        for text in [
            "",
            ":tag",
            "/x",
            "x/",
            "a//b",
            "UPPER/x",
            "test.com/Upper",
            "-host.example/x",
            "host.example:/x",
            "host.example:port/x",
            "a/b/../c",
            "a/_b",
            "a/b_",
            "a/b___c",
            "a/b.-c",
            "x:",
            "x:-tag",
            "x:ta/g",
            "x@sha256:ff",
            "x@md5:ffffffffffffffffffffffffffffffff",
            "x@",
            "a b",
            "a?b",
            "ä",
            &long,
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_was_read_is_read_again(text in "\\PC{0,60}") {
            if let Ok(read) = text.parse::<Reference>() {
                proptest::prop_assert_eq!(read.to_string().parse(), Ok(read));
            }
        }
    }
}
