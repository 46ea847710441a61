//! Ranges of a message, read and verified without the rest of it.
//!
//! [`planner`] and [`pass`] say which bytes to fetch and make verified plaintext of them: they do no I/O and are not asynchronous.
//! The drivers, [`OpenMessage`] and [`AsyncOpenMessage`], fetch.

mod async_message;
mod message;
mod opened;
mod pass;
mod planner;
mod source;
mod start;

use std::fmt;
use std::ops::Range;

use crate::client::Client;
use crate::cmm::MaterialsManager;
use crate::error::{Error, InvalidCall, Refusal};
use crate::message::{ContentType, MessageHeader};
use crate::options::DecryptOptions;
use opened::Opened;
use start::MessageStart;

pub use async_message::AsyncOpenMessage;
pub use message::OpenMessage;
pub use source::{AsyncReadAt, ReadAt};

/// What must be verified before a range is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RangeProof {
    /// The frames that hold the range: its bytes are authentic and stand where they were asked for.
    ///
    /// The final frame too, wherever the answer depends on it: for a range that reaches it or goes beyond, and for an empty one.
    FramesOnly,
    /// The final frame as well, and thereby the length of the plaintext: the message was not cut or added to. One more read,
    /// unless it was verified before.
    WithEnd,
}

/// A range that was read, and what is known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedRange {
    /// The bytes of the plaintext that were read, of which the frames were verified: what was asked for, up to the end of the
    /// plaintext.
    pub range: Range<u64>,
    /// Bytes of the whole plaintext, if the final frame was verified: now, or by an earlier call.
    pub plaintext_len: Option<u64>,
    /// The message is signed, and its signature was not verified: whoever could decrypt the message could have made the frames.
    pub unverified_signature: bool,
}

impl VerifiedRange {
    /// What was verified: possibly more than was asked for.
    pub fn proof(&self) -> RangeProof {
        match self.plaintext_len {
            Some(_) => RangeProof::WithEnd,
            None => RangeProof::FramesOnly,
        }
    }
}

/// A range of plaintext.
#[derive(PartialEq, Eq)]
#[non_exhaustive]
pub struct RangeOutput {
    /// The plaintext.
    pub plaintext: Vec<u8>,
    /// Which bytes these are, and what is known about them.
    pub verified: VerifiedRange,
}

impl fmt::Debug for RangeOutput {
    /// Shows the plaintext's length alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RangeOutput")
            .field("plaintext_len", &self.plaintext.len())
            .field("verified", &self.verified)
            .finish()
    }
}

impl Client {
    /// Opens a message for reading ranges of it: from a slice, a file, or whatever implements [`ReadAt`].
    ///
    /// Reads the header and asks for materials, once for any number of ranges. Nothing of the body is read on purpose.
    ///
    /// # What is verified
    /// The header: its tag, the commitment to the data key, the encryption context.
    ///
    /// # What is not verified
    /// Anything behind it. [`OpenMessage`] says what each range verifies.
    ///
    /// # Errors
    /// As for [`Client::read_header`] and [`Client::open`]; [`Error::Refused`] with [`Refusal::UnverifiableSignature`] for a signed
    /// message, unless [`DecryptOptions::allow_unverified_signature`]; [`Error::InvalidCall`] with
    /// [`InvalidCall::RangeOfNonFramed`] for a message without frames; [`Error::Malformed`] and [`Error::Truncated`] if no message
    /// with this header has the source's length.
    ///
    /// # Cost
    /// One read of 4 KiB, or as many as a longer header takes. What the materials manager costs: with a KMS keyring, one Decrypt.
    ///
    /// # Example
    /// See [`OpenMessage`].
    pub async fn open_at<S: ReadAt>(
        &self,
        manager: &dyn MaterialsManager,
        source: S,
        options: &DecryptOptions,
    ) -> Result<OpenMessage<S>, Error> {
        let mut start = MessageStart::new(self.settings.limits, message::HEADER_READ_LEN);
        let header = message::read_header(&source, &mut start)?;
        check_ranges(&header, options)?;
        let source_len = source.source_len()?;
        let opened = self.open_header(manager, header, options).await?;
        Ok(OpenMessage::new(Opened::new(opened, start, source_len, message::PIECE_LEN)?, source))
    }

    /// As [`Client::open_at`], from an asynchronous source such as an object in an object store.
    ///
    /// # Errors
    /// As for [`Client::open_at`].
    ///
    /// # Cost
    /// As for [`Client::open_at`], but 16 KiB are read at once: many a message is among them as a whole.
    pub async fn open_at_async<S: AsyncReadAt>(
        &self,
        manager: &dyn MaterialsManager,
        source: S,
        options: &DecryptOptions,
    ) -> Result<AsyncOpenMessage<S>, Error> {
        let mut start = MessageStart::new(self.settings.limits, async_message::HEADER_READ_LEN);
        let header = async_message::read_header(&source, &mut start).await?;
        check_ranges(&header, options)?;
        let source_len = source.source_len().await?;
        let opened = self.open_header(manager, header, options).await?;
        Ok(AsyncOpenMessage::new(Opened::new(opened, start, source_len, async_message::PIECE_LEN)?, source))
    }
}

/// Whether ranges of such a message can and may be read: before any key is asked for.
fn check_ranges(header: &MessageHeader, options: &DecryptOptions) -> Result<(), Error> {
    if header.content_type() == ContentType::NonFramed {
        return Err(InvalidCall::RangeOfNonFramed.into());
    }
    if header.algorithm_suite().is_signed() && !options.is_unverified_signature_allowed {
        // Those who take unsigned messages alone hear of that.
        let refusal = if options.is_unsigned_only { Refusal::Signed } else { Refusal::UnverifiableSignature };
        return Err(refusal.into());
    }
    Ok(())
}
