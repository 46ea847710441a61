//! A file that appears at its name complete or not at all.

use super::FileError;
use super::directory::{directory_of, open_directory, sync_directory};
use super::hidden::HiddenName;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, IoSlice, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What happens to a target that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePolicy {
    /// It stays, and the write fails with [`FileError::TargetExists`].
    Refuse,
    /// The new file takes its place and its permissions.
    Replace,
    /// It stays, and the write ends with [`FileError::TargetKept`], which a caller may count as skipped.
    Keep,
}

/// Who may read a new file. One that replaces another keeps that one's permissions instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// Its owner (mode 0600): for plaintext.
    Private,
    /// Whoever the process's umask allows (mode 0666 less the umask): for ciphertext.
    Shared,
}

/// A file being written, which [`commit`](Self::commit) puts at its name in one step, complete and durable.
///
/// Until then the target is not touched, and dropping the value leaves nothing behind. The data lie in the target's own
/// directory: on Linux in a file without a name, of which even SIGKILL leaves nothing, where the file system has such files;
/// elsewhere in a hidden file `.NAME.envel-*.tmp` of mode 0600 or the caller's umask, which [`remove_unfinished`] removes on
/// a signal and which only SIGKILL, a crash or a power cut leave behind. (To replace a target even the nameless file needs
/// such a name, for the instant between two system calls.)
///
/// - A symbolic link is followed: the file that it leads to is replaced, and the link stays. If it leads nowhere, it still
///   exists for [`WritePolicy::Refuse`] and `Keep`; `Replace` creates the file that it names.
/// - A device or FIFO is written to [directly](Self::is_direct). A block device counts as a target that exists.
/// - A replaced file hands on its permission bits, and its owner and group as far as the process may set them. If the
///   group must change, the new group gets no permissions. Access control lists, extended attributes and hard links are
///   not handed on.
///
/// Writes are not buffered.
///
/// [`remove_unfinished`]: super::remove_unfinished
#[derive(Debug)]
pub struct OutputFile {
    file: File,
    path: PathBuf,
    destination: Destination,
    /// Set by a failed write: a caller that overlooked it must not commit what is left.
    has_failed: bool,
}

#[derive(Debug)]
enum Destination {
    Direct,
    Replacement(Replacement),
}

#[derive(Debug)]
struct Replacement {
    directory: Arc<File>,
    name: OsString,
    policy: WritePolicy,
    replaced: Option<Access>,
    temporary: Temporary,
}

/// What a file that is replaced hands on to the new one.
#[derive(Debug)]
struct Access {
    mode: u32,
    uid: u32,
    gid: u32,
}

#[derive(Debug)]
enum Temporary {
    Unnamed,
    Named(HiddenName),
}

impl OutputFile {
    /// Starts a file that will appear at `path`.
    ///
    /// # Errors
    /// [`FileError::TargetExists`] or [`FileError::TargetKept`] by `policy`; [`FileError::NotAFile`] for a directory or
    /// socket; [`FileError::System`] if the directory is missing or not writable.
    pub fn create(path: &Path, policy: WritePolicy, privacy: Privacy) -> Result<Self, FileError> {
        Self::create_with(path, policy, privacy, open_unnamed)
    }

    /// `open_unnamed` is [`open_unnamed`], or stands for a file system that has no such files.
    pub(super) fn create_with(
        path: &Path,
        policy: WritePolicy,
        privacy: Privacy,
        open_unnamed: fn(&File, Mode) -> rustix::io::Result<Option<File>>,
    ) -> Result<Self, FileError> {
        let replaced = match fs::metadata(path) {
            Ok(found) if found.is_file() => {
                Some(Access { mode: found.mode() & 0o777, uid: found.uid(), gid: found.gid() })
            }
            Ok(found) => return Self::open_special(path, policy, &found),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(FileError::system("write to", path)(error)),
        };
        if policy != WritePolicy::Replace && (replaced.is_some() || path.is_symlink()) {
            return Err(exists(path, policy));
        }
        let target = follow_links(path)?;
        let name = file_name(&target)?;
        let parent = directory_of(&target);
        let directory = Arc::new(open_directory(parent)?);
        let mode = match privacy {
            Privacy::Private => Mode::from_raw_mode(0o600),
            Privacy::Shared => Mode::from_raw_mode(0o666),
        };
        // What replaces a file may be secret as long as the file's own permissions are not set.
        let mode = if replaced.is_some() { Mode::from_raw_mode(0o600) } else { mode };
        let (file, temporary) = match open_unnamed(&directory, mode) {
            Ok(Some(file)) => Ok((file, Temporary::Unnamed)),
            Ok(None) => Temporary::create_named(&directory, name, mode),
            Err(errno) => Err(errno),
        }
        .map_err(FileError::system("create a temporary file in", parent))?;
        let replacement = Replacement { directory, name: name.to_owned(), policy, replaced, temporary };
        Ok(Self {
            file,
            path: path.to_owned(),
            destination: Destination::Replacement(replacement),
            has_failed: false,
        })
    }

    /// Opens what is neither a regular file nor missing.
    fn open_special(path: &Path, policy: WritePolicy, found: &Metadata) -> Result<Self, FileError> {
        let file_type = found.file_type();
        if file_type.is_dir() {
            return Err(FileError::NotAFile { path: path.to_owned(), kind: "a directory" });
        }
        if file_type.is_socket() {
            return Err(FileError::NotAFile { path: path.to_owned(), kind: "a socket" });
        }
        if file_type.is_block_device() && policy != WritePolicy::Replace {
            return Err(exists(path, policy));
        }
        let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file: File =
            rustix::fs::open(path, flags, Mode::empty()).map_err(FileError::system("open", path))?.into();
        let opened = file.metadata().map_err(FileError::system("open", path))?;
        if opened.is_file() {
            // It was swapped for a regular file meanwhile, which must not be overwritten in place.
            return Err(exists(path, WritePolicy::Refuse));
        }
        Ok(Self { file, path: path.to_owned(), destination: Destination::Direct, has_failed: false })
    }

    /// Whether the output is a device or FIFO, where each byte written is out at once and cannot be taken back.
    #[must_use]
    pub fn is_direct(&self) -> bool {
        matches!(self.destination, Destination::Direct)
    }

    /// The open file, for what [`Write`] does not offer. A failed write through it does not prevent the commit.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Makes the data durable, puts the file at its name, and makes the name durable.
    ///
    /// Whether the target exists is decided in the same step that puts the file there: of several writers of one new
    /// name exactly one succeeds.
    ///
    /// # Errors
    /// [`FileError::TargetExists`] or [`FileError::TargetKept`] if the target came to exist meanwhile;
    /// [`FileError::Incomplete`] if a write failed before; [`FileError::System`], for example when the medium is full. In all
    /// of these the target is as it was and the new data are gone, except that a [`FileError::System`] about the
    /// directory's durability means that the new file is in place but a power cut could still undo that.
    pub fn commit(self) -> Result<(), FileError> {
        let Self { file, path, destination, has_failed } = self;
        if has_failed {
            return Err(FileError::Incomplete { path });
        }
        match destination {
            Destination::Replacement(replacement) => replacement.publish(&file, &path),
            Destination::Direct => match rustix::fs::fsync(&file) {
                // A pipe, terminal or the like, where nothing is durable.
                Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
                Err(errno) => Err(FileError::system("make durable", &path)(errno)),
            },
        }
    }
}

impl OutputFile {
    fn noting_failure(&mut self, written: io::Result<usize>) -> io::Result<usize> {
        written.map_err(|reason| {
            let kind = reason.kind();
            if kind == io::ErrorKind::Interrupted {
                return reason;
            }
            self.has_failed = true;
            io::Error::new(kind, FileError::system("write to", &self.path)(reason))
        })
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes);
        self.noting_failure(written)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.file.write_vectored(pieces);
        self.noting_failure(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Replacement {
    fn publish(self, file: &File, path: &Path) -> Result<(), FileError> {
        if let Some(replaced) = &self.replaced {
            replaced.apply(file).map_err(FileError::system("set the permissions of", path))?;
        }
        file.sync_all().map_err(FileError::system("make durable", path))?;
        let Self { directory, name, policy, temporary, .. } = self;
        let published = match policy {
            WritePolicy::Replace => temporary.put_over(file, &directory, &name),
            WritePolicy::Refuse | WritePolicy::Keep => temporary.put_new(file, &directory, &name),
        };
        // A hidden name that is still there goes before the directory is synced.
        drop(temporary);
        match published {
            Ok(()) => sync_directory(&directory, path),
            Err(Errno::EXIST) => Err(exists(path, policy)),
            Err(errno) => Err(FileError::system("put the complete file at", path)(errno)),
        }
    }
}

impl Access {
    fn apply(&self, file: &File) -> io::Result<()> {
        let own = file.metadata()?;
        let mut mode = self.mode;
        if own.gid() != self.gid && fchown(file, None, Some(self.gid)).is_err() {
            mode &= !0o070;
        }
        if own.uid() != self.uid {
            // Only the superuser may; anyone else is the owner of what they wrote, as with any editor.
            let _ = fchown(file, Some(self.uid), None);
        }
        file.set_permissions(Permissions::from_mode(mode))
    }
}

impl Temporary {
    fn create_named(
        directory: &Arc<File>,
        target_name: &OsStr,
        mode: Mode,
    ) -> rustix::io::Result<(File, Self)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (name, descriptor) = HiddenName::create(directory, target_name, |name| {
            rustix::fs::openat(directory, name, flags, mode)
        })?;
        Ok((descriptor.into(), Self::Named(name)))
    }

    /// Puts the file at `name`, or fails with EEXIST.
    fn put_new(&self, file: &File, directory: &File, name: &OsStr) -> rustix::io::Result<()> {
        match self {
            Self::Unnamed => link_unnamed(file, directory, name),
            Self::Named(hidden) => rename_new(directory, hidden.as_os_str(), name),
        }
    }

    /// Puts the file at `name`, whatever is there.
    fn put_over(&self, file: &File, directory: &Arc<File>, name: &OsStr) -> rustix::io::Result<()> {
        match self {
            Self::Unnamed => match link_unnamed(file, directory, name) {
                Err(Errno::EXIST) => {
                    let link = |hidden: &OsStr| link_unnamed(file, directory, hidden);
                    let (hidden, ()) = HiddenName::create(directory, name, link)?;
                    rustix::fs::renameat(directory, hidden.as_os_str(), directory, name)
                }
                linked => linked,
            },
            Self::Named(hidden) => rustix::fs::renameat(directory, hidden.as_os_str(), directory, name),
        }
    }
}

/// A file without a name, if the file system has such files and this process can name one later.
#[cfg(target_os = "linux")]
pub(super) fn open_unnamed(directory: &File, mode: Mode) -> rustix::io::Result<Option<File>> {
    match rustix::fs::openat(directory, ".", OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode) {
        Ok(descriptor) => {
            let file = File::from(descriptor);
            Ok(Path::new(&descriptor_path(&file)).exists().then_some(file))
        }
        // EOPNOTSUPP: not this file system. EISDIR, EINVAL: not this kernel, or not in this sandbox.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// The only way to name an unnamed file without privileges.
#[cfg(target_os = "linux")]
fn descriptor_path(file: &File) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(target_os = "linux")]
fn link_unnamed(file: &File, directory: &File, name: &OsStr) -> rustix::io::Result<()> {
    rustix::fs::linkat(rustix::fs::CWD, descriptor_path(file), directory, name, AtFlags::SYMLINK_FOLLOW)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open_unnamed(_directory: &File, _mode: Mode) -> rustix::io::Result<Option<File>> {
    Ok(None)
}

#[cfg(not(target_os = "linux"))]
fn link_unnamed(_file: &File, _directory: &File, _name: &OsStr) -> rustix::io::Result<()> {
    Err(Errno::NOTSUP)
}

/// Renames within a directory, or fails with EEXIST. The old name may stay beside the new one.
fn rename_new(directory: &File, from: &OsStr, to: &OsStr) -> rustix::io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    match rustix::fs::renameat_with(directory, from, directory, to, rustix::fs::RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        renamed => return renamed,
    }
    rustix::fs::linkat(directory, from, directory, to, AtFlags::empty())
}

fn exists(path: &Path, policy: WritePolicy) -> FileError {
    let path = path.to_owned();
    match policy {
        WritePolicy::Keep => FileError::TargetKept { path },
        WritePolicy::Refuse | WritePolicy::Replace => FileError::TargetExists { path },
    }
}

/// As many as Linux follows.
const MAX_LINKS: usize = 40;

/// The path that a symbolic link leads to in the end, whether or not anything is there.
fn follow_links(path: &Path) -> Result<PathBuf, FileError> {
    let mut target = path.to_owned();
    for _ in 0..MAX_LINKS {
        match fs::read_link(&target) {
            Ok(next) => target = directory_of(&target).join(next),
            // Not a link, or not there.
            Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
                return Ok(target);
            }
            Err(error) => return Err(FileError::system("follow the link", &target)(error)),
        }
    }
    Err(FileError::system("follow the link", path)(Errno::LOOP))
}

fn file_name(target: &Path) -> Result<&OsStr, FileError> {
    match target.file_name() {
        Some(name) if !target.as_os_str().as_bytes().ends_with(b"/") => Ok(name),
        _ => Err(FileError::NotAFile { path: target.to_owned(), kind: "the path of a directory" }),
    }
}
