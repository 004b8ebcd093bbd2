//! What there is to run against: the subjects and plugins beneath a few folders, found by name and loaded when they are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Mutex;

use super::built_in::BuiltIn;
use super::component::Kind;
use super::lock::{LOCK_FILE, LockFile};
use super::manifest::{PluginManifest, SubjectManifest};
use super::plugin::Plugin;
use super::runtime::Runtime;
use duress_engine::Selection;
use duress_model::{Error, Result, Services};

/// Folders whose subjects and plugins are found beside those of the working directory, separated by `:`.
pub const PATH_VARIABLE: &str = "DURESS_PATH";

/// A subject that is loaded.
#[derive(Debug)]
pub struct Subject {
    /// What `subject.yaml` says.
    pub manifest: SubjectManifest,
    /// The folder that holds it.
    pub directory: PathBuf,
    /// The plugin that knows it.
    pub plugin: Arc<Plugin>,
}

impl Subject {
    /// Returns the compose file's path; `None` for a subject without containers.
    pub fn compose_file(&self) -> Option<PathBuf> {
        self.manifest
            .compose
            .as_ref()
            .map(|file| self.directory.join(file))
    }

    /// Returns whether it has containers, of its own or of a system that already runs.
    pub fn has_containers(&self) -> bool {
        self.manifest.compose.is_some() || self.manifest.attach.is_some()
    }
}

/// A subject that was found and is not loaded yet.
#[derive(Debug, Clone)]
pub struct SubjectEntry {
    /// Its folder's name, which is its own.
    pub name: String,
    /// The folder.
    pub directory: PathBuf,
}

/// Where something was found.
#[derive(Debug, Clone)]
struct Place {
    /// The folder whose [`LockFile`] counts.
    root: PathBuf,
    directory: PathBuf,
}

/// The subjects and plugins of a set of folders.
#[derive(Debug)]
pub struct Catalog {
    runtime: Runtime,
    roots: Vec<PathBuf>,
    subjects: BTreeMap<String, Place>,
    plugins: BTreeMap<String, Place>,
    /// Those of the program itself that no root switches off and that no plugin of a root goes before.
    built_in: Vec<BuiltIn>,
    /// Plugins whose digests are not kept are refused.
    pinned: bool,
    loaded_subjects: Mutex<BTreeMap<String, Arc<Subject>>>,
    loaded_plugins: Mutex<BTreeMap<PathBuf, Arc<Plugin>>>,
    loaded_built_in: Mutex<BTreeMap<BuiltIn, Arc<Plugin>>>,
}

impl Catalog {
    /// Returns the catalog of these folders, each with `subjects/` and `plugins/` beneath it. The first that has a name wins.
    pub fn discover(runtime: Runtime, roots: Vec<PathBuf>) -> Self {
        let find = |kind: &str, file: &str| {
            let mut found = BTreeMap::new();
            for root in &roots {
                let Ok(entries) = std::fs::read_dir(root.join(kind)) else {
                    continue;
                };
                for directory in entries.flatten().map(|entry| entry.path()) {
                    let name = directory.file_name().and_then(|name| name.to_str());
                    if let Some(name) = name
                        && directory.join(file).is_file()
                    {
                        let place = Place {
                            root: root.clone(),
                            directory: directory.clone(),
                        };
                        found.entry(name.to_owned()).or_insert(place);
                    }
                }
            }
            found
        };
        let (subjects, plugins) = (
            find("subjects", "subject.yaml"),
            find("plugins", "plugin.yaml"),
        );
        // A lock that cannot be read is told by what needs it: a plugin of its root, or a built-in one.
        let disabled: BTreeSet<BuiltIn> = roots
            .iter()
            .filter_map(|root| LockFile::read(root).ok())
            .flat_map(|lock| lock.disable_built_in)
            .collect();
        let built_in = BuiltIn::ALL
            .into_iter()
            .filter(|one| !disabled.contains(one) && !plugins.contains_key(one.name()))
            .collect();
        Self {
            runtime,
            roots,
            subjects,
            plugins,
            built_in,
            pinned: false,
            loaded_subjects: Mutex::default(),
            loaded_plugins: Mutex::default(),
            loaded_built_in: Mutex::default(),
        }
    }

    /// Returns the same, refusing plugins whose digests are not kept in their [`LockFile`].
    #[must_use]
    pub fn pinned(mut self, pinned: bool) -> Self {
        self.pinned = pinned;
        self
    }

    /// Returns the folders to search: those of [`PATH_VARIABLE`], then the [nearest root](Self::nearest_root).
    pub fn default_roots(start: &Path) -> Vec<PathBuf> {
        let named: Vec<PathBuf> = std::env::var_os(PATH_VARIABLE)
            .map(|paths| {
                std::env::split_paths(&paths)
                    .filter(|p| !p.as_os_str().is_empty())
                    .collect()
            })
            .unwrap_or_default();
        named.into_iter().chain(Self::nearest_root(start)).collect()
    }

    /// Returns the subjects that were found, by name.
    pub fn subjects(&self) -> Vec<SubjectEntry> {
        let entry = |(name, place): (&String, &Place)| SubjectEntry {
            name: name.clone(),
            directory: place.directory.clone(),
        };
        self.subjects.iter().map(entry).collect()
    }

    /// Returns what compiles its components.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Returns the nearest folder at or above `start` with a folder `subjects` or `plugins`.
    pub fn nearest_root(start: &Path) -> Option<PathBuf> {
        let is_root = |folder: &&Path| {
            ["subjects", "plugins"]
                .iter()
                .any(|one| folder.join(one).is_dir())
        };
        start.ancestors().find(is_root).map(Path::to_owned)
    }

    /// Returns the plugin of this name that belongs to the program, unless a root has one of that name or switches it off.
    pub fn built_in(&self, name: &str) -> Option<BuiltIn> {
        self.built_in.iter().copied().find(|one| one.name() == name)
    }

    /// Returns the folder of a plugin of a root.
    ///
    /// # Errors
    /// `Input` if no such plugin exists.
    pub fn plugin_directory(&self, name: &str) -> Result<PathBuf> {
        let place = self.plugins.get(name);
        let place = place.ok_or_else(|| self.unknown_plugin(name))?;
        Ok(place.directory.clone())
    }

    /// Whether a plugin of a root was granted what it asks for.
    ///
    /// # Errors
    /// `Input`, with what it was not.
    pub fn grant_of(&self, name: &str, manifest: &PluginManifest, digest: &str) -> Result<()> {
        let place = self.plugins.get(name);
        let Place { root, directory } = place.ok_or_else(|| self.unknown_plugin(name))?;
        LockFile::read(root)?.check(manifest, digest, directory, self.pinned)
    }

    /// Returns the names of the plugins that were found, those of the program among them.
    pub fn plugin_names(&self) -> Vec<String> {
        let built_in = self.built_in.iter().map(|one| one.name().to_owned());
        let names: BTreeSet<String> = self.plugins.keys().cloned().chain(built_in).collect();
        names.into_iter().collect()
    }

    /// Returns whether there is a subject of this name.
    pub fn has_subject(&self, name: &str) -> bool {
        self.subjects.contains_key(name)
    }

    /// Adds a subject that no folder holds: containers that run already, of which nothing else is known. It is found by the name given.
    ///
    /// # Errors
    /// As for [`Self::plugin`], of the plugin that knows such subjects.
    pub async fn add_running(&mut self, name: &str, selection: Selection) -> Result<()> {
        let manifest = SubjectManifest::of_running(name, selection);
        let plugin = self.plugin(manifest.plugin()).await?;
        let subject = Subject {
            manifest,
            directory: PathBuf::new(),
            plugin,
        };
        let place = Place {
            root: PathBuf::new(),
            directory: PathBuf::new(),
        };
        self.subjects.insert(name.to_owned(), place);
        let loaded = self.loaded_subjects.get_mut();
        loaded.insert(name.to_owned(), Arc::new(subject));
        Ok(())
    }

    /// A subject with its plugin.
    ///
    /// # Errors
    /// `Input` if it does not exist of that name, or its files or its component are wrong.
    pub async fn subject(&self, name: &str) -> Result<Arc<Subject>> {
        if let Some(subject) = self.loaded_subjects.lock().await.get(name) {
            return Ok(Arc::clone(subject));
        }
        let Place { root, directory } = self.subjects.get(name).ok_or_else(|| {
            self.unknown("subject", name, self.subjects.keys().map(String::as_str))
        })?;
        let path = directory.join("subject.yaml");
        let (manifest, document) = duress_yaml::load::<SubjectManifest>(&path)?;
        if manifest.name != name {
            return Err(Error::input(format!(
                "{} names its subject `{}`; its folder is `{name}`",
                path.display(),
                manifest.name
            ))
            .hint("give both the same name"));
        }
        if let Some(compose) = manifest.compose.as_ref().map(|file| directory.join(file))
            && !compose.is_file()
        {
            return Err(Error::input(format!(
                "the compose file {} of subject `{name}` does not exist",
                compose.display()
            ))
            .hint(format!("`compose` in {} names it", path.display())));
        }
        if let Some(compose) = &manifest.compose {
            check_targets(&manifest, &document, &directory.join(compose))?;
        }
        check_containers(&manifest, &document)?;
        let plugin = if manifest.plugin().starts_with('.') {
            self.load(root, &directory.join(manifest.plugin())).await?
        } else {
            self.plugin(manifest.plugin()).await?
        };
        if plugin.kind() != Kind::Subject {
            return Err(Error::input(format!(
                "the plugin `{}` of subject `{name}` brings faults alone, and no subject",
                manifest.plugin()
            )));
        }
        let subject = Arc::new(Subject {
            manifest,
            directory: directory.clone(),
            plugin,
        });
        self.loaded_subjects
            .lock()
            .await
            .insert(name.to_owned(), Arc::clone(&subject));
        Ok(subject)
    }

    /// A plugin by name.
    ///
    /// # Errors
    /// As for [`Self::subject`].
    pub async fn plugin(&self, name: &str) -> Result<Arc<Plugin>> {
        if let Some(built_in) = self.built_in(name) {
            return self.load_built_in(built_in).await;
        }
        let Place { root, directory } = self
            .plugins
            .get(name)
            .ok_or_else(|| self.unknown_plugin(name))?;
        self.load(root, directory).await
    }

    /// The plugins with faults for any subject, without those that bring the subjects named; and those that cannot be loaded, each with the
    /// reason and what to do. These are left aside with a warning: an unnamed one is not a reason to refuse everything else.
    pub async fn general_plugins(
        &self,
        subjects: &[&str],
    ) -> (Vec<Arc<Plugin>>, BTreeMap<String, String>) {
        let mut general = Vec::new();
        let mut left_aside = BTreeMap::new();
        for name in self.plugin_names() {
            if subjects.contains(&name.as_str()) {
                continue;
            }
            match self.plugin(&name).await {
                Ok(plugin) if plugin.kind() == Kind::Chaos => general.push(plugin),
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!("the plugin `{name}` is left aside: {error}");
                    let hints = error.hints().iter().map(|hint| format!("; {hint}"));
                    let why = format!("{error}{}", hints.collect::<String>());
                    left_aside.insert(name, why);
                }
            }
        }
        (general, left_aside)
    }

    async fn load_built_in(&self, built_in: BuiltIn) -> Result<Arc<Plugin>> {
        let mut loaded = self.loaded_built_in.lock().await;
        if let Some(plugin) = loaded.get(&built_in) {
            return Ok(Arc::clone(plugin));
        }
        // Whether it may be used is said there, so what cannot be read may forbid it.
        for root in &self.roots {
            LockFile::read(root)?;
        }
        let plugin = Arc::new(self.runtime.examine_built_in(built_in).await?);
        loaded.insert(built_in, Arc::clone(&plugin));
        Ok(plugin)
    }

    async fn load(&self, root: &Path, directory: &Path) -> Result<Arc<Plugin>> {
        let mut loaded = self.loaded_plugins.lock().await;
        if let Some(plugin) = loaded.get(directory) {
            return Ok(Arc::clone(plugin));
        }
        let (manifest, document) =
            duress_yaml::load::<PluginManifest>(&directory.join("plugin.yaml"))?;
        let lock = LockFile::read(root)?;
        // Before anything of it is compiled or run, and by the digest of what was read: the file may be another by now.
        let component = self.runtime.load_if(&manifest, directory, |digest| {
            lock.check(&manifest, digest, directory, self.pinned)
        })?;
        let folder = Some(directory.to_owned());
        let plugin = Arc::new(Plugin::new(manifest, document.text(), component, folder).await?);
        loaded.insert(directory.to_owned(), Arc::clone(&plugin));
        Ok(plugin)
    }

    /// Returns where subjects and plugins were looked for: a hint where there are none.
    pub fn searched(&self) -> String {
        let roots = self.roots.iter().map(|root| root.display().to_string());
        let roots: Vec<_> = roots.collect();
        let searched = if roots.is_empty() {
            "no folder named `subjects` or `plugins` is at or above the working directory"
                .to_owned()
        } else {
            format!("none is beneath {}", roots.join(", "))
        };
        format!("{searched}; {PATH_VARIABLE} names further folders")
    }

    fn unknown_plugin(&self, name: &str) -> Error {
        let names = self.plugin_names();
        let error = self.unknown("plugin", name, names.iter().map(String::as_str));
        match BuiltIn::named(name) {
            Some(_) => error.hint(format!(
                "it is built in, and `disable_built_in` in {LOCK_FILE} switches it off here"
            )),
            None => error,
        }
    }

    fn unknown<'a>(
        &self,
        what: &str,
        name: &str,
        known: impl Iterator<Item = &'a str> + Clone,
    ) -> Error {
        let mut error = Error::input(format!("unknown {what} `{}`", name.escape_debug()));
        if let Some(near) = duress_model::nearest(name, known.clone()) {
            error = error.hint(format!("did you mean `{near}`?"));
        }
        if known.clone().next().is_none() {
            return error.hint(self.searched());
        }
        let names: Vec<_> = known.collect();
        error.hint(format!("known {what}s: {}", names.join(", ")))
    }
}

/// A subject's containers are brought up from a compose file, or they run already, or its plugin needs none.
fn check_containers(manifest: &SubjectManifest, document: &duress_yaml::Document) -> Result<()> {
    let problem = match &manifest.attach {
        Some(_) if manifest.compose.is_some() => document.problem_at_key(
            "/attach",
            "`attach` and `compose` exclude each other: the system either runs already, or is brought up",
        ),
        Some(selection) => match selection.flaw() {
            Some(flaw) => document.problem("/attach", format!("`attach`: {flaw}")),
            None => return Ok(()),
        },
        None if manifest.plugin.is_none() && manifest.compose.is_none() => document
            .problem("", "it names no compose file, no running system, and no plugin that needs neither")
            .help("add `compose: docker-compose.yaml` with the file beside it, or `attach: {project: NAME}`"),
        None => return Ok(()),
    };
    Err(duress_yaml::LoadError::from(document.invalid(vec![problem])).into())
}

/// Every one of a subject's targets must be a service of its compose file: one that is misspelt would allow nothing, in silence.
fn check_targets(
    manifest: &SubjectManifest,
    document: &duress_yaml::Document,
    compose: &Path,
) -> Result<()> {
    let services = duress_engine::compose::services(compose)?;
    let mut problems = Vec::new();
    for (index, pattern) in manifest.targets.iter().enumerate() {
        let meant = Services::new([pattern.as_str()]);
        if services.iter().any(|service| meant.contains(service)) {
            continue;
        }
        let message = format!(
            "`{}` is not a service of {}",
            duress_yaml::shown(pattern),
            compose.display()
        );
        let names = duress_yaml::list_of(services.iter().map(String::as_str));
        let problem = document.problem(&format!("/targets/{index}"), message);
        problems.push(problem.help(format!("there are {names}")));
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(duress_yaml::LoadError::from(document.invalid(problems)).into()),
    }
}

#[cfg(test)]
mod tests;
