//! Types that hold secrets: wiped on drop, compared in constant time, never printed, copied or serialised.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroize;

/// Bytes that must not outlive their use.
///
/// The bytes live once, on the heap, in an allocation that never grows, so that no copy is left behind by a
/// reallocation. They are overwritten with zeros on drop. The type is neither `Clone` nor `Copy`, its `Debug` shows the
/// length alone, and equality takes the same time whatever the contents.
///
/// ```
/// use envel_core::SecretBytes;
///
/// let secret = SecretBytes::filled_by(4, |bytes| bytes.copy_from_slice(b"abcd"));
/// assert_eq!(secret.expose_secret(), b"abcd");
/// assert_eq!(format!("{secret:?}"), "SecretBytes(4 bytes)");
/// assert_ne!(secret, SecretBytes::copied_from(b"abce"));
/// ```
///
/// # Security
/// Registers, stack spills and swap are out of reach: see SECURITY.md.
pub struct SecretBytes(Box<[u8]>);

impl SecretBytes {
    /// `length` zero bytes, to be filled in place.
    pub fn zeroed(length: usize) -> Self {
        Self(vec![0; length].into_boxed_slice())
    }

    /// `length` bytes, written in place by `fill`: the way to make a secret without a copy on the stack.
    pub fn filled_by(length: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let mut secret = Self::zeroed(length);
        fill(secret.expose_secret_mut());
        secret
    }

    /// As [`SecretBytes::filled_by`], for a source that can fail.
    ///
    /// # Errors
    /// Whatever `fill` returns; the partly filled bytes are wiped.
    pub fn try_filled_by<E>(length: usize, fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self::zeroed(length);
        fill(secret.expose_secret_mut())?;
        Ok(secret)
    }

    /// A copy of `bytes`. The caller answers for the original.
    pub fn copied_from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Takes the bytes out of a vector and wipes the vector, its spare capacity included.
    pub fn from_vec(mut bytes: Vec<u8>) -> Self {
        let secret = Self::copied_from(&bytes);
        bytes.zeroize();
        secret
    }

    /// The secret itself. Search for this name to find every place that looks at one.
    pub fn expose_secret(&self) -> &[u8] {
        &self.0
    }

    /// The secret itself, to be filled or changed in place.
    pub fn expose_secret_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing inside.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for SecretBytes {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretBytes {}

/// A plaintext data key: the symmetric key that protects a message.
///
/// It is wiped on drop. Nothing in envel writes one to disk, to a log or to an error.
///
/// ```
/// use envel_core::{DataKey, SecretBytes};
///
/// let data_key = DataKey::new(SecretBytes::zeroed(32));
/// assert_eq!(data_key.len(), 32);
/// assert_eq!(format!("{data_key:?}"), "DataKey(32 bytes)");
/// ```
#[derive(PartialEq, Eq)]
pub struct DataKey(SecretBytes);

impl DataKey {
    /// Makes a data key of these bytes, whatever their length: the algorithm suite checks it before use.
    pub fn new(bytes: SecretBytes) -> Self {
        Self(bytes)
    }

    /// The key itself. Search for this name to find every place that looks at one.
    pub fn expose_secret(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing inside.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A second copy, wiped on its own drop: named so that every copy can be found.
    pub fn duplicate_secret(&self) -> Self {
        Self(SecretBytes::copied_from(self.expose_secret()))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({} bytes)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_lengths_alone() {
        assert_eq!(format!("{:?}", SecretBytes::copied_from(b"hunter2")), "SecretBytes(7 bytes)");
        assert_eq!(format!("{:?}", DataKey::new(SecretBytes::copied_from(b"hunter2"))), "DataKey(7 bytes)");
    }

    #[test]
    fn equality_compares_contents_and_lengths() {
        assert_eq!(SecretBytes::copied_from(b"ab"), SecretBytes::from_vec(b"ab".to_vec()));
        assert_ne!(SecretBytes::copied_from(b"ab"), SecretBytes::copied_from(b"abc"));
        assert_ne!(SecretBytes::copied_from(b"ab"), SecretBytes::copied_from(b"ac"));
    }

    #[test]
    fn a_failed_fill_returns_the_error() {
        let outcome = SecretBytes::try_filled_by(3, |_| Err("no entropy"));
        assert_eq!(outcome.unwrap_err(), "no entropy");
    }
}
