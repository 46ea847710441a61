//! A tree of files, in order.

use super::FileError;
use rustix::io::Errno;
use std::fs;
use std::path::{Path, PathBuf};
use walkdir::{DirEntry, WalkDir};

/// What [`walk`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path, beginning with the root as given to [`walk`].
    pub path: PathBuf,
    /// What is there.
    pub kind: EntryKind,
}

/// What a path of a tree names. Directories do not appear: they are walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A symbolic link, which is reported and not followed.
    SymbolicLink,
    /// A device, FIFO or socket.
    Special,
}

/// Lists everything below `root` that is not a directory, or `root` itself if that is a file.
///
/// The order is that of the names' bytes within each directory, depth first, and the same each time. Symbolic links are
/// not followed, so that nothing outside the tree appears and nothing inside appears twice; only `root` itself may be a
/// link, since the caller named it.
///
/// # Errors
/// An entry that cannot be read is an item of its own, [`FileError::System`]; the walk goes on with the next one.
///
/// # Cost
/// Memory grows with the names in the directories between `root` and the current entry, not with the tree. What is
/// created in a directory after the walk has entered it is not seen.
///
/// ```
/// use envel_ops::store::files::{EntryKind, walk};
/// # let scratch = tempfile::tempdir()?;
/// # std::fs::write(scratch.path().join("b"), "")?;
/// # std::fs::write(scratch.path().join("a"), "")?;
/// let entries = walk(scratch.path()).collect::<Result<Vec<_>, _>>()?;
/// assert!(entries.iter().all(|entry| entry.kind == EntryKind::File));
/// assert!(entries[0].path.ends_with("a") && entries[1].path.ends_with("b"));
/// assert!(walk("no such place".as_ref()).next().is_some_and(|entry| entry.is_err()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn walk(root: &Path) -> impl Iterator<Item = Result<Entry, FileError>> + use<> {
    let root = root.to_owned();
    WalkDir::new(&root).sort_by_file_name().into_iter().filter_map(move |found| match found {
        Ok(entry) => describe(&entry).transpose(),
        Err(error) => {
            let path = error.path().unwrap_or(&root).to_owned();
            let reason = error.into_io_error().unwrap_or_else(|| Errno::LOOP.into());
            Some(Err(FileError::System { action: "read", path, reason }))
        }
    })
}

/// `None` for a directory.
fn describe(entry: &DirEntry) -> Result<Option<Entry>, FileError> {
    let path = entry.path();
    let file_type = if entry.depth() == 0 {
        fs::metadata(path).map_err(FileError::system("read", path))?.file_type()
    } else {
        entry.file_type()
    };
    let kind = if file_type.is_dir() {
        return Ok(None);
    } else if file_type.is_file() {
        EntryKind::File
    } else if file_type.is_symlink() {
        EntryKind::SymbolicLink
    } else {
        EntryKind::Special
    };
    Ok(Some(Entry { path: path.to_owned(), kind }))
}
