//! `duress plugin new`: a project that builds at once.

mod sdk;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use duress_model::{Error, Result};
use duress_plugin::{Catalog, WIT_VERSION};
use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::plugins::locate;
use crate::ui::print::{self, print_line, say};

/// The contract that it is built against.
const WIT: &str = include_str!("../../../../../../wit/plugin.wit");

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Plugin name: lower-case letters, digits, `_` and `-`
    name: String,
    /// What the plugin contains
    #[arg(long, value_enum, default_value_t = Kind::Chaos)]
    kind: Kind,
    /// Programming language
    #[arg(long, value_enum, default_value_t = Lang::Rust)]
    lang: Lang,
    /// Folder with `plugins` and `subjects` [default: the nearest at or above the working directory, or that]
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
    /// SDK for Rust: URL of a git repository of duress, or a folder with its sources [default: those of this program]
    #[arg(long, value_name = "URL|FOLDER")]
    sdk: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Faults for any subject
    Chaos,
    /// A system under test, with faults of its own
    Subject,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Lang {
    /// Built by cargo
    Rust,
    /// Built by clang, with wasi-libc
    C,
    /// Built by componentize-py
    Python,
}

pub(crate) fn main(context: &Context, arguments: &Arguments) -> Done {
    let name = &arguments.name;
    if !is_name(name) {
        return Err(Error::input(format!(
            "`{}` is not a valid plugin name",
            name.escape_debug()
        ))
        .hint("1 to 64 lower case letters, digits, `_` and `-`, a letter first")
        .into());
    }
    let here = locate::absolute(Path::new("."))?;
    let root = match &arguments.root {
        Some(root) => root.clone(),
        None => Catalog::nearest_root(&here).unwrap_or(here),
    };
    let sdk = match arguments.lang {
        Lang::Rust => sdk::dependency(arguments.sdk.as_deref())?,
        Lang::C | Lang::Python => String::new(),
    };
    let files = files(name, arguments.kind, arguments.lang, &sdk);
    // All or nothing: what is there is somebody's work.
    for folder in [
        root.join("plugins").join(name),
        root.join("subjects").join(name),
    ] {
        if folder.exists() {
            return Err(Error::input(format!("{} already exists", folder.display()))
                .hint("choose another plugin name")
                .into());
        }
    }
    for (path, content) in &files {
        write(&root.join(path), content)?;
    }
    let paths: Vec<_> = files.iter().map(|(path, _)| path).collect();
    if context.json {
        print::json(&json!({ "plugin": name, "root": root, "files": paths }));
        return Ok(ExitCode::SUCCESS);
    }
    for path in paths {
        print_line!("{}", root.join(path).display());
    }
    say!();
    print::next(format_args!("duress plugin build {name}"));
    Ok(ExitCode::SUCCESS)
}

fn is_name(name: &str) -> bool {
    let fit = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    (1..=64).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(fit)
}

/// Returns every file, by its path beneath the root.
fn files(name: &str, kind: Kind, lang: Lang, sdk: &str) -> Vec<(String, String)> {
    let folder = format!("plugins/{name}");
    let run = match kind {
        Kind::Chaos => "duress run --subject SUBJECT --chaos starve".to_owned(),
        Kind::Subject => format!("duress run --subject {name} --chaos starve --baseline"),
    };
    let test = match lang {
        Lang::Rust => format!("(cd {folder} && cargo test)\n"),
        Lang::C | Lang::Python => String::new(),
    };
    let is_subject = kind == Kind::Subject;
    let mut own = format!("- `src/{}`: the faults\n", lang.fault());
    if is_subject {
        let subject = lang.subject();
        own.push_str(&format!(
            "- `src/{subject}`: how the system comes up, and whether it is well\n"
        ));
    }
    if lang != Lang::Rust {
        own.push_str("- `wit/`: the contract, documented to the last field\n");
    }
    let fill = |template: &str| {
        template
            .replace("{{needs}}", lang.needs())
            .replace("{{sdk}}", sdk)
            .replace(
                "{{dependencies}}",
                match kind {
                    Kind::Chaos => "",
                    Kind::Subject => "serde_json = \"1\"\n",
                },
            )
            .replace("{{actions}}", lang.actions())
            .replace("{{name}}", name)
            .replace("{{wit}}", WIT_VERSION)
            .replace("{{folder}}", &folder)
            .replace("{{run}}", &run)
            .replace("{{test}}", &test)
            .replace("{{steps}}", lang.steps())
            .replace("{{files}}", &own)
    };
    let mut files = vec![
        ("README.md", include_str!("templates/README.md.txt")),
        (
            ".github/workflows/ci.yaml",
            include_str!("templates/ci.yaml.txt"),
        ),
        (
            "conformance.yaml",
            include_str!("templates/conformance.yaml.txt"),
        ),
        (
            "plugin.yaml",
            match kind {
                Kind::Chaos => include_str!("templates/plugin-chaos.yaml.txt"),
                Kind::Subject => include_str!("templates/plugin-subject.yaml.txt"),
            },
        ),
        (".gitignore", lang.ignored()),
    ];
    files.extend(lang.sources(kind));
    let mut all: Vec<_> = files
        .into_iter()
        .map(|(path, template)| (format!("{folder}/{path}"), fill(template)))
        .collect();
    // The SDK has the contract. The others name what they need of it, because they import all that they name.
    if lang != Lang::Rust {
        all.push((format!("{folder}/wit/deps/plugin.wit"), WIT.to_owned()));
    }
    if is_subject {
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

/// A file's path, and what is to be filled in.
type Template = (&'static str, &'static str);

impl Lang {
    /// Returns the file with the fault.
    fn fault(self) -> &'static str {
        match self {
            Self::Rust => "fault.rs",
            Self::C => "plugin.c",
            Self::Python => "fault.py",
        }
    }

    /// Returns the file with the subject.
    fn subject(self) -> &'static str {
        match self {
            Self::Rust => "subject.rs",
            Self::C => "subject.c",
            Self::Python => "subject.py",
        }
    }

    /// Returns what it is built with, for the project's README.
    fn needs(self) -> &'static str {
        match self {
            Self::Rust => "\nIt is built by cargo; `rustup target add wasm32-unknown-unknown`.\n",
            Self::C => {
                "\nIt is built by clang; on Debian and Ubuntu: \
                 `apt-get install clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32`; elsewhere `WASI_SDK_PATH` names a wasi-sdk.\n"
            }
            Self::Python => {
                "\nIt is built by componentize-py: `python3 -m venv {{folder}}/.venv && {{folder}}/.venv/bin/pip install componentize-py`.\n"
            }
        }
    }

    /// Returns the same, for its CI.
    fn steps(self) -> &'static str {
        match self {
            Self::Rust => {
                "      - run: rustup target add wasm32-unknown-unknown\n      - run: cargo test\n"
            }
            Self::C => {
                "      - run: sudo apt-get install -y clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32\n"
            }
            Self::Python => {
                "      - run: python3 -m venv .venv && .venv/bin/pip install componentize-py\n"
            }
        }
    }

    /// Returns the kinds of changes that its faults make.
    fn actions(self) -> &'static str {
        match self {
            Self::Rust => "limit, pause",
            Self::C | Self::Python => "limit",
        }
    }

    fn ignored(self) -> &'static str {
        match self {
            Self::Rust => "/target/\n*.wasm\n",
            Self::C => "/gen/\n*.wasm\n",
            Self::Python => "/gen/\n/.venv/\n__pycache__/\n*.wasm\n",
        }
    }

    fn sources(self, kind: Kind) -> Vec<Template> {
        let world = match kind {
            Kind::Chaos => include_str!("templates/world-chaos.wit.txt"),
            Kind::Subject => include_str!("templates/world-subject.wit.txt"),
        };
        let mut sources = match (self, kind) {
            (Self::Rust, Kind::Chaos) => {
                vec![(
                    "src/lib.rs",
                    include_str!("templates/rust/lib-chaos.rs.txt"),
                )]
            }
            (Self::Rust, Kind::Subject) => vec![
                (
                    "src/lib.rs",
                    include_str!("templates/rust/lib-subject.rs.txt"),
                ),
                (
                    "src/subject.rs",
                    include_str!("templates/rust/subject.rs.txt"),
                ),
            ],
            (Self::C, Kind::Chaos) => Vec::new(),
            (Self::C, Kind::Subject) => {
                vec![("src/subject.c", include_str!("templates/c/subject.c.txt"))]
            }
            (Self::Python, Kind::Chaos) => {
                vec![(
                    "src/app.py",
                    include_str!("templates/python/app-chaos.py.txt"),
                )]
            }
            (Self::Python, Kind::Subject) => vec![
                (
                    "src/app.py",
                    include_str!("templates/python/app-subject.py.txt"),
                ),
                (
                    "src/subject.py",
                    include_str!("templates/python/subject.py.txt"),
                ),
            ],
        };
        match self {
            Self::Rust => {
                sources.push(("Cargo.toml", include_str!("templates/rust/Cargo.toml.txt")));
                sources.push(("src/fault.rs", include_str!("templates/rust/fault.rs.txt")));
            }
            Self::C => {
                sources.push(("wit/world.wit", world));
                sources.push(("src/plugin.c", include_str!("templates/c/fault.c.txt")));
            }
            Self::Python => {
                sources.push(("wit/world.wit", world));
                sources.push((
                    "src/fault.py",
                    include_str!("templates/python/fault.py.txt"),
                ));
            }
        }
        sources
    }
}

fn write(path: &Path, content: &str) -> Result<()> {
    let made = match path.parent() {
        Some(folder) => fs::create_dir_all(folder),
        None => Ok(()),
    };
    made.and_then(|()| fs::write(path, content))
        .map_err(|error| Error::environment(format!("write {}: {error}", path.display())))
}
