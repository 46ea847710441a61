//! What a caller can choose: once for a client, and for each message.

use std::num::NonZeroUsize;

use envel_core::EncryptionContext;

use crate::client::Client;
use crate::error::{Error, InvalidCall};
use crate::message::HeaderLimits;
use crate::parallel::all_cores;
use crate::stream::{EncryptionSettings, ReleasePolicy};
use crate::suite::{AlgorithmSuiteId, CommitmentPolicy};

/// Plaintext bytes in a frame, unless asked otherwise.
///
/// Every official reader takes any frame length, one frame at a time. Against the 4096 bytes of the official writers, frames of 64 KiB
/// cost 0.05 % in size instead of 0.8 %, carry messages of 256 TiB instead of 16 TiB, and encrypt faster; messages
/// shorter than a frame are not affected.
pub const DEFAULT_FRAME_LENGTH: u32 = 64 * 1024;

/// Settings of a [`Client`].
#[derive(Clone, Copy, Debug)]
pub struct ClientBuilder {
    pub(crate) commitment_policy: CommitmentPolicy,
    pub(crate) limits: HeaderLimits,
    pub(crate) max_frame_length: u32,
    pub(crate) max_non_framed_len: u64,
    pub(crate) net_v4_retry: bool,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            commitment_policy: CommitmentPolicy::default(),
            limits: HeaderLimits::default(),
            max_frame_length: 64 << 20,
            max_non_framed_len: 64 << 20,
            net_v4_retry: false,
        }
    }
}

impl ClientBuilder {
    /// Whether messages must commit to their data key. Default: written and read with commitment alone.
    #[must_use]
    pub fn commitment_policy(mut self, policy: CommitmentPolicy) -> Self {
        self.commitment_policy = policy;
        self
    }

    /// The most encrypted data keys that a message may have. Default: 10; `None` allows as many as the format does, each of
    /// which may cost a KMS call.
    #[must_use]
    pub fn max_encrypted_data_keys(mut self, max: Option<u16>) -> Self {
        self.limits.max_encrypted_data_keys = max.unwrap_or(u16::MAX);
        self
    }

    /// The most bytes of a header. Default: 1 MiB.
    #[must_use]
    pub fn max_header_len(mut self, max: usize) -> Self {
        self.limits.max_header_len = max;
        self
    }

    /// The most plaintext bytes in a frame, which is held in memory as a whole. Default: 64 MiB.
    #[must_use]
    pub fn max_frame_length(mut self, max: u32) -> Self {
        self.max_frame_length = max;
        self
    }

    /// The most bytes of a body without frames, which is held in memory as a whole. Only old messages have one.
    /// Default: 64 MiB.
    #[must_use]
    pub fn max_non_framed_len(mut self, max: u64) -> Self {
        self.max_non_framed_len = max;
        self
    }

    /// Also reads messages that the .NET library 4.0.0 wrote with two faults, by a second try when the first fails. Default: no.
    /// Nothing is ever written that way.
    ///
    /// # Security
    /// Such messages lack the separation of keys by message ID; that library drew a new data key for each.
    #[must_use]
    pub fn net_v4_0_0_retry(mut self, retry: bool) -> Self {
        self.net_v4_retry = retry;
        self
    }

    /// Settles what a message is made with.
    ///
    /// # Errors
    /// [`Error::InvalidCall`] for options that cannot be.
    pub(crate) fn resolve(&self, options: &EncryptOptions) -> Result<EncryptionSettings, Error> {
        let policy = self.commitment_policy;
        let suite = options.algorithm_suite.unwrap_or(policy.default_suite(options.is_signed));
        let algorithm_suite = suite.suite();
        if !policy.allows_encrypt(&algorithm_suite) {
            return Err(InvalidCall::CommitmentPolicy { policy, suite }.into());
        }
        if options.is_signed && !algorithm_suite.is_signed() {
            return Err(InvalidCall::SuiteDoesNotSign { suite }.into());
        }
        let frame_length = options.frame_length.unwrap_or(DEFAULT_FRAME_LENGTH);
        if frame_length == 0 || frame_length > self.max_frame_length {
            return Err(InvalidCall::FrameLength { frame_length, max: self.max_frame_length }.into());
        }
        Ok(EncryptionSettings {
            algorithm_suite,
            commitment_policy: policy,
            frame_length,
            max_encrypted_data_keys: self.limits.max_encrypted_data_keys,
            threads: options.threads.unwrap_or_else(all_cores),
            expected_plaintext_len: options.expected_plaintext_len,
        })
    }

    /// The client.
    pub fn build(self) -> Client {
        Client::new(self)
    }
}

/// What a message is encrypted with.
#[derive(Clone, Debug, Default)]
pub struct EncryptOptions {
    pub(crate) encryption_context: EncryptionContext,
    pub(crate) algorithm_suite: Option<AlgorithmSuiteId>,
    pub(crate) is_signed: bool,
    pub(crate) frame_length: Option<u32>,
    pub(crate) expected_plaintext_len: Option<u64>,
    pub(crate) threads: Option<NonZeroUsize>,
}

impl EncryptOptions {
    /// No pairs, the default suite, the default frame length.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pairs to authenticate with the data.
    #[must_use]
    pub fn encryption_context(mut self, context: EncryptionContext) -> Self {
        self.encryption_context = context;
        self
    }

    /// A suite other than the commitment policy's default.
    #[must_use]
    pub fn algorithm_suite(mut self, suite: AlgorithmSuiteId) -> Self {
        self.algorithm_suite = Some(suite);
        self
    }

    /// Signs the message, so that those who can decrypt it cannot forge one. Costs a pass of SHA-384 over it.
    #[must_use]
    pub fn signed(mut self, signed: bool) -> Self {
        self.is_signed = signed;
        self
    }

    /// Plaintext bytes in a frame. Default: [`DEFAULT_FRAME_LENGTH`].
    #[must_use]
    pub fn frame_length(mut self, frame_length: u32) -> Self {
        self.frame_length = Some(frame_length);
        self
    }

    /// How many threads the synchronous calls may use for a message of more than 4 MiB. Default: one for each core. The message is
    /// the same, byte for byte, whatever their number.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// The most plaintext that will come; more is an error. It lets a materials manager count bytes.
    #[must_use]
    pub fn expected_plaintext_len(mut self, length: u64) -> Self {
        self.expected_plaintext_len = Some(length);
        self
    }
}

/// How a message is decrypted.
#[derive(Clone, Debug, Default)]
pub struct DecryptOptions {
    pub(crate) reproduced_context: EncryptionContext,
    pub(crate) release: ReleasePolicy,
    pub(crate) is_unsigned_only: bool,
    pub(crate) threads: Option<NonZeroUsize>,
    pub(crate) is_unverified_signature_allowed: bool,
}

impl DecryptOptions {
    /// No pairs supplied, frames released as they are verified.
    pub fn new() -> Self {
        Self::default()
    }

    /// Pairs that the caller knows: those that the header stores must be equal, the others are taken for pairs that it does not
    /// store, so that the message opens only if it was made with exactly them.
    #[must_use]
    pub fn encryption_context(mut self, context: EncryptionContext) -> Self {
        self.reproduced_context = context;
        self
    }

    /// When the plaintext of a signed stream may leave. One-shot calls always wait for the end.
    #[must_use]
    pub fn release(mut self, release: ReleasePolicy) -> Self {
        self.release = release;
        self
    }

    /// How many threads the synchronous calls may use for a message of more than 4 MiB. Default: one for each core.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// Refuses signed messages, for readers who cannot wait for a signature.
    #[must_use]
    pub fn unsigned_only(mut self, unsigned_only: bool) -> Self {
        self.is_unsigned_only = unsigned_only;
        self
    }
    /// Reads ranges of signed messages although no range can show that the signature verifies. Default: they are refused.
    ///
    /// # Security
    /// What is read was made by somebody who could decrypt the message, not necessarily by the signer. Only
    /// [`Client::open_at`] and [`Client::open_at_async`] heed this.
    #[must_use]
    pub fn allow_unverified_signature(mut self, allow: bool) -> Self {
        self.is_unverified_signature_allowed = allow;
        self
    }
}
