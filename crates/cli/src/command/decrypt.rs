//! `envel decrypt`.

use envel::{Error, ReleasePolicy};
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
use crate::output::sink::Sink;

/// What a signed message may have before its signature is verified, if it cannot be withheld: it is held in memory.
const MAX_HELD_BYTES: u64 = 16 << 20;

/// Decrypts every input.
///
/// # Errors
/// What fails before the first input, or the failure of a single one.
pub(crate) fn run(settings: &Settings, arguments: &DecryptArguments) -> Result<Exit, Failure> {
    let inputs = Inputs::new(Direction::Decrypt, &arguments.inputs, &arguments.output)?;
    let opener = Opener::new(settings, &arguments.opening)?;
    let rules = OutputRules::new(&arguments.output, Privacy::Private);
    let verb = Verb { present: "decrypt", past: "decrypted" };
    let records = arguments.output.metadata_output.as_deref();
    let batch = Batch::new(verb, settings.console, inputs.is_single(), records)?;
    let command = Decrypt { settings, arguments, inputs: &inputs, opener, rules };
    batch.run(&inputs, |item, details| command.decrypt(item, details))
}

struct Decrypt<'a> {
    settings: &'a Settings,
    arguments: &'a DecryptArguments,
    inputs: &'a Inputs,
    opener: Opener<'a>,
    rules: OutputRules,
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

    /// What may leave before everything is verified: all of it into a file that does not show until then.
    fn release(&self, sink: &Sink) -> ReleasePolicy {
        if sink.can_be_withheld() || self.arguments.allow_unverified_streaming {
            ReleasePolicy::EachFrame
        } else {
            ReleasePolicy::AfterSignature { max_held_bytes: MAX_HELD_BYTES }
        }
    }
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
