//! ListKeys.

use envel_core::kms::KeyListEntry;

use super::{Call, Workspace};
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

    fn resolve(&self, _room: &Workspace<'_>) -> Result<[Key; 0], Refusal> {
        Ok([])
    }

    fn operate(self, []: [Key; 0], workspace: &mut Workspace<'_>) -> Result<Self::Answer, Refusal> {
        let keys = workspace.transaction.keys(&workspace.scope)?;
        Ok(keys.iter().filter(|key| workspace.exists(key)).map(|key| KeyListEntry::new(key.arn())).collect())
    }
}
