//! Where data goes: a file that appears complete or not at all, stdout, or nowhere.

use std::fs::File;
use std::io::{self, IoSlice, IsTerminal, Write};
use std::mem;
use std::os::fd::AsFd;
use std::path::Path;
use std::str;

use envel_ops::store::files::{
    self, FileError, FileIdentity, NewDirectories, OutputFile, Privacy, WritePolicy,
};

use crate::exit::{Exit, Failure};

/// An open output.
#[derive(Debug)]
pub(crate) enum Sink {
    File {
        file: OutputFile,
        /// Gone again, after the file, if that is not put in place.
        directories: NewDirectories,
    },
    Stdout(Stdout),
    Nowhere,
}

/// The process's stdout, unbuffered.
#[derive(Debug)]
pub(crate) struct Stdout {
    file: File,
    /// For a terminal that nobody asked to show whatever comes.
    text_check: Option<TextCheck>,
}

/// Stdout did not take what was written.
#[derive(Debug, thiserror::Error)]
#[error("stdout: {0}")]
struct StdoutFailed(io::Error);

/// Data for a terminal that could change its state.
#[derive(Debug, thiserror::Error)]
#[error("the output is binary, and stdout is a terminal")]
struct BinaryForTerminal;

impl Sink {
    /// Opens a file that appears at `path` when finished; `makes_directories` that are missing on the way there.
    ///
    /// # Errors
    /// [`FileError`], by `policy`.
    pub(crate) fn file(
        path: &Path,
        makes_directories: bool,
        policy: WritePolicy,
        privacy: Privacy,
    ) -> Result<Self, FileError> {
        let directories = match path.parent() {
            Some(parent) if makes_directories => files::create_directories(parent)?,
            _ => NewDirectories::default(),
        };
        Ok(Self::File { file: OutputFile::create(path, policy, privacy)?, directories })
    }

    /// Opens stdout. If it is a terminal that was not asked for (`-o -`), it takes text alone.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn stdout(was_asked_for: bool) -> Result<Self, Failure> {
        let stdout = io::stdout();
        let text_check = (stdout.is_terminal() && !was_asked_for).then(TextCheck::default);
        let file = stdout.as_fd().try_clone_to_owned().map_err(|error| Failure::io("stdout", &error))?.into();
        Ok(Self::Stdout(Stdout { file, text_check }))
    }

    /// Whether what is written can still be withheld: nothing of a file shows before it is finished.
    pub(crate) fn can_be_withheld(&self) -> bool {
        match self {
            Self::File { file, .. } => !file.is_direct(),
            Self::Stdout(_) => false,
            Self::Nowhere => true,
        }
    }

    /// Which file the output is, if it is one that can be put in place.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn identity(&self) -> Result<Option<FileIdentity>, Failure> {
        match self {
            Self::File { file, .. } if !file.is_direct() => {
                let metadata = file.file().metadata().map_err(|error| Failure::io("the output", &error))?;
                Ok(Some((&metadata).into()))
            }
            Self::File { .. } | Self::Stdout(_) | Self::Nowhere => Ok(None),
        }
    }

    /// Puts a file in place, synced.
    ///
    /// # Errors
    /// [`FileError`]: there is no new file then, and an old one is as it was.
    pub(crate) fn finish(self) -> Result<(), FileError> {
        match self {
            Self::File { file, directories } => {
                file.commit()?;
                directories.keep();
                Ok(())
            }
            Self::Stdout(_) | Self::Nowhere => Ok(()),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::Nowhere => Ok(bytes.len()),
        }
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::File { file, .. } => file.write_vectored(pieces),
            Self::Stdout(stdout) => stdout.write_vectored(pieces),
            Self::Nowhere => Ok(pieces.iter().map(|piece| piece.len()).sum()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(check) = &mut self.text_check else {
            return self.file.write_vectored(pieces).map_err(of_stdout);
        };
        // The check has seen what follows only if all of this is written.
        let mut count = 0;
        for piece in pieces {
            if !check.is_text(piece) {
                return Err(io::Error::other(BinaryForTerminal));
            }
            self.file.write_all(piece).map_err(of_stdout)?;
            count += piece.len();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn of_stdout(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::Interrupted => error,
        kind => io::Error::new(kind, StdoutFailed(error)),
    }
}

/// Tells whether a terminal shows bytes, which come in pieces, without changing its state.
#[derive(Debug, Default)]
struct TextCheck {
    /// The end of the pieces so far that needs what follows to be judged: a part of a character, or `\r`.
    undecided: Vec<u8>,
}

impl TextCheck {
    /// Whether the next piece is text: UTF-8 without control characters but for tabs and ends of lines.
    fn is_text(&mut self, piece: &[u8]) -> bool {
        let mut bytes = mem::take(&mut self.undecided);
        bytes.extend_from_slice(piece);
        let end = match str::from_utf8(&bytes) {
            Ok(_) if bytes.ends_with(b"\r") => bytes.len() - 1,
            Ok(_) => bytes.len(),
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            Err(_) => return false,
        };
        self.undecided = bytes.split_off(end);
        // A part of a character after `\r` is not the end of a line.
        str::from_utf8(&bytes).is_ok_and(|text| {
            text.replace("\r\n", "\n")
                .chars()
                .all(|character| !character.is_control() || "\t\n".contains(character))
        })
    }
}

/// The failure behind an error of a write to stdout.
pub(crate) fn stdout_failure(error: &io::Error) -> Option<Failure> {
    let StdoutFailed(reason) = error.get_ref()?.downcast_ref()?;
    Some(Failure::io("stdout", reason))
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

    fn is_text(pieces: &[&[u8]]) -> bool {
        let mut check = TextCheck::default();
        pieces.iter().all(|piece| check.is_text(piece))
    }

    #[test]
    fn control_characters_are_not_text() {
        assert!(is_text(&["Grüße\t1\r\n".as_bytes()]));
        assert!(!is_text(&[b"\x1b[2J"]));
        assert!(!is_text(&[b"\x00"]));
        assert!(!is_text(&["\u{9b}2J".as_bytes()]), "an 8-bit escape sequence");
        assert!(!is_text(&[b"\x9b2J"]));
        assert!(!is_text(&[b"visible\rhidden"]), "a line written over");
    }

    #[test]
    fn text_is_judged_across_pieces() {
        assert!(is_text(&[b"a\r", b"\nb"]));
        assert!(is_text(&[b"\xc3", b"\x9f"]), "a character in two pieces");
        assert!(!is_text(&[b"a\r", b"b"]));
        assert!(!is_text(&[b"\xc2", b"\x9b2J"]));
        assert!(!is_text(&[b"a\r", b"\xc3", b"\x9f"]));
    }
}
