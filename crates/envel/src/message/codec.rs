//! Reading and writing big-endian integers and length-prefixed fields.

/// What in a message breaks the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MalformedMessage {
    /// The first byte is no version of the format.
    #[error("not an AWS Encryption SDK message: it begins with byte 0x{0:02x}")]
    UnknownVersion(u8),
    /// The message looks like base64 text of a message.
    #[error("the message is base64 text; decode it first")]
    Base64,
    /// The type byte of version 1 is not 0x80.
    #[error("message type 0x{0:02x} is unknown")]
    UnknownType(u8),
    /// The suite is unknown, or belongs to another format.
    #[error("algorithm suite 0x{0:04x} is unknown")]
    UnknownSuite(u16),
    /// A committing suite in version 1, or the reverse.
    #[error("algorithm suite 0x{suite:04x} does not belong in a message of version {version}")]
    SuiteOfAnotherVersion {
        /// The suite's number.
        suite: u16,
        /// The version's number.
        version: u8,
    },
    /// Text is not UTF-8.
    #[error("{0} is not UTF-8")]
    NotUtf8(&'static str),
    /// The context's length and contents disagree.
    #[error("the encryption context is not well formed: {0}")]
    Context(&'static str),
    /// A context name occurs twice.
    #[error("the encryption context name {0:?} occurs twice")]
    DuplicateContextName(String),
    /// A message without encrypted data keys cannot be opened.
    #[error("the message has no encrypted data keys")]
    NoEncryptedDataKeys,
    /// Neither framed nor not.
    #[error("content type 0x{0:02x} is unknown")]
    UnknownContentType(u8),
    /// The reserved bytes of version 1 are not zero.
    #[error("the reserved bytes are not zero")]
    ReservedNotZero,
    /// The header says another IV length than 12.
    #[error("the header gives an IV length of {0}, not 12")]
    IvLength(u8),
    /// A frame length where there are no frames, or none where there are.
    #[error("the frame length {0} does not fit the content type")]
    FrameLength(u32),
    /// Frames out of order, lost or repeated.
    #[error("frame {expected} was expected, frame {found} was found")]
    FrameOutOfOrder {
        /// The sequence number that comes next.
        expected: u32,
        /// The sequence number in the message.
        found: u32,
    },
    /// The final frame claims more than a frame holds.
    #[error("the final frame claims {claimed} bytes; a frame holds {frame_length}")]
    FinalFrameTooLong {
        /// What it claims.
        claimed: u32,
        /// What it may hold.
        frame_length: u32,
    },
    /// More frames than the format numbers.
    #[error("the message has more frames than sequence numbers")]
    TooManyFrames,
    /// The body is not one that frames of this length can make.
    #[error("the body's length is not one that frames can make")]
    BodyLength,
    /// Another frame, or none, stands where the length of the message puts its final frame.
    #[error("the final frame is not where the message's length puts it: the message was cut or added to")]
    FinalFrameMissing,
    /// The footer's length is zero or beyond what a signature takes.
    #[error("the footer claims a signature of {0} bytes")]
    SignatureLength(u16),
    /// A signed message without the key that verifies it.
    #[error("the message is signed, but names no verification key")]
    MissingPublicKey,
    /// An unsigned message that names a verification key: it was signed once, and downgraded.
    #[error("the message is not signed, but names a verification key")]
    UnexpectedPublicKey,
    /// The verification key is not one.
    #[error("the verification key in the encryption context is not well formed")]
    InvalidPublicKey,
    /// Something follows the message.
    #[error("bytes follow the end of the message")]
    TrailingBytes,
}

/// Why parsing stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ParseError {
    /// At least so many bytes, counted from the start of what was given, are needed to go on.
    Incomplete { needed: usize },
    /// More bytes do not help.
    Malformed(MalformedMessage),
    /// The message may be right, but is beyond a limit that the caller set.
    Beyond(HeaderLimitExceeded),
}

/// A limit of the caller's that a header exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderLimitExceeded {
    /// More encrypted data keys than allowed.
    #[error("the message has {count} encrypted data keys; at most {max} are allowed")]
    EncryptedDataKeys {
        /// How many the header announces.
        count: u16,
        /// How many are allowed.
        max: u16,
    },
    /// A longer header than allowed.
    #[error("the header has more than {max} bytes")]
    HeaderLength {
        /// Bytes allowed.
        max: usize,
    },
}

impl From<HeaderLimitExceeded> for ParseError {
    fn from(exceeded: HeaderLimitExceeded) -> Self {
        Self::Beyond(exceeded)
    }
}

impl From<MalformedMessage> for ParseError {
    fn from(malformed: MalformedMessage) -> Self {
        Self::Malformed(malformed)
    }
}

/// Reads fields one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at `position` of `bytes`.
    pub(crate) fn at(bytes: &'a [u8], position: usize) -> Self {
        Self { bytes, position }
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], ParseError> {
        let needed = self.position.saturating_add(length);
        let taken = self.bytes.get(self.position..needed).ok_or(ParseError::Incomplete { needed })?;
        self.position = needed;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], ParseError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, ParseError> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, ParseError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, ParseError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, ParseError> {
        self.array().map(u64::from_be_bytes)
    }

    /// A field behind its 16-bit length.
    pub(crate) fn prefixed(&mut self) -> Result<&'a [u8], ParseError> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    /// Text behind its 16-bit length.
    pub(crate) fn prefixed_text(&mut self, what: &'static str) -> Result<&'a str, ParseError> {
        let bytes = self.prefixed()?;
        std::str::from_utf8(bytes).map_err(|_| MalformedMessage::NotUtf8(what).into())
    }
}

/// Appends a field behind its 16-bit length; `None` if it is longer than that.
pub(crate) fn write_prefixed(out: &mut Vec<u8>, field: &[u8]) -> Option<()> {
    out.extend_from_slice(&u16::try_from(field.len()).ok()?.to_be_bytes());
    out.extend_from_slice(field);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_field_says_how_many_bytes_it_needs() {
        let mut cursor = Cursor::at(&[0, 4, 1, 2], 0);
        assert_eq!(cursor.clone().prefixed(), Err(ParseError::Incomplete { needed: 6 }));
        assert_eq!(cursor.u16(), Ok(4));
        assert_eq!(cursor.array::<2>(), Ok([1, 2]));
        assert_eq!(cursor.u32(), Err(ParseError::Incomplete { needed: 8 }));
        assert_eq!(cursor.take(usize::MAX), Err(ParseError::Incomplete { needed: usize::MAX }));
    }
}
