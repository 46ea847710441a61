//! Decrypt.

use std::time::Duration;

use envel_core::kms::{DecryptRequest, DecryptResponse};

use super::limits::{CIPHERTEXT_LEN, check_context, check_grant_tokens, check_key_id, check_length};
use super::{Call, Workspace, ciphertext, end_dry_run};
use crate::calls::Operation;
use crate::key::Key;
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct Decrypt(pub(crate) DecryptRequest);

impl Call for Decrypt {
    const OPERATION: Operation = Operation::Decrypt;
    const ACCESS: Access = Access::Read;
    type Keys = [Key; 1];
    type Answer = DecryptResponse;

    fn key_id(&self) -> Option<&str> {
        self.0.key_id.as_deref()
    }

    fn deadline(&self) -> Option<Duration> {
        self.0.deadline
    }

    fn validate(&self) -> Result<(), Refusal> {
        check_length("ciphertextBlob", self.0.ciphertext_blob.len(), &CIPHERTEXT_LEN)?;
        if let Some(key_id) = &self.0.key_id {
            check_key_id("keyId", key_id)?;
        }
        check_context("encryptionContext", &self.0.encryption_context)?;
        check_grant_tokens(&self.0.grant_tokens)
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<[Key; 1], Refusal> {
        Ok([ciphertext::resolve_source(workspace, self.0.key_id.as_deref(), &self.0.ciphertext_blob)?])
    }

    fn operate(self, [key]: [Key; 1], workspace: &mut Workspace<'_>) -> Result<DecryptResponse, Refusal> {
        key.check_usable()?;
        end_dry_run(self.0.dry_run)?;
        let ciphertext = ciphertext::parse_of_key(&key, &self.0.ciphertext_blob)?;
        let plaintext = ciphertext::decrypt(workspace, &key, &self.0.encryption_context, &ciphertext)?;
        Ok(DecryptResponse::new(key.arn().as_str(), plaintext, Some(ciphertext.material.to_string())))
    }
}
