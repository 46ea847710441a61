//! DescribeKey.

use envel_core::kms::KeyMetadata;

use super::limits::check_key_id;
use super::{Call, Workspace};
use crate::calls::Operation;
use crate::key::Key;
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct DescribeKey {
    pub(crate) key_id: String,
}

impl Call for DescribeKey {
    const OPERATION: Operation = Operation::DescribeKey;
    const ACCESS: Access = Access::Read;
    type Keys = [Key; 1];
    type Answer = KeyMetadata;

    fn key_id(&self) -> Option<&str> {
        Some(&self.key_id)
    }

    fn validate(&self) -> Result<(), Refusal> {
        check_key_id("keyId", &self.key_id)
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<[Key; 1], Refusal> {
        Ok([workspace.key(&self.key_id)?])
    }

    fn operate(self, [key]: [Key; 1], _room: &mut Workspace<'_>) -> Result<KeyMetadata, Refusal> {
        Ok(key.metadata())
    }
}
