//! Messages as streams: what is buffered, in which order, and when plaintext may leave.
//!
//! The state machines here do no I/O; the adapters over `std::io` and tokio only move bytes in and out of them.

mod body;
mod decryptor;
mod encryption;
mod encryptor;
mod frame_batch;
mod opening;
mod slices;
mod sync_io;
#[cfg(feature = "tokio")]
mod tokio_io;

pub(crate) use decryptor::{Decryptor, InputBuffer};
pub use encryption::{EncryptSummary, Encryption};
pub(crate) use encryption::{EncryptionParts, EncryptionSettings};
pub(crate) use frame_batch::{BATCH_LEN, FrameBatch};
pub(crate) use opening::{OpenedHeader, Opening};
pub use slices::Decryption;
pub(crate) use slices::SliceSealing;
pub use sync_io::{DecryptReader, EncryptWriter, PendingMessage};
#[cfg(feature = "tokio")]
pub use tokio_io::{AsyncDecryptReader, AsyncEncryptWriter, AsyncPendingMessage};

/// When the plaintext of a signed message may leave.
///
/// Unsigned messages are released frame by frame, each after its tag was verified, and the final frame after the end of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReleasePolicy {
    /// Each frame after its tag was verified, the final frame after the signature. Whoever takes the frames must be able to
    /// take them back: write to a temporary file, and rename it at the end.
    #[default]
    EachFrame,
    /// Nothing before the signature was verified. So much is held, in memory that is wiped; a longer message is refused.
    AfterSignature {
        /// The most bytes of plaintext to hold.
        max_held_bytes: u64,
    },
}

/// What a finished decryption read and released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecryptSummary {
    /// Bytes of plaintext.
    pub plaintext_len: u64,
    /// Bytes of the message, header and footer included.
    pub ciphertext_len: u64,
}
