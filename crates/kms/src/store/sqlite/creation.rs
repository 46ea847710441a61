//! Opening a store and making one, by any number of processes at once, through any crash.
//!
//! Whoever opens holds the directory's lock, so that there is one maker. The maker writes and syncs `root.key.new`, builds the
//! database under the name `kms.sqlite3.new`, and only then renames first the database and then the root key. A crash leaves
//! one of these:
//!
//! | final database | final root key | new root key | meaning |
//! |---|---|---|---|
//! | no | no | any | nothing was finished and no key was ever stored: made afresh |
//! | yes | no | matches | finished but for the last rename: the next one to open does that |
//! | yes | yes | no | a store |
//! | yes | no | no, or of another store | the root key is lost: refused |
//! | no | yes | any | the database is lost: refused |
//!
//! With a passphrase the root key is inside the database, and the first rename finishes it.

use std::path::Path;

use envel_core::SecretBytes;
use rusqlite::Connection;

use super::directory::{self, DirectoryLock, StoreDirectory, io_error};
use super::passphrase::PassphraseParameters;
use super::root_key::{RootKey, StoreId};
use super::schema::{self, Protection, StoreRow};
use crate::store::StoreError;

pub(crate) fn exists(path: &Path) -> bool {
    StoreDirectory::new(path).is_ok_and(|directory| directory.holds_store())
}

pub(crate) fn needs_passphrase(path: &Path) -> Result<bool, StoreError> {
    let directory = StoreDirectory::new(path)?;
    let (_, row) = open_database(&directory, false, None)?;
    Ok(matches!(row.protection, Protection::Passphrase { .. }))
}

pub(super) fn open(
    path: &Path,
    create: bool,
    passphrase: Option<&SecretBytes>,
) -> Result<(Connection, RootKey), StoreError> {
    let directory = StoreDirectory::new(path)?;
    let (connection, row) = open_database(&directory, create, passphrase)?;
    let root_key = open_root_key(&directory, &row, passphrase)?;
    Ok((connection, root_key))
}

/// Opens the database, making the store or finishing its making where that is due.
fn open_database(
    directory: &StoreDirectory,
    create: bool,
    passphrase: Option<&SecretBytes>,
) -> Result<(Connection, StoreRow), StoreError> {
    let no_store = || StoreError::NoStore { directory: directory.path().to_owned() };
    if !create && !directory.holds_store() {
        return Err(no_store());
    }
    if create {
        directory.create()?;
    }
    directory.check()?;
    let lock = directory.lock()?;
    if !directory.holds_database() {
        if directory.holds_store() {
            return Err(StoreError::DatabaseMissing { directory: directory.path().to_owned() });
        }
        if !create {
            return Err(no_store());
        }
        make(directory, passphrase, &lock)?;
    }
    let path = directory.database();
    directory::check_private_file(&path)?;
    let connection = schema::connect(&path)?;
    schema::migrate(&connection, &path)?;
    schema::set_journal_mode(&connection, "wal")?;
    let row = StoreRow::read(&connection)?;
    finish_root_key(directory, &row, &lock)?;
    Ok((connection, row))
}

/// Does the last rename of a making that was interrupted there.
fn finish_root_key(
    directory: &StoreDirectory,
    row: &StoreRow,
    _lock: &DirectoryLock,
) -> Result<(), StoreError> {
    let (path, new_path) = (directory.root_key(), directory.new_root_key());
    if !matches!(row.protection, Protection::File) || path.exists() || !new_path.exists() {
        return Ok(());
    }
    let root_key = RootKey::read(&new_path, row.store_id)?;
    if !root_key.matches(row.store_id, &row.root_key_check) {
        return Err(StoreError::RootKeyMissing { path });
    }
    directory::rename(&new_path, &path)?;
    directory.sync()
}

fn open_root_key(
    directory: &StoreDirectory,
    row: &StoreRow,
    passphrase: Option<&SecretBytes>,
) -> Result<RootKey, StoreError> {
    let store = || directory.path().to_owned();
    match (&row.protection, passphrase) {
        (Protection::File, Some(_)) => Err(StoreError::PassphraseNotUsed { directory: store() }),
        (Protection::Passphrase { .. }, None) => Err(StoreError::PassphraseNeeded { directory: store() }),
        (Protection::File, None) => {
            let path = directory.root_key();
            let root_key = RootKey::read(&path, row.store_id)?;
            if !root_key.matches(row.store_id, &row.root_key_check) {
                return Err(StoreError::RootKeyWrong { path });
            }
            Ok(root_key)
        }
        (Protection::Passphrase { parameters, wrapped_root_key }, Some(passphrase)) => {
            RootKey::unwrap(row.store_id, *parameters, passphrase, wrapped_root_key)?
                .filter(|root_key| root_key.matches(row.store_id, &row.root_key_check))
                .ok_or_else(|| StoreError::PassphraseWrong { path: directory.database() })
        }
    }
}

/// Makes an empty store.
fn make(
    directory: &StoreDirectory,
    passphrase: Option<&SecretBytes>,
    lock: &DirectoryLock,
) -> Result<(), StoreError> {
    let (store_id, root_key) = (StoreId::random()?, RootKey::random()?);
    remove_unfinished(directory, lock)?;
    let protection = protect(directory, store_id, &root_key, passphrase)?;
    let path = directory.new_database();
    directory::create_private_file(&path)?;
    let connection = schema::connect(&path)?;
    schema::initialise(&connection, &StoreRow::new(store_id, &root_key, protection)?)?;
    publish(directory, connection, lock)
}

/// Removes what an interrupted making left behind. No key was ever stored in it.
pub(super) fn remove_unfinished(directory: &StoreDirectory, _lock: &DirectoryLock) -> Result<(), StoreError> {
    directory::remove_if_present(&directory.new_root_key())?;
    let database = directory.new_database();
    for suffix in ["", "-journal", "-wal", "-shm"] {
        let mut path = database.clone().into_os_string();
        path.push(suffix);
        directory::remove_if_present(Path::new(&path))?;
    }
    Ok(())
}

/// Keeps the root key of a store that is being made: sealed under the passphrase, or in a file that survives a power cut.
pub(super) fn protect(
    directory: &StoreDirectory,
    store_id: StoreId,
    root_key: &RootKey,
    passphrase: Option<&SecretBytes>,
) -> Result<Protection, StoreError> {
    let Some(passphrase) = passphrase else {
        root_key.write(&directory.new_root_key(), store_id)?;
        directory.sync()?;
        return Ok(Protection::File);
    };
    let parameters = PassphraseParameters::random()?;
    let wrapped_root_key = root_key.wrap(store_id, parameters, passphrase)?;
    Ok(Protection::Passphrase { parameters, wrapped_root_key })
}

/// Gives a complete store its final names.
pub(super) fn publish(
    directory: &StoreDirectory,
    connection: Connection,
    _lock: &DirectoryLock,
) -> Result<(), StoreError> {
    // All of it must be in the one file that is renamed.
    schema::set_journal_mode(&connection, "delete")?;
    connection.close().map_err(|(_, error)| error)?;
    let new_database = directory.new_database();
    std::fs::File::open(&new_database)
        .and_then(|file| file.sync_all())
        .map_err(io_error("sync", &new_database))?;
    directory::rename(&new_database, &directory.database())?;
    directory.sync()?;
    if directory.new_root_key().exists() {
        directory::rename(&directory.new_root_key(), &directory.root_key())?;
        directory.sync()?;
    }
    Ok(())
}
