//! Describes a message without keys. Nothing it says is verified.

use std::io::Read;

use crate::error::Error;
use crate::message::frame::FrameHead;
use crate::message::layout::BodyLayout;
use crate::message::{ContentType, HeaderLimits, MessageHeader};
use crate::stream::PendingMessage;

/// What a message says about itself. Nobody vouches for any of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageDescription {
    /// The header.
    pub header: MessageHeader,
    /// How the body divides, if the message's length allows one division alone.
    pub body: Option<BodyDescription>,
}

/// How a body divides into frames, by its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BodyDescription {
    /// Frames, the final one included; 1 for a body without frames.
    pub frames: u64,
    /// Bytes of plaintext.
    pub plaintext_len: u64,
    /// Bytes of the body.
    pub body_len: u64,
    /// Bytes of the footer, 0 if the message is not signed.
    pub footer_len: u64,
}

/// Reads a header and describes it.
///
/// # What is not verified
/// Anything: the header may have been written by anybody.
///
/// # Errors
/// [`Error::Malformed`], [`Error::Truncated`] and [`Error::Refused`] for headers that are not well formed, not whole, or
/// beyond `limits`.
///
/// # Cost
/// Reads little more than the header.
pub fn describe_header(source: impl Read, limits: HeaderLimits) -> Result<MessageHeader, Error> {
    Ok(PendingMessage::read(source, limits)?.header)
}

/// Reads a whole message and describes its header and layout.
///
/// # What is not verified
/// Anything, except that the pieces have lengths that fit together.
///
/// # Errors
/// As for [`describe_header`]; [`Error::Malformed`] and [`Error::Truncated`] where the body does not fit its header.
///
/// # Cost
/// Reads the message to its end; holds little of it.
pub fn describe(source: impl Read, limits: HeaderLimits) -> Result<MessageDescription, Error> {
    let mut pending = PendingMessage::read(source, limits)?;
    let mut rest = pending.input.available().len() as u64;
    let mut start = pending.input.available().to_vec();
    start.truncate(64);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match pending.source.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                let missing = 64usize.saturating_sub(start.len()).min(count);
                start.extend_from_slice(&buffer[..missing]);
                rest += count as u64;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let header = pending.header;
    let body = describe_body(&header, &start, rest)?;
    Ok(MessageDescription { header, body })
}

/// Divides what follows the header. A signature may have several lengths; the usual ones are tried first.
fn describe_body(header: &MessageHeader, start: &[u8], rest: u64) -> Result<Option<BodyDescription>, Error> {
    if header.content_type() == ContentType::NonFramed {
        let head =
            FrameHead::parse_non_framed(start).map_err(|error| Error::at_end_of_input(error, "the body"))?;
        let body_len = head.total_len() as u64;
        let footer_len = rest.checked_sub(body_len).ok_or(Error::Truncated { within: "the body" })?;
        let plaintext_len = head.ciphertext_len as u64;
        return Ok(Some(BodyDescription { frames: 1, plaintext_len, body_len, footer_len }));
    }
    let footer_lens = match header.algorithm_suite().signature {
        None => vec![0],
        Some(algorithm) => {
            let usual = algorithm.signature_len();
            let others = (8..=algorithm.max_signature_len()).rev().filter(|length| *length != usual);
            std::iter::once(usual).chain(others).map(|length| 2 + length as u64).collect()
        }
    };
    let described = footer_lens.into_iter().find_map(|footer_len| {
        let body_len = rest.checked_sub(footer_len)?;
        let layout = BodyLayout::for_body(body_len, header.frame_length()).ok()?;
        Some(BodyDescription {
            frames: layout.frames(),
            plaintext_len: layout.plaintext_len(),
            body_len,
            footer_len,
        })
    });
    Ok(described)
}
