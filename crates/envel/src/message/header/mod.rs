//! The message header: parsed step by step as bytes arrive, and written.

mod v1;
mod v2;

use std::fmt;

use envel_core::primitives::aead::{IV_LEN, TAG_LEN};
use envel_core::{EncryptedDataKey, EncryptionContext};

use super::codec::{Cursor, HeaderLimitExceeded, MalformedMessage, ParseError, write_prefixed};
use super::{context, encrypted_data_keys};
use crate::error::Error;
use crate::suite::{AlgorithmSuite, AlgorithmSuiteId, MessageVersion};

/// Length of a commit key in bytes.
pub(crate) const COMMIT_KEY_LEN: usize = 32;

/// Identifies a message: 16 random bytes in version 1, 32 in version 2.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MessageId {
    bytes: [u8; 32],
    version: MessageVersion,
}

impl MessageId {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.version.message_id_len()).unwrap_or_default()
    }

    /// Draws an ID by `fill`.
    pub(crate) fn try_filled_by<E>(
        version: MessageVersion,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut bytes = [0; 32];
        fill(bytes.get_mut(..version.message_id_len()).unwrap_or_default())?;
        Ok(Self { bytes, version })
    }
}

impl TryFrom<&[u8]> for MessageId {
    type Error = ();

    fn try_from(id: &[u8]) -> Result<Self, ()> {
        let version = match id.len() {
            16 => MessageVersion::V1,
            32 => MessageVersion::V2,
            _ => return Err(()),
        };
        Self::try_filled_by(version, |bytes| {
            bytes.copy_from_slice(id);
            Ok(())
        })
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How the body is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContentType {
    /// One block: old messages. Never written.
    NonFramed,
    /// Frames of one length, and a final one of at most that.
    Framed,
}

impl ContentType {
    fn from_byte(byte: u8) -> Result<Self, MalformedMessage> {
        match byte {
            1 => Ok(Self::NonFramed),
            2 => Ok(Self::Framed),
            other => Err(MalformedMessage::UnknownContentType(other)),
        }
    }

    /// Checks the frame length that goes with this type. A framed message without a frame length is left to the body's
    /// parser, which reads it if it is empty.
    fn check_frame_length(self, frame_length: u32) -> Result<(), MalformedMessage> {
        match self {
            Self::NonFramed if frame_length != 0 => Err(MalformedMessage::FrameLength(frame_length)),
            _ => Ok(()),
        }
    }
}

/// Limits on what a header may ask of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderLimits {
    /// The most encrypted data keys; each may cost a KMS call.
    pub max_encrypted_data_keys: u16,
    /// The most bytes.
    pub max_header_len: usize,
}

impl HeaderLimits {
    /// What the format itself allows: for headers that one wrote oneself.
    pub(crate) const NONE: Self = Self { max_encrypted_data_keys: u16::MAX, max_header_len: usize::MAX };
}

impl Default for HeaderLimits {
    /// 10 encrypted data keys, 1 MiB.
    fn default() -> Self {
        Self { max_encrypted_data_keys: 10, max_header_len: 1 << 20 }
    }
}

/// What stands after the encrypted data keys.
struct Tail {
    content_type: ContentType,
    frame_length: u32,
    commit_key: Option<[u8; COMMIT_KEY_LEN]>,
    body_len: usize,
    iv: [u8; IV_LEN],
    tag: [u8; TAG_LEN],
    total_len: usize,
}

/// A message header.
///
/// Parsing verifies nothing: whatever stands here may have been written by anybody, until the header's tag has been verified
/// with the data key. [`crate::DecryptReader`] and [`crate::DecryptOutput`] give out verified ones.
///
/// # Specification
/// `data-format/message-header.md`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageHeader {
    suite: AlgorithmSuiteId,
    message_id: MessageId,
    encryption_context: EncryptionContext,
    encrypted_data_keys: Vec<EncryptedDataKey>,
    content_type: ContentType,
    frame_length: u32,
    commit_key: Option<[u8; COMMIT_KEY_LEN]>,
    /// The bytes as they are in the message: the tag covers these, not what a writer would make of the fields.
    bytes: Vec<u8>,
    body_len: usize,
    iv: [u8; IV_LEN],
    tag: [u8; TAG_LEN],
}

impl MessageHeader {
    /// Parses the header of a message in memory. Nothing is verified.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Truncated`]; [`Error::Refused`] beyond the limits.
    pub fn parse(message: &[u8], limits: HeaderLimits) -> Result<Self, Error> {
        let parsed = HeaderParser::new(limits).advance(message);
        parsed.map_err(|error| Error::at_end_of_input(error, "the header"))
    }

    /// Version of the format.
    pub fn version(&self) -> MessageVersion {
        self.message_id.version
    }

    /// The algorithm suite.
    pub fn algorithm_suite(&self) -> AlgorithmSuite {
        self.suite.suite()
    }

    /// The message's ID.
    pub fn message_id(&self) -> &MessageId {
        &self.message_id
    }

    /// The pairs that the header stores. Pairs that its reader must supply are not among them.
    pub fn encryption_context(&self) -> &EncryptionContext {
        &self.encryption_context
    }

    /// The encrypted data keys, in order.
    pub fn encrypted_data_keys(&self) -> &[EncryptedDataKey] {
        &self.encrypted_data_keys
    }

    /// Framed or not.
    pub fn content_type(&self) -> ContentType {
        self.content_type
    }

    /// Plaintext bytes in a regular frame; 0 if the body is not framed.
    pub fn frame_length(&self) -> u32 {
        self.frame_length
    }

    /// Bytes of the header, its tag included: where the body begins.
    pub fn header_len(&self) -> usize {
        self.bytes.len()
    }

    /// The commitment to the data key, if the suite has one.
    pub fn commit_key(&self) -> Option<&[u8; COMMIT_KEY_LEN]> {
        self.commit_key.as_ref()
    }

    /// The header as it stands in the message.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the tag covers, beside the pairs that are not stored.
    pub(crate) fn body(&self) -> &[u8] {
        self.bytes.get(..self.body_len).unwrap_or_default()
    }

    /// As stored: old writers chose one other than zero.
    pub(crate) fn iv(&self) -> &[u8; IV_LEN] {
        &self.iv
    }

    pub(crate) fn tag(&self) -> &[u8; TAG_LEN] {
        &self.tag
    }
}

/// Encryption context and encrypted data keys as a header has them: the part that only depends on the materials.
#[derive(Debug)]
pub(crate) struct HeaderSections(Vec<u8>);

impl HeaderSections {
    /// Writes the sections; `None` if a field does not fit its length.
    pub(crate) fn new(
        stored_context: &EncryptionContext,
        encrypted_data_keys: &[EncryptedDataKey],
    ) -> Option<Self> {
        let mut bytes = Vec::new();
        write_prefixed(&mut bytes, &stored_context.canonical_bytes().ok()?)?;
        encrypted_data_keys::write(&mut bytes, encrypted_data_keys)?;
        Some(Self(bytes))
    }
}

/// What a writer decides about one header. The body that follows is always framed.
pub(crate) struct HeaderFields<'a> {
    pub(crate) suite: AlgorithmSuiteId,
    pub(crate) message_id: MessageId,
    pub(crate) sections: &'a HeaderSections,
    pub(crate) frame_length: u32,
    pub(crate) commit_key: Option<[u8; COMMIT_KEY_LEN]>,
}

impl HeaderFields<'_> {
    /// Appends the header, with the tag that `seal` makes of the header body.
    pub(crate) fn write<E>(
        &self,
        bytes: &mut Vec<u8>,
        seal: impl FnOnce(&[u8]) -> Result<[u8; TAG_LEN], E>,
    ) -> Result<(), E> {
        match self.message_id.version {
            MessageVersion::V1 => bytes.extend_from_slice(&v1::START),
            MessageVersion::V2 => bytes.extend_from_slice(&v2::START),
        }
        bytes.extend_from_slice(&self.suite.as_u16().to_be_bytes());
        bytes.extend_from_slice(self.message_id.as_bytes());
        bytes.extend_from_slice(&self.sections.0);
        match &self.commit_key {
            None => v1::write_tail(bytes, self.frame_length),
            Some(commit_key) => v2::write_tail(bytes, self.frame_length, commit_key),
        }
        let tag = seal(bytes)?;
        if self.message_id.version == MessageVersion::V1 {
            bytes.extend_from_slice(&[0; IV_LEN]);
        }
        bytes.extend_from_slice(&tag);
        Ok(())
    }
}

/// Parses a header as its bytes arrive. What was understood is not looked at again.
pub(crate) struct HeaderParser {
    limits: HeaderLimits,
    position: usize,
    start: Option<(AlgorithmSuiteId, MessageId)>,
    encryption_context: Option<EncryptionContext>,
    announced: Option<u16>,
    encrypted_data_keys: Vec<EncryptedDataKey>,
}

impl HeaderParser {
    pub(crate) fn new(limits: HeaderLimits) -> Self {
        Self {
            limits,
            position: 0,
            start: None,
            encryption_context: None,
            announced: None,
            encrypted_data_keys: Vec::new(),
        }
    }

    /// Goes on with `bytes`, which begin where the message begins and hold all that was given before.
    ///
    /// # Errors
    /// [`ParseError::Incomplete`] with how many bytes are needed from the start; call again with at least as many.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<MessageHeader, ParseError> {
        match self.advance_within(bytes) {
            Err(ParseError::Incomplete { needed }) if needed > self.limits.max_header_len => {
                Err(HeaderLimitExceeded::HeaderLength { max: self.limits.max_header_len }.into())
            }
            Ok(header) if header.header_len() > self.limits.max_header_len => {
                Err(HeaderLimitExceeded::HeaderLength { max: self.limits.max_header_len }.into())
            }
            outcome => outcome,
        }
    }

    fn advance_within(&mut self, bytes: &[u8]) -> Result<MessageHeader, ParseError> {
        let mut cursor = Cursor::at(bytes, self.position);
        let (suite, message_id) = match self.start {
            Some(start) => start,
            None => *self.start.insert(parse_start(&mut cursor)?),
        };
        self.position = cursor.position();
        if self.encryption_context.is_none() {
            self.encryption_context = Some(context::parse(&mut cursor)?);
            self.position = cursor.position();
        }
        let announced = match self.announced {
            Some(count) => count,
            None => {
                let count = cursor.u16()?;
                let max = self.limits.max_encrypted_data_keys;
                if count == 0 {
                    return Err(MalformedMessage::NoEncryptedDataKeys.into());
                }
                // Checked before any entry is parsed: each may cost a call.
                if count > max {
                    return Err(HeaderLimitExceeded::EncryptedDataKeys { count, max }.into());
                }
                self.position = cursor.position();
                *self.announced.insert(count)
            }
        };
        while self.encrypted_data_keys.len() < usize::from(announced) {
            self.encrypted_data_keys.push(encrypted_data_keys::parse_entry(&mut cursor)?);
            self.position = cursor.position();
        }
        let tail = match message_id.version {
            MessageVersion::V1 => v1::parse_tail(&mut cursor)?,
            MessageVersion::V2 => v2::parse_tail(&mut cursor)?,
        };
        Ok(MessageHeader {
            suite,
            message_id,
            encryption_context: self.encryption_context.take().unwrap_or_default(),
            encrypted_data_keys: std::mem::take(&mut self.encrypted_data_keys),
            content_type: tail.content_type,
            frame_length: tail.frame_length,
            commit_key: tail.commit_key,
            bytes: bytes.get(..tail.total_len).unwrap_or_default().to_vec(),
            body_len: tail.body_len,
            iv: tail.iv,
            tag: tail.tag,
        })
    }
}

/// Parses version, type, suite and message ID.
fn parse_start(cursor: &mut Cursor<'_>) -> Result<(AlgorithmSuiteId, MessageId), ParseError> {
    let version = match cursor.u8()? {
        1 => MessageVersion::V1,
        2 => MessageVersion::V2,
        // Version 1 in base64 begins with AY, version 2 with Ag.
        b'A' if matches!(cursor.u8()?, b'Y' | b'g') => return Err(MalformedMessage::Base64.into()),
        other => return Err(MalformedMessage::UnknownVersion(other).into()),
    };
    if version == MessageVersion::V1 {
        v1::parse_type(cursor)?;
    }
    let number = cursor.u16()?;
    let suite = AlgorithmSuiteId::from_u16(number).ok_or(MalformedMessage::UnknownSuite(number))?;
    if suite.suite().message_version() != version {
        let version = if version == MessageVersion::V1 { 1 } else { 2 };
        return Err(MalformedMessage::SuiteOfAnotherVersion { suite: number, version }.into());
    }
    let id = cursor.take(version.message_id_len())?;
    let message_id = MessageId::try_filled_by(version, |bytes| {
        bytes.copy_from_slice(id);
        Ok::<_, ParseError>(())
    })?;
    Ok((suite, message_id))
}

#[cfg(test)]
mod tests;
