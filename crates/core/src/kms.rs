//! What a KMS can be asked, whoever answers: AWS KMS, or the embedded KMS.
//!
//! [`KmsClient`] is the data plane, bound to one Region; [`KmsClients`] finds the client of a Region; [`KmsControl`] manages
//! keys and aliases. All three can be used as trait objects, and their futures need no particular runtime.
//!
//! Requests are built with `new` and chained setters. Responses own their secrets and cannot be cloned.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_core::future::BoxFuture;

use crate::arn::KmsKeyArn;
use crate::context::EncryptionContext;
use crate::secret::{DataKey, SecretBytes};

/// What to do about a failed call, whatever KMS calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KmsErrorKind {
    /// The caller may not do this: AccessDenied.
    Denied,
    /// Credentials are absent, expired or refused; or the clocks disagree.
    Credentials,
    /// The key is disabled, pending deletion or import, of the wrong usage, or its key store is away.
    KeyUnusable,
    /// There is no such key or alias.
    NotFound,
    /// The ciphertext is not of this key, not of this context, or damaged: InvalidCiphertext, IncorrectKey.
    WrongCiphertext,
    /// The request breaks a rule or a limit of its own: validation, malformed policy, unsupported operation.
    InvalidRequest,
    /// What is to be created exists.
    AlreadyExists,
    /// A resource quota is used up for good: waiting does not help.
    LimitExceeded,
    /// Too many requests: waiting helps.
    Throttled,
    /// No answer, or an answer that the service is not well: waiting can help.
    Unreachable,
    /// The request would have succeeded, had it not been a dry run.
    DryRun,
    /// An answer that breaks the service's own contract, or a failure inside the embedded KMS.
    Internal,
}

/// A failed KMS call: what the service said, and of which call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation}{}: {code}{}", display_key(.key), display_message(.message))]
#[non_exhaustive]
pub struct KmsError {
    /// What to do about it.
    pub kind: KmsErrorKind,
    /// The operation, as KMS names it: `Decrypt`.
    pub operation: &'static str,
    /// The error's name, as KMS names it: `DisabledException`.
    pub code: String,
    /// The service's own words.
    pub message: String,
    /// The key asked for, if the request named one.
    pub key: Option<String>,
    /// The Region asked.
    pub region: String,
    /// The service's request ID, if it gave one.
    pub request_id: Option<String>,
}

fn display_key(key: &Option<String>) -> String {
    key.as_ref().map_or_else(String::new, |key| format!(" with {key}"))
}

fn display_message(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl KmsError {
    /// An error of this kind, with the service's name for it and its words.
    pub fn new(
        kind: KmsErrorKind,
        operation: &'static str,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            operation,
            code: code.into(),
            message: message.into(),
            key: None,
            region: String::new(),
            request_id: None,
        }
    }

    /// Names the key that was asked for.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Names the Region that was asked.
    #[must_use]
    pub fn with_region(mut self, region: impl Into<String>) -> Self {
        self.region = region.into();
        self
    }

    /// Names the request.
    #[must_use]
    pub fn with_request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = Some(request_id.into());
        self
    }

    /// Whether the same call can succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        matches!(self.kind, KmsErrorKind::Throttled | KmsErrorKind::Unreachable)
    }
}

/// Gives a request the options that every cryptographic operation takes.
macro_rules! common_options {
    ($($request:ident),+) => {$(
        impl $request {
            /// Grant tokens, for grants that KMS may not yet know everywhere. At most 10.
            #[must_use]
            pub fn grant_tokens(mut self, tokens: Vec<String>) -> Self {
                self.grant_tokens = tokens;
                self
            }

            /// Asks whether the call would succeed, without doing it: the answer is an error of the kind
            /// [`KmsErrorKind::DryRun`].
            #[must_use]
            pub fn dry_run(mut self, dry_run: bool) -> Self {
                self.dry_run = dry_run;
                self
            }

            /// Gives up after this long, retries included.
            #[must_use]
            pub fn deadline(mut self, deadline: Duration) -> Self {
                self.deadline = Some(deadline);
                self
            }
        }
    )+};
}

/// Gives a request its encryption context.
macro_rules! context_option {
    ($($request:ident),+) => {$(
        impl $request {
            /// The context that the ciphertext is bound to.
            #[must_use]
            pub fn encryption_context(mut self, context: EncryptionContext) -> Self {
                self.encryption_context = context;
                self
            }
        }
    )+};
}

context_option!(GenerateDataKeyRequest, EncryptRequest, DecryptRequest);
common_options!(GenerateDataKeyRequest, EncryptRequest, DecryptRequest, ReEncryptRequest);

/// Asks for a new data key: the request of GenerateDataKey and of GenerateDataKeyWithoutPlaintext.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GenerateDataKeyRequest {
    /// Any spelling of the wrapping key.
    pub key_id: String,
    /// Length of the data key in bytes, 1 to 1024.
    pub number_of_bytes: u32,
    /// Bound to the encrypted copy; the same is needed to decrypt it.
    pub encryption_context: EncryptionContext,
    /// See [`Self::grant_tokens`].
    pub grant_tokens: Vec<String>,
    /// See [`Self::dry_run`].
    pub dry_run: bool,
    /// See [`Self::deadline`].
    pub deadline: Option<Duration>,
}

impl GenerateDataKeyRequest {
    /// A data key of this many bytes (1 to 1024) under this key.
    pub fn new(key_id: impl Into<String>, number_of_bytes: u32) -> Self {
        Self {
            key_id: key_id.into(),
            number_of_bytes,
            encryption_context: EncryptionContext::new(),
            grant_tokens: Vec::new(),
            dry_run: false,
            deadline: None,
        }
    }
}

/// A new data key, in plaintext and encrypted.
#[derive(Debug)]
#[non_exhaustive]
pub struct GenerateDataKeyResponse {
    /// The ARN of the key that wrapped it.
    pub key_id: String,
    /// The data key.
    pub plaintext: DataKey,
    /// The same, encrypted.
    pub ciphertext_blob: Vec<u8>,
    /// Which key material wrapped it: 64 hexadecimal digits. Older services do not say.
    pub key_material_id: Option<String>,
}

impl GenerateDataKeyResponse {
    /// An answer, to be completed field by field.
    pub fn new(key_id: impl Into<String>, plaintext: DataKey, ciphertext_blob: Vec<u8>) -> Self {
        Self { key_id: key_id.into(), plaintext, ciphertext_blob, key_material_id: None }
    }

    /// Adds the key material's ID.
    #[must_use]
    pub fn key_material_id(mut self, id: Option<String>) -> Self {
        self.key_material_id = id;
        self
    }
}

/// A new data key, encrypted only.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GenerateDataKeyWithoutPlaintextResponse {
    /// The ARN of the key that wrapped it.
    pub key_id: String,
    /// The encrypted data key.
    pub ciphertext_blob: Vec<u8>,
    /// Which key material wrapped it.
    pub key_material_id: Option<String>,
}

impl GenerateDataKeyWithoutPlaintextResponse {
    /// An answer.
    pub fn new(key_id: impl Into<String>, ciphertext_blob: Vec<u8>, key_material_id: Option<String>) -> Self {
        Self { key_id: key_id.into(), ciphertext_blob, key_material_id }
    }
}

/// Asks to encrypt up to 4096 bytes.
#[derive(Debug)]
#[non_exhaustive]
pub struct EncryptRequest {
    /// Any spelling of the key.
    pub key_id: String,
    /// 1 to 4096 bytes.
    pub plaintext: SecretBytes,
    /// Bound to the ciphertext; the same is needed to decrypt it.
    pub encryption_context: EncryptionContext,
    /// See [`Self::grant_tokens`].
    pub grant_tokens: Vec<String>,
    /// See [`Self::dry_run`].
    pub dry_run: bool,
    /// See [`Self::deadline`].
    pub deadline: Option<Duration>,
}

impl EncryptRequest {
    /// Encrypts these bytes under this key.
    pub fn new(key_id: impl Into<String>, plaintext: SecretBytes) -> Self {
        Self {
            key_id: key_id.into(),
            plaintext,
            encryption_context: EncryptionContext::new(),
            grant_tokens: Vec::new(),
            dry_run: false,
            deadline: None,
        }
    }
}

/// An encrypted copy of the plaintext.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EncryptResponse {
    /// The ARN of the key that encrypted it.
    pub key_id: String,
    /// The ciphertext.
    pub ciphertext_blob: Vec<u8>,
}

impl EncryptResponse {
    /// An answer.
    pub fn new(key_id: impl Into<String>, ciphertext_blob: Vec<u8>) -> Self {
        Self { key_id: key_id.into(), ciphertext_blob }
    }
}

/// Asks to decrypt a ciphertext of KMS.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DecryptRequest {
    /// 1 to 6144 bytes.
    pub ciphertext_blob: Vec<u8>,
    /// Pins the key: without it KMS opens the ciphertext with whatever key it names.
    pub key_id: Option<String>,
    /// The context that the ciphertext was bound to.
    pub encryption_context: EncryptionContext,
    /// See [`Self::grant_tokens`].
    pub grant_tokens: Vec<String>,
    /// See [`Self::dry_run`].
    pub dry_run: bool,
    /// See [`Self::deadline`].
    pub deadline: Option<Duration>,
}

impl DecryptRequest {
    /// Decrypts this ciphertext.
    pub fn new(ciphertext_blob: Vec<u8>) -> Self {
        Self {
            ciphertext_blob,
            key_id: None,
            encryption_context: EncryptionContext::new(),
            grant_tokens: Vec::new(),
            dry_run: false,
            deadline: None,
        }
    }

    /// Pins the key.
    #[must_use]
    pub fn key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }
}

/// The plaintext of a ciphertext.
#[derive(Debug)]
#[non_exhaustive]
pub struct DecryptResponse {
    /// The ARN of the key that opened it.
    pub key_id: String,
    /// The plaintext.
    pub plaintext: SecretBytes,
    /// Which key material opened it. Older services do not say.
    pub key_material_id: Option<String>,
}

impl DecryptResponse {
    /// An answer.
    pub fn new(key_id: impl Into<String>, plaintext: SecretBytes, key_material_id: Option<String>) -> Self {
        Self { key_id: key_id.into(), plaintext, key_material_id }
    }
}

/// Asks KMS to decrypt and encrypt again without showing the plaintext.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReEncryptRequest {
    /// 1 to 6144 bytes.
    pub ciphertext_blob: Vec<u8>,
    /// Pins the key that the ciphertext must be of.
    pub source_key_id: Option<String>,
    /// The context that the ciphertext was bound to.
    pub source_encryption_context: EncryptionContext,
    /// Any spelling of the key to encrypt with.
    pub destination_key_id: String,
    /// The context to bind.
    pub destination_encryption_context: EncryptionContext,
    /// See [`Self::grant_tokens`].
    pub grant_tokens: Vec<String>,
    /// See [`Self::dry_run`].
    pub dry_run: bool,
    /// See [`Self::deadline`].
    pub deadline: Option<Duration>,
}

impl ReEncryptRequest {
    /// Moves this ciphertext to this key.
    pub fn new(ciphertext_blob: Vec<u8>, destination_key_id: impl Into<String>) -> Self {
        Self {
            ciphertext_blob,
            source_key_id: None,
            source_encryption_context: EncryptionContext::new(),
            destination_key_id: destination_key_id.into(),
            destination_encryption_context: EncryptionContext::new(),
            grant_tokens: Vec::new(),
            dry_run: false,
            deadline: None,
        }
    }

    /// Pins the key that the ciphertext must be of.
    #[must_use]
    pub fn source_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.source_key_id = Some(key_id.into());
        self
    }

    /// The same context on both sides.
    #[must_use]
    pub fn encryption_context(mut self, context: EncryptionContext) -> Self {
        self.source_encryption_context = context.clone();
        self.destination_encryption_context = context;
        self
    }
}

/// The ciphertext under its new key.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReEncryptResponse {
    /// The ARN of the key that encrypted it.
    pub key_id: String,
    /// The ARN of the key that opened the old one.
    pub source_key_id: String,
    /// The new ciphertext.
    pub ciphertext_blob: Vec<u8>,
    /// Which key material opened the old one.
    pub source_key_material_id: Option<String>,
    /// Which key material encrypted the new one.
    pub destination_key_material_id: Option<String>,
}

impl ReEncryptResponse {
    /// An answer, to be completed field by field.
    pub fn new(
        key_id: impl Into<String>,
        source_key_id: impl Into<String>,
        ciphertext_blob: Vec<u8>,
    ) -> Self {
        Self {
            key_id: key_id.into(),
            source_key_id: source_key_id.into(),
            ciphertext_blob,
            source_key_material_id: None,
            destination_key_material_id: None,
        }
    }
}

/// The state of a KMS key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyState {
    /// Being made.
    Creating,
    /// Usable.
    Enabled,
    /// Switched off.
    Disabled,
    /// Waiting to be deleted.
    PendingDeletion,
    /// Waiting for its key material.
    PendingImport,
    /// A primary waiting for its replicas to be deleted.
    PendingReplicaDeletion,
    /// Its key store is away.
    Unavailable,
    /// Its primary Region is changing.
    Updating,
}

impl KeyState {
    /// The name that AWS uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Enabled => "Enabled",
            Self::Disabled => "Disabled",
            Self::PendingDeletion => "PendingDeletion",
            Self::PendingImport => "PendingImport",
            Self::PendingReplicaDeletion => "PendingReplicaDeletion",
            Self::Unavailable => "Unavailable",
            Self::Updating => "Updating",
        }
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of a key without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyMetadata {
    /// The key's ARN.
    pub arn: KmsKeyArn,
    /// Its state.
    pub key_state: KeyState,
    /// When it was made.
    pub creation_date: SystemTime,
    /// What its owner wrote about it.
    pub description: String,
    /// `ENCRYPT_DECRYPT` and others.
    pub key_usage: String,
    /// `SYMMETRIC_DEFAULT` and others.
    pub key_spec: String,
    /// `AWS_KMS`, `EXTERNAL`, `AWS_CLOUDHSM`, `EXTERNAL_KEY_STORE`.
    pub origin: String,
    /// `CUSTOMER` or `AWS`.
    pub key_manager: String,
    /// Whether it is a multi-Region key.
    pub multi_region: bool,
    /// When it will be deleted, while that is pending.
    pub deletion_date: Option<SystemTime>,
    /// The key material in use: symmetric keys of recent services alone.
    pub current_key_material_id: Option<String>,
}

impl KeyMetadata {
    /// An enabled, customer managed, symmetric, single-Region key: change what differs.
    pub fn new(arn: KmsKeyArn, creation_date: SystemTime) -> Self {
        Self {
            arn,
            key_state: KeyState::Enabled,
            creation_date,
            description: String::new(),
            key_usage: "ENCRYPT_DECRYPT".to_owned(),
            key_spec: "SYMMETRIC_DEFAULT".to_owned(),
            origin: "AWS_KMS".to_owned(),
            key_manager: "CUSTOMER".to_owned(),
            multi_region: false,
            deletion_date: None,
            current_key_material_id: None,
        }
    }
}

/// The data plane of a KMS in one Region.
///
/// # Errors
/// Every operation returns [`KmsError`]; [`KmsError::is_retryable`] tells whether the same call can succeed later.
///
/// # Cost
/// One request to the service for each call; implementations say whether they retry.
pub trait KmsClient: Send + Sync + fmt::Debug {
    /// The Region that this client asks.
    fn region(&self) -> &str;

    /// A new data key, in plaintext and encrypted.
    fn generate_data_key(
        &self,
        request: GenerateDataKeyRequest,
    ) -> BoxFuture<'_, Result<GenerateDataKeyResponse, KmsError>>;

    /// A new data key, encrypted only.
    fn generate_data_key_without_plaintext(
        &self,
        request: GenerateDataKeyRequest,
    ) -> BoxFuture<'_, Result<GenerateDataKeyWithoutPlaintextResponse, KmsError>>;

    /// Encrypts up to 4096 bytes.
    fn encrypt(&self, request: EncryptRequest) -> BoxFuture<'_, Result<EncryptResponse, KmsError>>;

    /// Decrypts what this KMS encrypted.
    fn decrypt(&self, request: DecryptRequest) -> BoxFuture<'_, Result<DecryptResponse, KmsError>>;

    /// Decrypts and encrypts again inside KMS.
    fn re_encrypt(&self, request: ReEncryptRequest) -> BoxFuture<'_, Result<ReEncryptResponse, KmsError>>;

    /// What is known of a key, given any spelling of it.
    fn describe_key(&self, key_id: String) -> BoxFuture<'_, Result<KeyMetadata, KmsError>>;
}

/// Finds the client of a Region: the place where routing is decided.
pub trait KmsClients: Send + Sync + fmt::Debug {
    /// The client of this Region.
    ///
    /// # Errors
    /// [`KmsErrorKind::Unreachable`] if the Region must not be asked, [`KmsErrorKind::Credentials`] if there are none.
    fn client_for_region(&self, region: &str) -> BoxFuture<'_, Result<Arc<dyn KmsClient>, KmsError>>;

    /// The Region of keys that are named without one.
    fn default_region(&self) -> Option<&str>;
}

/// Asks for a new key.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CreateKeyRequest {
    /// At most 8192 characters.
    pub description: String,
}

impl CreateKeyRequest {
    /// A customer managed symmetric key in a single Region.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the owner says about it.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }
}

/// One key of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyListEntry {
    /// The key's ARN.
    pub arn: KmsKeyArn,
}

impl KeyListEntry {
    /// An entry.
    pub fn new(arn: KmsKeyArn) -> Self {
        Self { arn }
    }
}

/// One alias of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AliasListEntry {
    /// `alias/NAME`.
    pub alias_name: String,
    /// The alias's ARN.
    pub alias_arn: KmsKeyArn,
    /// The ID of the key it stands for. AWS managed aliases may have none yet.
    pub target_key_id: Option<String>,
}

impl AliasListEntry {
    /// An entry.
    pub fn new(alias_name: impl Into<String>, alias_arn: KmsKeyArn, target_key_id: Option<String>) -> Self {
        Self { alias_name: alias_name.into(), alias_arn, target_key_id }
    }
}

/// When a key will be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleKeyDeletionResponse {
    /// The key's ARN.
    pub arn: KmsKeyArn,
    /// Not before this time.
    pub deletion_date: Option<SystemTime>,
    /// The state it is in now.
    pub key_state: KeyState,
}

impl ScheduleKeyDeletionResponse {
    /// An answer.
    pub fn new(arn: KmsKeyArn, deletion_date: Option<SystemTime>, key_state: KeyState) -> Self {
        Self { arn, deletion_date, key_state }
    }
}

/// The control plane of a KMS in one Region: keys and aliases, on AWS and on the embedded KMS alike.
///
/// # Errors
/// As for [`KmsClient`].
pub trait KmsControl: Send + Sync + fmt::Debug {
    /// The Region that this client asks.
    fn region(&self) -> &str;

    /// Makes a key.
    fn create_key(&self, request: CreateKeyRequest) -> BoxFuture<'_, Result<KeyMetadata, KmsError>>;

    /// What is known of a key, given any spelling of it.
    fn describe_key(&self, key_id: String) -> BoxFuture<'_, Result<KeyMetadata, KmsError>>;

    /// Every key of the Region.
    fn list_keys(&self) -> BoxFuture<'_, Result<Vec<KeyListEntry>, KmsError>>;

    /// Every alias of the Region, or those of one key.
    fn list_aliases(&self, key_id: Option<String>) -> BoxFuture<'_, Result<Vec<AliasListEntry>, KmsError>>;

    /// Gives a key an alias: `alias/NAME`.
    fn create_alias(&self, alias_name: String, target_key_id: String) -> BoxFuture<'_, Result<(), KmsError>>;

    /// Points an alias at another key.
    fn update_alias(&self, alias_name: String, target_key_id: String) -> BoxFuture<'_, Result<(), KmsError>>;

    /// Removes an alias, not its key.
    fn delete_alias(&self, alias_name: String) -> BoxFuture<'_, Result<(), KmsError>>;

    /// Switches a key on.
    fn enable_key(&self, key_id: String) -> BoxFuture<'_, Result<(), KmsError>>;

    /// Switches a key off.
    fn disable_key(&self, key_id: String) -> BoxFuture<'_, Result<(), KmsError>>;

    /// Deletes a key after a pause of 7 to 30 days, in which [`KmsControl::cancel_key_deletion`] saves it.
    fn schedule_key_deletion(
        &self,
        key_id: String,
        pending_window_in_days: u32,
    ) -> BoxFuture<'_, Result<ScheduleKeyDeletionResponse, KmsError>>;

    /// Saves a key that waits to be deleted. It is disabled afterwards.
    fn cancel_key_deletion(&self, key_id: String) -> BoxFuture<'_, Result<KmsKeyArn, KmsError>>;

    /// The names of the aliases of a key: what people call it.
    fn alias_names(&self, key_id: String) -> BoxFuture<'_, Result<BTreeSet<String>, KmsError>> {
        Box::pin(async move {
            let aliases = self.list_aliases(Some(key_id)).await?;
            Ok(aliases.into_iter().map(|alias| alias.alias_name).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_throttling_and_outages_are_retryable() {
        let error = |kind| KmsError::new(kind, "Decrypt", "X", "");
        assert!(error(KmsErrorKind::Throttled).is_retryable());
        assert!(error(KmsErrorKind::Unreachable).is_retryable());
        assert!(!error(KmsErrorKind::LimitExceeded).is_retryable());
        assert!(!error(KmsErrorKind::Denied).is_retryable());
    }

    #[test]
    fn errors_name_the_call_the_key_and_the_reason() {
        let error =
            KmsError::new(KmsErrorKind::KeyUnusable, "Decrypt", "DisabledException", "k is disabled.")
                .with_key("k");
        assert_eq!(error.to_string(), "Decrypt with k: DisabledException: k is disabled.");
    }
}
