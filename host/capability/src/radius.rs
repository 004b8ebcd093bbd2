//! The containers that a trial's changes may touch, and how many of them.

use std::collections::BTreeSet;

/// The blast radius: containers that the host picked, and those among which a fault picks a number itself.
///
/// ```
/// let mut radius: duress_capability::BlastRadius = ["etcd0".to_owned()].into_iter().collect();
/// radius.may_choose(["etcd1".to_owned(), "etcd2".to_owned()], 1);
/// assert!(radius.claim(&["etcd2".to_owned()]).is_ok());
/// assert!(radius.claim(&["etcd1".to_owned()]).is_err());
/// ```
#[derive(Debug, Clone, Default)]
pub struct BlastRadius {
    /// Those that may be touched.
    picked: BTreeSet<String>,
    /// Those of which a fault may still choose so many.
    open: Vec<(BTreeSet<String>, u32)>,
}

impl BlastRadius {
    /// Lets a fault choose a number of containers among some.
    pub fn may_choose(&mut self, among: impl IntoIterator<Item = String>, count: u32) {
        self.open.push((among.into_iter().collect(), count));
    }

    /// Returns whether a container may be touched, or may still be chosen.
    pub fn contains(&self, name: &str) -> bool {
        self.picked.contains(name)
            || self
                .open
                .iter()
                .any(|(among, left)| *left > 0 && among.contains(name))
    }

    /// Chooses containers for a change, all or none.
    ///
    /// # Errors
    /// The name of the one that is too much.
    pub fn claim(&mut self, names: &[String]) -> Result<(), String> {
        let mut claimed = self.clone();
        for name in names {
            if claimed.picked.contains(name) {
                continue;
            }
            let Some((_, left)) = claimed
                .open
                .iter_mut()
                .find(|(among, left)| *left > 0 && among.contains(name))
            else {
                return Err(name.clone());
            };
            *left -= 1;
            claimed.picked.insert(name.clone());
        }
        *self = claimed;
        Ok(())
    }

    /// Returns the containers that may be touched, as a person reads it.
    pub fn in_words(&self) -> String {
        let mut words: Vec<_> = self.picked.iter().cloned().collect();
        for (among, left) in self.open.iter().filter(|(_, left)| *left > 0) {
            let among: Vec<_> = among.iter().map(String::as_str).collect();
            words.push(format!("{left} of {}", among.join(", ")));
        }
        if words.is_empty() {
            "nothing yet".to_owned()
        } else {
            words.join(", ")
        }
    }
}

impl Extend<String> for BlastRadius {
    fn extend<T: IntoIterator<Item = String>>(&mut self, names: T) {
        self.picked.extend(names);
    }
}

impl FromIterator<String> for BlastRadius {
    fn from_iter<T: IntoIterator<Item = String>>(names: T) -> Self {
        Self {
            picked: names.into_iter().collect(),
            open: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn a_fault_chooses_no_more_than_it_may() {
        let mut radius = BlastRadius::default();
        radius.may_choose(names(&["a", "b", "c"]), 2);
        assert_eq!(radius.claim(&names(&["a"])), Ok(()));
        assert_eq!(radius.claim(&names(&["a"])), Ok(()), "it has that already");
        // All or none: `b` is not lost by the attempt.
        assert_eq!(radius.claim(&names(&["b", "c"])), Err("c".into()));
        assert!(radius.contains("c"));
        assert_eq!(radius.claim(&names(&["c"])), Ok(()));
        assert!(!radius.contains("b"));
        assert_eq!(radius.claim(&names(&["b"])), Err("b".into()));
        assert_eq!(radius.claim(&names(&["x"])), Err("x".into()));
    }
}
