//! The one construction that encrypts what the KMS keeps and gives out.
//!
//! Each sealing draws a 256-bit salt and derives, by HKDF-SHA-256 from the sealing key and that salt, a key that is used once:
//! AES-256-GCM under it has a fixed IV. Random 96-bit IVs under one long-lived key would have to stop after about 2^32 sealings;
//! salts of 256 bits do not repeat in any number of calls that can be made.

use envel_core::primitives::aead::{AeadAlgorithm, AeadKey, IV_LEN, TAG_LEN};
use envel_core::primitives::digest::DigestAlgorithm;
use envel_core::primitives::{hkdf, rand};
use envel_core::{CryptoError, SecretBytes};

const SALT_LEN: usize = 32;

/// Bytes that sealing adds.
pub(crate) const OVERHEAD: usize = SALT_LEN + TAG_LEN;

/// What a sealing is for. One key's sealings for different purposes never open as each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Ciphertext,
    #[cfg(any(test, feature = "sqlite"))]
    KeyMaterial,
    #[cfg(feature = "sqlite")]
    RootKeyCheck,
    #[cfg(feature = "sqlite")]
    WrappedRootKey,
    #[cfg(feature = "sqlite")]
    Backup,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Ciphertext => b"envel-kms 1 ciphertext",
            #[cfg(any(test, feature = "sqlite"))]
            Self::KeyMaterial => b"envel-kms 1 key material",
            #[cfg(feature = "sqlite")]
            Self::RootKeyCheck => b"envel-kms 1 root key check",
            #[cfg(feature = "sqlite")]
            Self::WrappedRootKey => b"envel-kms 1 wrapped root key",
            #[cfg(feature = "sqlite")]
            Self::Backup => b"envel-kms 1 backup",
        }
    }
}

/// Appends to `output` the salt, the ciphertext and the tag of `plaintext`.
///
/// # Security
/// `key` must have at least 256 bits of entropy, or come from a passphrase by Argon2id.
pub(crate) fn seal_onto(
    output: &mut Vec<u8>,
    key: &SecretBytes,
    purpose: Purpose,
    aad: &[u8],
    plaintext: &[u8],
) -> Result<(), CryptoError> {
    let mut salt = [0; SALT_LEN];
    rand::fill(&mut salt)?;
    // Reserved at once: growing would leave a copy of the plaintext behind.
    output.reserve_exact(OVERHEAD + plaintext.len());
    output.extend_from_slice(&salt);
    let start = output.len();
    output.extend_from_slice(plaintext);
    let tag = single_use_key(key, &salt, purpose)?.seal_in_place(&[0; IV_LEN], aad, &mut output[start..])?;
    output.extend_from_slice(&tag);
    Ok(())
}

/// Opens what [`seal_onto`] appended.
///
/// # Errors
/// [`CryptoError::Unauthentic`] if it is too short, altered, or of another key, purpose or AAD.
pub(crate) fn open(
    key: &SecretBytes,
    purpose: Purpose,
    aad: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, CryptoError> {
    let (salt, rest) = sealed.split_first_chunk::<SALT_LEN>().ok_or(CryptoError::Unauthentic)?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or(CryptoError::Unauthentic)?;
    let single_use_key = single_use_key(key, salt, purpose)?;
    SecretBytes::try_filled_by(ciphertext.len(), |plaintext| {
        single_use_key.open_into(&[0; IV_LEN], aad, ciphertext, tag, plaintext)
    })
}

fn single_use_key(
    key: &SecretBytes,
    salt: &[u8; SALT_LEN],
    purpose: Purpose,
) -> Result<AeadKey, CryptoError> {
    let pseudorandom_key = hkdf::extract(DigestAlgorithm::Sha256, salt, key.expose_secret())?;
    let derived = SecretBytes::try_filled_by(AeadAlgorithm::Aes256Gcm.key_len(), |derived| {
        pseudorandom_key.expand(&[purpose.label()], derived)
    })?;
    AeadKey::new(AeadAlgorithm::Aes256Gcm, derived.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(plaintext: &[u8]) -> (SecretBytes, Vec<u8>) {
        let key = SecretBytes::copied_from(&[7; 32]);
        let mut output = Vec::new();
        seal_onto(&mut output, &key, Purpose::Ciphertext, b"aad", plaintext).unwrap();
        (key, output)
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_purpose_and_aad_alone() {
        let (key, bytes) = sealed(b"secret");
        assert_eq!(bytes.len(), 6 + OVERHEAD);
        assert_eq!(open(&key, Purpose::Ciphertext, b"aad", &bytes).unwrap().expose_secret(), b"secret");
        let other_key = SecretBytes::copied_from(&[8; 32]);
        for refused in [
            open(&other_key, Purpose::Ciphertext, b"aad", &bytes),
            open(&key, Purpose::KeyMaterial, b"aad", &bytes),
            open(&key, Purpose::Ciphertext, b"aae", &bytes),
        ] {
            assert_eq!(refused.unwrap_err(), CryptoError::Unauthentic);
        }
    }

    #[test]
    fn equal_plaintexts_seal_differently() {
        assert_ne!(sealed(b"secret").1, sealed(b"secret").1);
    }

    #[test]
    fn every_truncation_is_refused() {
        let (key, bytes) = sealed(b"");
        for length in 0..bytes.len() {
            assert!(open(&key, Purpose::Ciphertext, b"aad", &bytes[..length]).is_err());
        }
    }
}
