//! HKDF (RFC 5869): keys from keys.

use std::fmt;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::CryptoError;
use super::digest::DigestAlgorithm;
use super::stack::{in_a_frame_below, wipe};

/// Length of the longest digest.
const MAX_DIGEST_LEN: usize = 64;

/// The longest info that [`PseudorandomKey::expand`] takes, its parts joined.
const MAX_INFO_LEN: usize = 256;

/// A pseudorandom key: what extraction leaves, ready to be expanded.
///
/// It is as secret as the key that went in. It is held as an HMAC key of which the pads are computed once, on the heap, which the
/// library wipes on drop; what the library left on the stack is overwritten then too, so drop it where it was made.
pub struct PseudorandomKey(Box<hmac::Key>);

/// Extracts a pseudorandom key. An empty salt stands for as many zero bytes as the digest has.
///
/// ```
/// use envel_core::primitives::{digest::DigestAlgorithm, hkdf};
///
/// let prk = hkdf::extract(DigestAlgorithm::Sha512, b"salt", b"input key")?;
/// let mut key = [0u8; 32];
/// prk.expand(&[b"purpose"], &mut key)?;
/// # Ok::<(), envel_core::CryptoError>(())
/// ```
///
/// # Errors
/// [`CryptoError::Failed`] if the library fails.
///
/// # Cost
/// Of HKDF-SHA512 with two expansions, four fifths is hashing; sharing the pads between expansions saves a third of the whole.
pub fn extract(
    algorithm: DigestAlgorithm,
    salt: &[u8],
    input_key: &[u8],
) -> Result<PseudorandomKey, CryptoError> {
    let library = algorithm.hmac();
    in_a_frame_below(|| {
        let mut prk = Zeroizing::new([0; MAX_DIGEST_LEN]);
        let prk = hmac::sign_to_buffer(&hmac::Key::new(library, salt), input_key, &mut *prk)
            .map_err(|_| CryptoError::Failed)?;
        Ok(PseudorandomKey(Box::new(hmac::Key::new(library, prk))))
    })
}

impl PseudorandomKey {
    /// Fills `output` with key bytes for the purpose that `info`, its parts joined, names.
    ///
    /// # Errors
    /// [`CryptoError::InvalidLength`] if `output` is longer than 255 digests, or `info` than 256 bytes.
    ///
    /// # Specification
    /// RFC 5869, section 2.3.
    pub fn expand(&self, info: &[&[u8]], output: &mut [u8]) -> Result<(), CryptoError> {
        let digest_len = self.0.algorithm().tag_len();
        // T(n-1), info, n: in place, since T(n-1) is key material.
        let mut input = Zeroizing::new([0; MAX_DIGEST_LEN + MAX_INFO_LEN + 1]);
        let mut counter_at = digest_len;
        for part in info {
            let end = counter_at + part.len();
            let slot = input.get_mut(counter_at..end).filter(|_| end < input_len(digest_len));
            slot.ok_or(CryptoError::InvalidLength)?.copy_from_slice(part);
            counter_at = end;
        }
        let mut block = Zeroizing::new([0; MAX_DIGEST_LEN]);
        for (index, piece) in output.chunks_mut(digest_len).enumerate() {
            input[counter_at] = u8::try_from(index + 1).map_err(|_| CryptoError::InvalidLength)?;
            // The first block has no T(n-1) before it.
            let start = if index == 0 { digest_len } else { 0 };
            in_a_frame_below(|| {
                hmac::sign_to_buffer(&self.0, &input[start..=counter_at], &mut *block).map(|_| ())
            })
            .map_err(|_| CryptoError::Failed)?;
            piece.copy_from_slice(&block[..piece.len()]);
            input[..digest_len].copy_from_slice(&block[..digest_len]);
        }
        Ok(())
    }
}

impl Drop for PseudorandomKey {
    /// Once for extraction and every expansion: it takes a tenth of their time.
    fn drop(&mut self) {
        wipe();
    }
}

/// Bytes of the input that may be used with a digest of this length, the counter included.
const fn input_len(digest_len: usize) -> usize {
    digest_len + MAX_INFO_LEN + 1
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
        let prk = extract(DigestAlgorithm::Sha256, &(0..=12).collect::<Vec<u8>>(), &[0x0b; 22]).unwrap();
        let mut key = [0; 42];
        prk.expand(&[&(0xf0..=0xf9).collect::<Vec<u8>>()], &mut key).unwrap();
        assert_eq!(key[..8], [0x3c, 0xb2, 0x5f, 0x25, 0xfa, 0xac, 0xd5, 0x7a]);
    }

    #[test]
    fn lengths_beyond_the_limits_are_refused() {
        let prk = extract(DigestAlgorithm::Sha256, b"", b"key").unwrap();
        assert_eq!(prk.expand(&[], &mut [0; 255 * 32]), Ok(()));
        assert_eq!(prk.expand(&[], &mut [0; 255 * 32 + 1]), Err(CryptoError::InvalidLength));
        assert_eq!(prk.expand(&[&[0; 200], &[0; 56]], &mut [0; 64]), Ok(()));
        assert_eq!(prk.expand(&[&[0; 200], &[0; 57]], &mut [0; 64]), Err(CryptoError::InvalidLength));
    }

    #[test]
    fn every_digest_agrees_with_the_library() {
        struct Length(usize);
        impl aws_lc_rs::hkdf::KeyType for Length {
            fn len(&self) -> usize {
                self.0
            }
        }
        for (algorithm, library) in [
            (DigestAlgorithm::Sha256, aws_lc_rs::hkdf::HKDF_SHA256),
            (DigestAlgorithm::Sha384, aws_lc_rs::hkdf::HKDF_SHA384),
            (DigestAlgorithm::Sha512, aws_lc_rs::hkdf::HKDF_SHA512),
        ] {
            for (salt, length) in [(&b""[..], 1), (b"salt", 32), (&[9; 200], 64), (b"s", 65), (b"s", 300)] {
                let (mut ours, mut theirs) = (vec![0; length], vec![0; length]);
                extract(algorithm, salt, b"input key").unwrap().expand(&[b"in", b"fo"], &mut ours).unwrap();
                let prk = aws_lc_rs::hkdf::Salt::new(library, salt).extract(b"input key");
                prk.expand(&[b"in", b"fo"], Length(length)).unwrap().fill(&mut theirs).unwrap();
                assert_eq!(ours, theirs, "{algorithm:?}, salt of {}, {length} bytes", salt.len());
            }
        }
    }
}
