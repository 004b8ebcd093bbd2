//! What was built for an earlier version of the plugin interface runs on.

use std::fs;
use std::path::PathBuf;

use crate::program::{Ended, Program, repository};
use duress_plugin::WIT_VERSION;

/// Every version that was published, with the length of its text and the sum of its bytes: what was published stays as it was.
const PUBLISHED: [(&str, usize, u64); 1] = [("0.1.0", 22_985, 1_828_648)];

fn published() -> PathBuf {
    repository().join("wit/published")
}

#[test]
fn what_was_published_is_as_it_was() {
    let mut found: Vec<_> = fs::read_dir(published())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    let expected: Vec<_> = PUBLISHED
        .iter()
        .map(|(version, ..)| format!("{version}.wit"))
        .collect();
    assert_eq!(found, expected, "a version that is published is added here");
    for (version, length, sum) in PUBLISHED {
        let text = fs::read(published().join(format!("{version}.wit"))).unwrap();
        let bytes: u64 = text.iter().map(|&byte| u64::from(byte)).sum();
        assert_eq!((text.len(), bytes), (length, sum), "{version} was changed");
    }
}

#[test]
fn what_was_built_for_it_is_built_tested_and_listed() {
    for (version, ..) in PUBLISHED {
        let program = Program::new();
        let root = program.folder.path().join("old");
        fs::create_dir_all(root.join("plugins")).unwrap();
        let succeeds = |arguments: &[&str]| {
            let ended = Ended::of(program.command(arguments).current_dir(&root));
            assert_eq!(
                ended.code(),
                0,
                "{version}, {arguments:?}: {}",
                ended.said()
            );
            ended.printed()
        };
        succeeds(&["plugin", "new", "old", "--lang", "c"]);
        let folder = root.join("plugins/old");
        fs::copy(
            published().join(format!("{version}.wit")),
            folder.join("wit/deps/plugin.wit"),
        )
        .unwrap();
        for file in ["wit/world.wit", "plugin.yaml"] {
            let path = folder.join(file);
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(WIT_VERSION), "{text}");
            fs::write(&path, text.replace(WIT_VERSION, version)).unwrap();
        }
        succeeds(&["plugin", "build", "old"]);
        let shown = succeeds(&["plugin", "inspect", "old"]);
        assert!(
            shown.contains(&format!("duress:plugin/changes@{version}")),
            "{shown}"
        );
        assert!(
            succeeds(&["plugin", "test", "old"]).contains("old conforms"),
            "{version}"
        );
    }
}
