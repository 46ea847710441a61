//! One pass over frames: fetched in runs, opened once each, and handed to every range that wants some of them.

use std::ops::Range;

use zeroize::Zeroize;

use super::planner::{Fetch, RangePlanner};
use crate::error::Error;
use crate::message::MalformedMessage;
use crate::message::layout::{BodyLayout, FrameIndex};

/// Neighbouring frames, the last one included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameRun {
    pub(super) first: FrameIndex,
    pub(super) last: FrameIndex,
}

impl FrameRun {
    /// Puts runs in order and joins those that overlap or touch.
    pub(super) fn merge(runs: &mut Vec<Self>) {
        runs.sort_unstable_by_key(|run| run.first);
        runs.dedup_by(|later, earlier| {
            let is_joined = later.first <= earlier.last.next();
            if is_joined {
                earlier.last = earlier.last.max(later.last);
            }
            is_joined
        });
    }
}

/// A range within the plaintext, and where its bytes go.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    start: u64,
    out: &'a mut [u8],
}

impl<'a> Wanted<'a> {
    /// `out` has the length of the range.
    pub(super) fn new(start: u64, out: &'a mut [u8]) -> Self {
        Self { start, out }
    }

    pub(super) fn range(&self) -> Range<u64> {
        self.start..self.start + self.out.len() as u64
    }

    /// Where the bytes of the range that lie within `held` go, and which ones of `held` they are.
    fn overlap(&mut self, held: &Range<u64>) -> (&mut [u8], Range<usize>) {
        let range = self.range();
        let (start, end) = (range.start.max(held.start), range.end.min(held.end));
        if start >= end {
            return (&mut [], 0..0);
        }
        // Both differences are within buffers in memory.
        let within = |at: u64, origin: u64| usize::try_from(at - origin).unwrap_or(usize::MAX);
        let out = &mut self.out[within(start, range.start)..within(end, range.start)];
        (out, within(start, held.start)..within(end, held.start))
    }
}

/// The frames that were fetched and are being opened.
#[derive(Debug)]
struct Piece {
    next: FrameIndex,
    last: FrameIndex,
    /// Where the next frame begins in what was fetched.
    next_at: usize,
}

/// Fetches and opens frames for ranges. Unless [`RangePass::release`] is called, what was written to the ranges is wiped.
#[derive(Debug)]
pub(super) struct RangePass<'a> {
    planner: &'a RangePlanner,
    layout: BodyLayout,
    /// What is still to be fetched, the next run last.
    runs: Vec<FrameRun>,
    piece: Option<Piece>,
    /// In the order of their starts.
    wanted: Vec<Wanted<'a>>,
    /// Those of `wanted` that the next frame may reach into.
    active: Vec<usize>,
    /// How many of `wanted` were active.
    started: usize,
    is_released: bool,
}

impl<'a> RangePass<'a> {
    /// `runs` in order; `wanted` in any.
    pub(super) fn new(
        planner: &'a RangePlanner,
        layout: BodyLayout,
        mut runs: Vec<FrameRun>,
        mut wanted: Vec<Wanted<'a>>,
    ) -> Self {
        runs.reverse();
        wanted.sort_unstable_by_key(|wanted| wanted.start);
        Self {
            planner,
            layout,
            runs,
            piece: None,
            wanted,
            active: Vec::new(),
            started: 0,
            is_released: false,
        }
    }

    /// What to fetch next; `None` when every frame was opened.
    pub(super) fn next_fetch(&mut self) -> Result<Option<Fetch>, Error> {
        let Some(run) = self.runs.last_mut() else { return Ok(None) };
        let (fetch, piece) = self.planner.fetch(&self.layout, *run)?;
        if piece.last == run.last {
            self.runs.pop();
        } else {
            run.first = piece.last.next();
        }
        self.piece = Some(Piece { next: piece.first, last: piece.last, next_at: 0 });
        Ok(Some(fetch))
    }

    /// Opens frames of what was fetched, of about `budget` bytes, at least one; whether there are more. What was fetched is overwritten.
    pub(super) fn open_some(&mut self, fetched: &mut [u8], budget: usize) -> Result<bool, Error> {
        let mut opened = 0;
        while let Some(Piece { next: frame, last, next_at }) = self.piece {
            let taken = self.layout.bytes_of(frame, frame);
            let length =
                usize::try_from(taken.end - taken.start).map_err(|_| MalformedMessage::BodyLength)?;
            if opened > 0 && opened + length > budget {
                return Ok(true);
            }
            let end = next_at + length;
            self.open(frame, fetched.get_mut(next_at..end).ok_or(MalformedMessage::BodyLength)?)?;
            opened += length;
            self.piece = (frame < last).then(|| Piece { next: frame.next(), last, next_at: end });
        }
        Ok(false)
    }

    /// Opens one frame: straight to where its plaintext is wanted if it is wanted whole and once, else in place.
    fn open(&mut self, frame: FrameIndex, bytes: &mut [u8]) -> Result<(), Error> {
        let held = self.layout.plaintext_of(frame);
        while self.wanted.get(self.started).is_some_and(|wanted| wanted.start < held.end) {
            self.active.push(self.started);
            self.started += 1;
        }
        if let [only] = self.active[..]
            && let (out, _) = self.wanted[only].overlap(&held)
            && out.len() as u64 == held.end - held.start
        {
            self.planner.open_into(&self.layout, frame, bytes, out)?;
        } else {
            let contents = self.planner.open_in_place(&self.layout, frame, bytes)?;
            for index in &self.active {
                let (out, within) = self.wanted[*index].overlap(&held);
                out.copy_from_slice(&contents[within]);
            }
        }
        let wanted = &self.wanted;
        self.active.retain(|index| wanted[*index].range().end > held.end);
        Ok(())
    }

    /// Lets the ranges have what was written to them: every frame was verified.
    pub(super) fn release(mut self) {
        self.is_released = self.runs.is_empty() && self.piece.is_none();
        debug_assert!(self.is_released);
    }
}

impl Drop for RangePass<'_> {
    fn drop(&mut self) {
        if !self.is_released {
            self.wanted.iter_mut().for_each(|wanted| wanted.out.zeroize());
        }
    }
}
