//! Outputs of inputs, opened and put in place.

use std::fs::{self, Metadata};
use std::io;

use envel::Error;
use envel_ops::store::files::{self, FileError, Privacy, WritePolicy};

use super::batch::End;
use super::producer::producer_failure;
use crate::args::OutputArguments;
use crate::config::items::{Item, Source, Target};
use crate::exit::Failure;
use crate::output::sink::{Sink, binary_for_terminal};

/// What becomes of outputs, and of the inputs behind them.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutputRules {
    policy: WritePolicy,
    privacy: Privacy,
    removes_sources: bool,
}

/// Said of an input whose output exists, with `--no-overwrite`.
const KEPT: End = End::Skipped("its output exists");

impl OutputRules {
    pub(super) fn new(arguments: &OutputArguments, privacy: Privacy) -> Self {
        let policy = if arguments.force {
            WritePolicy::Replace
        } else if arguments.no_overwrite {
            WritePolicy::Keep
        } else {
            WritePolicy::Refuse
        };
        Self { policy, privacy, removes_sources: arguments.remove_source }
    }

    /// Opens the output of an input; `Err(Ok(...))` if there is nothing to do.
    ///
    /// # Errors
    /// The output exists or cannot be opened.
    pub(super) fn open(self, item: &Item) -> Result<Sink, Result<End, Failure>> {
        let (path, makes_directories) = match &item.target {
            Target::File { path, makes_directories } => (path, *makes_directories),
            Target::Stdout { was_asked_for } => return Sink::stdout(*was_asked_for).map_err(Err),
            Target::Nowhere => return Ok(Sink::Nowhere),
            Target::Unnamed(failure) => return Err(Err(failure.clone())),
        };
        if let Source::File(source) = &item.source
            && files::same_file(source, path).map_err(|error| Err(error.into()))?
        {
            return Err(Err(Failure::usage(
                format!("{} is both input and output", source.display()),
                "name another output with -o",
            )));
        }
        if makes_directories && let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| Err(Failure::io(parent.display(), &error)))?;
        }
        let sink = Sink::file(path, self.policy, self.privacy).map_err(settled)?;
        if self.removes_sources && !sink.can_be_withheld() {
            return Err(Err(Failure::usage(
                format!("{} is a device or FIFO, and --remove-source would leave no copy", path.display()),
                "name a file with -o, or leave --remove-source out",
            )));
        }
        Ok(sink)
    }

    /// Puts a complete output in place, and removes the input if that was asked for.
    ///
    /// # Errors
    /// The output could not be put in place, or the input not removed.
    pub(super) fn finish(
        self,
        item: &Item,
        sink: Sink,
        as_read: Option<&Metadata>,
        words: String,
    ) -> Result<End, Failure> {
        if let Err(error) = sink.finish() {
            return settled(error);
        }
        if let (true, Source::File(path), Some(as_read)) = (self.removes_sources, &item.source, as_read) {
            files::remove_source(path, as_read)?;
        }
        Ok(End::Done(words))
    }
}

fn settled(error: FileError) -> Result<End, Failure> {
    match error {
        FileError::TargetKept { .. } => Ok(KEPT),
        error => Err(error.into()),
    }
}

/// Where the output of an item went, in words.
pub(super) fn destination(item: &Item) -> String {
    match &item.target {
        Target::File { path, .. } => path.display().to_string(),
        Target::Stdout { .. } => "stdout".to_owned(),
        Target::Nowhere | Target::Unnamed(_) => "nowhere".to_owned(),
    }
}

/// The failure of work on the body of a message: reading, writing or verifying.
pub(super) fn body_failure(source: &Source, error: &Error) -> Failure {
    let of_stream = |error: &io::Error| producer_failure(error).or_else(|| binary_for_terminal(error));
    match error {
        Error::Io(inner) => of_stream(inner).unwrap_or_else(|| Failure::io(source, inner)),
        error => Failure::message(source, error),
    }
}
