//! A key from a passphrase, and the parameters that must be kept to make it again.

use envel_core::primitives::argon2::{self, Argon2Cost};
use envel_core::primitives::rand;
use envel_core::{CryptoError, SecretBytes};

use crate::store::StoreError;

const SALT_LEN: usize = 16;
const KEY_LEN: usize = 32;

/// More than any store of ours asks for: a file from elsewhere must not take all memory, or an hour.
const MAX_COST: Argon2Cost = Argon2Cost { memory_kib: 1024 * 1024, passes: 32, lanes: 64 };

/// Argon2id's cost and salt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PassphraseParameters {
    cost: Argon2Cost,
    salt: [u8; SALT_LEN],
}

impl PassphraseParameters {
    /// Length in bytes when stored: three big-endian numbers and the salt.
    pub(super) const LEN: usize = 3 * 4 + SALT_LEN;

    /// The recommended cost and a new salt.
    pub(super) fn random() -> Result<Self, CryptoError> {
        let mut salt = [0; SALT_LEN];
        rand::fill(&mut salt)?;
        Ok(Self { cost: Argon2Cost::RECOMMENDED, salt })
    }

    pub(super) fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let numbers = [self.cost.memory_kib, self.cost.passes, self.cost.lanes];
        for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes[Self::LEN - SALT_LEN..].copy_from_slice(&self.salt);
        bytes
    }

    /// Reads what [`Self::to_bytes`] wrote; `None` if it has another length or asks for too much.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let (&memory_kib, rest) = bytes.split_first_chunk()?;
        let (&passes, rest) = rest.split_first_chunk()?;
        let (&lanes, rest) = rest.split_first_chunk()?;
        let cost = Argon2Cost {
            memory_kib: u32::from_be_bytes(memory_kib),
            passes: u32::from_be_bytes(passes),
            lanes: u32::from_be_bytes(lanes),
        };
        let sensible = cost.memory_kib <= MAX_COST.memory_kib
            && (1..=MAX_COST.passes).contains(&cost.passes)
            && (1..=MAX_COST.lanes).contains(&cost.lanes)
            && cost.memory_kib >= 8 * cost.lanes;
        Some(Self { cost, salt: rest.try_into().ok()? }).filter(|_| sensible)
    }

    /// The key of a passphrase.
    pub(super) fn derive(self, passphrase: &SecretBytes) -> Result<SecretBytes, StoreError> {
        check(passphrase)?;
        Ok(argon2::derive(passphrase.expose_secret(), &self.salt, self.cost, KEY_LEN)?)
    }
}

/// Refuses a passphrase that protects nothing.
pub(super) fn check(passphrase: &SecretBytes) -> Result<(), StoreError> {
    if passphrase.is_empty() { Err(StoreError::PassphraseEmpty) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameters_survive_being_stored() {
        let parameters = PassphraseParameters::random().unwrap();
        assert_eq!(PassphraseParameters::parse(&parameters.to_bytes()), Some(parameters));
    }

    #[test]
    fn costs_beyond_the_limits_are_refused() {
        let with = |memory_kib, passes, lanes| {
            let cost = Argon2Cost { memory_kib, passes, lanes };
            PassphraseParameters::parse(&PassphraseParameters { cost, salt: [0; SALT_LEN] }.to_bytes())
        };
        let most = MAX_COST;
        assert!(with(most.memory_kib, most.passes, most.lanes).is_some());
        assert!(with(8, 1, 1).is_some());
        assert!(with(most.memory_kib + 1, 1, 1).is_none());
        assert!(with(1024, most.passes + 1, 1).is_none());
        assert!(with(1024, 1, most.lanes + 1).is_none());
        assert!(with(1024, 0, 1).is_none());
        assert!(with(1024, 1, 0).is_none());
        assert!(with(7, 1, 1).is_none());
        assert!(PassphraseParameters::parse(&[0; PassphraseParameters::LEN + 1]).is_none());
    }

    proptest! {
        #[test]
        fn whatever_parses_is_written_as_it_was(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(parameters) = PassphraseParameters::parse(&bytes) {
                prop_assert_eq!(parameters.to_bytes().to_vec(), bytes);
            }
        }
    }
}
