//! Files and trees of files on Unix.
//!
//! [`walk`] lists a tree; [`OutputFile`] makes a file appear at its name complete or not at all, in directories that
//! [`create_directories`] makes; [`remove_source`] removes what a new file replaces, once that is safe.
//!
//! ```
//! use envel_ops::store::files::{FileError, OutputFile, Privacy, WritePolicy};
//! use std::io::Write;
//!
//! # let scratch = tempfile::tempdir()?;
//! let path = scratch.path().join("report.envel");
//! let mut output = OutputFile::create(&path, WritePolicy::Refuse, Privacy::Shared)?;
//! output.write_all(b"ciphertext")?;
//! assert!(!path.exists(), "nothing shows before the commit");
//! output.commit()?;
//! assert_eq!(std::fs::read(&path)?, b"ciphertext");
//!
//! let again = OutputFile::create(&path, WritePolicy::Refuse, Privacy::Shared);
//! assert!(matches!(again, Err(FileError::TargetExists { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod directory;
mod error;
mod hidden;
mod output;
mod source;
mod walk;

#[cfg(test)]
mod tests;

pub use directory::{NewDirectories, create_directories};
pub use error::FileError;
pub use hidden::remove_unfinished;
pub use output::{OutputFile, Privacy, WritePolicy};
pub use source::{FileIdentity, remove_source, same_file};
pub use walk::{Entry, EntryKind, walk};
