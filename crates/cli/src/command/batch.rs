//! One input after the other: outcomes told, recorded and counted.

use std::path::Path;

use crate::config::items::{Found, Inputs, Item, Source, Target};
use crate::exit::{Exit, Failure};
use crate::output::human::Console;
use crate::output::json::{Details, Record, RecordFile, Status};

/// How one input ended, unless it failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Done, in words for a person.
    Done(String),
    Skipped(&'static str),
}

/// The words of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Verb {
    /// `encrypt`
    pub(super) present: &'static str,
    /// `encrypted`
    pub(super) past: &'static str,
}

/// Tells, records and counts outcomes.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    verb: Verb,
    console: Console,
    inputs: &'a Inputs,
    records: Option<RecordFile>,
    is_single: bool,
    done: u64,
    skipped: u64,
    failed: u64,
}

impl<'a> Batch<'a> {
    /// Begins a batch.
    ///
    /// # Errors
    /// The metadata file does not open, or is an input.
    pub(super) fn new(
        verb: Verb,
        console: Console,
        inputs: &'a Inputs,
        metadata_output: Option<&Path>,
    ) -> Result<Self, Failure> {
        if let Some(path) = metadata_output
            && inputs.name(path)?
        {
            return Err(Failure::usage(
                format!("{} is an input, and --metadata-output would append to it", path.display()),
                "name another file with --metadata-output",
            ));
        }
        let records = metadata_output.map(RecordFile::open).transpose()?;
        let is_single = inputs.is_single();
        Ok(Self { verb, console, inputs, records, is_single, done: 0, skipped: 0, failed: 0 })
    }

    /// Works on each input with `work`, past failures.
    ///
    /// # Errors
    /// The failure of a single input; a record that cannot be written.
    pub(super) fn run(
        mut self,
        mut work: impl FnMut(&Item, &mut Details) -> Result<End, Failure>,
    ) -> Result<Exit, Failure> {
        for found in self.inputs.find() {
            match found {
                Found::Item(item) => {
                    let mut details = Details::default();
                    let outcome = match self.is_record_file(&item.source) {
                        Ok(true) => Ok(End::Skipped("it is the file of --metadata-output")),
                        Ok(false) => work(&item, &mut details),
                        Err(failure) => Err(failure),
                    };
                    self.settle(&item.source, Some(&item.target), &details, outcome)?;
                }
                Found::Skipped { path, reason } => {
                    self.settle(&Source::File(path), None, &Details::default(), Ok(End::Skipped(reason)))?;
                }
                Found::Failed { path, failure } => {
                    self.settle(&Source::File(path), None, &Details::default(), Err(failure))?;
                }
            }
        }
        Ok(self.summarise())
    }

    fn is_record_file(&self, source: &Source) -> Result<bool, Failure> {
        match (&self.records, source) {
            (Some(records), Source::File(path)) => records.is_at(path),
            _ => Ok(false),
        }
    }

    fn settle(
        &mut self,
        source: &Source,
        target: Option<&Target>,
        details: &Details,
        outcome: Result<End, Failure>,
    ) -> Result<(), Failure> {
        let recorded = self.record(source, target, details, &outcome);
        match (self.tell(source, target, outcome), recorded) {
            (Err(failure), Err(of_record)) => {
                self.console.fail(&of_record);
                Err(failure)
            }
            (told, recorded) => told.and(recorded),
        }
    }

    fn record(
        &mut self,
        source: &Source,
        target: Option<&Target>,
        details: &Details,
        outcome: &Result<End, Failure>,
    ) -> Result<(), Failure> {
        let Some(records) = &mut self.records else { return Ok(()) };
        let status = match outcome {
            Ok(End::Done(_)) => Status::Done,
            Ok(End::Skipped(_)) => Status::Skipped,
            Err(_) => Status::Failed,
        };
        let output = match (status, target) {
            (Status::Done, Some(Target::File { path, .. })) => Some(path.to_string_lossy().into_owned()),
            (Status::Done, Some(Target::Stdout { .. })) => Some("-".to_owned()),
            _ => None,
        };
        records.append(&Record {
            operation: self.verb.present,
            status,
            input: match source {
                Source::File(path) => path.to_string_lossy().into_owned(),
                Source::Stdin | Source::Producer => "-".to_owned(),
            },
            output,
            error: outcome.as_ref().err().map(Into::into),
            reason: match outcome {
                Ok(End::Skipped(reason)) => Some(reason),
                _ => None,
            },
            details,
        })
    }

    /// Tells and counts an outcome.
    ///
    /// # Errors
    /// It is a failure that ends the batch.
    fn tell(
        &mut self,
        source: &Source,
        target: Option<&Target>,
        outcome: Result<End, Failure>,
    ) -> Result<(), Failure> {
        match outcome {
            Ok(End::Done(words)) => {
                self.done += 1;
                // What went to stdout is seen there.
                if self.is_single && !matches!(target, Some(Target::Stdout { .. })) {
                    self.console.say(words);
                } else {
                    self.console.explain(words);
                }
            }
            Ok(End::Skipped(reason)) => {
                self.skipped += 1;
                let words = format_args!("skipped {source}: {reason}");
                // What could not even be an input, a symbolic link for example, is missing from the result.
                if self.is_single || target.is_none() {
                    self.console.say(words);
                } else {
                    self.console.explain(words);
                }
            }
            Err(failure) if self.is_single => return Err(failure),
            // The reader of stdout has gone: so has the reason to go on.
            Err(failure) if failure.is_silent() => return Err(failure),
            Err(failure) => {
                self.failed += 1;
                self.console.fail(&failure);
            }
        }
        Ok(())
    }

    fn summarise(self) -> Exit {
        if !self.is_single {
            let counts = [(self.done, self.verb.past), (self.skipped, "skipped"), (self.failed, "failed")];
            let words: Vec<_> = counts
                .into_iter()
                .filter(|(count, word)| *count > 0 || *word == self.verb.past)
                .map(|(count, word)| format!("{count} {word}"))
                .collect();
            self.console.say(words.join(", "));
        }
        if self.failed > 0 { Exit::SomeFailed } else { Exit::Done }
    }
}
