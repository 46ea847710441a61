//! Frames and the non-framed body: where their fields stand.

use std::num::NonZeroU32;

use super::codec::{Cursor, MalformedMessage, ParseError};
use envel_core::primitives::aead::{IV_LEN, TAG_LEN};

/// Marks the final frame where others have their sequence number.
pub(crate) const FINAL_FRAME_MARKER: u32 = u32::MAX;

/// Bytes before the ciphertext of a regular frame: sequence number and IV.
pub(crate) const REGULAR_HEAD_LEN: usize = 4 + IV_LEN;

/// Bytes before the ciphertext of the final frame: marker, sequence number, IV and length.
pub(crate) const FINAL_HEAD_LEN: usize = 4 + 4 + IV_LEN + 4;

/// Bytes that a regular frame takes beside its contents.
pub(crate) const REGULAR_OVERHEAD: usize = REGULAR_HEAD_LEN + TAG_LEN;

/// Bytes that the final frame takes beside its contents.
pub(crate) const FINAL_OVERHEAD: usize = FINAL_HEAD_LEN + TAG_LEN;

/// The most bytes that a non-framed body holds.
pub(crate) const MAX_NON_FRAMED_LEN: u64 = (1 << 36) - 32;

/// Number of a frame in the message, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct SequenceNumber(NonZeroU32);

impl SequenceNumber {
    pub(crate) const FIRST: Self = Self(NonZeroU32::MIN);

    pub(crate) fn new(number: NonZeroU32) -> Self {
        Self(number)
    }

    pub(crate) fn as_u32(self) -> u32 {
        self.0.get()
    }

    /// The number after this one; `None` after the last that the format has.
    pub(crate) fn next(self) -> Option<Self> {
        self.after(1)
    }

    /// The number `count` further on; `None` beyond the last that the format has.
    pub(crate) fn after(self, count: usize) -> Option<Self> {
        self.0.checked_add(u32::try_from(count).ok()?).map(Self)
    }

    /// The IV that belongs to this number under one derived key: eight zero bytes, then the number.
    ///
    /// # Specification
    /// `data-format/message-body.md`, "IV": each IV is unique within the message. Zero is the header's, so no two uses meet.
    pub(crate) fn iv(self) -> [u8; IV_LEN] {
        let [a, b, c, d] = self.0.get().to_be_bytes();
        [0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]
    }
}

/// The head of a frame or of a non-framed body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) sequence_number: SequenceNumber,
    pub(crate) is_final: bool,
    /// As stored: old writers chose IVs at random.
    pub(crate) iv: [u8; IV_LEN],
    pub(crate) ciphertext_len: usize,
    pub(crate) head_len: usize,
}

impl FrameHead {
    /// Parses the head of the frame that `expected` numbers, from the start of `bytes`. The length is checked against the
    /// frame length before anybody waits for that many bytes.
    pub(crate) fn parse(
        bytes: &[u8],
        expected: SequenceNumber,
        frame_length: u32,
    ) -> Result<Self, ParseError> {
        let mut cursor = Cursor::at(bytes, 0);
        let first = cursor.u32()?;
        let is_final = first == FINAL_FRAME_MARKER;
        let found = if is_final { cursor.u32()? } else { first };
        if found != expected.as_u32() {
            return Err(MalformedMessage::FrameOutOfOrder { expected: expected.as_u32(), found }.into());
        }
        if frame_length == 0 && !is_final {
            // Zero-length frames could go on for ever; only a lone empty final frame makes sense.
            return Err(MalformedMessage::FrameLength(0).into());
        }
        let iv = cursor.array()?;
        let length = if is_final { cursor.u32()? } else { frame_length };
        if length > frame_length {
            return Err(MalformedMessage::FinalFrameTooLong { claimed: length, frame_length }.into());
        }
        let ciphertext_len = addressable(u64::from(length), cursor.position())?;
        Ok(Self { sequence_number: expected, is_final, iv, ciphertext_len, head_len: cursor.position() })
    }

    /// Parses the head of a non-framed body.
    pub(crate) fn parse_non_framed(bytes: &[u8]) -> Result<Self, ParseError> {
        let mut cursor = Cursor::at(bytes, 0);
        let iv = cursor.array()?;
        let length = cursor.u64()?;
        if length > MAX_NON_FRAMED_LEN {
            return Err(MalformedMessage::BodyLength.into());
        }
        let ciphertext_len = addressable(length, cursor.position())?;
        Ok(Self {
            sequence_number: SequenceNumber::FIRST,
            is_final: true,
            iv,
            ciphertext_len,
            head_len: cursor.position(),
        })
    }

    /// Length of the whole: head, ciphertext and tag.
    pub(crate) fn total_len(&self) -> usize {
        self.head_len + self.ciphertext_len + TAG_LEN
    }

    /// Splits a whole frame, as long as [`Self::total_len`], into its ciphertext and its tag.
    pub(crate) fn ciphertext_and_tag<'a>(&self, frame: &'a [u8]) -> Option<(&'a [u8], &'a [u8; TAG_LEN])> {
        let (ciphertext, tag) = frame.get(self.head_len..)?.split_at_checked(self.ciphertext_len)?;
        Some((ciphertext, tag.try_into().ok()?))
    }
}

/// A length that can be added to those of head and tag.
fn addressable(length: u64, head_len: usize) -> Result<usize, MalformedMessage> {
    usize::try_from(length)
        .ok()
        .filter(|length| length.checked_add(head_len + TAG_LEN).is_some())
        .ok_or(MalformedMessage::BodyLength)
}

/// Writes the head of a regular frame into the first [`REGULAR_HEAD_LEN`] bytes.
pub(crate) fn write_regular_head(head: &mut [u8; REGULAR_HEAD_LEN], number: SequenceNumber) {
    let mut fields = [0; REGULAR_HEAD_LEN];
    let (sequence_number, iv) = fields.split_at_mut(4);
    sequence_number.copy_from_slice(&number.as_u32().to_be_bytes());
    iv.copy_from_slice(&number.iv());
    *head = fields;
}

/// Writes the head of the final frame into the first [`FINAL_HEAD_LEN`] bytes.
pub(crate) fn write_final_head(head: &mut [u8; FINAL_HEAD_LEN], number: SequenceNumber, ciphertext_len: u32) {
    let fields = [
        &FINAL_FRAME_MARKER.to_be_bytes()[..],
        &number.as_u32().to_be_bytes(),
        &number.iv(),
        &ciphertext_len.to_be_bytes(),
    ];
    let flat = fields.into_iter().flatten();
    head.iter_mut().zip(flat).for_each(|(slot, byte)| *slot = *byte);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second() -> SequenceNumber {
        SequenceNumber::FIRST.next().unwrap()
    }

    #[test]
    fn heads_parse_as_they_are_written() {
        let mut head = [0; REGULAR_HEAD_LEN];
        write_regular_head(&mut head, second());
        assert_eq!(head, [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        let parsed = FrameHead::parse(&head, second(), 100).unwrap();
        assert_eq!((parsed.is_final, parsed.ciphertext_len, parsed.head_len), (false, 100, 16));

        let mut head = [0; FINAL_HEAD_LEN];
        write_final_head(&mut head, second(), 7);
        let parsed = FrameHead::parse(&head, second(), 100).unwrap();
        assert_eq!((parsed.is_final, parsed.ciphertext_len, parsed.head_len), (true, 7, 24));
        assert_eq!(parsed.iv, second().iv());
        for length in 0..FINAL_HEAD_LEN {
            assert!(matches!(
                FrameHead::parse(&head[..length], second(), 100),
                Err(ParseError::Incomplete { .. })
            ));
        }
    }

    #[test]
    fn frames_out_of_order_and_overlong_final_frames_are_refused() {
        let mut head = [0; FINAL_HEAD_LEN];
        write_final_head(&mut head, second(), 8);
        assert_eq!(
            FrameHead::parse(&head, SequenceNumber::FIRST, 100),
            Err(MalformedMessage::FrameOutOfOrder { expected: 1, found: 2 }.into())
        );
        assert_eq!(
            FrameHead::parse(&head, second(), 7),
            Err(MalformedMessage::FinalFrameTooLong { claimed: 8, frame_length: 7 }.into())
        );
    }

    #[test]
    fn without_a_frame_length_only_an_empty_final_frame_is_read() {
        let mut head = [0; REGULAR_HEAD_LEN];
        write_regular_head(&mut head, SequenceNumber::FIRST);
        let regular = FrameHead::parse(&head, SequenceNumber::FIRST, 0);
        assert_eq!(regular, Err(MalformedMessage::FrameLength(0).into()));
        let mut head = [0; FINAL_HEAD_LEN];
        write_final_head(&mut head, SequenceNumber::FIRST, 0);
        assert!(FrameHead::parse(&head, SequenceNumber::FIRST, 0).is_ok());
    }

    #[test]
    fn the_last_sequence_number_belongs_to_a_final_frame() {
        let last = SequenceNumber(NonZeroU32::MAX);
        assert_eq!(last.next(), None);
        let mut head = [0; FINAL_HEAD_LEN];
        write_final_head(&mut head, last, 0);
        assert!(FrameHead::parse(&head, last, 1).unwrap().is_final);
        // Its number is the marker, so it cannot be mistaken for a regular frame.
        assert!(FrameHead::parse(&head[..8], last, 1).is_err());
    }

    #[test]
    fn a_non_framed_length_beyond_the_limit_is_refused() {
        let mut head = [0; IV_LEN + 8];
        head[IV_LEN..].copy_from_slice(&MAX_NON_FRAMED_LEN.to_be_bytes());
        assert_eq!(FrameHead::parse_non_framed(&head).unwrap().head_len, head.len());
        head[IV_LEN..].copy_from_slice(&(MAX_NON_FRAMED_LEN + 1).to_be_bytes());
        assert_eq!(FrameHead::parse_non_framed(&head), Err(MalformedMessage::BodyLength.into()));
    }
}
