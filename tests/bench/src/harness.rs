//! Two containers on one network, to measure on.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use duress_docker::Docker;
use duress_engine::{ContainerId, LABEL_PROJECT, NetDriver, Project, Stack, Stacks as _};

/// For anything that is done on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `one` holds its own tools and may use them; `peer` waits beside it.
pub(crate) struct Harness {
    pub(crate) docker: Docker,
    pub(crate) project: Project,
    pub(crate) one: ContainerId,
    pub(crate) peer: ContainerId,
    stack: Stack,
    _folder: tempfile::TempDir,
}

impl Harness {
    /// Brings it up. The caller takes it [down](Harness::down).
    pub(crate) async fn up(driver: Option<NetDriver>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let compose = folder.path().join("docker-compose.yaml");
        let image = std::env::var("DURESS_BASE_IMAGE").context("no variable names an image")?;
        let service =
            format!("image: {image}, command: [sleep, infinity], cap_add: [NET_ADMIN], init: true");
        std::fs::write(
            &compose,
            format!("services:\n  one: {{{service}}}\n  peer: {{{service}}}\n"),
        )?;
        let id = uuid::Uuid::now_v7().simple().to_string();
        let project = Project(format!("duress-{}", &id[20..]));
        let stack = Stack {
            project: project.clone(),
            compose_file: compose,
            labels: BTreeMap::from([(LABEL_PROJECT.to_owned(), project.to_string())]),
        };
        let docker = Docker::connect(driver).await?;
        docker.stack_up(&stack, PATIENCE).await?;
        let containers = docker.containers(&project).await?;
        let named = |name: &str| {
            let found = containers.iter().find(|container| container.name == name);
            found
                .map(|container| container.id.clone())
                .context("the stack is up")
        };
        Ok(Self {
            one: named("one")?,
            peer: named("peer")?,
            docker,
            project,
            stack,
            _folder: folder,
        })
    }

    pub(crate) async fn down(&self) -> Result<()> {
        Ok(self.docker.stack_down(&self.stack, PATIENCE).await?)
    }
}
