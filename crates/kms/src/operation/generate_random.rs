//! GenerateRandom.

use envel_core::SecretBytes;
use envel_core::primitives::rand;

use super::limits::{NUMBER_OF_BYTES, check_number};
use super::{Call, Workspace};
use crate::calls::Operation;
use crate::key::Key;
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct GenerateRandom {
    pub(crate) number_of_bytes: u32,
}

impl Call for GenerateRandom {
    const OPERATION: Operation = Operation::GenerateRandom;
    const ACCESS: Access = Access::Read;
    type Keys = [Key; 0];
    type Answer = SecretBytes;

    fn validate(&self) -> Result<(), Refusal> {
        check_number("numberOfBytes", self.number_of_bytes, &NUMBER_OF_BYTES)
    }

    fn resolve(&self, _room: &Workspace<'_>) -> Result<[Key; 0], Refusal> {
        Ok([])
    }

    fn operate(self, []: [Key; 0], _room: &mut Workspace<'_>) -> Result<SecretBytes, Refusal> {
        Ok(SecretBytes::try_filled_by(self.number_of_bytes as usize, rand::fill)?)
    }
}
