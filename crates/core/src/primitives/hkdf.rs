//! HKDF (RFC 5869): keys from keys.

use std::fmt;

use aws_lc_rs::hkdf;

use super::CryptoError;
use super::digest::DigestAlgorithm;

/// A pseudorandom key: what extraction leaves, ready to be expanded.
///
/// It is as secret as the key that went in. Keep it in a short scope: the library wipes it on drop.
pub struct PseudorandomKey(hkdf::Prk);

struct OutputLength(usize);

impl hkdf::KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

/// Extracts a pseudorandom key. An empty salt stands for as many zero bytes as the digest has.
///
/// ```
/// use envel_core::primitives::{digest::DigestAlgorithm, hkdf};
///
/// let prk = hkdf::extract(DigestAlgorithm::Sha512, b"salt", b"input key");
/// let mut key = [0u8; 32];
/// prk.expand(&[b"purpose"], &mut key)?;
/// # Ok::<(), envel_core::CryptoError>(())
/// ```
pub fn extract(algorithm: DigestAlgorithm, salt: &[u8], input_key: &[u8]) -> PseudorandomKey {
    let library = match algorithm {
        DigestAlgorithm::Sha256 => hkdf::HKDF_SHA256,
        DigestAlgorithm::Sha384 => hkdf::HKDF_SHA384,
        DigestAlgorithm::Sha512 => hkdf::HKDF_SHA512,
    };
    PseudorandomKey(hkdf::Salt::new(library, salt).extract(input_key))
}

impl PseudorandomKey {
    /// Fills `output` with key bytes for the purpose that `info`, its parts joined, names.
    ///
    /// # Errors
    /// [`CryptoError::InvalidLength`] if `output` is longer than 255 digests.
    pub fn expand(&self, info: &[&[u8]], output: &mut [u8]) -> Result<(), CryptoError> {
        self.0
            .expand(info, OutputLength(output.len()))
            .and_then(|key| key.fill(output))
            .map_err(|_| CryptoError::InvalidLength)
    }
}

impl fmt::Debug for PseudorandomKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PseudorandomKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_5869_test_case_1() {
        let prk = extract(DigestAlgorithm::Sha256, &(0..=12).collect::<Vec<u8>>(), &[0x0b; 22]);
        let mut key = [0; 42];
        prk.expand(&[&(0xf0..=0xf9).collect::<Vec<u8>>()], &mut key).unwrap();
        assert_eq!(key[..8], [0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a]);
    }
}
