//! Which faults can work here, and by what.

use serde::Serialize;

use duress_engine::{EngineInfo, NetDriver, Requirement};
use duress_model::{Error, FaultType, Result};

/// What was found for one fault.
#[derive(Debug, Clone, Serialize)]
pub struct FaultFinding {
    /// `plugin:fault`.
    pub fault: String,
    /// It can work here.
    pub works: bool,
    /// Where its programs for a container's network run; nothing where it has none, or cannot work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<NetDriver>,
    /// What it would use, of all that it needs.
    pub by: Vec<String>,
    /// What it lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lack: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

/// Looks at one fault.
pub async fn examine_fault(fault: &FaultType, engine: &EngineInfo) -> FaultFinding {
    let name = format!("{}:{}", fault.plugin, fault.name);
    match check(fault, engine).await {
        Ok(by) => {
            let in_network = by.iter().any(|met| *met != Requirement::Helper);
            FaultFinding {
                fault: name,
                works: true,
                driver: in_network.then_some(engine.net_driver),
                by: by.iter().map(ToString::to_string).collect(),
                lack: None,
                remedy: None,
            }
        }
        Err(error) => FaultFinding {
            fault: name,
            works: false,
            driver: None,
            by: Vec::new(),
            lack: Some(error.to_string()),
            remedy: error.hints().first().cloned(),
        },
    }
}

/// Whether every fault can work here.
///
/// # Errors
/// The first lack of the first fault that has one, as `Environment`.
pub async fn check_faults<'a>(
    faults: impl IntoIterator<Item = &'a FaultType>,
    engine: &EngineInfo,
) -> Result<()> {
    for fault in faults {
        check(fault, engine).await.map_err(|error| {
            error.context(format_args!("the fault `{}` cannot work here", fault.name))
        })?;
    }
    Ok(())
}

/// Returns what meets each of a fault's requirements.
async fn check(fault: &FaultType, engine: &EngineInfo) -> Result<Vec<Requirement>> {
    let mut by = Vec::new();
    for text in &fault.requires {
        let requirement: Requirement = text.parse().map_err(Error::input)?;
        by.push(requirement.check(engine).await?.clone());
    }
    Ok(by)
}
