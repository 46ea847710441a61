//! Reads a body frame by frame, then its footer: the order in which a message may be believed.

use crate::error::{Error, Refusal};
use crate::message::frame::{FrameHead, SequenceNumber};
use crate::message::layout::RegularFrames;
use crate::message::{MalformedMessage, ParseError, footer};
use crate::seal::{FrameOpener, MessageVerifier};

/// What a body asks of its reader next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyState {
    /// The frame of this number, or the one block of a body without frames.
    Frame(SequenceNumber),
    /// The footer.
    Footer,
    /// The end of the input.
    End,
}

/// Opens the frames of one message in order, and verifies its footer.
#[derive(Debug)]
pub(crate) struct BodyReader {
    opener: FrameOpener,
    verifier: Option<MessageVerifier>,
    is_framed: bool,
    frame_length: u32,
    max_non_framed_len: u64,
    state: BodyState,
}

impl BodyReader {
    pub(crate) fn new(
        opener: FrameOpener,
        verifier: Option<MessageVerifier>,
        is_framed: bool,
        frame_length: u32,
        max_non_framed_len: u64,
    ) -> Self {
        let state = BodyState::Frame(SequenceNumber::FIRST);
        Self { opener, verifier, is_framed, frame_length, max_non_framed_len, state }
    }

    /// What opens frames in any order. The signature is never verified then.
    pub(crate) fn into_opener(self) -> FrameOpener {
        self.opener
    }

    pub(crate) fn state(&self) -> BodyState {
        self.state
    }

    pub(crate) fn is_signed(&self) -> bool {
        self.verifier.is_some()
    }

    pub(crate) fn frame_length(&self) -> u32 {
        self.frame_length
    }

    /// What opens frames, for those who do the work, and the bookkeeping, for who hands it to them.
    pub(crate) fn split(&mut self) -> (&FrameOpener, RegularFrameTaker<'_>) {
        let taker = RegularFrameTaker {
            verifier: self.verifier.as_mut(),
            state: &mut self.state,
            frame_length: if self.is_framed { self.frame_length } else { 0 },
        };
        (&self.opener, taker)
    }

    /// The head of the frame that stands at the start of `input`, once the whole frame is there.
    pub(crate) fn next_frame(&self, number: SequenceNumber, input: &[u8]) -> Result<FrameHead, BodyError> {
        let head = if self.is_framed {
            FrameHead::parse(input, number, self.frame_length)?
        } else {
            let head = FrameHead::parse_non_framed(input)?;
            let (length, max) = (head.ciphertext_len as u64, self.max_non_framed_len);
            if length > max {
                return Err(BodyError::Failed(Refusal::NonFramedLength { length, max }.into()));
            }
            head
        };
        match head.total_len() {
            needed if needed > input.len() => Err(BodyError::Incomplete { needed }),
            _ => Ok(head),
        }
    }

    /// Opens the frame at the start of `input` into `plaintext`, which has the length of its contents.
    ///
    /// # What is verified
    /// The frame's tag. A signature is verified by [`Self::read_footer`] alone.
    pub(crate) fn open_frame(
        &mut self,
        head: &FrameHead,
        input: &[u8],
        plaintext: &mut [u8],
    ) -> Result<(), Error> {
        let frame = input.get(..head.total_len()).ok_or(MalformedMessage::BodyLength)?;
        self.opener.open(head, frame, plaintext)?;
        if let Some(verifier) = &mut self.verifier {
            verifier.update(frame);
        }
        self.state = match (head.is_final, self.is_signed()) {
            (false, _) => {
                BodyState::Frame(head.sequence_number.next().ok_or(MalformedMessage::TooManyFrames)?)
            }
            (true, true) => BodyState::Footer,
            (true, false) => BodyState::End,
        };
        Ok(())
    }

    /// Verifies the footer at the start of `input`, and says how many bytes it has.
    pub(crate) fn read_footer(&mut self, input: &[u8]) -> Result<usize, BodyError> {
        let verifier = self.verifier.take().ok_or(MalformedMessage::MissingPublicKey)?;
        match footer::parse(input, verifier.algorithm()) {
            Ok((signature, footer_len)) => {
                verifier.finish(signature)?;
                self.state = BodyState::End;
                Ok(footer_len)
            }
            Err(error) => {
                self.verifier = Some(verifier);
                Err(error.into())
            }
        }
    }

    /// The part of the message that is being read: for the error when it is cut.
    pub(crate) fn part(&self) -> &'static str {
        match self.state {
            BodyState::Frame(_) => "the body",
            BodyState::Footer => "the footer",
            BodyState::End => "nothing",
        }
    }
}

/// Takes regular frames out of a body, to be opened by others.
#[derive(Debug)]
pub(crate) struct RegularFrameTaker<'a> {
    verifier: Option<&'a mut MessageVerifier>,
    state: &'a mut BodyState,
    /// 0 if the body has no frames.
    frame_length: u32,
}

impl RegularFrameTaker<'_> {
    /// Takes the whole regular frames at the start of `input`, as many as fit into `most` bytes; none if the next one is the final
    /// frame, is not there as a whole, or is malformed.
    ///
    /// # What is verified
    /// Nothing yet: the frames are numbered in order, and hashed for the signature.
    pub(crate) fn take(&mut self, input: &[u8], most: usize) -> Option<RegularFrames> {
        let BodyState::Frame(first) = *self.state else { return None };
        let stride = RegularFrames::new(first, 1, self.frame_length).body_len();
        let mut next = first;
        let mut count = 0;
        for frame in input.get(..most).unwrap_or(input).chunks_exact(stride) {
            let Ok(head) = FrameHead::parse(frame, next, self.frame_length) else { break };
            let Some(following) = next.next().filter(|_| !head.is_final) else { break };
            next = following;
            count += 1;
        }
        let frames = Some(RegularFrames::new(first, count, self.frame_length)).filter(|_| count > 0)?;
        if let Some(verifier) = &mut self.verifier {
            verifier.update(&input[..frames.body_len()]);
        }
        *self.state = BodyState::Frame(next);
        Some(frames)
    }
}

/// Why the body cannot be read on.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// At least so many bytes must be there.
    Incomplete { needed: usize },
    /// Never.
    Failed(Error),
}

impl BodyError {
    /// The error, where no more bytes will come.
    pub(crate) fn at_end_of_input(self, within: &'static str) -> Error {
        match self {
            Self::Incomplete { .. } => Error::Truncated { within },
            Self::Failed(error) => error,
        }
    }
}

impl From<ParseError> for BodyError {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Incomplete { needed } => Self::Incomplete { needed },
            other => Self::Failed(Error::at_end_of_input(other, "the body")),
        }
    }
}

impl From<MalformedMessage> for BodyError {
    fn from(malformed: MalformedMessage) -> Self {
        Self::Failed(malformed.into())
    }
}

impl From<Error> for BodyError {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
