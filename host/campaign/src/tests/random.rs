//! No flags are too strange; for files, see `tests/fuzz`.

use proptest::prelude::*;

use super::{Draft, Flags, plan_of};

proptest! {
    #[test]
    fn any_flags(
        subjects in proptest::collection::vec("\\PC{0,6}|tikv", 0..3),
        chaos in proptest::collection::vec("\\PC{0,6}|latency", 0..3),
        params in proptest::collection::vec("\\PC{0,9}|(min_ms|é/~)=\\PC{0,5}", 0..3),
        trials in proptest::option::of(any::<u64>()),
        duration_seconds in proptest::option::of(any::<f64>()),
    ) {
        let flags = Flags { subjects, chaos, params, trials, duration_seconds, ..Flags::default() };
        if let Err(invalid) = plan_of(Draft::from_flags(&flags)) {
            prop_assert!(!invalid.problems().is_empty());
            prop_assert!(!invalid.render(false).is_empty());
        }
    }
}
