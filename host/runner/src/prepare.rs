//! From a campaign as a person wrote it to trials that can run: plugins loaded, parameters checked, the machine looked at.
//!
//! Nothing is created and nothing is touched here; whatever is wrong is told now.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use duress_campaign::{Draft, Plan};
use duress_engine::{Container, Engine, Project, Selection};
use duress_experiment::Plan as Experiment;
use duress_model::{Error, Result, TrialSpec};
use duress_plugin::{CallLimits, Catalog, Plugin, Subject, merged, sha256};
use duress_trial::Trial;
use duress_yaml::LoadError;

/// A campaign that may run.
#[derive(Debug)]
pub struct Prepared {
    /// What was asked for.
    pub plan: Plan,
    /// Its trials, in the order in which they start.
    pub trials: Vec<Trial>,
    /// The digest of everything beside the plan that decides what its trials do, by name, e.g. `plugins/etcd`.
    pub digests: BTreeMap<String, String>,
    /// Nothing is broken: what the faults would do is written down.
    pub dry_run: bool,
}

impl Prepared {
    /// Keeps one trial of each combination: what a dry run shows is the same for all of them.
    pub fn first_of_each(&mut self) {
        let mut seen = HashSet::new();
        self.trials
            .retain(|trial| seen.insert((trial.spec.subject.clone(), trial.spec.label.clone())));
    }

    /// Returns whether any subject has containers.
    pub fn needs_engine(&self) -> bool {
        self.trials
            .iter()
            .any(|trial| trial.subject.has_containers())
    }

    /// Returns the systems that run already and that its trials are about, each once.
    pub fn attached(&self) -> Vec<Selection> {
        let attached = self.trials.iter().map(|trial| trial.project.selection());
        let each: BTreeSet<_> = attached.flatten().collect();
        each.into_iter().collect()
    }

    /// Whether the containers that its trials attach to are there, and those among them that its faults are to hurt.
    ///
    /// # Errors
    /// `Input`: which are not there, and which are. `Environment` where the engine cannot be asked.
    pub async fn check_attached(&self, engine: &dyn Engine) -> Result<()> {
        let mut seen = BTreeMap::new();
        for trial in &self.trials {
            let Some(selection) = trial.project.selection() else {
                continue;
            };
            if !seen.contains_key(&selection) {
                let found = engine.containers(&trial.project).await?;
                are_there(&selection, &found)?;
                seen.insert(selection.clone(), found);
            }
            let containers = seen.get(&selection).map_or(&[] as &[_], Vec::as_slice);
            let targets = trial.spec.faults.iter().flat_map(|fault| &fault.targets);
            for target in targets {
                is_among(target, &selection, containers)?;
            }
        }
        Ok(())
    }

    /// Whether every fault can work on this machine.
    ///
    /// # Errors
    /// `Environment`: what is missing, for which fault, and what to do.
    pub async fn check_machine(&self, engine: &dyn Engine) -> Result<()> {
        let faults: BTreeMap<_, _> = self
            .trials
            .iter()
            .flat_map(|trial| &trial.faults)
            .map(|(plugin, fault)| ((&plugin.manifest.name, &fault.name), fault.as_ref()))
            .collect();
        let is_composed = |trial: &Trial| trial.subject.manifest.compose.is_some();
        if self.trials.iter().any(is_composed) {
            duress_engine::compose::version().await?;
        }
        duress_doctor::check_faults(faults.into_values(), &engine.info().await?).await
    }
}

/// Something that runs must be there to attach to.
fn are_there(selection: &Selection, found: &[Container]) -> Result<()> {
    let hint =
        "`docker ps -a` lists what there is; what duress made for a run of its own is left out";
    if let Selection::Containers(names) = selection {
        let is_there = |name: &&String| found.iter().any(|one| one.name == **name);
        let missing: Vec<_> = names.iter().filter(|name| !is_there(name)).collect();
        return match missing.as_slice() {
            [] => Ok(()),
            [name, ..] => Err(Error::input(format!("container `{name}` not found")).hint(hint)),
        };
    }
    if found.is_empty() {
        let what = match selection {
            Selection::Project(name) => format!("the compose project `{name}` has no containers"),
            _ => format!("no container has {selection}"),
        };
        return Err(Error::input(what).hint(hint));
    }
    Ok(())
}

fn is_among(target: &str, selection: &Selection, found: &[Container]) -> Result<()> {
    if found.iter().any(|one| one.service == target) {
        return Ok(());
    }
    let services = found.iter().map(|one| one.service.as_str());
    let error = Error::input(format!("{selection} has no service `{target}`"));
    Err(match duress_model::nearest(target, services.clone()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => {
            let each: BTreeSet<&str> = services.collect();
            let each: Vec<_> = each.into_iter().collect();
            error.hint(format!("there are {}", each.join(", ")))
        }
    })
}

/// Checks a draft against everything that there is, and lay it out.
///
/// # Errors
/// Every mistake of the draft at once; or the one of a plugin that cannot be loaded.
pub async fn prepare(
    draft: Draft,
    catalog: &Catalog,
    dry_run: bool,
) -> Result<Prepared, LoadError> {
    let faults = known(&draft, catalog).await?;
    let mut resolved = draft.resolve(&faults);
    let mut answers = Vec::new();
    for check in resolved.checks() {
        let plugin = plugin_for(catalog, &check.subject, &check.plugin).await?;
        let parameters = Value::Object(check.parameters.clone());
        let problems = plugin
            .component
            .check_parameters(&check.fault, &parameters, &CallLimits::default())
            .await
            .map_err(Error::from)?;
        answers.push(problems);
    }
    for (index, problems) in answers.into_iter().enumerate() {
        resolved.answer(index, problems);
    }
    Ok(with_plan(resolved.finish()?, catalog, dry_run).await?)
}

/// A trial again, from its description: the same seed, parameters and times.
///
/// # Errors
/// When its subject or its fault is not there any more.
pub async fn repeat(
    spec: TrialSpec,
    experiment: Option<Experiment>,
    catalog: &Catalog,
    dry_run: bool,
) -> Result<Prepared> {
    with_plan(Plan::of_trial(spec, experiment), catalog, dry_run).await
}

/// Returns the trials of a plan that was checked.
pub(super) async fn with_plan(plan: Plan, catalog: &Catalog, dry_run: bool) -> Result<Prepared> {
    let experiment = plan.experiment.clone().map(Arc::new);
    if let Some(experiment) = &experiment {
        check_metrics(experiment)?;
    }
    let mut trials = Vec::new();
    for spec in plan.trials() {
        trials.push(trial(spec, catalog, experiment.clone(), dry_run).await?);
    }
    let digests = digests(&plan, catalog).await?;
    Ok(Prepared {
        plan,
        trials,
        digests,
        dry_run,
    })
}

/// Returns the components, their manifests, the subjects' own files.
async fn digests(plan: &Plan, catalog: &Catalog) -> Result<BTreeMap<String, String>> {
    let of_file = |path: PathBuf| {
        let read = std::fs::read(&path);
        read.map(|bytes| sha256(&bytes))
            .map_err(|error| Error::input(format!("read {}: {error}", path.display())))
    };
    let mut digests = BTreeMap::new();
    for combination in &plan.combinations {
        let subject = catalog.subject(&combination.subject).await?;
        let name = &subject.manifest.name;
        // Containers that were named on the command line have no folder.
        if !subject.directory.as_os_str().is_empty() {
            let file = of_file(subject.directory.join("subject.yaml"))?;
            digests.insert(format!("subjects/{name}/subject.yaml"), file);
        }
        if let (Some(file), Some(path)) = (&subject.manifest.compose, subject.compose_file()) {
            digests.insert(
                format!("subjects/{name}/{}", file.display()),
                of_file(path)?,
            );
        }
        let mut plugins = vec![Arc::clone(&subject.plugin)];
        for fault in &combination.faults {
            plugins.push(plugin_for(catalog, name, &fault.plugin).await?);
        }
        for loaded in plugins {
            let name = &loaded.manifest.name;
            let manifest = loaded.manifest_digest.clone();
            digests.insert(format!("plugins/{name}/plugin.yaml"), manifest);
            digests.insert(format!("plugins/{name}"), loaded.digest.clone());
        }
    }
    Ok(digests)
}

/// What is wrong with a metric and can be told without asking anybody.
fn check_metrics(experiment: &Experiment) -> Result<()> {
    for metric in &experiment.metrics {
        duress_metrics::check(&metric.source)
            .map_err(|why| Error::input(format!("metric `{}`: {why}", metric.name)))?;
    }
    Ok(())
}

async fn trial(
    spec: TrialSpec,
    catalog: &Catalog,
    experiment: Option<Arc<Experiment>>,
    dry_run: bool,
) -> Result<Trial> {
    let subject = catalog.subject(&spec.subject).await?;
    let mut faults = Vec::new();
    for planned in &spec.faults {
        let plugin = plugin_for(catalog, &spec.subject, &planned.plugin).await?;
        let fault = plugin
            .faults
            .iter()
            .find(|fault| fault.name == planned.name)
            .cloned();
        let fault = fault.ok_or_else(|| {
            Error::input(format!(
                "the plugin `{}` has no fault `{}`",
                planned.plugin, planned.name
            ))
        })?;
        faults.push((plugin, fault));
    }
    let id = uuid::Uuid::now_v7();
    // The end of a version 7 UUID is random; its beginning is the time.
    let project = Project(format!("duress-{}", &id.simple().to_string()[20..]));
    let project = match &subject.manifest.attach {
        Some(selection) => project.attached_to(selection),
        None => project,
    };
    Ok(Trial {
        spec,
        id: id.to_string(),
        project,
        subject,
        faults,
        experiment,
        dry_run,
    })
}

async fn plugin_for(catalog: &Catalog, subject: &str, name: &str) -> Result<Arc<Plugin>> {
    let own = &catalog.subject(subject).await?.plugin;
    if own.manifest.name == name {
        Ok(Arc::clone(own))
    } else {
        catalog.plugin(name).await
    }
}

/// Returns what the draft may name: its subjects in full, the others by name.
async fn known(draft: &Draft, catalog: &Catalog) -> Result<duress_campaign::Catalog> {
    let named = draft.subjects();
    let (general, left_aside) = catalog.general_plugins(&named).await;
    let mut subjects = BTreeMap::new();
    for entry in catalog.subjects() {
        let subject = if named.contains(&entry.name.as_str()) {
            describe(&*catalog.subject(&entry.name).await?, &general).await?
        } else {
            duress_campaign::Subject::default()
        };
        subjects.insert(entry.name, subject);
    }
    Ok(duress_campaign::Catalog {
        subjects,
        searched: catalog.searched(),
        left_aside,
    })
}

/// Returns the names of the operations that a subject's plugin brings for a workload.
///
/// # Errors
/// What the plugin did wrong when it was asked.
pub async fn operations_of(subject: &Subject) -> Result<Vec<String>> {
    let settings = merged(
        &subject.plugin.manifest.settings,
        &subject.manifest.settings,
    );
    let component = &subject.plugin.component;
    let limits = CallLimits::default();
    let operations = component.operations(&settings, &limits);
    let operations = operations.await.map_err(Error::from)?;
    Ok(operations.into_iter().map(|one| one.name).collect())
}

async fn describe(subject: &Subject, general: &[Arc<Plugin>]) -> Result<duress_campaign::Subject> {
    let (services, scale) = match subject.compose_file() {
        Some(file) => (
            duress_engine::compose::services(&file)?,
            duress_engine::compose::scale(&file)?,
        ),
        None => (Vec::new(), BTreeMap::new()),
    };
    let plugins = std::iter::once(&subject.plugin).chain(general);
    let timeouts = subject.manifest.timeouts;
    Ok(duress_campaign::Subject {
        services,
        targets: Some(subject.manifest.targets.clone()),
        attached: subject.manifest.attach.is_some(),
        operations: Some(operations_of(subject).await?),
        scale,
        faults: plugins
            .flat_map(|plugin| plugin.faults.iter())
            .map(|fault| fault.as_ref().clone())
            .collect(),
        recovery_timeout: Some(Duration::from_secs_f64(timeouts.recovery_seconds)),
        reset_timeout: Some(Duration::from_secs_f64(timeouts.reset_seconds)),
    })
}
