//! Materials managers assemble what one message needs.

mod default;
mod required_context;

use std::fmt;

use envel_core::{BoxFuture, EncryptedDataKey, EncryptionContext};

use crate::error::Error;
use crate::materials::{DecryptionMaterials, EncryptionMaterials};
use crate::suite::{AlgorithmSuiteId, CommitmentPolicy};

pub use default::DefaultManager;
pub use required_context::RequiredContextManager;

/// Asks for what encrypts one message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EncryptionMaterialsRequest {
    /// The caller's pairs.
    pub encryption_context: EncryptionContext,
    /// Names of pairs that shall not be stored.
    pub required_names: Vec<String>,
    /// The suite, which the commitment policy allows.
    pub algorithm_suite: AlgorithmSuiteId,
    /// The policy in force.
    pub commitment_policy: CommitmentPolicy,
    /// The most bytes that the message will have, if known.
    pub max_plaintext_len: Option<u64>,
}

/// Asks for what decrypts one message.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DecryptionMaterialsRequest {
    /// The message's suite.
    pub algorithm_suite: AlgorithmSuiteId,
    /// The policy in force.
    pub commitment_policy: CommitmentPolicy,
    /// The message's encrypted data keys.
    pub encrypted_data_keys: Vec<EncryptedDataKey>,
    /// The pairs that the header stores: not verified yet.
    pub encryption_context: EncryptionContext,
    /// The pairs that the caller supplies.
    pub reproduced_context: EncryptionContext,
}

/// Assembles what one message needs.
///
/// # Specification
/// `framework/cmm-interface.md`.
pub trait MaterialsManager: Send + Sync + fmt::Debug {
    /// What encrypts one message.
    ///
    /// # Errors
    /// [`Error::Wrap`] from keyrings; [`Error::InvalidCall`] for a context that cannot be.
    fn encryption_materials(
        &self,
        request: EncryptionMaterialsRequest,
    ) -> BoxFuture<'_, Result<EncryptionMaterials, Error>>;

    /// What decrypts one message.
    ///
    /// # Errors
    /// [`Error::Unwrap`] from keyrings; [`Error::Refused`] for a context other than the caller's.
    fn decryption_materials(
        &self,
        request: DecryptionMaterialsRequest,
    ) -> BoxFuture<'_, Result<DecryptionMaterials, Error>>;
}
