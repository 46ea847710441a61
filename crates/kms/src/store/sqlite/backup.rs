//! Backups: the whole store in one file, sealed under a passphrase.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `ENVELKB` and the version of this layout: 1 |
//! | 28 | Argon2id's memory in KiB, passes and lanes, and the salt |
//! | rest | sealed under the passphrase's key, with the bytes before as AAD: the root key, then the database |

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::Path;

use envel_core::SecretBytes;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::creation;
use super::directory::{self, StoreDirectory, io_error};
use super::passphrase::{self, PassphraseParameters};
use super::root_key::RootKey;
use super::schema::{self, StoreRow};
use super::transaction::SqliteTransaction;
use crate::sealed::{self, Purpose};
use crate::store::StoreError;

const MAGIC: &[u8; 8] = b"ENVELKB\x01";
const HEADER_LEN: usize = MAGIC.len() + PassphraseParameters::LEN;

/// Where a database file says how it is written and read, and what stands there for one without a write-ahead log.
const FORMAT_VERSIONS: Range<usize> = 18..20;
const ROLLBACK_JOURNAL: u8 = 1;

/// The largest database that a backup holds: it passes through memory.
const MAX_DATABASE_LEN: u64 = 1 << 30;
const MAX_FILE_LEN: u64 = MAX_DATABASE_LEN + (HEADER_LEN + sealed::OVERHEAD + RootKey::LEN) as u64;

/// A store at one moment. The most secret thing there is.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// The root key, then the database file.
    pub(super) contents: SecretBytes,
    pub(super) rows: RowCounts,
}

/// How many keys, key materials and aliases a database holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowCounts([i64; 3]);

impl RowCounts {
    fn read(connection: &Connection) -> rusqlite::Result<Self> {
        connection.query_row(
            "SELECT (SELECT count(*) FROM kms_key), (SELECT count(*) FROM key_material), (SELECT count(*) FROM alias)",
            (),
            |row| Ok(Self([row.get(0)?, row.get(1)?, row.get(2)?])),
        )
    }
}

impl Snapshot {
    pub(super) fn take(connection: &mut Connection, root_key: &RootKey) -> Result<Self, StoreError> {
        // What is counted and what is copied is of one transaction.
        connection.execute_batch("BEGIN")?;
        let snapshot = Self::copy(connection, root_key);
        let ended = connection.execute_batch("ROLLBACK");
        let snapshot = snapshot?;
        ended?;
        Ok(snapshot)
    }

    fn copy(connection: &mut Connection, root_key: &RootKey) -> Result<Self, StoreError> {
        let rows = RowCounts::read(connection)?;
        let page_count: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        let page_size: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let length = u64::from(page_count) * u64::from(page_size);
        if length > MAX_DATABASE_LEN {
            return Err(StoreError::BackupTooLarge { length, limit: MAX_DATABASE_LEN });
        }
        let image = connection.serialize("main")?;
        let contents = SecretBytes::filled_by(RootKey::LEN + image.len(), |contents| {
            let (key_part, image_part) = contents.split_at_mut(RootKey::LEN);
            key_part.copy_from_slice(root_key.expose_secret());
            image_part.copy_from_slice(&image);
            // The image has no write-ahead log, and without this mark it opens in memory, too.
            if let Some(format_versions) = image_part.get_mut(FORMAT_VERSIONS) {
                format_versions.fill(ROLLBACK_JOURNAL);
            }
        });
        Ok(Self { contents, rows })
    }

    /// Checks that a restore will take this: SQLite copies a page that it cannot read as zeros, without an error.
    pub(super) fn verify(&self) -> Result<(), StoreError> {
        let damaged = |what: &'static str| StoreError::Damaged { what: what.into() };
        let (root_key, image) = split(&self.contents).ok_or_else(|| damaged("its copy is too short"))?;
        let mut connection = Connection::open_in_memory()?;
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.deserialize_read_exact("main", image, image.len(), true)?;
        verify(&connection, &root_key)?;
        if RowCounts::read(&connection)? != self.rows {
            return Err(damaged("its copy lacks keys or aliases"));
        }
        Ok(())
    }
}

/// The root key and the database file of a snapshot's contents.
fn split(contents: &SecretBytes) -> Option<(RootKey, &[u8])> {
    let (root_key, image) = contents.expose_secret().split_at_checked(RootKey::LEN)?;
    Some((RootKey::from_bytes(root_key)?, image))
}

/// Refuses what a backup could not be written to, before any work.
pub(crate) fn check_target(file: &Path, passphrase: &SecretBytes) -> Result<(), StoreError> {
    passphrase::check(passphrase)?;
    if fs::exists(file).map_err(io_error("examine", file))? {
        return Err(StoreError::BackupExists { path: file.to_owned() });
    }
    Ok(())
}

/// Seals a snapshot into a new file, if it can be restored.
pub(crate) fn write(snapshot: &Snapshot, path: &Path, passphrase: &SecretBytes) -> Result<(), StoreError> {
    snapshot.verify()?;
    let parameters = PassphraseParameters::random()?;
    let key = parameters.derive(passphrase)?;
    let header = [&MAGIC[..], &parameters.to_bytes()].concat();
    let mut contents = header.clone();
    sealed::seal_onto(&mut contents, &key, Purpose::Backup, &header, snapshot.contents.expose_secret())?;

    let absolute = std::path::absolute(path).map_err(io_error("find", path))?;
    let parent = absolute.parent().unwrap_or(&absolute);
    create_whole(&absolute, parent, &contents).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => StoreError::BackupExists { path: path.to_owned() },
        _ => io_error("write", path)(error),
    })?;
    directory::sync_directory(parent)
}

/// Makes a file that appears when it is written and synced, for its owner alone, where there is none.
fn create_whole(path: &Path, parent: &Path, contents: &[u8]) -> io::Result<()> {
    if let Some(mut file) = directory::create_unnamed(parent)? {
        file.write_all(contents)?;
        file.sync_all()?;
        return directory::name_unnamed(&file, path);
    }
    let mut temporary = tempfile::Builder::new().prefix(".envel-backup-").tempfile_in(parent)?;
    temporary.write_all(contents)?;
    temporary.as_file().sync_all()?;
    temporary.persist_noclobber(path)?;
    Ok(())
}

/// Makes a store of a backup.
pub(crate) fn restore(
    file: &Path,
    path: &Path,
    backup_passphrase: &SecretBytes,
    store_passphrase: Option<&SecretBytes>,
) -> Result<(), StoreError> {
    let directory = StoreDirectory::new(path)?;
    let exists = || StoreError::StoreExists { directory: directory.path().to_owned() };
    if directory.holds_store() {
        return Err(exists());
    }
    let contents = read(file, backup_passphrase)?;
    let (root_key, image) = split(&contents).ok_or_else(|| not_a_backup(file, "it is too short"))?;

    directory.create()?;
    directory.check()?;
    let lock = directory.lock()?;
    if directory.holds_store() {
        return Err(exists());
    }
    creation::remove_unfinished(&directory, &lock)?;
    let restored = rebuild(&directory, &root_key, image, store_passphrase)
        .and_then(|connection| creation::publish(&directory, connection, &lock));
    if restored.is_err() && !directory.holds_store() {
        creation::remove_unfinished(&directory, &lock)?;
    }
    restored
}

/// Writes the database under its unfinished name, verifies it, and protects its root key anew.
fn rebuild(
    directory: &StoreDirectory,
    root_key: &RootKey,
    image: &[u8],
    passphrase: Option<&SecretBytes>,
) -> Result<Connection, StoreError> {
    let path = directory.new_database();
    directory::create_private_file(&path)?.write_all(image).map_err(io_error("write", &path))?;
    let connection = schema::connect(&path)?;
    schema::check_version(&connection, &path)?;
    verify(&connection, root_key)?;
    schema::migrate(&connection, &path)?;

    let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)?;
    let mut row = StoreRow::read(&transaction)?;
    row.protection = creation::protect(directory, row.store_id, root_key, passphrase)?;
    row.write_protection(&transaction)?;
    transaction.commit()?;
    Ok(connection)
}

/// Checks that the database is sound and that the root key opens everything in it.
fn verify(connection: &Connection, root_key: &RootKey) -> Result<(), StoreError> {
    let verdict: String = connection.pragma_query_value(None, "integrity_check", |row| row.get(0))?;
    if verdict != "ok" {
        return Err(StoreError::Damaged { what: "its database is not sound".into() });
    }
    let row = StoreRow::read(connection)?;
    if !root_key.matches(row.store_id, &row.root_key_check) {
        return Err(StoreError::Damaged { what: "its root key is another store's".into() });
    }
    SqliteTransaction::begin(connection, root_key, TransactionBehavior::Deferred)?.check_all_material()
}

fn read(path: &Path, passphrase: &SecretBytes) -> Result<SecretBytes, StoreError> {
    let file = File::open(path).map_err(io_error("open", path))?;
    let mut contents = Vec::new();
    file.take(MAX_FILE_LEN + 1).read_to_end(&mut contents).map_err(io_error("read", path))?;
    if contents.len() as u64 > MAX_FILE_LEN {
        return Err(not_a_backup(path, "it is too long"));
    }
    let (header, sealed) =
        contents.split_at_checked(HEADER_LEN).ok_or_else(|| not_a_backup(path, "it is too short"))?;
    let parameters =
        header.strip_prefix(MAGIC).ok_or_else(|| not_a_backup(path, "it does not begin like one"))?;
    let parameters = PassphraseParameters::parse(parameters)
        .ok_or_else(|| not_a_backup(path, "its passphrase parameters are out of range"))?;
    let key = parameters.derive(passphrase)?;
    sealed::open(&key, Purpose::Backup, header, sealed)
        .map_err(|_| StoreError::PassphraseWrong { path: path.to_owned() })
}

fn not_a_backup(path: &Path, reason: &'static str) -> StoreError {
    StoreError::NotABackup { path: path.to_owned(), reason }
}
