//! Values that the trial itself has: the subject's state, and what the workload's clients saw.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::context::{Context, Inside};
use crate::look::{Found, Look, Nothing};
use crate::number;
use crate::words::quoted;

/// The most names that a reason lists.
const LISTED: usize = 10;

pub(crate) struct State {
    field: String,
    inside: Arc<dyn Inside>,
}

impl State {
    pub(crate) fn new(field: &str, context: &Context) -> Self {
        Self {
            field: field.to_owned(),
            inside: Arc::clone(&context.inside),
        }
    }
}

#[async_trait]
impl Look for State {
    async fn look(&mut self, _: Duration) -> Result<Found, Nothing> {
        let state = self.inside.state().await.map_err(|why| quoted(&why))?;
        let field = &self.field;
        let Some(value) = state.get(field) else {
            let names = state.as_object().into_iter().flatten();
            let names: Vec<_> = names.map(|(name, _)| name.as_str()).take(LISTED).collect();
            let names = match names[..] {
                [] => "it has none".to_owned(),
                _ => format!("it has {}", quoted(&names.join(", "))),
            };
            return Err(format!("the subject's state has no metric `{field}`: {names}").into());
        };
        match number::of_json(value) {
            Some(value) => Ok(Found::now(value)),
            None => Err(format!(
                "`{field}` of the subject's state is {}, not a number",
                number::kind(value)
            )
            .into()),
        }
    }
}

pub(crate) struct Workload {
    measure: String,
    window: Duration,
    inside: Arc<dyn Inside>,
}

impl Workload {
    pub(crate) fn new(measure: &str, window: Duration, context: &Context) -> Self {
        Self {
            measure: measure.to_owned(),
            window,
            inside: Arc::clone(&context.inside),
        }
    }
}

#[async_trait]
impl Look for Workload {
    async fn look(&mut self, _: Duration) -> Result<Found, Nothing> {
        match self.inside.workload(&self.measure, self.window) {
            Ok(value) => Ok(Found::now(value)),
            Err(why) => Err(quoted(&why).into()),
        }
    }
}
