//! Keys, key material and aliases as rows.

use std::time::{Duration, SystemTime};

use envel_core::kms::KeyState;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, Transaction, TransactionBehavior, params};

use super::root_key::RootKey;
use crate::key::{Alias, AliasName, Key, KeyId, KeyMaterial, KeyMaterialId, Scope};
use crate::store::{StoreError, StoreTransaction};

const SELECT_KEY: &str = "
    SELECT k.account, k.region, k.key_id, k.state, k.description, k.creation_ms, k.deletion_ms, m.material_id
    FROM kms_key k JOIN key_material m USING (account, region, key_id)
    WHERE m.state = 'CURRENT' AND k.account = ?1 AND k.region = ?2";

const SELECT_ALIAS: &str = "
    SELECT account, region, alias_name, key_id, creation_ms, update_ms FROM alias WHERE account = ?1 AND region = ?2";

/// One transaction of the database. Dropped, it is rolled back.
pub(super) struct SqliteTransaction<'store> {
    connection: &'store Connection,
    transaction: Transaction<'store>,
    root_key: &'store RootKey,
    has_wiped: bool,
}

impl<'store> SqliteTransaction<'store> {
    pub(super) fn begin(
        connection: &'store Connection,
        root_key: &'store RootKey,
        behavior: TransactionBehavior,
    ) -> Result<Self, StoreError> {
        let transaction = Transaction::new_unchecked(connection, behavior)?;
        Ok(Self { connection, transaction, root_key, has_wiped: false })
    }

    /// Opens all key material of the store, to see whether it does.
    pub(super) fn check_all_material(&self) -> Result<(), StoreError> {
        let mut statement = self
            .transaction
            .prepare("SELECT account, region, key_id, material_id, sealed_secret FROM key_material")?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let scope = Scope { account: row.get(0)?, region: row.get(1)? };
            let key = KeyId::from_bytes(row.get(2)?);
            let material = KeyMaterialId::from_bytes(row.get(3)?);
            self.root_key.open_material(
                &scope,
                key,
                material,
                row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?,
            )?;
        }
        Ok(())
    }

    fn changed_one(changed: usize) -> Result<(), StoreError> {
        if changed == 1 { Ok(()) } else { Err(StoreError::Damaged { what: "a key is gone".into() }) }
    }
}

impl StoreTransaction for SqliteTransaction<'_> {
    fn key(&self, scope: &Scope, id: KeyId) -> Result<Option<Key>, StoreError> {
        let mut statement = self.transaction.prepare_cached(&format!("{SELECT_KEY} AND k.key_id = ?3"))?;
        let parameters = params![scope.account, scope.region, id.as_bytes()];
        statement.query_row(parameters, |row| Ok(key_of(row))).optional()?.transpose()
    }

    fn keys(&self, scope: &Scope) -> Result<Vec<Key>, StoreError> {
        let mut statement = self.transaction.prepare_cached(&format!("{SELECT_KEY} ORDER BY k.key_id"))?;
        let keys = statement.query_map(params![scope.account, scope.region], |row| Ok(key_of(row)))?;
        keys.map(|key| key?).collect()
    }

    fn insert_key(&mut self, key: &Key, material: &KeyMaterial) -> Result<(), StoreError> {
        self.transaction.execute(
            "INSERT INTO kms_key (account, region, key_id, state, description, creation_ms, deletion_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                key.scope.account,
                key.scope.region,
                key.id.as_bytes(),
                key.state.as_str(),
                key.description,
                milliseconds(key.creation_date)?,
                key.deletion_date.map(milliseconds).transpose()?,
            ],
        )?;
        self.insert_current_material(&key.scope, key.id, material)
    }

    fn update_key(&mut self, key: &Key) -> Result<(), StoreError> {
        let changed = self.transaction.execute(
            "UPDATE kms_key SET state = ?4, description = ?5, deletion_ms = ?6
             WHERE account = ?1 AND region = ?2 AND key_id = ?3",
            params![
                key.scope.account,
                key.scope.region,
                key.id.as_bytes(),
                key.state.as_str(),
                key.description,
                key.deletion_date.map(milliseconds).transpose()?,
            ],
        )?;
        Self::changed_one(changed)
    }

    fn insert_current_material(
        &mut self,
        scope: &Scope,
        key: KeyId,
        material: &KeyMaterial,
    ) -> Result<(), StoreError> {
        self.transaction.execute(
            "UPDATE key_material SET state = 'NON_CURRENT'
             WHERE account = ?1 AND region = ?2 AND key_id = ?3 AND state = 'CURRENT'",
            params![scope.account, scope.region, key.as_bytes()],
        )?;
        let changed = self.transaction.execute(
            "INSERT INTO key_material (account, region, key_id, material_id, state, creation_ms, sealed_secret)
             VALUES (?1, ?2, ?3, ?4, 'CURRENT', ?5, ?6)",
            params![
                scope.account,
                scope.region,
                key.as_bytes(),
                material.id.as_bytes(),
                milliseconds(material.creation_date)?,
                self.root_key.seal_material(scope, key, material)?,
            ],
        )?;
        Self::changed_one(changed)
    }

    fn material(&self, key: &Key, id: KeyMaterialId) -> Result<Option<KeyMaterial>, StoreError> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT creation_ms, sealed_secret FROM key_material
             WHERE account = ?1 AND region = ?2 AND key_id = ?3 AND material_id = ?4",
        )?;
        let parameters = params![key.scope.account, key.scope.region, key.id.as_bytes(), id.as_bytes()];
        let stored = statement
            .query_row(parameters, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?)))
            .optional()?;
        let Some((creation_ms, sealed)) = stored else { return Ok(None) };
        let secret = self.root_key.open_material(&key.scope, key.id, id, &sealed)?;
        Ok(Some(KeyMaterial { id, creation_date: time(creation_ms)?, secret }))
    }

    fn alias(&self, scope: &Scope, name: &AliasName) -> Result<Option<Alias>, StoreError> {
        let mut statement =
            self.transaction.prepare_cached(&format!("{SELECT_ALIAS} AND alias_name = ?3"))?;
        let parameters = params![scope.account, scope.region, name.as_str()];
        statement.query_row(parameters, |row| Ok(alias_of(row))).optional()?.transpose()
    }

    fn aliases(&self, scope: &Scope, target: Option<KeyId>) -> Result<Vec<Alias>, StoreError> {
        let which = if target.is_some() { " AND key_id = ?3" } else { "" };
        let sql = format!("{SELECT_ALIAS}{which} ORDER BY alias_name");
        let mut statement = self.transaction.prepare_cached(&sql)?;
        let mut parameters: Vec<&dyn ToSql> = vec![&scope.account, &scope.region];
        let target = target.map(|id| *id.as_bytes());
        parameters.extend(target.as_ref().map(|id| id as &dyn ToSql));
        let aliases = statement.query_map(parameters.as_slice(), |row| Ok(alias_of(row)))?;
        aliases.map(|alias| alias?).collect()
    }

    fn put_alias(&mut self, alias: &Alias) -> Result<(), StoreError> {
        self.transaction.execute(
            "INSERT INTO alias (account, region, alias_name, key_id, creation_ms, update_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (account, region, alias_name)
             DO UPDATE SET key_id = ?4, creation_ms = ?5, update_ms = ?6",
            params![
                alias.scope.account,
                alias.scope.region,
                alias.name.as_str(),
                alias.target.as_bytes(),
                milliseconds(alias.creation_date)?,
                milliseconds(alias.last_updated_date)?,
            ],
        )?;
        Ok(())
    }

    fn delete_alias(&mut self, scope: &Scope, name: &AliasName) -> Result<(), StoreError> {
        self.transaction.execute(
            "DELETE FROM alias WHERE account = ?1 AND region = ?2 AND alias_name = ?3",
            params![scope.account, scope.region, name.as_str()],
        )?;
        Ok(())
    }

    fn next_deletion_date(&self) -> Result<Option<SystemTime>, StoreError> {
        let mut statement = self.transaction.prepare_cached(
            "SELECT deletion_ms FROM kms_key WHERE deletion_ms IS NOT NULL ORDER BY deletion_ms LIMIT 1",
        )?;
        let earliest: Option<i64> = statement.query_row((), |row| row.get(0)).optional()?;
        earliest.map(time).transpose()
    }

    fn delete_keys_due(&mut self, now: SystemTime) -> Result<(), StoreError> {
        // Key material and aliases go with the key.
        let deleted =
            self.transaction.execute("DELETE FROM kms_key WHERE deletion_ms <= ?1", [milliseconds(now)?])?;
        self.has_wiped |= deleted > 0;
        Ok(())
    }

    fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.transaction.commit()?;
        if self.has_wiped {
            // The pages were overwritten; the log may still hold older ones. A reader in another process can keep some of it until the
            // next checkpoint: what is left there is sealed under the root key.
            self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()))?;
        }
        Ok(())
    }
}

fn key_of(row: &Row<'_>) -> Result<Key, StoreError> {
    let state = match row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)? {
        "Enabled" => KeyState::Enabled,
        "Disabled" => KeyState::Disabled,
        "PendingDeletion" => KeyState::PendingDeletion,
        _ => return Err(StoreError::Damaged { what: "a key is in an unknown state".into() }),
    };
    Ok(Key {
        scope: Scope { account: row.get(0)?, region: row.get(1)? },
        id: KeyId::from_bytes(row.get(2)?),
        state,
        description: row.get(4)?,
        creation_date: time(row.get(5)?)?,
        deletion_date: row.get::<_, Option<i64>>(6)?.map(time).transpose()?,
        current_material: KeyMaterialId::from_bytes(row.get(7)?),
    })
}

fn alias_of(row: &Row<'_>) -> Result<Alias, StoreError> {
    let name = AliasName::parse(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?);
    Ok(Alias {
        scope: Scope { account: row.get(0)?, region: row.get(1)? },
        name: name.map_err(|_| StoreError::Damaged { what: "an alias breaks the rules for names".into() })?,
        target: KeyId::from_bytes(row.get(3)?),
        creation_date: time(row.get(4)?)?,
        last_updated_date: time(row.get(5)?)?,
    })
}

fn milliseconds(time: SystemTime) -> Result<i64, StoreError> {
    let since_epoch = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis())
        .map_err(|_| StoreError::Damaged { what: "a date is out of range".into() })
}

fn time(milliseconds: i64) -> Result<SystemTime, StoreError> {
    u64::try_from(milliseconds)
        .ok()
        .and_then(|milliseconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds)))
        .ok_or(StoreError::Damaged { what: "a date is out of range".into() })
}
