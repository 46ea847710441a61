//! The commands, one file each.

mod batch;
pub(crate) mod completions;
mod context_check;
pub(crate) mod decrypt;
pub(crate) mod encrypt;
mod input;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod kms;
mod opening;
mod output;
mod producer;
pub(crate) mod verify;

use std::io::{Write, stdout};

use crate::exit::Failure;

/// Prints data.
///
/// # Errors
/// The operating system's; a reader that has gone is no news.
fn print(text: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut out = stdout().lock();
    out.write_all(text.as_ref()).and_then(|()| out.flush()).map_err(|error| Failure::io("stdout", &error))
}
