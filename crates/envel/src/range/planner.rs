//! Which bytes a range needs, and whether the end of the message is known: no I/O.

use std::ops::Range;
use std::sync::OnceLock;

use super::pass::{FrameRun, RangePass, Wanted};
use super::{RangeProof, VerifiedRange};
use crate::error::{Error, InvalidCall};
use crate::message::frame::{FINAL_OVERHEAD, FrameHead};
use crate::message::layout::{BodyLayout, FrameIndex};
use crate::message::{MalformedMessage, MessageHeader, footer};
use crate::seal::FrameOpener;
use crate::suite::AlgorithmSuite;

/// Bytes of the message to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fetch {
    pub(super) position: u64,
    pub(super) length: usize,
}

impl Fetch {
    fn new(header_len: u64, body: Range<u64>) -> Result<Self, Error> {
        let length = usize::try_from(body.end - body.start).map_err(|_| MalformedMessage::BodyLength)?;
        Ok(Self { position: header_len + body.start, length })
    }
}

/// A division of the body that the length of the source allows.
#[derive(Clone, Copy, Debug)]
struct Claim {
    layout: BodyLayout,
    footer_len: u64,
}

/// Knows where the frames of one message are, and opens them in any order.
#[derive(Debug)]
pub(super) struct RangePlanner {
    opener: FrameOpener,
    suite: AlgorithmSuite,
    header_len: u64,
    frame_length: u32,
    /// Unverified, the likeliest first. One alone unless the message is signed: the footer's length is not known from the end.
    claims: Vec<Claim>,
    /// The claim by which the message ends first: whatever comes before its final frame is a regular frame by every claim.
    shortest: Claim,
    body_and_footer_len: u64,
    /// How the body divides, once its final frame was verified.
    verified: OnceLock<BodyLayout>,
    /// How much is fetched at once, unless a frame is longer.
    piece_len: u64,
}

impl RangePlanner {
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Truncated`] if no message with this header has this length.
    pub(super) fn new(
        opener: FrameOpener,
        header: &MessageHeader,
        source_len: u64,
        piece_len: u64,
    ) -> Result<Self, Error> {
        let (header_len, frame_length) = (header.header_len() as u64, header.frame_length());
        let suite = header.algorithm_suite();
        let body_and_footer_len = source_len
            .checked_sub(header_len)
            .filter(|rest| *rest >= FINAL_OVERHEAD as u64)
            .ok_or(Error::Truncated { within: "the body" })?;
        let claims: Vec<Claim> = footer::possible_lens(suite.signature)
            .into_iter()
            .filter_map(|footer_len| {
                let body_len = body_and_footer_len.checked_sub(footer_len)?;
                Some(Claim { layout: BodyLayout::for_body(body_len, frame_length).ok()?, footer_len })
            })
            .collect();
        let shortest =
            *claims.iter().max_by_key(|claim| claim.footer_len).ok_or(MalformedMessage::BodyLength)?;
        Ok(Self {
            opener,
            suite,
            header_len,
            frame_length,
            claims,
            shortest,
            body_and_footer_len,
            verified: OnceLock::new(),
            piece_len,
        })
    }

    /// Whether the message is signed: its signature is never verified here.
    pub(super) fn is_signed(&self) -> bool {
        self.suite.is_signed()
    }

    /// Bytes of the plaintext, once the final frame was verified.
    pub(super) fn verified_len(&self) -> Option<u64> {
        self.verified.get().map(BodyLayout::plaintext_len)
    }

    /// How the body divides, verified or not.
    pub(super) fn layout(&self) -> BodyLayout {
        self.verified.get().copied().unwrap_or(self.shortest.layout)
    }

    /// Whether the end has yet to be verified for this range: if asked, if nothing else would be verified, and wherever the
    /// answer depends on the length.
    fn needs_end(&self, range: &Range<u64>, proof: RangeProof) -> bool {
        let layout = self.layout();
        self.verified.get().is_none()
            && (proof == RangeProof::WithEnd
                || range.is_empty()
                || range.end >= layout.plaintext_len()
                || range.end > layout.plaintext_of(layout.final_frame()).start)
    }

    /// Whether the end must be verified before the frames are fetched, not along with them: where it is not known where the message
    /// ends, and before an unverified length asks for memory or makes an error.
    ///
    /// # Errors
    /// [`InvalidCall::RangeReversed`].
    pub(super) fn needs_end_first(
        &self,
        ranges: &[Range<u64>],
        proof: RangeProof,
    ) -> Result<bool, InvalidCall> {
        if let Some(&Range { start, end }) = ranges.iter().find(|range| range.start > range.end) {
            return Err(InvalidCall::RangeReversed { start, end });
        }
        let plaintext_len = self.layout().plaintext_len();
        let trusts_length = |range: &Range<u64>| {
            range.start > plaintext_len
                || (range.end > plaintext_len && plaintext_len - range.start > self.piece_len)
        };
        Ok(ranges.iter().any(|range| self.needs_end(range, proof))
            && (self.is_signed() || ranges.iter().any(trusts_length)))
    }

    /// As [`Self::needs_end_first`], for a range that is released piece by piece: nothing of it may leave before.
    ///
    /// # Errors
    /// [`InvalidCall::RangeReversed`].
    pub(super) fn needs_end_before_pieces(
        &self,
        range: &Range<u64>,
        proof: RangeProof,
    ) -> Result<bool, InvalidCall> {
        let end = range.end.min(self.layout().plaintext_len());
        let is_one_piece = self.piece_end(range.start, end) == end;
        let needs_end_first = self.needs_end_first(std::slice::from_ref(range), proof)?;
        Ok(needs_end_first || (!is_one_piece && self.needs_end(range, proof)))
    }

    /// What of a range there is. Call it when the end was verified if it must be.
    ///
    /// # Errors
    /// [`InvalidCall::RangeBeyondEnd`].
    pub(super) fn clamp(&self, range: &Range<u64>) -> Result<Range<u64>, InvalidCall> {
        let plaintext_len = self.layout().plaintext_len();
        if range.start > plaintext_len {
            return Err(InvalidCall::RangeBeyondEnd { start: range.start, plaintext_len });
        }
        Ok(range.start..range.end.min(plaintext_len))
    }

    /// Where the piece that starts here ends: with a whole frame, or with the range.
    pub(super) fn piece_end(&self, start: u64, end: u64) -> u64 {
        if start >= end {
            return end;
        }
        let layout = self.layout();
        let (first, last) = (layout.frame_at(start), layout.frame_at(end - 1));
        layout.plaintext_of(layout.last_within(first, last, self.piece_len)).end.min(end)
    }

    /// Plans one pass over the frames of `wanted`, and over the final frame if the end must be verified.
    pub(super) fn pass<'a>(
        &'a self,
        ranges: &[Range<u64>],
        proof: RangeProof,
        wanted: Vec<Wanted<'a>>,
    ) -> RangePass<'a> {
        let layout = self.layout();
        let end = ranges.iter().any(|range| self.needs_end(range, proof)).then(|| layout.final_frame());
        let mut runs: Vec<FrameRun> = wanted
            .iter()
            .map(Wanted::range)
            .filter(|range| !range.is_empty())
            .map(|range| FrameRun {
                first: layout.frame_at(range.start),
                last: layout.frame_at(range.end - 1),
            })
            .chain(end.map(|frame| FrameRun { first: frame, last: frame }))
            .collect();
        FrameRun::merge(&mut runs);
        RangePass::new(self, layout, runs, wanted)
    }

    /// The next bytes to fetch: frames of a run, as many as a piece holds.
    pub(super) fn fetch(&self, layout: &BodyLayout, run: FrameRun) -> Result<(Fetch, FrameRun), Error> {
        let piece = FrameRun { last: layout.last_within(run.first, run.last, self.piece_len), ..run };
        Ok((Fetch::new(self.header_len, layout.bytes_of(piece.first, piece.last))?, piece))
    }

    /// Opens a frame where the layout puts it.
    ///
    /// # What is verified
    /// The frame's tag. A final frame, of which the tag covers number and length, makes the layout verified.
    pub(super) fn open_into(
        &self,
        layout: &BodyLayout,
        frame: FrameIndex,
        bytes: &[u8],
        plaintext: &mut [u8],
    ) -> Result<(), Error> {
        let head = self.frame_head(layout, frame, bytes)?;
        self.opener.open(&head, bytes, plaintext)?;
        self.note_opened(layout, &head);
        Ok(())
    }

    /// As [`Self::open_into`], in place: the contents of the frame.
    pub(super) fn open_in_place<'a>(
        &self,
        layout: &BodyLayout,
        frame: FrameIndex,
        bytes: &'a mut [u8],
    ) -> Result<&'a [u8], Error> {
        let head = self.frame_head(layout, frame, bytes)?;
        let contents = self.opener.open_in_place(&head, bytes)?;
        self.note_opened(layout, &head);
        Ok(contents)
    }

    fn note_opened(&self, layout: &BodyLayout, head: &FrameHead) {
        if head.is_final {
            // Whoever was first had the same layout: one number and one length verify.
            let _ = self.verified.set(*layout);
        }
    }

    fn frame_head(&self, layout: &BodyLayout, frame: FrameIndex, bytes: &[u8]) -> Result<FrameHead, Error> {
        let head = FrameHead::parse(bytes, frame.sequence_number(), self.frame_length)
            .map_err(|error| Error::at_end_of_input(error, "the body"))?;
        match (head.is_final, frame == layout.final_frame()) {
            (true, false) => Err(MalformedMessage::TrailingBytes.into()),
            (false, true) => Err(MalformedMessage::FinalFrameMissing.into()),
            (true, true) if head.total_len() != bytes.len() => {
                Err(MalformedMessage::FinalFrameMissing.into())
            }
            _ => Ok(head),
        }
    }

    /// What to fetch to verify the end, if that was not done: from where the final frame may begin to the end of the source.
    pub(super) fn end_fetch(&self) -> Result<Option<Fetch>, Error> {
        if self.verified.get().is_some() {
            return Ok(None);
        }
        Fetch::new(self.header_len, self.tail_start()..self.body_and_footer_len).map(Some)
    }

    fn tail_start(&self) -> u64 {
        let layout = self.shortest.layout;
        layout.bytes_of(layout.final_frame(), layout.final_frame()).start
    }

    /// Verifies the final frame, and with it the length of the message.
    ///
    /// # What is verified
    /// The tag of the final frame, over its number and length; that the message's length agrees; and, of a signed message, the length
    /// of the footer, not what it says.
    pub(super) fn verify_end(&self, tail: &mut [u8]) -> Result<(), Error> {
        for claim in &self.claims {
            let layout = claim.layout;
            let frame = layout.final_frame();
            let Some(place) = self.within_tail(layout.bytes_of(frame, frame)) else { continue };
            let Some(bytes) = tail.get(place.clone()) else { continue };
            let has_footer = match self.suite.signature {
                None => true,
                Some(algorithm) => {
                    let parsed = footer::parse(&tail[place.end..], algorithm);
                    parsed.is_ok_and(|(_, length)| length as u64 == claim.footer_len)
                }
            };
            if has_footer && self.frame_head(&layout, frame, bytes).is_ok() {
                // Marker, number, length and footer agree: no other claim comes this far but by forgery.
                return self.open_in_place(&layout, frame, &mut tail[place]).map(|_| ());
            }
        }
        Err(MalformedMessage::FinalFrameMissing.into())
    }

    /// Where bytes of the body are in the tail.
    fn within_tail(&self, body: Range<u64>) -> Option<Range<usize>> {
        let tail_start = self.tail_start();
        let start = usize::try_from(body.start.checked_sub(tail_start)?).ok()?;
        Some(start..usize::try_from(body.end - tail_start).ok()?)
    }

    /// Says what is known of a range of which the frames were verified.
    pub(super) fn verdict(&self, range: Range<u64>) -> VerifiedRange {
        VerifiedRange { range, plaintext_len: self.verified_len(), unverified_signature: self.is_signed() }
    }
}
