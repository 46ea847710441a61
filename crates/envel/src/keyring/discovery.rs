//! Unwraps with whatever KMS key a message names.

use std::collections::BTreeSet;
use std::sync::Arc;

use envel_core::{BoxFuture, EncryptedDataKey, KmsClients, KmsKeyArn, SecretBytes};

use super::kms::{KmsEntry, decrypt, kms_entries};
use super::{Keyring, UnwrapOutcome, UnwrapRequest, WrapOutcome, WrapRequest};
use crate::error::KeyringError;

/// Which accounts' keys a discovery keyring may use.
///
/// ```
/// use envel::DiscoveryFilter;
///
/// let filter = DiscoveryFilter::new("aws", ["111122223333"]);
/// assert!(filter.allows(&"arn:aws:kms:us-east-1:111122223333:key/1".parse().unwrap()));
/// assert!(!filter.allows(&"arn:aws:kms:us-east-1:444455556666:key/1".parse().unwrap()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryFilter {
    partition: String,
    accounts: BTreeSet<String>,
}

impl DiscoveryFilter {
    /// Keys of these accounts in this partition (`aws`, `aws-cn`, `aws-us-gov`). Without accounts it allows none.
    pub fn new<A: Into<String>>(partition: impl Into<String>, accounts: impl IntoIterator<Item = A>) -> Self {
        Self { partition: partition.into(), accounts: accounts.into_iter().map(Into::into).collect() }
    }

    /// Whether this key may be used.
    pub fn allows(&self, arn: &KmsKeyArn) -> bool {
        arn.partition() == self.partition && self.accounts.contains(arn.account())
    }
}

/// A keyring that unwraps with whatever KMS key the message names. It never encrypts.
///
/// # Security
/// The message's author chooses the key: without a filter, the encryption context goes to whatever account the message
/// names, and that account's owner chooses the data key. Prefer [`super::KmsKeyring`].
///
/// # Cost
/// One Decrypt for each encrypted data key that the filter allows, until one opens, each in the Region that it names.
///
/// # Specification
/// `framework/aws-kms/aws-kms-discovery-keyring.md`.
#[derive(Debug)]
pub struct KmsDiscoveryKeyring {
    clients: Arc<dyn KmsClients>,
    filter: Option<DiscoveryFilter>,
    grant_tokens: Vec<String>,
}

impl KmsDiscoveryKeyring {
    /// Uses keys that the filter allows; any key at all without one.
    pub fn new(clients: Arc<dyn KmsClients>, filter: Option<DiscoveryFilter>) -> Self {
        Self { clients, filter, grant_tokens: Vec::new() }
    }

    /// Sends grant tokens with each call.
    #[must_use]
    pub fn grant_tokens(mut self, tokens: Vec<String>) -> Self {
        self.grant_tokens = tokens;
        self
    }

    async fn unwrap(&self, request: UnwrapRequest<'_>) -> UnwrapOutcome {
        let mut outcome = UnwrapOutcome::default();
        let entries = match kms_entries(&request) {
            Ok(entries) => entries,
            Err((index, error)) => {
                outcome.record(&request, index, "KMS discovery", Err(error));
                return outcome;
            }
        };
        for KmsEntry { index, edk, arn } in entries {
            let opened = self.open(&arn, edk, &request).await;
            outcome.record(&request, index, &format!("KMS key {arn}"), opened);
            if outcome.unwrapped.is_some() {
                break;
            }
        }
        outcome
    }

    async fn open(
        &self,
        arn: &KmsKeyArn,
        edk: &EncryptedDataKey,
        request: &UnwrapRequest<'_>,
    ) -> Result<(SecretBytes, Option<String>), KeyringError> {
        if self.filter.as_ref().is_some_and(|filter| !filter.allows(arn)) {
            return Err(KeyringError::ExcludedByFilter(arn.to_string()));
        }
        let client = self.clients.client_for_region(arn.region()).await?;
        decrypt(&*client, arn.as_str(), edk, request.encryption_context, &self.grant_tokens).await
    }
}

impl Keyring for KmsDiscoveryKeyring {
    fn wrap_data_key<'a>(
        &'a self,
        _request: WrapRequest<'a>,
    ) -> BoxFuture<'a, Result<WrapOutcome, KeyringError>> {
        Box::pin(std::future::ready(Err(KeyringError::CannotEncrypt("KMS discovery"))))
    }

    fn unwrap_data_key<'a>(&'a self, request: UnwrapRequest<'a>) -> BoxFuture<'a, UnwrapOutcome> {
        Box::pin(self.unwrap(request))
    }
}
