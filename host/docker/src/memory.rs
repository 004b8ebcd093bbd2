//! How much memory a container uses.

use bollard::query_parameters::StatsOptions;
use duress_engine::{ContainerId, EngineError, EngineResult};
use futures::StreamExt as _;

use super::calls::call;
use super::{Docker, short};

impl Docker {
    pub(super) async fn measure_memory(&self, container: &ContainerId) -> EngineResult<u64> {
        let options = StatsOptions {
            stream: false,
            one_shot: true,
        };
        let what = format!("measure the memory of container {}", short(container));
        let mut stats = self.api.stats(&container.0, Some(options));
        let first = async { stats.next().await.transpose() };
        let memory = call(&what, container, first)
            .await?
            .and_then(|stats| stats.memory_stats);
        let Some(memory) = memory else {
            return Err(EngineError::Failed(format!(
                "{what}: the engine does not say"
            )));
        };
        // What the kernel can reclaim at any time counts as free, as in `docker stats`.
        let reclaimable = memory.stats.as_ref().and_then(|stats| {
            let names = ["inactive_file", "total_inactive_file"];
            names.iter().find_map(|name| stats.get(*name)).copied()
        });
        Ok(memory
            .usage
            .unwrap_or(0)
            .saturating_sub(reclaimable.unwrap_or(0)))
    }
}
