//! The synchronous driver.

use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::slice;

use zeroize::Zeroize;

use super::opened::Opened;
use super::pass::RangePass;
use super::start::MessageStart;
use super::{RangeOutput, RangeProof, ReadAt, VerifiedRange};
use crate::error::Error;
use crate::materials::OpenedBy;
use crate::message::MessageHeader;

/// How much is fetched at once, unless a frame is longer.
pub(super) const PIECE_LEN: u64 = 1 << 20;

/// How much is read at once for the header: nearly every one is shorter.
pub(super) const HEADER_READ_LEN: usize = 4 << 10;

/// Reads until the header is complete.
pub(super) fn read_header<S: ReadAt>(source: &S, start: &mut MessageStart) -> Result<MessageHeader, Error> {
    loop {
        let (position, space) = start.space();
        let count = source.read_at(position, space)?;
        if let Some(header) = start.advance(count)? {
            return Ok(header);
        }
    }
}

/// A message that is open for reading ranges of its plaintext.
///
/// Ranges are half-open, in bytes of the plaintext from 0: `10..20` is ten bytes. A range that ends beyond the end of the plaintext
/// is cut there, so `10..u64::MAX` reads to the end; one that starts at the end, or is empty, gives nothing; one that starts beyond
/// the end is an error. The message is not read as a whole, and not changed. Any number of threads can read at once.
///
/// Made by [`crate::Client::open_at`].
///
/// # What is verified
/// The header, before this exists. For each range, before any byte of it is returned: the tags of the frames that hold it, so that
/// its bytes are those that the message has at that position. Wherever an answer depends on the length of the message (a range that
/// reaches the final frame, goes beyond the end or is empty, an error about the length, [`OpenMessage::plaintext_len`]) and always
/// with [`RangeProof::WithEnd`]: the final frame, of which the tag covers the length of the whole. It is verified once.
///
/// # What is not verified
/// Frames that the range does not touch: they may be altered. With [`RangeProof::FramesOnly`], that the message is whole. The
/// signature of a signed message, which needs the whole message: such messages are refused unless
/// [`crate::DecryptOptions::allow_unverified_signature`], and [`VerifiedRange::unverified_signature`] says so each time. That this
/// is the newest message: the source answers for that.
///
/// # Errors
/// - [`Error::FrameUnauthentic`]: a frame was altered. [`Error::Malformed`]: frames are missing, swapped, cut or added.
///   [`Error::Truncated`]: the source ended before the length that it gave. A retry does not help.
/// - [`Error::InvalidCall`]: [`crate::InvalidCall::RangeReversed`], [`crate::InvalidCall::RangeBeyondEnd`] with the verified length.
/// - [`Error::Io`]: the source failed; a retry may help, with this same value.
///
/// After an error the caller holds nothing of the range: buffers that were given hold zeros.
///
/// # Security
/// The final frame is verified once for each `OpenMessage`, and the length remembered: the source must keep showing the same
/// message.
///
/// # Cost
/// One read for a range of up to 1 MiB, of whole frames: at most one frame more than asked for; none if the first 4 KiB of the
/// message, which opening it reads, hold them. One more read of the final frame the first time that the end is verified, unless it
/// is read along with the range. No call for keys. Memory: the plaintext, and 1 MiB or a longer frame, which is kept for the next call.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use envel::{Client, DecryptOptions, DefaultManager, EncryptOptions, ErrorKind, RangeProof, RawAesKeyring, SecretBytes};
///
/// # pollster::block_on(async {
/// let wrapping_key = SecretBytes::try_filled_by(32, envel::primitives::rand::fill)?;
/// let manager = DefaultManager::new(Arc::new(RawAesKeyring::new("my-app", "key-1", &wrapping_key)?));
/// let client = Client::builder().build();
/// let options = EncryptOptions::new().frame_length(1024);
/// let mut bytes = client.encrypt(&manager, &[7; 100_000], &options).await?.message;
///
/// // A slice here; a `std::fs::File` works the same way.
/// let message = client.open_at(&manager, &bytes[..], &DecryptOptions::new()).await?;
/// let output = message.decrypt_range(50_000..50_010, RangeProof::FramesOnly)?;
/// assert_eq!(output.plaintext, [7; 10]);
/// assert_eq!(output.verified.plaintext_len, None, "nobody looked at the end");
/// assert_eq!(message.plaintext_len()?, 100_000);
///
/// bytes[50_000] ^= 1;
/// let message = client.open_at(&manager, &bytes[..], &DecryptOptions::new()).await?;
/// let error = message.decrypt_range(48_000..52_000, RangeProof::FramesOnly).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unauthentic);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Specification
/// None for ranges; each frame is verified as `client-apis/decrypt.md`, "Decrypt the message body", asks.
pub struct OpenMessage<S> {
    opened: Opened,
    source: S,
}

impl<S> OpenMessage<S> {
    pub(super) fn new(opened: Opened, source: S) -> Self {
        Self { opened, source }
    }

    /// The verified header.
    pub fn header(&self) -> &MessageHeader {
        &self.opened.header
    }

    /// Which encrypted data key was opened, and by what.
    pub fn opened_by(&self) -> &OpenedBy {
        &self.opened.opened_by
    }

    /// Where the message is read from.
    pub fn source(&self) -> &S {
        &self.source
    }
}

impl<S: ReadAt> OpenMessage<S> {
    /// Bytes of the plaintext.
    ///
    /// # What is verified
    /// The final frame, of which the tag covers the length.
    ///
    /// # Errors
    /// As for [`OpenMessage`].
    ///
    /// # Cost
    /// One read of the final frame, the first time.
    pub fn plaintext_len(&self) -> Result<u64, Error> {
        self.verify_end()?;
        Ok(self.opened.planner.layout().plaintext_len())
    }

    /// Decrypts a range of the plaintext.
    ///
    /// # What is verified
    /// As for [`OpenMessage`], before anything is returned.
    ///
    /// # Errors
    /// As for [`OpenMessage`].
    ///
    /// # Cost
    /// As for [`OpenMessage`].
    pub fn decrypt_range(&self, range: Range<u64>, proof: RangeProof) -> Result<RangeOutput, Error> {
        let mut outputs = self.decrypt_ranges(&[range], proof)?;
        Ok(outputs.pop().expect("one range has one output"))
    }

    /// Decrypts several ranges of the plaintext in one pass: all of them, or none.
    ///
    /// They may overlap and come in any order; the outputs have the same order. A frame that several of them touch is fetched and
    /// verified once, and neighbouring frames are fetched together.
    ///
    /// # What is verified
    /// As for [`OpenMessage`], before anything is returned.
    ///
    /// # Errors
    /// As for [`OpenMessage`].
    ///
    /// # Cost
    /// As for [`OpenMessage`], with one read for each run of neighbouring frames of up to 1 MiB.
    pub fn decrypt_ranges(
        &self,
        ranges: &[Range<u64>],
        proof: RangeProof,
    ) -> Result<Vec<RangeOutput>, Error> {
        if self.opened.planner.needs_end_first(ranges, proof)? {
            self.verify_end()?;
        }
        let mut batch = self.opened.batch(ranges)?;
        self.run(batch.pass(&self.opened, ranges, proof))?;
        Ok(batch.into_outputs(&self.opened))
    }

    /// Decrypts the range that starts at `start` and has the length of `out`, into `out`.
    ///
    /// If the plaintext ends within the range, the rest of `out` is left as it was: [`VerifiedRange::range`] says how much was
    /// written.
    ///
    /// # What is verified
    /// As for [`OpenMessage`], before this returns.
    ///
    /// # Errors
    /// As for [`OpenMessage`]. `out` holds zeros then.
    ///
    /// # Cost
    /// As for [`OpenMessage`]; no memory is allocated for the plaintext.
    pub fn decrypt_range_into(
        &self,
        start: u64,
        out: &mut [u8],
        proof: RangeProof,
    ) -> Result<VerifiedRange, Error> {
        let outcome = self.decrypt_into(start, out, proof);
        if outcome.is_err() {
            out.zeroize();
        }
        outcome
    }

    fn decrypt_into(&self, start: u64, out: &mut [u8], proof: RangeProof) -> Result<VerifiedRange, Error> {
        let range = start..start.saturating_add(out.len() as u64);
        if self.opened.planner.needs_end_first(slice::from_ref(&range), proof)? {
            self.verify_end()?;
        }
        let (pass, range) = self.opened.pass_into(&range, proof, out)?;
        self.run(pass)?;
        Ok(self.opened.planner.verdict(range))
    }

    /// Decrypts a range of the plaintext and writes it to `writer`, piece by piece.
    ///
    /// # What is verified
    /// As for [`OpenMessage`]: the end, if it is to be verified, before anything is written; the frames of each piece before the piece
    /// is written.
    ///
    /// # Errors
    /// As for [`OpenMessage`]; [`Error::Io`] if writing fails. What was written until then is authentic, and not the whole range.
    ///
    /// # Cost
    /// As for [`OpenMessage`], with one read for each MiB or longer frame. Memory of about 2 MiB, or two frames if they are longer,
    /// whatever the range.
    pub fn copy_range_to(
        &self,
        range: Range<u64>,
        proof: RangeProof,
        writer: &mut (impl Write + ?Sized),
    ) -> Result<VerifiedRange, Error> {
        if self.opened.planner.needs_end_before_pieces(&range, proof)? {
            self.verify_end()?;
        }
        let mut pieces = self.opened.pieces(range, proof)?;
        while pieces.advance(&self.opened)? {
            self.run(pieces.pass(&self.opened))?;
            writer.write_all(pieces.piece())?;
        }
        Ok(pieces.verdict(&self.opened))
    }

    /// Verifies the final frame, unless that was done.
    fn verify_end(&self) -> Result<(), Error> {
        let Some(fetch) = self.opened.planner.end_fetch()? else { return Ok(()) };
        let mut buffer = self.opened.take_buffer();
        self.read(fetch.position, buffer.space(fetch))?;
        self.opened.planner.verify_end(buffer.space(fetch))?;
        self.opened.keep_buffer(buffer);
        Ok(())
    }

    /// Fetches and opens until the pass is through.
    fn run(&self, mut pass: RangePass<'_>) -> Result<(), Error> {
        let mut buffer = self.opened.take_buffer();
        while let Some(fetch) = pass.next_fetch()? {
            let fetched = buffer.space(fetch);
            self.read(fetch.position, fetched)?;
            pass.open_some(fetched, usize::MAX)?;
        }
        pass.release();
        self.opened.keep_buffer(buffer);
        Ok(())
    }

    fn read(&self, position: u64, out: &mut [u8]) -> Result<(), Error> {
        if self.opened.fetch_from_start(position, out) || self.source.read_at(position, out)? == out.len() {
            return Ok(());
        }
        Err(Error::Truncated { within: "the body" })
    }
}

impl<S> fmt::Debug for OpenMessage<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenMessage").field("header", &self.opened.header).finish_non_exhaustive()
    }
}
