//! Wraps data keys with one KMS key.

use std::sync::Arc;

use envel_core::arn::KmsResourceType;
use envel_core::kms::{DecryptRequest, EncryptRequest, GenerateDataKeyRequest};
use envel_core::{
    BoxFuture, EncryptedDataKey, EncryptionContext, KmsClient, KmsKeyArn, KmsKeyIdentifier, SecretBytes,
};

use super::{Keyring, UnwrapOutcome, UnwrapRequest, WrapOutcome, WrapRequest, WrappedKey};
use crate::error::KeyringError;

/// The provider ID of data keys that a symmetric KMS key wrapped.
const PROVIDER_ID: &str = "aws-kms";

/// A keyring that uses one KMS key, and no other.
///
/// Any spelling of the key can encrypt. Messages name key ARNs, and the spelling must equal the ARN to decrypt, byte by byte:
/// resolve aliases first.
///
/// # Cost
/// One GenerateDataKey or Encrypt to wrap; one Decrypt for each encrypted data key that names the key.
///
/// # Specification
/// `framework/aws-kms/aws-kms-keyring.md`.
#[derive(Debug)]
pub struct KmsKeyring {
    key: KmsKeyIdentifier,
    client: Arc<dyn KmsClient>,
    grant_tokens: Vec<String>,
}

impl KmsKeyring {
    /// Uses this key through this client, which must ask the key's Region.
    pub fn new(key: KmsKeyIdentifier, client: Arc<dyn KmsClient>) -> Self {
        Self { key, client, grant_tokens: Vec::new() }
    }

    /// Sends grant tokens with each call.
    #[must_use]
    pub fn grant_tokens(mut self, tokens: Vec<String>) -> Self {
        self.grant_tokens = tokens;
        self
    }

    async fn wrap(&self, request: WrapRequest<'_>) -> Result<WrapOutcome, KeyringError> {
        let context = request.encryption_context.clone();
        let expected = request.algorithm_suite.data_key_len();
        let (generated, key_id, ciphertext, key_material_id) = match request.data_key {
            None => {
                let length = u32::try_from(expected)
                    .map_err(|_| KeyringError::DataKeyLength { found: expected, expected })?;
                let call = GenerateDataKeyRequest::new(self.key.as_str(), length)
                    .encryption_context(context)
                    .grant_tokens(self.grant_tokens.clone());
                let answer = self.client.generate_data_key(call).await?;
                let found = answer.plaintext.len();
                if found != expected {
                    return Err(KeyringError::DataKeyLength { found, expected });
                }
                (Some(answer.plaintext), answer.key_id, answer.ciphertext_blob, answer.key_material_id)
            }
            Some(data_key) => {
                let plaintext = SecretBytes::copied_from(data_key.expose_secret());
                let call = EncryptRequest::new(self.key.as_str(), plaintext)
                    .encryption_context(context)
                    .grant_tokens(self.grant_tokens.clone());
                let answer = self.client.encrypt(call).await?;
                (None, answer.key_id, answer.ciphertext_blob, None)
            }
        };
        key_arn(key_id.as_bytes())?;
        let encrypted_data_key = EncryptedDataKey {
            key_provider_id: PROVIDER_ID.to_owned(),
            key_provider_info: key_id.into_bytes(),
            ciphertext,
        };
        let wrapped = WrappedKey::new(encrypted_data_key).key_material_id(key_material_id);
        Ok(WrapOutcome::new(generated, vec![wrapped]))
    }

    async fn unwrap(&self, request: UnwrapRequest<'_>) -> UnwrapOutcome {
        let mut outcome = UnwrapOutcome::default();
        let keyring = format!("KMS key {}", self.key);
        let entries = match kms_entries(&request) {
            Ok(entries) => entries,
            Err((index, error)) => {
                outcome.record(&request, index, &keyring, Err(error));
                return outcome;
            }
        };
        for KmsEntry { index, edk, arn } in entries {
            if arn.as_str() != self.key.as_str() {
                continue;
            }
            let context = request.encryption_context;
            let opened = decrypt(&*self.client, self.key.as_str(), edk, context, &self.grant_tokens).await;
            outcome.record(&request, index, &keyring, opened);
            if outcome.unwrapped.is_some() {
                break;
            }
        }
        outcome
    }
}

impl Keyring for KmsKeyring {
    fn wrap_data_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> BoxFuture<'a, Result<WrapOutcome, KeyringError>> {
        Box::pin(self.wrap(request))
    }

    fn unwrap_data_key<'a>(&'a self, request: UnwrapRequest<'a>) -> BoxFuture<'a, UnwrapOutcome> {
        Box::pin(self.unwrap(request))
    }
}

/// An entry of a KMS key, with the key ARN that it names.
pub(super) struct KmsEntry<'a> {
    pub(super) index: usize,
    pub(super) edk: &'a EncryptedDataKey,
    pub(super) arn: KmsKeyArn,
}

/// The entries of KMS keys. One that names no key ARN fails them all.
///
/// # Specification
/// `framework/aws-kms/aws-kms-keyring.md`, "OnDecrypt": the entries are filtered before any is tried.
pub(super) fn kms_entries<'a>(
    request: &UnwrapRequest<'a>,
) -> Result<Vec<KmsEntry<'a>>, (usize, KeyringError)> {
    let entries = request.encrypted_data_keys.iter().enumerate();
    entries
        .filter(|(_, edk)| edk.key_provider_id == PROVIDER_ID)
        .map(|(index, edk)| match key_arn(&edk.key_provider_info) {
            Ok(arn) => Ok(KmsEntry { index, edk, arn }),
            Err(error) => Err((index, error)),
        })
        .collect()
}

/// The key ARN in a provider information. An alias ARN is not one: messages name keys.
fn key_arn(provider_info: &[u8]) -> Result<KmsKeyArn, KeyringError> {
    let text = String::from_utf8_lossy(provider_info);
    text.parse::<KmsKeyArn>()
        .ok()
        .filter(|arn| arn.resource_type() == KmsResourceType::Key)
        .ok_or_else(|| KeyringError::InvalidKeyArn(text.into_owned()))
}

/// Asks KMS to open an encrypted data key with this key and no other.
pub(super) async fn decrypt(
    client: &dyn KmsClient,
    key_id: &str,
    edk: &EncryptedDataKey,
    context: &EncryptionContext,
    grant_tokens: &[String],
) -> Result<(SecretBytes, Option<String>), KeyringError> {
    let call = DecryptRequest::new(edk.ciphertext.clone())
        .key_id(key_id)
        .encryption_context(context.clone())
        .grant_tokens(grant_tokens.to_vec());
    let answer = client.decrypt(call).await?;
    if answer.key_id != key_id {
        return Err(KeyringError::WrongKeyAnswered { asked: key_id.to_owned(), answered: answer.key_id });
    }
    Ok((answer.plaintext, answer.key_material_id))
}
