//! Python: componentize-py puts the interpreter and the program into a component.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use duress_model::{Error, Result};

/// The program, from PyPI.
const TOOL: &str = "componentize-py";

/// Returns where the component is.
pub(crate) fn build(folder: &Path) -> Result<PathBuf> {
    let component = folder.join("gen/plugin.wasm");
    let failed = |error: std::io::Error| Error::environment(format!("start {TOOL}: {error}"));
    std::fs::create_dir_all(folder.join("gen"))
        .map_err(|error| Error::environment(format!("make {}/gen: {error}", folder.display())))?;
    // Of the project itself, or of the whole machine.
    let own = folder.join(".venv/bin").join(TOOL);
    let tool = if own.is_file() {
        own
    } else {
        PathBuf::from(TOOL)
    };
    let run = Command::new(&tool)
        .arg("--wit-path")
        .arg(folder.join("wit"))
        .args(["componentize", "app", "--python-path"])
        .arg(folder.join("src"))
        .arg("--output")
        .arg(&component)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    let status = match run {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let venv = folder.join(".venv");
            let venv = venv.display();
            return Err(
                Error::environment(format!("{TOOL} is not installed")).hint(format!(
                    "python3 -m venv {venv} && {venv}/bin/pip install {TOOL}"
                )),
            );
        }
        other => other.map_err(failed)?,
    };
    if !status.success() {
        return Err(Error::input(format!("{} does not build", folder.display()))
            .hint(format!("{TOOL} says why, above")));
    }
    Ok(component)
}
