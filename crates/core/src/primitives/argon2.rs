//! Argon2id: a key from a passphrase.

use argon2::{Algorithm, Argon2, Params, Version};

use super::CryptoError;
use crate::secret::SecretBytes;

/// How much work a guess costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argon2Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Argon2Cost {
    /// 64 MiB, 3 passes, 4 lanes: the second recommendation of RFC 9106.
    pub const RECOMMENDED: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 };
}

/// Derives `length` key bytes from a passphrase.
///
/// # Errors
/// [`CryptoError::InvalidLength`] if the salt is shorter than 8 bytes, or the cost or length is out of the algorithm's range.
///
/// # Cost
/// [`Argon2Cost::memory_kib`] of memory, and a good part of a second with the recommended cost.
pub fn derive(
    passphrase: &[u8],
    salt: &[u8],
    cost: Argon2Cost,
    length: usize,
) -> Result<SecretBytes, CryptoError> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(length))
        .map_err(|_| CryptoError::InvalidLength)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    SecretBytes::try_filled_by(length, |key| {
        argon2.hash_password_into(passphrase, salt, key).map_err(|_| CryptoError::InvalidLength)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passphrase_and_salt_both_matter() {
        let cost = Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 };
        let key = derive(b"passphrase", b"saltsalt", cost, 32).unwrap();
        assert_eq!(key, derive(b"passphrase", b"saltsalt", cost, 32).unwrap());
        assert_ne!(key, derive(b"passphrasf", b"saltsalt", cost, 32).unwrap());
        assert_ne!(key, derive(b"passphrase", b"saltsalu", cost, 32).unwrap());
        assert!(derive(b"passphrase", b"short", cost, 32).is_err());
    }
}
