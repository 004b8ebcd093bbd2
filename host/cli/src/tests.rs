//! The help of every verb, as a person reads it. Change a snapshot only after reading it as a stranger.

use clap::{Command, CommandFactory as _};
use insta::assert_snapshot;

use super::Cli;

fn command() -> Command {
    let mut command = Cli::command().term_width(100);
    command.build();
    command
}

/// The help of a command and of those beneath it.
fn help(command: &mut Command) -> String {
    let mut text = command.render_help().to_string();
    for verb in command.get_subcommands_mut() {
        if verb.get_name() != "help" {
            text.push_str("\n\n");
            text.push_str(&help(verb));
        }
    }
    text
}

#[test]
fn the_command_line_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_help_of_every_verb_is_as_it_was_read() {
    let mut whole = command();
    assert_snapshot!("duress", whole.render_help().to_string());
    for verb in whole.get_subcommands_mut() {
        if verb.get_name() != "help" && !verb.is_hide_set() {
            assert_snapshot!(verb.get_name().to_owned(), help(verb));
        }
    }
}

/// What is wrong with a line of help: it is empty, or not one line.
fn is_a_line(line: Option<String>) -> bool {
    line.is_some_and(|line| {
        let begins = line.starts_with(|first: char| first.is_uppercase() || first == '`');
        begins && !line.ends_with('.') && !line.contains('\n')
    })
}

fn check(command: &Command) {
    let name = command.get_name();
    let about = command.get_about().map(ToString::to_string);
    assert!(
        is_a_line(about.map(|about| about.trim_end_matches('.').to_owned())),
        "{name}"
    );
    for argument in command.get_arguments() {
        let help = argument.get_help().map(ToString::to_string);
        assert!(is_a_line(help), "{name}: {}", argument.get_id());
    }
    for verb in command
        .get_subcommands()
        .filter(|verb| verb.get_name() != "help")
    {
        check(verb);
    }
}

#[test]
fn every_verb_and_every_option_has_one_line_of_help() {
    check(&command());
}
