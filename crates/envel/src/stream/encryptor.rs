//! Encrypts a stream: plaintext in at any pace, whole frames out.

use std::io::IoSliceMut;

use envel_core::SecretBytes;

use super::encryption::{EncryptSummary, Encryption};
use crate::error::Error;
use crate::message::MessageHeader;
use crate::message::frame::{FINAL_HEAD_LEN, FINAL_OVERHEAD, REGULAR_HEAD_LEN, REGULAR_OVERHEAD};
use crate::seal::FrameSequence;

/// How much plaintext is gathered before frames are sealed: enough to make calls rare, little enough to stay in cache.
const BUFFERED_PLAINTEXT: usize = 1 << 20;

/// Gathers plaintext where its frames will stand, seals them in place, and gives them out.
///
/// A full frame is sealed as a regular one when more plaintext is known to follow, so that the final frame is empty only if the
/// message is.
#[derive(Debug)]
pub(super) struct Encryptor {
    encryption: Encryption,
    sequence: FrameSequence,
    /// Slots of one regular frame each, and the bytes by which a final frame is longer. It holds plaintext until sealed.
    buffer: SecretBytes,
    frame_length: usize,
    slots: usize,
    /// Plaintext bytes in the slots.
    gathered: usize,
    sealed_plaintext_len: u64,
    body_len: u64,
}

impl Encryptor {
    pub(super) fn new(encryption: Encryption) -> Self {
        let frame_length = encryption.frame_length as usize;
        let expected = encryption.expected_plaintext_len.and_then(|expected| usize::try_from(expected).ok());
        let needed = expected.map_or(usize::MAX, |expected| expected.div_ceil(frame_length));
        let slots = needed.min(BUFFERED_PLAINTEXT / frame_length).max(1);
        let buffer_len = slots * (frame_length + REGULAR_OVERHEAD) + (FINAL_OVERHEAD - REGULAR_OVERHEAD);
        Self {
            encryption,
            sequence: FrameSequence::new(),
            buffer: SecretBytes::zeroed(buffer_len),
            frame_length,
            slots,
            gathered: 0,
            sealed_plaintext_len: 0,
            body_len: 0,
        }
    }

    pub(super) fn header(&self) -> &MessageHeader {
        self.encryption.header()
    }

    pub(super) fn header_bytes(&self) -> &[u8] {
        self.encryption.header_bytes()
    }

    fn stride(&self) -> usize {
        self.frame_length + REGULAR_OVERHEAD
    }

    /// Whether [`Self::seal_full`] must come before more plaintext.
    pub(super) fn is_full(&self) -> bool {
        self.gathered == self.slots * self.frame_length
    }

    /// Where the next plaintext goes: the free parts of the slots, in order.
    pub(super) fn rooms(&mut self) -> Vec<IoSliceMut<'_>> {
        /// More buffers than a system call takes would be ignored.
        const MOST: usize = 256;
        let (stride, frame_length) = (self.stride(), self.frame_length);
        let (first, used) = (self.gathered / frame_length, self.gathered % frame_length);
        let slots = self.buffer.expose_secret_mut().chunks_exact_mut(stride).take(self.slots);
        slots
            .skip(first)
            .take(MOST)
            .enumerate()
            .map(|(index, slot)| {
                let from = REGULAR_HEAD_LEN + if index == 0 { used } else { 0 };
                IoSliceMut::new(&mut slot[from..REGULAR_HEAD_LEN + frame_length])
            })
            .collect()
    }

    /// The free part of the current slot; empty if the buffer is full.
    fn room(&mut self) -> &mut [u8] {
        if self.is_full() {
            return &mut [];
        }
        let (slot, used) = (self.gathered / self.frame_length, self.gathered % self.frame_length);
        let start = slot * self.stride() + REGULAR_HEAD_LEN;
        let end = start + self.frame_length;
        &mut self.buffer.expose_secret_mut()[start + used..end]
    }

    /// Takes note of plaintext that was put into the rooms.
    pub(super) fn advance(&mut self, count: usize) -> Result<(), Error> {
        self.gathered += count;
        self.encryption.check_plaintext_len(self.sealed_plaintext_len + self.gathered as u64)
    }

    /// Takes as much of `plaintext` as fits, and says how much that was: none if the buffer is full.
    pub(super) fn push(&mut self, plaintext: &[u8]) -> Result<usize, Error> {
        let mut taken = 0;
        loop {
            let room = self.room();
            let count = room.len().min(plaintext.len() - taken);
            if count == 0 {
                return Ok(taken);
            }
            room[..count].copy_from_slice(&plaintext[taken..taken + count]);
            self.advance(count)?;
            taken += count;
        }
    }

    /// Seals the full buffer as regular frames, to be written before anything else. Call it when more plaintext follows.
    pub(super) fn seal_full(&mut self) -> Result<&[u8], Error> {
        debug_assert!(self.is_full());
        let end = self.seal_regular_slots(self.slots)?;
        self.gathered = 0;
        Ok(&self.buffer.expose_secret()[..end])
    }

    /// Seals the first `count` slots; where they end.
    fn seal_regular_slots(&mut self, count: usize) -> Result<usize, Error> {
        let stride = self.stride();
        let end = count * stride;
        let frames = &mut self.buffer.expose_secret_mut()[..end];
        for frame in frames.chunks_exact_mut(stride) {
            self.encryption.sealer.seal_regular(self.sequence.next_regular()?, frame)?;
        }
        if let Some(signer) = &mut self.encryption.signer {
            signer.update(frames);
        }
        self.sealed_plaintext_len += (count * self.frame_length) as u64;
        self.body_len += end as u64;
        Ok(end)
    }

    /// Seals what is left, the last of it as the final frame, and adds the footer: the end of the message.
    pub(super) fn finish(&mut self) -> Result<(&[u8], EncryptSummary), Error> {
        let regular = self.gathered.saturating_sub(1) / self.frame_length;
        let final_frame_len = self.gathered - regular * self.frame_length;
        let start = self.seal_regular_slots(regular)?;
        let end = start + final_frame_len + FINAL_OVERHEAD;
        let frame = &mut self.buffer.expose_secret_mut()[start..end];
        frame.copy_within(REGULAR_HEAD_LEN..REGULAR_HEAD_LEN + final_frame_len, FINAL_HEAD_LEN);
        self.encryption.sealer.seal_final(self.sequence.take_final()?, frame)?;
        self.sealed_plaintext_len += final_frame_len as u64;
        self.body_len += frame.len() as u64;
        let mut footer = Vec::new();
        if let Some(mut signer) = self.encryption.signer.take() {
            signer.update(frame);
            footer = signer.finish()?;
        }
        let summary = EncryptSummary {
            plaintext_len: self.sealed_plaintext_len,
            ciphertext_len: self.header_bytes().len() as u64 + self.body_len + footer.len() as u64,
        };
        self.gathered = 0;
        let mut last = SecretBytes::zeroed(end + footer.len());
        last.expose_secret_mut()[..end].copy_from_slice(&self.buffer.expose_secret()[..end]);
        last.expose_secret_mut()[end..].copy_from_slice(&footer);
        self.buffer = last;
        Ok((self.buffer.expose_secret(), summary))
    }
}
