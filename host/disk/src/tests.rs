use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

/// A folder that stands for a container's root.
struct Root {
    folder: tempfile::TempDir,
    fd: File,
}

impl Root {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fd = File::open(folder.path()).expect("the folder");
        Self { folder, fd }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }
}

const MARK: &str = "0123456789abcdef0123456789abcdef";

fn wanted(path: &str) -> Fill<'_> {
    Fill {
        path,
        size: 4096,
        mark: Some(MARK),
        root_filesystem: true,
    }
}

#[test]
fn a_fill_is_made_found_and_removed() {
    let (root, mounts) = (Root::new(), Mounts::default());
    let one = wanted("/fill");
    fill(&root.fd, &one, &mounts).expect("it is made");
    assert_eq!(
        std::fs::metadata(root.path("fill"))
            .expect("it works")
            .len(),
        4096
    );
    assert!(is_there(&root.fd, &one).expect("it works"));
    assert!(
        fill(&root.fd, &one, &mounts).is_err(),
        "there is one already"
    );
    remove(&root.fd, &one).expect("it works");
    assert!(!is_there(&root.fd, &one).expect("it works"));
    remove(&root.fd, &one).expect("twice is once");
}

#[test]
fn a_file_that_was_there_before_is_neither_replaced_nor_removed() {
    let (root, mounts) = (Root::new(), Mounts::default());
    // Of the same size, so that the size tells nothing.
    std::fs::write(root.path("precious"), [7; 4096]).expect("it works");
    let one = wanted("/precious");
    assert!(fill(&root.fd, &one, &mounts).is_err());
    assert!(!is_there(&root.fd, &one).expect("it works"));
    remove(&root.fd, &one).expect("it works");
    assert_eq!(
        std::fs::read(root.path("precious")).expect("it works"),
        [7; 4096]
    );
}

#[test]
fn without_a_mark_only_a_standard_name_of_the_right_size_is_removed() {
    let root = Root::new();
    let old = "/duress-fill-00000000000000af";
    for (path, size, stays) in [(old, 100, true), ("/other", 4096, true), (old, 4096, false)] {
        let file = root.path(&path[1..]);
        std::fs::write(&file, vec![0; size]).expect("it works");
        let one = Fill {
            mark: None,
            ..wanted(path)
        };
        remove(&root.fd, &one).expect("it works");
        assert_eq!(file.exists(), stays, "{path}, {size} bytes");
    }
}

#[test]
fn no_link_is_followed() {
    let (root, mounts) = (Root::new(), Mounts::default());
    std::fs::create_dir(root.path("real")).expect("it works");
    symlink("real", root.path("link")).expect("it works");
    symlink("real/target", root.path("name")).expect("it works");
    let through = fill(&root.fd, &wanted("/link/fill"), &mounts).expect_err("refused");
    assert!(through.to_string().contains("symbolic link"), "{through}");
    assert!(fill(&root.fd, &wanted("/name"), &mounts).is_err());
    assert_eq!(
        std::fs::read_dir(root.path("real"))
            .expect("it works")
            .count(),
        0
    );
}

#[test]
fn a_folder_that_is_not_known_to_be_bounded_is_refused() {
    let (root, mounts) = (Root::new(), Mounts::default());
    let one = Fill {
        root_filesystem: false,
        ..wanted("/fill")
    };
    let refused = fill(&root.fd, &one, &mounts).expect_err("refused");
    assert!(matches!(refused, Failure::Root(_)), "{refused}");
    assert!(!root.path("fill").exists());
}

#[test]
fn what_does_not_fit_leaves_nothing() {
    let (root, mounts) = (Root::new(), Mounts::default());
    let one = Fill {
        size: 1 << 60,
        ..wanted("/fill")
    };
    assert!(fill(&root.fd, &one, &mounts).is_err());
    assert!(!root.path("fill").exists());
}

#[test]
fn a_fifo_at_the_path_is_not_waited_for() {
    let root = Root::new();
    let made = std::process::Command::new("mkfifo")
        .arg(root.path("fill"))
        .status();
    assert!(made.expect("it works").success());
    assert!(!is_there(&root.fd, &wanted("/fill")).expect("it works"));
    remove(&root.fd, &wanted("/fill")).expect("it works");
    assert!(root.path("fill").exists());
}
