//! Files of containers that are replaced and restored.

use duress_engine::{
    ContainerId, EngineError, EngineResult, FileCopy, OwnedReplacement, Replacement,
};

use super::engine::SimulatedEngine;

/// A file that was not there before.
const ROOTS_FILE: FileCopy = FileCopy {
    contents: Vec::new(),
    mode: 0o644,
    user: 0,
    group: 0,
};

impl SimulatedEngine {
    pub(super) async fn put_file(
        &self,
        id: &ContainerId,
        new: Replacement<'_>,
    ) -> EngineResult<()> {
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

    pub(super) async fn put_file_back(
        &self,
        id: &ContainerId,
        new: Replacement<'_>,
    ) -> EngineResult<()> {
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
}
