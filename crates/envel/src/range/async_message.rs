//! The asynchronous driver: that of [`super::message`], with waiting.

use std::fmt;
use std::io::Write;
use std::ops::Range;
use std::slice;

use zeroize::Zeroize;

use super::opened::Opened;
use super::pass::RangePass;
use super::start::MessageStart;
use super::{AsyncReadAt, RangeOutput, RangeProof, VerifiedRange};
use crate::error::Error;
use crate::materials::OpenedBy;
use crate::message::MessageHeader;
use crate::yielding::yield_now;

/// How much is fetched at once, unless a frame is longer: each request to an object store costs a wait.
pub(super) const PIECE_LEN: u64 = 8 << 20;

/// How much is read at once for the header: nearly every one is shorter, and many a message is among them as a whole.
pub(super) const HEADER_READ_LEN: usize = 16 << 10;

/// Cryptography that one poll of a future may do.
const BYTES_PER_POLL: usize = 1 << 20;

/// Reads until the header is complete.
pub(super) async fn read_header<S: AsyncReadAt>(
    source: &S,
    start: &mut MessageStart,
) -> Result<MessageHeader, Error> {
    loop {
        let (position, space) = start.space();
        let count = source.read_at(position, space).await?;
        if let Some(header) = start.advance(count)? {
            return Ok(header);
        }
    }
}

/// As [`crate::OpenMessage`], for an asynchronous source such as an object in an object store.
///
/// Made by [`crate::Client::open_at_async`]. It needs no particular executor, and any number of tasks can read at once. A future
/// that is dropped half-way releases nothing: a buffer that was given holds zeros.
///
/// # What is verified
/// As for [`crate::OpenMessage`].
///
/// # What is not verified
/// As for [`crate::OpenMessage`].
///
/// # Errors
/// As for [`crate::OpenMessage`]. Nothing is read twice when it fails: a source that retries does it by itself.
///
/// # Security
/// As for [`crate::OpenMessage`]: the source pins the object.
///
/// # Cost
/// As for [`crate::OpenMessage`], but 16 KiB are read for the header and ranges are fetched 8 MiB at a time, since each request costs a
/// wait; so much memory is kept. A
/// poll does at most 1 MiB of cryptography, or one frame if that is longer.
///
/// # Example
/// ```
/// use std::sync::Arc;
/// use envel::{AsyncReadAt, BoxFuture, Client, DecryptOptions, DefaultManager, EncryptOptions, ErrorKind, RangeProof};
/// use envel::{RawAesKeyring, SecretBytes};
///
/// /// Stands for an object in an object store.
/// struct Object(Vec<u8>);
///
/// impl AsyncReadAt for Object {
///     fn read_at<'a>(&'a self, position: u64, out: &'a mut [u8]) -> BoxFuture<'a, std::io::Result<usize>> {
///         // A store would send the position, and the ETag that it saw first.
///         Box::pin(async move { envel::ReadAt::read_at(&self.0, position, out) })
///     }
///
///     fn source_len(&self) -> BoxFuture<'_, std::io::Result<u64>> {
///         Box::pin(async { Ok(self.0.len() as u64) })
///     }
/// }
///
/// # pollster::block_on(async {
/// let wrapping_key = SecretBytes::try_filled_by(32, envel::primitives::rand::fill)?;
/// let manager = DefaultManager::new(Arc::new(RawAesKeyring::new("my-app", "key-1", &wrapping_key)?));
/// let client = Client::builder().build();
/// let bytes = client.encrypt(&manager, &[7; 100_000], &EncryptOptions::new()).await?.message;
///
/// let message = client.open_at_async(&manager, Object(bytes), &DecryptOptions::new()).await?;
/// let ranges = [99_990..u64::MAX, 0..10];
/// let outputs = message.decrypt_ranges(&ranges, RangeProof::WithEnd).await?;
/// assert_eq!(outputs[0].plaintext, [7; 10]);
/// assert_eq!(outputs[0].verified.range, 99_990..100_000);
///
/// let error = message.decrypt_range(200_000..200_010, RangeProof::FramesOnly).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::InvalidCall, "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Specification
/// As for [`crate::OpenMessage`].
pub struct AsyncOpenMessage<S> {
    opened: Opened,
    source: S,
}

impl<S> AsyncOpenMessage<S> {
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

impl<S: AsyncReadAt> AsyncOpenMessage<S> {
    /// As [`crate::OpenMessage::plaintext_len`].
    ///
    /// # Errors
    /// As for [`crate::OpenMessage::plaintext_len`].
    ///
    /// # Cost
    /// As for [`AsyncOpenMessage`].
    pub async fn plaintext_len(&self) -> Result<u64, Error> {
        self.verify_end().await?;
        Ok(self.opened.planner.layout().plaintext_len())
    }

    /// As [`crate::OpenMessage::decrypt_range`].
    ///
    /// # Errors
    /// As for [`crate::OpenMessage::decrypt_range`].
    ///
    /// # Cost
    /// As for [`AsyncOpenMessage`].
    pub async fn decrypt_range(&self, range: Range<u64>, proof: RangeProof) -> Result<RangeOutput, Error> {
        let mut outputs = self.decrypt_ranges(&[range], proof).await?;
        Ok(outputs.pop().expect("one range has one output"))
    }

    /// As [`crate::OpenMessage::decrypt_ranges`].
    ///
    /// # Errors
    /// As for [`crate::OpenMessage::decrypt_ranges`].
    ///
    /// # Cost
    /// As for [`AsyncOpenMessage`].
    pub async fn decrypt_ranges(
        &self,
        ranges: &[Range<u64>],
        proof: RangeProof,
    ) -> Result<Vec<RangeOutput>, Error> {
        if self.opened.planner.needs_end_first(ranges, proof)? {
            self.verify_end().await?;
        }
        let mut batch = self.opened.batch(ranges)?;
        self.run(batch.pass(&self.opened, ranges, proof)).await?;
        Ok(batch.into_outputs(&self.opened))
    }

    /// As [`crate::OpenMessage::decrypt_range_into`].
    ///
    /// # Errors
    /// As for [`crate::OpenMessage::decrypt_range_into`].
    ///
    /// # Cost
    /// As for [`AsyncOpenMessage`].
    pub async fn decrypt_range_into(
        &self,
        start: u64,
        out: &mut [u8],
        proof: RangeProof,
    ) -> Result<VerifiedRange, Error> {
        let outcome = self.decrypt_into(start, out, proof).await;
        if outcome.is_err() {
            out.zeroize();
        }
        outcome
    }

    async fn decrypt_into(
        &self,
        start: u64,
        out: &mut [u8],
        proof: RangeProof,
    ) -> Result<VerifiedRange, Error> {
        let range = start..start.saturating_add(out.len() as u64);
        if self.opened.planner.needs_end_first(slice::from_ref(&range), proof)? {
            self.verify_end().await?;
        }
        let (pass, range) = self.opened.pass_into(&range, proof, out)?;
        self.run(pass).await?;
        Ok(self.opened.planner.verdict(range))
    }

    /// As [`crate::OpenMessage::copy_range_to`], 8 MiB at a time. `writer` is called within polls: it must not make them wait long.
    ///
    /// # Errors
    /// As for [`crate::OpenMessage::copy_range_to`].
    ///
    /// # Cost
    /// As for [`AsyncOpenMessage`].
    pub async fn copy_range_to(
        &self,
        range: Range<u64>,
        proof: RangeProof,
        writer: &mut (impl Write + ?Sized),
    ) -> Result<VerifiedRange, Error> {
        if self.opened.planner.needs_end_before_pieces(&range, proof)? {
            self.verify_end().await?;
        }
        let mut pieces = self.opened.pieces(range, proof)?;
        while pieces.advance(&self.opened)? {
            self.run(pieces.pass(&self.opened)).await?;
            writer.write_all(pieces.piece())?;
        }
        Ok(pieces.verdict(&self.opened))
    }

    /// Verifies the final frame, unless that was done.
    async fn verify_end(&self) -> Result<(), Error> {
        let Some(fetch) = self.opened.planner.end_fetch()? else { return Ok(()) };
        let mut buffer = self.opened.take_buffer();
        self.read(fetch.position, buffer.space(fetch)).await?;
        self.opened.planner.verify_end(buffer.space(fetch))?;
        self.opened.keep_buffer(buffer);
        yield_now().await;
        Ok(())
    }

    /// Fetches and opens until the pass is through, yielding after each part of the work.
    async fn run(&self, mut pass: RangePass<'_>) -> Result<(), Error> {
        let mut buffer = self.opened.take_buffer();
        while let Some(fetch) = pass.next_fetch()? {
            let fetched = buffer.space(fetch);
            self.read(fetch.position, fetched).await?;
            while pass.open_some(fetched, BYTES_PER_POLL)? {
                yield_now().await;
            }
            yield_now().await;
        }
        pass.release();
        self.opened.keep_buffer(buffer);
        Ok(())
    }

    async fn read(&self, position: u64, out: &mut [u8]) -> Result<(), Error> {
        if self.opened.fetch_from_start(position, out)
            || self.source.read_at(position, out).await? == out.len()
        {
            return Ok(());
        }
        Err(Error::Truncated { within: "the body" })
    }
}

impl<S> fmt::Debug for AsyncOpenMessage<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncOpenMessage").field("header", &self.opened.header).finish_non_exhaustive()
    }
}
