//! Hidden names of unfinished files and new directories for them, and the list of those that this process has.

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What this process has begun to put on disk.
struct Unfinished {
    names: Vec<(Arc<File>, OsString)>,
    /// Outer ones before those in them.
    directories: Vec<PathBuf>,
    /// Makes the next name another one.
    counter: u64,
    /// Set by [`remove_unfinished`], so that no thread adds a name between the removal and the end of the process.
    is_ending: bool,
}

static UNFINISHED: Mutex<Unfinished> =
    Mutex::new(Unfinished { names: Vec::new(), directories: Vec::new(), counter: 0, is_ending: false });

fn unfinished() -> MutexGuard<'static, Unfinished> {
    // Every change to the list is a single step, so a panic elsewhere leaves it whole.
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the named temporary files of this process, and new directories that nothing lies in yet, and lets it create no more:
/// for a program about to end on a signal.
///
/// To be called from an ordinary thread that waits for signals, not from within a signal handler: it takes a lock.
/// Only file systems without unnamed temporary files have any of the former.
pub fn remove_unfinished() {
    let mut unfinished = unfinished();
    unfinished.is_ending = true;
    for (directory, name) in unfinished.names.drain(..) {
        // What cannot be removed now cannot be reported to anyone either: the process is ending.
        let _ = rustix::fs::unlinkat(&directory, &name, AtFlags::empty());
    }
    for directory in unfinished.directories.drain(..).rev() {
        let _ = fs::remove_dir(directory);
    }
}

/// A directory that was made for a file. Dropped, it is gone unless something lies in it.
#[derive(Debug)]
pub(super) struct UnfinishedDirectory(PathBuf);

impl UnfinishedDirectory {
    /// Makes a directory whose parent exists.
    pub(super) fn create(path: &Path) -> rustix::io::Result<Self> {
        let mut unfinished = unfinished();
        if unfinished.is_ending {
            return Err(Errno::CANCELED);
        }
        rustix::fs::mkdir(path, Mode::from_raw_mode(0o777))?;
        unfinished.directories.push(path.to_owned());
        Ok(Self(path.to_owned()))
    }

    pub(super) fn keep(self) {
        unfinished().directories.retain(|directory| *directory != self.0);
    }
}

impl Drop for UnfinishedDirectory {
    fn drop(&mut self) {
        let mut unfinished = unfinished();
        let count = unfinished.directories.len();
        unfinished.directories.retain(|directory| *directory != self.0);
        if unfinished.directories.len() < count {
            // One that is not empty is in use, and stays.
            let _ = fs::remove_dir(&self.0);
        }
    }
}

/// A hidden name `.NAME.envel-PROCESS-COUNTER.tmp` in a directory. Dropped, it is gone.
#[derive(Debug)]
pub(super) struct HiddenName {
    directory: Arc<File>,
    name: OsString,
}

/// More names than crashed processes can have left behind under this process's number.
const ATTEMPTS: u32 = 1000;

impl HiddenName {
    /// Draws names until `make` succeeds with one that did not exist; `make` must refuse those that do, with EEXIST.
    pub(super) fn create<T>(
        directory: &Arc<File>,
        target_name: &OsStr,
        make: impl Fn(&OsStr) -> rustix::io::Result<T>,
    ) -> rustix::io::Result<(Self, T)> {
        let mut unfinished = unfinished();
        if unfinished.is_ending {
            return Err(Errno::CANCELED);
        }
        for _ in 0..ATTEMPTS {
            let name = hidden_name(target_name, unfinished.counter);
            unfinished.counter += 1;
            match make(&name) {
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
                Ok(made) => {
                    unfinished.names.push((Arc::clone(directory), name.clone()));
                    return Ok((Self { directory: Arc::clone(directory), name }, made));
                }
            }
        }
        Err(Errno::EXIST)
    }

    pub(super) fn as_os_str(&self) -> &OsStr {
        &self.name
    }
}

impl Drop for HiddenName {
    fn drop(&mut self) {
        // After a rename the name is gone already. A name that cannot be removed is debris that its suffix explains.
        let _ = rustix::fs::unlinkat(&self.directory, &self.name, AtFlags::empty());
        unfinished().names.retain(|(_, name)| *name != self.name);
    }
}

/// Longest part of the target's name that leaves room for the rest within the usual limit of 255 bytes.
const TARGET_NAME_PART: usize = 180;

fn hidden_name(target_name: &OsStr, counter: u64) -> OsString {
    let target_name = target_name.to_string_lossy();
    let part = &target_name[..target_name.floor_char_boundary(TARGET_NAME_PART)];
    format!(".{part}.envel-{:x}-{counter:x}.tmp", std::process::id()).into()
}
