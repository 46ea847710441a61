//! What goes wrong with files.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file could not be listed, written, published or removed.
///
/// Each message names the file and what was being done to it, and includes the operating system's reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// [`WritePolicy::Refuse`](super::WritePolicy::Refuse) met a target that exists; it was not touched.
    #[error("{} exists already; it was not touched", .path.display())]
    TargetExists {
        /// The target.
        path: PathBuf,
    },
    /// [`WritePolicy::Keep`](super::WritePolicy::Keep) met a target that exists: nothing failed, nothing was written.
    #[error("{} exists already and is kept", .path.display())]
    TargetKept {
        /// The target.
        path: PathBuf,
    },
    /// The path names something that cannot hold the output, or be removed as a source.
    #[error("{} is {kind}, not a file", .path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it names, with its article.
        kind: &'static str,
    },
    /// A write failed earlier, so that the output is incomplete; the target was not touched.
    #[error("{} is incomplete because a write failed, and is not put in place", .path.display())]
    Incomplete {
        /// The target.
        path: PathBuf,
    },
    /// The source is no longer the file that was read, so it was not removed.
    #[error("{} changed after it was opened, and is not removed", .path.display())]
    SourceChanged {
        /// The source.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {reason}", .path.display())]
    System {
        /// What was being done, as a verb.
        action: &'static str,
        /// The file or directory it was done to.
        path: PathBuf,
        /// The operating system's reason.
        reason: io::Error,
    },
}

impl FileError {
    /// A closure for `map_err` that says what was being done to which path.
    pub(super) fn system<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |reason| Self::System { action, path: path.to_owned(), reason: reason.into() }
    }
}
