//! Directories, opened so that what happens in them survives a power cut.

use super::FileError;
use super::hidden::UnfinishedDirectory;
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

/// Directories that [`create_directories`] made. Dropped, they are gone again unless something lies in them.
#[derive(Debug, Default)]
#[must_use = "dropping it removes the directories"]
pub struct NewDirectories(Vec<UnfinishedDirectory>);

impl NewDirectories {
    /// Lets them stay.
    pub fn keep(mut self) {
        self.0.drain(..).for_each(UnfinishedDirectory::keep);
    }
}

impl Drop for NewDirectories {
    fn drop(&mut self) {
        // The innermost first: only what is empty can be removed.
        while self.0.pop().is_some() {}
    }
}

/// Makes a directory and those above it, as far as they are missing, each durable before the next is made.
///
/// They last once the caller [keeps](NewDirectories::keep) them; until then a failure or [`remove_unfinished`] takes them away.
///
/// # Errors
/// [`FileError::System`]: those made before the failure are gone again.
///
/// [`remove_unfinished`]: super::remove_unfinished
pub fn create_directories(path: &Path) -> Result<NewDirectories, FileError> {
    let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.is_dir();
    let missing: Vec<_> = path.ancestors().take_while(missing).collect();
    let mut made = NewDirectories::default();
    for path in missing.into_iter().rev() {
        let parent = open_directory(directory_of(path))?;
        match UnfinishedDirectory::create(path) {
            Ok(directory) => made.0.push(directory),
            // Another process was faster, and may not have made it durable yet.
            Err(Errno::EXIST) if path.is_dir() => {}
            Err(errno) => return Err(FileError::system("make the directory", path)(errno)),
        }
        sync_directory(&parent, path)?;
    }
    Ok(made)
}
