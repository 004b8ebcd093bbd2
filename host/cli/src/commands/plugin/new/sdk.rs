//! Where a new project in Rust finds the SDK.

use std::path::{Path, PathBuf};

use duress_model::{Error, Result};

/// The sources that this program was built from: the default, for they fit it.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Returns the right side of `duress-sdk = …` in a `Cargo.toml`.
pub(crate) fn dependency(named: Option<&str>) -> Result<String> {
    match named {
        Some(url) if is_url(url) => Ok(git(url)),
        Some(folder) => in_folder(Path::new(folder)).map(|found| path(&found)).ok_or_else(|| {
            Error::input(format!("{folder} does not hold the SDK of duress"))
                .hint("name a folder with the sources of duress, or the URL of its git repository")
        }),
        None => in_folder(Path::new(SOURCES)).map(|found| path(&found)).ok_or_else(|| {
            Error::input("this duress does not know where its SDK for Rust is: the sources that it was built from are gone")
                .hint("name it: --sdk URL, the git repository of duress, or --sdk FOLDER with its sources")
        }),
    }
}

fn is_url(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@")
}

fn git(url: &str) -> String {
    // A debug string of Rust is a basic string of TOML for everything that a URL may hold.
    format!("{{ git = {url:?} }}")
}

fn path(folder: &Path) -> String {
    format!("{{ path = {:?} }}", folder.display().to_string())
}

/// Returns the SDK in its own folder, or in that of the whole of duress.
fn in_folder(folder: &Path) -> Option<PathBuf> {
    [folder.to_owned(), folder.join("plugins/sdk")]
        .into_iter()
        .filter(|folder| {
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml"));
            manifest.is_ok_and(|text| text.contains("name = \"duress-sdk\""))
        })
        .find_map(|folder| folder.canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_becomes_a_git_dependency_and_a_folder_a_path() {
        assert_eq!(
            dependency(Some("https://git.example/duress.git")).expect("a URL"),
            r#"{ git = "https://git.example/duress.git" }"#
        );
        let here = dependency(Some(SOURCES)).expect("these sources");
        assert!(here.ends_with("plugins/sdk\" }"), "{here}");
        assert_eq!(dependency(None).expect("the same"), here);
        let error = dependency(Some("/nothing")).expect_err("no such folder");
        assert!(error.hints()[0].contains("git repository"), "{error}");
    }
}
