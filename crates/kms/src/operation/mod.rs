//! The operations: what each checks in its request, which keys it acts on, and what it then does.
//!
//! None of them authorises, counts, throttles or logs: the service does, for all of them alike.

mod cancel_key_deletion;
mod ciphertext;
mod create_alias;
mod create_key;
mod decrypt;
mod delete_alias;
mod describe_key;
mod disable_key;
mod enable_key;
mod encrypt;
mod generate_data_key;
mod generate_data_key_without_plaintext;
mod generate_random;
mod limits;
mod list_aliases;
mod list_keys;
mod re_encrypt;
mod schedule_key_deletion;
#[cfg(test)]
mod tests;
mod update_alias;

use std::time::{Duration, SystemTime};

pub(crate) use cancel_key_deletion::CancelKeyDeletion;
pub(crate) use create_alias::CreateAlias;
pub(crate) use create_key::CreateKey;
pub(crate) use decrypt::Decrypt;
pub(crate) use delete_alias::DeleteAlias;
pub(crate) use describe_key::DescribeKey;
pub(crate) use disable_key::DisableKey;
pub(crate) use enable_key::EnableKey;
pub(crate) use encrypt::Encrypt;
pub(crate) use generate_data_key::GenerateDataKey;
pub(crate) use generate_data_key_without_plaintext::GenerateDataKeyWithoutPlaintext;
pub(crate) use generate_random::GenerateRandom;
pub(crate) use list_aliases::ListAliases;
pub(crate) use list_keys::ListKeys;
pub(crate) use re_encrypt::ReEncrypt;
pub(crate) use schedule_key_deletion::ScheduleKeyDeletion;
pub(crate) use update_alias::UpdateAlias;

use crate::calls::Operation;
use crate::key::{Key, KeyMaterial, KeyMaterialId, Scope};
use crate::refusal::Refusal;
use crate::store::{Access, StoreError, StoreTransaction};

/// One call of one operation, taken through the service's pipeline.
///
/// The order is KMS's: the request's own limits, then which keys it means, then (in the service) whether the caller may, then the
/// keys' states, then whether it is a dry run, and only then the ciphertext.
pub(crate) trait Call: Send + 'static {
    /// Which operation this is.
    const OPERATION: Operation;
    /// Whether it writes to the store.
    const ACCESS: Access;
    /// The keys it acts on.
    type Keys: AsRef<[Key]>;
    /// What the caller gets.
    type Answer: Send + 'static;

    /// The key as the request spells it, for errors.
    fn key_id(&self) -> Option<&str> {
        None
    }

    /// How long the caller waits at most.
    fn deadline(&self) -> Option<Duration> {
        None
    }

    /// Checks what can be checked without knowing any key.
    fn validate(&self) -> Result<(), Refusal>;

    /// Finds the keys.
    fn resolve(&self, workspace: &Workspace<'_>) -> Result<Self::Keys, Refusal>;

    /// Does it.
    fn operate(self, keys: Self::Keys, workspace: &mut Workspace<'_>) -> Result<Self::Answer, Refusal>;
}

/// What a call sees of the KMS: one transaction, one scope, one moment.
pub(crate) struct Workspace<'store> {
    pub(crate) scope: Scope,
    pub(crate) now: SystemTime,
    pub(crate) transaction: Box<dyn StoreTransaction + 'store>,
}

impl Workspace<'_> {
    /// The key material that new ciphertexts of a key are made with.
    fn current_material(&self, key: &Key) -> Result<KeyMaterial, Refusal> {
        let material = self.material(key, key.current_material)?;
        Ok(material.ok_or(StoreError::Damaged { what: "a key's current key material is gone".into() })?)
    }

    fn material(&self, key: &Key, id: KeyMaterialId) -> Result<Option<KeyMaterial>, Refusal> {
        Ok(self.transaction.material(key, id)?)
    }
}

/// Ends a dry run that everything so far would have let through.
fn end_dry_run(dry_run: bool) -> Result<(), Refusal> {
    if dry_run { Err(Refusal::DryRun) } else { Ok(()) }
}
