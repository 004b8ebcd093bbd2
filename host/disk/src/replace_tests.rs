use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;

use super::*;

/// A folder that stands for a container's root, with a file in it.
struct Root {
    folder: tempfile::TempDir,
    fd: File,
}

const OLD: &[u8] = b"old\0\xff\n";
const NEW: &[u8] = b"new contents\n";

impl Root {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let fd = File::open(folder.path()).expect("the folder");
        let root = Self { folder, fd };
        std::fs::create_dir(root.path("etc")).expect("a folder");
        std::fs::write(root.path("etc/conf"), OLD).expect("a file");
        let mode = std::fs::Permissions::from_mode(0o640);
        std::fs::set_permissions(root.path("etc/conf"), mode).expect("a mode");
        root
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn contents(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.path(path)).expect("a file")
    }

    fn file(&self, path: &str) -> FileCopy {
        match read(&self.fd, path).expect("readable") {
            Standing::File(file) => file,
            other => panic!("{other:?}"),
        }
    }

    /// Why a path cannot be replaced.
    fn unfit(&self, path: &str) -> String {
        match read(&self.fd, path) {
            Ok(Standing::Other(why)) => why,
            Err(failure) => failure.to_string(),
            Ok(other) => panic!("{path}: {other:?}"),
        }
    }

    /// Everything in the folder of the file.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("etc")).expect("a folder");
        let name = |entry: std::io::Result<std::fs::DirEntry>| {
            let name = entry.expect("an entry").file_name();
            name.into_string().expect("a name")
        };
        let mut names: Vec<_> = entries.map(name).collect();
        names.sort();
        names
    }
}

fn wanted<'a>(path: &'a str, original: Option<&'a FileCopy>) -> Replacement<'a> {
    Replacement {
        path,
        contents: NEW,
        original,
        token: "0123",
    }
}

#[test]
fn a_file_is_replaced_and_restored_byte_for_byte_with_its_mode() {
    let root = Root::new();
    let original = root.file("/etc/conf");
    let new = wanted("/etc/conf", Some(&original));
    for _ in 0..2 {
        replace(&root.fd, &new).expect("replaced, and twice is once");
        assert_eq!(root.contents("etc/conf"), NEW);
    }
    let there = root.file("/etc/conf");
    assert_eq!((there.mode, there.user), (0o640, original.user));
    for _ in 0..2 {
        restore(&root.fd, &new).expect("restored, and twice is once");
        assert_eq!(root.file("/etc/conf"), original);
    }
    assert_eq!(root.contents("etc/conf"), OLD);
    assert_eq!(root.names(), ["conf"], "no temporary file is left");
}

#[test]
fn a_file_that_was_not_there_is_removed_again() {
    let root = Root::new();
    let new = wanted("/etc/more", None);
    assert_eq!(
        read(&root.fd, "/etc/more").expect("readable"),
        Standing::Absent
    );
    replace(&root.fd, &new).expect("made");
    assert_eq!(root.contents("etc/more"), NEW);
    restore(&root.fd, &new).expect("removed");
    restore(&root.fd, &new).expect("twice is once");
    assert_eq!(root.names(), ["conf"]);
    // With its folder, it is gone too.
    restore(&root.fd, &wanted("/gone/more", None)).expect("nothing to remove");
    assert!(replace(&root.fd, &wanted("/gone/more", None)).is_err());
}

#[test]
fn extended_attributes_stay() {
    let root = Root::new();
    let file = File::open(root.path("etc/conf")).expect("a file");
    let (name, value) = ("user.duress", b"kept".as_slice());
    if fs::fsetxattr(&file, name, value, XattrFlags::empty()).is_err() {
        // This file system has none.
        return;
    }
    let original = root.file("/etc/conf");
    let new = wanted("/etc/conf", Some(&original));
    replace(&root.fd, &new).expect("replaced");
    restore(&root.fd, &new).expect("restored");
    let file = File::open(root.path("etc/conf")).expect("a file");
    let mut found = [0; 16];
    let length = fs::fgetxattr(&file, name, &mut found[..]).expect("an attribute");
    assert_eq!(&found[..length], value);
}

#[test]
fn what_leads_elsewhere_or_is_no_plain_file_is_refused() {
    let root = Root::new();
    symlink("etc", root.path("link")).expect("a link");
    symlink("conf", root.path("etc/name")).expect("a link");
    std::fs::hard_link(root.path("etc/conf"), root.path("etc/other")).expect("a name");
    let made = std::process::Command::new("mkfifo")
        .arg(root.path("etc/fifo"))
        .status();
    assert!(made.expect("it runs").success());
    let large = File::create(root.path("etc/large")).expect("a file");
    large.set_len(FILE_LIMIT as u64 + 1).expect("a size");
    for (path, why) in [
        ("/link/conf", "symbolic link"),
        ("/etc/name", "symbolic link"),
        ("/etc/conf", "hard links"),
        ("/etc/fifo", "not a regular file"),
        ("/etc", "is a directory"),
        ("/etc/large", "at most 1048576"),
    ] {
        let said = root.unfit(path);
        assert!(said.contains(why), "{path}: {said}");
        assert!(replace(&root.fd, &wanted(path, None)).is_err(), "{path}");
    }
    assert_eq!(root.contents("etc/conf"), OLD);
    let kernel = File::open("/").expect("the root");
    let said = match read(&kernel, "/proc/version").expect("readable") {
        Standing::Other(why) => why,
        other => panic!("{other:?}"),
    };
    assert!(said.contains("kernel"), "{said}");
    assert!(replace(&kernel, &wanted("/proc/duress", None)).is_err());
}

#[test]
fn what_was_changed_since_it_was_recorded_is_not_overwritten() {
    let root = Root::new();
    let original = root.file("/etc/conf");
    std::fs::write(root.path("etc/conf"), "theirs").expect("a file");
    let new = wanted("/etc/conf", Some(&original));
    let refused = replace(&root.fd, &new).expect_err("refused").to_string();
    assert!(refused.contains("since it was recorded"), "{refused}");
    assert_eq!(root.contents("etc/conf"), b"theirs");
    assert!(replace(&root.fd, &wanted("/etc/conf", None)).is_err());
}

#[test]
fn the_original_is_restored_whatever_stands_there() {
    let root = Root::new();
    let original = root.file("/etc/conf");
    let new = wanted("/etc/conf", Some(&original));
    let at = root.path("etc/conf");
    let remove = || std::fs::remove_file(&at).expect("a file");
    for others in 0..4 {
        replace(&root.fd, &new).expect("replaced");
        match others {
            0 => std::fs::write(&at, "theirs").expect("written"),
            1 => remove(),
            2 => {
                remove();
                symlink("../secret", &at).expect("a link");
                std::fs::write(root.path("secret"), "secret").expect("a file");
            }
            _ => {
                let mode = std::fs::Permissions::from_mode(0o666);
                std::fs::set_permissions(&at, mode).expect("a mode");
            }
        }
        restore(&root.fd, &new).expect("restored");
        assert_eq!(root.file("/etc/conf"), original);
    }
    assert_eq!(root.contents("secret"), b"secret", "no link is followed");
}

#[test]
fn what_a_crash_left_aside_is_removed() {
    let root = Root::new();
    let original = root.file("/etc/conf");
    let new = wanted("/etc/conf", Some(&original));
    std::fs::write(root.path("etc/.duress-0123"), "half").expect("a file");
    restore(&root.fd, &new).expect("restored");
    assert_eq!(root.names(), ["conf"]);
    // A link in its place is not followed.
    symlink("../secret", root.path("etc/.duress-0123")).expect("a link");
    replace(&root.fd, &new).expect("replaced");
    assert!(!root.path("secret").exists());
    assert_eq!(root.contents("etc/conf"), NEW);
}

#[test]
fn a_reader_that_has_the_file_open_keeps_the_old_one() {
    let root = Root::new();
    let original = root.file("/etc/conf");
    let mut open = File::open(root.path("etc/conf")).expect("a file");
    replace(&root.fd, &wanted("/etc/conf", Some(&original))).expect("replaced");
    let mut contents = Vec::new();
    open.read_to_end(&mut contents).expect("readable");
    assert_eq!(contents, OLD);
    let now = std::fs::metadata(root.path("etc/conf")).expect("a file");
    assert_ne!(open.metadata().expect("a file").ino(), now.ino());
}

#[test]
fn a_write_in_place_that_was_ended_is_known() {
    let original = FileCopy {
        contents: b"0123456789".to_vec(),
        mode: 0o644,
        user: 0,
        group: 0,
    };
    let new = |contents: &'static [u8]| Replacement {
        contents,
        ..wanted("/etc/hosts", Some(&original))
    };
    for (contents, left) in [
        (&b"abc"[..], &b"abc"[..]),
        (b"abc", b"ab23456789"),
        (b"abc", b"abc3456789"),
        (b"abcdefghijklmn", b"abcdefghijkl"),
        (b"abc", b"01c"),
        (b"abcdefghijklmn", b"0123efghijklmn"),
    ] {
        assert!(new(contents).wrote(left), "{left:?}");
    }
    assert!(!new(b"abc").wrote(b"theirs"));
    assert!(!new(b"abc").wrote(b"abx3456789"));
}
