//! Files that are replaced and restored, measured in the container: beside the engine (`namespace`), by the helper (`toolbox`), and by the
//! engine's archives where the container does not run.

use std::time::{Duration, Instant};

use duress_docker::Docker;
use duress_engine::{ContainerId, FileCopy, Files as _, NetDriver, Replacement, Standing};

use crate::disk::Target;
use crate::docker::docker;

const NEW: &[u8] = b"new\0\xff\n";

async fn engines() -> Vec<(NetDriver, Docker)> {
    let mut engines = Vec::new();
    for driver in [NetDriver::Namespace, NetDriver::Toolbox] {
        engines.push((driver, Docker::connect(Some(driver)).await.unwrap()));
    }
    engines
}

fn wanted<'a>(path: &'a str, original: Option<&'a FileCopy>) -> Replacement<'a> {
    Replacement {
        path,
        contents: NEW,
        original,
        token: "5d0c3a9e",
    }
}

async fn file(engine: &Docker, id: &ContainerId, path: &str) -> FileCopy {
    match engine.read_file(id, path).await.unwrap() {
        Standing::File(file) => file,
        other => panic!("{path}: {other:?}"),
    }
}

/// What the container itself says of a file: its mode, owner and contents.
fn seen(target: &Target, path: &str) -> String {
    let script = format!("stat -c '%a %u %g' {path} && od -An -tx1 {path}");
    let (succeeded, text) = target.container.run(&["sh", "-c", &script]);
    assert!(succeeded, "{text}");
    text
}

const PREPARE: &str = "mkdir /conf; for folder in /conf /data; do printf 'old\\n' > $folder/file; chown 70:71 $folder/file; \
                       chmod 640 $folder/file; done; ln -s /conf /data/link; touch /ready; exec sleep infinity";

fn prepared(more: &[&str]) -> Target {
    let target = Target::new(more, PREPARE);
    crate::wait::until_true("it is prepared", || {
        target.container.run(&["test", "-e", "/ready"]).0
    });
    target
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_replaced_and_restored_byte_for_byte_by_every_driver() {
    let target = prepared(&[]);
    let id = target.id();
    for (driver, engine) in engines().await {
        // On the container's own file system, on a volume, and one that the engine mounts by itself.
        for path in ["/conf/file", "/data/file", "/etc/hosts"] {
            let before = seen(&target, path);
            let original = file(&engine, &id, path).await;
            let new = wanted(path, Some(&original));
            engine.replace_file(&id, new).await.unwrap();
            let now = seen(&target, path);
            let (first, bytes) = now.split_once('\n').unwrap();
            assert_eq!(bytes.trim(), "6e 65 77 00 ff 0a", "{driver:?} {path}");
            assert_eq!(first, before.lines().next().unwrap(), "mode and owner");
            assert_eq!(file(&engine, &id, path).await.contents, NEW);
            engine.restore_file(&id, new).await.unwrap();
            engine.restore_file(&id, new).await.unwrap();
            assert_eq!(seen(&target, path), before, "{driver:?} {path}");
        }
        let (_, mounts) =
            target
                .container
                .run(&["grep", "-c", " /etc/hosts ", "/proc/self/mountinfo"]);
        assert_eq!(
            mounts, "1",
            "{driver:?}: what the engine mounts stays mounted"
        );

        let none = wanted("/conf/more", None);
        engine.replace_file(&id, none).await.unwrap();
        assert!(target.container.run(&["test", "-s", "/conf/more"]).0);
        engine.restore_file(&id, none).await.unwrap();
        let (_, names) = target.container.run(&["ls", "-A", "/conf"]);
        assert_eq!(names, "file", "{driver:?}: nothing is left");

        for (path, why) in [
            ("/data/link/file", "symbolic link"),
            ("/data/link", "symbolic link"),
            ("/dev/null", "not a regular file"),
            ("/proc/sys/kernel/hostname", "kernel"),
            ("/sys/kernel/uevent_seqnum", "kernel"),
        ] {
            let said = match engine.read_file(&id, path).await {
                Ok(Standing::Other(why)) => why,
                Ok(other) => panic!("{path}: {other:?}"),
                Err(error) => error.to_string(),
            };
            assert!(said.contains(why), "{driver:?} {path}: {said}");
            assert!(engine.replace_file(&id, wanted(path, None)).await.is_err());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_container_that_does_not_run_is_restored() {
    for (driver, engine) in engines().await {
        let target = prepared(&[]);
        let id = target.id();
        let before = seen(&target, "/conf/file");
        let original = file(&engine, &id, "/conf/file").await;
        let new = wanted("/conf/file", Some(&original));
        engine.replace_file(&id, new).await.unwrap();
        docker(&["stop", "-t", "0", &target.container.0]);
        assert_eq!(file(&engine, &id, "/conf/file").await.contents, NEW);
        engine.restore_file(&id, new).await.unwrap();
        engine.restore_file(&id, new).await.unwrap();
        assert_eq!(
            file(&engine, &id, "/conf/file").await,
            original,
            "{driver:?}"
        );
        let absent = engine.read_file(&id, "/conf/none").await.unwrap();
        assert_eq!(absent, Standing::Absent);
        docker(&["start", &target.container.0]);
        // The container's command writes the same again, and is not waited for.
        assert_eq!(seen(&target, "/conf/file"), before, "{driver:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_file_system_and_what_is_the_machines_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let bound = format!("{}:/bound", folder.path().display());
    let more = ["--read-only", "-v", &bound];
    let target = Target::new(&more, "printf 'old\\n' > /data/file; exec sleep infinity");
    let id = target.id();
    let (_, engine) = engines().await.remove(0);
    let error = engine.replace_file(&id, wanted("/etc/more", None)).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("read-only"), "{error}");
    for (path, expected) in [
        ("/bound/file", true),
        ("/data/file", false),
        ("/etc/passwd", false),
        ("/etc/hosts", false),
    ] {
        let found = engine.is_of_machine(&id, path).await.unwrap();
        assert_eq!(found, expected, "{path}");
    }
    // A volume that is a folder of the machine by another name.
    let device = format!("device={}", folder.path().display());
    let name = format!("duress-bound-{}", uuid::Uuid::now_v7().simple());
    let options = ["-o", "type=none", "-o", &device, "-o", "o=bind"];
    docker(&[&["volume", "create"], &options[..], &[&name]].concat());
    let volume = format!("{name}:/bound");
    let target = Target::new(&["-v", &volume], "exec sleep infinity");
    let found = engine.is_of_machine(&target.id(), "/bound/file").await;
    drop(target);
    docker(&["volume", "rm", "-f", &name]);
    assert!(found.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_swapped_while_a_file_is_replaced_leads_nowhere_else() {
    // `/data/way` is by turns a folder of the volume and a link to another folder.
    let swap = "mkdir -p /data/way /elsewhere; printf old > /data/way/file; printf secret > /elsewhere/file; \
                ln -s /elsewhere /data/link; \
                while :; do mv -T /data/way /data/folder; mv -T /data/link /data/way; \
                mv -T /data/way /data/link; mv -T /data/folder /data/way; done";
    let target = Target::new(&[], swap);
    let id = target.id();
    let original = FileCopy {
        contents: b"old".to_vec(),
        mode: 0o644,
        user: 0,
        group: 0,
    };
    let new = wanted("/data/way/file", Some(&original));
    for (driver, engine) in engines().await {
        let (mut done, mut refused) = (0, 0);
        let deadline = Instant::now() + Duration::from_secs(60);
        let most = if driver == NetDriver::Namespace {
            400
        } else {
            25
        };
        for _ in 0..most {
            match engine.replace_file(&id, new).await {
                Ok(()) => done += 1,
                Err(_) => refused += 1,
            }
            while engine.restore_file(&id, new).await.is_err() {}
            let (_, elsewhere) = target.container.run(&["cat", "/elsewhere/file"]);
            assert_eq!(elsewhere, "secret", "{driver:?}: it went through the link");
            if (done > 5 && refused > 5) || Instant::now() > deadline {
                break;
            }
        }
        assert!(done + refused > 0, "{driver:?}");
        let (_, names) = target.container.run(&["ls", "-A", "/elsewhere"]);
        assert_eq!(names, "file", "{driver:?}");
    }
}
