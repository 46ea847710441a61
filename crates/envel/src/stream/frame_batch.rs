//! Plaintext gathered where its frames will stand.

use std::io::{self, IoSliceMut, Read};

use envel_core::SecretBytes;

use crate::error::Error;
use crate::message::frame::{FINAL_HEAD_LEN, FINAL_OVERHEAD, REGULAR_HEAD_LEN, REGULAR_OVERHEAD};
use crate::seal::{FrameSealer, FrameSequence, FrameTickets};

/// Bytes of frames that are gathered before they are sealed or opened: enough to make calls and hand-overs rare, little enough to stay in
/// cache.
pub(crate) const BATCH_LEN: usize = 1 << 19;

/// Slots of one frame each, filled with plaintext and sealed in place.
///
/// It holds plaintext until sealed, and is wiped on drop.
#[derive(Debug)]
pub(crate) struct FrameBatch {
    /// The slots, and the bytes by which a final frame is longer than a regular one.
    buffer: SecretBytes,
    frame_length: usize,
    slots: usize,
    /// Plaintext bytes in the slots.
    gathered: usize,
}

impl FrameBatch {
    /// Room for [`BATCH_LEN`] bytes of frames, or one frame if that is longer, or no more than is expected.
    pub(crate) fn new(frame_length: u32, expected_plaintext_len: Option<u64>) -> Self {
        let frame_length = frame_length as usize;
        let expected = expected_plaintext_len.and_then(|expected| usize::try_from(expected).ok());
        let needed = expected.map_or(usize::MAX, |expected| expected.div_ceil(frame_length));
        let slots = needed.min(BATCH_LEN / (frame_length + REGULAR_OVERHEAD)).max(1);
        let buffer_len = slots * (frame_length + REGULAR_OVERHEAD) + (FINAL_OVERHEAD - REGULAR_OVERHEAD);
        Self { buffer: SecretBytes::zeroed(buffer_len), frame_length, slots, gathered: 0 }
    }

    fn stride(&self) -> usize {
        self.frame_length + REGULAR_OVERHEAD
    }

    /// Plaintext bytes in the slots.
    pub(crate) fn gathered(&self) -> usize {
        self.gathered
    }

    /// Frames that fit.
    pub(crate) fn slots(&self) -> usize {
        self.slots
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.gathered == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.gathered == self.slots * self.frame_length
    }

    /// Where the next plaintext goes: the free parts of the slots, in order.
    fn rooms(&mut self) -> Vec<IoSliceMut<'_>> {
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

    /// Reads plaintext once, to where it will be sealed; whether there was any.
    pub(crate) fn read_from(&mut self, reader: &mut (impl Read + ?Sized)) -> io::Result<bool> {
        loop {
            match reader.read_vectored(&mut self.rooms()) {
                Ok(count) => {
                    self.gathered += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes as much of `plaintext` as fits, and says how much that was.
    pub(crate) fn push(&mut self, plaintext: &[u8]) -> usize {
        let mut taken = 0;
        while taken < plaintext.len() && !self.is_full() {
            let (slot, used) = (self.gathered / self.frame_length, self.gathered % self.frame_length);
            let count = (self.frame_length - used).min(plaintext.len() - taken);
            let start = slot * self.stride() + REGULAR_HEAD_LEN + used;
            let room = &mut self.buffer.expose_secret_mut()[start..start + count];
            room.copy_from_slice(&plaintext[taken..taken + count]);
            self.gathered += count;
            taken += count;
        }
        taken
    }

    /// Seals the first slots, which must be full, as regular frames: one for each ticket. What is sealed may be written, and then
    /// [`Self::clear`]ed.
    pub(crate) fn seal_regular(
        &mut self,
        sealer: &FrameSealer,
        tickets: FrameTickets,
    ) -> Result<&[u8], Error> {
        let stride = self.stride();
        let end = tickets.len() * stride;
        let frames = &mut self.buffer.expose_secret_mut()[..end];
        for (ticket, frame) in tickets.zip(frames.chunks_exact_mut(stride)) {
            sealer.seal_regular(ticket, frame)?;
        }
        Ok(&self.buffer.expose_secret()[..end])
    }

    /// Seals everything, the last of it as the final frame.
    pub(crate) fn seal_end(
        &mut self,
        sealer: &FrameSealer,
        sequence: &mut FrameSequence,
    ) -> Result<&[u8], Error> {
        let regular = self.gathered.saturating_sub(1) / self.frame_length;
        let final_frame_len = self.gathered - regular * self.frame_length;
        let start = self.seal_regular(sealer, sequence.next_regular(regular)?)?.len();
        let end = start + final_frame_len + FINAL_OVERHEAD;
        let frame = &mut self.buffer.expose_secret_mut()[start..end];
        frame.copy_within(REGULAR_HEAD_LEN..REGULAR_HEAD_LEN + final_frame_len, FINAL_HEAD_LEN);
        sealer.seal_final(sequence.take_final()?, frame)?;
        Ok(&self.buffer.expose_secret()[..end])
    }

    /// The first `length` bytes, which [`Self::seal_regular`] sealed.
    pub(crate) fn sealed(&self, length: usize) -> &[u8] {
        &self.buffer.expose_secret()[..length]
    }

    /// Makes room again.
    pub(crate) fn clear(&mut self) {
        self.gathered = 0;
    }
}
