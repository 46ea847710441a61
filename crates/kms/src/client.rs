//! The embedded KMS as a client of one Region.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use envel_core::kms::{
    AliasListEntry, CreateKeyRequest, DecryptRequest, DecryptResponse, EncryptRequest, EncryptResponse,
    GenerateDataKeyRequest, GenerateDataKeyResponse, GenerateDataKeyWithoutPlaintextResponse, KeyListEntry,
    KeyMetadata, ReEncryptRequest, ReEncryptResponse, ScheduleKeyDeletionResponse,
};
use envel_core::{BoxFuture, KmsClient, KmsControl, KmsError, KmsKeyArn, SecretBytes};

use crate::operation::{
    Call, CancelKeyDeletion, CreateAlias, CreateKey, Decrypt, DeleteAlias, DescribeKey, DisableKey,
    EnableKey, Encrypt, GenerateDataKey, GenerateDataKeyWithoutPlaintext, GenerateRandom, ListAliases,
    ListKeys, ReEncrypt, ScheduleKeyDeletion, UpdateAlias,
};
use crate::worker::Worker;

/// The embedded KMS in one Region: the data plane ([`KmsClient`]) and the control plane ([`KmsControl`]).
///
/// Any executor can await its answers. A call is handed to the worker thread at the first poll; if its future is dropped after
/// that, the call may still be carried out. A request's deadline is compared when the worker takes the call up; nothing is retried.
///
/// # Cost
/// One read transaction for a call of the data plane and for one that describes or lists; for one that changes a key or an alias, a
/// write transaction that is synced to disk. A key whose deletion date has come costs the next call another write. Calls are answered
/// one at a time.
#[derive(Clone)]
pub struct RegionClient {
    region: Arc<str>,
    worker: Worker,
}

impl RegionClient {
    pub(crate) fn new(region: &str, worker: Worker) -> Self {
        Self { region: region.into(), worker }
    }

    /// The Region that this client asks.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// What is known of a key, given any spelling of it.
    ///
    /// # Errors
    /// [`KmsError`] of the kind `NotFound` if there is no such key or alias in this Region.
    pub async fn describe_key(&self, key_id: String) -> Result<KeyMetadata, KmsError> {
        self.call(DescribeKey { key_id }).await
    }

    /// Random bytes, 1 to 1024.
    ///
    /// # Errors
    /// [`KmsError`] of the kind `InvalidRequest` for another number of bytes.
    pub async fn generate_random(&self, number_of_bytes: u32) -> Result<SecretBytes, KmsError> {
        self.call(GenerateRandom { number_of_bytes }).await
    }

    fn call<C: Call>(&self, call: C) -> impl Future<Output = Result<C::Answer, KmsError>> + Send + 'static {
        self.worker.call(Arc::clone(&self.region), call)
    }
}

impl fmt::Debug for RegionClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegionClient").field("region", &self.region).finish_non_exhaustive()
    }
}

impl KmsClient for RegionClient {
    fn region(&self) -> &str {
        &self.region
    }

    fn generate_data_key(
        &self,
        request: GenerateDataKeyRequest,
    ) -> BoxFuture<'_, Result<GenerateDataKeyResponse, KmsError>> {
        Box::pin(self.call(GenerateDataKey(request)))
    }

    fn generate_data_key_without_plaintext(
        &self,
        request: GenerateDataKeyRequest,
    ) -> BoxFuture<'_, Result<GenerateDataKeyWithoutPlaintextResponse, KmsError>> {
        Box::pin(self.call(GenerateDataKeyWithoutPlaintext::new(request)))
    }

    fn encrypt(&self, request: EncryptRequest) -> BoxFuture<'_, Result<EncryptResponse, KmsError>> {
        Box::pin(self.call(Encrypt(request)))
    }

    fn decrypt(&self, request: DecryptRequest) -> BoxFuture<'_, Result<DecryptResponse, KmsError>> {
        Box::pin(self.call(Decrypt(request)))
    }

    fn re_encrypt(&self, request: ReEncryptRequest) -> BoxFuture<'_, Result<ReEncryptResponse, KmsError>> {
        Box::pin(self.call(ReEncrypt(request)))
    }

    fn describe_key(&self, key_id: String) -> BoxFuture<'_, Result<KeyMetadata, KmsError>> {
        Box::pin(self.call(DescribeKey { key_id }))
    }
}

/// As on AWS, operations that manage a key take its ARN or ID and no alias: ask DescribeKey first.
impl KmsControl for RegionClient {
    fn region(&self) -> &str {
        &self.region
    }

    fn create_key(&self, request: CreateKeyRequest) -> BoxFuture<'_, Result<KeyMetadata, KmsError>> {
        Box::pin(self.call(CreateKey(request)))
    }

    fn describe_key(&self, key_id: String) -> BoxFuture<'_, Result<KeyMetadata, KmsError>> {
        Box::pin(self.call(DescribeKey { key_id }))
    }

    fn list_keys(&self) -> BoxFuture<'_, Result<Vec<KeyListEntry>, KmsError>> {
        Box::pin(self.call(ListKeys))
    }

    fn list_aliases(&self, key_id: Option<String>) -> BoxFuture<'_, Result<Vec<AliasListEntry>, KmsError>> {
        Box::pin(self.call(ListAliases { key_id }))
    }

    fn create_alias(&self, alias_name: String, target_key_id: String) -> BoxFuture<'_, Result<(), KmsError>> {
        Box::pin(self.call(CreateAlias { alias_name, target_key_id }))
    }

    fn update_alias(&self, alias_name: String, target_key_id: String) -> BoxFuture<'_, Result<(), KmsError>> {
        Box::pin(self.call(UpdateAlias { alias_name, target_key_id }))
    }

    fn delete_alias(&self, alias_name: String) -> BoxFuture<'_, Result<(), KmsError>> {
        Box::pin(self.call(DeleteAlias { alias_name }))
    }

    fn enable_key(&self, key_id: String) -> BoxFuture<'_, Result<(), KmsError>> {
        Box::pin(self.call(EnableKey { key_id }))
    }

    fn disable_key(&self, key_id: String) -> BoxFuture<'_, Result<(), KmsError>> {
        Box::pin(self.call(DisableKey { key_id }))
    }

    fn schedule_key_deletion(
        &self,
        key_id: String,
        pending_window_in_days: u32,
    ) -> BoxFuture<'_, Result<ScheduleKeyDeletionResponse, KmsError>> {
        Box::pin(self.call(ScheduleKeyDeletion { key_id, pending_window_in_days }))
    }

    fn cancel_key_deletion(&self, key_id: String) -> BoxFuture<'_, Result<KmsKeyArn, KmsError>> {
        Box::pin(self.call(CancelKeyDeletion { key_id }))
    }
}
