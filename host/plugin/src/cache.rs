//! Compiled components on disk, so that loading one again takes milliseconds.
//!
//! A compiled component is machine code, and loading it trusts every byte. So an entry is loaded only from a directory that belongs
//! to this user and that nobody else can write, and only when its content has the digest that it was written with. Anything else is
//! ignored and compiled again.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// How an entry is written: the code, and the digest behind it.
const FORMAT: u8 = 2;
/// The length of a SHA-256 digest in bytes.
const DIGEST_LENGTH: usize = 32;
/// How much of a file is looked at at once, in bytes.
const PIECE: usize = 256 << 10;

/// A directory of compiled components for one engine configuration.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
}

impl Cache {
    /// Returns the cache for an engine beneath a directory, which is made where it is missing.
    ///
    /// # Errors
    /// As a sentence, when the directory belongs to somebody else, others can write it, or it cannot be made.
    pub fn open(base: &Path, engine: &Engine) -> Result<Self, String> {
        let mut hasher = Sha256Hasher(Sha256::new());
        FORMAT.hash(&mut hasher);
        engine.precompile_compatibility_hash().hash(&mut hasher);
        let directory = base.join(hex::encode(&hasher.0.finalize()[..8]));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
        for path in [base, &directory] {
            let metadata = fs::symlink_metadata(path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            if !metadata.is_dir() || !private(&metadata) {
                return Err(format!(
                    "{} is not a directory that this user alone can write",
                    path.display()
                ));
            }
        }
        Ok(Self { directory })
    }

    /// Returns the compiled form of the component with this digest, if a sound one is there.
    pub(super) fn get(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let path = self.path(digest);
        let metadata = fs::symlink_metadata(&path).ok()?;
        if !metadata.is_file() || !private(&metadata) {
            tracing::warn!(
                "{} was not written by duress for this user: ignored",
                path.display()
            );
            return None;
        }
        if !is_whole(&path).ok()? {
            tracing::warn!(
                "{} is damaged: the component is compiled again",
                path.display()
            );
            return None;
        }
        #[expect(unsafe_code, reason = "loading machine code is unsafe by nature")]
        // SAFETY: the file was made by `Component::serialize`: it is whole (its digest was checked) and in a directory that only
        // this user can write, and is replaced by another file and never changed, so that mapping it is sound. What stands behind
        // the code is not part of it. Wasmtime checks that its version and configuration are this engine's.
        let component = unsafe { Component::deserialize_file(engine, &path) };
        component
            .inspect_err(|error| tracing::warn!("{} is not used: {error:#}", path.display()))
            .ok()
    }

    /// Keeps a compiled component. Concurrent readers see the whole entry or none.
    pub(super) fn put(&self, digest: &str, component: &Component) -> Result<(), String> {
        let code = component.serialize().map_err(|error| error.to_string())?;
        let path = self.path(digest);
        let write = || -> std::io::Result<()> {
            // For this user alone, and under a name that no other process has.
            let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
            file.write_all(&code)?;
            file.write_all(&Sha256::digest(&code))?;
            file.persist(&path).map(drop).map_err(|error| error.error)
        };
        write().map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    fn path(&self, digest: &str) -> PathBuf {
        self.directory
            .join(format!("{}.cwasm", digest.trim_start_matches("sha256:")))
    }
}

/// Returns whether what stands before a file's last bytes has the digest that they are.
fn is_whole(path: &Path) -> std::io::Result<bool> {
    let mut file = fs::File::open(path)?;
    let length = file.metadata()?.len();
    let Some(length) = length.checked_sub(DIGEST_LENGTH as u64) else {
        return Ok(false);
    };
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut code = (&mut file).take(length);
    loop {
        match code.read(&mut piece)? {
            0 => break,
            read => hasher.update(&piece[..read]),
        }
    }
    let mut written = [0; DIGEST_LENGTH];
    file.read_exact(&mut written)?;
    Ok(hasher.finalize().as_slice() == written)
}

/// This user's, and writable by nobody else.
fn private(metadata: &fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o022 == 0
}

/// A hasher that is the same in every process, unlike the standard library's.
struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Not used: the whole digest is taken instead.
    fn finish(&self) -> u64 {
        0
    }
}
