//! Ctrl-C, SIGTERM and SIGHUP: no debris, exit code 130.

use std::ffi::c_int;
use std::fs::File;
use std::io;
use std::process::Child;
use std::sync::{Mutex, PoisonError};
use std::thread;

use envel_ops::store::files;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::{Exit, Failure};

/// A command that must not outlive this process.
static CHILD: Mutex<Option<Pid>> = Mutex::new(None);

/// The terminal as it was before a prompt switched its echo off.
static TERMINAL_BEFORE_PROMPT: Mutex<Option<Termios>> = Mutex::new(None);

/// From now on a signal removes this process's unfinished outputs before it ends the process. A signal that the process was
/// started to ignore, with `nohup` for example, stays ignored.
///
/// # Errors
/// The operating system's, if it refuses the handler.
pub(crate) fn clean_up_on_signals() -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::new(Exit::Other, format!("signals cannot be awaited: {error}"), "run the command again")
    };
    let ignored = ignored_signals();
    let is_awaited = |signal: &c_int| ignored & (1 << (signal - 1)) == 0;
    let mut signals =
        Signals::new([SIGHUP, SIGINT, SIGTERM].into_iter().filter(is_awaited)).map_err(failed)?;
    let wait = move || {
        if signals.forever().next().is_some() {
            end();
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait).map_err(failed)?;
    Ok(())
}

/// Ends the process, and leaves nothing behind.
fn end() -> ! {
    // The lock is held to the end, so that no child is started meanwhile.
    let child = CHILD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(child) = *child {
        // One that has ended already needs no signal.
        let _ = kill_process(child, Signal::TERM);
    }
    files::remove_unfinished();
    restore_terminal();
    std::process::exit(Exit::Interrupted.code().into());
}

/// The signals that the process was started to ignore, the lowest bit for signal 1. Linux tells; elsewhere none are known.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Starts a child that a signal to this process ends too, until [`release_child`].
///
/// # Errors
/// Of `spawn`.
pub(crate) fn guarding_child(spawn: impl FnOnce() -> io::Result<Child>) -> io::Result<Child> {
    let mut guarded = CHILD.lock().unwrap_or_else(PoisonError::into_inner);
    let child = spawn()?;
    *guarded = Some(Pid::from_child(&child));
    Ok(child)
}

/// Forgets the child, before its process number can become another's.
pub(crate) fn release_child() {
    *CHILD.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Runs a prompt that switches echo off, so that a signal during it leaves the terminal as it was.
pub(crate) fn guarding_terminal<T>(prompt: impl FnOnce() -> T) -> T {
    let before = File::open("/dev/tty").ok().and_then(|terminal| termios::tcgetattr(terminal).ok());
    *TERMINAL_BEFORE_PROMPT.lock().unwrap_or_else(PoisonError::into_inner) = before;
    let answer = prompt();
    *TERMINAL_BEFORE_PROMPT.lock().unwrap_or_else(PoisonError::into_inner) = None;
    answer
}

fn restore_terminal() {
    let before = TERMINAL_BEFORE_PROMPT.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let (Some(before), Ok(terminal)) = (before, File::open("/dev/tty")) {
        // The process ends with an exit code of its own whatever comes of this.
        let _ = termios::tcsetattr(terminal, OptionalActions::Now, &before);
    }
}
