//! Outputs of inputs, opened and put in place.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fs::Metadata;
use std::io;
use std::path::Path;

use envel::Error;
use envel_ops::store::files::{self, FileError, FileIdentity, Privacy, WritePolicy};

use super::batch::End;
use super::input::is_message;
use super::producer::producer_failure;
use crate::args::OutputArguments;
use crate::config::items::{Direction, Inputs, Item, Source, Target};
use crate::exit::Failure;
use crate::output::human::printable;
use crate::output::sink::{Sink, binary_for_terminal, stdout_failure};

/// What becomes of outputs, and of the inputs behind them.
#[derive(Debug)]
pub(super) struct OutputRules<'a> {
    inputs: &'a Inputs,
    policy: WritePolicy,
    privacy: Privacy,
    removes_sources: bool,
    records: Option<&'a Path>,
    /// The outputs of this run, none of which may take another's place.
    written: RefCell<HashSet<FileIdentity>>,
}

/// Said of an input whose output exists, with `--no-overwrite`.
const KEPT: End = End::Skipped("its output exists");

impl<'a> OutputRules<'a> {
    pub(super) fn new(arguments: &'a OutputArguments, inputs: &'a Inputs, privacy: Privacy) -> Self {
        let policy = if arguments.force {
            WritePolicy::Replace
        } else if arguments.no_overwrite {
            WritePolicy::Keep
        } else {
            WritePolicy::Refuse
        };
        Self {
            inputs,
            policy,
            privacy,
            removes_sources: arguments.remove_source,
            records: arguments.metadata_output.as_deref(),
            written: RefCell::default(),
        }
    }

    /// Opens the output of an input; `Err(Ok(...))` if there is nothing to do.
    ///
    /// # Errors
    /// The output exists or cannot be opened.
    pub(super) fn open(&self, item: &Item) -> Result<Sink, Result<End, Failure>> {
        let (path, makes_directories) = match &item.target {
            Target::File { path, makes_directories } => (path, *makes_directories),
            Target::Stdout { was_asked_for } => return Sink::stdout(*was_asked_for).map_err(Err),
            Target::Nowhere => return Ok(Sink::Nowhere),
            Target::Unnamed(failure) => return Err(Err(failure.clone())),
        };
        self.check_target(&item.source, path).map_err(Err)?;
        let sink = Sink::file(path, makes_directories, self.policy, self.privacy).map_err(settled)?;
        if !sink.can_be_withheld() {
            if self.removes_sources {
                return Err(Err(Failure::usage(
                    format!(
                        "{} is a device or FIFO, and --remove-source would leave no copy",
                        path.display()
                    ),
                    "name a file with -o, or leave --remove-source out",
                )));
            }
            if item.source == Source::Producer {
                return Err(Err(Failure::withheld_output_needed()));
            }
        }
        Ok(sink)
    }

    /// Looks whether an output would take the place of something that is still needed.
    fn check_target(&self, source: &Source, target: &Path) -> Result<(), Failure> {
        if let Source::File(source) = source
            && files::same_file(source, target)?
        {
            return Err(Failure::usage(
                format!("{} is both input and output", source.display()),
                "name another output with -o",
            ));
        }
        let Some(existing) = FileIdentity::at(target)? else { return Ok(()) };
        if self.written.borrow().contains(&existing) {
            return Err(Failure::usage(
                format!("{source}: another input has the same output {}", target.display()),
                "encrypt or decrypt them one directory at a time, into different directories",
            ));
        }
        if self.policy != WritePolicy::Replace {
            return Ok(());
        }
        if let Some(records) = self.records
            && files::same_file(records, target)?
        {
            return Err(Failure::usage(
                format!("{source}: its output {} is the file of --metadata-output", target.display()),
                "name another file for one of them",
            ));
        }
        if self.inputs.name(target)? || self.inputs.walk_over(target) && self.is_for_this_command(target) {
            return Err(Failure::usage(
                format!("{source}: its output {} is an input too, and would be lost", target.display()),
                "name another output with -o, or another --suffix",
            ));
        }
        Ok(())
    }

    /// Whether a file of a tree is taken and not skipped.
    fn is_for_this_command(&self, file: &Path) -> bool {
        match self.inputs.direction() {
            Direction::Encrypt => !is_message(file),
            Direction::Decrypt => is_message(file),
        }
    }

    /// Puts a complete output in place, and removes the input if that was asked for.
    ///
    /// # Errors
    /// The output could not be put in place, or the input not removed.
    pub(super) fn finish(
        &self,
        item: &Item,
        sink: Sink,
        as_read: Option<&Metadata>,
        words: String,
    ) -> Result<End, Failure> {
        let identity = sink.identity()?;
        if let Err(error) = sink.finish() {
            return settled(error);
        }
        self.written.borrow_mut().extend(identity);
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
        Target::File { path, .. } => printable(&path.to_string_lossy()),
        Target::Stdout { .. } => "stdout".to_owned(),
        Target::Nowhere | Target::Unnamed(_) => "nowhere".to_owned(),
    }
}

/// The failure of work on the body of a message: reading, writing or verifying.
pub(super) fn body_failure(source: &Source, error: &Error) -> Failure {
    let of_stream = |error: &io::Error| {
        producer_failure(error).or_else(|| binary_for_terminal(error)).or_else(|| stdout_failure(error))
    };
    match error {
        Error::Io(inner) => of_stream(inner).unwrap_or_else(|| Failure::io(source, inner)),
        error => Failure::message(source, error),
    }
}
