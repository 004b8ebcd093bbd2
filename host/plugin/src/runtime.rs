//! The one WebAssembly engine of the process: its configuration, its linker, its clock. The command line, the tests and the cache
//! all use this one constructor.

use std::path::{Path, PathBuf};
use std::time::Duration;

use etcetera::BaseStrategy as _;
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine};

use super::bounds;
use super::cache::Cache;
use super::component::PluginComponent;
use super::manifest::{PluginManifest, read_component};
use duress_capability::Ctx;
use duress_model::{Error, Result};

/// How often a running guest gives way to the rest of the program. A time limit is noticed within this.
const TICK: Duration = Duration::from_millis(10);
/// The most stack that a guest may use, in bytes; recursion without end traps there.
const STACK_LIMIT: usize = 1 << 20;
/// How long compiling one component may take: an interpreter with its library takes 8 s, ten times that on a busy machine.
const COMPILE_LIMIT: Duration = Duration::from_secs(120);
/// The largest component that is read, in bytes: an interpreter with its library has some 20 MB.
pub const COMPONENT_LIMIT: u64 = 256 << 20;

/// Compiles and links components.
pub struct Runtime {
    engine: Engine,
    linker: Linker<Ctx>,
    cache: Option<Cache>,
}

impl Runtime {
    /// A runtime that keeps compiled components in a directory, if one is given.
    ///
    /// # Errors
    /// `Environment` where this machine cannot run WebAssembly. A cache that cannot be used is logged and left aside.
    pub fn new(cache_directory: Option<&Path>) -> Result<Self> {
        let engine = engine().map_err(|error| unusable(&error))?;
        let mut linker = Linker::new(&engine);
        duress_capability::add_to_linker(&mut linker).map_err(|error| unusable(&error))?;
        start_clock(&engine)?;
        let cache = cache_directory.and_then(|directory| match Cache::open(directory, &engine) {
            Ok(cache) => Some(cache),
            Err(error) => {
                tracing::warn!("compiled components are not kept: {error}");
                None
            }
        });
        Ok(Self {
            engine,
            linker,
            cache,
        })
    }

    /// Returns where compiled components are kept unless the user says otherwise: `$XDG_CACHE_HOME/duress/components`.
    pub fn default_cache_directory() -> Option<PathBuf> {
        cache_directory("components")
    }

    /// Returns where components are kept that were fetched: `$XDG_CACHE_HOME/duress/fetched`.
    pub fn fetched_directory() -> Option<PathBuf> {
        cache_directory("fetched")
    }

    /// Loads a plugin's component, from the cache where it was compiled before.
    ///
    /// # Errors
    /// `Input` for a file that is missing, is not a component, or was built for another interface.
    pub fn load(&self, manifest: &PluginManifest, directory: &Path) -> Result<PluginComponent> {
        self.load_if(manifest, directory, |_| Ok(()))
    }

    /// As [`Self::load`], once a check of the digest of what was read has passed: what was not granted is not
    /// compiled.
    ///
    /// # Errors
    /// As for [`Self::load`], and what the check says.
    pub(super) fn load_if(
        &self,
        manifest: &PluginManifest,
        directory: &Path,
        check: impl FnOnce(&str) -> Result<()>,
    ) -> Result<PluginComponent> {
        let file = manifest.component_file()?;
        let path = directory.join(file);
        let bytes = read(directory, file)?;
        check(&sha256(&bytes))?;
        self.load_bytes(manifest, &path, &bytes)
    }

    /// Loads a component that was read already; the path is for messages.
    pub(super) fn load_bytes(
        &self,
        manifest: &PluginManifest,
        path: &Path,
        bytes: &[u8],
    ) -> Result<PluginComponent> {
        let digest = sha256(bytes);
        let cached = self
            .cache
            .as_ref()
            .and_then(|cache| cache.get(&self.engine, &digest));
        let component = match cached {
            Some(component) => component,
            None => {
                let component = self.compile(path, bytes)?;
                if let Some(cache) = &self.cache
                    && let Err(error) = cache.put(&digest, &component)
                {
                    tracing::warn!(
                        "the compiled form of {} is not kept: {error}",
                        path.display()
                    );
                }
                component
            }
        };
        PluginComponent::link(&self.linker, &component, manifest, digest)
            .map_err(|error| error.context(format_args!("load {}", path.display())))
    }

    /// Compiles a component without the cache.
    pub fn compile(&self, path: &Path, bytes: &[u8]) -> Result<Component> {
        let refused = |why: &str| Error::input(format!("{} {why}", path.display()));
        if wasm_kind(bytes) == WasmKind::Module {
            return Err(refused("is a core WebAssembly module, not a component")
                .hint("build it for `wasm32-unknown-unknown` with the linker `wasm-component-ld`, or encode it with wit-component"));
        }
        if wasm_kind(bytes) == WasmKind::Other {
            return Err(refused("is not a WebAssembly component")
                .hint("a component begins with the bytes 00 61 73 6d 0d 00 01 00; is this the right file?"));
        }
        bounds::check(bytes).map_err(|why| refused(&why).hint("build or download it again"))?;
        let compiled = within(COMPILE_LIMIT, {
            let (engine, bytes) = (self.engine.clone(), bytes.to_owned());
            move || Component::new(&engine, bytes)
        });
        let Some(compiled) = compiled else {
            return Err(refused(&format!(
                "could not be compiled within {} s",
                COMPILE_LIMIT.as_secs()
            ))
            .hint(
                "build it with optimizations and without debug information, so that it is smaller",
            ));
        };
        compiled.map_err(|error| {
            refused(&format!(
                "is a damaged WebAssembly component: {}",
                error.root_cause()
            ))
            .hint("build or download it again")
        })
    }

    /// Returns the digest of a plugin's component as it lies there; nothing of it is compiled.
    ///
    /// # Errors
    /// `Input` for a file that is missing or too large.
    pub fn digest(manifest: &PluginManifest, directory: &Path) -> Result<String> {
        read(directory, manifest.component_file()?).map(|bytes| sha256(&bytes))
    }
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}

/// Does work on a thread of its own; `None` when it takes longer than the limit. It is left to itself then: it cannot be ended, but its
/// size is bounded.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = std::sync::mpsc::sync_channel(1);
    let started = std::thread::Builder::new()
        .name("duress-compile".into())
        .spawn(move || {
            // Nobody may be waiting any more.
            let _ = done.send(work());
        });
    started.ok()?;
    result.recv_timeout(limit).ok()
}

fn cache_directory(what: &str) -> Option<PathBuf> {
    let folders = etcetera::base_strategy::Xdg::new().ok()?;
    Some(folders.cache_dir().join("duress").join(what))
}

fn engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(STACK_LIMIT)
        // The guest's stack, and room beside it for the host functions that it calls.
        .async_stack_size(STACK_LIMIT * 2);
    Engine::new(&config)
}

/// Epochs tick on a thread of their own, so that a guest that never waits still gives way. It ends with the engine.
fn start_clock(engine: &Engine) -> Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("duress-epochs".into())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        })
        .map(drop)
        .map_err(|error| {
            Error::environment(format!(
                "start the thread that limits plugins' time: {error}"
            ))
        })
}

fn unusable(error: &wasmtime::Error) -> Error {
    Error::environment(format!(
        "set up WebAssembly on this machine: {}",
        error.root_cause()
    ))
}

fn read(directory: &Path, file: &std::ffi::OsStr) -> Result<Vec<u8>> {
    read_component(directory, file, COMPONENT_LIMIT).map_err(|error| {
        let path = directory.join(file);
        let message = Error::input(format!("read the component {}: {error}", path.display()));
        match error.kind() {
            std::io::ErrorKind::NotFound => {
                message.hint("build it: `duress plugin build NAME`, or fetch it: `duress plugin fetch`; `cargo xtask setup` builds those of duress itself")
            }
            std::io::ErrorKind::InvalidInput => {
                message.hint("it must be a regular file beside its plugin.yaml, and no link")
            }
            _ => message,
        }
    })
}

/// Returns the digest by which a component is known, e.g. `sha256:2c26…`.
pub fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

#[derive(PartialEq, Eq)]
enum WasmKind {
    Component,
    Module,
    Other,
}

/// By the preamble: magic, version and layer (the component model's binary format).
fn wasm_kind(bytes: &[u8]) -> WasmKind {
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => WasmKind::Component,
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => WasmKind::Module,
        _ => WasmKind::Other,
    }
}
