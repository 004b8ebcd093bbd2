//! Whether the cluster does its work: every member is well, and all agree on one leader, which is one of them.

use duress_sdk::HealthReport;

use crate::api::Member;

/// Judges what the members say.
pub(crate) fn judge(members: &[Member]) -> HealthReport {
    let complaint = complaint(members);
    HealthReport {
        healthy: complaint.is_none(),
        detail: complaint.unwrap_or_else(|| {
            let leader = members.iter().find(|member| is_leader(member));
            let leader = leader.map_or("none", |member| &member.name);
            format!("all {} members are healthy, {leader} leads", members.len())
        }),
    }
}

/// Returns the first thing that is not as it should be.
fn complaint(members: &[Member]) -> Option<String> {
    if members.is_empty() {
        return Some("no container is a member".into());
    }
    let sick: Vec<String> = members.iter().filter_map(sickness).collect();
    if !sick.is_empty() {
        let well = members.len() - sick.len();
        return Some(format!(
            "{well} of {} members are healthy; {}",
            members.len(),
            sick.join("; ")
        ));
    }
    let leaders: Vec<&str> = members
        .iter()
        .filter(|member| is_leader(member))
        .map(|member| member.name.as_str())
        .collect();
    if leaders.len() != 1 {
        return Some(format!(
            "{} members lead: {}",
            leaders.len(),
            leaders.join(", ")
        ));
    }
    let said: Vec<u64> = members.iter().filter_map(said_leader).collect();
    if said.windows(2).any(|pair| pair[0] != pair[1]) {
        return Some("the members do not agree on a leader".into());
    }
    None
}

fn sickness(member: &Member) -> Option<String> {
    let error = match (&member.health, &member.status) {
        (Err(error), _) | (_, Err(error)) => error,
        (Ok(()), Ok(status)) if status.leader == 0 => "knows no leader",
        (Ok(()), Ok(_)) => return None,
    };
    Some(format!("{} {error}", member.name))
}

fn is_leader(member: &Member) -> bool {
    member
        .status
        .as_ref()
        .is_ok_and(|status| status.is_leader())
}

fn said_leader(member: &Member) -> Option<u64> {
    member.status.as_ref().ok().map(|status| status.leader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::status;

    /// Members 1, 2, 3, each with the leader that it names.
    fn members(leaders: [u64; 3]) -> Vec<Member> {
        leaders
            .into_iter()
            .zip(1..)
            .map(|(leader, id)| Member {
                name: format!("etcd{}", id - 1),
                health: Ok(()),
                status: Ok(status(id, leader)),
            })
            .collect()
    }

    #[test]
    fn all_well_and_one_leader_is_healthy() {
        let report = judge(&members([2, 2, 2]));
        assert!(report.healthy);
        assert_eq!(report.detail, "all 3 members are healthy, etcd1 leads");
    }

    #[test]
    fn a_member_that_does_not_answer_is_named() {
        let mut members = members([2, 2, 2]);
        members[0].health = Err("does not answer".into());
        let report = judge(&members);
        assert!(!report.healthy);
        assert_eq!(
            report.detail,
            "2 of 3 members are healthy; etcd0 does not answer"
        );
    }

    #[test]
    fn a_member_without_a_leader_is_not_healthy() {
        let report = judge(&members([2, 2, 0]));
        assert_eq!(
            report.detail,
            "2 of 3 members are healthy; etcd2 knows no leader"
        );
    }

    #[test]
    fn two_leaders_are_not_healthy() {
        let report = judge(&members([1, 2, 2]));
        assert_eq!(report.detail, "2 members lead: etcd0, etcd1");
    }

    #[test]
    fn a_leader_that_is_no_member_is_not_healthy() {
        assert!(!judge(&members([9, 9, 9])).healthy);
        assert!(!judge(&members([2, 2, 9])).healthy);
        assert!(!judge(&[]).healthy);
    }
}
