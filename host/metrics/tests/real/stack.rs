//! Containers of a test's own, which the engine takes for a stack.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// A stack that goes when the test ends.
pub struct Stack {
    pub project: String,
    containers: Vec<String>,
}

impl Stack {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            project: format!("duress-metrics-{}-{number}", std::process::id()),
            containers: Vec::new(),
        }
    }

    /// Starts a container of a service; its id.
    pub fn start(
        &mut self,
        service: &str,
        options: &[&str],
        image: &str,
        command: &[&str],
    ) -> String {
        let image = std::env::var(image).expect("`cargo xtask test` names the images");
        let labels = [
            format!("--label=com.docker.compose.project={}", self.project),
            format!("--label=com.docker.compose.service={service}"),
            // By this one, whatever a test leaves is found.
            format!("--label=io.duress.project={}", self.project),
        ];
        let labels: Vec<_> = labels.iter().map(String::as_str).collect();
        let id = docker(&[&["run", "--detach"], options, &labels, &[&image], command].concat());
        self.containers.push(id.clone());
        id
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for id in &self.containers {
            // A container may have been removed by the test.
            let _ = attempt(&["rm", "--force", "--volumes", id]);
        }
    }
}

/// Runs `docker`; its standard output. Panics when it fails.
pub fn docker(arguments: &[&str]) -> String {
    let output = attempt(arguments);
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Runs `docker`, whatever comes of it.
pub fn attempt(arguments: &[&str]) -> Output {
    let output = Command::new("docker").args(arguments).output();
    output.expect("docker can be started")
}
