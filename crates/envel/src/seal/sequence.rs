//! Permission to seal a frame: one for each sequence number, so that no number is used twice.

use crate::message::MalformedMessage;
use crate::message::frame::SequenceNumber;

/// Permission to seal one frame. It cannot be cloned and is used up by sealing.
#[derive(Debug)]
pub(crate) struct FrameTicket {
    number: SequenceNumber,
}

impl FrameTicket {
    /// The frame's number, for the one frame that may have it.
    pub(crate) fn redeem(self) -> SequenceNumber {
        self.number
    }
}

/// Hands out the tickets of one message, in order.
#[derive(Debug)]
pub(crate) struct FrameSequence {
    next: Option<SequenceNumber>,
}

impl FrameSequence {
    pub(crate) fn new() -> Self {
        Self { next: Some(SequenceNumber::FIRST) }
    }

    /// The ticket of the next regular frame. One number is kept for the final frame.
    ///
    /// # Errors
    /// [`MalformedMessage::TooManyFrames`] if none is left.
    pub(crate) fn next_regular(&mut self) -> Result<FrameTicket, MalformedMessage> {
        let number = self.next.ok_or(MalformedMessage::TooManyFrames)?;
        let following = number.next().ok_or(MalformedMessage::TooManyFrames)?;
        self.next = Some(following);
        Ok(FrameTicket { number })
    }

    /// The ticket of the final frame, after which there is none.
    ///
    /// # Errors
    /// [`MalformedMessage::TooManyFrames`] if it was taken before.
    pub(crate) fn take_final(&mut self) -> Result<FrameTicket, MalformedMessage> {
        let number = self.next.take().ok_or(MalformedMessage::TooManyFrames)?;
        Ok(FrameTicket { number })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_count_from_one_and_end_with_the_final_frame() {
        let mut sequence = FrameSequence::new();
        assert_eq!(sequence.next_regular().unwrap().redeem().as_u32(), 1);
        assert_eq!(sequence.next_regular().unwrap().redeem().as_u32(), 2);
        assert_eq!(sequence.take_final().unwrap().redeem().as_u32(), 3);
        assert!(sequence.next_regular().is_err());
        assert!(sequence.take_final().is_err());
    }
}
