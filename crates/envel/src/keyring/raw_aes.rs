//! Wraps data keys with an AES key that the caller holds.

use envel_core::primitives::aead::{AeadAlgorithm, AeadKey, IV_LEN};
use envel_core::primitives::rand;
use envel_core::{BoxFuture, EncryptedDataKey, EncryptionContext, SecretBytes};

use super::{
    DataKeyToWrap, Keyring, UnwrapOutcome, UnwrapRequest, WrapOutcome, WrapRequest, WrappedKey,
    check_namespace, first_that_opens,
};
use crate::error::KeyringError;

/// What stands between the key name and the IV in the provider information: tag length in bits, IV
/// length in bytes.
const TAG_AND_IV_LENGTHS: [u8; 8] = [0, 0, 0, 128, 0, 0, 0, 12];

/// A keyring that wraps with AES-GCM under a 128-, 192- or 256-bit key of the caller's.
///
/// Namespace and name go into the message in clear text, and both must be the same to decrypt. The encryption context
/// is bound to the wrapped key.
///
/// ```
/// use envel::{RawAesKeyring, SecretBytes};
///
/// let wrapping_key = SecretBytes::try_filled_by(32, envel::primitives::rand::fill)?;
/// let keyring = RawAesKeyring::new("my-app", "2026-11", &wrapping_key)?;
/// assert!(RawAesKeyring::new("my-app", "2026-11", &SecretBytes::zeroed(20)).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Security
/// IVs are random: one wrapping key should wrap fewer than 2^32 data keys.
///
/// # Specification
/// `framework/raw-aes-keyring.md`.
#[derive(Debug)]
pub struct RawAesKeyring {
    namespace: String,
    name: String,
    key: AeadKey,
}

impl RawAesKeyring {
    /// Takes a wrapping key of 16, 24 or 32 bytes.
    ///
    /// # Errors
    /// [`KeyringError::InvalidWrappingKey`] for another length; [`KeyringError::InvalidKeyring`] if the namespace begins
    /// with `aws-kms`.
    pub fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        wrapping_key: &SecretBytes,
    ) -> Result<Self, KeyringError> {
        let namespace = namespace.into();
        check_namespace(&namespace)?;
        let algorithm = AeadAlgorithm::for_key_len(wrapping_key.len())
            .ok_or(KeyringError::InvalidWrappingKey("an AES key has 16, 24 or 32 bytes"))?;
        let key = AeadKey::new(algorithm, wrapping_key.expose_secret())?;
        Ok(Self { namespace, name: name.into(), key })
    }

    fn wrap(&self, request: &WrapRequest<'_>) -> Result<WrapOutcome, KeyringError> {
        let data_key = DataKeyToWrap::of(request)?;
        let mut iv = [0; IV_LEN];
        rand::fill(&mut iv)?;
        let aad = request.encryption_context.canonical_bytes()?;
        let mut plaintext = SecretBytes::copied_from(data_key.expose_secret());
        let tag = self.key.seal_in_place(&iv, &aad, plaintext.expose_secret_mut())?;
        let encrypted_data_key = EncryptedDataKey {
            key_provider_id: self.namespace.clone(),
            key_provider_info: [&self.info_prefix()[..], &iv].concat(),
            ciphertext: [plaintext.expose_secret(), &tag].concat(),
        };
        Ok(WrapOutcome::new(data_key.generated, vec![WrappedKey::new(encrypted_data_key)]))
    }

    /// The provider information up to the IV.
    fn info_prefix(&self) -> Vec<u8> {
        [self.name.as_bytes(), &TAG_AND_IV_LENGTHS].concat()
    }

    /// The IV, if this keyring's key wrapped the entry.
    fn matching_iv(&self, edk: &EncryptedDataKey) -> Option<[u8; IV_LEN]> {
        if edk.key_provider_id != self.namespace {
            return None;
        }
        edk.key_provider_info.strip_prefix(&self.info_prefix()[..])?.try_into().ok()
    }

    fn open(
        &self,
        iv: &[u8; IV_LEN],
        edk: &EncryptedDataKey,
        context: &EncryptionContext,
    ) -> Result<SecretBytes, KeyringError> {
        let (ciphertext, tag) = edk.ciphertext.split_last_chunk().ok_or(KeyringError::DoesNotOpen)?;
        let aad = context.canonical_bytes()?;
        SecretBytes::try_filled_by(ciphertext.len(), |plaintext| {
            self.key.open_into(iv, &aad, ciphertext, tag, plaintext)
        })
        .map_err(|_| KeyringError::DoesNotOpen)
    }
}

impl Keyring for RawAesKeyring {
    fn wrap_data_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> BoxFuture<'a, Result<WrapOutcome, KeyringError>> {
        Box::pin(std::future::ready(self.wrap(&request)))
    }

    fn unwrap_data_key<'a>(&'a self, request: UnwrapRequest<'a>) -> BoxFuture<'a, UnwrapOutcome> {
        let keyring = format!("AES key {}/{}", self.namespace, self.name);
        let outcome = first_that_opens(&request, &keyring, |edk| {
            let iv = self.matching_iv(edk)?;
            Some(self.open(&iv, edk, request.encryption_context))
        });
        Box::pin(std::future::ready(outcome))
    }
}
