//! ECDSA over the NIST curves, with DER signatures and compressed public keys.

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair, ParsedPublicKey,
};

use super::CryptoError;
use super::digest::{Digest, DigestAlgorithm};

/// Which curve, and the digest that goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EcdsaAlgorithm {
    /// P-256 with SHA-256.
    P256Sha256,
    /// P-384 with SHA-384.
    P384Sha384,
}

impl EcdsaAlgorithm {
    /// The digest that is signed.
    pub const fn digest(self) -> DigestAlgorithm {
        match self {
            Self::P256Sha256 => DigestAlgorithm::Sha256,
            Self::P384Sha384 => DigestAlgorithm::Sha384,
        }
    }

    /// Length of a coordinate in bytes.
    const fn coordinate_len(self) -> usize {
        match self {
            Self::P256Sha256 => 32,
            Self::P384Sha384 => 48,
        }
    }

    /// Length of a compressed public key in bytes.
    pub const fn compressed_key_len(self) -> usize {
        1 + self.coordinate_len()
    }

    /// The length that every signature made here has, so that the size of a message is known beforehand.
    pub const fn signature_len(self) -> usize {
        match self {
            Self::P256Sha256 => 71,
            Self::P384Sha384 => 103,
        }
    }

    /// The most bytes that a valid DER signature takes.
    pub const fn max_signature_len(self) -> usize {
        match self {
            Self::P256Sha256 => 72,
            Self::P384Sha384 => 104,
        }
    }
}

/// A signing key, made for one data key and wiped with it.
pub struct SigningKey {
    algorithm: EcdsaAlgorithm,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if the library cannot.
    pub fn generate(algorithm: EcdsaAlgorithm) -> Result<Self, CryptoError> {
        let library = match algorithm {
            EcdsaAlgorithm::P256Sha256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
            EcdsaAlgorithm::P384Sha384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
        };
        let pair = EcdsaKeyPair::generate(library).map_err(|_| CryptoError::Failed)?;
        Ok(Self { algorithm, pair })
    }

    /// The curve.
    pub fn algorithm(&self) -> EcdsaAlgorithm {
        self.algorithm
    }

    /// The public key as a compressed point (SEC 1, section 2.3.3).
    ///
    /// # Errors
    /// [`CryptoError::Failed`] if the library's own key has an unexpected form.
    pub fn compressed_public_key(&self) -> Result<Vec<u8>, CryptoError> {
        let length = self.algorithm.coordinate_len();
        match self.pair.public_key().as_ref() {
            [0x04, point @ ..] if point.len() == 2 * length => {
                let (x, y) = point.split_at(length);
                let is_odd = y.last().is_some_and(|byte| byte & 1 == 1);
                let mut compressed = Vec::with_capacity(1 + length);
                compressed.push(if is_odd { 0x03 } else { 0x02 });
                compressed.extend_from_slice(x);
                Ok(compressed)
            }
            _ => Err(CryptoError::Failed),
        }
    }

    /// Signs a digest. The signature has [`EcdsaAlgorithm::signature_len`] bytes: it is made again until it has.
    ///
    /// # Errors
    /// [`CryptoError::InvalidLength`] if the digest is not the algorithm's; [`CryptoError::Failed`] if the library cannot
    /// sign, or if 128 signatures in a row had another length (one in 2^100 or less).
    pub fn sign_digest(&self, digest: &Digest) -> Result<Vec<u8>, CryptoError> {
        if digest.0.algorithm() != self.algorithm.digest().library() {
            return Err(CryptoError::InvalidLength);
        }
        for _ in 0..128 {
            let signature = self.pair.sign_digest(&digest.0).map_err(|_| CryptoError::Failed)?;
            if signature.as_ref().len() == self.algorithm.signature_len() {
                return Ok(signature.as_ref().to_vec());
            }
        }
        Err(CryptoError::Failed)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.algorithm)
    }
}

/// A key that verifies signatures.
pub struct VerificationKey {
    algorithm: EcdsaAlgorithm,
    key: ParsedPublicKey,
}

impl VerificationKey {
    /// Reads a public key: a compressed point.
    ///
    /// # Errors
    /// [`CryptoError::InvalidKey`] if it is not a compressed point on the curve.
    pub fn from_compressed(algorithm: EcdsaAlgorithm, point: &[u8]) -> Result<Self, CryptoError> {
        if point.len() != algorithm.compressed_key_len() || !matches!(point.first(), Some(0x02 | 0x03)) {
            return Err(CryptoError::InvalidKey);
        }
        let library = match algorithm {
            EcdsaAlgorithm::P256Sha256 => &ECDSA_P256_SHA256_ASN1,
            EcdsaAlgorithm::P384Sha384 => &ECDSA_P384_SHA384_ASN1,
        };
        let key = ParsedPublicKey::new(library, point).map_err(|_| CryptoError::InvalidKey)?;
        Ok(Self { algorithm, key })
    }

    /// The curve.
    pub fn algorithm(&self) -> EcdsaAlgorithm {
        self.algorithm
    }

    /// Verifies a DER signature, of any valid length, over a digest.
    ///
    /// # Errors
    /// [`CryptoError::InvalidLength`] if the digest is not the algorithm's; [`CryptoError::Unauthentic`] otherwise.
    pub fn verify_digest(&self, digest: &Digest, signature: &[u8]) -> Result<(), CryptoError> {
        if digest.0.algorithm() != self.algorithm.digest().library() {
            return Err(CryptoError::InvalidLength);
        }
        self.key.verify_digest_sig(&digest.0, signature).map_err(|_| CryptoError::Unauthentic)
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerificationKey({:?})", self.algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::super::digest::digest;
    use super::*;

    #[test]
    fn signatures_have_one_length_and_verify() {
        for algorithm in [EcdsaAlgorithm::P256Sha256, EcdsaAlgorithm::P384Sha384] {
            let signing = SigningKey::generate(algorithm).unwrap();
            let public = signing.compressed_public_key().unwrap();
            assert_eq!(public.len(), algorithm.compressed_key_len());
            let verification = VerificationKey::from_compressed(algorithm, &public).unwrap();
            let (this, other) = (digest(algorithm.digest(), b"this"), digest(algorithm.digest(), b"other"));
            for _ in 0..20 {
                let signature = signing.sign_digest(&this).unwrap();
                assert_eq!(signature.len(), algorithm.signature_len());
                assert_eq!(verification.verify_digest(&this, &signature), Ok(()));
                assert_eq!(verification.verify_digest(&other, &signature), Err(CryptoError::Unauthentic));
            }
        }
    }

    #[test]
    fn keys_of_another_form_are_refused() {
        let point = |first: u8, length: usize| {
            let mut point = vec![0; length];
            point[0] = first;
            point
        };
        for bad in [point(0x04, 97), point(0x05, 49), point(0x02, 48), point(0x02, 50)] {
            let outcome = VerificationKey::from_compressed(EcdsaAlgorithm::P384Sha384, &bad);
            assert_eq!(outcome.unwrap_err(), CryptoError::InvalidKey);
        }
        // No point of P-256 has x = 2^256 - 1: it is beyond the field.
        let mut beyond = [0xff; 33];
        beyond[0] = 0x02;
        let outcome = VerificationKey::from_compressed(EcdsaAlgorithm::P256Sha256, &beyond);
        assert_eq!(outcome.unwrap_err(), CryptoError::InvalidKey);
    }
}
