//! How duress and its helper hand files to each other: a line of JSON, and the bytes behind it.

use std::io::{BufRead, Read as _, Write};

use serde::{Deserialize, Serialize};

use crate::{FILE_LIMIT, Failure, FileCopy, Replacement, Result, Standing};

/// The longest line of JSON, in bytes: a path and some numbers.
const LINE_LIMIT: u64 = 64 << 10;
/// The most that a message takes, in bytes: two files and a line.
pub const MESSAGE_LIMIT: usize = 2 * FILE_LIMIT + LINE_LIMIT as usize;

#[derive(Serialize, Deserialize)]
struct FileHead {
    size: usize,
    mode: u32,
    user: u32,
    group: u32,
}

#[derive(Serialize, Deserialize)]
struct ReplacementHead {
    path: String,
    token: String,
    size: usize,
    original: Option<FileHead>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StandingHead {
    Absent,
    File(FileHead),
    Other(String),
}

/// A replacement that owns what it is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedReplacement {
    path: String,
    contents: Vec<u8>,
    original: Option<FileCopy>,
    token: String,
}

impl From<Replacement<'_>> for OwnedReplacement {
    fn from(new: Replacement<'_>) -> Self {
        Self {
            path: new.path.to_owned(),
            contents: new.contents.to_vec(),
            original: new.original.cloned(),
            token: new.token.to_owned(),
        }
    }
}

impl OwnedReplacement {
    /// For [`crate::replace`] and [`crate::restore`].
    pub fn wanted(&self) -> Replacement<'_> {
        Replacement {
            path: &self.path,
            contents: &self.contents,
            original: self.original.as_ref(),
            token: &self.token,
        }
    }

    /// As a message.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn send(&self, to: impl Write) -> Result<()> {
        let head = ReplacementHead {
            path: self.path.clone(),
            token: self.token.clone(),
            size: self.contents.len(),
            original: self.original.as_ref().map(FileHead::of),
        };
        let original = self.original.as_ref().map_or(&[][..], |one| &one.contents);
        send(to, &head, &[&self.contents, original])
    }

    /// From a message.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn receive(mut from: impl BufRead) -> Result<Self> {
        let head: ReplacementHead = receive(&mut from)?;
        Ok(Self {
            path: head.path,
            token: head.token,
            contents: contents(&mut from, head.size)?,
            original: match head.original {
                Some(head) => Some(head.file(&mut from)?),
                None => None,
            },
        })
    }
}

impl Standing {
    /// As a message.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn send(&self, to: impl Write) -> Result<()> {
        match self {
            Self::Absent => send(to, &StandingHead::Absent, &[]),
            Self::Other(why) => send(to, &StandingHead::Other(why.clone()), &[]),
            Self::File(file) => {
                let head = StandingHead::File(FileHead::of(file));
                send(to, &head, &[&file.contents])
            }
        }
    }

    /// From a message.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn receive(mut from: impl BufRead) -> Result<Self> {
        Ok(match receive(&mut from)? {
            StandingHead::Absent => Self::Absent,
            StandingHead::Other(why) => Self::Other(why),
            StandingHead::File(head) => Self::File(head.file(&mut from)?),
        })
    }
}

impl FileHead {
    fn of(file: &FileCopy) -> Self {
        Self {
            size: file.contents.len(),
            mode: file.mode,
            user: file.user,
            group: file.group,
        }
    }

    fn file(self, from: &mut impl BufRead) -> Result<FileCopy> {
        Ok(FileCopy {
            contents: contents(from, self.size)?,
            mode: self.mode,
            user: self.user,
            group: self.group,
        })
    }
}

fn send(mut to: impl Write, head: &impl Serialize, bytes: &[&[u8]]) -> Result<()> {
    let mut line = serde_json::to_vec(head).map_err(|error| broken(&error))?;
    line.push(b'\n');
    to.write_all(&line).map_err(|error| broken(&error))?;
    for part in bytes {
        to.write_all(part).map_err(|error| broken(&error))?;
    }
    to.flush().map_err(|error| broken(&error))
}

fn receive<T: for<'de> Deserialize<'de>>(from: &mut impl BufRead) -> Result<T> {
    let mut line = Vec::new();
    from.take(LINE_LIMIT)
        .read_until(b'\n', &mut line)
        .map_err(|error| broken(&error))?;
    serde_json::from_slice(&line).map_err(|error| broken(&error))
}

fn contents(from: &mut impl BufRead, size: usize) -> Result<Vec<u8>> {
    if size > FILE_LIMIT {
        return Err(Failure::Other(format!(
            "a file of {size} bytes was sent: at most {FILE_LIMIT} are allowed"
        )));
    }
    let mut contents = vec![0; size];
    from.read_exact(&mut contents)
        .map_err(|error| broken(&error))?;
    Ok(contents)
}

fn broken(error: &dyn std::fmt::Display) -> Failure {
    Failure::Other(format!("hand a file over: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(contents: &[u8]) -> FileCopy {
        FileCopy {
            contents: contents.to_vec(),
            mode: 0o640,
            user: 7,
            group: 8,
        }
    }

    #[test]
    fn what_is_sent_is_received() {
        for original in [None, Some(file(b"")), Some(file(b"a\nb\0\xff"))] {
            let sent = OwnedReplacement {
                path: "/etc/f\n".into(),
                contents: b"new\n".to_vec(),
                original,
                token: "t".into(),
            };
            let mut message = Vec::new();
            sent.send(&mut message).expect("sent");
            let received = OwnedReplacement::receive(&message[..]).expect("received");
            assert_eq!(received, sent);
        }
        for sent in [
            Standing::Absent,
            Standing::Other("is a directory".into()),
            Standing::File(file(b"\n")),
        ] {
            let mut message = Vec::new();
            sent.send(&mut message).expect("sent");
            let received = Standing::receive(&message[..]).expect("received");
            assert_eq!(received, sent);
        }
    }

    #[test]
    fn what_is_cut_off_or_too_large_is_refused() {
        assert!(Standing::receive(&b""[..]).is_err());
        let head =
            |size: usize| format!(r#"{{"file":{{"size":{size},"mode":0,"user":0,"group":0}}}}"#);
        let cut = head(9) + "\nshort";
        assert!(Standing::receive(cut.as_bytes()).is_err());
        let large = head(usize::MAX) + "\n";
        assert!(Standing::receive(large.as_bytes()).is_err());
    }
}
