//! What can go wrong with a store.

use std::borrow::Cow;
use std::error::Error;
use std::io;
use std::path::PathBuf;

use envel_core::CryptoError;

/// A store that could not be opened, read or written: what happened, to which file, and what to do next.
///
/// # Errors
/// [`StoreError::is_busy`] tells the one that waiting can help, [`StoreError::is_disk_full`] those that room can.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no store, and making one was not asked for.
    #[error("there is no key store at {}: create one, restore a backup, or name the right directory", directory.display())]
    NoStore {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// A store is in the way of one to be restored.
    #[error("there is a key store at {}, and a restore never replaces one: restore into another directory", directory.display())]
    StoreExists {
        /// Where it is.
        directory: PathBuf,
    },
    /// The database is gone; other files of its store are still there.
    #[error(
        "{} holds the remains of a key store but no database: put kms.sqlite3 back, or restore a backup into another \
         directory; move the remains away only if the keys are no longer needed",
        directory.display()
    )]
    DatabaseMissing {
        /// The store's directory.
        directory: PathBuf,
    },
    /// The root key file is gone. It is never made anew, since that would lose every key.
    #[error("the root key {} is missing: put it back, or restore a backup into another directory", path.display())]
    RootKeyMissing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The root key file has been truncated or is another kind of file.
    #[error("{} is not a whole root key ({reason}): put the right one back, or restore a backup into another directory", path.display())]
    RootKeyDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The root key is whole, but another store's.
    #[error("{} is not the root key of this store: put the right one back, or restore a backup into another directory", path.display())]
    RootKeyWrong {
        /// The file.
        path: PathBuf,
    },
    /// The store's root key is protected by a passphrase, and none was given.
    #[error("the key store at {} is protected by a passphrase: give it", directory.display())]
    PassphraseNeeded {
        /// The store's directory.
        directory: PathBuf,
    },
    /// A passphrase was given for a store that has a root key file.
    #[error("the key store at {} is not protected by a passphrase: open it without one", directory.display())]
    PassphraseNotUsed {
        /// The store's directory.
        directory: PathBuf,
    },
    /// An empty passphrase protects nothing.
    #[error("the passphrase is empty: give one of at least one character")]
    PassphraseEmpty,
    /// The passphrase does not open the store or the backup.
    #[error("the passphrase does not open {}: check it; if it is right, the file is damaged", path.display())]
    PassphraseWrong {
        /// The database or the backup.
        path: PathBuf,
    },
    /// A newer envel has written the store.
    #[error("{} has schema version {found}, and this program knows up to {supported}: use a newer one", path.display())]
    SchemaNewer {
        /// The database.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest version known here.
        supported: u32,
    },
    /// The file is no key store.
    #[error("{} is not a key store: name the right directory, or restore a backup if the file is damaged", path.display())]
    NotAStore {
        /// The file.
        path: PathBuf,
    },
    /// The directory is on a file system that several machines, or none, can lock safely.
    #[error("{} is on {file_system}, where a database can be damaged: use a directory on a local disk", directory.display())]
    NetworkFileSystem {
        /// The directory.
        directory: PathBuf,
        /// The file system's name.
        file_system: &'static str,
    },
    /// Other users can read or change what must be private.
    #[error("other users can get at {} (mode {mode:03o}): see who did, then chmod {} it", path.display(), wanted)]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// The permissions it should have.
        wanted: &'static str,
    },
    /// The account is not twelve digits.
    #[error("{account:?} is not an account: give 12 digits")]
    InvalidAccount {
        /// The text given.
        account: String,
    },
    /// Another process kept the store locked for too long.
    #[error("another process has kept the key store locked for too long: try again")]
    Busy,
    /// What the store holds contradicts itself: damage or tampering.
    #[error("the key store is damaged ({what}): restore a backup into another directory")]
    Damaged {
        /// What does not fit, and which key it is about.
        what: Cow<'static, str>,
    },
    /// A backup is in the way of a new one.
    #[error("{} exists, and a backup never replaces a file: name another one", path.display())]
    BackupExists {
        /// The file.
        path: PathBuf,
    },
    /// The file is no backup, or asks for more work than is sensible.
    #[error("{} is not a backup of a key store ({reason})", path.display())]
    NotABackup {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The store is too large for one backup file.
    #[error(
        "the key store takes {length} bytes; a backup holds up to {limit}: copy its directory while nobody uses it"
    )]
    BackupTooLarge {
        /// Bytes in the database.
        length: u64,
        /// The most that a backup holds.
        limit: u64,
    },
    /// A store in memory has no files.
    #[error("a key store in memory cannot be backed up: open one in a directory")]
    InMemory,
    /// A file could not be read, written or locked.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// SQLite could not write for lack of space. Nothing of the call was stored.
    #[error("the disk of the key store is full: make room on it, then try again")]
    DiskFull {
        /// SQLite's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// SQLite could not read or write a file: a failing disk, a full one, or one that went away.
    #[error(
        "the disk of the key store is failing or full: make room on it and look at its health, then try again"
    )]
    DiskFailed {
        /// SQLite's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// SQLite failed in another way.
    #[error(
        "the key store's database failed: try again, and restore a backup into another directory if that does not help"
    )]
    Database {
        /// SQLite's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The cryptographic library failed.
    #[error("the key store could not use its root key: {0}")]
    Crypto(#[from] CryptoError),
    /// The worker thread did not start, or ended in a panic.
    #[error("the key store's worker thread is not running: open the store again")]
    WorkerGone,
}

impl StoreError {
    /// Whether the same call can succeed later without anybody changing anything.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy)
    }

    /// Whether the disk is full, so that the same call can succeed once there is room.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::DiskFull { .. } => true,
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            _ => false,
        }
    }
}
