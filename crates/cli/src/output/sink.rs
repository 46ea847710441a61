//! Where data goes: a file that appears complete or not at all, stdout, or nowhere.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;

use envel_ops::store::files::{FileError, OutputFile, Privacy, WritePolicy};

use crate::exit::{Exit, Failure};

/// An open output.
#[derive(Debug)]
pub(crate) enum Sink {
    File(OutputFile),
    Stdout(Stdout),
    Nowhere,
}

/// The process's stdout, unbuffered.
#[derive(Debug)]
pub(crate) struct Stdout {
    file: File,
    /// A terminal that nobody asked to show whatever comes.
    shows_text_alone: bool,
}

/// Data for a terminal that could change its state.
#[derive(Debug, thiserror::Error)]
#[error("the output is binary, and stdout is a terminal")]
struct BinaryForTerminal;

impl Sink {
    /// Opens a file that appears at `path` when finished.
    ///
    /// # Errors
    /// [`FileError`], by `policy`.
    pub(crate) fn file(path: &Path, policy: WritePolicy, privacy: Privacy) -> Result<Self, FileError> {
        OutputFile::create(path, policy, privacy).map(Self::File)
    }

    /// Opens stdout. If it is a terminal that was not asked for (`-o -`), it takes text alone.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn stdout(was_asked_for: bool) -> Result<Self, Failure> {
        let stdout = io::stdout();
        let shows_text_alone = stdout.is_terminal() && !was_asked_for;
        let file = stdout.as_fd().try_clone_to_owned().map_err(|error| Failure::io("stdout", &error))?.into();
        Ok(Self::Stdout(Stdout { file, shows_text_alone }))
    }

    /// Whether what is written can still be withheld: nothing of a file shows before it is finished.
    pub(crate) fn can_be_withheld(&self) -> bool {
        match self {
            Self::File(file) => !file.is_direct(),
            Self::Stdout(_) => false,
            Self::Nowhere => true,
        }
    }

    /// Puts a file in place, synced.
    ///
    /// # Errors
    /// [`FileError`]: there is no new file then, and an old one is as it was.
    pub(crate) fn finish(self) -> Result<(), FileError> {
        match self {
            Self::File(file) => file.commit(),
            Self::Stdout(_) | Self::Nowhere => Ok(()),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(Stdout { shows_text_alone: true, .. }) if !is_text(bytes) => {
                Err(io::Error::other(BinaryForTerminal))
            }
            Self::Stdout(stdout) => stdout.file.write(bytes),
            Self::Nowhere => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a terminal shows these bytes without changing its state. Bytes above 127 pass: a piece may end within a character.
fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| !byte.is_ascii_control() || b"\t\n\r".contains(byte))
}

/// The failure behind an error of a write to a terminal that takes text alone.
pub(crate) fn binary_for_terminal(error: &io::Error) -> Option<Failure> {
    error.get_ref().filter(|inner| inner.is::<BinaryForTerminal>()).map(|inner| {
        Failure::new(
            Exit::Usage,
            inner.to_string(),
            "give -o FILE, or -o - to write it to the terminal all the same",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_not_text() {
        assert!(is_text("Grüße\t1\r\n".as_bytes()));
        assert!(!is_text(b"\x1b[2J"));
        assert!(!is_text(b"\x00"));
    }
}
