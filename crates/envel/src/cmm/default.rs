//! The manager that asks a keyring for each message.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use envel_core::context::PUBLIC_KEY_NAME;
use envel_core::primitives::ecdsa::{SigningKey, VerificationKey};
use envel_core::{BoxFuture, ContextError, EncryptionContext};

use super::{DecryptionMaterialsRequest, EncryptionMaterialsRequest, MaterialsManager};
use crate::error::{Error, InvalidCall, Refusal, UnwrapError};
use crate::keyring::{Keyring, UnwrapRequest, WrapRequest};
use crate::materials::{DecryptionMaterials, EncryptionMaterials, OpenedBy};
use crate::message::MalformedMessage;
use crate::suite::AlgorithmSuite;

/// A materials manager that asks its keyring anew for each message.
///
/// # Cost
/// Whatever the keyring costs, for each message.
///
/// # Specification
/// `framework/default-cmm.md`.
#[derive(Clone, Debug)]
pub struct DefaultManager {
    keyring: Arc<dyn Keyring>,
}

impl DefaultManager {
    /// Uses this keyring.
    pub fn new(keyring: Arc<dyn Keyring>) -> Self {
        Self { keyring }
    }

    async fn encryption(
        &self,
        request: EncryptionMaterialsRequest<'_>,
    ) -> Result<Arc<EncryptionMaterials>, Error> {
        let suite = request.algorithm_suite;
        let policy = request.commitment_policy;
        if !policy.allows_encrypt(&suite) {
            return Err(InvalidCall::CommitmentPolicy { policy, suite: suite.id }.into());
        }
        if let Some(name) = request.encryption_context.first_reserved_name() {
            return Err(ContextError::ReservedName { name: name.to_owned() }.into());
        }
        let mut context = request.encryption_context.clone();
        let signing_key = match suite.signature {
            Some(algorithm) => {
                let key = SigningKey::generate(algorithm)?;
                let public_key = STANDARD.encode(key.compressed_public_key()?);
                context.insert_unchecked_prefix(PUBLIC_KEY_NAME, public_key)?;
                Some(key)
            }
            None => None,
        };
        // Refuses a context that is too long before a KMS is asked.
        context.canonical_bytes()?;
        let outcome = self.keyring.wrap_data_key(WrapRequest::generate(suite, &context)).await;
        let outcome = outcome.map_err(Error::Wrap)?;
        let data_key =
            outcome.generated.ok_or(Error::InvalidMaterials("the keyring generated no data key"))?;
        let (required_names, wrapped) = (&request.required_names, outcome.wrapped);
        EncryptionMaterials::new(suite, context, required_names, data_key, wrapped, signing_key).map(Arc::new)
    }

    async fn decryption(
        &self,
        request: DecryptionMaterialsRequest<'_>,
    ) -> Result<Arc<DecryptionMaterials>, Error> {
        let suite = request.algorithm_suite;
        let policy = request.commitment_policy;
        if !policy.allows_decrypt(&suite) {
            return Err(Refusal::CommitmentPolicy { policy, suite: suite.id }.into());
        }
        let (context, required_names) =
            joined_context(request.encryption_context.clone(), request.reproduced_context)?;
        let verification_key = verification_key(&suite, &context)?;
        let candidates = request.encrypted_data_keys;
        let outcome = self.keyring.unwrap_data_key(UnwrapRequest::new(suite, &context, candidates)).await;
        let Some(unwrapped) = outcome.unwrapped else {
            let encrypted_data_keys = candidates
                .iter()
                .map(|edk| format!("{} {}", edk.provider_id_for_display(), edk.provider_info_for_display()))
                .collect();
            return Err(UnwrapError { attempts: outcome.attempts, encrypted_data_keys }.into());
        };
        let index = unwrapped.encrypted_data_key_index;
        let opened = candidates
            .get(index)
            .ok_or(Error::InvalidMaterials("the keyring opened an encrypted data key that was not given"))?;
        let opened_by = OpenedBy::new(index, opened, unwrapped.key_material_id);
        let data_key = unwrapped.data_key;
        DecryptionMaterials::new(suite, context, &required_names, data_key, opened_by, verification_key)
            .map(Arc::new)
    }
}

impl MaterialsManager for DefaultManager {
    fn encryption_materials<'a>(
        &'a self,
        request: EncryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<EncryptionMaterials>, Error>> {
        Box::pin(self.encryption(request))
    }

    fn decryption_materials<'a>(
        &'a self,
        request: DecryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<DecryptionMaterials>, Error>> {
        Box::pin(self.decryption(request))
    }
}

/// Joins the stored and the supplied pairs: those in both must be equal, those only supplied are named.
fn joined_context(
    mut stored: EncryptionContext,
    reproduced: &EncryptionContext,
) -> Result<(EncryptionContext, Vec<String>), Error> {
    let mut required_names = Vec::new();
    for (name, value) in reproduced.iter() {
        match stored.value(name) {
            Some(stored_value) if stored_value == value => {}
            Some(_) => return Err(Refusal::ContextMismatch { name: name.to_owned() }.into()),
            None => {
                stored.insert_unchecked_prefix(name, value)?;
                required_names.push(name.to_owned());
            }
        }
    }
    Ok((stored, required_names))
}

/// The key that verifies the signature. Its presence must agree with the suite: otherwise a signed message could be passed off as
/// an unsigned one.
fn verification_key(
    suite: &AlgorithmSuite,
    context: &EncryptionContext,
) -> Result<Option<VerificationKey>, MalformedMessage> {
    match (suite.signature, context.value(PUBLIC_KEY_NAME)) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(MalformedMessage::UnexpectedPublicKey),
        (Some(_), None) => Err(MalformedMessage::MissingPublicKey),
        (Some(algorithm), Some(text)) => STANDARD
            .decode(text)
            .ok()
            .and_then(|point| VerificationKey::from_compressed(algorithm, &point).ok())
            .map(Some)
            .ok_or(MalformedMessage::InvalidPublicKey),
    }
}
