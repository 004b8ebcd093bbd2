//! The key `workload`.

use std::collections::BTreeMap;

use duress_model::nearest;
use duress_yaml::{list_of, shown};

use super::Checking;
use crate::format::{HttpWorkload, Method, Workload};
use crate::limits;
use crate::load::{Load, LoadClient, Operation};

/// The time limit of an operation of which nothing is said, in milliseconds.
const TIMEOUT_MS: u64 = 2_000;
/// How many operations may be under way where nothing is said.
const IN_FLIGHT: u32 = 256;
/// The status code from which on responses are errors where nothing is said.
const ERRORS_FROM: u16 = 400;
/// How far shares may be from 100 % together: what rounding to hundredths leaves.
const SHARES_ERROR: f64 = 0.000_5;

impl Checking<'_> {
    /// Returns the load, as far as it could be made out.
    pub(super) fn workload(&mut self, at: &str, entry: &Workload) -> Option<Load> {
        let client = match (&entry.http, &entry.plugin) {
            (Some(http), None) => self.http_client(&format!("{at}/http"), http),
            (None, Some(shares)) => self.plugin_client(&format!("{at}/plugin"), shares),
            (Some(_), Some(_)) => {
                let message = "`plugin` stands beside `http`: a workload is one or the other";
                self.tell_at_key(&format!("{at}/plugin"), message);
                None
            }
            (None, None) => {
                let message = "the workload names no clients: it needs `http` or `plugin`";
                self.tell_at_key(at, message);
                None
            }
        };
        let rate = self.either(
            at,
            entry.rate.as_ref(),
            within(entry, |h| h.rate.as_ref()),
            "rate",
        );
        let timeout = self.either(
            at,
            entry.timeout.as_ref(),
            within(entry, |h| h.timeout.as_ref()),
            "timeout",
        );
        let connections = self.either(
            at,
            entry.connections.as_ref(),
            within(entry, |h| h.connections.as_ref()),
            "connections",
        );
        let rate = match rate {
            Some((pointer, text)) => self.rate(&pointer, text),
            None => {
                self.tell_at_key(at, "the workload has no `rate`, e.g. `rate: 50/s`");
                None
            }
        };
        let timeout_ms = match timeout {
            Some((pointer, text)) => self.time(&pointer, Some(text), (1, limits::TIMEOUT_MS)),
            None => Some(TIMEOUT_MS),
        };
        Some(Load {
            rate: rate?,
            timeout_ms: timeout_ms?,
            in_flight: connections.map_or(IN_FLIGHT, |(_, number)| *number),
            client: client?,
        })
    }

    /// Returns what stands beside the clients or within them, with its place; both is a mistake.
    fn either<'e, T>(
        &mut self,
        at: &str,
        outer: Option<&'e T>,
        inner: Option<&'e T>,
        key: &str,
    ) -> Option<(String, &'e T)> {
        let within = format!("{at}/http/{key}");
        match (outer, inner) {
            (Some(_), Some(value)) => {
                let message =
                    format!("`{key}` stands in `workload` and in `http`: it is needed once");
                self.tell_at_key(&within, message);
                Some((within, value))
            }
            (Some(value), None) => Some((format!("{at}/{key}"), value)),
            (None, Some(value)) => Some((within, value)),
            (None, None) => None,
        }
    }

    fn rate(&mut self, at: &str, text: &str) -> Option<f64> {
        let rate: f64 = text.strip_suffix("/s")?.parse().ok()?;
        if rate <= 0.0 {
            self.tell(
                at,
                "the rate is 0: a workload without operations shows nothing",
            );
            return None;
        }
        if rate > limits::RATE {
            let message = format!(
                "the rate is {}; it may be at most {}/s",
                shown(text),
                limits::RATE
            );
            self.tell(at, message);
            return None;
        }
        // One operation in a quarter of an hour is the least that can be called a load.
        if rate < 0.001 {
            self.tell(
                at,
                format!("the rate is {}; it must be at least 0.001/s", shown(text)),
            );
            return None;
        }
        Some(rate)
    }

    fn http_client(&mut self, at: &str, http: &HttpWorkload) -> Option<LoadClient> {
        let url = self.url(&format!("{at}/url"), &http.url);
        let method = http.method.unwrap_or(Method::Get);
        if http.body.is_some() && matches!(method, Method::Get | Method::Head) {
            let message = format!("a {} request has no body; set `method`", method.as_str());
            self.tell_at_key(&format!("{at}/body"), message);
        }
        for (name, value) in &http.headers {
            let pointer = pointer(&format!("{at}/headers"), name);
            let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
            if name.is_empty() || name.len() > 200 || !name.chars().all(is_token) {
                self.tell_at_key(
                    &pointer,
                    format!("`{}` is not a header's name", shown(name)),
                );
            }
            if value.chars().any(|c| c.is_control() && c != '\t') {
                self.tell(
                    &pointer,
                    "a header's value may not hold line breaks or control characters",
                );
            }
        }
        Some(LoadClient::Http {
            method: method.as_str().to_owned(),
            url: url?,
            headers: http.headers.clone().into_iter().collect(),
            body: http.body.clone(),
            error_from_status: http.errors_from.unwrap_or(ERRORS_FROM),
        })
    }

    fn plugin_client(&mut self, at: &str, shares: &BTreeMap<String, String>) -> Option<LoadClient> {
        let mut operations = Vec::new();
        for (name, text) in shares {
            let pointer = pointer(at, name);
            let known = self.known;
            for (subject, operations) in &known.operations {
                if operations.contains(name) {
                    continue;
                }
                let mut message = format!(
                    "the plugin of subject `{subject}` has no operation `{}`",
                    shown(name)
                );
                let names = || operations.iter().map(String::as_str);
                if let Some(near) = nearest(name, names()) {
                    message.push_str(&format!("; did you mean `{near}`?"));
                }
                let mut problem = self.document.problem_at_key(&pointer, message);
                problem = problem.help(match operations.is_empty() {
                    true => "it has no workload; use `http`".to_owned(),
                    false => format!("it has {}", list_of(names())),
                });
                self.problems.push(problem);
            }
            let percent = text
                .strip_suffix('%')
                .and_then(|text| text.parse::<f64>().ok());
            let Some(percent) = percent.filter(|percent| *percent > 0.0 && *percent <= 100.0)
            else {
                let message = format!(
                    "the share of `{}` is \"{}\"; it must be above 0% and at most 100%",
                    shown(name),
                    shown(text)
                );
                self.tell(&pointer, message);
                continue;
            };
            operations.push(Operation {
                name: name.clone(),
                share: percent / 100.0,
            });
        }
        if operations.len() < shares.len() {
            return None;
        }
        let sum: f64 = operations.iter().map(|operation| operation.share).sum();
        if (sum - 1.0).abs() > SHARES_ERROR {
            let message = format!(
                "the shares add up to {:.2}%; they must be 100% together",
                sum * 100.0
            );
            self.tell_at_key(at, message);
            return None;
        }
        Some(LoadClient::Plugin { operations })
    }

    /// Returns a URL that can be asked for.
    pub(super) fn url(&mut self, at: &str, text: &str) -> Option<String> {
        let wrong = match url::Url::parse(text) {
            Err(error) => Some(error.to_string()),
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                Some(format!("its scheme is `{}`", shown(url.scheme())))
            }
            Ok(url) if !url.has_host() => Some("it names no host".to_owned()),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Some("it holds a user name or a password; put them into a header".to_owned())
            }
            Ok(_) => None,
        };
        let Some(wrong) = wrong else {
            self.host(at, text);
            return Some(text.to_owned());
        };
        let message = format!("`{}` cannot be asked for: {wrong}", shown(text));
        let help =
            "write `http://service:port/path` for a service of the stack, or a URL elsewhere";
        self.tell_with_help(at, message, help);
        None
    }
}

impl Checking<'_> {
    /// A host without a dot is a container of the stack: `service`, or `service-N`.
    pub(super) fn host(&mut self, at: &str, url: &str) {
        let Ok(url) = url::Url::parse(url) else {
            return;
        };
        let Some(url::Host::Domain(host)) = url.host() else {
            return;
        };
        if host.contains('.') || host == "localhost" {
            return;
        }
        let numbered = host.rsplit_once('-');
        let numbered = numbered.filter(|(_, number)| number.parse::<u32>().is_ok());
        let is_named = |service: &String| {
            service.eq_ignore_ascii_case(host)
                || numbered.is_some_and(|(name, _)| service.eq_ignore_ascii_case(name))
        };
        for (subject, services) in &self.known.services {
            if services.iter().any(is_named) {
                continue;
            }
            let names = || services.iter().map(String::as_str);
            let mut message = format!("subject `{subject}` has no service `{}`", shown(host));
            if let Some(near) = nearest(host, names()) {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            let problem = self.document.problem(at, message);
            let help = format!(
                "there are {}; a host elsewhere has a dot, or is `localhost`",
                list_of(names())
            );
            self.problems.push(problem.help(help));
        }
    }
}

fn within<'e, T>(
    entry: &'e Workload,
    key: impl Fn(&'e HttpWorkload) -> Option<&'e T>,
) -> Option<&'e T> {
    entry.http.as_ref().and_then(key)
}

/// A child's JSON Pointer (RFC 6901).
pub(super) fn pointer(parent: &str, key: &str) -> String {
    format!("{parent}/{}", key.replace('~', "~0").replace('/', "~1"))
}
