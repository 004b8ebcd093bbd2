//! The metadata that `cleanup` gets: stored for years, and by then perhaps another plugin's.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::Value;

use crate::{block_on, repository};
use duress_capability::PluginScope;
use duress_plugin::{CallError, Catalog, Plugin, Runtime};

/// The faults for any subject.
static PLUGIN: LazyLock<Arc<Plugin>> = LazyLock::new(|| {
    let runtime = Runtime::new(Runtime::default_cache_directory().as_deref()).unwrap();
    let catalog = Catalog::discover(runtime, vec![repository().to_owned()]);
    block_on(catalog.plugin("faults")).expect("`cargo xtask setup` builds it")
});

/// A JSON document, or other text. The plugin refuses it, and does not fall over.
pub fn metadata(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let value = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text.into_owned()));
    let scope = Arc::new(PluginScope {
        plugin: "faults".into(),
        settings: serde_json::json!({}),
        grants: duress_capability::Permissions::default(),
        trial: None,
    });
    let limit = Duration::from_secs(30);
    match block_on(PLUGIN.component.cleanup(&scope, &value, limit)) {
        Ok(()) | Err(CallError::Guest { .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
