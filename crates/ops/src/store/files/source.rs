//! The file that an output was made from.

use super::FileError;
use super::directory::{directory_of, open_directory, sync_directory};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Removes a source file durably, once what replaces it has been committed.
///
/// `as_read` is the metadata of the source when it was opened ([`File::metadata`](std::fs::File::metadata)): a file that was
/// written to or replaced since then holds something that nobody encrypted, and stays. Other hard links to the file stay too.
///
/// # Errors
/// [`FileError::SourceChanged`]; [`FileError::NotAFile`] for a symbolic link, since removing it would leave the data in
/// place; [`FileError::System`]. The source is still there unless the message says that the directory could not be made
/// durable.
///
/// # Security
/// The data stays on the medium until the file system overwrites it.
pub fn remove_source(path: &Path, as_read: &Metadata) -> Result<(), FileError> {
    let directory = open_directory(directory_of(path))?;
    let now = fs::symlink_metadata(path).map_err(FileError::system("remove", path))?;
    if now.is_symlink() {
        return Err(FileError::NotAFile { path: path.to_owned(), kind: "a symbolic link" });
    }
    if version(&now) != version(as_read) {
        return Err(FileError::SourceChanged { path: path.to_owned() });
    }
    fs::remove_file(path).map_err(FileError::system("remove", path))?;
    sync_directory(&directory, path)
}

/// Changes whenever the path names another file or the file is written to.
fn version(metadata: &Metadata) -> (u64, u64, u64, i64, i64) {
    (metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

/// Whether both paths lead to one file, by whatever names or links. A path that leads nowhere is no file.
///
/// # Errors
/// [`FileError::System`] if one of them cannot be looked up.
pub fn same_file(left: &Path, right: &Path) -> Result<bool, FileError> {
    let (Some(left), Some(right)) = (FileIdentity::at(left)?, FileIdentity::at(right)?) else {
        return Ok(false);
    };
    Ok(left == right)
}

/// Which file something is, whatever its names: the device and the inode number, as long as the file exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    /// Of the file that a path leads to, if it leads to any.
    ///
    /// # Errors
    /// [`FileError::System`] if it cannot be looked up.
    pub fn at(path: &Path) -> Result<Option<Self>, FileError> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some((&metadata).into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FileError::system("look up", path)(error)),
        }
    }
}

impl From<&Metadata> for FileIdentity {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}
