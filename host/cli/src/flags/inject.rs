//! A fault on containers that run already, from a command line: `duress inject latency --container web --for 30s`.

use std::time::Duration;

use clap::Args;
use duress_campaign::{Draft, limits};
use duress_engine::Selection;
use duress_model::{Error, Result};
use serde_json::{Map, json};

use super::{Line, parameters};
use crate::options::whole;

/// The fault, and the containers that it may hurt.
#[derive(Debug, Clone, Default, PartialEq, Args)]
pub(crate) struct InjectFlags {
    /// Fault to inject
    #[arg(value_name = "FAULT")]
    fault: String,
    /// Container to inject it into, by name; all that are named are targets
    #[arg(long = "container", value_name = "NAME", group = "which")]
    containers: Vec<String>,
    /// Label that the containers must have, NAME or NAME=VALUE; one of them is a target, unless a number or a share is given
    #[arg(long = "label", value_name = "LABEL", group = "which")]
    labels: Vec<String>,
    /// Compose project whose containers may be targets
    #[arg(long, value_name = "PROJECT", group = "which")]
    project: Option<String>,
    /// Service of the compose project whose containers may be targets
    #[arg(long = "target", value_name = "SERVICE", requires = "project")]
    services: Vec<String>,
    /// Share of the containers that are targets, rounded down
    #[arg(long, value_name = "PERCENT", conflicts_with = "target_count")]
    percent: Option<String>,
    /// Number of containers that are targets
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole)]
    target_count: Option<u64>,
    /// Refuse if fewer of them would stay healthy
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole)]
    keep_healthy: Option<u64>,
    /// Parameter of the fault; the value is read as YAML
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Time for which the fault holds, e.g. 500ms or 30s
    #[arg(long = "for", value_name = "TIME", default_value = "30s", value_parser = time)]
    hold: Hold,
    /// Random seed
    #[arg(long, allow_negative_numbers = true, value_parser = whole)]
    seed: Option<u64>,
}

/// How long a fault holds.
#[derive(Debug, Clone, Default, PartialEq)]
struct Hold {
    text: String,
    time: Duration,
}

impl InjectFlags {
    /// Returns the containers that are meant.
    ///
    /// # Errors
    /// `Input` where none are, or where a name cannot be one.
    pub(crate) fn selection(&self) -> Result<Selection> {
        let selection = match (&self.project, self.containers.as_slice()) {
            (Some(project), _) => Selection::Project(project.clone()),
            (None, []) if self.labels.is_empty() => {
                return Err(
                    Error::input("nothing says which containers the fault is for")
                        .hint("name one: --container NAME; `docker ps` lists them")
                        .hint("or choose among some: --label NAME=VALUE, or --project NAME"),
                );
            }
            (None, []) => Selection::Labels(self.labels.clone()),
            (None, names) => Selection::Containers(names.to_vec()),
        };
        match selection.flaw() {
            None => Ok(selection),
            Some(flaw) => Err(Error::input(flaw)),
        }
    }

    /// Returns what the containers are called in lists: by the first name that was given.
    pub(crate) fn subject(&self) -> String {
        let names = [&self.containers, &self.labels];
        let named = names.into_iter().flatten().chain(&self.project).next();
        let fit = named.map_or("", String::as_str).to_lowercase();
        let fit: String = fit
            .chars()
            .map(|c| match c {
                c if c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' => c,
                _ => '-',
            })
            .take(limits::NAME)
            .collect();
        match fit.trim_matches(['-', '_']) {
            "" => "containers".to_owned(),
            fit => fit.to_owned(),
        }
    }

    /// Returns the campaign of one trial that the flags stand for.
    pub(crate) fn draft(&self) -> Draft {
        let subject = self.subject();
        let mut line = Line::new("duress inject");
        let first = "/chaos_types/0";
        let at = |key: &str| format!("{first}/{key}");
        line.value("FAULT", &self.fault, &at("type"));
        line.same(&at("type"), first);
        let mut fault = Map::new();
        fault.insert("type".to_owned(), json!(self.fault));
        let targets = match &self.percent {
            Some(percent) => {
                let percent = format!("{}%", percent.trim_end_matches('%'));
                line.value("--percent", &percent, &at("targets/percent"));
                line.same(&at("targets/percent"), &at("targets"));
                json!({ "services": self.targets(), "percent": percent })
            }
            None => json!(self.targets()),
        };
        for (index, name) in self.services.iter().enumerate() {
            line.value("--target", name, &format!("{}/{index}", at("targets")));
        }
        fault.insert("targets".to_owned(), targets);
        if self.percent.is_none() {
            // All that are named; one of those that a label or a project has.
            let named = u64::try_from(self.containers.len()).unwrap_or(1).max(1);
            fault.insert("target_count".to_owned(), json!(named));
            line.number(
                "--target-count",
                &at("target_count"),
                self.target_count,
                &mut fault,
            );
        }
        line.number(
            "--keep-healthy",
            &at("keep_healthy"),
            self.keep_healthy,
            &mut fault,
        );
        let (params, mistakes) = parameters(&mut line, &self.params, None);
        fault.insert("params".to_owned(), params.into());
        line.value("--for", &self.hold.text, &at("duration_seconds"));
        let seconds = self.hold.time.as_secs_f64();
        fault.insert("duration_seconds".to_owned(), json!(seconds));

        let mut campaign = Map::new();
        let mut name = format!("inject-{}", self.fault.replace(':', "-"));
        name.retain(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c));
        name.truncate(limits::NAME);
        campaign.insert("name".to_owned(), json!(name));
        campaign.insert("subjects".to_owned(), json!([subject]));
        campaign.insert("chaos_types".to_owned(), json!([fault]));
        line.number("--seed", "/seed", self.seed, &mut campaign);
        line.draft(campaign, mistakes)
    }

    /// Returns the services that may be hurt: of containers that were named, all.
    fn targets(&self) -> Vec<&str> {
        let named = match self.project {
            Some(_) => &self.services,
            None => &self.containers,
        };
        named.iter().map(String::as_str).collect()
    }
}

fn time(text: &str) -> std::result::Result<Hold, String> {
    let parsed: Option<jiff::SignedDuration> = text.parse().ok();
    let time = parsed.and_then(|time| Duration::try_from(time).ok());
    let is_fit = |time: &Duration| !time.is_zero() && time.as_secs_f64() <= limits::SECONDS;
    match time.filter(is_fit) {
        Some(time) => Ok(Hold {
            text: text.to_owned(),
            time,
        }),
        None => {
            Err("it must be a time with its unit, at most a day: `500ms`, `30s`, `5m`".to_owned())
        }
    }
}
