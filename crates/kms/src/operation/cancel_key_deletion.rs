//! CancelKeyDeletion.

use envel_core::KmsKeyArn;

use super::limits::check_key_id;
use super::{Call, Workspace};
use crate::calls::Operation;
use crate::key::Key;
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct CancelKeyDeletion {
    pub(crate) key_id: String,
}

impl Call for CancelKeyDeletion {
    const OPERATION: Operation = Operation::CancelKeyDeletion;
    const ACCESS: Access = Access::Write;
    type Keys = [Key; 1];
    type Answer = KmsKeyArn;

    fn key_id(&self) -> Option<&str> {
        Some(&self.key_id)
    }

    fn validate(&self) -> Result<(), Refusal> {
        check_key_id("keyId", &self.key_id)
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<[Key; 1], Refusal> {
        Ok([workspace.key_by_id(&self.key_id)?])
    }

    fn operate(self, [mut key]: [Key; 1], workspace: &mut Workspace<'_>) -> Result<KmsKeyArn, Refusal> {
        key.cancel_deletion()?;
        workspace.transaction.update_key(&key)?;
        Ok(key.arn())
    }
}
