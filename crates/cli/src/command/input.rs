//! Inputs, opened.

use std::fs::{File, Metadata};
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::Path;

use envel::{Client, Error, ReadAt};

use crate::armor::{is_armored, message_reader};
use crate::config::items::Source;
use crate::exit::Failure;
use crate::output::human::Console;
use crate::output::progress::Watched;

/// An open input.
#[derive(Debug)]
pub(super) struct OpenInput {
    pub(super) file: File,
    /// Of a file, as it was opened: what is removed afterwards must be this one.
    pub(super) metadata: Option<Metadata>,
}

impl OpenInput {
    /// Opens a file or stdin. `was_named` says whether the user named stdin, who then may type it in.
    ///
    /// # Errors
    /// The operating system's; a terminal that nobody meant to type into.
    pub(super) fn open(source: &Source, was_named: bool) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::io(source, &error);
        match source {
            Source::File(path) => {
                let file = File::open(path).map_err(failed)?;
                let metadata = file.metadata().map_err(failed)?;
                if metadata.is_dir() {
                    return Err(failed(io::ErrorKind::IsADirectory.into()));
                }
                Ok(Self { file, metadata: Some(metadata) })
            }
            Source::Stdin | Source::Producer => {
                let stdin = io::stdin();
                if stdin.is_terminal() && !was_named {
                    return Err(Failure::usage("no input is named", "name a file, or give - to type it in"));
                }
                Ok(Self { file: stdin.as_fd().try_clone_to_owned().map_err(failed)?.into(), metadata: None })
            }
        }
    }

    /// Length of a regular file.
    pub(super) fn length(&self) -> Option<u64> {
        self.metadata.as_ref().filter(|metadata| metadata.is_file()).map(Metadata::len)
    }

    /// The file, for reading at any position: a regular file, and a message in binary.
    ///
    /// # Errors
    /// It is something else, or cannot be read.
    pub(super) fn into_positioned(self, source: &Source) -> Result<File, Failure> {
        if self.length().is_none() {
            return Err(Failure::usage(
                format!("{source} is not a regular file, and --range reads at any position"),
                "write the message to a file first, or decrypt the whole of it",
            ));
        }
        let mut beginning = [0; 2];
        let count = self.file.read_at(0, &mut beginning).map_err(|error| Failure::io(source, &error))?;
        if is_armored(&beginning[..count]) {
            return Err(Failure::usage(
                format!("{source} is base64 text, and --range reads binary messages alone"),
                "decode it first (base64 -d), or decrypt the whole message",
            ));
        }
        Ok(self.file)
    }

    /// Reads it, with a progress bar if somebody watches.
    pub(super) fn into_reader(self, console: Console) -> impl Read {
        let length = self.length();
        Watched::new(self.file, length, console.shows_progress())
    }
}

/// Whether the user wrote `-` among the inputs.
pub(super) fn names_stdin(inputs: &[std::path::PathBuf]) -> bool {
    inputs.iter().any(|input| input == Path::new("-"))
}

/// Whether a file begins with the header of a message, whatever its keys. A file that cannot be read is none: its error shows
/// when it is opened.
pub(super) fn is_message(path: &Path) -> bool {
    let client = Client::builder().max_encrypted_data_keys(None).build();
    File::open(path)
        .map_err(Error::from)
        .and_then(|file| client.read_header(message_reader(file)?))
        .map_or_else(|error| matches!(error, Error::Refused(_)), |_| true)
}
