//! Ctrl-C, SIGTERM and SIGHUP: no debris, exit code 130.

use std::fs::File;
use std::sync::{Mutex, PoisonError};

use envel_ops::store::files;
use rustix::termios::{self, OptionalActions, Termios};

use crate::exit::Exit;

/// The terminal as it was before a prompt switched its echo off.
static TERMINAL_BEFORE_PROMPT: Mutex<Option<Termios>> = Mutex::new(None);

/// From now on a signal removes this process's unfinished outputs before it ends the process.
///
/// # Errors
/// The operating system's, if it refuses the handler.
pub(crate) fn clean_up_on_signals() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        files::remove_unfinished();
        restore_terminal();
        std::process::exit(Exit::Interrupted.code().into());
    })
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
