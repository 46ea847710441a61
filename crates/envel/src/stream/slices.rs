//! Messages and plaintexts that are in memory as a whole: sealed and opened in steps, so that an asynchronous caller can yield
//! between them.

use std::num::NonZeroUsize;

use zeroize::Zeroize;

use super::OpenedHeader;
use super::body::{BodyReader, BodyState};
use super::encryption::{EncryptSummary, Encryption};
use crate::error::Error;
use crate::materials::OpenedBy;
use crate::message::frame::{FINAL_HEAD_LEN, FINAL_OVERHEAD, REGULAR_OVERHEAD};
use crate::message::layout::BodyLayout;
use crate::message::{MalformedMessage, MessageHeader};
use crate::parallel;
use crate::seal::FrameSequence;

/// The sealing of a plaintext.
#[derive(Debug)]
pub(crate) struct SliceSealing {
    encryption: Encryption,
    sequence: FrameSequence,
    layout: BodyLayout,
    plaintext_at: usize,
    out_at: usize,
}

impl SliceSealing {
    /// Sizes `out` and writes the header.
    pub(crate) fn start(encryption: Encryption, plaintext: &[u8], out: &mut Vec<u8>) -> Result<Self, Error> {
        let (layout, message_len) = encryption.checked_layout(plaintext).inspect_err(|_| out.clear())?;
        size_for_overwriting(out, message_len);
        out.truncate(message_len);
        let header = encryption.header_bytes();
        let header_len = header.len();
        out[..header_len].copy_from_slice(header);
        Ok(Self::behind_header(encryption, layout, header_len))
    }

    /// Goes on where the header of this length stands already.
    pub(crate) fn behind_header(encryption: Encryption, layout: BodyLayout, header_len: usize) -> Self {
        let sequence = FrameSequence::new();
        Self { encryption, sequence, layout, plaintext_at: 0, out_at: header_len }
    }

    /// Seals about `budget` more bytes as regular frames, with so many threads; whether there are such frames left.
    pub(crate) fn advance(
        &mut self,
        plaintext: &[u8],
        out: &mut [u8],
        budget: usize,
        threads: NonZeroUsize,
    ) -> Result<bool, Error> {
        let frame_length = self.layout.frame_length as usize;
        let regular_len = self.layout.regular_frames as usize * frame_length;
        let left = regular_len - self.plaintext_at;
        let contents_len = left.min((budget / frame_length).max(1) * frame_length);
        let frames = contents_len / frame_length;
        let contents = &plaintext[self.plaintext_at..self.plaintext_at + contents_len];
        let out = &mut out[self.out_at..self.out_at + frames * (frame_length + REGULAR_OVERHEAD)];
        let tickets = self.sequence.next_regular(frames)?;
        let (sealer, signer) = (&self.encryption.sealer, self.encryption.signer.as_mut());
        parallel::seal_slice(sealer, tickets, frame_length, contents, out, signer, threads)?;
        self.plaintext_at += contents_len;
        self.out_at += out.len();
        Ok(self.plaintext_at < regular_len)
    }

    /// Seals the final frame and writes the footer.
    pub(crate) fn finish(mut self, plaintext: &[u8], out: &mut [u8]) -> Result<EncryptSummary, Error> {
        let contents = &plaintext[self.plaintext_at..];
        let frame = &mut out[self.out_at..self.out_at + contents.len() + FINAL_OVERHEAD];
        frame[FINAL_HEAD_LEN..FINAL_HEAD_LEN + contents.len()].copy_from_slice(contents);
        self.encryption.sealer.seal_final(self.sequence.take_final()?, frame)?;
        if let Some(mut signer) = self.encryption.signer {
            signer.update(frame);
            let footer_at = self.out_at + frame.len();
            out[footer_at..].copy_from_slice(&signer.finish()?);
        }
        Ok(EncryptSummary { plaintext_len: plaintext.len() as u64, ciphertext_len: out.len() as u64 })
    }
}

/// A whole message in memory, of which the header is verified and the rest is not.
///
/// Made by [`crate::Client::start_decryption`], which does the asynchronous part. From here on nothing asks a KMS.
#[derive(Debug)]
pub struct Decryption<'a> {
    message: &'a [u8],
    opened: OpenedHeader,
    threads: NonZeroUsize,
}

impl<'a> Decryption<'a> {
    pub(crate) fn new(message: &'a [u8], opened: OpenedHeader, threads: NonZeroUsize) -> Self {
        Self { message, opened, threads }
    }

    /// The verified header.
    pub fn header(&self) -> &MessageHeader {
        &self.opened.header
    }

    /// Which encrypted data key was opened, and by what.
    pub fn opened_by(&self) -> &OpenedBy {
        &self.opened.opened_by
    }

    /// Decrypts into `plaintext`, of which the former contents are replaced. A vector that is long enough is neither grown nor
    /// cleared first, so reusing one costs nothing.
    ///
    /// Uses several threads where there is enough to do: see [`crate::DecryptOptions::threads`].
    ///
    /// # What is verified
    /// Everything, before this returns: frames, signature, and that nothing follows.
    ///
    /// # Errors
    /// [`Error::FrameUnauthentic`], [`Error::SignatureUnauthentic`], [`Error::Truncated`], [`Error::Malformed`]; `plaintext` is
    /// wiped and empty then.
    pub fn open_into(self, plaintext: &mut Vec<u8>) -> Result<(MessageHeader, OpenedBy), Error> {
        let threads = self.threads;
        let (header, opened_by, mut opening) = self.into_opening(plaintext);
        while opening.advance(usize::MAX, threads)? {}
        Ok((header, opened_by))
    }

    /// Sizes `plaintext` and takes the rest apart.
    pub(crate) fn into_opening<'b>(
        self,
        plaintext: &'b mut Vec<u8>,
    ) -> (MessageHeader, OpenedBy, SliceOpening<'b>)
    where
        'a: 'b,
    {
        let OpenedHeader { header, opened_by, body } = self.opened;
        // The plaintext is never longer than the body.
        let bound = self.message.len().saturating_sub(header.header_len());
        if plaintext.capacity() < bound {
            plaintext.zeroize();
        }
        size_for_overwriting(plaintext, bound);
        let (message_at, out_at) = (header.header_len(), 0);
        let opening =
            SliceOpening { message: self.message, out: plaintext, body, message_at, out_at, is_whole: false };
        (header, opened_by, opening)
    }
}

/// The opening of a message, into a vector that is wiped unless everything was verified: also if this is dropped half-way.
#[derive(Debug)]
pub(crate) struct SliceOpening<'a> {
    message: &'a [u8],
    out: &'a mut Vec<u8>,
    body: BodyReader,
    message_at: usize,
    out_at: usize,
    is_whole: bool,
}

impl SliceOpening<'_> {
    /// Opens about `budget` more bytes, with so many threads where the message is long; whether there is more to do.
    pub(crate) fn advance(&mut self, budget: usize, threads: NonZeroUsize) -> Result<bool, Error> {
        let stop = self.message_at.saturating_add(budget);
        loop {
            let input = &self.message[self.message_at..];
            let part = self.body.part();
            match self.body.state() {
                BodyState::Frame(number) => {
                    let (opener, mut frames) = self.body.split();
                    let most = budget.min(input.len());
                    if let Some(taken) = frames.take(input, most) {
                        let out = &mut self.out[self.out_at..self.out_at + taken.plaintext_len()];
                        parallel::open_slice(opener, &taken, &input[..taken.body_len()], out, threads)?;
                        self.out_at += taken.plaintext_len();
                        self.message_at += taken.body_len();
                    } else {
                        let head = self
                            .body
                            .next_frame(number, input)
                            .map_err(|error| error.at_end_of_input(part))?;
                        let end = self.out_at + head.ciphertext_len;
                        self.body.open_frame(&head, input, &mut self.out[self.out_at..end])?;
                        self.out_at = end;
                        self.message_at += head.total_len();
                    }
                }
                BodyState::Footer => {
                    let footer_len =
                        self.body.read_footer(input).map_err(|error| error.at_end_of_input(part))?;
                    self.message_at += footer_len;
                }
                BodyState::End if input.is_empty() => {
                    self.is_whole = true;
                    return Ok(false);
                }
                BodyState::End => return Err(MalformedMessage::TrailingBytes.into()),
            }
            if self.message_at >= stop {
                return Ok(true);
            }
        }
    }
}

impl Drop for SliceOpening<'_> {
    fn drop(&mut self) {
        if self.is_whole {
            self.out.truncate(self.out_at);
        } else {
            self.out.zeroize();
        }
    }
}

/// Makes a vector at least so long, without clearing what will be overwritten.
fn size_for_overwriting(out: &mut Vec<u8>, length: usize) {
    if out.capacity() < length {
        // Zeroed pages from the system cost nothing until they are written.
        *out = vec![0; length];
    } else if out.len() < length {
        out.resize(length, 0);
    }
}
