//! Describes a message without keys. Nothing it says is verified.

use std::io::{self, BufRead, BufReader, Read};

use crate::error::Error;
use crate::message::frame::{FrameHead, SequenceNumber};
use crate::message::{ContentType, HeaderLimits, MalformedMessage, MessageHeader, ParseError, footer};
use crate::stream::PendingMessage;

/// What a message says about itself. Nobody vouches for any of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageDescription {
    /// The header.
    pub header: MessageHeader,
    /// How the body divides; `None` if it is cut, not well formed, or followed by something.
    pub body: Option<BodyDescription>,
}

/// How a body divides into frames.
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
/// Anything, except that the pieces have lengths and numbers that fit together.
///
/// # Errors
/// As for [`describe_header`]; [`Error::Io`] if reading fails. A body that is cut or not well formed is no error: the header is
/// described all the same.
///
/// # Cost
/// Reads the message to its end; holds little of it.
pub fn describe(source: impl Read, limits: HeaderLimits) -> Result<MessageDescription, Error> {
    let PendingMessage { header, source, input } = PendingMessage::read(source, limits)?;
    let rest = BufReader::with_capacity(READ_LEN, input.available().chain(source));
    let body = match (Walk { source: rest, position: 0 }).body(&header) {
        Ok(body) => Some(body),
        Err(Error::Io(error)) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
        Err(_) => None,
    };
    Ok(MessageDescription { header, body })
}

/// How much is read at once.
const READ_LEN: usize = 1 << 16;

/// The longest of what is parsed at once: the footer of a P-384 signature.
const MAX_HEAD_LEN: usize = 2 + 104;

/// Goes from the head of one frame to the next and passes over what is between.
struct Walk<R> {
    source: BufReader<R>,
    position: u64,
}

impl<R: Read> Walk<R> {
    /// Walks to the end of the message.
    fn body(mut self, header: &MessageHeader) -> Result<BodyDescription, Error> {
        let (mut frames, mut plaintext_len) = (0, 0);
        let mut number = SequenceNumber::FIRST;
        loop {
            let head = match header.content_type() {
                ContentType::Framed => {
                    self.head(|bytes| FrameHead::parse(bytes, number, header.frame_length()))?
                }
                ContentType::NonFramed => self.head(FrameHead::parse_non_framed)?,
            };
            self.pass((head.total_len() - head.head_len) as u64)?;
            frames += 1;
            plaintext_len += head.ciphertext_len as u64;
            if head.is_final {
                break;
            }
            number = number.next().ok_or(MalformedMessage::TooManyFrames)?;
        }
        let body_len = self.position;
        if let Some(algorithm) = header.algorithm_suite().signature {
            self.head(|bytes| footer::parse(bytes, algorithm).map(|_| ()))?;
        }
        if self.has_more()? {
            return Err(MalformedMessage::TrailingBytes.into());
        }
        Ok(BodyDescription { frames, plaintext_len, body_len, footer_len: self.position - body_len })
    }

    fn has_more(&mut self) -> Result<bool, Error> {
        loop {
            match self.source.fill_buf() {
                Ok(bytes) => return Ok(!bytes.is_empty()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads as much as `parse` needs.
    fn head<T>(&mut self, parse: impl Fn(&[u8]) -> Result<T, ParseError>) -> Result<T, Error> {
        let mut bytes = [0; MAX_HEAD_LEN];
        let mut read = 0;
        loop {
            match parse(&bytes[..read]) {
                Err(ParseError::Incomplete { needed }) => {
                    let missing = bytes.get_mut(read..needed).ok_or(MalformedMessage::BodyLength)?;
                    self.source.read_exact(missing)?;
                    read = needed;
                }
                outcome => {
                    self.position += read as u64;
                    return outcome.map_err(|error| Error::at_end_of_input(error, "the body"));
                }
            }
        }
    }

    /// Passes over bytes.
    fn pass(&mut self, count: u64) -> Result<(), Error> {
        if io::copy(&mut self.source.by_ref().take(count), &mut io::sink())? < count {
            return Err(Error::Truncated { within: "the body" });
        }
        self.position += count;
        Ok(())
    }
}
