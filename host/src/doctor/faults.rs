//! Whether the faults that a run names can work here.

use crate::engine::{EngineInfo, Requirement};
use crate::plugin::FaultType;
use crate::{Error, Result};

/// Whether every fault can work here.
///
/// # Errors
/// The first lack of the first fault that has one, as `Environment`.
pub async fn check_faults<'a>(
    faults: impl IntoIterator<Item = &'a FaultType>,
    engine: &EngineInfo,
) -> Result<()> {
    for fault in faults {
        for text in &fault.requires {
            let named = |error: Error| {
                error.context(format_args!("the fault `{}` cannot work here", fault.name))
            };
            let requirement: Requirement = text
                .parse()
                .map_err(|why: String| named(Error::input(why)))?;
            requirement.check(engine).await.map_err(named)?;
        }
    }
    Ok(())
}
