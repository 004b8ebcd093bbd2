//! The compose tool: `docker compose`, or `docker-compose` 1.29.
//!
//! Duress's labels come by a second compose file that names every service, network and volume of the first. It exists in memory
//! alone, so that it cannot be left behind.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::MemfdFlags;
use serde_json::{Map, Value};
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::{EngineError, EngineResult, Project, Stack};
use duress_model::{Error, Result};
use duress_yaml::Document;

/// The words that start the compose tool of this machine, and its version.
#[derive(Debug, Clone)]
struct Tool {
    words: &'static [&'static str],
    version: String,
}

/// Names the project, for the compose tool itself and for [`end_orphans`].
const PROJECT_VARIABLE: &str = "COMPOSE_PROJECT_NAME";

static TOOL: OnceCell<Tool> = OnceCell::const_new();

/// Returns what the compose tool of this machine is, e.g. `docker-compose 1.29.2`.
///
/// # Errors
/// [`EngineError::Missing`] if there isn't one.
pub async fn version() -> EngineResult<String> {
    let tool = tool().await?;
    Ok(format!("{} {}", tool.words.join(" "), tool.version))
}

async fn tool() -> EngineResult<&'static Tool> {
    TOOL.get_or_try_init(|| async {
        let candidates: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];
        for words in candidates {
            let asked = Command::new(words[0])
                .args(&words[1..])
                .args(["version", "--short"])
                .stdin(Stdio::null())
                .output()
                .await;
            if let Ok(output) = asked
                && output.status.success()
            {
                let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                return Ok(Tool { words, version });
            }
        }
        Err(EngineError::Missing {
            message: "no compose tool found: neither `docker compose` nor `docker-compose` works"
                .into(),
            hint: "on Debian: apt-get install docker-compose".into(),
        })
    })
    .await
}

/// Returns the services of a compose file.
///
/// # Errors
/// `Input` when it cannot be read or is not a compose file.
pub fn services(path: &Path) -> Result<Vec<String>> {
    let document = Document::read(path).map_err(Error::from)?;
    let services = document.value().get("services").and_then(Value::as_object);
    let services = services
        .filter(|services| !services.is_empty())
        .ok_or_else(|| {
            Error::input(format!(
                "the compose file {} has no `services`",
                path.display()
            ))
        })?;
    Ok(services.keys().cloned().collect())
}

/// The number of containers of each service that a compose file does not leave at one; `None` where it is not a plain number.
///
/// # Errors
/// As for [`services`].
pub fn scale(path: &Path) -> Result<BTreeMap<String, Option<u64>>> {
    let document = Document::read(path).map_err(Error::from)?;
    let services = document.value().get("services").and_then(Value::as_object);
    let scale = services
        .into_iter()
        .flatten()
        .filter_map(|(name, service)| {
            let replicas = service.pointer("/deploy/replicas");
            let said = service.get("scale").or(replicas)?;
            Some((name.clone(), said.as_u64()))
        });
    Ok(scale.collect())
}

/// Creates and starts the stack.
pub async fn up(stack: &Stack, engine: &str, timeout: Duration) -> EngineResult<()> {
    run(stack, engine, timeout, "bring up", &["up", "-d"]).await
}

/// Removes the stack.
pub async fn down(stack: &Stack, engine: &str, timeout: Duration) -> EngineResult<()> {
    run(
        stack,
        engine,
        timeout,
        "take down",
        &["down", "--volumes", "--remove-orphans", "--timeout", "0"],
    )
    .await
}

/// Ends compose tools that work on a project, though the duress that started them has been killed. Whether there were any.
///
/// They are known by the variable that every one is started with, and so are the processes that they start.
pub async fn end_orphans(project: &Project) -> bool {
    let project = project.clone();
    let ended = tokio::task::spawn_blocking(move || {
        let Ok(processes) = procfs::process::all_processes() else {
            return false;
        };
        let works_on = |process: &procfs::process::Process| {
            let environment = process.environ().ok()?;
            let value = environment.get(OsStr::new(PROJECT_VARIABLE))?;
            (value == project.0.as_str()).then_some(())
        };
        let mut found = false;
        for process in processes.flatten() {
            if works_on(&process).is_none() {
                continue;
            }
            if let Some(pid) = rustix::process::Pid::from_raw(process.pid())
                && rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok()
            {
                found = true;
            }
        }
        found
    });
    ended.await.unwrap_or(false)
}

async fn run(
    stack: &Stack,
    engine: &str,
    timeout: Duration,
    verb: &str,
    arguments: &[&str],
) -> EngineResult<()> {
    let what = format!(
        "{verb} the stack {} of {}",
        stack.project,
        stack.compose_file.display()
    );
    let tool = tool().await?;
    let labels = labels_file(stack).map_err(|why| EngineError::Failed(format!("{what}: {why}")))?;
    let child = Command::new(tool.words[0])
        .args(&tool.words[1..])
        .arg("--project-name")
        .arg(&stack.project.0)
        .arg("--file")
        .arg(&stack.compose_file)
        .arg("--file")
        .arg(format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            labels.as_raw_fd()
        ))
        .args(arguments)
        .env(PROJECT_VARIABLE, &stack.project.0)
        .env("COMPOSE_INTERACTIVE_NO_CLI", "1")
        .env("DOCKER_HOST", engine)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // Ctrl+C at the terminal is for duress alone: it takes the stack down in good order.
        .process_group(0)
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(timeout, child)
        .await
        .map_err(|_| EngineError::Timeout {
            what: what.clone(),
            after: timeout,
        })?
        .map_err(|error| {
            EngineError::Failed(format!("{what}: start {}: {error}", tool.words[0]))
        })?;
    drop(labels);
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(explain(&what, &said))
}

/// Returns what the tool said at the end; the beginning is progress.
fn explain(what: &str, said: &str) -> EngineError {
    let lines: Vec<_> = said
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let last = |count: usize| lines[lines.len().saturating_sub(count)..].join("; ");
    let lacks_image = [
        "pull access denied",
        "manifest unknown",
        "failed to resolve reference",
        "No such image",
    ]
    .iter()
    .chain(&[
        "dial tcp",
        "Temporary failure in name resolution",
        "no such host",
    ])
    .any(|sign| said.contains(sign));
    if lacks_image {
        return EngineError::Missing {
            message: format!("{what}: an image cannot be had: {}", last(2)),
            hint: "pull the image by hand, or name one that is there: the variables in the compose file say how".into(),
        };
    }
    EngineError::Failed(format!("{what}: {}", last(4)))
}

/// A compose file in memory that puts labels on everything of the stack's own.
fn labels_file(stack: &Stack) -> std::result::Result<File, String> {
    let document = Document::read(&stack.compose_file).map_err(|error| error.to_string())?;
    let content = labels(document.value(), &stack.labels);
    let memory = rustix::fs::memfd_create("duress-labels", MemfdFlags::empty())
        .map_err(|error| format!("make a file in memory: {error}"))?;
    let mut file = File::from(memory);
    file.write_all(content.to_string().as_bytes())
        .map_err(|error| format!("write a file in memory: {error}"))?;
    Ok(file)
}

fn labels(compose: &Value, labels: &BTreeMap<String, String>) -> Value {
    let own = |section: &str, whole: bool| -> Map<String, Value> {
        let entries = compose.get(section).and_then(Value::as_object);
        entries
            .into_iter()
            .flatten()
            // What is external belongs to somebody else.
            .filter(|(_, entry)| {
                entry
                    .get("external")
                    .is_none_or(|external| external == false)
            })
            .map(|(name, entry)| {
                let under = if whole { entry } else { &Value::Null };
                (name.clone(), labelled(under, labels))
            })
            .collect()
    };
    // The older tool takes services together, and of networks and volumes the last file's alone: those are repeated whole.
    let mut networks = own("networks", true);
    if compose.pointer("/networks/default").is_none() {
        networks.insert("default".to_owned(), labelled(&Value::Null, labels));
    }
    let mut file = Map::new();
    // It also wants the same version in every file.
    if let Some(version) = compose.get("version") {
        file.insert("version".to_owned(), version.clone());
    }
    file.insert("services".to_owned(), Value::Object(own("services", false)));
    file.insert("networks".to_owned(), Value::Object(networks));
    let volumes = own("volumes", true);
    if !volumes.is_empty() {
        file.insert("volumes".to_owned(), Value::Object(volumes));
    }
    Value::Object(file)
}

/// Returns an entry with more labels. Those that it has may be a mapping or a list of `name=value`.
fn labelled(entry: &Value, labels: &BTreeMap<String, String>) -> Value {
    let mut entry = flattened(entry);
    let mut all = match entry.remove("labels") {
        Some(Value::Object(map)) => map,
        Some(Value::Array(list)) => list
            .iter()
            .filter_map(Value::as_str)
            .map(|label| label.split_once('=').unwrap_or((label, "")))
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect(),
        _ => Map::new(),
    };
    all.extend(
        labels
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into())),
    );
    entry.insert("labels".to_owned(), Value::Object(all));
    Value::Object(entry)
}

/// A mapping with its merge keys (`<<`) resolved: what stands in it comes before what is merged in.
fn flattened(entry: &Value) -> Map<String, Value> {
    let mut map = entry.as_object().cloned().unwrap_or_default();
    let merged = match map.remove("<<") {
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    for under in &merged {
        for (key, value) in flattened(under) {
            map.entry(key).or_insert(value);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn everything_of_the_stack_is_labelled_and_nothing_else() {
        let compose = json!({
            "services": { "a": { "image": "x" }, "b": null },
            "networks": { "inner": { "labels": ["own=1"] }, "outer": { "external": true } },
            "volumes": { "data": { "<<": { "driver": "local", "driver_opts": { "type": "tmpfs" } } } },
        });
        let trial = BTreeMap::from([("io.duress.trial".to_owned(), "t".to_owned())]);
        let only = json!({ "labels": { "io.duress.trial": "t" } });
        assert_eq!(
            labels(&compose, &trial),
            json!({
                "services": { "a": only, "b": only },
                "networks": {
                    "default": only,
                    "inner": { "labels": { "io.duress.trial": "t", "own": "1" } },
                },
                // Whole: the older tool would forget the driver otherwise, and with it the bound on the size.
                "volumes": { "data": {
                    "driver": "local", "driver_opts": { "type": "tmpfs" }, "labels": { "io.duress.trial": "t" },
                } },
            })
        );
    }

    #[test]
    fn an_image_that_cannot_be_had_is_an_environment_that_lacks_it() {
        let error = explain("up", "Pulling etcd0\nERROR: pull access denied for x\n");
        assert!(matches!(error, EngineError::Missing { .. }), "{error}");
        assert!(matches!(
            explain("up", "yaml is wrong"),
            EngineError::Failed(_)
        ));
    }
}
