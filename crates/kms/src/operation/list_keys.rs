//! ListKeys.

use envel_core::kms::KeyListEntry;

use super::{Call, Room};
use crate::calls::Operation;
use crate::key::Key;
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct ListKeys;

impl Call for ListKeys {
    const OPERATION: Operation = Operation::ListKeys;
    const ACCESS: Access = Access::Read;
    type Keys = [Key; 0];
    type Answer = Vec<KeyListEntry>;

    fn validate(&self) -> Result<(), Refusal> {
        Ok(())
    }

    fn resolve(&self, _room: &Room<'_>) -> Result<[Key; 0], Refusal> {
        Ok([])
    }

    fn operate(self, []: [Key; 0], room: &mut Room<'_>) -> Result<Self::Answer, Refusal> {
        let keys = room.transaction.keys(&room.scope)?;
        Ok(keys.iter().map(|key| KeyListEntry::new(key.arn())).collect())
    }
}
