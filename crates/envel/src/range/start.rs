//! The start of a message: read until the header is complete, and kept.

use crate::error::Error;
use crate::message::header::HeaderParser;
use crate::message::{HeaderLimits, MessageHeader, ParseError};

/// The bytes from the start of a message that were read for its header.
pub(super) struct MessageStart {
    bytes: Vec<u8>,
    /// How much is read at once.
    step: usize,
    read_len: usize,
    parser: HeaderParser,
}

impl MessageStart {
    pub(super) fn new(limits: HeaderLimits, step: usize) -> Self {
        Self { bytes: vec![0; step], step, read_len: 0, parser: HeaderParser::new(limits) }
    }

    /// Where to read next, and to where.
    pub(super) fn space(&mut self) -> (u64, &mut [u8]) {
        (self.read_len as u64, &mut self.bytes[self.read_len..])
    }

    /// Takes note of what was read; the header, once it is complete. Fewer bytes than there is space for mean the end.
    pub(super) fn advance(&mut self, count: usize) -> Result<Option<MessageHeader>, Error> {
        let is_ended = count < self.bytes.len() - self.read_len;
        self.read_len = self.bytes.len().min(self.read_len + count);
        match self.parser.advance(&self.bytes[..self.read_len]) {
            Ok(header) => Ok(Some(header)),
            Err(ParseError::Incomplete { needed }) if !is_ended => {
                // The parser has held what is needed against the limit; a field is at most 64 KiB.
                self.bytes.resize(needed.max(self.read_len + self.step), 0);
                Ok(None)
            }
            Err(error) => Err(Error::at_end_of_input(error, "the header")),
        }
    }

    /// What was read.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.read_len);
        self.bytes
    }
}
