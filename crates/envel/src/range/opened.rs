//! What the drivers share: an opened message without its source.

use std::ops::Range;
use std::slice;
use std::sync::{Mutex, PoisonError};

use envel_core::SecretBytes;

use super::pass::{RangePass, Wanted};
use super::planner::{Fetch, RangePlanner};
use super::start::MessageStart;
use super::{RangeOutput, RangeProof, VerifiedRange};
use crate::error::{Error, InvalidCall};
use crate::materials::OpenedBy;
use crate::message::MessageHeader;
use crate::stream::OpenedHeader;

/// Memory for what is fetched, and for the plaintext of frames that are opened in place: reused from call to call.
pub(super) struct FetchBuffer(SecretBytes);

impl FetchBuffer {
    /// Room for a fetch, with anything in it.
    pub(super) fn space(&mut self, fetch: Fetch) -> &mut [u8] {
        if self.0.len() < fetch.length {
            // The final frame takes a few bytes more than the others: that must not mean new memory.
            self.0 = SecretBytes::zeroed(fetch.length.next_multiple_of(4096));
        }
        &mut self.0.expose_secret_mut()[..fetch.length]
    }
}

/// An opened message without its source.
pub(super) struct Opened {
    pub(super) header: MessageHeader,
    pub(super) opened_by: OpenedBy,
    pub(super) planner: RangePlanner,
    /// The bytes that were read for the header: a small message is among them as a whole.
    start: Vec<u8>,
    spare_buffer: Mutex<Option<FetchBuffer>>,
}

impl Opened {
    pub(super) fn new(
        opened: OpenedHeader,
        start: MessageStart,
        source_len: u64,
        piece_len: u64,
    ) -> Result<Self, Error> {
        let OpenedHeader { header, opened_by, body } = opened;
        let planner = RangePlanner::new(body.into_opener(), &header, source_len, piece_len)?;
        let (start, spare_buffer) = (start.into_bytes(), Mutex::default());
        Ok(Self { header, opened_by, planner, start, spare_buffer })
    }

    pub(super) fn take_buffer(&self) -> FetchBuffer {
        let spare = self.spare_buffer.lock().unwrap_or_else(PoisonError::into_inner).take();
        spare.unwrap_or_else(|| FetchBuffer(SecretBytes::zeroed(0)))
    }

    pub(super) fn keep_buffer(&self, buffer: FetchBuffer) {
        *self.spare_buffer.lock().unwrap_or_else(PoisonError::into_inner) = Some(buffer);
    }

    /// Serves a fetch from what was read for the header; whether all of it was there.
    pub(super) fn fetch_from_start(&self, position: u64, out: &mut [u8]) -> bool {
        let rest = usize::try_from(position).ok().and_then(|position| self.start.get(position..));
        let found = rest.and_then(|rest| rest.get(..out.len()));
        if let Some(found) = found {
            out.copy_from_slice(found);
        }
        found.is_some()
    }

    /// Ranges with memory of their own. Call it when the end was verified if it must be first.
    pub(super) fn batch(&self, ranges: &[Range<u64>]) -> Result<Batch, InvalidCall> {
        let mut outputs = Vec::with_capacity(ranges.len());
        for range in ranges {
            let range = self.planner.clamp(range)?;
            outputs.push((vec![0; memory_len(&range)?], range));
        }
        Ok(Batch { outputs })
    }

    /// The pass that fills the caller's memory, which is as long as the range, and what of the range there is. Call it likewise.
    pub(super) fn pass_into<'a>(
        &'a self,
        range: &Range<u64>,
        proof: RangeProof,
        out: &'a mut [u8],
    ) -> Result<(RangePass<'a>, Range<u64>), InvalidCall> {
        let clamped = self.planner.clamp(range)?;
        let wanted = Wanted::new(clamped.start, &mut out[..memory_len(&clamped)?]);
        Ok((self.planner.pass(slice::from_ref(range), proof, vec![wanted]), clamped))
    }

    /// A range that is read piece by piece. Call it when the end was verified if it must be before the pieces.
    pub(super) fn pieces(&self, range: Range<u64>, proof: RangeProof) -> Result<Pieces, InvalidCall> {
        let clamped = self.planner.clamp(&range)?;
        Ok(Pieces {
            asked: range,
            proof,
            start: clamped.start,
            len: 0,
            buffer: SecretBytes::zeroed(0),
            next_at: clamped.start,
            is_started: false,
            clamped,
        })
    }
}

/// The length of a range in memory.
fn memory_len(range: &Range<u64>) -> Result<usize, InvalidCall> {
    let length = range.end - range.start;
    usize::try_from(length).map_err(|_| InvalidCall::RangeTooLong { length })
}

/// Ranges with their memory.
pub(super) struct Batch {
    outputs: Vec<(Vec<u8>, Range<u64>)>,
}

impl Batch {
    /// The pass that fills them.
    pub(super) fn pass<'a>(
        &'a mut self,
        opened: &'a Opened,
        ranges: &[Range<u64>],
        proof: RangeProof,
    ) -> RangePass<'a> {
        let wanted = self.outputs.iter_mut().map(|(out, range)| Wanted::new(range.start, out)).collect();
        opened.planner.pass(ranges, proof, wanted)
    }

    /// The filled ranges, in the caller's order.
    pub(super) fn into_outputs(self, opened: &Opened) -> Vec<RangeOutput> {
        let outputs = self.outputs.into_iter();
        outputs
            .map(|(plaintext, range)| RangeOutput { plaintext, verified: opened.planner.verdict(range) })
            .collect()
    }
}

/// A range that is read piece by piece, in memory of one piece.
pub(super) struct Pieces {
    asked: Range<u64>,
    proof: RangeProof,
    clamped: Range<u64>,
    /// The piece at hand, of which the buffer may be longer.
    start: u64,
    len: usize,
    buffer: SecretBytes,
    next_at: u64,
    is_started: bool,
}

impl Pieces {
    /// Goes to the next piece, if there is one: there always is a first, be it only for the end to be verified.
    pub(super) fn advance(&mut self, opened: &Opened) -> Result<bool, InvalidCall> {
        if self.is_started && self.next_at == self.clamped.end {
            return Ok(false);
        }
        self.is_started = true;
        self.start = self.next_at;
        self.next_at = opened.planner.piece_end(self.start, self.clamped.end);
        self.len = memory_len(&(self.start..self.next_at))?;
        if self.buffer.len() < self.len {
            self.buffer = SecretBytes::zeroed(self.len);
        }
        Ok(true)
    }

    /// The pass that fills the piece.
    pub(super) fn pass<'a>(&'a mut self, opened: &'a Opened) -> RangePass<'a> {
        let wanted = Wanted::new(self.start, &mut self.buffer.expose_secret_mut()[..self.len]);
        opened.planner.pass(slice::from_ref(&self.asked), self.proof, vec![wanted])
    }

    /// The piece that was filled.
    pub(super) fn piece(&self) -> &[u8] {
        &self.buffer.expose_secret()[..self.len]
    }

    /// What is known of the range, when all of it was read.
    pub(super) fn verdict(self, opened: &Opened) -> VerifiedRange {
        opened.planner.verdict(self.clamped)
    }
}
