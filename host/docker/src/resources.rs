//! Memory and limits.

use async_trait::async_trait;
use bollard::models::ContainerUpdateBody;
use duress_engine::{
    Accounts, ContainerId, EngineError, EngineResult, Limits, LimitsRecord, Resources,
};

use super::calls::call;
use super::{Docker, limits, listing, short};

impl Docker {
    async fn update_limits(
        &self,
        id: &ContainerId,
        update: ContainerUpdateBody,
    ) -> EngineResult<()> {
        let what = format!("change the limits of container {}", short(id));
        call(&what, id, self.api.update_container(&id.0, update)).await
    }
}

#[async_trait]
impl Resources for Docker {
    async fn memory_in_use(&self, container: &ContainerId) -> EngineResult<u64> {
        let what = format!("measure the memory of container {}", short(container));
        let memory = self.statistics(&what, container).await?.memory_stats;
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

    async fn accounts(&self, container: &ContainerId) -> EngineResult<Accounts> {
        self.read_accounts(container).await
    }

    async fn machine_memory(&self) -> EngineResult<u64> {
        let info = listing::within("ask for the machine's memory", self.api.info()).await?;
        Ok(info.mem_total.map_or(u64::MAX, i64::unsigned_abs))
    }

    async fn limits_record(&self, container: &ContainerId) -> EngineResult<LimitsRecord> {
        Ok(limits::read(&self.inspect(container).await?))
    }

    async fn set_limits(&self, container: &ContainerId, limits: Limits) -> EngineResult<()> {
        let now = self.limits_record(container).await?;
        self.update_limits(container, limits::tighten(&now, limits))
            .await
    }

    async fn restore_limits(
        &self,
        container: &ContainerId,
        before: &LimitsRecord,
        kinds: &Limits,
    ) -> EngineResult<()> {
        let now = self.limits_record(container).await?;
        self.update_limits(container, limits::restore(&now, before, kinds))
            .await
    }
}
