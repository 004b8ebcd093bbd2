//! Which containers of a service are stopped, or made, to give it another number of them.

use duress_engine::{Arrangement, Container, ContainerCopy, ContainerId, Overrides};
use duress_journal::draw_token;

/// The most containers that a service is scaled to: a fault is no way to fill a machine.
const REPLICAS_LIMIT: u32 = 20;

/// How a service comes to another number of containers.
pub(super) struct Scale {
    /// What is stopped and made.
    pub(super) arrangement: Arrangement,
    /// The container that the change is on record for.
    pub(super) of: Container,
    /// The containers that must be targets.
    pub(super) touched: Vec<Container>,
    /// Those of them that are stopped.
    pub(super) stopped: Vec<Container>,
}

impl Scale {
    /// Chooses what is stopped or made, the highest numbers first.
    ///
    /// # Errors
    /// What is wrong with the request, as a sentence.
    pub(super) fn plan(all: Vec<Container>, service: &str, replicas: u32) -> Result<Self, String> {
        if replicas > REPLICAS_LIMIT {
            return Err(format!(
                "a service is scaled to at most {REPLICAS_LIMIT} containers, not {replicas}"
            ));
        }
        let mut own: Vec<(u32, Container)> = all
            .into_iter()
            .filter(|container| container.service == service)
            .map(|container| (number(&container), container))
            .collect();
        own.sort_by_key(|(number, _)| *number);
        let wanted = replicas as usize;
        if own.is_empty() {
            return Err(format!(
                "no container of a service `{}` is in this trial's stack",
                service.escape_debug()
            ));
        }
        if own.len() == wanted {
            return Err(format!("{service} has {wanted} containers already"));
        }
        let mut arrangement = Arrangement {
            token: draw_token(),
            scales: Some(service.to_owned()),
            aside: Vec::new(),
            copies: Vec::new(),
        };
        if own.len() > wanted {
            let stopped: Vec<_> = own
                .split_off(wanted)
                .into_iter()
                .rev()
                .map(|(_, one)| one)
                .collect();
            let of = stopped[0].clone();
            arrangement.aside = stopped.iter().map(|one| one.id.clone()).collect();
            return Ok(Self {
                arrangement,
                of,
                touched: stopped.clone(),
                stopped,
            });
        }
        let (highest, first) = (own[own.len() - 1].0, own[0].1.clone());
        let more = (wanted - own.len()) as u32;
        let numbers = highest + 1..=highest + more;
        arrangement.copies = numbers
            .map(|number| copy(&first.id, service, number))
            .collect();
        Ok(Self {
            arrangement,
            of: first.clone(),
            touched: vec![first],
            stopped: Vec::new(),
        })
    }
}

fn copy(of: &ContainerId, service: &str, number: u32) -> ContainerCopy {
    ContainerCopy {
        of: of.clone(),
        name: format!("{service}-{number}"),
        number: Some(number),
        overrides: Overrides::default(),
    }
}

/// Returns a container's number within its service, from its name: `worker`, `worker-2`.
fn number(container: &Container) -> u32 {
    let rest = container.name.strip_prefix(&container.service);
    let number = rest.and_then(|rest| rest.strip_prefix('-')?.parse().ok());
    number.unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use duress_engine::{Health, Network, State};

    fn stack(numbers: &[u32]) -> Vec<Container> {
        let container = |number: &u32| Container {
            id: ContainerId(format!("id{number}")),
            name: match number {
                1 => "worker".into(),
                number => format!("worker-{number}"),
            },
            service: "worker".into(),
            state: State::Running,
            health: Health::None,
            addresses: Vec::new(),
            network: Network::Own,
        };
        numbers.iter().map(container).collect()
    }

    fn names(list: &[Container]) -> Vec<&str> {
        list.iter().map(|one| one.name.as_str()).collect()
    }

    #[test]
    fn the_highest_numbers_are_stopped_first() {
        // By name, 10 comes before 2.
        let plan = Scale::plan(stack(&[1, 10, 2, 9]), "worker", 2).expect("a plan");
        assert_eq!(names(&plan.stopped), ["worker-10", "worker-9"]);
        assert_eq!(names(&plan.touched), ["worker-10", "worker-9"]);
        let none = Scale::plan(stack(&[1, 2]), "worker", 0).expect("a plan");
        assert_eq!(names(&none.stopped), ["worker-2", "worker"]);
    }

    #[test]
    fn new_containers_are_made_from_the_first_and_numbered_on() {
        let plan = Scale::plan(stack(&[1, 2]), "worker", 4).expect("a plan");
        assert_eq!(names(&plan.touched), ["worker"]);
        let made: Vec<_> = plan
            .arrangement
            .copies
            .iter()
            .map(|copy| copy.name.as_str())
            .collect();
        assert_eq!(made, ["worker-3", "worker-4"]);
    }

    #[test]
    fn a_number_that_changes_nothing_or_fills_a_machine_is_refused() {
        assert!(Scale::plan(stack(&[1, 2]), "worker", 2).is_err());
        assert!(Scale::plan(stack(&[1, 2]), "other", 3).is_err());
        assert!(Scale::plan(stack(&[1]), "worker", REPLICAS_LIMIT + 1).is_err());
    }
}
