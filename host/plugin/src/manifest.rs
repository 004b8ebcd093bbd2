//! `plugin.yaml` and `subject.yaml`: what stands beside a component, and beside a subject's compose file.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::built_in::BuiltIn;
use duress_capability::Permissions;
use duress_engine::Selection;
use duress_model::{Error, Result};

/// What a plugin or a subject may be called.
const NAME: &str = r"^[a-z0-9][a-z0-9_-]{0,63}$";
/// The same in words.
const NAME_RIGHT: &str =
    "1 to 64 lower-case letters, digits, `_` and `-`, a letter or a digit first";

/// `plugin.yaml`: what a component is and which permissions it requests.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = with_former_key)]
pub struct PluginManifest {
    /// The name by which subjects and campaigns call it, e.g. `etcd`.
    #[schemars(regex(pattern = NAME), extend("patternErrorMessage" = NAME_RIGHT))]
    pub name: String,
    /// Its own version, e.g. `0.1.0`.
    #[schemars(regex(pattern = r"^[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]{1,64})?$"), extend("patternErrorMessage" = "three numbers with dots between them, e.g. 1.2.3"))]
    pub version: String,
    /// One sentence.
    #[schemars(
        length(min = 1, max = 200),
        regex(pattern = r"^[^\x00-\x1f\x7f-\x9f]*$"),
        extend("patternErrorMessage" = "one line without control characters")
    )]
    pub summary: String,
    /// An SPDX expression, e.g. `Apache-2.0`.
    #[schemars(length(min = 1, max = 100), regex(pattern = r"^[A-Za-z0-9 .()+-]*$"), extend("patternErrorMessage" = "an SPDX expression, e.g. `Apache-2.0`"))]
    pub license: String,
    /// The component, beside this file, e.g. `etcd.wasm`.
    pub component: PathBuf,
    /// The version of `duress:plugin` that it was built for, e.g. `0.1.0`.
    #[schemars(regex(pattern = r"^[0-9]+\.[0-9]+\.[0-9]+$"), extend("patternErrorMessage" = "three numbers with dots between them, e.g. 0.1.0"))]
    pub wit: String,
    /// Permissions that it requests; it gets no others.
    #[serde(default, alias = "requests")]
    pub permissions: Permissions,
    /// Handed to the component; a subject's own settings come over them.
    #[serde(default)]
    #[schemars(schema_with = "duress_yaml::any_mapping")]
    pub settings: Value,
}

/// Until 1.0, `permissions` may stand under its former name `requests`.
fn with_former_key(schema: &mut schemars::Schema) {
    let properties = schema.pointer_mut("/properties");
    let Some(properties) = properties.and_then(Value::as_object_mut) else {
        return;
    };
    if let Some(Value::Object(mut former)) = properties.get("permissions").cloned() {
        former.insert("deprecated".to_owned(), Value::Bool(true));
        former.insert(
            "description".to_owned(),
            "Former name of `permissions`.".into(),
        );
        properties.insert("requests".to_owned(), Value::Object(former));
    }
}

impl PluginManifest {
    /// Returns the component's file, in the manifest's folder.
    ///
    /// # Errors
    /// `Input` for the path of anything else.
    pub fn component_file(&self) -> Result<&OsStr> {
        match self.component.file_name() {
            Some(name) if name == self.component.as_os_str() && name != "plugin.yaml" => Ok(name),
            _ => Err(Error::input(format!(
                "the component `{}` does not lie beside its plugin.yaml",
                self.component.display().to_string().escape_debug()
            ))
            .hint("put both into one folder, and name the file alone: `component: NAME.wasm`")),
        }
    }
}

/// Returns whether a plugin may be called that. Such a name is never a path.
pub fn is_plugin_name(name: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    matches!(name.as_bytes(), [first, rest @ ..] if is_first(*first) && rest.len() < 64
        && rest.iter().all(|&byte| is_first(byte) || matches!(byte, b'_' | b'-')))
}

/// Reads the component beside a manifest: a regular file of bounded size.
///
/// # Errors
/// As open(2), and what is not so.
pub(super) fn read_component(folder: &Path, file: &OsStr, limit: u64) -> std::io::Result<Vec<u8>> {
    duress_files::read_regular(&folder.join(file), limit, duress_files::Links::Refused)
}

/// `subject.yaml`: a system under test.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubjectManifest {
    /// The name by which campaigns call it, e.g. `tikv`.
    #[schemars(regex(pattern = NAME), extend("patternErrorMessage" = NAME_RIGHT))]
    pub name: String,
    /// One sentence.
    #[schemars(length(min = 1, max = 200))]
    pub summary: String,
    /// The plugin that knows it: a name, or the path of a plugin's folder that begins with `.` and is relative to this file. Without
    /// one it is the built-in `compose`, which believes the containers' health checks.
    #[serde(default)]
    pub plugin: Option<String>,
    /// The compose file, beside this file; absent for a subject without containers.
    #[serde(default)]
    pub compose: Option<PathBuf>,
    /// Instead of a compose file: a system that already runs. duress brings it neither up nor down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attach: Option<Selection>,
    /// The services that faults may touch at most: names, or beginnings with `*` behind them. All, where it is left out; none of a list
    /// without any.
    #[serde(default = "every_service")]
    pub targets: Vec<String>,
    /// Handed to the component.
    #[serde(default)]
    #[schemars(schema_with = "duress_yaml::any_mapping")]
    pub settings: Value,
    /// How long things take.
    #[serde(default)]
    pub timeouts: Timeouts,
}

/// How long a subject's things may take.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Timeouts {
    /// From nothing to healthy, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub reset_seconds: f64,
    /// From the end of a fault to healthy, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub recovery_seconds: f64,
    /// For a fault to be injected, and to be reverted, in seconds.
    #[schemars(range(min = 1, max = 3600))]
    pub fault_seconds: f64,
}

impl SubjectManifest {
    /// Returns the manifest of containers of which nothing is known but that they run.
    pub(super) fn of_running(name: &str, selection: Selection) -> Self {
        Self {
            name: name.to_owned(),
            summary: format!("Containers that run already: {selection}"),
            plugin: None,
            compose: None,
            attach: Some(selection),
            targets: every_service(),
            settings: Value::default(),
            timeouts: Timeouts::default(),
        }
    }

    /// Returns the name or the path of the plugin that knows it.
    pub fn plugin(&self) -> &str {
        self.plugin
            .as_deref()
            .unwrap_or_else(|| BuiltIn::Compose.name())
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            reset_seconds: 300.0,
            recovery_seconds: 120.0,
            fault_seconds: 120.0,
        }
    }
}

fn every_service() -> Vec<String> {
    vec!["*".to_owned()]
}

/// Two settings in one: the keys of `over` win.
pub fn merged(under: &Value, over: &Value) -> Value {
    let mut all: Map<String, Value> = under.as_object().cloned().unwrap_or_default();
    all.extend(over.as_object().cloned().unwrap_or_default());
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(rest: &str) -> (Option<PluginManifest>, Vec<String>) {
        let text = format!(
            "name: p\nversion: 0.1.0\nsummary: s\nlicense: MIT\ncomponent: p.wasm\nwit: 0.1.1\n{rest}\n"
        );
        let document = duress_yaml::Document::parse("plugin.yaml", text).expect("YAML");
        let (manifest, problems) = document.interpret();
        let messages = problems.into_iter().map(|problem| problem.message);
        (manifest, messages.collect())
    }

    #[test]
    fn permissions_are_read_under_their_former_name() {
        let (now, _) = manifest("permissions: {logs: true}");
        let (former, problems) = manifest("requests: {logs: true}");
        assert_eq!(problems, [""; 0]);
        let permissions = former.expect("a manifest").permissions;
        assert!(permissions.logs);
        assert_eq!(permissions, now.expect("a manifest").permissions);
    }

    #[test]
    fn permissions_under_both_names_are_refused() {
        let (manifest, problems) = manifest("permissions: {logs: true}\nrequests: {}");
        assert!(manifest.is_none());
        assert!(problems[0].contains("duplicate field"), "{problems:?}");
    }

    #[test]
    fn the_former_name_is_not_suggested() {
        let (_, problems) = manifest("request: {}");
        assert_eq!(problems, ["unknown key `request`"]);
    }
}
