//! `stack`: the lifecycle of the trial's own compose project. Only subjects are linked with it. A system that already runs is brought
//! neither up nor down: there the calls succeed without an effect, and what waits for its health waits for what is there.

use std::time::Duration;

use serde_json::json;

use super::bindings::duress::plugin::stack::Host;
use super::{Ctx, GuestError, LONGEST_OPERATION};
use duress_engine::Stack;

type Answer = wasmtime::Result<Result<(), GuestError>>;

impl Host for Ctx {
    async fn up(&mut self, timeout: u64) -> Answer {
        self.audited(
            "stack.up",
            json!({ "timeout": timeout }),
            |scope| async move {
                let trial = scope.trial()?;
                scope.refuse(scope.grants.missing_stack())?;
                if trial.is_attached() {
                    return Ok(());
                }
                Ok(trial
                    .engine()?
                    .stack_up(trial.compose()?, limit(timeout))
                    .await?)
            },
        )
        .await
    }

    async fn down(&mut self, timeout: u64) -> Answer {
        self.audited(
            "stack.down",
            json!({ "timeout": timeout }),
            |scope| async move {
                let trial = scope.trial()?;
                scope.refuse(scope.grants.missing_stack())?;
                if trial.is_attached() {
                    return Ok(());
                }
                Ok(trial
                    .engine()?
                    .stack_down(trial.compose()?, limit(timeout))
                    .await?)
            },
        )
        .await
    }
}

impl super::TrialScope {
    fn compose(&self) -> Result<&Stack, GuestError> {
        self.stack.as_ref().ok_or_else(|| {
            GuestError::Denied("this subject has no compose file, and so no stack".into())
        })
    }
}

fn limit(timeout: u64) -> Duration {
    Duration::from_millis(timeout).min(LONGEST_OPERATION)
}
