//! `leader_kill`: the member that leads dies, whichever it is.

use duress_sdk::faults::node_kill;
use duress_sdk::{Container, Error, Fault, NoParameters, Result};

use crate::api::{self, Member};
use crate::settings::Settings;

/// Returns the fault; the standard `node_kill`, of the leader.
pub(crate) fn kill() -> Fault {
    Fault::new(
        "leader_kill",
        "Kill the member that leads with SIGKILL; cleanup starts it again.",
        |_: NoParameters, scene| {
            let leader = find(&scene.targets, &Settings::read()?)?;
            Ok(vec![node_kill::kill(&leader)])
        },
    )
    .choosing()
}

/// Returns the name of the member that leads.
pub(crate) fn find(candidates: &[Container], settings: &Settings) -> Result<String> {
    let members: Vec<Member> = candidates
        .iter()
        .map(|member| api::ask(member, settings))
        .collect();
    among(&members).map(str::to_owned)
}

/// Returns the leader. With two that believe so, e.g. one cut off that has not noticed, it is the one of the later term.
fn among(candidates: &[Member]) -> Result<&str> {
    let leaders = candidates.iter().filter_map(|member| {
        let status = member.status.as_ref().ok()?;
        status
            .is_leader()
            .then_some((status.raft_term, member.name.as_str()))
    });
    let (_, name) = leaders.max().ok_or_else(|| {
        let names: Vec<_> = candidates
            .iter()
            .map(|member| member.name.as_str())
            .collect();
        Error::Unavailable(format!("none of {} leads the cluster", names.join(", ")))
    })?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::status;

    fn member(name: &str, id: u64, leader: u64, raft_term: u64) -> Member {
        let mut status = status(id, leader);
        status.raft_term = raft_term;
        Member {
            name: name.into(),
            health: Ok(()),
            status: Ok(status),
        }
    }

    #[test]
    fn the_leader_is_found_and_one_of_an_old_term_is_not() {
        let members = [
            member("etcd0", 1, 1, 4),
            member("etcd1", 2, 2, 5),
            member("etcd2", 3, 2, 5),
        ];
        assert_eq!(among(&members), Ok("etcd1"));
    }

    #[test]
    fn without_a_leader_among_the_candidates_it_says_whom_it_asked() {
        let error = among(&[member("etcd2", 3, 2, 5)]).expect_err("a follower alone");
        assert_eq!(error.text(), "none of etcd2 leads the cluster");
    }
}
