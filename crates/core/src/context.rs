//! The encryption context: pairs that are not secret and are authenticated with the data.

use std::collections::{BTreeMap, btree_map};

/// The beginning of the names that the format keeps for itself.
pub const RESERVED_PREFIX: &str = "aws-crypto-";

/// The name under which a signed message carries its verification key.
pub const PUBLIC_KEY_NAME: &str = "aws-crypto-public-key";

/// The most bytes that a serialised context may take: its length field has 16 bits.
pub const MAX_SERIALIZED_LEN: usize = u16::MAX as usize;

/// Why a pair, or the whole, cannot be an encryption context.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContextError {
    /// A name begins with `aws-crypto-`.
    #[error("the encryption context name {name:?} begins with the reserved prefix \"aws-crypto-\"")]
    ReservedName {
        /// The name given.
        name: String,
    },
    /// A name occurs twice.
    #[error("the encryption context name {name:?} occurs twice")]
    DuplicateName {
        /// The name given.
        name: String,
    },
    /// The canonical form has more than 65,535 bytes or pairs.
    #[error("the encryption context takes {serialized_len} bytes; at most 65535 fit a message header")]
    TooLong {
        /// Bytes in the canonical form.
        serialized_len: usize,
    },
}

/// An ordered set of name-value pairs, authenticated with the data and given to KMS with each call.
///
/// Pairs are not secret: they stand in the message header and in CloudTrail. Names are unique; order does not matter, and
/// the canonical form sorts by the UTF-8 bytes of the names. Empty names and values are legal. No Unicode normalisation is done:
/// two spellings of `é` are two names.
///
/// ```
/// use envel_core::{ContextError, EncryptionContext};
///
/// let context = EncryptionContext::try_from_pairs([("tenant", "42"), ("purpose", "backup")])?;
/// assert_eq!(context.value("tenant"), Some("42"));
/// assert!(matches!(
///     EncryptionContext::try_from_pairs([("aws-crypto-public-key", "mine")]),
///     Err(ContextError::ReservedName { .. })
/// ));
/// # Ok::<(), ContextError>(())
/// ```
///
/// # Specification
/// `framework/structures.md`, "Encryption Context".
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EncryptionContext(BTreeMap<String, String>);

impl EncryptionContext {
    /// No pairs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Collects pairs.
    ///
    /// # Errors
    /// [`ContextError`] if a name is reserved or occurs twice, or if the whole is too long.
    pub fn try_from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self, ContextError>
    where
        N: Into<String>,
        V: Into<String>,
    {
        let mut context = Self::new();
        for (name, value) in pairs {
            context.insert(name, value)?;
        }
        context.canonical_bytes()?;
        Ok(context)
    }

    /// Adds a pair.
    ///
    /// # Errors
    /// [`ContextError::ReservedName`] and [`ContextError::DuplicateName`]. The length of the whole is checked where it
    /// is serialised.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) -> Result<(), ContextError> {
        let name = name.into();
        if name.starts_with(RESERVED_PREFIX) {
            return Err(ContextError::ReservedName { name });
        }
        self.insert_unchecked_prefix(name, value)
    }

    /// Adds a pair whose name may be reserved: for what a header carries and for the format's own pairs.
    ///
    /// # Errors
    /// [`ContextError::DuplicateName`].
    pub fn insert_unchecked_prefix(
        &mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<(), ContextError> {
        match self.0.entry(name.into()) {
            btree_map::Entry::Occupied(entry) => {
                Err(ContextError::DuplicateName { name: entry.key().clone() })
            }
            btree_map::Entry::Vacant(entry) => {
                entry.insert(value.into());
                Ok(())
            }
        }
    }

    /// The first name, in canonical order, that begins with the reserved prefix.
    pub fn first_reserved_name(&self) -> Option<&str> {
        self.0.keys().find(|name| name.starts_with(RESERVED_PREFIX)).map(String::as_str)
    }

    /// The value of a name.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether there is a pair of this name.
    pub fn contains_name(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The pairs in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Splits off the pairs whose names are in `names`: `(the others, those named)`.
    pub fn partition(&self, names: &[String]) -> (Self, Self) {
        let (named, others) = self.0.clone().into_iter().partition(|(name, _)| names.contains(name));
        (Self(others), Self(named))
    }

    /// The canonical form: nothing if there are no pairs, else a 16-bit count, then each name and value behind a
    /// 16-bit length, sorted by the UTF-8 bytes of the names.
    ///
    /// # Errors
    /// [`ContextError::TooLong`] if this takes more than 65,535 bytes.
    ///
    /// # Specification
    /// `framework/structures.md`, "Serialization"; `data-format/message-header.md`, "Key Value Pairs".
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, ContextError> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let serialized_len =
            2 + self.0.iter().map(|(name, value)| 4 + name.len() + value.len()).sum::<usize>();
        let too_long = || ContextError::TooLong { serialized_len };
        if serialized_len > MAX_SERIALIZED_LEN {
            return Err(too_long());
        }
        let mut bytes = Vec::with_capacity(serialized_len);
        let count = u16::try_from(self.0.len()).map_err(|_| too_long())?;
        bytes.extend_from_slice(&count.to_be_bytes());
        for text in self.0.iter().flat_map(|(name, value)| [name, value]) {
            let length = u16::try_from(text.len()).map_err(|_| too_long())?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_form_sorts_by_utf8_bytes() {
        let context = EncryptionContext::try_from_pairs([("z", ""), ("é", "ü"), ("a", "1")]).unwrap();
        let expected = [0u8, 3, 0, 1, 0x61, 0, 1, 0x31, 0, 1, 0x7a, 0, 0, 0, 2, 0xc3, 0xa9, 0, 2, 0xc3, 0xbc];
        assert_eq!(context.canonical_bytes().unwrap(), expected);
        assert!(EncryptionContext::new().canonical_bytes().unwrap().is_empty());
    }

    #[test]
    fn sorting_is_not_by_utf16_units() {
        // U+FF61 sorts before U+10000 in UTF-8 and after it in UTF-16.
        let context = EncryptionContext::try_from_pairs([("\u{10000}", ""), ("\u{ff61}", "")]).unwrap();
        assert_eq!(context.iter().next(), Some(("\u{ff61}", "")));
    }

    #[test]
    fn the_largest_context_fits_and_one_byte_more_does_not() {
        let value = |length: usize| "v".repeat(length);
        let full = EncryptionContext::try_from_pairs([("n", value(65_535 - 7))]).unwrap();
        assert_eq!(full.canonical_bytes().unwrap().len(), 65_535);
        assert_eq!(
            EncryptionContext::try_from_pairs([("n", value(65_535 - 6))]),
            Err(ContextError::TooLong { serialized_len: 65_536 })
        );
    }

    #[test]
    fn duplicates_and_reserved_names_are_refused() {
        let mut context = EncryptionContext::new();
        context.insert("a", "1").unwrap();
        assert_eq!(context.insert("a", "1"), Err(ContextError::DuplicateName { name: "a".into() }));
        assert_eq!(
            context.insert("aws-crypto-x", ""),
            Err(ContextError::ReservedName { name: "aws-crypto-x".into() })
        );
        context.insert_unchecked_prefix("aws-crypto-x", "").unwrap();
        assert_eq!(context.first_reserved_name(), Some("aws-crypto-x"));
    }
}
