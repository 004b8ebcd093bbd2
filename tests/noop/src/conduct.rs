//! Changes made well, and made badly in ways that only a conformance test notices.

use crate::unchanged;
use duress_sdk::bindings::duress::plugin::changes;
use duress_sdk::{
    Action, Change, Error, FileReplacement, Place, Probe, Program, Result, Scene, Step,
};

/// As it should be done.
pub(crate) fn well(scene: &Scene) -> Step {
    Step {
        changes: scene
            .targets
            .iter()
            .map(|target| pause(&target.name).into())
            .collect(),
        ..unchanged()
    }
}

/// Replaces a file of each target.
pub(crate) fn with_another_file(scene: &Scene, paths: &[String]) -> Result<Step> {
    let path = paths.first();
    let path = path.ok_or_else(|| Error::Invalid("no path is given".into()))?;
    let replaced = scene.targets.iter().map(|target| {
        let summary = format!("replace {path} of {}", target.name);
        FileReplacement::new(&target.name, summary, path, "new\n").into()
    });
    Ok(Step {
        changes: replaced.collect(),
        ..unchanged()
    })
}

/// Makes a change, and leaves nothing to find it by again.
pub(crate) fn forgetfully(scene: &Scene) -> Result<Step> {
    for target in &scene.targets {
        changes::apply(&pause(&target.name))?;
    }
    Ok(unchanged())
}

/// Applies a change, and reverts it before anybody could see it.
pub(crate) fn hastily(scene: &Scene) -> Result<Step> {
    for target in &scene.targets {
        let id = changes::apply(&pause(&target.name))?;
        changes::revert(&id)?;
    }
    Ok(unchanged())
}

/// Change what is not among the targets.
pub(crate) fn elsewhere(scene: &Scene) -> Result<Step> {
    let targets: Vec<_> = scene.targets.iter().map(|target| &target.name).collect();
    let other = scene.stack.iter().find(|one| !targets.contains(&&one.name));
    let other = other.ok_or_else(|| Error::Unavailable("there is nothing else".into()))?;
    Ok(Step {
        changes: vec![pause(&other.name).into()],
        ..unchanged()
    })
}

/// A way back that does not lead back, and a probe that does not see it.
pub(crate) fn dishonestly(scene: &Scene) -> Step {
    let change = |name: &str| Change {
        container: name.to_owned(),
        summary: format!("block {name}"),
        apply: vec![Action::Run(printf("block"))],
        revert: vec![Action::Run(printf("unblock"))],
        in_force: Some(Probe::Output((printf("is-blocked"), vec!["it is".into()]))),
    };
    Step {
        changes: scene
            .targets
            .iter()
            .map(|target| change(&target.name).into())
            .collect(),
        ..unchanged()
    }
}

fn pause(container: &str) -> Change {
    Change {
        container: container.to_owned(),
        summary: format!("freeze {container}"),
        apply: vec![Action::Pause],
        revert: vec![Action::Unpause],
        in_force: None,
    }
}

fn printf(word: &str) -> Program {
    Program {
        place: Place::Container,
        command: vec!["printf".into(), word.to_owned()],
        timeout: 1_000,
        tolerated: Vec::new(),
    }
}
