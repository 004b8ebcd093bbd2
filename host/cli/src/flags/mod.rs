//! A campaign without a file: `duress run --subject tikv --chaos node_kill`.
//!
//! The flags become the same document that a file would be, with the command line as its text: so they go through the same
//! checks, and a mistake is shown under the flag that it is in.

mod inject;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use clap::Args;
use duress_campaign::{Draft, limits};
use duress_yaml::{Document, Place, Problem, shown};
use serde_json::{Map, Value, json};

pub(crate) use inject::InjectFlags;

use super::options::{seconds, whole};

/// The trials that the flags of `duress run` describe.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct Flags {
    /// System to run against
    #[arg(long = "subject", value_name = "NAME")]
    pub(crate) subjects: Vec<String>,
    /// Fault to inject
    #[arg(long, value_name = "FAULT")]
    chaos: Vec<String>,
    /// Parameter of the fault; the value is read as YAML
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Number of trials of each combination
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole)]
    trials: Option<u64>,
    /// Add trials without a fault
    #[arg(long)]
    baseline: bool,
    /// Time for which the fault holds
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    duration: Option<f64>,
    /// Longest time for the subject to recover [default: the subject's own]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    recovery_timeout: Option<f64>,
    /// Pause between two trials of a slot
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    cooldown: Option<f64>,
    /// Start no more trials after this many in a row that did not pass
    #[arg(long, value_name = "N")]
    stop_after_failures: Option<u64>,
    /// Service whose containers may be targets [default: all that the subject allows]
    #[arg(long = "target", value_name = "SERVICE")]
    targets: Vec<String>,
    /// Number of containers that are targets at once
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole)]
    target_count: Option<u64>,
    /// Random seed
    #[arg(long, allow_negative_numbers = true, value_parser = whole)]
    seed: Option<u64>,
    /// Name of the variant, to compare campaigns by
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Operations that clients begin each second: those of the subject's plugin in equal shares, or requests to --url
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole)]
    pub(crate) rate: Option<u64>,
    /// URL that clients request, e.g. http://web:8080/
    #[arg(long, value_name = "URL", requires = "rate")]
    pub(crate) url: Option<String>,
}

impl Flags {
    /// Returns the campaign that the flags stand for, with so many trials at once. The operations are those that the subject's plugin
    /// brings for a workload.
    pub(crate) fn draft(&self, parallel: Option<u64>, operations: &[String]) -> Draft {
        let mut line = Line::new("duress run");
        let list = |line: &mut Line, flag, pointer: &str, items: &[String]| {
            for (index, item) in items.iter().enumerate() {
                line.value(flag, item, &format!("{pointer}/{index}"));
            }
        };
        list(&mut line, "--subject", "/subjects", &self.subjects);
        for (index, fault) in self.chaos.iter().enumerate() {
            let at = format!("/chaos_types/{index}");
            line.value("--chaos", fault, &format!("{at}/type"));
            line.same(&format!("{at}/type"), &at);
        }
        let misplaced = (self.chaos.len() != 1)
            .then_some("`--param` needs exactly one `--chaos`; for more, write a campaign file");
        let (params, mistakes) = parameters(&mut line, &self.params, misplaced);
        list(&mut line, "--target", "/defaults/targets", &self.targets);

        let mut defaults = Map::new();
        line.number(
            "--duration",
            "/defaults/duration_seconds",
            self.duration,
            &mut defaults,
        );
        line.number(
            "--recovery-timeout",
            "/defaults/recovery_timeout_seconds",
            self.recovery_timeout,
            &mut defaults,
        );
        line.number(
            "--target-count",
            "/defaults/target_count",
            self.target_count,
            &mut defaults,
        );
        if !self.targets.is_empty() {
            defaults.insert("targets".to_owned(), json!(self.targets));
        }
        let mut campaign = Map::new();
        line.number(
            "--trials",
            "/trials_per_combination",
            self.trials,
            &mut campaign,
        );
        line.number("--parallel", "/parallel", parallel, &mut campaign);
        line.number(
            "--cooldown",
            "/cooldown_seconds",
            self.cooldown,
            &mut campaign,
        );
        line.number(
            "--stop-after-failures",
            "/stop_after_failures",
            self.stop_after_failures,
            &mut campaign,
        );
        line.number("--seed", "/seed", self.seed, &mut campaign);
        if let Some(variant) = &self.variant {
            line.value("--variant", variant, "/variant");
            campaign.insert("variant".to_owned(), json!(variant));
        }
        if self.baseline {
            line.word("--baseline");
        }
        // A subject that is unknown has no operations, and is told itself.
        let has_client = self.url.is_some() || !operations.is_empty();
        if let Some(rate) = self.rate.filter(|_| has_client) {
            let rate = format!("{rate}/s");
            line.value("--rate", &rate, "/workload/rate");
            line.same("/workload/rate", "/workload");
            let mut workload = Map::new();
            workload.insert("rate".to_owned(), json!(rate));
            if let Some(url) = &self.url {
                line.value("--url", url, "/workload/http/url");
                line.same("/workload/http/url", "/workload/http");
                workload.insert("http".to_owned(), json!({ "url": url }));
            } else {
                line.same("/workload/rate", "/workload/plugin");
                workload.insert("plugin".to_owned(), equal_shares(operations));
            }
            campaign.insert("workload".to_owned(), Value::Object(workload));
        }
        let entries = self
            .chaos
            .iter()
            .enumerate()
            .map(|(index, fault)| match index {
                0 => json!({ "type": fault, "params": params }),
                _ => json!({ "type": fault }),
            });
        campaign.insert("name".to_owned(), json!(self.name()));
        campaign.insert("subjects".to_owned(), json!(self.subjects));
        campaign.insert("chaos_types".to_owned(), entries.collect());
        campaign.insert("include_baseline".to_owned(), json!(self.baseline));
        campaign.insert("defaults".to_owned(), Value::Object(defaults));

        line.draft(campaign, mistakes)
    }

    /// A name for lists and reports, e.g. `tikv-node_kill`.
    fn name(&self) -> String {
        let words: Vec<&str> = self
            .subjects
            .iter()
            .chain(&self.chaos)
            .map(String::as_str)
            .collect();
        let name: String = words
            .join("-")
            .chars()
            .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(*c))
            .take(limits::NAME)
            .collect();
        let name = name.trim_start_matches(['-', '_']);
        if name.is_empty() { "run" } else { name }.to_owned()
    }
}

/// Returns each of some operations with its share; all shares make 100 %.
fn equal_shares(operations: &[String]) -> Value {
    let number = operations.len().max(1);
    let shares = operations.iter().enumerate().map(|(index, name)| {
        // What a division leaves over goes to the first ones.
        let share = 100 / number + usize::from(index < 100 % number);
        (name.clone(), json!(format!("{share}%")))
    });
    Value::Object(shares.collect())
}

/// A mistake of a flag: the pointer of where it stands, and what is wrong.
type Mistake = (String, String);

/// Returns the parameters, and what is wrong with how they are written. `misplaced` says why none may be given.
fn parameters(
    line: &mut Line,
    params: &[String],
    misplaced: Option<&str>,
) -> (Map<String, Value>, Vec<Mistake>) {
    let mut read = Map::new();
    let mut mistakes = Vec::new();
    for (index, param) in params.iter().enumerate() {
        let (name, text) = match param.split_once('=') {
            Some((name, text)) if !name.is_empty() => (name, text),
            _ => {
                let at = format!("/--param/{index}");
                line.value("--param", param, &at);
                let message = format!("`{}` must be NAME=VALUE", shown(param));
                mistakes.push((at, message));
                continue;
            }
        };
        let at = line.param(name, text);
        if let Some(why) = misplaced {
            mistakes.push((at, why.to_owned()));
        } else if read.insert(name.to_owned(), value_of(text)).is_some() {
            mistakes.push((at, format!("`--param {}` is given twice", shown(name))));
        }
    }
    (read, mistakes)
}

/// A parameter's value, as it would be in a file; what is not YAML is text.
fn value_of(text: &str) -> Value {
    match Document::parse("", text) {
        Ok(document) if !text.is_empty() => document.value().clone(),
        _ => Value::String(text.to_owned()),
    }
}

/// A command line as a text, with the places of what was said.
struct Line {
    text: String,
    places: BTreeMap<String, Place>,
}

impl Line {
    fn new(command: &str) -> Self {
        let text = command.to_owned();
        let whole = (0, text.len());
        let place = |name: &str| Place {
            name: Some(name.to_owned()),
            key: None,
            value: whole,
        };
        let places = [
            ("", "the command line"),
            ("/subjects", "--subject"),
            ("/chaos_types", "--chaos"),
            ("/include_baseline", "--baseline"),
            ("/defaults/targets", "--target"),
        ];
        let places = places.map(|(pointer, name)| (pointer.to_owned(), place(name)));
        Self {
            text,
            places: places.into(),
        }
    }

    fn word(&mut self, word: &str) -> (usize, usize) {
        self.text.push(' ');
        let start = self.text.len();
        self.text.push_str(&word.replace('\n', " "));
        (start, self.text.len() - start)
    }

    fn value(&mut self, flag: &str, value: &str, pointer: &str) {
        let key = Some(self.word(flag));
        let value = self.word(value);
        let name = Some(flag.to_owned());
        let place = Place { name, key, value };
        self.places.insert(pointer.to_owned(), place);
    }

    fn number<T: ToString + Into<Value> + Copy>(
        &mut self,
        flag: &str,
        pointer: &str,
        number: Option<T>,
        into: &mut Map<String, Value>,
    ) {
        if let Some(number) = number
            && let Some((_, key)) = pointer.rsplit_once('/')
        {
            self.value(flag, &number.to_string(), pointer);
            into.insert(key.to_owned(), number.into());
        }
    }

    /// `--param NAME=VALUE`; its pointer.
    fn param(&mut self, name: &str, text: &str) -> String {
        self.word("--param");
        let (start, length) = self.word(&format!("{name}={text}"));
        let token = name.replace('~', "~0").replace('/', "~1");
        let pointer = format!("/chaos_types/0/params/{token}");
        let place = Place {
            name: Some(format!("--param {name}")),
            key: Some((start, name.len())),
            value: (start + name.len() + 1, length - name.len() - 1),
        };
        self.places.insert(pointer.clone(), place);
        pointer
    }

    /// The part at one pointer stands where that at another does.
    fn same(&mut self, pointer: &str, also: &str) {
        if let Some(place) = self.places.get(pointer).cloned() {
            self.places.insert(also.to_owned(), place);
        }
    }

    /// Returns the campaign that it stands for, with the mistakes of its flags.
    fn draft(self, campaign: Map<String, Value>, mistakes: Vec<Mistake>) -> Draft {
        let campaign = Value::Object(campaign);
        let document = Document::assembled("the command line", self.text, campaign, self.places);
        let problem = |(at, message): Mistake| document.problem_at_key(&at, message);
        let problems: Vec<Problem> = mistakes.into_iter().map(problem).collect();
        Draft::new(document).with_problems(problems)
    }
}
