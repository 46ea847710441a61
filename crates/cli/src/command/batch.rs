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
pub(super) struct Batch {
    verb: Verb,
    console: Console,
    records: Option<RecordFile>,
    is_single: bool,
    done: u64,
    skipped: u64,
    failed: u64,
}

impl Batch {
    /// Begins a batch.
    ///
    /// # Errors
    /// The metadata file does not open.
    pub(super) fn new(
        verb: Verb,
        console: Console,
        is_single: bool,
        metadata_output: Option<&Path>,
    ) -> Result<Self, Failure> {
        let records = metadata_output.map(RecordFile::open).transpose()?;
        Ok(Self { verb, console, records, is_single, done: 0, skipped: 0, failed: 0 })
    }

    /// Works on each input with `work`, past failures.
    ///
    /// # Errors
    /// The failure of a single input; a record that cannot be written.
    pub(super) fn run(
        mut self,
        inputs: &Inputs,
        mut work: impl FnMut(&Item, &mut Details) -> Result<End, Failure>,
    ) -> Result<Exit, Failure> {
        for found in inputs.find() {
            match found {
                Found::Item(item) => {
                    let mut details = Details::default();
                    let outcome = work(&item, &mut details);
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

    fn settle(
        &mut self,
        source: &Source,
        target: Option<&Target>,
        details: &Details,
        outcome: Result<End, Failure>,
    ) -> Result<(), Failure> {
        if let Some(records) = &mut self.records {
            let status = match &outcome {
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
                reason: match &outcome {
                    Ok(End::Skipped(reason)) => Some(reason),
                    _ => None,
                },
                details,
            })?;
        }
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
