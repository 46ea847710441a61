//! Directories, opened so that what happens in them survives a power cut.

use super::FileError;
use rustix::io::Errno;
use std::fs::File;
use std::path::Path;

/// The directory that holds `path`, as a path that can be opened.
pub(super) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

pub(super) fn open_directory(path: &Path) -> Result<File, FileError> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let descriptor = rustix::fs::open(path, flags, Mode::empty())
        .map_err(FileError::system("open the directory", path))?;
    Ok(descriptor.into())
}

/// Makes durable that `path`, in the directory, came or went.
pub(super) fn sync_directory(directory: &File, path: &Path) -> Result<(), FileError> {
    match rustix::fs::fsync(directory) {
        // EINVAL is how a file system says that its directories need no syncing, or cannot be synced at all.
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(FileError::system("make durable, in its directory, the change of", path)(errno)),
    }
}
