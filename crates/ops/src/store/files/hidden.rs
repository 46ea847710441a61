//! Hidden names of unfinished files, and the list of those that this process has.

use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The hidden names of this process.
struct Unfinished {
    names: Vec<(Arc<File>, OsString)>,
    /// Makes the next name another one.
    counter: u64,
    /// Set by [`remove_unfinished`], so that no thread adds a name between the removal and the end of the process.
    is_ending: bool,
}

static UNFINISHED: Mutex<Unfinished> =
    Mutex::new(Unfinished { names: Vec::new(), counter: 0, is_ending: false });

fn unfinished() -> MutexGuard<'static, Unfinished> {
    // Every change to the list is a single step, so a panic elsewhere leaves it whole.
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes the named temporary files of this process and lets it create no more: for a program about to end on a signal.
///
/// To be called from an ordinary thread that waits for signals, not from within a signal handler: it takes a lock.
/// Only file systems without unnamed temporary files have anything to remove.
pub fn remove_unfinished() {
    let mut unfinished = unfinished();
    unfinished.is_ending = true;
    for (directory, name) in unfinished.names.drain(..) {
        // What cannot be removed now cannot be reported to anyone either: the process is ending.
        let _ = rustix::fs::unlinkat(&directory, &name, AtFlags::empty());
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
