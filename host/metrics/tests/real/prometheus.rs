//! A real Prometheus on loopback, and what it scrapes.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Debian's Prometheus, which scrapes one target five times a second.
pub struct Prometheus {
    child: Child,
    pub address: String,
    _folder: TempDir,
}

/// How often it scrapes, in milliseconds.
pub const SCRAPE_MS: u64 = 200;

impl Prometheus {
    pub fn start(target: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prometheus.yaml");
        let configuration = format!(
            "global: {{scrape_interval: {SCRAPE_MS}ms, scrape_timeout: {SCRAPE_MS}ms}}\n\
             scrape_configs: [{{job_name: shop, static_configs: [{{targets: [\"{target}\"]}}]}}]\n"
        );
        fs::write(&path, configuration).unwrap();
        let address = free_address();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", path.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("`cargo xtask test` brings prometheus");
        Self {
            child,
            address,
            _folder: folder,
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.unwrap().success());
    }

    pub fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.end();
    }
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// Looks again and again, until what is looked for is there.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        match look().await {
            Ok(found) => return found,
            Err(why) if Instant::now() > end => panic!("{what}: {why}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}
