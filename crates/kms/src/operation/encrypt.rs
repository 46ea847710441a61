//! Encrypt.

use std::time::Duration;

use envel_core::kms::{EncryptRequest, EncryptResponse};

use super::limits::{PLAINTEXT_LEN, check_context, check_grant_tokens, check_key_id, check_length};
use super::{Call, Workspace, ciphertext, end_dry_run};
use crate::calls::Operation;
use crate::key::Key;
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct Encrypt(pub(crate) EncryptRequest);

impl Call for Encrypt {
    const OPERATION: Operation = Operation::Encrypt;
    const ACCESS: Access = Access::Read;
    type Keys = [Key; 1];
    type Answer = EncryptResponse;

    fn key_id(&self) -> Option<&str> {
        Some(&self.0.key_id)
    }

    fn deadline(&self) -> Option<Duration> {
        self.0.deadline
    }

    fn validate(&self) -> Result<(), Refusal> {
        check_key_id("keyId", &self.0.key_id)?;
        check_length("plaintext", self.0.plaintext.len(), &PLAINTEXT_LEN)?;
        check_context("encryptionContext", &self.0.encryption_context)?;
        check_grant_tokens(&self.0.grant_tokens)
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<[Key; 1], Refusal> {
        Ok([workspace.key(&self.0.key_id)?])
    }

    fn operate(self, [key]: [Key; 1], workspace: &mut Workspace<'_>) -> Result<EncryptResponse, Refusal> {
        key.check_usable()?;
        end_dry_run(self.0.dry_run)?;
        let material = workspace.current_material(&key)?;
        let plaintext = self.0.plaintext.expose_secret();
        let blob = ciphertext::encrypt(&key, &material, &self.0.encryption_context, plaintext)?;
        Ok(EncryptResponse::new(key.arn().as_str(), blob))
    }
}
