//! `envel inspect`: what a message says about itself.

use std::path::Path;

use envel::inspect::{MessageDescription, describe};
use envel::{Error, HeaderLimits};

use super::input::OpenInput;
use super::output::body_failure;
use super::print;
use crate::args::InspectArguments;
use crate::armor::message_reader;
use crate::config::items::Source;
use crate::exit::{Exit, Failure};
use crate::output::human::{Console, message_description};
use crate::output::json::{self, Message};

/// Prints the header and layout of a message.
///
/// # Errors
/// It is not one, or it is cut: then what there is is printed all the same.
pub(crate) fn run(console: Console, arguments: &InspectArguments) -> Result<(), Failure> {
    let is_stdin = arguments.file == Path::new("-");
    let source = if is_stdin { Source::Stdin } else { Source::File(arguments.file.clone()) };
    let input = OpenInput::open(&source, is_stdin)?;
    // Nothing is asked of a KMS, so any number of encrypted data keys may be shown.
    let limits = HeaderLimits { max_encrypted_data_keys: u16::MAX, ..HeaderLimits::default() };
    let MessageDescription { header, body, .. } = message_reader(input.into_reader(console))
        .map_err(Error::from)
        .and_then(|reader| describe(reader, limits))
        .map_err(|error| body_failure(&source, &error))?;
    let message = Message::new(&header, body.as_ref());
    print(if arguments.json { json::document(&message)? } else { message_description(&message) })?;
    if body.is_none() {
        return Err(Failure::new(
            Exit::Unauthentic,
            format!(
                "{source}: the body does not divide into frames: it is cut short, or something follows it"
            ),
            "fetch it again from where it came",
        ));
    }
    Ok(())
}
