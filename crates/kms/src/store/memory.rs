//! A store in memory: gone with its process, and never written anywhere.

use std::collections::BTreeMap;
use std::time::SystemTime;

use envel_core::SecretBytes;

use super::{Access, KmsStore, StoreError, StoreTransaction};
use crate::key::{Alias, AliasName, Key, KeyId, KeyMaterial, KeyMaterialId, Scope};

/// Keys and aliases in ordered maps.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    keys: BTreeMap<(Scope, KeyId), StoredKey>,
    aliases: BTreeMap<(Scope, AliasName), Alias>,
}

#[derive(Debug)]
struct StoredKey {
    key: Key,
    materials: Vec<KeyMaterial>,
}

/// What a write replaced, to be put back unless it is committed.
enum Replaced {
    Key((Scope, KeyId), Option<StoredKey>),
    Metadata(Key),
    CurrentMaterial((Scope, KeyId), KeyMaterialId),
    Alias((Scope, AliasName), Option<Alias>),
}

struct MemoryTransaction<'store> {
    store: &'store mut MemoryStore,
    replaced: Vec<Replaced>,
}

impl KmsStore for MemoryStore {
    fn begin(&mut self, _access: Access) -> Result<Box<dyn StoreTransaction + '_>, StoreError> {
        Ok(Box::new(MemoryTransaction { store: self, replaced: Vec::new() }))
    }

    #[cfg(feature = "sqlite")]
    fn snapshot(&mut self) -> Result<super::sqlite::Snapshot, StoreError> {
        Err(StoreError::InMemory)
    }
}

impl MemoryTransaction<'_> {
    fn stored(&mut self, scope: &Scope, id: KeyId) -> Result<&mut StoredKey, StoreError> {
        self.store
            .keys
            .get_mut(&(scope.clone(), id))
            .ok_or(StoreError::Damaged { what: "a key is gone".into() })
    }

    fn remove_key(&mut self, place: (Scope, KeyId)) {
        let (scope, id) = &place;
        let aliases =
            self.store.aliases.values().filter(|alias| alias.scope == *scope && alias.target == *id);
        for name in aliases.map(|alias| alias.name.clone()).collect::<Vec<_>>() {
            self.remove_alias((scope.clone(), name));
        }
        let stored = self.store.keys.remove(&place);
        self.replaced.push(Replaced::Key(place, stored));
    }

    fn remove_alias(&mut self, place: (Scope, AliasName)) {
        let alias = self.store.aliases.remove(&place);
        self.replaced.push(Replaced::Alias(place, alias));
    }
}

impl StoreTransaction for MemoryTransaction<'_> {
    fn key(&self, scope: &Scope, id: KeyId) -> Result<Option<Key>, StoreError> {
        Ok(self.store.keys.get(&(scope.clone(), id)).map(|stored| stored.key.clone()))
    }

    fn keys(&self, scope: &Scope) -> Result<Vec<Key>, StoreError> {
        let keys = self.store.keys.values().map(|stored| &stored.key);
        Ok(keys.filter(|key| key.scope == *scope).cloned().collect())
    }

    fn insert_key(&mut self, key: &Key, material: &KeyMaterial) -> Result<(), StoreError> {
        let place = (key.scope.clone(), key.id);
        let stored = StoredKey { key: key.clone(), materials: Vec::new() };
        let before = self.store.keys.insert(place.clone(), stored);
        self.replaced.push(Replaced::Key(place, before));
        self.insert_current_material(&key.scope, key.id, material)
    }

    fn update_key(&mut self, key: &Key) -> Result<(), StoreError> {
        let stored = self.stored(&key.scope, key.id)?;
        let before = std::mem::replace(&mut stored.key, key.clone());
        self.replaced.push(Replaced::Metadata(before));
        Ok(())
    }

    fn insert_current_material(
        &mut self,
        scope: &Scope,
        key: KeyId,
        material: &KeyMaterial,
    ) -> Result<(), StoreError> {
        let stored = self.stored(scope, key)?;
        let before = std::mem::replace(&mut stored.key.current_material, material.id);
        stored.materials.push(duplicate(material));
        self.replaced.push(Replaced::CurrentMaterial((scope.clone(), key), before));
        Ok(())
    }

    fn material(&self, key: &Key, id: KeyMaterialId) -> Result<Option<KeyMaterial>, StoreError> {
        let stored = self.store.keys.get(&(key.scope.clone(), key.id));
        Ok(stored
            .and_then(|stored| stored.materials.iter().find(|material| material.id == id))
            .map(duplicate))
    }

    fn alias(&self, scope: &Scope, name: &AliasName) -> Result<Option<Alias>, StoreError> {
        Ok(self.store.aliases.get(&(scope.clone(), name.clone())).cloned())
    }

    fn aliases(&self, scope: &Scope, target: Option<KeyId>) -> Result<Vec<Alias>, StoreError> {
        let aliases = self.store.aliases.values();
        Ok(aliases
            .filter(|alias| alias.scope == *scope && target.is_none_or(|target| alias.target == target))
            .cloned()
            .collect())
    }

    fn put_alias(&mut self, alias: &Alias) -> Result<(), StoreError> {
        self.stored(&alias.scope, alias.target)?;
        let place = (alias.scope.clone(), alias.name.clone());
        let before = self.store.aliases.insert(place.clone(), alias.clone());
        self.replaced.push(Replaced::Alias(place, before));
        Ok(())
    }

    fn delete_alias(&mut self, scope: &Scope, name: &AliasName) -> Result<(), StoreError> {
        self.remove_alias((scope.clone(), name.clone()));
        Ok(())
    }

    fn next_deletion_date(&self) -> Result<Option<SystemTime>, StoreError> {
        Ok(self.store.keys.values().filter_map(|stored| stored.key.deletion_date).min())
    }

    fn delete_keys_due(&mut self, now: SystemTime) -> Result<(), StoreError> {
        let is_due = |stored: &StoredKey| stored.key.deletion_date.is_some_and(|date| date <= now);
        let due: Vec<_> = self
            .store
            .keys
            .iter()
            .filter(|(_, stored)| is_due(stored))
            .map(|(place, _)| place.clone())
            .collect();
        due.into_iter().for_each(|place| self.remove_key(place));
        Ok(())
    }

    fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        self.replaced.clear();
        Ok(())
    }
}

impl Drop for MemoryTransaction<'_> {
    fn drop(&mut self) {
        for replaced in self.replaced.drain(..).rev() {
            match replaced {
                Replaced::Key(place, Some(stored)) => {
                    self.store.keys.insert(place, stored);
                }
                Replaced::Key(place, None) => {
                    self.store.keys.remove(&place);
                }
                Replaced::Metadata(key) => {
                    if let Some(stored) = self.store.keys.get_mut(&(key.scope.clone(), key.id)) {
                        stored.key = key;
                    }
                }
                Replaced::CurrentMaterial(place, before) => {
                    if let Some(stored) = self.store.keys.get_mut(&place) {
                        stored.materials.pop();
                        stored.key.current_material = before;
                    }
                }
                Replaced::Alias(place, Some(alias)) => {
                    self.store.aliases.insert(place, alias);
                }
                Replaced::Alias(place, None) => {
                    self.store.aliases.remove(&place);
                }
            }
        }
    }
}

fn duplicate(material: &KeyMaterial) -> KeyMaterial {
    KeyMaterial {
        id: material.id,
        creation_date: material.creation_date,
        secret: SecretBytes::copied_from(material.secret.expose_secret()),
    }
}
