//! The directory of a store: its file names, its privacy, its lock, and whether a database is safe there.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::schema::BUSY_TIMEOUT;
use crate::store::StoreError;

/// How often a lock that another process holds is tried again.
const LOCK_POLL: Duration = Duration::from_millis(5);

/// The directory that a store is or will be in.
#[derive(Debug)]
pub(super) struct StoreDirectory {
    path: PathBuf,
}

/// Held while a store is opened, made or restored. The system releases it when the file is closed, also by a crash.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl StoreDirectory {
    pub(super) fn new(path: &Path) -> Result<Self, StoreError> {
        let path = std::path::absolute(path).map_err(io_error("find", path))?;
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join("kms.sqlite3")
    }

    pub(super) fn root_key(&self) -> PathBuf {
        self.path.join("root.key")
    }

    /// A database that is being made. It gets its final name when it is complete.
    pub(super) fn new_database(&self) -> PathBuf {
        self.path.join("kms.sqlite3.new")
    }

    /// The root key of a database that is being made, or has just been.
    pub(super) fn new_root_key(&self) -> PathBuf {
        self.path.join("root.key.new")
    }

    fn write_ahead_log(&self) -> PathBuf {
        self.path.join("kms.sqlite3-wal")
    }

    /// Whether any file of a finished store is here.
    pub(super) fn holds_store(&self) -> bool {
        // A file that cannot be looked at counts: nothing may be made over it.
        [self.database(), self.root_key(), self.write_ahead_log()]
            .iter()
            .any(|path| fs::exists(path).unwrap_or(true))
    }

    pub(super) fn holds_database(&self) -> bool {
        fs::exists(self.database()).unwrap_or(true)
    }

    /// Makes the directory, for its owner alone, unless it is there.
    pub(super) fn create(&self) -> Result<(), StoreError> {
        let missing: Vec<_> = self.path.ancestors().take_while(|path| !path.exists()).collect();
        let existing = self.path.ancestors().nth(missing.len()).unwrap_or(&self.path);
        check_local(existing)?;
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(io_error("create", &self.path))?;
        for path in missing {
            if let Some(parent) = path.parent() {
                sync_directory(parent)?;
            }
        }
        Ok(())
    }

    /// Refuses a directory that others can write to, or whose file system cannot hold a database safely.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        check_local(&self.path)?;
        let mode = fs::metadata(&self.path).map_err(io_error("read", &self.path))?.mode();
        check_mode(&self.path, mode, 0o022, "700")
    }

    /// Waits until nobody else opens, makes or restores this store, but not for ever.
    pub(super) fn lock(&self) -> Result<DirectoryLock, StoreError> {
        self.lock_within(BUSY_TIMEOUT)
    }

    fn lock_within(&self, timeout: Duration) -> Result<DirectoryLock, StoreError> {
        let path = self.path.join("kms.lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io_error("open", &path))?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(DirectoryLock { _file: file }),
                Err(TryLockError::WouldBlock) if waited < timeout => {
                    thread::sleep(LOCK_POLL);
                    waited += LOCK_POLL;
                }
                Err(TryLockError::WouldBlock) => return Err(StoreError::Busy),
                Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error)),
            }
        }
    }

    /// Makes names in the directory last.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        sync_directory(&self.path)
    }
}

/// Makes a file, for its owner alone.
pub(super) fn create_private_file(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(io_error("create", path))
}

/// Makes a file without a name, for its owner alone: if this process dies, nothing of it is left. `None` where there are no such
/// files, or where they could not be named later.
#[cfg(target_os = "linux")]
pub(super) fn create_unnamed(directory: &Path) -> io::Result<Option<File>> {
    use rustix::fs::{Mode, OFlags};
    use rustix::io::Errno;
    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::open(directory, flags, Mode::RUSR | Mode::WUSR) {
        Ok(descriptor) => {
            let file = File::from(descriptor);
            Ok(descriptor_path(&file).exists().then_some(file))
        }
        // Not this file system; not this kernel, or not in this sandbox.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Gives a file of [`create_unnamed`] its name, which must be free.
#[cfg(target_os = "linux")]
pub(super) fn name_unnamed(file: &File, path: &Path) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD};
    Ok(rustix::fs::linkat(CWD, descriptor_path(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

/// The only way to name an unnamed file without privileges.
#[cfg(target_os = "linux")]
fn descriptor_path(file: &File) -> PathBuf {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

#[cfg(not(target_os = "linux"))]
pub(super) fn create_unnamed(_directory: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn name_unnamed(_file: &File, _path: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Refuses a file that others can read or write.
///
/// It does not open the file: closing a database file would release the locks that this process holds on it.
pub(super) fn check_private_file(path: &Path) -> Result<(), StoreError> {
    let mode = fs::metadata(path).map_err(io_error("read", path))?.mode();
    check_mode(path, mode, 0o077, "600")
}

fn check_mode(path: &Path, mode: u32, forbidden: u32, wanted: &'static str) -> Result<(), StoreError> {
    if mode & forbidden != 0 {
        return Err(StoreError::Exposed { path: path.to_owned(), mode: mode & 0o777, wanted });
    }
    Ok(())
}

pub(super) fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(io_error("sync", path))
}

pub(super) fn remove_if_present(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error("remove", path)(error)),
        _ => Ok(()),
    }
}

pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(io_error("rename", from))
}

pub(super) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn check_local(path: &Path) -> Result<(), StoreError> {
    let kind = rustix::fs::statfs(path).map_err(|error| io_error("examine", path)(error.into()))?.f_type;
    // The field's type and sign differ between architectures; the numbers have 32 bits.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "only 32 bits are defined")]
    match network_file_system(kind as u32) {
        Some(file_system) => Err(StoreError::NetworkFileSystem { directory: path.to_owned(), file_system }),
        None => Ok(()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn check_local(_path: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// The name of a file system whose locks or shared memory SQLite cannot trust, by the kernel's number for it.
///
/// FUSE is among them: sshfs, s3fs and their like cannot be told from local ones.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn network_file_system(kind: u32) -> Option<&'static str> {
    Some(match kind {
        0x6969 => "NFS",
        0x517b => "SMB",
        0xff53_4d42 => "CIFS",
        0xfe53_4d42 => "SMB2",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x00c3_6400 => "Ceph",
        0x6573_5546 => "FUSE",
        0x7375_7245 => "Coda",
        0x0000_564c => "NCP",
        0x0102_1997 => "9P",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x7461_636f => "OCFS2",
        0x0116_1970 => "GFS2",
        0x786f_4256 => "VirtualBox shared folders",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_another_keeps_is_busy_after_a_while() {
        let home = tempfile::tempdir().unwrap();
        let directory = StoreDirectory::new(home.path()).unwrap();
        let kept = directory.lock().unwrap();
        assert!(matches!(directory.lock_within(LOCK_POLL * 4), Err(StoreError::Busy)));
        let waiting = thread::scope(|scope| {
            let waiting = scope.spawn(|| directory.lock_within(BUSY_TIMEOUT).map(drop));
            thread::sleep(LOCK_POLL * 4);
            drop(kept);
            waiting.join().unwrap()
        });
        assert!(waiting.is_ok());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn network_file_systems_are_known_by_number() {
        assert_eq!(network_file_system(0x6969), Some("NFS"));
        assert_eq!(network_file_system(0xff53_4d42), Some("CIFS"));
        // ext4, tmpfs, btrfs, xfs
        for local in [0xef53, 0x0102_1994, 0x9123_683e, 0x5846_5342] {
            assert_eq!(network_file_system(local), None);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_file_system_of_a_directory_is_examined() {
        assert!(check_local(&std::env::temp_dir()).is_ok());
        assert!(matches!(check_local(Path::new("/nowhere/at/all")), Err(StoreError::Io { .. })));
    }
}
