//! The faults that replace containers and change their number, as a component makes them, and what another process does about them.

use serde_json::json;

use crate::docker::{Container, docker, labelled};
use crate::harness::Harness;
use crate::program::Program;
use crate::runs::project;

/// The containers of a service, as `name state`, sorted, whatever their state.
fn of_service(project: &str, service: &str) -> Vec<String> {
    let project = format!("label=com.docker.compose.project={project}");
    let service = format!("label=com.docker.compose.service={service}");
    let all = docker(&[
        "ps",
        "-a",
        "--format",
        "{{.Names}} {{.State}}",
        "--filter",
        &project,
        "--filter",
        &service,
    ]);
    let mut all: Vec<String> = all.lines().map(str::to_owned).collect();
    all.sort();
    all
}

async fn names(harness: &Harness) -> Vec<String> {
    let all = harness.engine.containers(&harness.project).await.unwrap();
    all.into_iter().map(|one| one.name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn scaling_stops_targets_alone_and_starts_the_same_ones_again() {
    let harness = Harness::with_plugin("bare", "faults", &["bare", "bare-3"]).await;
    let own = harness.container("bare");
    let name = own.inspect("{{.Name}}").trim_start_matches('/').to_owned();
    let beginning = name.strip_suffix('1').unwrap();
    let running = |numbers: std::ops::RangeInclusive<u32>| -> Vec<String> {
        numbers.map(|n| format!("{beginning}{n} running")).collect()
    };
    let list = || of_service(&harness.project.0, "bare");
    assert_eq!(list(), running(1..=1));

    // More: numbered and named as the compose tool does, on the same networks, seen by every plugin.
    let up = json!({ "service": "bare", "replicas": 3 });
    let metadata = harness.break_it("scale", up.clone(), &["bare"]).await;
    assert_eq!(list(), running(1..=3));
    assert_eq!(
        names(&harness).await,
        ["bare", "bare-2", "bare-3", "locked", "peer"]
    );
    let number = "{{index .Config.Labels \"com.docker.compose.container-number\"}}";
    assert_eq!(Container(format!("{beginning}3")).inspect(number), "3");
    let second = harness
        .inject(
            "scale",
            json!({ "service": "bare", "replicas": 4 }),
            &["bare"],
        )
        .await;
    let second = second.unwrap_err().to_string();
    assert!(second.contains("another change is in force"), "{second}");
    assert_eq!(list(), running(1..=3));
    harness.cleanup(&metadata).await;
    assert_eq!(list(), running(1..=1));
    assert_eq!(
        own.inspect("{{.State.Running}}"),
        "true",
        "it ran all the time"
    );

    // Fewer: stopped, kept, hidden.
    let down = json!({ "service": "bare", "replicas": 0 });
    let metadata = harness.break_it("scale", down.clone(), &["bare"]).await;
    let kept = list();
    assert!(
        matches!(&kept[..], [one] if one.contains(".duress-aside exited")),
        "{kept:?}"
    );
    assert_eq!(names(&harness).await, ["locked", "peer"]);
    harness.cleanup(&metadata).await;
    assert_eq!(list(), running(1..=1));
    assert_eq!(harness.container("bare"), own, "the very same");

    // Somebody else's, and a number that changes nothing.
    for (service, replicas, words) in [("peer", 0, "blast radius"), ("bare", 1, "already")] {
        let parameters = json!({ "service": service, "replicas": replicas });
        let refused = harness.inject("scale", parameters, &[service]).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }

    // Another process finds them by what the database says.
    harness.break_it("scale", up, &["bare"]).await;
    assert_eq!(list().len(), 3);
    harness.recover().await;
    assert_eq!(list(), running(1..=1));
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_replaced_beside_other_faults_and_by_no_wrong_image() {
    let harness = Harness::with_plugin("bare", "faults", &["peer"]).await;
    let peer = harness.container("peer");
    let own = peer.inspect("{{.Id}}");
    let here = || async {
        let all = harness.engine.containers(&harness.project).await.unwrap();
        let found = all.into_iter().find(|one| one.name == "peer");
        Container(found.unwrap().id.0)
    };
    let other = json!({ "environment": { "MODE": "other" } });
    let says = |container: &Container| container.run(&["sh", "-c", "echo ${MODE-none}"]).1;
    assert_eq!(says(&peer), "none");

    // Where something else is in force, nothing is replaced.
    let pause = harness
        .break_it("process_pause", json!({}), &["peer"])
        .await;
    let refused = harness
        .inject("container_recreate", other.clone(), &["peer"])
        .await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("not run") || refused.contains("another change"),
        "{refused}"
    );
    harness.cleanup(&pause).await;
    let limit = harness
        .break_it("pids_limit", json!({ "pids": 50 }), &["peer"])
        .await;
    let refused = harness
        .inject("container_recreate", other.clone(), &["peer"])
        .await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("another change is in force"), "{refused}");
    harness.cleanup(&limit).await;

    // Twice on top of each other, then a fault in the second: reverted from the newest on, whichever is asked first.
    let first = harness
        .break_it("container_recreate", other, &["peer"])
        .await;
    let replaced = here().await;
    assert_eq!(says(&replaced), "other");
    let third = json!({ "environment": { "MODE": "third" } });
    harness
        .break_it("container_recreate", third, &["peer"])
        .await;
    let again = here().await;
    assert_eq!(says(&again), "third");
    harness
        .break_it("process_pause", json!({}), &["peer"])
        .await;
    assert_eq!(again.inspect("{{.State.Paused}}"), "true");
    harness.cleanup(&first).await;
    assert_eq!(here().await.0, own);
    assert_eq!(says(&peer), "none");
    assert_eq!(of_service(&harness.project.0, "peer").len(), 1);
    assert_eq!(harness.unsettled().await, 0);

    // What is not there, and what ends at once, is told; the container is as it was.
    for (parameters, words) in [
        (
            json!({ "image": "duress/none:such" }),
            "image duress/none:such not found",
        ),
        (
            json!({ "image": "../../containers/json" }),
            "not an image's name",
        ),
        (
            json!({ "command": ["sh", "-c", "echo why; exit 3"] }),
            "ended at once (exit code 3); its last line: why",
        ),
        (
            json!({ "environment": { "A=B": "c" } }),
            "at least one character",
        ),
    ] {
        let refused = harness
            .inject("container_recreate", parameters, &["peer"])
            .await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
        assert_eq!(here().await.0, own);
        assert_eq!(peer.inspect("{{.State.Running}}"), "true");
    }
    for foreign in ["bare", "nobody"] {
        let parameters = json!({ "environment": { "A": "b" } });
        assert!(
            harness
                .inject("container_recreate", parameters, &[foreign])
                .await
                .is_err()
        );
    }
    assert_eq!(of_service(&harness.project.0, "peer").len(), 1);
    assert_eq!(harness.unsettled().await, 0);
}

/// Both kinds at once: one container of another command, and a service with more containers.
const CAMPAIGN: &str = "
name: rearranged
subjects: [bare]
seed: 1
chaos_types:
  - label: both
    duration_seconds: 600
    steps:
      - {at: 0s, type: container_recreate, params: {environment: {MODE: other}}, targets: [bare]}
      - {at: 0s, type: scale, params: {service: locked, replicas: 2}, targets: [locked]}
";

#[test]
fn a_killed_duress_leaves_replaced_containers_that_recovery_removes() {
    let program = Program::new();
    let file = program.folder.path().join("rearranged.yaml");
    std::fs::write(&file, CAMPAIGN).unwrap();
    let running = program.start(&["run", "campaign", file.to_str().unwrap()]);
    running.wait_for_change();
    running.wait_for_change();
    running.signal("KILL");
    running.end();
    let stack = project(&program);
    assert_eq!(
        of_service(&stack, "bare").len(),
        2,
        "the original and another"
    );
    assert_eq!(of_service(&stack, "locked").len(), 2);
    let recovered = program.run(&["recover"]);
    assert_eq!(recovered.code(), 0, "{}", recovered.said());
    assert_eq!(program.left(), [""; 0]);
    assert_eq!(
        labelled(&format!("com.docker.compose.project={stack}")),
        [""; 0]
    );
}

#[test]
fn a_trial_that_replaces_its_target_is_evidence() {
    let program = Program::new();
    let file = program.folder.path().join("rearranged.yaml");
    let short = CAMPAIGN.replace("duration_seconds: 600", "duration_seconds: 6");
    std::fs::write(&file, short).unwrap();
    let ended = program.run(&["run", "campaign", file.to_str().unwrap()]);
    assert_eq!(ended.code(), 0, "{}", ended.said());
    let trial = program.json(&["show", "trial-bare-both-1"]);
    assert_eq!(trial["trial"]["outcome"], "passed", "{trial}");
    assert_eq!(program.left(), [""; 0]);
}
