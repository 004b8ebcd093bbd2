//! Reading a file that a person named, with hints when it is not there.

use std::io::ErrorKind;
use std::path::Path;

use duress_files::{Links, read_regular};
use duress_model::{Error, Result, nearest};

/// The largest file that is read, in bytes: a hundred times any campaign that a person writes, and no way to fill the memory.
pub(super) const SIZE_LIMIT: usize = 1 << 20;

/// Returns the text of a file, without a byte order mark. Everything that goes wrong is [`duress_model::Kind::Input`].
pub(super) fn read(path: &Path) -> Result<String> {
    let shown = path.display();
    if path.is_dir() {
        let mut error = Error::input(format!("cannot read {shown}: it is a directory"));
        let files = yaml_files(path);
        if !files.is_empty() {
            error = error.hint(format!("name one of its files: {}", files.join(", ")));
        }
        return Err(error);
    }
    let bytes = read_regular(path, SIZE_LIMIT as u64, Links::Followed)
        .map_err(|error| missing(path, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        Error::input(format!(
            "cannot read {shown}: it is not UTF-8 text (line {line})"
        ))
        .hint("save it as UTF-8")
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

fn missing(path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    if error.kind() != ErrorKind::NotFound {
        return Error::input(format!("cannot read {shown}: {error}"));
    }
    let failure = Error::input(format!("cannot read {shown}: file not found"));
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if !directory.is_dir() {
        return failure.hint(format!(
            "directory {} does not exist either",
            directory.display()
        ));
    }
    let files = yaml_files(directory);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if let Some(near) = nearest(&name, files.iter().map(String::as_str)) {
        return failure.hint(format!(
            "did you mean {}?",
            path.with_file_name(near).display()
        ));
    }
    if files.is_empty() {
        return failure;
    }
    failure.hint(format!(
        "{} holds {}",
        directory.display(),
        files.join(", ")
    ))
}

/// Returns the YAML files of a directory, sorted; at most ten, for a hint.
fn yaml_files(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.ends_with(".yaml") || name.ends_with(".yml"))
        .collect();
    files.sort();
    files.truncate(10);
    files
}
