//! A trial on a machine in memory, for tests of what a call may do.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Audit, Ctx, Permissions, PluginScope, TrialScope};
use duress_engine::Project;
use duress_http::Client;
use duress_simulated::{End, Script, SimulatedEngine, Troubles, World};
use duress_store::Store;

/// A trial that has the containers of a script.
pub(super) struct Trial {
    pub(super) world: World,
    pub(super) project: Project,
    pub(super) store: Store,
    _folder: tempfile::TempDir,
}

impl Trial {
    pub(super) fn new(script: Script) -> Self {
        let world = World::new(1, Troubles::default(), End::Never);
        let project = Project("duress-00000001".into());
        world.make_stack(&project, &script.containers);
        world.lock().script = Arc::new(script);
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("duress.db")).expect("a database");
        Self {
            world,
            project,
            store,
            _folder: folder,
        }
    }

    /// Returns what its calls share. Changes are recorded and not made.
    pub(super) fn scope(&self) -> TrialScope {
        let audit = Audit::new(self.store.clone(), "trial".into());
        let http = Client::simulated(Arc::new(self.world.clone()));
        TrialScope {
            engine: Some(Arc::new(SimulatedEngine(self.world.clone()))),
            ..TrialScope::new("trial", self.project.clone(), 1, audit, http)
        }
    }

    /// Returns a call of `chaos.inject` by a plugin with these permissions.
    pub(super) fn call(&self, grants: Permissions) -> Ctx {
        let scope = PluginScope {
            plugin: "plugin".into(),
            settings: Value::Object(serde_json::Map::new()),
            grants,
            trial: Some(Arc::new(self.scope())),
        };
        Ctx::new(Arc::new(scope), "chaos.inject", Duration::from_secs(600))
    }
}
