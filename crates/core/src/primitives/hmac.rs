//! HMAC with SHA-2.

use aws_lc_rs::hmac;

use super::CryptoError;
use super::digest::DigestAlgorithm;
use super::stack::wiping_stack;

/// The HMAC of `message` under `key`, written into `tag`.
///
/// # Errors
/// [`CryptoError::InvalidLength`] if `tag` is not as long as the digest.
pub fn sign(
    algorithm: DigestAlgorithm,
    key: &[u8],
    message: &[u8],
    tag: &mut [u8],
) -> Result<(), CryptoError> {
    if tag.len() != algorithm.hmac().tag_len() {
        return Err(CryptoError::InvalidLength);
    }
    wiping_stack(|| {
        hmac::sign_to_buffer(&hmac::Key::new(algorithm.hmac(), key), message, tag)
            .map(|_| ())
            .map_err(|_| CryptoError::Failed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_4231_test_case_2() {
        let mut tag = [0; 32];
        sign(DigestAlgorithm::Sha256, b"Jefe", b"what do ya want for nothing?", &mut tag).unwrap();
        assert_eq!(tag[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        let short = sign(DigestAlgorithm::Sha256, b"Jefe", b"", &mut tag[..31]);
        assert_eq!(short, Err(CryptoError::InvalidLength));
    }
}
