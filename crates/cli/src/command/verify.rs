//! `envel verify`.

use envel::ReleasePolicy;

use super::batch::{Batch, End, Verb};
use super::decrypt::is_of_no_message;
use super::input::{OpenInput, names_stdin};
use super::opening::Opener;
use super::output::body_failure;
use crate::args::VerifyArguments;
use crate::config::Settings;
use crate::config::items::{Inputs, Item};
use crate::exit::{Exit, Failure};
use crate::output::json::Details;
use crate::output::sink::Sink;

/// Authenticates every message.
///
/// # Errors
/// What fails before the first message, or the failure of a single one.
pub(crate) fn run(settings: &Settings, arguments: &VerifyArguments) -> Result<Exit, Failure> {
    let inputs = Inputs::to_verify(&arguments.paths, &arguments.suffix);
    let opener = Opener::new(settings, &arguments.opening)?;
    let verb = Verb { present: "verify", past: "verified" };
    let batch = Batch::new(verb, settings.console, &inputs, arguments.metadata_output.as_deref())?;
    batch.run(|item, details| verify(settings, arguments, &inputs, &opener, item, details))
}

fn verify(
    settings: &Settings,
    arguments: &VerifyArguments,
    inputs: &Inputs,
    opener: &Opener<'_>,
    item: &Item,
    details: &mut Details,
) -> Result<End, Failure> {
    let input = OpenInput::open(&item.source, names_stdin(&arguments.paths))?;
    details.ciphertext_bytes = input.length();
    let pending = match opener.read_header(input.into_reader(settings.console)) {
        Err(error) if inputs.may_skip(item) && is_of_no_message(&error) => {
            return Ok(End::Skipped("it is not a message"));
        }
        read => read.map_err(|error| body_failure(&item.source, &error))?,
    };
    let mut message = opener.open(&item.source.to_string(), pending, ReleasePolicy::EachFrame, details)?;
    let key = message.opened_by().key_provider_info.clone();
    if arguments.header_only {
        return Ok(End::Done(format!(
            "{}: the header verifies with {key}; the body was not read",
            item.source
        )));
    }
    let is_signed = message.header().algorithm_suite().is_signed();
    let summary = message.copy_to(&mut Sink::Nowhere).map_err(|error| body_failure(&item.source, &error))?;
    details.plaintext_bytes = Some(summary.plaintext_len);
    let signature = if is_signed { ", its signature too" } else { ", it has no signature" };
    Ok(End::Done(format!(
        "{}: the whole message verifies with {key}{signature}; {} bytes of plaintext",
        item.source, summary.plaintext_len
    )))
}
