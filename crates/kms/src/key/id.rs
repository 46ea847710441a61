//! The names that keys and key material are given.

use std::fmt;

use envel_core::CryptoError;
use envel_core::primitives::rand;
use uuid::Uuid;

/// The ID of a key: a random UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyId(Uuid);

impl KeyId {
    pub(crate) const LEN: usize = 16;

    pub(crate) fn random() -> Result<Self, CryptoError> {
        let mut bytes = [0; Self::LEN];
        rand::fill(&mut bytes)?;
        Ok(Self(uuid::Builder::from_random_bytes(bytes).into_uuid()))
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub(crate) fn as_bytes(&self) -> &[u8; Self::LEN] {
        self.0.as_bytes()
    }

    /// Reads the one spelling that KMS gives: lower-case digits in five groups.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let id = Self(Uuid::parse_str(text).ok()?);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0.as_hyphenated(), f)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The ID of key material: random, and shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyMaterialId([u8; Self::LEN]);

impl KeyMaterialId {
    pub(crate) const LEN: usize = 32;

    pub(crate) fn random() -> Result<Self, CryptoError> {
        let mut bytes = [0; Self::LEN];
        rand::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }
}

impl fmt::Display for KeyMaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyMaterialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_id_is_a_version_4_uuid_with_one_spelling() {
        let id = KeyId::random().unwrap();
        let text = id.to_string();
        assert_eq!((text.len(), text.as_bytes()[14]), (36, b'4'));
        assert_eq!(KeyId::parse(&text), Some(id));
        for other in [text.to_uppercase(), text.replace('-', ""), format!("{{{text}}}"), String::new()] {
            assert_eq!(KeyId::parse(&other), None, "{other}");
        }
    }

    #[test]
    fn a_key_material_id_has_64_lower_case_digits() {
        let text = KeyMaterialId::from_bytes([0xab; 32]).to_string();
        assert_eq!(text, "ab".repeat(32));
        assert_ne!(KeyMaterialId::random().unwrap(), KeyMaterialId::random().unwrap());
    }
}
