//! The one door to cryptography: the only files that name the cryptographic library.
//!
//! Every length is checked before it is used. A failed tag, signature or unwrapping says nothing about why.

pub mod aead;
#[cfg(feature = "argon2")]
pub mod argon2;
pub mod digest;
pub mod ecdsa;
pub mod hkdf;
pub mod hmac;
pub mod rand;
pub mod rsa;
mod stack;

use subtle::ConstantTimeEq;

/// A cryptographic operation that did not succeed. It says no more than its caller may know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// A key has a length or a form that the algorithm does not take.
    #[error("the key does not fit the algorithm")]
    InvalidKey,
    /// An input or output has a length that the algorithm does not take.
    #[error("a length does not fit the algorithm")]
    InvalidLength,
    /// A tag or signature does not verify, or an encrypted value does not open.
    #[error("authentication failed")]
    Unauthentic,
    /// The cryptographic library failed where it should not.
    #[error("the cryptographic library failed")]
    Failed,
}

/// Compares two byte strings in a time that depends on their lengths alone.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}
