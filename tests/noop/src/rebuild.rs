//! Making containers otherwise, replacing files, and starting programs, where and how a component may not.

use duress_sdk::bindings::duress::plugin::{checks, deployment, files, programs};
use duress_sdk::{Error, Place, Program, Scene};

use crate::reach::{Attempts, pause, strange};

/// For each call, in milliseconds.
const LIMIT: u64 = 2_000;
/// More bytes than a file that is replaced may have.
const FILE: usize = (1 << 20) + 1;
/// More programs than a change runs beside a stopped container.
const MANY: usize = 17;

fn program(name: &str) -> Program {
    Program {
        place: Place::Container,
        command: vec![name.to_owned(), "x".into()],
        timeout: LIMIT,
        tolerated: Vec::new(),
    }
}

/// Tries each kind of change once on a container, with a variant of what it is called.
pub(crate) fn each(attempts: &mut Attempts, container: &str, variant: &str) {
    let shown: String = container.chars().take(30).collect();
    let what = |kind: &str| format!("{kind} {shown:?} {variant}");
    let printf = ["printf", "x"].map(str::to_owned);

    let replacement = deployment::Replacement::new(container, "take its place");
    replacement.set_environment("DURESS", "was here");
    attempts.must_fail(what("recreate"), replacement.apply());

    let scaling = deployment::Scaling::new(container, "more of it", 2);
    attempts.must_fail(what("scale"), scaling.apply());

    let offline = deployment::OfflinePrograms::new(container, "work on its volumes");
    offline.run(&printf, LIMIT, &[]);
    offline.run_on_revert(&printf, LIMIT, &[]);
    offline.compare_with(&checks::Check::output_of(&program("printf")));
    attempts.must_fail(what("run offline"), offline.apply());

    let file = files::FileReplacement::new(container, "another file", "/var/lib/attack", b"x");
    attempts.must_fail(what("replace a file"), file.apply());

    let lasting = programs::LastingProgram::new(container, "go on", &printf);
    attempts.must_fail(what("start a program"), lasting.start());

    let check = checks::Check::output_of(&program("printf"));
    attempts.must_fail(what("compare"), checks::apply(&pause(container), &check));
}

/// Tries each on containers that are no targets, and on its own target what goes beyond its permissions or any limit.
pub(crate) fn all(scene: &Scene, others: &[String]) -> Error {
    let Some(target) = scene.targets.first() else {
        return Error::Failed("there is nothing to make otherwise".into());
    };
    let mut attempts = Attempts::default();
    for name in strange().iter().chain(others) {
        each(&mut attempts, name, "");
        // Every container of the trial may be read, and nothing else.
        if !scene.stack.iter().any(|one| one.name == *name) {
            attempts.must_fail(
                format!("read of {:.30}", name),
                files::read(name, "/etc/mtab"),
            );
        }
    }
    beyond_permissions(&mut attempts, &target.name);
    beyond_limits(&mut attempts, &target.name);
    attempts.told()
}

fn beyond_permissions(attempts: &mut Attempts, target: &str) {
    let image = deployment::Replacement::new(target, "another image");
    image.set_image("duress/base:local");
    attempts.must_fail("another image".into(), image.apply());

    for (name, known) in [("sh", false), ("printf", true)] {
        let offline = deployment::OfflinePrograms::new(target, "a shell on its volumes");
        let command = [name, "x"].map(str::to_owned);
        offline.run(&command, LIMIT, &[]);
        offline.run_on_revert(&["sh".to_owned()], LIMIT, &[]);
        offline.compare_with(&checks::Check::output_of(&program("printf")));
        attempts.must_fail(format!("offline {name} {known}"), offline.apply());
        let lasting = programs::LastingProgram::new(target, "a shell", &["sh".to_owned()]);
        attempts.must_fail("a lasting shell".into(), lasting.start());
        let check = checks::Check::output_of(&program("sh"));
        attempts.must_fail(
            "compare by a shell".into(),
            checks::apply(&pause(target), &check),
        );
    }
    // `/var/run` and `/etc/mtab` are links in the image; files of both are granted.
    for path in [
        "/var/run/attack",
        "/var/run/../lib/attack",
        "/var/run/./attack",
        "/var/run//attack",
        "/var/run/",
        "/var/run",
        "/etc/mtab",
        "/etc/shadow",
        "/var/lib/other",
        "var/run/attack",
        "/proc/1/environ",
        "",
        "/",
    ] {
        let file = files::FileReplacement::new(target, "another file", path, b"x");
        attempts.must_fail(format!("replace {path:?}"), file.apply());
    }
    for path in [
        "/var/run/../../etc/shadow",
        "/etc/mtab",
        "/etc/shadow",
        "etc/mtab",
        "",
    ] {
        attempts.must_fail(format!("read {path:?}"), files::read(target, path));
    }
}

fn beyond_limits(attempts: &mut Attempts, target: &str) {
    let contents = vec![b'x'; FILE];
    let large = files::FileReplacement::new(target, "a large file", "/var/lib/attack", &contents);
    attempts.must_fail("a large file".into(), large.apply());
    let long = format!("/var/run/{}", "x".repeat(1 << 20));
    let long = files::FileReplacement::new(target, "a long path", &long, b"x");
    attempts.must_fail("a long path".into(), long.apply());
    for replicas in [21, u32::MAX] {
        let scaling = deployment::Scaling::new(target, "very many", replicas);
        attempts.must_fail(format!("{replicas} of it"), scaling.apply());
    }
    let offline = deployment::OfflinePrograms::new(target, "very many programs");
    for _ in 0..MANY {
        offline.run(&["printf".to_owned(), "x".to_owned()], LIMIT, &[]);
    }
    offline.compare_with(&checks::Check::output_of(&program("printf")));
    attempts.must_fail("many programs".into(), offline.apply());
    for (name, value) in [("", "x"), ("A=B", "x"), ("A\0B", "x"), ("A", "x\0y")] {
        let replacement = deployment::Replacement::new(target, "odd variables");
        replacement.set_environment(name, value);
        attempts.must_fail(format!("{name:?}={value:?}"), replacement.apply());
    }
    let replacement = deployment::Replacement::new(target, "an odd command");
    replacement.set_command(&["printf".to_owned(), "a\0b".to_owned()]);
    attempts.must_fail("a command with NUL".into(), replacement.apply());
}
