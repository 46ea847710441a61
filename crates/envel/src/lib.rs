//! Envelope encryption with AWS KMS, in the message format of the AWS Encryption SDK.
//!
//! A KMS gives a data key and an encrypted copy of it. The data is encrypted locally with AES-256-GCM under that key, the encrypted copy
//! is stored beside the data, and the key itself is wiped. To decrypt, the KMS is asked for the data key back. Every
//! message that envel writes can be read by every official AWS Encryption SDK, and the reverse.
//!
//! # Where to start
//! - [`Client`]: encrypts and decrypts, in memory and as streams.
//! - [`KmsKeyring`], [`RawAesKeyring`], [`RawRsaKeyring`], [`MultiKeyring`], [`KmsDiscoveryKeyring`]: which keys wrap data keys.
//! - [`DefaultManager`], [`RequiredContextManager`]: what a message is made with.
//! - [`OpenMessage`]: ranges of a message, verified without the rest of it.
//! - [`inspect`]: what a message says about itself, without keys.
//! - [`Error::kind`]: what to do about a failure.
//!
//! # How data flows
//! ```text
//! plaintext -> materials (materials manager -> keyring -> KMS) -> header -> frames -> sink
//! ```
//! Key work comes first and is asynchronous, since it may call a KMS; it needs no particular runtime and starts none. What follows
//! does no I/O and is not asynchronous, so that every driver shares it.
//!
//! # Features
//! - `tokio`: readers and writers over tokio's `AsyncRead` and `AsyncWrite`.

mod batch;
mod client;
mod cmm;
mod error;
pub mod inspect;
mod keyring;
mod materials;
mod message;
mod options;
mod parallel;
mod range;
mod seal;
mod stream;
mod suite;
mod yielding;

pub use batch::BatchEncryption;
pub use client::{Client, DecryptOutput, EncryptOutput};
pub use cmm::{
    DecryptionMaterialsRequest, DefaultManager, EncryptionMaterialsRequest, MaterialsManager,
    RequiredContextManager,
};
pub use envel_core::*;
pub use error::{Error, ErrorKind, InvalidCall, KeyringError, Refusal, UnwrapAttempt, UnwrapError};
pub use keyring::{
    DiscoveryFilter, Keyring, KmsDiscoveryKeyring, KmsKeyring, MultiKeyring, RawAesKeyring, RawRsaKeyring,
    RsaKey, UnwrapOutcome, UnwrapRequest, UnwrappedKey, WrapOutcome, WrapRequest, WrappedKey,
};
pub use materials::{DecryptionMaterials, EncryptionMaterials, OpenedBy};
pub use message::{
    ContentType, HeaderLimitExceeded, HeaderLimits, MalformedMessage, MessageHeader, MessageId,
};
pub use options::{ClientBuilder, DEFAULT_FRAME_LENGTH, DecryptOptions, EncryptOptions};
pub use range::{AsyncOpenMessage, AsyncReadAt, OpenMessage, RangeOutput, RangeProof, ReadAt, VerifiedRange};
#[cfg(feature = "tokio")]
pub use stream::{AsyncDecryptReader, AsyncEncryptWriter, AsyncPendingMessage};
pub use stream::{
    DecryptReader, DecryptSummary, Decryption, EncryptSummary, EncryptWriter, Encryption, PendingMessage,
    ReleasePolicy,
};
pub use suite::{
    AlgorithmSuite, AlgorithmSuiteId, CommitmentPolicy, KeyDerivation, MessageVersion, UnknownSuite,
};
