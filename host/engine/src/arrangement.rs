//! Containers that run in place of others, or beside them, until a change is reverted.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::ContainerId;

/// The label of each container that a change made: the arrangement's token.
pub const LABEL_ARRANGEMENT: &str = "io.duress.arrangement";
/// The label of a container in which a program of a change runs on the volumes of another: that one's ID.
pub const LABEL_OFFLINE: &str = "io.duress.offline-of";

/// The longest command, and the most variables of an environment.
const WORDS_LIMIT: usize = 1_000;

/// Which containers of a stack are set aside, and which are made from others.
///
/// A container that is set aside is stopped and keeps all that it has. It is not part of its stack until it is brought back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrangement {
    /// Drawn by the host: the copies carry it as a label, so that any process finds them.
    pub token: String,
    /// The service whose number of containers it changes; `None` where a container is replaced.
    pub scales: Option<String>,
    /// What is set aside, in the order in which it is stopped.
    pub aside: Vec<ContainerId>,
    /// What is made.
    pub copies: Vec<ContainerCopy>,
}

/// A container made from another's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerCopy {
    /// The container whose configuration it has.
    pub of: ContainerId,
    /// What plugins call it.
    pub name: String,
    /// Its number within its service; `None` where it takes the place and the volumes of the other.
    pub number: Option<u32>,
    /// In what it differs.
    pub overrides: Overrides,
}

/// In what a container differs from the one that it was made from. Nothing else can differ: not its user, its mounts, its
/// capabilities, its networks or its limits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// The command (`command` in a compose file): handed to the image's entrypoint.
    pub command: Option<Vec<String>>,
    /// Variables of its environment; `None` removes one.
    pub environment: BTreeMap<String, Option<String>>,
    /// The image.
    pub image: Option<String>,
}

/// How much of an arrangement is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arranged {
    /// All of it, and its copies run.
    Whole,
    /// Some of it.
    Partly,
    /// Nothing: what was set aside is back and runs.
    Not,
}

impl Overrides {
    /// Returns whether it changes something, and only what may be changed.
    ///
    /// # Errors
    /// What is wrong, as a fragment.
    pub fn check(&self) -> Result<(), String> {
        if *self == Self::default() {
            return Err("replaces a container and changes nothing of it".into());
        }
        let words = self.command.as_ref().map_or(0, Vec::len);
        if words > WORDS_LIMIT || self.environment.len() > WORDS_LIMIT {
            return Err(format!(
                "has more than {WORDS_LIMIT} arguments or variables"
            ));
        }
        let command = self.command.iter().flatten();
        let values = self.environment.values().flatten();
        if command.chain(values).any(|text| text.contains('\0')) {
            return Err("has an argument or a variable with a NUL character".into());
        }
        if let Some(name) = self.environment.keys().find(|name| !is_variable(name)) {
            return Err(format!(
                "sets the variable `{}`: a name needs at least one character, and no `=`",
                name.escape_debug()
            ));
        }
        match &self.image {
            Some(image) if !is_image(image) => Err(format!(
                "names the image `{}`, which is not an image's name",
                image.escape_debug()
            )),
            _ => Ok(()),
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}

/// References of images are parts of paths of the engine's API: nothing that could lead elsewhere.
fn is_image(name: &str) -> bool {
    let fit = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    (1..=255).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(fit)
        && !name.split('/').any(|part| part.is_empty() || part == "..")
}

impl fmt::Display for Arrangement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(service) = &self.scales {
            return match self.copies.len() {
                0 => write!(f, "stop {} containers of {service}", self.aside.len()),
                more => write!(f, "start {more} more containers of {service}"),
            };
        }
        f.write_str("replace it by a container")?;
        for copy in &self.copies {
            write!(f, "{}", copy.overrides)?;
        }
        Ok(())
    }
}

impl fmt::Display for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(image) = &self.image {
            write!(f, " of the image {image}")?;
        }
        if let Some(command) = &self.command {
            write!(f, " with the command {}", command.join(" "))?;
        }
        for (name, value) in &self.environment {
            match value {
                Some(value) => write!(f, " with {name}={value}")?,
                None => write!(f, " without {name}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> Overrides {
        Overrides {
            image: Some(name.to_owned()),
            ..Overrides::default()
        }
    }

    #[test]
    fn an_image_is_a_name_and_no_path_of_the_engine() {
        for name in [
            "postgres:15",
            "duress/base:local",
            "localhost:5000/a/b@sha256:00ff",
        ] {
            assert_eq!(image(name).check(), Ok(()), "{name}");
        }
        for name in [
            "", "/etc", "a/../b", "a//b", "a?x=1", "a b", "a%2e", "-a", "a\n",
        ] {
            assert!(image(name).check().is_err(), "{name}");
        }
    }

    #[test]
    fn variables_have_names() {
        let set = |name: &str, value: &str| Overrides {
            environment: [(name.to_owned(), Some(value.to_owned()))].into(),
            ..Overrides::default()
        };
        assert_eq!(set("A", "b=c").check(), Ok(()));
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")] {
            assert!(set(name, value).check().is_err(), "{name:?}={value:?}");
        }
        assert!(Overrides::default().check().is_err());
    }
}
