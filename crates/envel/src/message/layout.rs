//! Frame arithmetic: the only place that multiplies by the frame length.

use std::num::NonZeroU32;
use std::ops::Range;

use super::codec::MalformedMessage;
use super::frame::{FINAL_OVERHEAD, REGULAR_OVERHEAD, SequenceNumber};

/// Place of a frame in the body, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FrameIndex(u32);

impl FrameIndex {
    /// The frame's number in the message, from 1.
    pub(crate) fn sequence_number(self) -> SequenceNumber {
        // An index is below the count of frames, which is at most 2^32 - 1.
        SequenceNumber::new(NonZeroU32::MIN.saturating_add(self.0))
    }

    /// The frame after this one.
    pub(crate) fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// How a framed body of known length divides into frames.
///
/// The final frame of a message that envel writes is full when the plaintext is a multiple of the frame length, and empty only
/// when the plaintext is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyLayout {
    pub(crate) frame_length: u32,
    /// Frames before the final one.
    pub(crate) regular_frames: u32,
    /// Plaintext bytes in the final frame.
    pub(crate) final_frame_len: u32,
}

impl BodyLayout {
    /// The body that envel writes for a plaintext of this length.
    ///
    /// # Errors
    /// [`MalformedMessage::TooManyFrames`] if the sequence numbers do not suffice.
    pub(crate) fn for_plaintext(plaintext_len: u64, frame_length: u32) -> Result<Self, MalformedMessage> {
        let length = u64::from(frame_length);
        if length == 0 {
            return Err(MalformedMessage::FrameLength(0));
        }
        let regular = plaintext_len.saturating_sub(1) / length;
        // The final frame takes a number too, and may take the last one.
        let regular_frames = u32::try_from(regular)
            .ok()
            .filter(|frames| *frames < u32::MAX)
            .ok_or(MalformedMessage::TooManyFrames)?;
        let final_frame_len =
            u32::try_from(plaintext_len - regular * length).map_err(|_| MalformedMessage::BodyLength)?;
        Ok(Self { frame_length, regular_frames, final_frame_len })
    }

    /// The body of which the frames take `body_len` bytes: unique, and unverified.
    ///
    /// # Errors
    /// [`MalformedMessage::BodyLength`] if no frames of this length make such a body.
    pub(crate) fn for_body(body_len: u64, frame_length: u32) -> Result<Self, MalformedMessage> {
        let stride = u64::from(frame_length) + REGULAR_OVERHEAD as u64;
        let rest = body_len.checked_sub(FINAL_OVERHEAD as u64).ok_or(MalformedMessage::BodyLength)?;
        let (regular, last) = (rest / stride, rest % stride);
        let final_frame_len = u32::try_from(last)
            .ok()
            .filter(|last| *last <= frame_length)
            .ok_or(MalformedMessage::BodyLength)?;
        let regular_frames = u32::try_from(regular)
            .ok()
            .filter(|frames| *frames < u32::MAX)
            .ok_or(MalformedMessage::TooManyFrames)?;
        if frame_length == 0 && regular_frames > 0 {
            // Nobody could say which byte of the plaintext is in which frame.
            return Err(MalformedMessage::FrameLength(0));
        }
        Ok(Self { frame_length, regular_frames, final_frame_len })
    }

    /// Bytes of plaintext.
    pub(crate) fn plaintext_len(&self) -> u64 {
        u64::from(self.regular_frames) * u64::from(self.frame_length) + u64::from(self.final_frame_len)
    }

    /// Bytes of the body.
    pub(crate) fn body_len(&self) -> u64 {
        u64::from(self.regular_frames) * self.stride()
            + u64::from(self.final_frame_len)
            + FINAL_OVERHEAD as u64
    }

    /// Bytes that a regular frame takes.
    fn stride(&self) -> u64 {
        u64::from(self.frame_length) + REGULAR_OVERHEAD as u64
    }

    /// The last frame.
    pub(crate) fn final_frame(&self) -> FrameIndex {
        FrameIndex(self.regular_frames)
    }

    /// The frame that holds a byte of the plaintext; the final one for whatever lies beyond.
    pub(crate) fn frame_at(&self, plaintext_at: u64) -> FrameIndex {
        let index = plaintext_at.checked_div(u64::from(self.frame_length)).unwrap_or(0);
        FrameIndex(u32::try_from(index).unwrap_or(u32::MAX).min(self.regular_frames))
    }

    /// Which bytes of the plaintext a frame holds.
    pub(crate) fn plaintext_of(&self, frame: FrameIndex) -> Range<u64> {
        let start = u64::from(frame.0) * u64::from(self.frame_length);
        let is_final = frame == self.final_frame();
        start..start + u64::from(if is_final { self.final_frame_len } else { self.frame_length })
    }

    /// Which bytes of the body these frames take, the last one included.
    pub(crate) fn bytes_of(&self, first: FrameIndex, last: FrameIndex) -> Range<u64> {
        let start = u64::from(first.0) * self.stride();
        let end = if last == self.final_frame() {
            self.body_len()
        } else {
            (u64::from(last.0) + 1) * self.stride()
        };
        start..end
    }

    /// The last frame, up to `last`, such that all from `first` on take at most `max_len` bytes together; at least `first`.
    pub(crate) fn last_within(&self, first: FrameIndex, last: FrameIndex, max_len: u64) -> FrameIndex {
        let bytes = self.bytes_of(first, last);
        if bytes.end - bytes.start <= max_len {
            return last;
        }
        let frames = u32::try_from(max_len / self.stride()).unwrap_or(u32::MAX);
        // The final frame may be longer than the others: `last` itself does not fit.
        let end = first.0.saturating_add(frames).min(last.0);
        FrameIndex(end.saturating_sub(1).max(first.0))
    }
}

/// Regular frames that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RegularFrames {
    first: SequenceNumber,
    count: usize,
    frame_length: u32,
}

impl RegularFrames {
    pub(crate) fn new(first: SequenceNumber, count: usize, frame_length: u32) -> Self {
        Self { first, count, frame_length }
    }

    /// As many frames as fit into `body_len` bytes, but at least one: for sizing buffers.
    pub(crate) fn within(body_len: usize, frame_length: u32) -> Self {
        let count = (body_len / (frame_length as usize + REGULAR_OVERHEAD)).max(1);
        Self { first: SequenceNumber::FIRST, count, frame_length }
    }

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn frame_length(&self) -> usize {
        self.frame_length as usize
    }

    /// The frame length as the header has it.
    pub(crate) fn frame_length_field(&self) -> u32 {
        self.frame_length
    }

    pub(crate) fn plaintext_len(&self) -> usize {
        self.count * self.frame_length()
    }

    pub(crate) fn body_len(&self) -> usize {
        self.count * (self.frame_length() + REGULAR_OVERHEAD)
    }

    /// The frames' numbers.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = SequenceNumber> + use<> {
        std::iter::successors(Some(self.first), |number| number.next()).take(self.count)
    }

    /// The same frames, at most `most` at a time.
    pub(crate) fn split(&self, most: usize) -> impl Iterator<Item = Self> + use<> {
        let Self { first, count, frame_length } = *self;
        (0..count).step_by(most.max(1)).map_while(move |skipped| {
            let first = first.after(skipped)?;
            Some(Self { first, count: most.min(count - skipped), frame_length })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn edges_of_a_frame() {
        let layout = |plaintext_len| {
            let layout = BodyLayout::for_plaintext(plaintext_len, 10).unwrap();
            (layout.regular_frames, layout.final_frame_len)
        };
        assert_eq!([layout(0), layout(1), layout(9), layout(10)], [(0, 0), (0, 1), (0, 9), (0, 10)]);
        assert_eq!([layout(11), layout(20), layout(21)], [(1, 1), (1, 10), (2, 1)]);
    }

    #[test]
    fn the_last_sequence_number_can_be_used_and_no_more() {
        let most = u64::from(u32::MAX);
        let layout = BodyLayout::for_plaintext(most, 1).unwrap();
        assert_eq!((layout.regular_frames, layout.final_frame_len), (u32::MAX - 1, 1));
        assert_eq!(BodyLayout::for_plaintext(most + 1, 1), Err(MalformedMessage::TooManyFrames));
        assert_eq!(BodyLayout::for_plaintext(u64::MAX, 1), Err(MalformedMessage::TooManyFrames));
        assert!(BodyLayout::for_plaintext(1, 0).is_err());
    }

    #[test]
    fn bodies_that_no_frames_make_are_refused() {
        assert_eq!(BodyLayout::for_body(39, 10), Err(MalformedMessage::BodyLength));
        assert!(BodyLayout::for_body(50, 10).is_ok());
        assert_eq!(BodyLayout::for_body(51, 10), Err(MalformedMessage::BodyLength));
        // An empty final frame after full ones: other writers make these.
        let layout = BodyLayout::for_body(42 + 40, 10).unwrap();
        assert_eq!((layout.regular_frames, layout.final_frame_len), (1, 0));
    }

    #[test]
    fn frames_stand_where_their_plaintext_says() {
        let layout = BodyLayout::for_plaintext(25, 10).unwrap();
        let [first, second, last] = [FrameIndex(0), FrameIndex(1), FrameIndex(2)];
        assert_eq!(layout.final_frame(), last);
        assert_eq!([0, 9, 10, 24, 25, u64::MAX].map(|at| layout.frame_at(at).0), [0, 0, 1, 2, 2, 2]);
        assert_eq!(layout.plaintext_of(second), 10..20);
        assert_eq!(layout.plaintext_of(last), 20..25);
        assert_eq!(layout.bytes_of(first, second), 0..84);
        assert_eq!(layout.bytes_of(second, last), 42..84 + 45);
        assert_eq!([first, last].map(|frame| frame.sequence_number().as_u32()), [1, 3]);
        // Whole frames up to the length, but always one.
        let within = |max_len| layout.last_within(first, last, max_len).0;
        assert_eq!([0, 42, 83, 84, 128, 129].map(within), [0, 0, 0, 1, 1, 2]);
    }

    #[test]
    fn a_body_of_frames_without_length_is_one_empty_frame() {
        let layout = BodyLayout::for_body(40, 0).unwrap();
        assert_eq!((layout.frame_at(7), layout.plaintext_of(FrameIndex(0))), (FrameIndex(0), 0..0));
        assert_eq!(BodyLayout::for_body(40 + 32, 0), Err(MalformedMessage::FrameLength(0)));
    }

    proptest! {
        #[test]
        fn the_frames_hold_the_plaintext_and_nothing_else(plaintext_len: u64, frame_length in 1u32..) {
            if let Ok(layout) = BodyLayout::for_plaintext(plaintext_len, frame_length) {
                prop_assert_eq!(layout.plaintext_len(), plaintext_len);
                prop_assert!(layout.final_frame_len <= frame_length);
                prop_assert!(layout.final_frame_len > 0 || plaintext_len == 0);
            }
        }

        #[test]
        fn lengths_determine_the_layout_both_ways(plaintext_len in 0u64..1 << 40, frame_length in 1u32..=1 << 26) {
            if let Ok(layout) = BodyLayout::for_plaintext(plaintext_len, frame_length) {
                prop_assert_eq!(BodyLayout::for_body(layout.body_len(), frame_length), Ok(layout));
            }
        }

        #[test]
        fn frames_follow_each_other_without_gap(body_len: u64, frame_length in 1u32.., frame: u32, max_len: u64) {
            if let Ok(layout) = BodyLayout::for_body(body_len, frame_length) {
                let last = layout.final_frame();
                prop_assert_eq!(layout.body_len(), body_len);
                prop_assert_eq!(layout.bytes_of(last, last).end, body_len);
                prop_assert_eq!(layout.plaintext_of(last).end, layout.plaintext_len());
                let frame = FrameIndex(frame.min(last.0));
                prop_assert_eq!(layout.frame_at(layout.plaintext_of(frame).start), frame);
                if frame < last {
                    prop_assert_eq!(layout.bytes_of(frame, frame).end, layout.bytes_of(frame.next(), last).start);
                    prop_assert_eq!(layout.plaintext_of(frame).end, layout.plaintext_of(frame.next()).start);
                }
                let stop = layout.last_within(frame, last, max_len);
                let bytes = layout.bytes_of(frame, stop);
                prop_assert!(stop == frame || bytes.end - bytes.start <= max_len);
            }
        }
    }
}
