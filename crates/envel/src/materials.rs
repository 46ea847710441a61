//! What one message needs: its data key, its encrypted data keys, its context, its signing key.

use envel_core::primitives::ecdsa::{SigningKey, VerificationKey};
use envel_core::{DataKey, EncryptedDataKey, EncryptionContext};

use crate::suite::AlgorithmSuiteId;

/// What encrypts one message.
///
/// # Specification
/// `framework/structures.md`, "Encryption Materials".
#[derive(Debug)]
#[non_exhaustive]
pub struct EncryptionMaterials {
    /// The suite.
    pub algorithm_suite: AlgorithmSuiteId,
    /// The full context: what is stored, what is required only, and the public key of a signed message.
    pub encryption_context: EncryptionContext,
    /// Names of the pairs that are not stored: whoever decrypts must supply them.
    pub required_names: Vec<String>,
    /// The data key.
    pub data_key: DataKey,
    /// The same, wrapped: at least once.
    pub encrypted_data_keys: Vec<EncryptedDataKey>,
    /// Which key material wrapped each, where the KMS says.
    pub key_material_ids: Vec<Option<String>>,
    /// What signs the message, if the suite does.
    pub signing_key: Option<SigningKey>,
}

/// What decrypts one message.
///
/// # Specification
/// `framework/structures.md`, "Decryption Materials".
#[derive(Debug)]
#[non_exhaustive]
pub struct DecryptionMaterials {
    /// The suite.
    pub algorithm_suite: AlgorithmSuiteId,
    /// The full context: what is stored and what the caller supplied.
    pub encryption_context: EncryptionContext,
    /// Names of the pairs that the caller supplied and the header does not store.
    pub required_names: Vec<String>,
    /// The data key.
    pub data_key: DataKey,
    /// What opened it.
    pub opened_by: OpenedBy,
    /// What verifies the signature, if the suite signs.
    pub verification_key: Option<VerificationKey>,
}

/// Which encrypted data key was opened, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenedBy {
    /// Which of the message's encrypted data keys, from 0.
    pub encrypted_data_key_index: usize,
    /// Its provider.
    pub key_provider_id: String,
    /// The wrapping key, as the message names it, in words.
    pub key_provider_info: String,
    /// Which key material of a KMS key, where the KMS says.
    pub key_material_id: Option<String>,
}

impl OpenedBy {
    /// Says which of `encrypted_data_keys` was opened.
    pub(crate) fn new(
        index: usize,
        encrypted_data_key: &EncryptedDataKey,
        key_material_id: Option<String>,
    ) -> Self {
        Self {
            encrypted_data_key_index: index,
            key_provider_id: encrypted_data_key.key_provider_id.clone(),
            key_provider_info: encrypted_data_key.provider_info_for_display(),
            key_material_id,
        }
    }
}
