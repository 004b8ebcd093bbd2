//! What a manifest may ask for, what is refused, and what a person reads of it.

use super::*;
use duress_engine::{ContainerId, Project};

fn permissions(yaml: &str) -> Permissions {
    let document = duress_yaml::Document::parse("permissions", yaml).expect("YAML");
    let (permissions, problems) = document.interpret();
    assert!(problems.is_empty(), "{problems:?}");
    permissions.expect("permissions")
}

fn change(apply: Vec<Action>, revert: Vec<Action>, in_force: Option<Probe>) -> Change {
    Change {
        project: Project("p".into()),
        container: ContainerId("c".into()),
        container_name: "c".into(),
        summary: "s".into(),
        apply,
        revert,
        in_force,
        http_hosts: Vec::new(),
        effect_wait_ms: None,
    }
}

fn program(place: Place, name: &str) -> PlacedProgram {
    PlacedProgram {
        place,
        command: vec![name.into(), "-x".into()],
        timeout_ms: 1,
        tolerated: Vec::new(),
    }
}

fn arrangement(scales: Option<&str>, overrides: &Overrides) -> Change {
    let copy = duress_engine::ContainerCopy {
        of: ContainerId("c".into()),
        name: "c".into(),
        number: None,
        overrides: overrides.clone(),
    };
    let arrangement = Arrangement {
        token: "t".into(),
        scales: scales.map(str::to_owned),
        aside: vec![ContainerId("c".into())],
        copies: vec![copy],
    };
    change(
        vec![Action::Rearrange(arrangement)],
        vec![Action::PutBack],
        None,
    )
}

#[test]
fn each_way_to_make_containers_otherwise_is_a_permission_of_its_own() {
    let command = Overrides {
        command: Some(vec!["other".into()]),
        ..Overrides::default()
    };
    let image = Overrides {
        image: Some("other".into()),
        ..Overrides::default()
    };
    let both = Overrides {
        image: image.image.clone(),
        ..command.clone()
    };
    let offline = change(
        vec![Action::RunOffline {
            command: vec!["mv".into()],
            timeout_ms: 1,
            tolerated: Vec::new(),
        }],
        vec![Action::Start],
        None,
    );
    for (change, line, enough) in [
        (
            arrangement(None, &command),
            "[recreate]",
            "actions: [recreate]",
        ),
        (
            arrangement(None, &image),
            "[change_image]",
            "actions: [recreate, change_image]",
        ),
        (
            arrangement(None, &both),
            "[change_image]",
            "actions: [recreate, change_image]",
        ),
        (
            arrangement(Some("c"), &Overrides::default()),
            "[scale]",
            "actions: [scale]",
        ),
        (
            offline.clone(),
            "[run_offline]",
            "{actions: [run_offline], programs: {container: [mv]}}",
        ),
    ] {
        let others = "actions: [stop, restart, run_program, signal, limit]";
        let missing = permissions(others).missing(&change).expect("refused");
        assert_eq!(missing.line, format!("actions: {line}"));
        assert_eq!(permissions(enough).missing(&change), None, "{enough}");
    }
    assert!(
        permissions("actions: [recreate]")
            .missing(&arrangement(None, &both))
            .is_some()
    );
    let missing = permissions("actions: [run_offline]").missing(&offline);
    assert_eq!(
        missing.map(|one| one.line),
        Some("programs: {container: [mv]}".into())
    );
    let words = permissions("actions: [recreate, change_image]")
        .in_words()
        .join("; ");
    assert!(
        words.contains("ANY program") && words.contains("ANY image"),
        "{words}"
    );
}

#[test]
fn nothing_is_allowed_that_was_not_asked_for() {
    let none = Permissions::default();
    let freeze = change(vec![Action::Pause], vec![Action::Unpause], None);
    let missing = none.missing(&freeze).expect("refused");
    assert_eq!(missing.line, "actions: [pause]");
    assert_eq!(permissions("actions: [pause]").missing(&freeze), None);

    let run = |place| Action::Run(program(place, "tc"));
    let tc = change(
        vec![run(Place::NetworkOfContainer)],
        vec![run(Place::NetworkOfContainer)],
        None,
    );
    let elsewhere = permissions("programs: {container: [tc]}");
    let missing = elsewhere.missing(&tc).expect("another place");
    assert_eq!(missing.line, "programs: {network_of_container: [tc]}");
    let asked = permissions("programs: {network_of_container: [tc]}");
    assert_eq!(asked.missing(&tc), None);
    let probed = change(
        tc.apply.clone(),
        tc.revert.clone(),
        Some(Probe::Run(program(Place::Container, "cat"))),
    );
    assert!(asked.missing(&probed).is_some(), "a probe is a program too");
    let hidden = change(vec![Action::Pause], vec![run(Place::Container)], None);
    assert!(
        permissions("actions: [pause]").missing(&hidden).is_some(),
        "and so is a way back"
    );
}

#[test]
fn files_are_granted_by_their_paths() {
    let replace = |path: &str| {
        let apply = vec![Action::replace_file(path.into(), b"new".to_vec())];
        change(apply, vec![Action::restore_file(path.into())], None)
    };
    let none = Permissions::default();
    let missing = none.missing(&replace("/etc/conf")).expect("refused");
    assert_eq!(missing.line, "files: {replace: [/etc/conf]}");
    let one = permissions("files: {replace: [/etc/conf], read: [/data/*]}");
    assert_eq!(one.missing(&replace("/etc/conf")), None);
    for path in ["/etc/conf.d", "/etc/conf/more", "/etc", "/data/file"] {
        assert!(one.missing(&replace(path)).is_some(), "{path}");
    }
    assert_eq!(one.missing_read("/data/deep/file"), None);
    for path in ["/data", "/database", "/etc/conf"] {
        let missing = one.missing_read(path).expect("refused");
        assert_eq!(missing.line, format!("files: {{read: [{path}]}}"));
    }
    let words = one.in_words().join("\n");
    assert!(
        words.contains("/etc/conf") && words.contains("/data/*"),
        "{words}"
    );
    for wrong in ["etc/conf", "/etc/", "/etc/*.conf", "/etc/\\n", "/a b", "*"] {
        let yaml = format!("files: {{replace: [\"{wrong}\"]}}");
        let document = duress_yaml::Document::parse("permissions", &yaml).expect("YAML");
        let (_, problems) = document.interpret::<Permissions>();
        assert!(!problems.is_empty(), "{wrong}");
    }
}

#[test]
fn a_program_for_changes_is_none_to_look_with() {
    let changes = permissions("programs: {container: [redis-cli]}");
    let missing = changes.missing_look("redis-cli").expect("refused");
    assert_eq!(missing.line, "programs: {look: [redis-cli]}");
    let looks = permissions("programs: {look: [redis-cli]}");
    assert_eq!(looks.missing_look("redis-cli"), None);
    assert!(
        looks.missing_run(Place::Container, "redis-cli").is_some(),
        "and the other way round"
    );
}

#[test]
fn whoever_may_end_a_container_may_start_it_again() {
    let kill = change(
        vec![Action::Signal("SIGKILL".into())],
        vec![Action::Start],
        None,
    );
    assert_eq!(permissions("actions: [signal]").missing(&kill), None);
    let start = change(vec![Action::Start], vec![Action::Start], None);
    assert!(permissions("actions: [pause]").missing(&start).is_some());
}

#[test]
fn what_it_asks_for_is_told_in_words() {
    assert_eq!(Permissions::default().in_words(), [""; 0]);
    let words = permissions(
        "{actions: [pause], programs: {network_of_container: [tc, ip]}, http: [stack, 'p:9090'], tcp: [stack], \
         logs: true, stack: true}",
    )
    .in_words();
    assert_eq!(
        words,
        [
            "to the containers that a trial picks: freeze them",
            "in these containers' networks, run: ip, tc (each can read and change all traffic, addresses and rules there, \
             and reaches no file or process)",
            "send HTTP requests to its own trial's containers",
            "send HTTP requests to p:9090, beyond its trial",
            "open TCP connections to its own trial's containers, and send there what it likes",
            "read what its own trial's containers log",
            "bring its own trial's stack up, and take it down",
        ]
    );
}

#[test]
fn names_that_could_forge_the_question_are_refused() {
    let refused = |yaml: &str| {
        let document = duress_yaml::Document::parse("permissions", yaml).expect("YAML");
        let (permissions, problems) = document.interpret::<Permissions>();
        assert!(permissions.is_none(), "{yaml}");
        problems[0].message.clone()
    };
    let long = "a".repeat(65);
    for program in [
        "",
        "sh -c",
        "ls\\n  - nothing else",
        "a/b",
        "/",
        "//bin/sh",
        "/bin/\\x1b[2Jsh",
        "p\\u202Egpj",
        "sh,",
        long.as_str(),
    ] {
        for place in ["container", "look"] {
            let why = refused(&format!("programs: {{{place}: [\"{program}\"]}}"));
            assert!(why.contains("a program's name"), "{program}: {why}");
        }
        refused(&format!(
            "programs: {{network_of_container: [\"{program}\"]}}"
        ));
    }
    for host in [
        "x",
        "http://x:80",
        "x:80/",
        "x:http",
        "a b:80",
        "x:80\\n",
        "[::1",
        "*:80",
    ] {
        let why = refused(&format!("http: [\"{host}\"]"));
        assert!(why.contains("`host:port`"), "{host}: {why}");
    }
    let many: Vec<_> = (0..65).map(|number| format!("p{number}")).collect();
    refused(&format!("programs: {{container: [{}]}}", many.join(", ")));
    permissions(
        "{programs: {container: [sh, /usr/bin/g++, systemd-run]}, http: [stack, 'x.example:80', '[fd00::1]:9090', '10.0.0.1:1']}",
    );
}

#[test]
fn asking_a_container_needs_the_stack() {
    let ask = |url: &str| {
        let request = duress_model::HttpRequest {
            method: "POST".into(),
            url: url.into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 1,
        };
        let probe = Probe::Answer {
            request: request.clone(),
            text: "ok".into(),
        };
        [
            change(vec![Action::Ask(request)], Vec::new(), None),
            change(Vec::new(), Vec::new(), Some(probe)),
        ]
    };
    let outside = permissions("http: ['x.example:80']");
    for change in ask("http://etcd0:2379/") {
        let missing = outside.missing(&change).expect("not granted");
        assert_eq!(missing.line, "http: [stack]");
        assert_eq!(permissions("http: [stack]").missing(&change), None);
    }
    for change in ask("http://x.example/") {
        assert_eq!(outside.missing(&change), None);
    }
}

#[test]
fn a_program_that_starts_others_is_told_as_anything() {
    let words = permissions(
        "programs: {container: [cat, /usr/bin/python3.11, start-stop-daemon], look: [sh]}",
    )
    .in_words();
    let said = "with /usr/bin/python3.11, sh, start-stop-daemon: run ANYTHING in any container of its own trial";
    assert!(words.iter().any(|line| line == said), "{words:?}");
    for name in [
        "env", "setsid", "nsenter", "xargs", "find", "perl", "busybox", "timeout", "nice",
    ] {
        assert!(crate::launchers::starts_others(name), "{name}");
    }
    for name in ["etcdctl", "cat", "redis-cli", "stat"] {
        assert!(!crate::launchers::starts_others(name), "{name}");
    }
}

#[test]
fn only_tools_of_the_network_may_be_asked_for_there() {
    let document =
        duress_yaml::Document::parse("permissions", "programs: {network_of_container: [tc, sh]}");
    let (_, problems) = document.expect("YAML").interpret::<Permissions>();
    assert_eq!(problems.len(), 1, "{problems:?}");
}
