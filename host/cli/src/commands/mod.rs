//! The verbs, a file each: its arguments, what it does by calling the library, and what it prints. No verb uses another.

mod completions;
mod db;
mod doctor;
mod fault;
pub(crate) mod guard;
mod halt;
mod inject;
mod list;
mod plugin;
mod recover;
mod resume;
mod run;
mod schema;
mod show;
mod status;
mod subject;

use clap::Subcommand;

use super::Done;
use super::context::Context;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a campaign from a file, trials of one kind from flags, or one trial again
    Run(Box<run::Arguments>),
    /// Inject one fault into containers that run already, and revert it
    Inject(Box<inject::Arguments>),
    /// List the faults in force
    Status,
    /// Resume a campaign that was interrupted
    Resume(resume::Arguments),
    /// Stop every campaign on this machine, and start none until released
    Halt(halt::Arguments),
    /// List the campaigns, newest first
    List(list::Arguments),
    /// Show a campaign or a trial
    Show(show::Arguments),
    /// Revert what a killed duress left in force
    Recover(recover::Arguments),
    /// Back up, check and repair the database
    #[command(subcommand)]
    Db(db::Verb),
    /// Check what this machine has and lacks, and which faults work here
    Doctor,
    /// List the systems to run against
    #[command(subcommand)]
    Subject(subject::Verb),
    /// List the faults to inject
    #[command(subcommand)]
    Fault(fault::Verb),
    /// Create, test and share plugins, and grant them permissions
    #[command(subcommand)]
    Plugin(plugin::Verb),
    /// Print the JSON Schema of a file format, for editors
    #[command(subcommand)]
    Schema(schema::Verb),
    /// Watch a run, and revert its faults once it is dead or stopped
    #[command(hide = true)]
    Guard(guard::Arguments),
    /// Print the completion script for a shell
    Completions(completions::Arguments),
}

impl Verb {
    pub(crate) async fn run(self, context: &Context) -> Done {
        match self {
            Self::Run(arguments) => run::main(context, *arguments).await,
            Self::Inject(arguments) => inject::main(context, *arguments).await,
            Self::Status => status::main(context).await,
            Self::Resume(arguments) => resume::main(context, arguments).await,
            Self::Halt(arguments) => halt::main(context, arguments).await,
            Self::List(arguments) => list::main(context, arguments).await,
            Self::Show(arguments) => show::main(context, arguments).await,
            Self::Recover(arguments) => recover::main(context, arguments).await,
            Self::Db(verb) => db::main(context, verb).await,
            Self::Doctor => doctor::main(context).await,
            Self::Subject(verb) => subject::main(context, verb).await,
            Self::Fault(verb) => fault::main(context, verb).await,
            Self::Plugin(verb) => plugin::main(context, verb).await,
            Self::Schema(verb) => schema::main(verb),
            Self::Guard(arguments) => Ok(guard::main(context, &arguments)),
            Self::Completions(arguments) => completions::main(&arguments),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    /// Every source file beneath a folder.
    fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in folder.read_dir().expect("a folder").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => sources(&path, found),
                false if path.extension().is_some_and(|kind| kind == "rs") => found.push(path),
                false => {}
            }
        }
    }

    #[test]
    fn no_verb_uses_another() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/commands");
        let mut found = Vec::new();
        sources(&folder, &mut found);
        let own = folder.join("mod.rs");
        assert!(found.contains(&own), "the sources are elsewhere");
        for path in found.into_iter().filter(|path| *path != own) {
            let text = std::fs::read_to_string(&path).expect("a file");
            // The parts of one verb use each other by `super`; in a folder of verbs that is another verb.
            let beside = path.with_file_name("mod.rs");
            let beside = std::fs::read_to_string(beside).expect("a file");
            let is_verb = beside.contains("enum Verb");
            let uses_another = |line: &str| {
                (is_verb && line.starts_with("use super::")) || line.contains("cli::commands")
            };
            let found = text.lines().find(|line| uses_another(line));
            assert_eq!(
                found,
                None,
                "{}: move what verbs share out of `commands`",
                path.display()
            );
        }
    }
}
