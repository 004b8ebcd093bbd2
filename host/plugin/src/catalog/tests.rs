use std::fs;

use tempfile::TempDir;

use super::*;
use crate::Locked;
use duress_capability::Permissions;

/// The smallest component: it can be compiled, and exports nothing.
const COMPONENT: [u8; 8] = [0, b'a', b's', b'm', 13, 0, 1, 0];

/// A root with a plugin `theirs`, and a folder for compiled components.
struct Root {
    folder: TempDir,
    compiled: TempDir,
}

impl Root {
    fn new() -> Self {
        let root = Self {
            folder: tempfile::tempdir().expect("a folder"),
            compiled: tempfile::tempdir().expect("a folder"),
        };
        let plugin = root.plugin();
        fs::create_dir_all(&plugin).expect("a folder");
        fs::write(plugin.join("theirs.wasm"), COMPONENT).expect("a component");
        let manifest = "name: theirs\nversion: 0.1.0\nsummary: s\nlicense: MIT\n\
                        component: theirs.wasm\nwit: 0.1.1\n";
        fs::write(plugin.join("plugin.yaml"), manifest).expect("a manifest");
        // Only the plugin of the root is to be compiled.
        let lock = LockFile {
            disable_built_in: BuiltIn::ALL.into(),
            ..LockFile::default()
        };
        lock.write(root.folder.path()).expect("a lock");
        root
    }

    fn plugin(&self) -> PathBuf {
        self.folder.path().join("plugins/theirs")
    }

    fn grant(&self) {
        let mut lock = LockFile::read(self.folder.path()).expect("a lock");
        let locked = Locked {
            version: "0.1.0".into(),
            source: "plugins/theirs".into(),
            digest: None,
            settings: None,
            grants: Permissions::default(),
        };
        lock.plugins.insert("theirs".into(), locked);
        lock.write(self.folder.path()).expect("a lock");
    }

    fn runtime(&self) -> Runtime {
        Runtime::new(Some(self.compiled.path())).expect("a runtime")
    }

    fn catalog(&self) -> Catalog {
        Catalog::discover(self.runtime(), vec![self.folder.path().to_owned()])
    }

    fn is_compiled(&self) -> bool {
        let folders = fs::read_dir(self.compiled.path()).expect("a folder");
        let mut files = folders.flatten().flat_map(|folder| {
            let files = fs::read_dir(folder.path()).expect("a folder");
            files.flatten().collect::<Vec<_>>()
        });
        files.any(|file| file.file_name().to_string_lossy().ends_with(".cwasm"))
    }
}

#[tokio::test]
async fn a_plugin_that_nobody_granted_or_named_is_not_compiled() {
    let root = Root::new();
    let catalog = root.catalog();
    let refused = catalog.plugin("theirs").await.expect_err("not granted");
    assert!(
        refused.to_string().contains("was granted nothing yet"),
        "{refused}"
    );
    let (general, left_aside) = catalog.general_plugins(&[]).await;
    assert!(general.is_empty());
    assert!(
        left_aside["theirs"].contains("duress plugin add"),
        "{left_aside:?}"
    );
    assert!(!root.is_compiled());

    root.grant();
    let refused = root
        .catalog()
        .plugin("theirs")
        .await
        .expect_err("it exports nothing");
    assert!(!refused.to_string().contains("granted"), "{refused}");
    assert!(root.is_compiled(), "what was granted is");
}

#[tokio::test]
async fn a_plugin_that_a_person_names_is_compiled_before_it_is_granted() {
    let root = Root::new();
    let found = root.runtime().examine(&root.plugin()).await;
    found.expect_err("it exports nothing");
    assert!(root.is_compiled());
}

#[tokio::test]
async fn targets_that_no_service_has_are_told_before_anything_is_made() {
    let root = Root::new();
    let subject = root.folder.path().join("subjects/shop");
    fs::create_dir_all(&subject).expect("a folder");
    let compose = "services: {web: {image: x}, db0: {image: x}, db1: {image: x}}\n";
    fs::write(subject.join("docker-compose.yaml"), compose).expect("a compose file");
    let ask = async |targets: &str| {
        let manifest = format!(
            "name: shop\nsummary: s\ncompose: docker-compose.yaml\nplugin: theirs\ntargets: {targets}\n"
        );
        fs::write(subject.join("subject.yaml"), manifest).expect("a manifest");
        let refused = root.catalog().subject("shop").await;
        refused.expect_err("its plugin was not granted").to_string()
    };
    let told = ask("[web, dbs, 'cache*']").await;
    assert!(told.contains("`dbs` is not a service of"), "{told}");
    assert!(told.contains("docker-compose.yaml"), "{told}");
    // Those that fit go on to the next question.
    for fits in ["[web, 'db*']", "['*']", "[]"] {
        let told = ask(fits).await;
        assert!(told.contains("was granted nothing yet"), "{fits}: {told}");
    }
}
