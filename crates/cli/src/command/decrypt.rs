//! `envel decrypt`.

use std::ops::Range;

use envel::{Error, RangeProof, ReleasePolicy, VerifiedRange};
use envel_ops::store::files::Privacy;

use super::batch::{Batch, End, Verb};
use super::input::{OpenInput, names_stdin};
use super::opening::Opener;
use super::output::{OutputRules, body_failure, destination};
use crate::args::DecryptArguments;
use crate::config::Settings;
use crate::config::items::{Direction, Inputs, Item};
use crate::exit::{Exit, Failure};
use crate::output::json::Details;
use crate::output::progress::Watched;
use crate::output::sink::Sink;

/// What a signed message may have before its signature is verified, if it cannot be withheld: it is held in memory.
const MAX_HELD_BYTES: u64 = 16 << 20;

/// Decrypts every input.
///
/// # Errors
/// What fails before the first input, or the failure of a single one.
pub(crate) fn run(settings: &Settings, arguments: &DecryptArguments) -> Result<Exit, Failure> {
    let inputs = match &arguments.range {
        None => Inputs::new(Direction::Decrypt, &arguments.inputs, &arguments.output)?,
        Some(_) => Inputs::of_range(&arguments.inputs, &arguments.output)?,
    };
    let opener = Opener::new(settings, &arguments.opening)?;
    let rules = OutputRules::new(&arguments.output, &inputs, Privacy::Private);
    let verb = Verb { present: "decrypt", past: "decrypted" };
    let records = arguments.output.metadata_output.as_deref();
    let batch = Batch::new(verb, settings.console, &inputs, records)?;
    let command = Decrypt { settings, arguments, inputs: &inputs, opener, rules };
    batch.run(|item, details| match &arguments.range {
        None => command.decrypt(item, details),
        Some(range) => command.decrypt_range(item, &range.0, details),
    })
}

struct Decrypt<'a> {
    settings: &'a Settings,
    arguments: &'a DecryptArguments,
    inputs: &'a Inputs,
    opener: Opener<'a>,
    rules: OutputRules<'a>,
}

impl Decrypt<'_> {
    fn decrypt(&self, item: &Item, details: &mut Details) -> Result<End, Failure> {
        let input = OpenInput::open(&item.source, names_stdin(&self.arguments.inputs))?;
        let as_read = input.metadata.clone();
        details.ciphertext_bytes = input.length();
        let pending = match self.opener.read_header(input.into_reader(self.settings.console)) {
            Err(error) if self.inputs.may_skip(item) && is_of_no_message(&error) => {
                return Ok(End::Skipped("it is not a message"));
            }
            read => read.map_err(|error| body_failure(&item.source, &error))?,
        };
        let mut sink = match self.rules.open(item) {
            Ok(sink) => sink,
            Err(settled) => return settled,
        };
        let mut plaintext =
            self.opener.open(&item.source.to_string(), pending, self.release(&sink), details)?;
        let summary = plaintext.copy_to(&mut sink).map_err(|error| body_failure(&item.source, &error))?;
        details.plaintext_bytes = Some(summary.plaintext_len);
        let words = format!("decrypted {} to {}", item.source, destination(item));
        self.rules.finish(item, sink, as_read.as_ref(), words)
    }

    /// Decrypts a part. The frames of it are proof enough: the end is verified wherever the answer depends on it.
    fn decrypt_range(&self, item: &Item, range: &Range<u64>, details: &mut Details) -> Result<End, Failure> {
        let input = OpenInput::open(&item.source, false)?;
        details.ciphertext_bytes = input.length();
        let file = input.into_positioned(&item.source)?;
        let mut sink = match self.rules.open(item) {
            Ok(sink) => sink,
            Err(settled) => return settled,
        };
        let allow_unverified_signature = self.arguments.allow_unverified_signature;
        let message =
            self.opener.open_at(&item.source.to_string(), file, allow_unverified_signature, details)?;
        let mut watched = Watched::new(&mut sink, None, self.settings.console.shows_progress());
        let verified = message
            .copy_range_to(range.clone(), RangeProof::FramesOnly, &mut watched)
            .map_err(|error| body_failure(&item.source, &error))?;
        drop(watched);
        details.plaintext_bytes = Some(verified.range.end - verified.range.start);
        details.range = Some((&verified).into());
        self.rules.finish(item, sink, None, words_for_range(item, &verified))
    }

    /// What may leave before everything is verified: all of it into a file that does not show until then.
    fn release(&self, sink: &Sink) -> ReleasePolicy {
        if sink.can_be_withheld() || self.arguments.allow_unverified_streaming {
            ReleasePolicy::EachFrame
        } else {
            ReleasePolicy::AfterSignature { max_held_bytes: MAX_HELD_BYTES }
        }
    }
}

/// Which bytes were decrypted, and what is known of them.
fn words_for_range(item: &Item, verified: &VerifiedRange) -> String {
    let Range { start, end } = verified.range;
    let proof = match verified.plaintext_len {
        Some(length) => format!("their frames verify, and so does the end after {length} bytes"),
        None => "their frames verify; the rest was not read".to_owned(),
    };
    let signature = if verified.unverified_signature { "; the signature was not verified" } else { "" };
    format!("decrypted bytes {start}..{end} of {} to {}: {proof}{signature}", item.source, destination(item))
}

/// Whether a header cannot be read because the file is something else.
pub(super) fn is_of_no_message(error: &Error) -> bool {
    match error {
        Error::Malformed(_) | Error::Truncated { .. } => true,
        // Text that begins like base64 of a message, and is not base64.
        Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}
