//! A store in a directory: a SQLite database, shared by any number of processes.
//!
//! | file | what |
//! |---|---|
//! | `kms.sqlite3` (`-wal`, `-shm`) | the database; key material in it is sealed under the root key |
//! | `root.key` | the root key, unless a passphrase protects it |
//! | `kms.lock` | locked by whoever opens, makes or restores the store |
//! | `kms.sqlite3.new`, `root.key.new` | a store that is being made |
//!
//! Only SQLite opens `kms.sqlite3`: a process that closes any other descriptor of it loses SQLite's locks on it.

mod backup;
mod creation;
mod directory;
mod passphrase;
mod root_key;
mod schema;
#[cfg(test)]
mod tests;
mod transaction;

use std::path::Path;
use std::time::Duration;

use envel_core::SecretBytes;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

pub(crate) use backup::{Snapshot, check_target as check_backup_target, restore, write as write_backup};
pub(crate) use creation::{exists, needs_passphrase};

use self::root_key::RootKey;
use self::schema::BUSY_TIMEOUT;
use self::transaction::SqliteTransaction;
use super::{Access, KmsStore, StoreError, StoreTransaction};

/// An open database and the root key of what it holds.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    connection: Connection,
    root_key: RootKey,
}

impl SqliteStore {
    /// Opens the store in a directory, or makes it if there is none and `create` says so.
    pub(crate) fn open(
        directory: &Path,
        create: bool,
        passphrase: Option<&SecretBytes>,
    ) -> Result<Self, StoreError> {
        let (connection, root_key) = creation::open(directory, create, passphrase)?;
        Ok(Self { connection, root_key })
    }
}

impl KmsStore for SqliteStore {
    fn begin(&mut self, access: Access) -> Result<Box<dyn StoreTransaction + '_>, StoreError> {
        let (behavior, patience) = match access {
            Access::Read => (TransactionBehavior::Deferred, BUSY_TIMEOUT),
            Access::Write => (TransactionBehavior::Immediate, BUSY_TIMEOUT),
            Access::WriteUnlessBusy => (TransactionBehavior::Immediate, Duration::ZERO),
        };
        self.connection.busy_timeout(patience)?;
        Ok(Box::new(SqliteTransaction::begin(&self.connection, &self.root_key, behavior)?))
    }

    fn snapshot(&mut self) -> Result<Snapshot, StoreError> {
        Snapshot::take(&mut self.connection, &self.root_key)
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DiskFull) => Self::DiskFull { source: Box::new(error) },
            Some(ErrorCode::SystemIoFailure) => Self::DiskFailed { source: Box::new(error) },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { what: error.to_string().into() }
            }
            _ => Self::Database { source: Box::new(error) },
        }
    }
}
