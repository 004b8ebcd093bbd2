//! What an HTTP API says to anybody who asks.

use std::time::Duration;

use serde_json::Value;

/// Returns the JSON at a URL; `None` without a good response within two seconds.
pub fn get(url: String) -> Option<Value> {
    // On a thread of its own, so that tests may ask with and without a runtime about them.
    let asking = std::thread::spawn(move || {
        duress_http::choose_cryptography();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .ok()?;
        runtime.block_on(async {
            let client = reqwest::Client::builder()
                .no_proxy()
                .timeout(Duration::from_secs(2))
                .build()
                .ok()?;
            let answer = client.get(url).send().await.ok()?.error_for_status().ok()?;
            serde_json::from_slice(&answer.bytes().await.ok()?).ok()
        })
    });
    asking.join().ok()?
}
