//! The exports, each of which panics where the settings name it.

use crate::{Noop, Settings};
use duress_sdk::bindings::exports::duress::plugin::chaos;
use duress_sdk::chaos::Faults;
use duress_sdk::subject_bindings::exports::duress::plugin::subject;
use duress_sdk::{Exports, Fault, HealthReport, Problem, Result, State, settings};

type Sound = Exports<Noop>;
type SoundFaults = duress_sdk::chaos::Exports<Noop>;

impl Faults for Noop {
    fn faults() -> Vec<Fault> {
        <Self as duress_sdk::Subject>::faults()
    }
}

struct Panicking;

fn panic_in(export: &str) {
    let named = settings::<Settings>().is_ok_and(|settings| settings.panic_in == export);
    assert!(!named, "misbehaving in {export}, as asked");
}

impl subject::Guest for Panicking {
    fn reset() -> Result<()> {
        panic_in("reset");
        <Sound as subject::Guest>::reset()
    }

    fn health() -> Result<HealthReport> {
        panic_in("health");
        <Sound as subject::Guest>::health()
    }

    fn capture_state() -> Result<State> {
        panic_in("capture-state");
        <Sound as subject::Guest>::capture_state()
    }
}

impl chaos::Guest for Panicking {
    fn fault_types() -> Vec<chaos::FaultType> {
        panic_in("fault-types");
        <SoundFaults as chaos::Guest>::fault_types()
    }

    fn check_parameters(fault: String, parameters: String) -> Vec<Problem> {
        panic_in("check-parameters");
        <SoundFaults as chaos::Guest>::check_parameters(fault, parameters)
    }

    fn inject(request: chaos::Request) -> Result<String> {
        panic_in("inject");
        <SoundFaults as chaos::Guest>::inject(request)
    }

    fn cleanup(metadata: String) -> Result<()> {
        panic_in("cleanup");
        <SoundFaults as chaos::Guest>::cleanup(metadata)
    }
}

#[allow(
    unsafe_code,
    reason = "what is generated crosses the component's boundary by pointers"
)]
mod exports {
    use super::Panicking;

    duress_sdk::bindings::export!(Panicking with_types_in duress_sdk::bindings);
    duress_sdk::subject_bindings::export!(Panicking with_types_in duress_sdk::subject_bindings);
}
