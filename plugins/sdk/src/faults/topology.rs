//! `partition_topology`: several containers no longer see each other, in one of the shapes in which real networks fall apart. They are
//! those by which Jepsen's nemeses are known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::destination::shared_addresses;
use super::network_partition::{Direction, NEEDS, cut};
use crate::{Container, Error, Fault, Parameters, Result, Scene, Step, host};

/// Who still sees whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Two halves; of an odd number the second has one more.
    Halves,
    /// As many as the others can do without, apart from them.
    #[default]
    MajorityMinority,
    /// One, apart from all others.
    One,
    /// Two halves, and one that both of them see.
    Bridge,
    /// Each sees its neighbours in a ring, as many as make a majority, and no two see the same.
    Ring,
}

/// The shape.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Topology {
    /// Who still sees whom: `halves`, `majority_minority`, `one` apart, a `bridge` between halves, or a `ring` of majorities.
    pub shape: Shape,
}

impl Parameters for Topology {}

/// Returns the fault: it takes all of its targets, in an order drawn from the trial's seed.
pub fn fault() -> Fault {
    Fault::new(
        "partition_topology",
        "Cut the links between several containers, in the shape of halves, a minority, one alone, a bridge or a ring.",
        |topology: Topology, scene| {
            apart(&scene.targets)?;
            let mut order: Vec<&Container> = scene.targets.iter().collect();
            shuffle(&mut order, host::random);
            let links = topology.shape.cuts(order.len())?;
            let links = links.into_iter().map(|(one, other)| (order[one], order[other]));
            sever(&links.collect::<Vec<_>>(), scene, Direction::Both)
        },
    )
    .requires(NEEDS)
    .choosing()
}

impl Shape {
    /// Returns the links that are cut among so many, as pairs of indices, the smaller first.
    fn cuts(self, number: usize) -> Result<Vec<(usize, usize)>> {
        let least = match self {
            Self::Halves | Self::One => 2,
            Self::MajorityMinority | Self::Bridge => 3,
            Self::Ring => 4,
        };
        if number < least {
            return Err(Error::Invalid(format!(
                "this shape needs at least {least} containers, and {number} may be touched"
            )));
        }
        let all = (0..number).flat_map(|one| (one + 1..number).map(move |other| (one, other)));
        let apart = |(one, other): (usize, usize)| match self {
            Self::Halves => one < number / 2 && other >= number / 2,
            Self::MajorityMinority => one < (number - 1) / 2 && other >= (number - 1) / 2,
            Self::One => one == 0,
            // The first is the bridge.
            Self::Bridge => one > 0 && one <= number / 2 && other > number / 2,
            Self::Ring => {
                // Others that make a majority together with oneself, half of them on either side.
                let reach = (number / 2).div_ceil(2);
                let distance = other - one;
                distance.min(number - distance) > reach
            }
        };
        Ok(all.filter(|&link| apart(link)).collect())
    }
}

/// Cuts each member of one side off from each of the other.
pub fn between(
    one_side: &[&Container],
    other_side: &[&Container],
    scene: &Scene,
    direction: Direction,
) -> Result<Vec<Step>> {
    let links: Vec<_> = one_side
        .iter()
        .flat_map(|one| other_side.iter().map(move |other| (*one, *other)))
        .collect();
    sever(&links, scene, direction)
}

/// Refuses containers in one network namespace: what one of them sees, the others see.
fn apart(targets: &[Container]) -> Result<()> {
    for (number, one) in targets.iter().enumerate() {
        let shares = |other: &&Container| {
            let mut addresses = other.addresses.iter();
            addresses.any(|address| one.addresses.iter().any(|own| own.ip == address.ip))
        };
        if let Some(other) = targets[..number].iter().find(shares) {
            return Err(Error::Invalid(format!(
                "{} and {} share a network, so they are always on the same side: name one of them",
                other.name, one.name
            )));
        }
    }
    Ok(())
}

/// Cuts links, all of one container in one step.
fn sever(
    links: &[(&Container, &Container)],
    scene: &Scene,
    direction: Direction,
) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for target in &scene.targets {
        let peers = links
            .iter()
            .filter(|(one, _)| one.name == target.name)
            .map(|(_, other)| *other);
        let ips = shared_addresses(target, peers)?;
        if !ips.is_empty() {
            steps.push(cut(&target.name, ips, direction));
        }
    }
    if steps.is_empty() {
        return Err(Error::Unavailable(
            "the containers share no network, so no link can be cut".into(),
        ));
    }
    Ok(steps)
}

/// Shuffles by the algorithm of Fisher and Yates. There are fewer than 2^32 containers, so truncation loses nothing.
fn shuffle<T>(items: &mut [T], random: impl Fn() -> u64) {
    for last in (1..items.len()).rev() {
        items.swap(last, (random() % (last as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whom each sees, itself included.
    fn seen(shape: Shape, number: usize) -> Vec<Vec<usize>> {
        let cuts = shape.cuts(number).expect("enough of them");
        let sees = |one: usize, other: usize| {
            one == other || !cuts.contains(&(one.min(other), one.max(other)))
        };
        let whom = |one| (0..number).filter(|&other| sees(one, other)).collect();
        (0..number).map(whom).collect()
    }

    #[test]
    fn halves_and_minorities_see_their_own_side() {
        assert_eq!(
            seen(Shape::Halves, 4),
            [vec![0, 1], vec![0, 1], vec![2, 3], vec![2, 3]]
        );
        assert_eq!(seen(Shape::MajorityMinority, 5)[0], [0, 1]);
        assert_eq!(seen(Shape::MajorityMinority, 5)[4], [2, 3, 4]);
        assert_eq!(seen(Shape::One, 3), [vec![0], vec![1, 2], vec![1, 2]]);
    }

    #[test]
    fn a_bridge_is_seen_by_both_halves() {
        assert_eq!(
            seen(Shape::Bridge, 5),
            [
                vec![0, 1, 2, 3, 4],
                vec![0, 1, 2],
                vec![0, 1, 2],
                vec![0, 3, 4],
                vec![0, 3, 4],
            ]
        );
        assert_eq!(seen(Shape::Bridge, 3)[0], [0, 1, 2]);
        assert_eq!(seen(Shape::Bridge, 3)[1], [0, 1]);
    }

    #[test]
    fn in_a_ring_each_sees_a_majority_and_no_two_the_same() {
        for number in 4..=9 {
            let mut seen = seen(Shape::Ring, number);
            assert!(seen.iter().all(|whom| whom.len() > number / 2), "{seen:?}");
            assert!(number == 6 || number == 9 || seen.iter().all(|whom| whom.len() < number));
            seen.sort();
            let all = seen.len();
            seen.dedup();
            assert_eq!(seen.len(), all, "{number}");
        }
    }

    #[test]
    fn containers_in_one_network_namespace_are_refused() {
        use super::super::container;
        let one = container("one", &[("default", "10.0.0.1")]);
        let other = container("other", &[("default", "10.0.0.2")]);
        let sidecar = container("sidecar", &[("default", "10.0.0.1")]);
        assert_eq!(apart(&[one.clone(), other.clone()]), Ok(()));
        let error = apart(&[one, other, sidecar]).expect_err("one address");
        assert!(
            error.text().starts_with("one and sidecar share"),
            "{error:?}"
        );
    }

    #[test]
    fn too_few_are_refused() {
        assert!(Shape::Ring.cuts(3).is_err());
        assert!(Shape::MajorityMinority.cuts(2).is_err());
    }

    #[test]
    fn shuffling_keeps_every_item() {
        let mut items: Vec<u64> = (0..10).collect();
        shuffle(&mut items, || 12_345_678_901);
        assert_ne!(items, (0..10).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..10).collect::<Vec<_>>());
    }
}
