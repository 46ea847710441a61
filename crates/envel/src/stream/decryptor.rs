//! Decrypts a stream: bytes in at any pace, plaintext out by the release rules.

use std::collections::VecDeque;
use std::io::{self, Read};

use envel_core::SecretBytes;

use super::body::{BodyError, BodyReader, BodyState, RegularFrameTaker};
use super::frame_batch::BATCH_LEN;
use super::{DecryptSummary, ReleasePolicy};
use crate::error::{Error, Refusal};
use crate::message::MalformedMessage;
use crate::message::frame::FrameHead;
use crate::message::layout::RegularFrames;
use crate::seal::FrameOpener;

/// Plaintext that is held back is held in pieces of at least this many bytes.
const HELD_PIECE_LEN: usize = 1 << 16;

/// Bytes of the message that have come and are not used up.
#[derive(Debug, Default)]
pub(crate) struct InputBuffer {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    wanted: usize,
    is_closed: bool,
    total: u64,
}

impl InputBuffer {
    /// The bytes at hand.
    pub(crate) fn available(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether no more bytes will come.
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Bytes that ever came.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Uses bytes up.
    pub(crate) fn consume(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }

    /// Says how many bytes must be at hand to go on.
    pub(crate) fn want(&mut self, needed: usize) {
        self.wanted = needed;
    }

    /// Whether so many bytes are there, or never will be.
    pub(crate) fn is_satisfied(&self) -> bool {
        self.is_closed || self.end - self.start >= self.wanted
    }

    /// Where the source puts its next bytes: room for at most `preferred` bytes in all, or for what is wanted, but never for
    /// more than twice what has come, so that a length in a message cannot ask for memory.
    pub(crate) fn space(&mut self, preferred: usize) -> &mut [u8] {
        const FIRST: usize = 4096;
        let at_hand = self.end - self.start;
        let arrived = usize::try_from(self.total).unwrap_or(usize::MAX);
        let trusted = arrived.saturating_mul(2).max(FIRST);
        let capacity = self.wanted.max(preferred).min(trusted).max(at_hand + 1);
        if self.start > 0 && self.bytes.len() - self.start < capacity {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, at_hand);
        }
        if self.bytes.len() < self.start + capacity {
            self.bytes.resize(self.start + capacity, 0);
        }
        &mut self.bytes[self.end..self.start + capacity]
    }

    /// Reads until what is wanted is there, or the source ends.
    pub(crate) fn fill(&mut self, source: &mut impl Read, preferred: usize) -> io::Result<()> {
        while !self.is_satisfied() {
            match source.read(self.space(preferred)) {
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Gives the first `count` bytes away, in a vector that begins with them, and goes on in `spare`.
    pub(crate) fn take(&mut self, count: usize, mut spare: Vec<u8>) -> Vec<u8> {
        let rest = &self.bytes[self.start + count..self.end];
        if spare.len() < rest.len() {
            spare.resize(rest.len(), 0);
        }
        spare[..rest.len()].copy_from_slice(rest);
        let rest_len = rest.len();
        let mut taken = std::mem::replace(&mut self.bytes, spare);
        taken.copy_within(self.start..self.start + count, 0);
        (self.start, self.end) = (0, rest_len);
        taken
    }

    /// Takes note of bytes that were put into the space; none means the end.
    pub(crate) fn advance(&mut self, count: usize) {
        self.end += count;
        self.total += count as u64;
        self.is_closed |= count == 0;
    }
}

/// What a step came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many bytes of plaintext were written.
    Released(usize),
    /// More of the message is needed: [`Decryptor::input`] says how much.
    NeedInput,
    /// The message was verified to its end, and everything is released.
    End,
}

/// Plaintext on its way out.
#[derive(Debug)]
struct Piece {
    bytes: SecretBytes,
    start: usize,
    end: usize,
}

/// Decrypts a message as it arrives, and releases plaintext when it may leave.
///
/// A regular frame is released when its tag was verified, unless the policy holds a signed message back. The final frame is
/// released when the footer was verified and the input has ended: a message that is cut, or followed by something, never looks
/// complete.
#[derive(Debug)]
pub(crate) struct Decryptor {
    body: BodyReader,
    /// What may leave.
    released: VecDeque<Piece>,
    /// What waits for the end of the message.
    held: VecDeque<Piece>,
    held_len: u64,
    /// How much may be held beside the final frame; `None` if nothing must be.
    hold_limit: Option<u64>,
    plaintext_len: u64,
    failure: Option<Error>,
    is_failed: bool,
    is_finished: bool,
}

impl Decryptor {
    pub(crate) fn new(body: BodyReader, release: ReleasePolicy) -> Self {
        let hold_limit = match release {
            ReleasePolicy::AfterSignature { max_held_bytes } if body.is_signed() => Some(max_held_bytes),
            _ => None,
        };
        Self {
            body,
            released: VecDeque::new(),
            held: VecDeque::new(),
            held_len: 0,
            hold_limit,
            plaintext_len: 0,
            failure: None,
            is_failed: false,
            is_finished: false,
        }
    }

    /// How much of the message should be asked for, or opened, at once: whole frames, so that none is split between two reads.
    pub(crate) fn whole_batch(&self) -> RegularFrames {
        RegularFrames::within(BATCH_LEN, self.body.frame_length())
    }

    /// The length of a buffer to step into: whole frames, so that they are opened there. A body without frames has a frame length of
    /// 0, and the memory for long frames is not spent before they arrive.
    pub(crate) fn output_len(&self) -> usize {
        const LONGEST_DIRECT_FRAME: usize = 1 << 20;
        match self.whole_batch().plaintext_len() {
            1..=LONGEST_DIRECT_FRAME => self.whole_batch().plaintext_len(),
            _ => BATCH_LEN,
        }
    }

    /// Whether regular frames may be opened and released by others than [`Self::step`].
    pub(crate) fn releases_each_frame(&self) -> bool {
        let is_sound = !self.is_failed && self.failure.is_none();
        is_sound && self.hold_limit.is_none() && self.released.is_empty()
    }

    /// Opener and bookkeeping, for those who open regular frames beside [`Self::step`].
    pub(crate) fn split(&mut self) -> (&FrameOpener, RegularFrameTaker<'_>) {
        self.body.split()
    }

    /// Takes note of plaintext that was released beside [`Self::step`], and of a failure there.
    pub(crate) fn released_elsewhere(&mut self, plaintext_len: u64, is_failed: bool) {
        self.plaintext_len += plaintext_len;
        self.is_failed |= is_failed;
    }

    /// What was read and released; complete after [`Step::End`].
    pub(crate) fn summary(&self, input: &InputBuffer) -> DecryptSummary {
        DecryptSummary { plaintext_len: self.plaintext_len, ciphertext_len: input.total() }
    }

    /// Whether the message was verified to its end and everything is released.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished && self.released.is_empty()
    }

    /// Goes on: releases plaintext into `out`, or asks for more of the message.
    ///
    /// # Errors
    /// Whatever is wrong with the message. Nothing is released after an error.
    pub(crate) fn step(&mut self, input: &mut InputBuffer, out: &mut [u8]) -> Result<Step, Error> {
        if let Some(failure) = self.failure.take() {
            return Err(self.failed(failure));
        }
        if self.is_failed {
            return Err(io::Error::other("this message failed to decrypt before").into());
        }
        let mut written = 0;
        while written < out.len() {
            let count = self.release_into(&mut out[written..]);
            written += count;
            if count > 0 {
                continue;
            }
            if self.is_finished {
                break;
            }
            match self.read_part(input, &mut out[written..]) {
                Ok(count) => written += count,
                Err(BodyError::Incomplete { needed }) if !input.is_closed() => {
                    input.want(needed);
                    return Ok(if written > 0 { Step::Released(written) } else { Step::NeedInput });
                }
                Err(error) => {
                    let failure = error.at_end_of_input(self.body.part());
                    if written > 0 {
                        // What was verified before it may leave; the next call reports the failure.
                        self.failure = Some(failure);
                        return Ok(Step::Released(written));
                    }
                    return Err(self.failed(failure));
                }
            }
        }
        Ok(if written == 0 && self.is_finished() { Step::End } else { Step::Released(written) })
    }

    /// Wipes what was not released.
    fn failed(&mut self, failure: Error) -> Error {
        self.is_failed = true;
        self.released.clear();
        self.held.clear();
        failure
    }

    /// Copies released plaintext out.
    fn release_into(&mut self, out: &mut [u8]) -> usize {
        let Some(piece) = self.released.front_mut() else { return 0 };
        let count = out.len().min(piece.end - piece.start);
        out[..count].copy_from_slice(&piece.bytes.expose_secret()[piece.start..piece.start + count]);
        piece.start += count;
        if piece.start == piece.end {
            self.released.pop_front();
        }
        count
    }

    /// Reads the next part of the message; how much plaintext went straight into `out`.
    fn read_part(&mut self, input: &mut InputBuffer, out: &mut [u8]) -> Result<usize, BodyError> {
        match self.body.state() {
            BodyState::Frame(number) => {
                let head = self.body.next_frame(number, input.available())?;
                let count = self.open_frame(&head, input.available(), out)?;
                input.consume(head.total_len());
                self.plaintext_len += head.ciphertext_len as u64;
                Ok(count)
            }
            BodyState::Footer => {
                let footer_len = self.body.read_footer(input.available())?;
                input.consume(footer_len);
                Ok(0)
            }
            BodyState::End if !input.available().is_empty() => Err(MalformedMessage::TrailingBytes.into()),
            BodyState::End if input.is_closed() => {
                self.released.append(&mut self.held);
                self.is_finished = true;
                Ok(0)
            }
            BodyState::End => Err(BodyError::Incomplete { needed: 1 }),
        }
    }

    /// Opens a frame to where it may be: the caller's buffer, or a piece of our own.
    fn open_frame(&mut self, head: &FrameHead, input: &[u8], out: &mut [u8]) -> Result<usize, Error> {
        let length = head.ciphertext_len;
        if head.is_final || self.hold_limit.is_some() {
            self.held_len += length as u64;
            match self.hold_limit {
                Some(max_held_bytes) if self.held_len > max_held_bytes => {
                    return Err(Refusal::HoldLimit { max_held_bytes }.into());
                }
                _ => {}
            }
            let piece = held_piece(&mut self.held, length);
            let end = piece.end + length;
            self.body.open_frame(head, input, &mut piece.bytes.expose_secret_mut()[piece.end..end])?;
            piece.end = end;
            return Ok(0);
        }
        if let Some(out) = out.get_mut(..length) {
            self.body.open_frame(head, input, out)?;
            return Ok(length);
        }
        let mut bytes = SecretBytes::zeroed(length);
        self.body.open_frame(head, input, bytes.expose_secret_mut())?;
        self.released.push_back(Piece { bytes, start: 0, end: length });
        Ok(0)
    }
}

/// The last held piece if so much fits into it, else a new one.
fn held_piece(held: &mut VecDeque<Piece>, length: usize) -> &mut Piece {
    let fits = held.back().is_some_and(|piece| piece.bytes.len() - piece.end >= length);
    if !fits {
        // A lone final frame gets a piece of its own size; only what is held at length comes in larger ones.
        let piece_len = if held.is_empty() { length } else { length.max(HELD_PIECE_LEN) };
        held.push_back(Piece { bytes: SecretBytes::zeroed(piece_len), start: 0, end: 0 });
    }
    let last = held.len() - 1;
    &mut held[last]
}
