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

/// Permission to seal regular frames that follow each other: given out before the work is, so that no order of working can give
/// two frames one number.
#[derive(Debug)]
pub(crate) struct FrameTickets {
    next: SequenceNumber,
    remaining: usize,
}

impl FrameTickets {
    /// Splits off the first `count`, or all if there are fewer.
    pub(crate) fn split_off_first(&mut self, count: usize) -> Self {
        let count = count.min(self.remaining);
        let first = Self { next: self.next, remaining: count };
        self.remaining -= count;
        // There is always a number behind a regular frame's: one is kept for the final frame.
        self.next = self.next.after(count).unwrap_or(self.next);
        first
    }
}

impl Iterator for FrameTickets {
    type Item = FrameTicket;

    fn next(&mut self) -> Option<FrameTicket> {
        self.remaining = self.remaining.checked_sub(1)?;
        let number = self.next;
        // There is always a number behind a regular frame's: one is kept for the final frame.
        self.next = number.next()?;
        Some(FrameTicket { number })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for FrameTickets {}

/// Hands out the tickets of one message, in order.
#[derive(Debug)]
pub(crate) struct FrameSequence {
    next: Option<SequenceNumber>,
}

impl FrameSequence {
    pub(crate) fn new() -> Self {
        Self { next: Some(SequenceNumber::FIRST) }
    }

    /// The tickets of the next `count` regular frames. One number is kept for the final frame.
    ///
    /// # Errors
    /// [`MalformedMessage::TooManyFrames`] if so many are not left.
    pub(crate) fn next_regular(&mut self, count: usize) -> Result<FrameTickets, MalformedMessage> {
        let next = self.next.ok_or(MalformedMessage::TooManyFrames)?;
        self.next = Some(next.after(count).ok_or(MalformedMessage::TooManyFrames)?);
        Ok(FrameTickets { next, remaining: count })
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
        let mut numbers = |count| -> Vec<u32> {
            sequence.next_regular(count).unwrap().map(|ticket| ticket.redeem().as_u32()).collect()
        };
        assert_eq!((numbers(2), numbers(0), numbers(1)), (vec![1, 2], vec![], vec![3]));
        assert_eq!(sequence.take_final().unwrap().redeem().as_u32(), 4);
        assert!(sequence.next_regular(1).is_err());
        assert!(sequence.take_final().is_err());
    }

    #[test]
    fn one_number_is_kept_for_the_final_frame() {
        let mut sequence = FrameSequence::new();
        sequence.next_regular(u32::MAX as usize - 1).unwrap();
        assert!(sequence.next_regular(1).is_err());
        assert_eq!(sequence.take_final().unwrap().redeem().as_u32(), u32::MAX);
    }
}
