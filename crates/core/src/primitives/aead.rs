//! AES-GCM with 96-bit IVs and 128-bit tags.

use std::fmt;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroize;

use super::CryptoError;

/// Length of an IV in bytes.
pub const IV_LEN: usize = 12;

/// Length of a tag in bytes.
pub const TAG_LEN: usize = 16;

/// Which AES-GCM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AeadAlgorithm {
    /// 16-byte key.
    Aes128Gcm,
    /// 24-byte key.
    Aes192Gcm,
    /// 32-byte key.
    Aes256Gcm,
}

impl AeadAlgorithm {
    /// Length of the key in bytes.
    pub const fn key_len(self) -> usize {
        match self {
            Self::Aes128Gcm => 16,
            Self::Aes192Gcm => 24,
            Self::Aes256Gcm => 32,
        }
    }

    /// The algorithm that takes a key of this many bytes.
    pub const fn for_key_len(key_len: usize) -> Option<Self> {
        match key_len {
            16 => Some(Self::Aes128Gcm),
            24 => Some(Self::Aes192Gcm),
            32 => Some(Self::Aes256Gcm),
            _ => None,
        }
    }
}

/// An AES-GCM key, set up once and used for many operations, from many threads.
///
/// The library wipes its copy on drop. The caller answers for IVs: sealing twice with one IV gives the key away.
pub struct AeadKey(LessSafeKey);

impl AeadKey {
    /// Sets the key up.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] if the length is not the algorithm's.
    pub fn new(algorithm: AeadAlgorithm, key: &[u8]) -> Result<Self, CryptoError> {
        let library = match algorithm {
            AeadAlgorithm::Aes128Gcm => &aead::AES_128_GCM,
            AeadAlgorithm::Aes192Gcm => &aead::AES_192_GCM,
            AeadAlgorithm::Aes256Gcm => &aead::AES_256_GCM,
        };
        let key = UnboundKey::new(library, key).map_err(|_| CryptoError::InvalidKey)?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Encrypts `in_out` in place and returns the tag.
    ///
    /// # Errors
    /// [`CryptoError::InvalidLength`] beyond the algorithm's limit of 2^36 - 32 bytes.
    ///
    /// # Security
    /// Never twice with one IV under one key.
    pub fn seal_in_place(
        &self,
        iv: &[u8; IV_LEN],
        aad: &[u8],
        in_out: &mut [u8],
    ) -> Result<[u8; TAG_LEN], CryptoError> {
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(*iv), Aad::from(aad), in_out)
            .map_err(|_| CryptoError::InvalidLength)?;
        tag.as_ref().try_into().map_err(|_| CryptoError::Failed)
    }

    /// Decrypts `ciphertext` into `plaintext`.
    ///
    /// # What is verified
    /// The tag, over ciphertext and `aad`. If it does not verify, `plaintext` is wiped before this returns.
    ///
    /// # Errors
    /// [`CryptoError::InvalidLength`] if the two lengths differ; [`CryptoError::Unauthentic`] if the tag does not verify.
    pub fn open_into(
        &self,
        iv: &[u8; IV_LEN],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8; TAG_LEN],
        plaintext: &mut [u8],
    ) -> Result<(), CryptoError> {
        if plaintext.len() != ciphertext.len() {
            return Err(CryptoError::InvalidLength);
        }
        let nonce = Nonce::assume_unique_for_key(*iv);
        self.0.open_separate_gather(nonce, Aad::from(aad), ciphertext, tag, plaintext).map_err(|_| {
            plaintext.zeroize();
            CryptoError::Unauthentic
        })
    }

    /// Decrypts a ciphertext, behind which its tag stands, in place, and returns the plaintext.
    ///
    /// # What is verified
    /// The tag, over ciphertext and `aad`. If it does not verify, everything is wiped before this returns.
    ///
    /// # Errors
    /// [`CryptoError::InvalidLength`] if there is no room for a tag; [`CryptoError::Unauthentic`] if the tag does not verify.
    pub fn open_in_place<'a>(
        &self,
        iv: &[u8; IV_LEN],
        aad: &[u8],
        ciphertext_and_tag: &'a mut [u8],
    ) -> Result<&'a mut [u8], CryptoError> {
        let length = ciphertext_and_tag.len().checked_sub(TAG_LEN).ok_or(CryptoError::InvalidLength)?;
        let nonce = Nonce::assume_unique_for_key(*iv);
        if self.0.open_in_place(nonce, Aad::from(aad), ciphertext_and_tag).is_err() {
            ciphertext_and_tag.zeroize();
            return Err(CryptoError::Unauthentic);
        }
        Ok(&mut ciphertext_and_tag[..length])
    }
}

impl fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AeadKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_bytes_open_and_altered_ones_leave_zeros() {
        for algorithm in [AeadAlgorithm::Aes128Gcm, AeadAlgorithm::Aes192Gcm, AeadAlgorithm::Aes256Gcm] {
            let key = AeadKey::new(algorithm, &vec![7; algorithm.key_len()]).unwrap();
            let (iv, mut buffer) = ([1; IV_LEN], *b"attack at dawn");
            let tag = key.seal_in_place(&iv, b"aad", &mut buffer).unwrap();
            let mut plaintext = [0; 14];
            key.open_into(&iv, b"aad", &buffer, &tag, &mut plaintext).unwrap();
            assert_eq!(&plaintext, b"attack at dawn");
            let refused = key.open_into(&iv, b"aae", &buffer, &tag, &mut plaintext);
            assert_eq!((refused, plaintext), (Err(CryptoError::Unauthentic), [0; 14]));

            let mut in_place = [&buffer[..], &tag].concat();
            let mut copy = in_place.clone();
            assert_eq!(key.open_in_place(&iv, b"aad", &mut copy).unwrap(), b"attack at dawn");
            assert_eq!(key.open_in_place(&iv, b"aae", &mut in_place), Err(CryptoError::Unauthentic));
            assert_eq!(in_place, [0; 30]);
            assert_eq!(key.open_in_place(&iv, b"aad", &mut [0; 15]), Err(CryptoError::InvalidLength));
        }
    }

    #[test]
    fn lengths_are_checked() {
        assert!(AeadKey::new(AeadAlgorithm::Aes256Gcm, &[0; 16]).is_err());
        let key = AeadKey::new(AeadAlgorithm::Aes128Gcm, &[0; 16]).unwrap();
        let outcome = key.open_into(&[0; IV_LEN], b"", &[0; 4], &[0; TAG_LEN], &mut [0; 5]);
        assert_eq!(outcome, Err(CryptoError::InvalidLength));
    }
}
