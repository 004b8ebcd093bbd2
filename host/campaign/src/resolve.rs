//! A draft against what there is: the step from words to faults.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::entry::{Entry, Part};
use super::targets::Targets;
use super::{Campaign, Catalog, Combination, Draft, Plan, Subject, entry, matrix};
use duress_model::{FaultType, ParameterProblem, Services, nearest, strict, with_defaults};
use duress_yaml::{Document, Invalid, Problem, list_of, shown};

/// Parameters that the fault's plugin has yet to look at (`chaos.check-parameters` in `wit/plugin.wit`).
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterCheck {
    /// The subject, with whose settings the plugin is asked.
    pub subject: String,
    /// The plugin to ask.
    pub plugin: String,
    /// The fault.
    pub fault: String,
    /// Valid against the fault's schema, defaults filled in.
    pub parameters: Map<String, Value>,
    /// Which entry of `chaos_types`.
    pub(super) entry: usize,
    /// Which of its faults.
    pub(super) part: usize,
    /// Where it is written.
    pub(super) pointer: String,
}

/// A draft after all that can be checked without the plugins.
#[derive(Debug)]
pub struct Resolved {
    document: Document,
    campaign: Option<Campaign>,
    problems: Vec<Problem>,
    checks: Vec<ParameterCheck>,
    combinations: Vec<Combination>,
    experiment: Option<duress_experiment::Plan>,
}

impl Draft {
    /// Checks names, parameters, targets and the matrix. Parts that are well-formed are checked although others are not.
    pub fn resolve(self, catalog: &Catalog) -> Resolved {
        let mut resolving = Resolving {
            document: &self.document,
            catalog,
            problems: self.problems,
            checks: Vec::new(),
        };
        let entries = entry::entries(&self.document);
        resolving.subjects();
        for entry in &entries {
            resolving.entry(entry);
        }
        resolving.default_targets();
        resolving.one_at_a_time();
        let experiment = resolving.experiment();
        let Resolving {
            mut problems,
            checks,
            ..
        } = resolving;
        for problem in matrix::problems(&self.document, &entries) {
            // What the form of the same part told already is not told twice.
            if !problems.iter().any(|told| told.pointer == problem.pointer) {
                problems.push(problem);
            }
        }
        let mut combinations = Vec::new();
        if let (Some(campaign), true) = (&self.campaign, problems.is_empty()) {
            combinations = matrix::combinations(campaign, catalog, &checks);
            problems.extend(matrix::too_large(&self.document, &combinations));
            problems.extend(matrix::same_names(&self.document, &combinations));
            problems.extend(matrix::collisions(
                &self.document,
                campaign,
                catalog,
                &checks,
            ));
        }
        Resolved {
            document: self.document,
            campaign: self.campaign,
            problems,
            checks,
            combinations,
            experiment,
        }
    }
}

impl Resolved {
    /// Returns what the plugins are to be asked.
    pub fn checks(&self) -> &[ParameterCheck] {
        &self.checks
    }

    /// Notes a plugin's answer to the check of this index.
    pub fn answer(&mut self, check: usize, problems: impl IntoIterator<Item = ParameterProblem>) {
        let Some(asked) = self.checks.get(check) else {
            return;
        };
        let parameters = format!("{}/params", asked.pointer);
        for ParameterProblem { pointer, message } in problems {
            let at = format!("{parameters}{pointer}");
            let what = if pointer.is_empty() {
                format!("the parameters of `{}`:", asked.fault)
            } else {
                self.document.name_of(&at)
            };
            let mut problem = self
                .document
                .problem(&at, format!("{what} {}", shown_whole(&message)));
            // A parameter that the person did not write has its value from the fault.
            if self.document.value().pointer(&at).is_none()
                && let Some(value) = Value::Object(asked.parameters.clone()).pointer(&pointer)
                && !pointer.is_empty()
            {
                problem = problem.help(format!("{what} is {value} when it is left out"));
            }
            self.problems.push(problem);
        }
    }

    /// Returns the plan, or every mistake.
    pub fn finish(self) -> Result<Plan, Invalid> {
        match self.campaign {
            Some(campaign) if self.problems.is_empty() => {
                Ok(Plan::new(campaign, self.combinations, self.experiment))
            }
            _ => Err(self.document.invalid(self.problems)),
        }
    }
}

/// The work of [`Draft::resolve`].
struct Resolving<'a> {
    document: &'a Document,
    catalog: &'a Catalog,
    problems: Vec<Problem>,
    checks: Vec<ParameterCheck>,
}

impl<'a> Resolving<'a> {
    /// Tells a mistake, unless the form of the same part was told to be wrong already.
    fn tell(&mut self, problem: Problem) {
        let told = |other: &Problem| other.pointer == problem.pointer;
        if !self.problems.iter().any(told) {
            self.problems.push(problem);
        }
    }

    fn subjects(&mut self) {
        for (pointer, name) in entry::texts(self.document, "/subjects") {
            if self.catalog.subjects.contains_key(name) {
                continue;
            }
            let known = || self.catalog.subjects.keys().map(String::as_str);
            let mut message = format!("unknown subject `{}`", shown(name));
            let near = nearest(name, known());
            if let Some(near) = near {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            let mut problem = self.document.problem(&pointer, message);
            if known().next().is_none() {
                problem = problem.help(self.catalog.searched.clone());
            } else if near.is_none() {
                problem = problem.help(format!("there are {}", list_of(known())));
            }
            self.tell(problem);
        }
    }

    fn entry(&mut self, entry: &Entry<'a>) {
        let all = entry::texts(self.document, "/subjects");
        for (pointer, name) in entry.only_subjects(self.document) {
            if !all.iter().any(|(_, subject)| *subject == name) {
                let names = list_of(all.iter().map(|(_, subject)| *subject));
                let message = format!(
                    "`{}` is not among the campaign's subjects ({names})",
                    shown(name)
                );
                self.tell(self.document.problem(&pointer, message));
            }
        }
        let subjects = entry.subjects(self.document);
        for (number, part) in entry.parts.iter().enumerate() {
            let mut found = Vec::new();
            for name in &subjects {
                let Some(subject) = self.catalog.subjects.get(*name) else {
                    continue;
                };
                match part.fault.map(|fault| (fault, subject.fault(fault))) {
                    Some((_, Some(fault))) => {
                        self.parameters((entry.index, number), part, name, fault);
                        found.push((*name, subject, fault));
                    }
                    Some((fault, None)) => self.unknown_fault(part, name, subject, fault),
                    None => {}
                }
            }
            let targets = Targets::of(self.document, part);
            for problem in targets.problems(self.document, &found) {
                self.tell(problem);
            }
            for problem in targets.unnamed(self.document, entry, part, &found) {
                self.tell(problem);
            }
            for problem in targets.too_few(self.document, entry, part, &found) {
                self.tell(problem);
            }
        }
    }

    fn unknown_fault(&mut self, part: &Part<'_>, name: &str, subject: &Subject, fault: &str) {
        let exact: Vec<String> = subject
            .faults
            .iter()
            .map(|known| format!("{}:{}", known.plugin, known.name))
            .collect();
        let names = subject.faults.iter().map(|known| known.name.as_str());
        let candidates = names.clone().chain(exact.iter().map(String::as_str));
        let mut message = format!("unknown fault `{}` of subject `{name}`", shown(fault));
        let near = nearest(fault, candidates);
        if let Some(near) = near {
            message.push_str(&format!("; did you mean `{near}`?"));
        }
        let at = format!("{}/type", part.pointer);
        let left_aside = self.left_aside(fault);
        if let Some((plugin, _)) = fault.split_once(':')
            && self.catalog.left_aside.contains_key(plugin)
        {
            message = format!("the plugin `{}` is left aside", shown(plugin));
        }
        let mut problem = self.document.problem(&at, message);
        if let Some(help) = left_aside {
            problem = problem.help(help);
        } else if near.is_none() {
            problem = problem.help(match subject.faults.is_empty() {
                true => format!("`{name}` has no faults"),
                false => format!("`{name}` has {}", list_of(names)),
            });
        }
        // One fault may be unknown to several subjects, each with a mistake of its own.
        self.problems.push(problem);
    }

    /// Which plugins may have a fault, and were left aside; and what to do about it.
    fn left_aside(&self, fault: &str) -> Option<String> {
        let named = fault.split_once(':').map(|(plugin, _)| plugin);
        let aside = self.catalog.left_aside.iter();
        let lines: Vec<String> = aside
            .filter(|(plugin, _)| named.is_none_or(|named| named == plugin.as_str()))
            .take(5)
            .map(|(plugin, why)| match named {
                Some(_) => why.clone(),
                None => {
                    format!("it may be one of the plugin `{plugin}`, which is left aside: {why}")
                }
            })
            .collect();
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn parameters(
        &mut self,
        (entry, number): (usize, usize),
        part: &Part<'_>,
        subject: &str,
        fault: &FaultType,
    ) {
        let Some(given) = &part.params else {
            return;
        };
        let pointer = format!("{}/params", part.pointer);
        let schema = strict(&fault.parameters);
        let whole = Value::Object(given.clone());
        let problems = self
            .document
            .check_schema(&schema, &pointer, &whole, "parameter");
        if problems.is_empty() {
            for problem in self.unknown_destinations(&pointer, subject, fault, given) {
                self.tell(problem);
            }
            self.checks.push(ParameterCheck {
                subject: subject.to_owned(),
                plugin: fault.plugin.clone(),
                fault: fault.name.clone(),
                parameters: with_defaults(&schema, given),
                entry,
                part: number,
                pointer: part.pointer.clone(),
            });
        }
        self.problems.extend(problems);
    }

    /// Services in parameters that name peers (`"x-duress": "destinations"` in the fault's schema) and that the subject does not have.
    fn unknown_destinations(
        &self,
        pointer: &str,
        subject: &str,
        fault: &FaultType,
        given: &Map<String, Value>,
    ) -> Vec<Problem> {
        let services = match self.catalog.subjects.get(subject) {
            Some(subject) if !subject.services.is_empty() => &subject.services,
            _ => return Vec::new(),
        };
        let mut problems = Vec::new();
        for (key, value) in given {
            if fault.parameters["properties"][key]["x-duress"] != "destinations" {
                continue;
            }
            let texts = value.as_array().into_iter().flatten().enumerate();
            for (index, text) in texts.filter_map(|(index, text)| Some((index, text.as_str()?))) {
                let Some(name) = destination_service(text) else {
                    continue;
                };
                let known = Services::new([name]);
                if services.iter().any(|service| known.contains(service)) {
                    continue;
                }
                let mut message = format!("subject `{subject}` has no service `{}`", shown(name));
                if let Some(near) = nearest(name, services.iter().map(String::as_str)) {
                    message.push_str(&format!("; did you mean `{near}`?"));
                }
                let names = list_of(services.iter().map(String::as_str));
                let at = format!("{pointer}/{key}/{index}");
                let problem = self.document.problem(&at, message);
                problems.push(problem.help(format!("there are {names}")));
            }
        }
        problems
    }

    /// Returns the experiment, where what the file says of it is right.
    fn experiment(&mut self) -> Option<duress_experiment::Plan> {
        let subjects = entry::texts(self.document, "/subjects");
        let mut known = duress_experiment::Known::default();
        for (_, name) in subjects {
            let Some(subject) = self.catalog.subjects.get(name) else {
                continue;
            };
            if !subject.services.is_empty() {
                known
                    .services
                    .push((name.to_owned(), subject.services.clone()));
            }
            if let Some(operations) = &subject.operations {
                known.operations.push((name.to_owned(), operations.clone()));
            }
        }
        let (plan, problems) =
            duress_experiment::check(self.document, "/workload", "/experiment", &known);
        for problem in problems {
            self.tell(problem);
        }
        plan
    }

    /// Trials on one running system would disturb each other.
    fn one_at_a_time(&mut self) {
        let parallel = self.document.value().get("parallel");
        if parallel
            .and_then(serde_json::Value::as_u64)
            .is_none_or(|n| n <= 1)
        {
            return;
        }
        let subjects = entry::texts(self.document, "/subjects");
        let is_attached = |name: &str| {
            let subject = self.catalog.subjects.get(name);
            subject.is_some_and(|subject| subject.attached)
        };
        if let Some((_, name)) = subjects.iter().find(|(_, name)| is_attached(name)) {
            let message = format!(
                "subject `{name}` is a system that already runs: its trials run one at a time"
            );
            self.tell(self.document.problem("/parallel", message));
        }
    }

    fn default_targets(&mut self) {
        let subjects = entry::texts(self.document, "/subjects");
        let found: Vec<(&str, &Subject)> = subjects
            .iter()
            .filter_map(|(_, name)| Some((*name, self.catalog.subjects.get(*name)?)))
            .collect();
        for problem in Targets::defaults(self.document).unknown(self.document, &found) {
            self.tell(problem);
        }
    }
}

/// Returns the service that a destination names (`etcd1`, `etcd1:2380`); `None` for an address, or a range of them.
fn destination_service(text: &str) -> Option<&str> {
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    if is_address(text) || text.contains('/') || text.starts_with('[') {
        return None;
    }
    let name = text.rsplit_once(':').map_or(text, |(name, _)| name);
    (!is_address(name)).then_some(name)
}

/// A plugin's own words, without what a terminal would obey.
fn shown_whole(message: &str) -> String {
    message
        .chars()
        .take(500)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
