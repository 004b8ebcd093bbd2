//! `http`: requests to the stack's own endpoints and to granted hosts. `duress_http` says which those are.

use serde_json::json;

use super::bindings::duress::plugin::http::{Host, Request, Response};
use super::operations::RESPONSE_LIMIT;
use super::{Ctx, GuestError};

impl Host for Ctx {
    async fn send(&mut self, request: Request) -> wasmtime::Result<Result<Response, GuestError>> {
        // Headers and bodies may carry secrets: the audit says how much there was, not what.
        let arguments = json!({
            "method": request.method, "url": request.url,
            "headers": request.headers.len(), "body_bytes": request.body.len(),
        });
        let operations = self.operations();
        self.audited("http.send", arguments, |scope| async move {
            let trial = scope.trial()?;
            let hosts = scope.grants.hosts();
            let reach = trial.reach(&scope.grants, &hosts);
            if let Some(operations) = operations {
                let (http, book) = (&operations.http, operations.book());
                let request = request.into();
                let sent = match book {
                    Ok(book) => http.send_known(reach, book, &request, RESPONSE_LIMIT).await,
                    // Hosts beyond the stack are reached without one.
                    Err(_) => http.send(reach, &request).await,
                };
                return Ok(sent?.into());
            }
            Ok(trial.http.send(reach, &request.into()).await?.into())
        })
        .await
    }
}
