//! Reads a body frame by frame, then its footer: the order in which a message may be believed.

use crate::error::{Error, Refusal};
use crate::message::frame::{FrameHead, SequenceNumber};
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

    pub(crate) fn state(&self) -> BodyState {
        self.state
    }

    pub(crate) fn is_signed(&self) -> bool {
        self.verifier.is_some()
    }

    pub(crate) fn frame_length(&self) -> u32 {
        self.frame_length
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
