//! Random bytes from the library's own generator.

use super::CryptoError;

/// Fills `bytes` with random bytes fit for keys.
///
/// # Errors
/// [`CryptoError::Failed`] if the system has no entropy to give.
///
/// ```
/// let mut message_id = [0u8; 32];
/// envel_core::primitives::rand::fill(&mut message_id)?;
/// assert_ne!(message_id, [0; 32]);
/// # Ok::<(), envel_core::CryptoError>(())
/// ```
pub fn fill(bytes: &mut [u8]) -> Result<(), CryptoError> {
    aws_lc_rs::rand::fill(bytes).map_err(|_| CryptoError::Failed)
}
