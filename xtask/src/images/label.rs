//! The label on an image that says what it was made from.

use anyhow::Result;
use sha2::{Digest as _, Sha256};
use xshell::cmd;

use crate::sh::{CmdExt as _, shell};

const NAME: &str = "io.duress.inputs";

/// Returns the change for `docker import` and `docker commit` that sets the label.
pub(super) fn change(inputs: &str) -> String {
    format!("LABEL {NAME}={inputs}")
}

/// Returns whether an image was made from these inputs.
pub(super) fn is_made_from(image: &str, inputs: &str) -> Result<bool> {
    let format = format!("{{{{index .Config.Labels \"{NAME}\"}}}}");
    let sh = shell()?;
    let label = cmd!(sh, "docker image inspect --format {format} {image}").capture();
    // An image that does not exist has no label.
    Ok(label.is_ok_and(|label| label.trim() == inputs))
}

/// Returns the digest of inputs.
pub(super) fn digest(inputs: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in inputs {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hex::encode(hash.finalize())
}
