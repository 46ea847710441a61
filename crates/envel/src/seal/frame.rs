//! Seals and opens frames.

use envel_core::CryptoError;
use envel_core::primitives::aead::{AeadKey, TAG_LEN};

use super::sequence::{FrameTicket, FrameTickets};
use crate::error::Error;
use crate::message::MessageId;
use crate::message::body_aad::{BodyAad, BodyContent};
use crate::message::frame::{
    FINAL_OVERHEAD, FrameHead, REGULAR_HEAD_LEN, REGULAR_OVERHEAD, SequenceNumber, write_final_head,
    write_regular_head,
};
use crate::message::layout::RegularFrames;

/// Seals the frames of one message. Shared by every thread that does.
#[derive(Debug)]
pub(crate) struct FrameSealer {
    key: AeadKey,
    message_id: MessageId,
}

impl FrameSealer {
    pub(crate) fn new(key: AeadKey, message_id: MessageId) -> Self {
        Self { key, message_id }
    }

    /// Seals a regular frame in place: `frame` is a whole frame of which the contents are filled in.
    pub(crate) fn seal_regular(&self, ticket: FrameTicket, frame: &mut [u8]) -> Result<(), Error> {
        let number = ticket.redeem();
        let (head, rest) = frame.split_first_chunk_mut().ok_or(CryptoError::InvalidLength)?;
        write_regular_head(head, number);
        self.seal(BodyContent::RegularFrame, number, rest)
    }

    /// Seals consecutive regular frames of `plaintext`, one for each ticket, into `frames`.
    pub(crate) fn seal_frames(
        &self,
        tickets: FrameTickets,
        frame_length: usize,
        plaintext: &[u8],
        frames: &mut [u8],
    ) -> Result<(), Error> {
        let frames = frames.chunks_exact_mut(frame_length + REGULAR_OVERHEAD);
        for ((ticket, contents), frame) in tickets.zip(plaintext.chunks_exact(frame_length)).zip(frames) {
            frame[REGULAR_HEAD_LEN..REGULAR_HEAD_LEN + frame_length].copy_from_slice(contents);
            self.seal_regular(ticket, frame)?;
        }
        Ok(())
    }

    /// Seals the final frame in place, likewise.
    pub(crate) fn seal_final(&self, ticket: FrameTicket, frame: &mut [u8]) -> Result<(), Error> {
        let number = ticket.redeem();
        let length = frame.len().checked_sub(FINAL_OVERHEAD).and_then(|length| u32::try_from(length).ok());
        let (head, rest) = frame.split_first_chunk_mut().ok_or(CryptoError::InvalidLength)?;
        write_final_head(head, number, length.ok_or(CryptoError::InvalidLength)?);
        self.seal(BodyContent::FinalFrame, number, rest)
    }

    /// Encrypts the contents at the start of `rest` and writes the tag behind them.
    fn seal(&self, content: BodyContent, number: SequenceNumber, rest: &mut [u8]) -> Result<(), Error> {
        let (contents, tag) = rest.split_last_chunk_mut::<TAG_LEN>().ok_or(CryptoError::InvalidLength)?;
        let aad = BodyAad::new(&self.message_id, content, number, contents.len() as u64);
        *tag = self.key.seal_in_place(&number.iv(), aad.as_bytes(), contents)?;
        Ok(())
    }
}

/// Opens the frames of one message. Shared by every thread that does.
#[derive(Debug)]
pub(crate) struct FrameOpener {
    key: AeadKey,
    message_id: MessageId,
    is_framed: bool,
}

impl FrameOpener {
    pub(crate) fn new(key: AeadKey, message_id: MessageId, is_framed: bool) -> Self {
        Self { key, message_id, is_framed }
    }

    /// Opens consecutive regular frames, which `body` begins with, into `plaintext`.
    ///
    /// # What is verified
    /// As for [`Self::open`]; what follows a frame that does not verify is not opened.
    pub(crate) fn open_frames(
        &self,
        frames: &RegularFrames,
        body: &[u8],
        plaintext: &mut [u8],
    ) -> Result<(), Error> {
        let contents = plaintext.chunks_exact_mut(frames.frame_length());
        let bodies = body.chunks_exact(frames.frame_length() + REGULAR_OVERHEAD);
        for ((number, frame), contents) in frames.numbers().zip(bodies).zip(contents) {
            let head = FrameHead::parse(frame, number, frames.frame_length_field())
                .map_err(|error| Error::at_end_of_input(error, "the body"))?;
            self.open(&head, frame, contents)?;
        }
        Ok(())
    }

    /// Opens a whole frame, or a whole non-framed body, into `plaintext`, which has the length of its contents.
    ///
    /// # What is verified
    /// The tag: over the contents, the message ID, the frame's number, kind and length. If it does not verify, `plaintext` holds
    /// zeros.
    pub(crate) fn open(&self, head: &FrameHead, frame: &[u8], plaintext: &mut [u8]) -> Result<(), Error> {
        let (ciphertext, tag) = head.ciphertext_and_tag(frame).ok_or(CryptoError::InvalidLength)?;
        let aad = self.aad(head);
        let opened = self.key.open_into(&head.iv, aad.as_bytes(), ciphertext, tag, plaintext);
        opened.map_err(|error| refused(head, error))
    }

    /// Opens a whole frame in place, and returns its contents.
    ///
    /// # What is verified
    /// As for [`Self::open`]. If the tag does not verify, the frame holds zeros.
    pub(crate) fn open_in_place<'a>(&self, head: &FrameHead, frame: &'a mut [u8]) -> Result<&'a [u8], Error> {
        let rest = frame.get_mut(head.head_len..head.total_len()).ok_or(CryptoError::InvalidLength)?;
        let opened = self.key.open_in_place(&head.iv, self.aad(head).as_bytes(), rest);
        opened.map(|contents| &*contents).map_err(|error| refused(head, error))
    }

    /// What the tag covers beside the contents.
    fn aad(&self, head: &FrameHead) -> BodyAad {
        let content = match (self.is_framed, head.is_final) {
            (false, _) => BodyContent::SingleBlock,
            (true, false) => BodyContent::RegularFrame,
            (true, true) => BodyContent::FinalFrame,
        };
        BodyAad::new(&self.message_id, content, head.sequence_number, head.ciphertext_len as u64)
    }
}

/// Why a frame does not open.
fn refused(head: &FrameHead, error: CryptoError) -> Error {
    match error {
        CryptoError::Unauthentic => {
            Error::FrameUnauthentic { sequence_number: head.sequence_number.as_u32() }
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use envel_core::primitives::aead::AeadAlgorithm;

    use super::super::sequence::FrameSequence;
    use super::*;
    use crate::message::frame::FINAL_HEAD_LEN;

    fn key() -> AeadKey {
        AeadKey::new(AeadAlgorithm::Aes256Gcm, &[1; 32]).unwrap()
    }

    #[test]
    fn sealed_frames_open_in_their_place_alone() {
        let id = MessageId::try_from(&[2; 32][..]).unwrap();
        let sealer = FrameSealer::new(key(), id);
        let opener = FrameOpener::new(key(), id, true);
        let mut sequence = FrameSequence::new();
        let mut regular = [0x55; REGULAR_HEAD_LEN + 8 + TAG_LEN];
        sealer.seal_regular(sequence.next_regular(1).unwrap().next().unwrap(), &mut regular).unwrap();
        let mut last = [0x66; FINAL_HEAD_LEN + 3 + TAG_LEN];
        sealer.seal_final(sequence.take_final().unwrap(), &mut last).unwrap();

        let first = SequenceNumber::FIRST;
        let head = FrameHead::parse(&regular, first, 8).unwrap();
        let mut plaintext = [0; 8];
        opener.open(&head, &regular, &mut plaintext).unwrap();
        assert_eq!(plaintext, [0x55; 8]);
        let head = FrameHead::parse(&last, first.next().unwrap(), 8).unwrap();
        let mut plaintext = [0; 3];
        opener.open(&head, &last, &mut plaintext).unwrap();
        assert_eq!(plaintext, [0x66; 3]);

        let elsewhere = FrameOpener::new(key(), MessageId::try_from(&[3; 32][..]).unwrap(), true);
        let refused = elsewhere.open(&head, &last, &mut plaintext);
        assert!(matches!(refused, Err(Error::FrameUnauthentic { sequence_number: 2 })));
        assert_eq!(plaintext, [0; 3]);
    }

    #[test]
    fn a_buffer_without_room_for_head_and_tag_is_refused() {
        let sealer = FrameSealer::new(key(), MessageId::try_from(&[2; 32][..]).unwrap());
        let ticket = FrameSequence::new().take_final().unwrap();
        assert!(sealer.seal_final(ticket, &mut [0; FINAL_HEAD_LEN + TAG_LEN - 1]).is_err());
    }
}
