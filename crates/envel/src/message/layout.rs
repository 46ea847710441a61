//! Frame arithmetic: the only place that multiplies by the frame length.

use super::codec::MalformedMessage;
use super::frame::{FINAL_OVERHEAD, REGULAR_OVERHEAD};

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

    /// Bytes of plaintext.
    pub(crate) fn plaintext_len(&self) -> u64 {
        u64::from(self.regular_frames) * u64::from(self.frame_length) + u64::from(self.final_frame_len)
    }

    /// Bytes of the body.
    pub(crate) fn body_len(&self) -> u64 {
        u64::from(self.regular_frames) * (u64::from(self.frame_length) + REGULAR_OVERHEAD as u64)
            + u64::from(self.final_frame_len)
            + FINAL_OVERHEAD as u64
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

    proptest! {
        #[test]
        fn the_frames_hold_the_plaintext_and_nothing_else(plaintext_len: u64, frame_length in 1u32..) {
            if let Ok(layout) = BodyLayout::for_plaintext(plaintext_len, frame_length) {
                prop_assert_eq!(layout.plaintext_len(), plaintext_len);
                prop_assert!(layout.final_frame_len <= frame_length);
                prop_assert!(layout.final_frame_len > 0 || plaintext_len == 0);
            }
        }
    }
}
