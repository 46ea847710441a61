//! What one message needs: its data key, its encrypted data keys, its context, its signing key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use envel_core::primitives::ecdsa::{SigningKey, VerificationKey};
use envel_core::{DataKey, EncryptedDataKey, EncryptionContext};

use crate::error::{Error, InvalidCall};
use crate::keyring::WrappedKey;
use crate::message::header::HeaderSections;
use crate::suite::{AlgorithmSuite, KeyDerivation};

/// What encrypts a message, or, if the suite derives keys, many messages: each draws its own message ID and derives its own key.
///
/// Shared, never copied, so that there is one data key to wipe; it is wiped with the last reference.
///
/// # Specification
/// `framework/structures.md`, "Encryption Materials".
#[derive(Debug)]
pub struct EncryptionMaterials {
    algorithm_suite: AlgorithmSuite,
    encryption_context: EncryptionContext,
    data_key: DataKey,
    key_material_ids: Arc<[Option<String>]>,
    encrypted_data_key_count: usize,
    signing_key: Option<Arc<SigningKey>>,
    /// The part of a header that is the same for every message.
    header_sections: HeaderSections,
    required_names: Vec<String>,
    /// The pairs that a header does not store, as its tag covers them.
    required_only: Vec<u8>,
    /// Whether a message was encrypted with the data key itself.
    is_used_up: AtomicBool,
}

impl EncryptionMaterials {
    /// Puts materials together.
    ///
    /// `encryption_context` is the full context: what is stored, what is required only (`required_names`), and the public key of a
    /// signed message.
    ///
    /// # Errors
    /// [`Error::InvalidMaterials`] if there is no wrapped key, if the data key is not of the suite's length, or if the suite signs
    /// and there is no signing key, or the reverse; [`Error::InvalidCall`] if a header cannot hold them.
    pub fn new(
        algorithm_suite: AlgorithmSuite,
        encryption_context: EncryptionContext,
        required_names: &[String],
        data_key: DataKey,
        wrapped: Vec<WrappedKey>,
        signing_key: Option<SigningKey>,
    ) -> Result<Self, Error> {
        if wrapped.is_empty() {
            return Err(Error::InvalidMaterials("there is no encrypted data key"));
        }
        if data_key.len() != algorithm_suite.data_key_len() {
            return Err(Error::InvalidMaterials("the data key is not of the algorithm suite's length"));
        }
        if algorithm_suite.signature != signing_key.as_ref().map(SigningKey::algorithm) {
            return Err(Error::InvalidMaterials("the signing key does not agree with the algorithm suite"));
        }
        let (encrypted_data_keys, key_material_ids): (Vec<EncryptedDataKey>, Vec<_>) =
            wrapped.into_iter().map(|key| (key.encrypted_data_key, key.key_material_id)).unzip();
        let (stored, required_only) = encryption_context.partition(required_names);
        let header_sections = HeaderSections::new(&stored, &encrypted_data_keys)
            .ok_or(InvalidCall::Header("a field is longer than its length field can say"))?;
        Ok(Self {
            algorithm_suite,
            required_names: required_names.to_vec(),
            required_only: required_only.canonical_bytes()?,
            encryption_context,
            data_key,
            key_material_ids: key_material_ids.into(),
            encrypted_data_key_count: encrypted_data_keys.len(),
            signing_key: signing_key.map(Arc::new),
            header_sections,
            is_used_up: AtomicBool::new(false),
        })
    }

    /// The suite.
    pub fn algorithm_suite(&self) -> AlgorithmSuite {
        self.algorithm_suite
    }

    /// The full context.
    pub fn encryption_context(&self) -> &EncryptionContext {
        &self.encryption_context
    }

    /// The data key.
    pub(crate) fn data_key(&self) -> &DataKey {
        &self.data_key
    }

    /// Whether whoever decrypts must supply the pair of this name.
    pub fn requires(&self, name: &str) -> bool {
        self.required_names.iter().any(|required| required == name)
    }

    /// Which key material wrapped each encrypted data key, where the KMS says.
    pub fn key_material_ids(&self) -> &Arc<[Option<String>]> {
        &self.key_material_ids
    }

    /// How many encrypted data keys there are.
    pub fn encrypted_data_key_count(&self) -> usize {
        self.encrypted_data_key_count
    }

    /// Takes note of a message that is about to be encrypted.
    ///
    /// # Errors
    /// [`Error::InvalidMaterials`] if the suite uses the data key itself and there was a message before: its IVs are used up.
    pub(crate) fn claim(&self) -> Result<(), Error> {
        let is_single_use = self.algorithm_suite.key_derivation == KeyDerivation::Identity;
        if is_single_use && self.is_used_up.swap(true, Ordering::Relaxed) {
            return Err(Error::InvalidMaterials(
                "the algorithm suite derives no keys, and the data key has encrypted a message before",
            ));
        }
        Ok(())
    }

    /// What signs the message, if the suite does.
    pub(crate) fn signing_key(&self) -> Option<&Arc<SigningKey>> {
        self.signing_key.as_ref()
    }

    pub(crate) fn header_sections(&self) -> &HeaderSections {
        &self.header_sections
    }

    pub(crate) fn required_only(&self) -> &[u8] {
        &self.required_only
    }
}

/// What decrypts a message, or several that have their encrypted data key in common.
///
/// # Specification
/// `framework/structures.md`, "Decryption Materials".
#[derive(Debug)]
pub struct DecryptionMaterials {
    algorithm_suite: AlgorithmSuite,
    data_key: DataKey,
    opened_by: OpenedBy,
    verification_key: Option<Arc<VerificationKey>>,
    encryption_context: EncryptionContext,
    required_only: Vec<u8>,
}

impl DecryptionMaterials {
    /// Puts materials together.
    ///
    /// `encryption_context` is the full context: what the header stores and what the caller supplied (`required_names`).
    ///
    /// # Errors
    /// [`Error::InvalidMaterials`] if the data key is not of the suite's length, or if the suite signs and there is no
    /// verification key, or the reverse.
    pub fn new(
        algorithm_suite: AlgorithmSuite,
        encryption_context: EncryptionContext,
        required_names: &[String],
        data_key: DataKey,
        opened_by: OpenedBy,
        verification_key: Option<VerificationKey>,
    ) -> Result<Self, Error> {
        if data_key.len() != algorithm_suite.data_key_len() {
            return Err(Error::InvalidMaterials("the data key is not of the algorithm suite's length"));
        }
        if algorithm_suite.signature != verification_key.as_ref().map(VerificationKey::algorithm) {
            return Err(Error::InvalidMaterials(
                "the verification key does not agree with the algorithm suite",
            ));
        }
        let (_, required_only) = encryption_context.partition(required_names);
        Ok(Self {
            algorithm_suite,
            data_key,
            opened_by,
            verification_key: verification_key.map(Arc::new),
            required_only: required_only.canonical_bytes()?,
            encryption_context,
        })
    }

    /// The suite.
    pub fn algorithm_suite(&self) -> AlgorithmSuite {
        self.algorithm_suite
    }

    /// The full context.
    pub fn encryption_context(&self) -> &EncryptionContext {
        &self.encryption_context
    }

    /// The data key.
    pub(crate) fn data_key(&self) -> &DataKey {
        &self.data_key
    }

    /// Which encrypted data key was opened, and by what.
    pub fn opened_by(&self) -> &OpenedBy {
        &self.opened_by
    }

    /// What verifies the signature, if the suite signs.
    pub(crate) fn verification_key(&self) -> Option<&Arc<VerificationKey>> {
        self.verification_key.as_ref()
    }

    pub(crate) fn required_only(&self) -> &[u8] {
        &self.required_only
    }
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
    /// Says that the encrypted data key of this index was opened.
    pub fn new(index: usize, encrypted_data_key: &EncryptedDataKey, key_material_id: Option<String>) -> Self {
        Self {
            encrypted_data_key_index: index,
            key_provider_id: encrypted_data_key.key_provider_id.clone(),
            key_provider_info: encrypted_data_key.provider_info_for_display(),
            key_material_id,
        }
    }
}
