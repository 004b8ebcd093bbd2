//! Who leads: terms, votes and heartbeats, as in Raft (Ongaro and Ousterhout, "In Search of an Understandable Consensus
//! Algorithm"), without its log. Times are in milliseconds since some moment, and handed in.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A member that hears from no leader for so long stands for election; a leader that hears from no majority for so long steps
/// down. Each waits up to twice that, by chance.
pub(super) const ELECTION: u64 = 1_000;
/// How often a leader tells that it leads.
const BEAT: u64 = 100;

/// What a candidate asks, and what a leader tells: who speaks, and what it knows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) term: u64,
    pub(super) from: String,
    /// The version of the cluster's state that it has.
    pub(super) version: u64,
}

/// The answer to a claim.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) term: u64,
    pub(super) from: String,
    pub(super) yes: bool,
}

#[derive(Debug)]
enum Role {
    Follower,
    Candidate(BTreeSet<String>),
    /// When each other member last answered, and when the next beat is due.
    Leader {
        heard: BTreeMap<String, u64>,
        next: u64,
    },
}

/// What is to be sent to every other member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Send {
    Vote,
    Beat,
}

#[derive(Debug)]
pub(super) struct Election {
    me: String,
    members: usize,
    term: u64,
    voted: Option<String>,
    role: Role,
    leader: Option<String>,
    /// When it stands for election.
    deadline: u64,
    /// When it last heard from a leader.
    heard: u64,
}

impl Election {
    pub(super) fn new(me: &str, members: usize) -> Self {
        Self {
            me: me.to_owned(),
            members,
            term: 0,
            voted: None,
            role: Role::Follower,
            leader: None,
            deadline: wait(),
            heard: 0,
        }
    }

    /// Who leads, as far as this member knows.
    pub(super) fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    pub(super) fn leads(&self) -> bool {
        matches!(self.role, Role::Leader { .. })
    }

    pub(super) fn claim(&self, version: u64) -> Claim {
        Claim {
            term: self.term,
            from: self.me.clone(),
            version,
        }
    }

    /// Time passes.
    pub(super) fn tick(&mut self, now: u64) -> Option<Send> {
        let majority = self.majority();
        match &mut self.role {
            Role::Leader { heard, next } => {
                let live = 1 + heard.values().filter(|at| **at + ELECTION > now).count();
                if live < majority {
                    self.follow(now);
                    return None;
                }
                if now < *next {
                    return None;
                }
                *next = now + BEAT;
                Some(Send::Beat)
            }
            _ if now < self.deadline => {
                if now > self.heard + 2 * ELECTION {
                    self.leader = None;
                }
                None
            }
            _ => Some(self.stand(now)),
        }
    }

    /// Stand for election now.
    pub(super) fn stand(&mut self, now: u64) -> Send {
        self.term += 1;
        self.voted = Some(self.me.clone());
        self.leader = None;
        self.deadline = now + wait();
        self.role = Role::Candidate(BTreeSet::from([self.me.clone()]));
        self.count(now);
        Send::Vote
    }

    /// Gives the leadership up; others stand before this one does.
    pub(super) fn resign(&mut self, now: u64) {
        self.follow(now);
        self.deadline = now + 3 * ELECTION;
    }

    pub(super) fn on_vote_asked(&mut self, now: u64, claim: &Claim, version: u64) -> Answer {
        // Who hears a leader elects no other: a member that returns from a partition unseats nobody.
        let content = self.leader.is_some() && now < self.heard + ELECTION;
        if claim.term > self.term && !content {
            self.term = claim.term;
            self.voted = None;
            self.follow(now);
        }
        let free = self.voted.as_ref().is_none_or(|voted| *voted == claim.from);
        let yes = claim.term == self.term && free && claim.version >= version && !content;
        if yes {
            self.voted = Some(claim.from.clone());
            self.deadline = now + wait();
        }
        self.answer(yes)
    }

    pub(super) fn on_vote(&mut self, now: u64, answer: &Answer) {
        self.see_term(now, answer.term);
        if let Role::Candidate(votes) = &mut self.role
            && answer.yes
            && answer.term == self.term
        {
            votes.insert(answer.from.clone());
            self.count(now);
        }
    }

    pub(super) fn on_beat(&mut self, now: u64, claim: &Claim) -> Answer {
        if claim.term < self.term {
            return self.answer(false);
        }
        self.see_term(now, claim.term);
        self.role = Role::Follower;
        self.leader = Some(claim.from.clone());
        self.heard = now;
        self.deadline = now + wait();
        self.answer(true)
    }

    pub(super) fn on_beat_answered(&mut self, now: u64, answer: &Answer) {
        self.see_term(now, answer.term);
        if let Role::Leader { heard, .. } = &mut self.role
            && answer.yes
        {
            heard.insert(answer.from.clone(), now);
        }
    }

    fn count(&mut self, now: u64) {
        let Role::Candidate(votes) = &self.role else {
            return;
        };
        if votes.len() < self.majority() {
            return;
        }
        let heard = votes
            .iter()
            .filter(|name| **name != self.me)
            .map(|name| (name.clone(), now));
        self.role = Role::Leader {
            heard: heard.collect(),
            next: now,
        };
        self.leader = Some(self.me.clone());
        self.heard = now;
    }

    fn see_term(&mut self, now: u64, term: u64) {
        if term > self.term {
            self.term = term;
            self.voted = None;
            self.follow(now);
        }
    }

    fn follow(&mut self, now: u64) {
        self.role = Role::Follower;
        self.leader = None;
        self.deadline = now + wait();
    }

    fn answer(&self, yes: bool) -> Answer {
        Answer {
            term: self.term,
            from: self.me.clone(),
            yes,
        }
    }

    fn majority(&self) -> usize {
        self.members / 2 + 1
    }
}

/// From one to two election times, by chance: members that wait the same time would vote for themselves for ever.
fn wait() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    ELECTION + std::hash::RandomState::new().build_hasher().finish() % ELECTION
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets the first of three stand, and the second vote for it.
    fn led() -> (Election, Election) {
        let (mut one, mut two) = (Election::new("pd0", 3), Election::new("pd1", 3));
        assert_eq!(one.stand(5_000), Send::Vote);
        assert!(!one.leads());
        let answer = two.on_vote_asked(5_000, &one.claim(0), 0);
        one.on_vote(5_000, &answer);
        (one, two)
    }

    #[test]
    fn two_of_three_make_a_leader() {
        let (mut one, mut two) = led();
        assert!(one.leads());
        assert_eq!(one.tick(5_000), Some(Send::Beat));
        let answer = two.on_beat(5_010, &one.claim(0));
        assert!(answer.yes);
        assert_eq!(two.leader(), Some("pd0"));
    }

    #[test]
    fn a_leader_that_hears_from_nobody_steps_down() {
        let (mut one, _) = led();
        assert_eq!(one.tick(5_000 + ELECTION), None);
        assert!(!one.leads());
        assert_eq!(one.leader(), None);
    }

    #[test]
    fn who_hears_a_leader_elects_no_other() {
        let (one, mut two) = led();
        two.on_beat(5_010, &one.claim(0));
        let claim = Claim {
            term: 9,
            from: "pd2".into(),
            version: 7,
        };
        assert!(!two.on_vote_asked(5_020, &claim, 0).yes);
        assert!(two.on_vote_asked(5_010 + 2 * ELECTION, &claim, 0).yes);
    }

    #[test]
    fn who_knows_less_is_not_elected() {
        let mut one = Election::new("pd0", 3);
        let claim = Claim {
            term: 1,
            from: "pd1".into(),
            version: 3,
        };
        assert!(!one.on_vote_asked(5_000, &claim, 4).yes);
        assert!(one.on_vote_asked(5_000, &claim, 3).yes);
    }

    #[test]
    fn one_alone_of_three_never_leads() {
        let mut one = Election::new("pd0", 3);
        let mut now = 0;
        for _ in 0..10 {
            now += 3 * ELECTION;
            one.tick(now);
            assert!(!one.leads());
        }
    }
}
