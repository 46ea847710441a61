//! DisableKey.

use super::limits::check_key_id;
use super::{Call, Workspace};
use crate::calls::Operation;
use crate::key::Key;
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct DisableKey {
    pub(crate) key_id: String,
}

impl Call for DisableKey {
    const OPERATION: Operation = Operation::DisableKey;
    const ACCESS: Access = Access::Write;
    type Keys = [Key; 1];
    type Answer = ();

    fn key_id(&self) -> Option<&str> {
        Some(&self.key_id)
    }

    fn validate(&self) -> Result<(), Refusal> {
        check_key_id("keyId", &self.key_id)
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<[Key; 1], Refusal> {
        Ok([workspace.key_by_id(&self.key_id)?])
    }

    fn operate(self, [mut key]: [Key; 1], workspace: &mut Workspace<'_>) -> Result<(), Refusal> {
        key.disable()?;
        Ok(workspace.transaction.update_key(&key)?)
    }
}
