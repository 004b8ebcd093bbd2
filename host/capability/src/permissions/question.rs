//! What a person reads before granting permissions.

use std::collections::BTreeSet;

use super::{Permissions, TcpReach};
use crate::launchers::starts_others;

impl Permissions {
    /// Returns what a person is told that it asks for, a line each; none: it only looks.
    pub fn in_words(&self) -> Vec<String> {
        // Names are checked where they are read. A line break in one could pass for a line of this list.
        let list = |names: &BTreeSet<String>| {
            let names = names.iter().map(|name| name.escape_debug().to_string());
            names.collect::<Vec<_>>().join(", ")
        };
        let mut lines: Vec<String> = self
            .actions
            .iter()
            .map(|kind| format!("to the containers that a trial picks: {}", kind.in_words()))
            .collect();
        if !self.programs.network_of_container.is_empty() {
            let programs = list(&self.programs.network_of_container);
            lines.push(format!(
                "in these containers' networks, run: {programs} (each can read and change all traffic, addresses and rules there, \
                 and reaches no file or process)"
            ));
        }
        if !self.programs.container.is_empty() {
            let programs = list(&self.programs.container);
            lines.push(format!(
                "in any container of its own trial, run: {programs}"
            ));
        }
        if !self.programs.look.is_empty() {
            let programs = list(&self.programs.look);
            lines.push(format!(
                "in any container of its own trial, run to look (what they change is not reverted): {programs}"
            ));
        }
        let start_others: BTreeSet<String> = self
            .programs
            .container
            .union(&self.programs.look)
            .filter(|name| starts_others(name))
            .cloned()
            .collect();
        if !start_others.is_empty() {
            let programs = list(&start_others);
            lines.push(format!(
                "with {programs}: run ANYTHING in any container of its own trial"
            ));
        }
        if !self.files.replace.is_empty() {
            let paths = list(&self.files.replace);
            lines.push(format!(
                "to the containers that a trial picks: replace these files, and restore them (their programs do what the plugin writes \
                 there): {paths}"
            ));
        }
        if !self.files.read.is_empty() {
            let paths = list(&self.files.read);
            lines.push(format!(
                "in any container of its own trial, read these files, which may hold secrets: {paths}"
            ));
        }
        if self.asks_the_stack() {
            lines.push("send HTTP requests to its own trial's containers".into());
        }
        for host in self.hosts() {
            let host = host.escape_debug();
            lines.push(format!("send HTTP requests to {host}, beyond its trial"));
        }
        if self.tcp.contains(&TcpReach::Stack) {
            lines.push(
                "open TCP connections to its own trial's containers, and send there what it likes"
                    .into(),
            );
        }
        if self.logs {
            lines.push("read what its own trial's containers log".into());
        }
        if self.stack {
            lines.push("bring its own trial's stack up, and take it down".into());
        }
        lines
    }
}
