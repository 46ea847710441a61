//! Materials managers assemble what one message needs.

mod default;
mod required_context;

use std::fmt;
use std::sync::Arc;

use envel_core::{BoxFuture, EncryptedDataKey, EncryptionContext};

use crate::error::Error;
use crate::materials::{DecryptionMaterials, EncryptionMaterials};
use crate::message::MessageHeader;
use crate::suite::{AlgorithmSuite, CommitmentPolicy};

pub use default::DefaultManager;
pub use required_context::RequiredContextManager;

/// Asks for what encrypts one message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EncryptionMaterialsRequest<'a> {
    /// The caller's pairs.
    pub encryption_context: &'a EncryptionContext,
    /// Names of pairs that shall not be stored.
    pub required_names: Vec<String>,
    /// The suite, which the commitment policy allows.
    pub algorithm_suite: AlgorithmSuite,
    /// The policy in force.
    pub commitment_policy: CommitmentPolicy,
    /// The most bytes that the message will have, if known.
    pub max_plaintext_len: Option<u64>,
}

impl<'a> EncryptionMaterialsRequest<'a> {
    /// Asks for materials of this suite; nothing is required only, and the length is not known.
    pub fn new(
        algorithm_suite: AlgorithmSuite,
        commitment_policy: CommitmentPolicy,
        encryption_context: &'a EncryptionContext,
    ) -> Self {
        Self {
            encryption_context,
            required_names: Vec::new(),
            algorithm_suite,
            commitment_policy,
            max_plaintext_len: None,
        }
    }

    /// Announces the most bytes that the message will have.
    #[must_use]
    pub fn max_plaintext_len(mut self, length: Option<u64>) -> Self {
        self.max_plaintext_len = length;
        self
    }
}

/// Asks for what decrypts one message.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct DecryptionMaterialsRequest<'a> {
    /// The message's suite.
    pub algorithm_suite: AlgorithmSuite,
    /// The policy in force.
    pub commitment_policy: CommitmentPolicy,
    /// The message's encrypted data keys.
    pub encrypted_data_keys: &'a [EncryptedDataKey],
    /// The pairs that the header stores: not verified yet.
    pub encryption_context: &'a EncryptionContext,
    /// The pairs that the caller supplies.
    pub reproduced_context: &'a EncryptionContext,
}

impl<'a> DecryptionMaterialsRequest<'a> {
    /// Asks for the materials of a message with this header, and these pairs from the caller.
    pub fn new(
        header: &'a MessageHeader,
        commitment_policy: CommitmentPolicy,
        reproduced_context: &'a EncryptionContext,
    ) -> Self {
        Self {
            algorithm_suite: header.algorithm_suite(),
            commitment_policy,
            encrypted_data_keys: header.encrypted_data_keys(),
            encryption_context: header.encryption_context(),
            reproduced_context,
        }
    }
}

/// Assembles what one message needs.
///
/// The answer may serve several messages, and is shared, if the suite derives keys; with a suite that does not, every message
/// needs materials of its own.
///
/// # Specification
/// `framework/cmm-interface.md`.
pub trait MaterialsManager: Send + Sync + fmt::Debug {
    /// What encrypts one message.
    ///
    /// # Errors
    /// [`Error::Wrap`] from keyrings; [`Error::InvalidCall`] for a context that cannot be.
    fn encryption_materials<'a>(
        &'a self,
        request: EncryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<EncryptionMaterials>, Error>>;

    /// What decrypts one message.
    ///
    /// # Errors
    /// [`Error::Unwrap`] from keyrings; [`Error::Refused`] for a context other than the caller's.
    fn decryption_materials<'a>(
        &'a self,
        request: DecryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<DecryptionMaterials>, Error>>;
}
