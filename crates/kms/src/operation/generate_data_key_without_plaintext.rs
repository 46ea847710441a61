//! GenerateDataKeyWithoutPlaintext: GenerateDataKey, with the plaintext wiped before it is shown to anybody.

use std::time::Duration;

use envel_core::kms::{GenerateDataKeyRequest, GenerateDataKeyWithoutPlaintextResponse};

use super::{Call, GenerateDataKey, Workspace};
use crate::calls::Operation;
use crate::key::Key;
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct GenerateDataKeyWithoutPlaintext(GenerateDataKey);

impl GenerateDataKeyWithoutPlaintext {
    pub(crate) fn new(request: GenerateDataKeyRequest) -> Self {
        Self(GenerateDataKey(request))
    }
}

impl Call for GenerateDataKeyWithoutPlaintext {
    const OPERATION: Operation = Operation::GenerateDataKeyWithoutPlaintext;
    const ACCESS: Access = GenerateDataKey::ACCESS;
    type Keys = [Key; 1];
    type Answer = GenerateDataKeyWithoutPlaintextResponse;

    fn key_id(&self) -> Option<&str> {
        self.0.key_id()
    }

    fn deadline(&self) -> Option<Duration> {
        self.0.deadline()
    }

    fn validate(&self) -> Result<(), Refusal> {
        self.0.validate()
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<[Key; 1], Refusal> {
        self.0.resolve(workspace)
    }

    fn operate(self, keys: [Key; 1], workspace: &mut Workspace<'_>) -> Result<Self::Answer, Refusal> {
        let answer = self.0.operate(keys, workspace)?;
        Ok(GenerateDataKeyWithoutPlaintextResponse::new(
            answer.key_id,
            answer.ciphertext_blob,
            answer.key_material_id,
        ))
    }
}
