//! The built-in client: one HTTP request, many times.

use async_trait::async_trait;

use duress_engine::AddressBook;
use duress_experiment::{Load, LoadClient};
use duress_http::{Client as Transport, Repeated};
use duress_model::{Error, HttpRequest, Result};

use super::client::{Client, Failure};

/// Sends one request for each operation, over connections that are kept.
#[derive(Debug)]
pub struct HttpClient {
    request: Repeated,
    error_from_status: u16,
}

impl HttpClient {
    /// Returns the client of a load by HTTP. A URL whose host is a plain name (`http://web:8080/`) leads to that container of the stack; one
    /// with a dot or a colon in it, and `localhost`, leads elsewhere.
    ///
    /// # Errors
    /// `Input` for a request that cannot be sent, and for a container's name where the subject has none.
    pub fn new(transport: &Transport, load: &Load, stack: Option<AddressBook>) -> Result<Self> {
        let LoadClient::Http {
            method,
            url,
            headers,
            body,
            error_from_status,
        } = &load.client
        else {
            return Err(Error::input("this workload is not made by HTTP requests"));
        };
        let refused = |why: &dyn std::fmt::Display| {
            Error::input(format!("set up the workload {method} {url}: {why}"))
        };
        let request = HttpRequest {
            method: method.clone(),
            url: url.clone(),
            headers: headers.clone(),
            body: body.clone().unwrap_or_default().into_bytes(),
            timeout_ms: load.timeout_ms,
        };
        let stack = match (names_a_container(url), stack) {
            (false, _) => None,
            (true, Some(stack)) => Some(stack),
            (true, None) => {
                return Err(
                    refused(&"the subject has no compose file, and so no containers")
                        .hint("name a host with its domain, or its address"),
                );
            }
        };
        let request = Repeated::new(transport, request, stack, load.in_flight as usize)
            .map_err(|error| refused(&error))?;
        Ok(Self {
            request,
            error_from_status: *error_from_status,
        })
    }
}

/// Whether a URL's host is a plain name, as those of containers are.
fn names_a_container(url: &str) -> bool {
    let authority = duress_http::authority_of(url).unwrap_or_default();
    let host = authority.rsplit_once(':').map_or("", |(host, _)| host);
    !host.is_empty() && host != "localhost" && !host.contains(['.', ':'])
}

#[async_trait]
impl Client for HttpClient {
    async fn operate(&self, _number: u64) -> std::result::Result<(), Failure> {
        let status = self
            .request
            .send()
            .await
            .map_err(|trouble| Failure::new(trouble.kind, &trouble.detail))?;
        if status < self.error_from_status {
            return Ok(());
        }
        let kind = format!("status_{}xx", status / 100);
        Err(Failure::new(
            &kind,
            &format!("it answered with status {status}"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_is_a_container() {
        for (url, is_container) in [
            ("http://web:8080/cart", true),
            ("http://web/", true),
            ("http://worker-2:80/", true),
            ("http://localhost:80/", false),
            ("http://shop.example/", false),
            ("http://127.0.0.1:80/", false),
            ("http://[::1]:80/", false),
            ("no URL", false),
        ] {
            assert_eq!(names_a_container(url), is_container, "{url}");
        }
    }
}
