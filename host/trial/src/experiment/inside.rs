//! What only the trial knows: its subject's state, and what its clients saw.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use duress_capability::PluginScope;
use duress_metrics::Inside;
use duress_plugin::Plugin;
use duress_workload::Running;
use serde_json::{Map, Value};

use super::lock;

#[derive(Debug)]
pub(super) struct InTrial {
    pub(super) plugin: Arc<Plugin>,
    pub(super) scope: Arc<PluginScope>,
    pub(super) limit: Duration,
    pub(super) load: Arc<Mutex<Option<Running>>>,
}

#[async_trait]
impl Inside for InTrial {
    async fn state(&self) -> Result<Value, String> {
        let captured = self.plugin.component.capture_state(&self.scope, self.limit);
        let state = captured.await.map_err(|error| error.to_string())?;
        let metrics = state.metrics.into_iter();
        let values: Map<_, _> = metrics
            .map(|metric| (metric.name, Value::from(metric.value)))
            .collect();
        Ok(Value::Object(values))
    }

    fn workload(&self, measure: &str, window: Duration) -> Result<f64, String> {
        match lock(&self.load).as_ref() {
            Some(load) => load
                .measure(measure, window)
                .map_err(|missing| missing.reason),
            None => Err("no workload runs".to_owned()),
        }
    }
}
