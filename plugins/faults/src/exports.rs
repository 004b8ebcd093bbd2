//! From the contract's exports to the list of faults.

use duress_sdk::chaos;

wit_bindgen::generate!({
    path: "../../wit",
    world: "chaos-plugin",
    with: {
        "duress:plugin/types@0.1.1": duress_sdk::bindings::duress::plugin::types,
        "duress:plugin/host@0.1.1": duress_sdk::bindings::duress::plugin::host,
        "duress:plugin/containers@0.1.1": duress_sdk::bindings::duress::plugin::containers,
        "duress:plugin/http@0.1.1": duress_sdk::bindings::duress::plugin::http,
        "duress:plugin/changes@0.1.1": duress_sdk::bindings::duress::plugin::changes,
    },
});

use exports::duress::plugin::chaos::{Choice, FaultType, Guest, Problem, Request};

struct Faults;

impl Guest for Faults {
    fn fault_types() -> Vec<FaultType> {
        let described = chaos::fault_types(&crate::all());
        let here = described.into_iter().map(|fault| FaultType {
            name: fault.name,
            summary: fault.summary,
            parameters: fault.parameters,
            requires: fault.requires,
            services: fault.services,
            choice: match fault.choice {
                duress_sdk::Choice::ByHost => Choice::ByHost,
                duress_sdk::Choice::ByFault => Choice::ByFault,
            },
        });
        here.collect()
    }

    fn check_parameters(fault: String, parameters: String) -> Vec<Problem> {
        let problems = chaos::check_parameters(&crate::all(), &fault, &parameters);
        let here = |problem: duress_sdk::Problem| Problem {
            pointer: problem.pointer,
            message: problem.message,
        };
        problems.into_iter().map(here).collect()
    }

    fn inject(request: Request) -> Result<String, duress_sdk::Error> {
        chaos::inject(
            &crate::all(),
            request.fault,
            request.parameters,
            request.targets,
        )
    }

    fn cleanup(metadata: String) -> Result<(), duress_sdk::Error> {
        chaos::cleanup(&metadata)
    }
}

export!(Faults);
