//! GenerateDataKey.

use std::time::Duration;

use envel_core::kms::{GenerateDataKeyRequest, GenerateDataKeyResponse};
use envel_core::primitives::rand;
use envel_core::{DataKey, SecretBytes};

use super::limits::{NUMBER_OF_BYTES, check_context, check_grant_tokens, check_key_id, check_number};
use super::{Call, Workspace, ciphertext, end_dry_run};
use crate::calls::Operation;
use crate::key::Key;
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct GenerateDataKey(pub(crate) GenerateDataKeyRequest);

impl Call for GenerateDataKey {
    const OPERATION: Operation = Operation::GenerateDataKey;
    const ACCESS: Access = Access::Read;
    type Keys = [Key; 1];
    type Answer = GenerateDataKeyResponse;

    fn key_id(&self) -> Option<&str> {
        Some(&self.0.key_id)
    }

    fn deadline(&self) -> Option<Duration> {
        self.0.deadline
    }

    fn validate(&self) -> Result<(), Refusal> {
        check_key_id("keyId", &self.0.key_id)?;
        check_number("numberOfBytes", self.0.number_of_bytes, &NUMBER_OF_BYTES)?;
        check_context("encryptionContext", &self.0.encryption_context)?;
        check_grant_tokens(&self.0.grant_tokens)
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<[Key; 1], Refusal> {
        Ok([workspace.key(&self.0.key_id)?])
    }

    fn operate(
        self,
        [key]: [Key; 1],
        workspace: &mut Workspace<'_>,
    ) -> Result<GenerateDataKeyResponse, Refusal> {
        key.check_usable()?;
        end_dry_run(self.0.dry_run)?;
        let material = workspace.current_material(&key)?;
        let data_key = SecretBytes::try_filled_by(self.0.number_of_bytes as usize, rand::fill)?;
        let blob =
            ciphertext::encrypt(&key, &material, &self.0.encryption_context, data_key.expose_secret())?;
        Ok(GenerateDataKeyResponse::new(key.arn().as_str(), DataKey::new(data_key), blob)
            .key_material_id(Some(material.id.to_string())))
    }
}
