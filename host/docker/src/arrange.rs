//! Setting containers aside and making others from them.
//!
//! Every step may be repeated, by any process: what was made is found by its label, what is set aside by its name. An original is
//! never removed, so that it comes back exactly as it was.

use std::time::Duration;

use async_trait::async_trait;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::{
    CreateContainerOptions, RemoveContainerOptions, RenameContainerOptions, StopContainerOptions,
    WaitContainerOptions,
};
use futures::StreamExt as _;
use futures::future::join_all;

use super::calls::{PATIENCE, call, call_within};
use super::copy::{self, Copied};
use super::{Docker, listing, short};
use duress_engine::{
    Arranged, Arrangement, Arrangements, ContainerCopy, ContainerId, EngineError, EngineResult,
    LABEL_ARRANGEMENT, Lifecycle as _, LogsAsked, Project, State,
};

/// How the name of a container ends that is set aside.
const ASIDE: &str = ".duress-aside";
/// How the name of a container ends that is made and not yet in its place.
const NEXT: &str = ".duress-next";
/// How long a container that was made must run to count as started.
const FIRST_MOMENTS: Duration = Duration::from_secs(1);
/// How long a container may take to stop before it is killed.
pub(super) const STOP_GRACE: Duration = Duration::from_secs(10);

/// Returns whether a container of that name is part of its stack, for now.
pub(super) fn is_in_place(name: &str) -> bool {
    !name.ends_with(ASIDE) && !name.ends_with(NEXT)
}

#[async_trait]
impl Arrangements for Docker {
    async fn arrange(&self, project: &Project, arrangement: &Arrangement) -> EngineResult<()> {
        // All are made first: what cannot be made stops nothing.
        for copy in &arrangement.copies {
            self.create_copy(project, &arrangement.token, copy).await?;
        }
        for id in &arrangement.aside {
            self.stop_gently(id).await?;
            let name = name_of(&self.inspect(id).await?);
            if !name.ends_with(ASIDE) {
                self.rename(id, &format!("{name}{}", aside_of(id))).await?;
            }
        }
        let copies = self.copies(project, &arrangement.token).await?;
        for (id, found) in &copies {
            if let Some(name) = name_of(found).strip_suffix(NEXT) {
                self.rename(id, name).await?;
            }
            self.start(id).await?;
        }
        let stays = copies.iter().map(|(id, _)| self.see_it_stay(id));
        join_all(stays).await.into_iter().collect()
    }

    async fn put_back(&self, project: &Project, arrangement: &Arrangement) -> EngineResult<()> {
        for (id, _) in self.copies(project, &arrangement.token).await? {
            self.remove_copy(&id).await?;
        }
        let mut gone = None;
        for id in &arrangement.aside {
            match self.bring_back(id).await {
                // The others come back all the same.
                Err(error @ EngineError::Gone(_)) => gone = Some(error),
                other => other?,
            }
        }
        gone.map_or(Ok(()), Err)
    }

    async fn arranged(
        &self,
        project: &Project,
        arrangement: &Arrangement,
    ) -> EngineResult<Arranged> {
        let (mut done, mut undone) = (0, 0);
        let mut count = |done_here: bool, undone_here: bool| {
            done += usize::from(done_here);
            undone += usize::from(undone_here);
        };
        for id in &arrangement.aside {
            let found = self.inspect(id).await?;
            let is_aside = name_of(&found).ends_with(ASIDE);
            let is_up = is_up(&found);
            count(is_aside && !is_up, !is_aside && is_up);
        }
        let copies = self.copies(project, &arrangement.token).await?;
        for copy in &arrangement.copies {
            let found = copies.iter().find(|(_, found)| is_it(copy, found));
            let runs = |found: &ContainerInspectResponse| {
                is_in_place(&name_of(found)) && is_up(found) && copy::has(found, &copy.overrides)
            };
            count(found.is_some_and(|(_, found)| runs(found)), found.is_none());
        }
        let parts = arrangement.aside.len() + arrangement.copies.len();
        Ok(match (done, undone) {
            (done, _) if done == parts => Arranged::Whole,
            (_, undone) if undone == parts && copies.is_empty() => Arranged::Not,
            _ => Arranged::Partly,
        })
    }
}

impl Docker {
    /// Fails where a container ends as soon as it was started: most often it was told to do what it cannot.
    async fn see_it_stay(&self, id: &ContainerId) -> EngineResult<()> {
        let mut ends = self.api.wait_container(&id.0, None::<WaitContainerOptions>);
        if tokio::time::timeout(FIRST_MOMENTS, ends.next())
            .await
            .is_err()
        {
            return Ok(());
        }
        let found = self.inspect(id).await?;
        let name = name_of(&found);
        let code = listing::details_of(found).exit_code;
        let code = code.map_or_else(
            || "again and again".into(),
            |code| format!("(exit code {code})"),
        );
        let last = LogsAsked {
            since_ms: None,
            lines: 1,
            bytes: 1_000,
        };
        let said = self.read_logs(id, last).await.unwrap_or_default().pop();
        let said = said.map_or_else(String::new, |line| {
            format!("; its last line: {}", line.text)
        });
        Err(EngineError::Failed(format!(
            "{name} ended at once {code}{said}"
        )))
    }

    async fn bring_back(&self, id: &ContainerId) -> EngineResult<()> {
        let name = name_of(&self.inspect(id).await?);
        if let Some(name) = name.strip_suffix(&aside_of(id)) {
            self.rename(id, name).await?;
        }
        self.start(id).await
    }

    /// Returns what was made for an arrangement.
    async fn copies(
        &self,
        project: &Project,
        token: &str,
    ) -> EngineResult<Vec<(ContainerId, ContainerInspectResponse)>> {
        let label = format!("{LABEL_ARRANGEMENT}={token}");
        let mut found = Vec::new();
        for summary in self.summaries(&label).await? {
            let labels = summary.labels.unwrap_or_default();
            let Some(id) = summary.id.map(ContainerId) else {
                continue;
            };
            if labels.get(listing::COMPOSE_PROJECT) != Some(&project.0) {
                continue;
            }
            match self.inspect(&id).await {
                Ok(inspected) => found.push((id, inspected)),
                Err(EngineError::Gone(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    async fn create_copy(
        &self,
        project: &Project,
        token: &str,
        copy: &ContainerCopy,
    ) -> EngineResult<()> {
        let copies = self.copies(project, token).await?;
        if copies.iter().any(|(_, found)| is_it(copy, found)) {
            return Ok(());
        }
        let original = self.inspect(&copy.of).await?;
        let image = match &copy.overrides.image {
            None => None,
            Some(name) => Some(self.image_of(&original, name).await?),
        };
        let copied = Copied::new(&original, copy, image.as_ref(), token)?;
        let what = format!("make a container like {}", short(&copy.of));
        let name = format!("{}{NEXT}", copied.name);
        self.create(&what, &copy.of, Some(name), copied).await?;
        Ok(())
    }

    /// Creates a container, and connect it to its networks.
    pub(super) async fn create(
        &self,
        what: &str,
        of: &ContainerId,
        name: Option<String>,
        copied: Copied,
    ) -> EngineResult<ContainerId> {
        let options = name.map(|name| CreateContainerOptions {
            name: Some(name),
            ..CreateContainerOptions::default()
        });
        let made = self.api.create_container(options, copied.body);
        let made = ContainerId(call(what, of, made).await?.id);
        // Older engines take one network only when a container is created.
        for request in copied.more_networks {
            let (network, request) = request;
            let connected = self.api.connect_network(&network, request.of(&made));
            if let Err(error) = call(what, &made, connected).await {
                self.remove_container(&made).await?;
                return Err(error);
            }
        }
        Ok(made)
    }

    /// Returns the image of a container, whose settings it has where it has no others. The new one must be on the engine's machine.
    async fn image_of(
        &self,
        original: &ContainerInspectResponse,
        wanted: &str,
    ) -> EngineResult<bollard::models::ImageConfig> {
        if self.api.inspect_image(wanted).await.is_err() {
            return Err(EngineError::Missing {
                message: format!("image {wanted} not found on the engine's machine"),
                hint: "pull or build it before the campaign: duress pulls none in a fault".into(),
            });
        }
        let id = original.image.clone().unwrap_or_default();
        let found = listing::within("inspect an image", self.api.inspect_image(&id)).await?;
        Ok(found.config.unwrap_or_default())
    }

    /// Stops a container in good order, whatever its first process makes of signals.
    pub(super) async fn stop_gently(&self, id: &ContainerId) -> EngineResult<()> {
        if !is_up(&self.inspect(id).await?) {
            return Ok(());
        }
        let grace = match self.heeds_stop(id).await {
            true => STOP_GRACE,
            false => Duration::ZERO,
        };
        let options = StopContainerOptions {
            t: i32::try_from(grace.as_secs()).ok(),
            ..StopContainerOptions::default()
        };
        let what = format!("stop container {}", short(id));
        let stopped = self.api.stop_container(&id.0, Some(options));
        call_within(&what, id, PATIENCE + grace, stopped).await?;
        // What they shared has ended; and where the container bears no labels of duress, neither do they.
        self.remove_toolboxes_of(id).await
    }

    async fn remove_copy(&self, id: &ContainerId) -> EngineResult<()> {
        match self.stop_gently(id).await {
            Ok(()) | Err(EngineError::Gone(_)) => {}
            // The removal kills it.
            Err(error) => tracing::info!("{error}"),
        }
        self.remove_toolboxes_of(id).await?;
        self.remove_container(id).await
    }

    /// Removes a container with the volumes that have no name. One that is gone is not an error.
    pub(super) async fn remove_container(&self, id: &ContainerId) -> EngineResult<()> {
        let options = RemoveContainerOptions {
            force: true,
            v: true,
            ..RemoveContainerOptions::default()
        };
        let what = format!("remove container {}", short(id));
        match call(&what, id, self.api.remove_container(&id.0, Some(options))).await {
            Err(EngineError::Gone(_)) => Ok(()),
            other => other,
        }
    }

    async fn rename(&self, id: &ContainerId, name: &str) -> EngineResult<()> {
        let what = format!("rename container {} to {name}", short(id));
        let options = RenameContainerOptions {
            name: name.to_owned(),
        };
        call(&what, id, self.api.rename_container(&id.0, options)).await
    }
}

/// Returns what is added to the name of a container that is set aside: of one name there may be several.
fn aside_of(id: &ContainerId) -> String {
    format!(".{}{ASIDE}", short(id))
}

/// Returns whether a container is the one that was made for a copy.
fn is_it(copy: &ContainerCopy, found: &ContainerInspectResponse) -> bool {
    let labels = found.config.as_ref().and_then(|own| own.labels.as_ref());
    let name = name_of(found);
    labels.and_then(listing::plugin_name) == Some(copy.name.clone())
        || name.strip_suffix(NEXT).unwrap_or(&name) == copy.name
}

fn is_up(found: &ContainerInspectResponse) -> bool {
    matches!(
        listing::state_of(found),
        State::Running | State::Paused | State::Restarting
    )
}

/// Returns the engine's name for a container, without the slash.
pub(super) fn name_of(found: &ContainerInspectResponse) -> String {
    let name = found.name.as_deref().unwrap_or_default();
    name.trim_start_matches('/').to_owned()
}
