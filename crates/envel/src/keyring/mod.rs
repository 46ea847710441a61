//! Keyrings generate, wrap and unwrap data keys: the joint where other key stores plug in.

mod discovery;
mod kms;
mod multi;
mod raw_aes;
mod raw_rsa;

use std::fmt;

use envel_core::primitives::rand;
use envel_core::{BoxFuture, CryptoError, DataKey, EncryptedDataKey, EncryptionContext, SecretBytes};

use crate::error::{KeyringError, UnwrapAttempt};
use crate::suite::AlgorithmSuite;

pub use discovery::{DiscoveryFilter, KmsDiscoveryKeyring};
pub use kms::KmsKeyring;
pub use multi::MultiKeyring;
pub use raw_aes::RawAesKeyring;
pub use raw_rsa::{RawRsaKeyring, RsaKey};

/// Asks a keyring to wrap a data key, or to generate one and wrap it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WrapRequest<'a> {
    /// The suite, which fixes the data key's length.
    pub algorithm_suite: AlgorithmSuite,
    /// The full context, to be bound to the wrapped key where the keyring can.
    pub encryption_context: &'a EncryptionContext,
    /// The data key to wrap; without one the keyring generates it.
    pub data_key: Option<&'a DataKey>,
}

impl<'a> WrapRequest<'a> {
    /// Asks to generate a data key.
    pub fn generate(algorithm_suite: AlgorithmSuite, encryption_context: &'a EncryptionContext) -> Self {
        Self { algorithm_suite, encryption_context, data_key: None }
    }

    /// Asks to wrap this data key.
    pub fn wrap(
        algorithm_suite: AlgorithmSuite,
        encryption_context: &'a EncryptionContext,
        data_key: &'a DataKey,
    ) -> Self {
        Self { algorithm_suite, encryption_context, data_key: Some(data_key) }
    }
}

/// One wrapped data key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrappedKey {
    /// What goes into the header.
    pub encrypted_data_key: EncryptedDataKey,
    /// Which key material of a KMS key wrapped it, where the KMS says.
    pub key_material_id: Option<String>,
}

impl WrappedKey {
    /// A key wrapped by something that has no key materials.
    pub fn new(encrypted_data_key: EncryptedDataKey) -> Self {
        Self { encrypted_data_key, key_material_id: None }
    }

    /// Says which key material wrapped it.
    #[must_use]
    pub fn key_material_id(mut self, id: Option<String>) -> Self {
        self.key_material_id = id;
        self
    }
}

/// What a keyring made.
#[derive(Debug)]
#[non_exhaustive]
pub struct WrapOutcome {
    /// The data key, if the request had none.
    pub generated: Option<DataKey>,
    /// The wrapped copies: at least one.
    pub wrapped: Vec<WrappedKey>,
}

impl WrapOutcome {
    /// What a keyring with one wrapping key makes.
    pub fn new(generated: Option<DataKey>, wrapped: Vec<WrappedKey>) -> Self {
        Self { generated, wrapped }
    }
}

/// Asks a keyring to open one of several encrypted data keys.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct UnwrapRequest<'a> {
    /// The suite, which fixes the data key's length.
    pub algorithm_suite: AlgorithmSuite,
    /// The full context.
    pub encryption_context: &'a EncryptionContext,
    /// The candidates, in the message's order.
    pub encrypted_data_keys: &'a [EncryptedDataKey],
}

impl<'a> UnwrapRequest<'a> {
    /// Asks to open one of these.
    pub fn new(
        algorithm_suite: AlgorithmSuite,
        encryption_context: &'a EncryptionContext,
        encrypted_data_keys: &'a [EncryptedDataKey],
    ) -> Self {
        Self { algorithm_suite, encryption_context, encrypted_data_keys }
    }
}

/// A data key that a keyring opened.
#[derive(Debug)]
#[non_exhaustive]
pub struct UnwrappedKey {
    /// The data key, of the suite's length.
    pub data_key: DataKey,
    /// Which candidate it came from, from 0.
    pub encrypted_data_key_index: usize,
    /// Which key material of a KMS key opened it, where the KMS says.
    pub key_material_id: Option<String>,
}

impl UnwrappedKey {
    /// A data key that came from this candidate, opened by something that has no key materials.
    pub fn new(data_key: DataKey, encrypted_data_key_index: usize) -> Self {
        Self { data_key, encrypted_data_key_index, key_material_id: None }
    }

    /// Says which key material opened it.
    #[must_use]
    pub fn key_material_id(mut self, id: Option<String>) -> Self {
        self.key_material_id = id;
        self
    }
}

/// What came of trying: the key that opened, and every candidate that did not.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct UnwrapOutcome {
    /// The first that opened.
    pub unwrapped: Option<UnwrappedKey>,
    /// Candidates of this keyring that were tried before, and why they did not open. Candidates of other keyrings are not
    /// tried.
    pub attempts: Vec<UnwrapAttempt>,
}

impl UnwrapOutcome {
    /// Takes the next step's result: a data key of the right length ends the search.
    fn record(
        &mut self,
        request: &UnwrapRequest<'_>,
        index: usize,
        keyring: &str,
        result: Result<(SecretBytes, Option<String>), KeyringError>,
    ) {
        let expected = request.algorithm_suite.data_key_len();
        let checked = result.and_then(|(plaintext, key_material_id)| match plaintext.len() {
            found if found == expected => Ok((plaintext, key_material_id)),
            found => Err(KeyringError::DataKeyLength { found, expected }),
        });
        match checked {
            Ok((plaintext, key_material_id)) => {
                let data_key = DataKey::new(plaintext);
                self.unwrapped = Some(UnwrappedKey::new(data_key, index).key_material_id(key_material_id));
            }
            Err(error) => self.attempts.push(UnwrapAttempt {
                encrypted_data_key_index: index,
                keyring: keyring.to_owned(),
                error,
            }),
        }
    }
}

/// Tries the candidates in order, for keyrings that open them without asking anybody: `open` passes over those of other keyrings.
fn first_that_opens(
    request: &UnwrapRequest<'_>,
    keyring: &str,
    open: impl Fn(&EncryptedDataKey) -> Option<Result<SecretBytes, KeyringError>>,
) -> UnwrapOutcome {
    let mut outcome = UnwrapOutcome::default();
    for (index, edk) in request.encrypted_data_keys.iter().enumerate() {
        let Some(opened) = open(edk) else { continue };
        outcome.record(request, index, keyring, opened.map(|key| (key, None)));
        if outcome.unwrapped.is_some() {
            break;
        }
    }
    outcome
}

/// Generates, wraps and unwraps data keys.
///
/// Implement it to plug in another key store. Wrapping must bind the encryption context where the key store can, and must
/// never put a data key anywhere but into the answer.
///
/// # Specification
/// `framework/keyring-interface.md`.
pub trait Keyring: Send + Sync + fmt::Debug {
    /// Wraps the request's data key, or generates and wraps one.
    ///
    /// # Errors
    /// [`KeyringError`]: nothing was made.
    fn wrap_data_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> BoxFuture<'a, Result<WrapOutcome, KeyringError>>;

    /// Tries this keyring's wrapping keys on the candidates until one opens.
    fn unwrap_data_key<'a>(&'a self, request: UnwrapRequest<'a>) -> BoxFuture<'a, UnwrapOutcome>;
}

/// The data key of the request, or a new random one.
struct DataKeyToWrap<'a> {
    given: Option<&'a DataKey>,
    generated: Option<DataKey>,
}

impl<'a> DataKeyToWrap<'a> {
    fn of(request: &WrapRequest<'a>) -> Result<Self, CryptoError> {
        let generated = match request.data_key {
            Some(_) => None,
            None => {
                let length = request.algorithm_suite.data_key_len();
                Some(DataKey::new(SecretBytes::try_filled_by(length, rand::fill)?))
            }
        };
        Ok(Self { given: request.data_key, generated })
    }

    fn expose_secret(&self) -> &[u8] {
        self.given.or(self.generated.as_ref()).map_or(&[], DataKey::expose_secret)
    }
}

/// Refuses provider IDs that belong to KMS keyrings.
fn check_namespace(namespace: &str) -> Result<(), KeyringError> {
    if namespace.starts_with("aws-kms") {
        return Err(KeyringError::InvalidKeyring(
            "a raw keyring's namespace must not begin with \"aws-kms\"",
        ));
    }
    Ok(())
}
