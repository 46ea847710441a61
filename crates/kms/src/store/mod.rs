//! Where keys, key material and aliases are kept.
//!
//! A store gives transactions. Other processes may change a store on disk at any time, so nothing is remembered between two of
//! them. Everything that is read in one transaction is of one moment.

#[cfg(test)]
mod conformance;
mod error;
mod memory;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;

use std::fmt;
use std::time::SystemTime;

pub use error::StoreError;
pub(crate) use memory::MemoryStore;

use crate::key::{Alias, AliasName, Key, KeyId, KeyMaterial, KeyMaterialId, Scope};

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Reads; does not wait for writers.
    Read,
    /// Reads and writes, alone: other writers wait.
    Write,
    /// As `Write`, but busy at once where `Write` would wait.
    WriteUnlessBusy,
}

/// A place for keys.
pub(crate) trait KmsStore: Send + fmt::Debug {
    /// Begins a transaction.
    fn begin(&mut self, access: Access) -> Result<Box<dyn StoreTransaction + '_>, StoreError>;

    /// A copy of the whole store at one moment, for a backup.
    #[cfg(feature = "sqlite")]
    fn snapshot(&mut self) -> Result<sqlite::Snapshot, StoreError>;
}

/// Reads and writes that take effect together at [`StoreTransaction::commit`], or, if it is dropped before, not at all.
pub(crate) trait StoreTransaction {
    /// A key, without its key material.
    fn key(&self, scope: &Scope, id: KeyId) -> Result<Option<Key>, StoreError>;

    /// The keys of a scope, by ID.
    fn keys(&self, scope: &Scope) -> Result<Vec<Key>, StoreError>;

    /// Adds a key that is not there yet, with its first key material.
    fn insert_key(&mut self, key: &Key, material: &KeyMaterial) -> Result<(), StoreError>;

    /// Stores the state, description and deletion date of a key that is there.
    fn update_key(&mut self, key: &Key) -> Result<(), StoreError>;

    /// Adds key material and makes it the current one.
    fn insert_current_material(
        &mut self,
        scope: &Scope,
        key: KeyId,
        material: &KeyMaterial,
    ) -> Result<(), StoreError>;

    /// Key material of a key, current or not.
    fn material(&self, key: &Key, id: KeyMaterialId) -> Result<Option<KeyMaterial>, StoreError>;

    /// An alias.
    fn alias(&self, scope: &Scope, name: &AliasName) -> Result<Option<Alias>, StoreError>;

    /// The aliases of a scope, or of one key in it, by name.
    fn aliases(&self, scope: &Scope, target: Option<KeyId>) -> Result<Vec<Alias>, StoreError>;

    /// Adds an alias, or replaces the one of that name. Its key must be there.
    fn put_alias(&mut self, alias: &Alias) -> Result<(), StoreError>;

    /// Removes an alias.
    fn delete_alias(&mut self, scope: &Scope, name: &AliasName) -> Result<(), StoreError>;

    /// The earliest deletion date of any key in the store.
    fn next_deletion_date(&self) -> Result<Option<SystemTime>, StoreError>;

    /// Removes every key whose deletion date has come, with its aliases, and wipes its key material.
    fn delete_keys_due(&mut self, now: SystemTime) -> Result<(), StoreError>;

    /// Makes the writes last: in a store on disk they survive a power cut once this returns.
    fn commit(self: Box<Self>) -> Result<(), StoreError>;
}
