//! `duress plugin test`: a component on the real host and a simulated machine, where every fault is injected and reverted in every way
//! that can go well or wrong.
//!
//! What is asked of a component is what [`wit/plugin.wit`] says: that `cleanup` reverts what `inject` did, twice, in another
//! process, and when the container is gone; that metadata is all it needs for that; that schemas say what fits; that no call traps or
//! outlives its limit.

mod fault;
mod harness;
mod subject;
mod values;

use std::collections::BTreeSet;

use serde::Serialize;

use duress_model::{Error, Result};
use duress_plugin::Plugin;
use duress_simulated::Script;
use harness::Harness;

/// What was tried, and the result.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Of the list of faults itself.
    pub list: Vec<Check>,
    /// Of the subject; empty where it brings none.
    pub subject: Vec<Check>,
    /// Of each fault, by its name.
    pub faults: Vec<(String, Vec<Check>)>,
    /// What the plugin wrote to its log, and what went on, in order: `level source: message`.
    #[serde(skip)]
    pub log: Vec<String>,
    /// What was asked that `conformance.yaml` has no answer for.
    pub unanswered: BTreeSet<String>,
}

/// One thing that was tried, in several cases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// e.g. `cleanup twice`.
    pub name: &'static str,
    /// In how many cases.
    pub cases: usize,
    /// The first of them that went wrong: in which case, and why.
    pub problem: Option<String>,
}

impl Report {
    /// Returns what was tried, with its checks: the list of faults, the subject if it brings one, each fault.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &[Check])> {
        let own = [("list of faults", &self.list), ("subject", &self.subject)];
        let faults = self.faults.iter();
        own.into_iter()
            .chain(faults.map(|(name, checks)| (name.as_str(), checks)))
            .map(|(name, checks)| (name, checks.as_slice()))
            .filter(|(_, checks)| !checks.is_empty())
    }

    /// Returns every check.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.parts().flat_map(|(_, checks)| checks)
    }

    /// Returns whether nothing went wrong.
    pub fn passed(&self) -> bool {
        self.checks().all(|check| check.problem.is_none())
    }
}

/// Checks under way.
#[derive(Debug, Default)]
struct Checks(Vec<Check>);

impl Checks {
    /// Notes how a case went.
    fn note(&mut self, name: &'static str, case: &str, result: Result<(), String>) {
        let known = self.0.iter().position(|check| check.name == name);
        let at = known.unwrap_or_else(|| {
            self.0.push(Check {
                name,
                cases: 0,
                problem: None,
            });
            self.0.len() - 1
        });
        let check = &mut self.0[at];
        check.cases += 1;
        if let (None, Err(why)) = (&check.problem, result) {
            let case = if case.is_empty() {
                String::new()
            } else {
                format!("{case}: ")
            };
            check.problem = Some(format!("{case}{why}"));
        }
    }
}

/// Tries a plugin on the system that a script describes. It takes no time but what is computed: all waits are simulated.
///
/// # Errors
/// `Environment` where not even the simulated machine can be made.
pub fn test(found: &Plugin, script: &Script) -> Result<Report> {
    let failed = |error: std::io::Error| Error::environment(format!("begin to test: {error}"));
    let folder = tempfile::tempdir().map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .map_err(failed)?;
    let report = runtime.block_on(async {
        let harness = Harness::open(found, script, folder.path()).await?;
        let mut report = all(&harness, found).await?;
        report.log = harness.log().await?;
        Ok(report)
    });
    runtime.shutdown_background();
    report
}

async fn all(harness: &Harness<'_>, found: &Plugin) -> Result<Report> {
    let mut report = Report {
        list: list(harness, found).await,
        ..Report::default()
    };
    if found.kind() == duress_plugin::Kind::Subject {
        report.subject = subject::test(harness, &mut report.unanswered).await?;
    }
    for fault in &found.faults {
        let checks = fault::test(harness, fault, &mut report.unanswered).await?;
        report.faults.push((fault.name.clone(), checks));
    }
    Ok(report)
}

/// Returns the list of faults.
async fn list(harness: &Harness<'_>, found: &Plugin) -> Vec<Check> {
    let mut checks = Checks::default();
    let again = match harness.plugin.component.fault_types(&harness.limits).await {
        Ok(again) if again.iter().eq(found.faults.iter().map(AsRef::as_ref)) => Ok(()),
        Ok(_) => Err("it lists other faults at the second call".to_owned()),
        Err(error) => Err(error.to_string()),
    };
    checks.note("the same list at each call", "", again);
    let problems = found.problems();
    checks.note(
        "names, schemas and requirements",
        "",
        match problems.first() {
            None => Ok(()),
            Some(problem) => Err(problem.clone()),
        },
    );
    checks.0
}
