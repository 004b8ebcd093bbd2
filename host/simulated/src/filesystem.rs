//! Files and disks of containers.

use async_trait::async_trait;
use duress_engine::{
    ContainerId, EngineError, EngineResult, FileCopy, FileSystem, Files, Fill, OwnedReplacement,
    Replacement, Sharer, Standing,
};

use super::engine::SimulatedEngine;

/// What a file system of a container holds, in bytes.
const CAPACITY: u64 = 64 << 20;

/// A file that was not there before.
const ROOTS_FILE: FileCopy = FileCopy {
    contents: Vec::new(),
    mode: 0o644,
    user: 0,
    group: 0,
};

#[async_trait]
impl Files for SimulatedEngine {
    async fn file_system(&self, id: &ContainerId, _: &str) -> EngineResult<FileSystem> {
        self.look("look at a file system", |machine| {
            let used: u64 = machine.container(&id.0)?.files.values().sum();
            Ok(FileSystem {
                capacity: CAPACITY,
                available: CAPACITY.saturating_sub(used),
                root: false,
            })
        })
        .await
    }

    async fn fill_disk(&self, id: &ContainerId, fill: Fill<'_>) -> EngineResult<()> {
        let (path, size) = (fill.path.to_owned(), fill.size);
        self.change("fill a disk", move |machine| {
            machine.touch(&id.0)?.files.insert(path, size);
            Ok(())
        })
        .await
    }

    async fn fill_is_there(&self, id: &ContainerId, fill: Fill<'_>) -> EngineResult<bool> {
        let (path, size) = (fill.path.to_owned(), fill.size);
        self.look("look at a file", move |machine| {
            Ok(machine.container(&id.0)?.files.get(&path) == Some(&size))
        })
        .await
    }

    async fn remove_fill(&self, id: &ContainerId, fill: Fill<'_>) -> EngineResult<()> {
        let path = fill.path.to_owned();
        self.change("remove a file", move |machine| {
            machine.touch(&id.0)?.files.remove(&path);
            Ok(())
        })
        .await
    }

    async fn read_file(&self, id: &ContainerId, path: &str) -> EngineResult<Standing> {
        self.look("look at a file", |machine| {
            let file = machine.container(&id.0)?.kept_files.get(path);
            Ok(Standing::from(file))
        })
        .await
    }

    async fn replace_file(&self, id: &ContainerId, new: Replacement<'_>) -> EngineResult<()> {
        let new = OwnedReplacement::from(new);
        self.change("replace a file", move |machine| {
            let new = new.wanted();
            let files = &mut machine.touch(&id.0)?.kept_files;
            let there = files.get(new.path);
            if there.is_some_and(|file| file.contents == new.contents) {
                return Ok(());
            }
            if there != new.original {
                return Err(EngineError::Failed(format!(
                    "replace {}: it was changed since it was recorded",
                    new.path
                )));
            }
            let file = FileCopy {
                contents: new.contents.to_vec(),
                ..new.original.cloned().unwrap_or(ROOTS_FILE)
            };
            files.insert(new.path.to_owned(), file);
            Ok(())
        })
        .await
    }

    async fn restore_file(&self, id: &ContainerId, new: Replacement<'_>) -> EngineResult<()> {
        let new = OwnedReplacement::from(new);
        self.change("restore a file", move |machine| {
            let new = new.wanted();
            let files = &mut machine.touch(&id.0)?.kept_files;
            match new.original {
                Some(original) => files.insert(new.path.to_owned(), original.clone()),
                None => files.remove(new.path),
            };
            Ok(())
        })
        .await
    }

    async fn is_of_machine(&self, id: &ContainerId, _: &str) -> EngineResult<bool> {
        self.look("look at a mount", |machine| {
            machine.container(&id.0).map(|_| false)
        })
        .await
    }

    async fn volume_sharers(&self, id: &ContainerId, _: &str) -> EngineResult<Vec<Sharer>> {
        self.look("look for who shares a volume", |machine| {
            machine.container(&id.0).map(|_| Vec::new())
        })
        .await
    }
}
