//! CreateKey.

use envel_core::kms::{CreateKeyRequest, KeyMetadata};

use super::limits::check_description;
use super::{Call, Workspace};
use crate::calls::Operation;
use crate::key::{Key, KeyId, KeyMaterial};
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct CreateKey(pub(crate) CreateKeyRequest);

impl Call for CreateKey {
    const OPERATION: Operation = Operation::CreateKey;
    const ACCESS: Access = Access::Write;
    type Keys = [Key; 0];
    type Answer = KeyMetadata;

    fn validate(&self) -> Result<(), Refusal> {
        check_description(&self.0.description)
    }

    fn resolve(&self, _room: &Workspace<'_>) -> Result<[Key; 0], Refusal> {
        Ok([])
    }

    fn operate(self, []: [Key; 0], workspace: &mut Workspace<'_>) -> Result<KeyMetadata, Refusal> {
        let material = KeyMaterial::random(workspace.now)?;
        let key = Key::new(
            workspace.scope.clone(),
            KeyId::random()?,
            material.id,
            self.0.description,
            workspace.now,
        );
        workspace.transaction.insert_key(&key, &material)?;
        Ok(key.metadata())
    }
}
