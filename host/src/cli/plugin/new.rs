//! `duress plugin new`: a project that builds at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use duress::plugin::{Catalog, WIT_VERSION};
use duress::{Error, Result};
use serde_json::json;

use super::super::style::{self, print_line, say};
use super::super::{Done, Global};

/// The contract that it is built against.
const WIT: &str = include_str!("../../../../wit/plugin.wit");

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// What it is called: lower case letters, digits, `_` and `-`
    name: String,
    /// What it brings
    #[arg(long, value_enum, default_value_t = Kind::Chaos)]
    kind: Kind,
    /// The folder with `plugins` and `subjects` [default: the nearest at or above the working directory, or that]
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Faults for any subject
    Chaos,
    /// A system under test, with faults of its own
    Subject,
}

pub(super) fn main(global: &Global, arguments: &Arguments) -> Done {
    let name = &arguments.name;
    if !is_name(name) {
        return Err(Error::input(format!(
            "a plugin cannot be called `{}`",
            name.escape_debug()
        ))
        .hint("1 to 64 lower case letters, digits, `_` and `-`, a letter first")
        .into());
    }
    let here = super::absolute(Path::new("."))?;
    let root = match &arguments.root {
        Some(root) => root.clone(),
        None => Catalog::nearest_root(&here).unwrap_or(here),
    };
    let files = files(name, arguments.kind);
    // All or nothing: what is there is somebody's work.
    for folder in [
        root.join("plugins").join(name),
        root.join("subjects").join(name),
    ] {
        if folder.exists() {
            return Err(
                Error::input(format!("{} is there already", folder.display()))
                    .hint("call the plugin otherwise")
                    .into(),
            );
        }
    }
    for (path, content) in &files {
        write(&root.join(path), content)?;
    }
    let paths: Vec<_> = files.iter().map(|(path, _)| path).collect();
    if global.json {
        style::print_json(&json!({ "plugin": name, "root": root, "files": paths }));
        return Ok(ExitCode::SUCCESS);
    }
    for path in paths {
        print_line!("{}", root.join(path).display());
    }
    say!();
    say!(
        "Next: {}",
        style::HINT.paint(format_args!("duress plugin build {name}"))
    );
    Ok(ExitCode::SUCCESS)
}

fn is_name(name: &str) -> bool {
    let fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(fit)
}

/// Every file, by its path beneath the root.
fn files(name: &str, kind: Kind) -> Vec<(String, String)> {
    let folder = format!("plugins/{name}");
    let run = match kind {
        Kind::Chaos => "duress run --subject SUBJECT --chaos starve".to_owned(),
        Kind::Subject => format!("duress run --subject {name} --chaos starve --baseline"),
    };
    let test = format!("(cd {folder} && cargo test)");
    let own = match kind {
        Kind::Chaos => "",
        Kind::Subject => "- `src/subject.rs`: how the system comes up, and whether it is well\n",
    };
    let fill = |template: &str| {
        template
            .replace("{{name}}", name)
            .replace("{{wit}}", WIT_VERSION)
            .replace("{{folder}}", &folder)
            .replace("{{run}}", &run)
            .replace("{{test}}", &test)
            .replace("{{files}}", own)
    };
    let mut files = vec![
        (
            "Cargo.toml",
            fill(include_str!("templates/rust/Cargo.toml.txt")),
        ),
        (
            "src/fault.rs",
            fill(include_str!("templates/rust/fault.rs.txt")),
        ),
        ("README.md", fill(include_str!("templates/README.md.txt"))),
        (
            ".github/workflows/ci.yaml",
            fill(include_str!("templates/ci.yaml.txt")),
        ),
        (".gitignore", "/target/\n*.wasm\n".to_owned()),
        ("wit/plugin.wit", WIT.to_owned()),
    ];
    let (manifest, library) = match kind {
        Kind::Chaos => (
            include_str!("templates/plugin-chaos.yaml.txt"),
            include_str!("templates/rust/lib-chaos.rs.txt"),
        ),
        Kind::Subject => (
            include_str!("templates/plugin-subject.yaml.txt"),
            include_str!("templates/rust/lib-subject.rs.txt"),
        ),
    };
    files.push(("plugin.yaml", fill(manifest)));
    files.push(("src/lib.rs", fill(library)));
    if kind == Kind::Subject {
        files.push((
            "src/subject.rs",
            fill(include_str!("templates/rust/subject.rs.txt")),
        ));
    }
    let mut all: Vec<_> = files
        .into_iter()
        .map(|(path, content)| (format!("{folder}/{path}"), content))
        .collect();
    if kind == Kind::Subject {
        for (path, template) in [
            ("subject.yaml", include_str!("templates/subject.yaml.txt")),
            (
                "docker-compose.yaml",
                include_str!("templates/docker-compose.yaml.txt"),
            ),
        ] {
            all.push((format!("subjects/{name}/{path}"), fill(template)));
        }
    }
    all
}

fn write(path: &Path, content: &str) -> Result<()> {
    let made = match path.parent() {
        Some(folder) => fs::create_dir_all(folder),
        None => Ok(()),
    };
    made.and_then(|()| fs::write(path, content))
        .map_err(|error| Error::environment(format!("write {}: {error}", path.display())))
}
