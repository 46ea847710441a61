//! RSA encryption of data keys, and the PEM files that hold RSA keys.

use std::fmt;

use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepAlgorithm, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, Pkcs1PrivateDecryptingKey,
    Pkcs1PublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use base64::Engine;

use super::CryptoError;
use crate::secret::SecretBytes;

/// How a value is padded before RSA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RsaPadding {
    /// PKCS #1 v1.5: old messages only. A service that answers differently to good and bad padding gives plaintexts away.
    Pkcs1,
    /// OAEP with SHA-1 and MGF1 with SHA-1.
    OaepSha1,
    /// OAEP with SHA-256 and MGF1 with SHA-256.
    OaepSha256,
    /// OAEP with SHA-384 and MGF1 with SHA-384.
    OaepSha384,
    /// OAEP with SHA-512 and MGF1 with SHA-512.
    OaepSha512,
}

impl RsaPadding {
    fn oaep(self) -> Option<&'static OaepAlgorithm> {
        match self {
            Self::Pkcs1 => None,
            Self::OaepSha1 => Some(&OAEP_SHA1_MGF1SHA1),
            Self::OaepSha256 => Some(&OAEP_SHA256_MGF1SHA256),
            Self::OaepSha384 => Some(&OAEP_SHA384_MGF1SHA384),
            Self::OaepSha512 => Some(&OAEP_SHA512_MGF1SHA512),
        }
    }
}

/// A public RSA key of 2048 to 8192 bits: it wraps.
pub struct RsaPublicKey(PublicEncryptingKey);

impl RsaPublicKey {
    /// Reads a PEM file: `PUBLIC KEY`.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] if it is not one, or has fewer than 2048 bits.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CryptoError> {
        let der = pem_section(pem, "PUBLIC KEY").ok_or(CryptoError::InvalidKey)?;
        PublicEncryptingKey::from_der(der.expose_secret()).map(Self).map_err(|_| CryptoError::InvalidKey)
    }

    /// Encrypts a short value.
    ///
    /// # Errors
    /// [`CryptoError::InvalidLength`] if it does not fit the key and padding.
    pub fn encrypt(&self, padding: RsaPadding, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut ciphertext = vec![0; self.0.key_size_bytes()];
        let length = match padding.oaep() {
            Some(algorithm) => OaepPublicEncryptingKey::new(self.0.clone())
                .map_err(|_| CryptoError::InvalidKey)?
                .encrypt(algorithm, plaintext, &mut ciphertext, None),
            None => Pkcs1PublicEncryptingKey::new(self.0.clone())
                .map_err(|_| CryptoError::InvalidKey)?
                .encrypt(plaintext, &mut ciphertext),
        }
        .map_err(|_| CryptoError::InvalidLength)?
        .len();
        ciphertext.truncate(length);
        Ok(ciphertext)
    }
}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPublicKey({} bits)", self.0.key_size_bits())
    }
}

/// A private RSA key of 2048 to 8192 bits: it unwraps.
pub struct RsaPrivateKey(PrivateDecryptingKey);

impl RsaPrivateKey {
    /// Reads a PEM file: `PRIVATE KEY` (PKCS #8, not encrypted) or `RSA PRIVATE KEY` (PKCS #1).
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] if it is neither, or has fewer than 2048 bits.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CryptoError> {
        let pkcs8 = match pem_section(pem, "PRIVATE KEY") {
            Some(der) => der,
            None => pkcs8_from_pkcs1(&pem_section(pem, "RSA PRIVATE KEY").ok_or(CryptoError::InvalidKey)?)?,
        };
        PrivateDecryptingKey::from_pkcs8(pkcs8.expose_secret()).map(Self).map_err(|_| CryptoError::InvalidKey)
    }

    /// The public half.
    pub fn public_key(&self) -> RsaPublicKey {
        RsaPublicKey(self.0.public_key())
    }

    /// Decrypts a short value.
    ///
    /// # Errors
    /// [`CryptoError::Unauthentic`], whatever went wrong: a caller who learns more can decrypt with it.
    pub fn decrypt(&self, padding: RsaPadding, ciphertext: &[u8]) -> Result<SecretBytes, CryptoError> {
        let mut buffer = SecretBytes::zeroed(self.0.key_size_bytes());
        let length = match padding.oaep() {
            Some(algorithm) => OaepPrivateDecryptingKey::new(self.0.clone())
                .map_err(|_| CryptoError::InvalidKey)?
                .decrypt(algorithm, ciphertext, buffer.expose_secret_mut(), None)
                .map(|plaintext| plaintext.len()),
            None => Pkcs1PrivateDecryptingKey::new(self.0.clone())
                .map_err(|_| CryptoError::InvalidKey)?
                .decrypt(ciphertext, buffer.expose_secret_mut())
                .map(|plaintext| plaintext.len()),
        }
        .map_err(|_| CryptoError::Unauthentic)?;
        let plaintext = buffer.expose_secret().get(..length).ok_or(CryptoError::Failed)?;
        Ok(SecretBytes::copied_from(plaintext))
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPrivateKey({} bits)", self.0.key_size_bits())
    }
}

/// The first section of this label in a PEM file (RFC 7468), decoded. It may be a private key, so it is held as a secret.
fn pem_section(pem: &[u8], label: &str) -> Option<SecretBytes> {
    let text = std::str::from_utf8(pem).ok()?;
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let body = text.split_once(begin.as_str())?.1.split_once(end.as_str())?.0;
    let digits =
        SecretBytes::filled_by(body.bytes().filter(|byte| !byte.is_ascii_whitespace()).count(), |out| {
            let kept = body.bytes().filter(|byte| !byte.is_ascii_whitespace());
            out.iter_mut().zip(kept).for_each(|(slot, byte)| *slot = byte);
        });
    let mut decoded = SecretBytes::zeroed(digits.len() / 4 * 3 + 3);
    let length = base64::engine::general_purpose::STANDARD
        .decode_slice(digits.expose_secret(), decoded.expose_secret_mut())
        .ok()?;
    decoded.expose_secret().get(..length).map(SecretBytes::copied_from)
}

/// Wraps an `RSAPrivateKey` (RFC 8017) into the `PrivateKeyInfo` (RFC 5208) that the library reads.
fn pkcs8_from_pkcs1(pkcs1: &SecretBytes) -> Result<SecretBytes, CryptoError> {
    // INTEGER 0, then SEQUENCE { OID rsaEncryption, NULL }.
    const VERSION_AND_ALGORITHM: [u8; 18] =
        [2, 1, 0, 0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let too_long = |_| CryptoError::InvalidKey;
    let inner_len = u16::try_from(pkcs1.len()).map_err(too_long)?.to_be_bytes();
    let outer = VERSION_AND_ALGORITHM.len() + 4 + pkcs1.len();
    let outer_len = u16::try_from(outer).map_err(too_long)?.to_be_bytes();
    let head = [&[0x30, 0x82], &outer_len[..], &VERSION_AND_ALGORITHM, &[0x04, 0x82], &inner_len].concat();
    Ok(SecretBytes::filled_by(head.len() + pkcs1.len(), |out| {
        let (front, back) = out.split_at_mut(head.len());
        front.copy_from_slice(&head);
        back.copy_from_slice(pkcs1.expose_secret());
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PADDINGS: [RsaPadding; 5] = [
        RsaPadding::Pkcs1,
        RsaPadding::OaepSha1,
        RsaPadding::OaepSha256,
        RsaPadding::OaepSha384,
        RsaPadding::OaepSha512,
    ];

    #[test]
    fn every_padding_round_trips_and_refuses_the_others() {
        let key = RsaPrivateKey::from_pem(include_bytes!("../../tests/data/rsa-2048.pkcs8.pem")).unwrap();
        let public = RsaPublicKey::from_pem(include_bytes!("../../tests/data/rsa-2048.public.pem")).unwrap();
        for padding in PADDINGS {
            let ciphertext = public.encrypt(padding, b"data key").unwrap();
            assert_eq!(key.decrypt(padding, &ciphertext).unwrap().expose_secret(), b"data key");
            for other in PADDINGS.into_iter().filter(|other| *other != padding) {
                if other == RsaPadding::Pkcs1 {
                    continue; // PKCS #1 v1.5 can accept random padding, one time in thousands.
                }
                assert_eq!(key.decrypt(other, &ciphertext).unwrap_err(), CryptoError::Unauthentic);
            }
        }
    }

    #[test]
    fn both_private_key_forms_are_the_same_key() {
        let pkcs1 = RsaPrivateKey::from_pem(include_bytes!("../../tests/data/rsa-2048.pkcs1.pem")).unwrap();
        let pkcs8 = RsaPrivateKey::from_pem(include_bytes!("../../tests/data/rsa-2048.pkcs8.pem")).unwrap();
        let ciphertext = pkcs1.public_key().encrypt(RsaPadding::OaepSha256, b"x").unwrap();
        assert_eq!(pkcs8.decrypt(RsaPadding::OaepSha256, &ciphertext).unwrap().expose_secret(), b"x");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for pem in [&b""[..], b"-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----", b"\xff\xfe"] {
            assert_eq!(RsaPrivateKey::from_pem(pem).unwrap_err(), CryptoError::InvalidKey);
            assert_eq!(RsaPublicKey::from_pem(pem).unwrap_err(), CryptoError::InvalidKey);
        }
    }
}
