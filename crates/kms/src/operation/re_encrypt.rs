//! ReEncrypt.

use std::time::Duration;

use envel_core::kms::{ReEncryptRequest, ReEncryptResponse};

use super::limits::{CIPHERTEXT_LEN, check_context, check_grant_tokens, check_key_id, check_length};
use super::{Call, Workspace, ciphertext, end_dry_run};
use crate::calls::Operation;
use crate::key::Key;
use crate::refusal::Refusal;
use crate::store::Access;

pub(crate) struct ReEncrypt(pub(crate) ReEncryptRequest);

impl Call for ReEncrypt {
    const OPERATION: Operation = Operation::ReEncrypt;
    const ACCESS: Access = Access::Read;
    /// The source and the destination.
    type Keys = [Key; 2];
    type Answer = ReEncryptResponse;

    fn key_id(&self) -> Option<&str> {
        Some(&self.0.destination_key_id)
    }

    fn deadline(&self) -> Option<Duration> {
        self.0.deadline
    }

    fn validate(&self) -> Result<(), Refusal> {
        let of_source = |refusal: Refusal| refusal.of_key(self.0.source_key_id.clone());
        check_length("ciphertextBlob", self.0.ciphertext_blob.len(), &CIPHERTEXT_LEN).map_err(of_source)?;
        if let Some(key_id) = &self.0.source_key_id {
            check_key_id("sourceKeyId", key_id).map_err(of_source)?;
        }
        check_key_id("destinationKeyId", &self.0.destination_key_id)?;
        check_context("sourceEncryptionContext", &self.0.source_encryption_context).map_err(of_source)?;
        check_context("destinationEncryptionContext", &self.0.destination_encryption_context)?;
        check_grant_tokens(&self.0.grant_tokens)
    }

    fn resolve(&self, workspace: &Workspace<'_>) -> Result<[Key; 2], Refusal> {
        let pinned = self.0.source_key_id.as_deref();
        let source = ciphertext::resolve_source(workspace, pinned, &self.0.ciphertext_blob)
            .map_err(|refusal| refusal.of_key(pinned.map(str::to_owned)))?;
        Ok([source, workspace.key(&self.0.destination_key_id)?])
    }

    fn operate(
        self,
        [source, destination]: [Key; 2],
        workspace: &mut Workspace<'_>,
    ) -> Result<ReEncryptResponse, Refusal> {
        let of_source = |refusal: Refusal| {
            let named = self.0.source_key_id.clone();
            refusal.of_key(named.or_else(|| Some(source.arn().to_string())))
        };
        source.check_usable().map_err(of_source)?;
        destination.check_usable()?;
        end_dry_run(self.0.dry_run)?;
        let ciphertext = ciphertext::parse_of_key(&source, &self.0.ciphertext_blob).map_err(of_source)?;
        let plaintext =
            ciphertext::decrypt(workspace, &source, &self.0.source_encryption_context, &ciphertext)
                .map_err(of_source)?;
        let material = workspace.current_material(&destination)?;
        let context = &self.0.destination_encryption_context;
        let blob = ciphertext::encrypt(&destination, &material, context, plaintext.expose_secret())?;
        let mut answer = ReEncryptResponse::new(destination.arn().as_str(), source.arn().as_str(), blob);
        answer.source_key_material_id = Some(ciphertext.material.to_string());
        answer.destination_key_material_id = Some(material.id.to_string());
        Ok(answer)
    }
}
