//! `--stdin-from-command`: a command whose failure must leave no output.

use std::ffi::OsString;
use std::io::{self, IoSliceMut, Read};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::config::passphrase;
use crate::exit::{Exit, Failure};
use crate::interrupt::{guarding_child, release_child};

/// A running command, read to its end: a failure of the command is an error of the last read, so that the message is never
/// completed.
#[derive(Debug)]
pub(super) struct Producer {
    name: String,
    child: Child,
    output: Option<ChildStdout>,
}

/// The command did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{name} failed: {status}")]
struct ProducerFailed {
    name: String,
    status: ExitStatus,
}

impl Producer {
    /// Starts the command: a program and its arguments.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(command: &[OsString]) -> Result<Self, Failure> {
        let (program, arguments) = command.split_first().ok_or_else(|| {
            Failure::usage("there is no command after --", "write -- and the command at the end of the line")
        })?;
        let name = program.to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::piped());
        // They are this program's alone.
        for variable in passphrase::variables() {
            command.env_remove(variable);
        }
        let mut child = guarding_child(|| command.spawn()).map_err(|error| {
            Failure::new(Exit::Other, format!("cannot start {name}: {error}"), "check the command after --")
        })?;
        let output = child.stdout.take();
        Ok(Self { name, child, output })
    }
}

impl Producer {
    /// Waits for the end of the command. Its process number stays its own until it is released.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        let pid = WaitId::Pid(Pid::from_child(&self.child));
        rustix::io::retry_on_intr(|| waitid(pid.clone(), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT))?;
        release_child();
        self.child.wait()
    }

    /// What a read of nothing means: the end, if the command succeeded.
    fn at_end(&mut self) -> io::Result<usize> {
        let status = self.wait()?;
        if status.success() {
            return Ok(0);
        }
        Err(io::Error::other(ProducerFailed { name: self.name.clone(), status }))
    }
}

impl Read for Producer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_vectored(&mut [IoSliceMut::new(buffer)])
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let read = self.output.as_mut().map_or(Ok(0), |output| output.read_vectored(buffers))?;
        if read == 0 && buffers.iter().any(|buffer| !buffer.is_empty()) {
            return self.at_end();
        }
        Ok(read)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // Its reader is gone. A command that has ended cannot be killed, and one that has not must not be left behind.
        drop(self.output.take());
        release_child();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The failure behind an error of a read from a command.
pub(super) fn producer_failure(error: &io::Error) -> Option<Failure> {
    let failed = error.get_ref()?.downcast_ref::<ProducerFailed>()?;
    Some(Failure::new(
        Exit::Other,
        failed.to_string(),
        "nothing was written; mend the command and run it again",
    ))
}
