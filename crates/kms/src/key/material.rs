//! Key material: the secret inside a key. A key can have several.

use std::time::SystemTime;

use envel_core::primitives::rand;
use envel_core::{CryptoError, SecretBytes};

use super::{KeyMaterialId, whole_milliseconds};

/// One 256-bit secret of a key.
#[derive(Debug)]
pub(crate) struct KeyMaterial {
    pub(crate) id: KeyMaterialId,
    pub(crate) creation_date: SystemTime,
    pub(crate) secret: SecretBytes,
}

impl KeyMaterial {
    pub(crate) const LEN: usize = 32;

    pub(crate) fn random(now: SystemTime) -> Result<Self, CryptoError> {
        Ok(Self {
            id: KeyMaterialId::random()?,
            creation_date: whole_milliseconds(now),
            secret: SecretBytes::try_filled_by(Self::LEN, rand::fill)?,
        })
    }
}
