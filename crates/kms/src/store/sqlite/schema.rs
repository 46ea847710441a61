//! The database's schema, its versions, and how one becomes the next.

use std::path::Path;
use std::time::Duration;

use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Row, Transaction, TransactionBehavior, params,
};

use super::passphrase::PassphraseParameters;
use super::root_key::{RootKey, StoreId};
use crate::store::StoreError;

/// "ENVL": what SQLite's header says about whose file this is.
const APPLICATION_ID: i32 = 0x454e_564c;

/// How long to wait for another process that writes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// What makes schema version N + 1 of version N. A released entry never changes.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE store (
        singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
        store_id BLOB NOT NULL CHECK (length(store_id) = 16),
        -- Opens under the right root key alone.
        root_key_check BLOB NOT NULL,
        -- Both null: the root key is a file.
        passphrase_parameters BLOB,
        wrapped_root_key BLOB,
        CHECK ((passphrase_parameters IS NULL) = (wrapped_root_key IS NULL))
    ) STRICT;

    CREATE TABLE kms_key (
        account TEXT NOT NULL,
        region TEXT NOT NULL,
        key_id BLOB NOT NULL CHECK (length(key_id) = 16),
        state TEXT NOT NULL,
        description TEXT NOT NULL,
        creation_ms INTEGER NOT NULL,
        deletion_ms INTEGER,
        PRIMARY KEY (account, region, key_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX kms_key_by_deletion ON kms_key (deletion_ms) WHERE deletion_ms IS NOT NULL;

    CREATE TABLE key_material (
        account TEXT NOT NULL,
        region TEXT NOT NULL,
        key_id BLOB NOT NULL,
        material_id BLOB NOT NULL CHECK (length(material_id) = 32),
        state TEXT NOT NULL CHECK (state IN ('CURRENT', 'NON_CURRENT')),
        creation_ms INTEGER NOT NULL,
        sealed_secret BLOB NOT NULL,
        PRIMARY KEY (account, region, key_id, material_id),
        FOREIGN KEY (account, region, key_id) REFERENCES kms_key ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE UNIQUE INDEX key_material_current ON key_material (account, region, key_id) WHERE state = 'CURRENT';

    CREATE TABLE alias (
        account TEXT NOT NULL,
        region TEXT NOT NULL,
        alias_name TEXT NOT NULL,
        key_id BLOB NOT NULL,
        creation_ms INTEGER NOT NULL,
        update_ms INTEGER NOT NULL,
        PRIMARY KEY (account, region, alias_name),
        FOREIGN KEY (account, region, key_id) REFERENCES kms_key ON DELETE CASCADE
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX alias_by_key ON alias (account, region, key_id);
"];

/// The newest schema version known here.
#[expect(clippy::cast_possible_truncation, reason = "there will not be 2^32 migrations")]
pub(super) const VERSION: u32 = MIGRATIONS.len() as u32;

/// Opens a database file that exists.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    // Without SQLITE_OPEN_URI: a directory may be called "file:".
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Any look at the file says whether it is a database.
    connection.pragma_query_value(None, "schema_version", |_| Ok(())).map_err(|error| {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => StoreError::NotAStore { path: path.to_owned() },
            _ => error.into(),
        }
    })?;
    // A key that was answered must survive a power cut: losing it loses its users' data.
    connection.pragma_update(None, "synchronous", "FULL")?;
    // On Apple systems a plain fsync leaves data in the drive's cache.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Deleted key material is overwritten with zeros.
    connection.pragma_update(None, "secure_delete", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    // The file may come from elsewhere.
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Sets how changes reach the file, and checks that it was done.
pub(super) fn set_journal_mode(connection: &Connection, wanted: &str) -> Result<(), StoreError> {
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", wanted, |row| row.get(0))?;
    if mode != wanted {
        return Err(StoreError::Damaged { what: "its journal mode cannot be set".into() });
    }
    Ok(())
}

/// Refuses a file that is no store, or a newer one's; returns its version.
pub(super) fn check_version(connection: &Connection, path: &Path) -> Result<u32, StoreError> {
    let application_id: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if application_id != APPLICATION_ID || found == 0 {
        return Err(StoreError::NotAStore { path: path.to_owned() });
    }
    if found > VERSION {
        return Err(StoreError::SchemaNewer { path: path.to_owned(), found, supported: VERSION });
    }
    Ok(found)
}

/// Brings an older store up to date.
pub(super) fn migrate(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    if check_version(connection, path)? == VERSION {
        return Ok(());
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let from = check_version(&transaction, path)?;
    apply(&transaction, from)?;
    Ok(transaction.commit()?)
}

/// Makes the tables of a new store.
pub(super) fn initialise(connection: &Connection, row: &StoreRow) -> Result<(), StoreError> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    apply(&transaction, 0)?;
    transaction.execute(
        "INSERT INTO store (singleton, store_id, root_key_check) VALUES (1, ?1, ?2)",
        params![row.store_id.0, row.root_key_check],
    )?;
    row.write_protection(&transaction)?;
    Ok(transaction.commit()?)
}

fn apply(transaction: &Transaction<'_>, from: u32) -> Result<(), StoreError> {
    for migration in &MIGRATIONS[from as usize..] {
        transaction.execute_batch(migration)?;
    }
    Ok(transaction.pragma_update(None, "user_version", VERSION)?)
}

/// How the root key is kept.
#[derive(Debug)]
pub(super) enum Protection {
    /// In a file beside the database.
    File,
    /// In the database, sealed under a key that Argon2id makes of a passphrase.
    Passphrase { parameters: PassphraseParameters, wrapped_root_key: Vec<u8> },
}

/// What a store says about itself.
#[derive(Debug)]
pub(super) struct StoreRow {
    pub(super) store_id: StoreId,
    pub(super) root_key_check: Vec<u8>,
    pub(super) protection: Protection,
}

impl StoreRow {
    /// The row of a store with this root key.
    pub(super) fn new(
        store_id: StoreId,
        root_key: &RootKey,
        protection: Protection,
    ) -> Result<Self, StoreError> {
        Ok(Self { store_id, root_key_check: root_key.check_value(store_id)?, protection })
    }

    pub(super) fn read(connection: &Connection) -> Result<Self, StoreError> {
        let from_row = |row: &Row<'_>| {
            let stored: (_, _, Option<Vec<u8>>, Option<Vec<u8>>) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok(stored)
        };
        let (store_id, root_key_check, parameters, wrapped_root_key) = connection
            .query_row(
                "SELECT store_id, root_key_check, passphrase_parameters, wrapped_root_key FROM store",
                (),
                from_row,
            )
            .optional()?
            .ok_or(StoreError::Damaged { what: "it does not say which store it is".into() })?;
        let protection = match parameters.zip(wrapped_root_key) {
            None => Protection::File,
            Some((parameters, wrapped_root_key)) => {
                let parameters = PassphraseParameters::parse(&parameters).ok_or(StoreError::Damaged {
                    what: "its passphrase parameters are out of range".into(),
                })?;
                Protection::Passphrase { parameters, wrapped_root_key }
            }
        };
        Ok(Self { store_id: StoreId(store_id), root_key_check, protection })
    }

    /// Stores how the root key is kept.
    pub(super) fn write_protection(&self, connection: &Connection) -> Result<(), StoreError> {
        let (parameters, wrapped_root_key) = match &self.protection {
            Protection::File => (None, None),
            Protection::Passphrase { parameters, wrapped_root_key } => {
                (Some(parameters.to_bytes()), Some(wrapped_root_key))
            }
        };
        connection.execute(
            "UPDATE store SET passphrase_parameters = ?1, wrapped_root_key = ?2",
            params![parameters, wrapped_root_key],
        )?;
        Ok(())
    }
}
