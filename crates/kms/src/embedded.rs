//! Opening an embedded KMS, and the handle to it.

use std::fmt;
#[cfg(feature = "sqlite")]
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "sqlite")]
use envel_core::SecretBytes;
use envel_core::kms::KmsErrorKind;
use envel_core::{BoxFuture, Clock, KmsClient, KmsClients, KmsError, SystemClock};

use crate::calls::{CallCounter, CallCounts};
use crate::client::RegionClient;
use crate::service::{Service, check_region};
#[cfg(feature = "sqlite")]
use crate::store::sqlite::{self, SqliteStore};
use crate::store::{KmsStore, MemoryStore, StoreError};
use crate::worker::Worker;

/// The Region of keys that are named without one.
pub const DEFAULT_REGION: &str = "local-1";

/// The account that keys belong to unless another is set: one that AWS does not give out.
pub const DEFAULT_ACCOUNT: &str = "000000000000";

/// Which store to open, and how.
#[derive(Debug)]
pub struct OpenOptions {
    place: Place,
    account: String,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
enum Place {
    Memory,
    #[cfg(feature = "sqlite")]
    Directory {
        path: PathBuf,
        create: bool,
        passphrase: Option<SecretBytes>,
    },
}

impl OpenOptions {
    /// The store in this directory.
    #[cfg(feature = "sqlite")]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self::at(Place::Directory { path: directory.into(), create: false, passphrase: None })
    }

    /// A new store in memory, gone when its last handle is.
    pub fn in_memory() -> Self {
        Self::at(Place::Memory)
    }

    fn at(place: Place) -> Self {
        Self { place, account: DEFAULT_ACCOUNT.to_owned(), clock: Arc::new(SystemClock) }
    }

    /// Whether to make a store, and its directory, if there is none. By default a missing store is an error. A store in memory is
    /// always made.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn create(mut self, whether: bool) -> Self {
        if let Place::Directory { create, .. } = &mut self.place {
            *create = whether;
        }
        self
    }

    /// The passphrase that protects the root key. `None` is for a store whose root key is a file beside the database. A store in
    /// memory needs neither.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn passphrase(mut self, secret: Option<SecretBytes>) -> Self {
        if let Place::Directory { passphrase, .. } = &mut self.place {
            *passphrase = secret;
        }
        self
    }

    /// The account that calls and owns the keys it makes, 12 digits. Keys of other accounts in the same store stay out of sight.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.account = account.into();
        self
    }

    /// The clock that dates keys and ends pending deletions.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

/// A KMS in this process. See the [crate's documentation](crate).
///
/// Clones are cheap and share one worker thread. When the last clone and the last client are dropped, the store is closed: the drop
/// waits for that, seconds at most. If no other process has it open, all of it is then in `kms.sqlite3`; a process that ends
/// otherwise loses nothing, but leaves what is newest in `kms.sqlite3-wal`.
#[derive(Clone)]
pub struct EmbeddedKms {
    worker: Worker,
    counter: CallCounter,
}

impl EmbeddedKms {
    /// Opens a store, or makes one if the options say so.
    ///
    /// Any number of processes can open one store, also while it is being made: they get one store with one root key.
    ///
    /// # Errors
    /// [`StoreError`]: no store, no or the wrong root key or passphrase, a newer schema, a network file system, files that others
    /// can read. A root key that is missing is never made anew.
    ///
    /// # Cost
    /// Blocks on files, and with a passphrase for a good part of a second and 64 MiB of memory. Not for a future's poll.
    pub fn open(options: OpenOptions) -> Result<Self, StoreError> {
        let OpenOptions { place, account, clock } = options;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(StoreError::InvalidAccount { account });
        }
        let store: Box<dyn KmsStore> = match place {
            Place::Memory => Box::<MemoryStore>::default(),
            #[cfg(feature = "sqlite")]
            Place::Directory { path, create, passphrase } => {
                Box::new(SqliteStore::open(&path, create, passphrase.as_ref())?)
            }
        };
        let counter = CallCounter::default();
        let mut service = Service::new(store, account, Arc::clone(&clock), counter.clone());
        service.try_to_delete_keys_due();
        Ok(Self { worker: Worker::start(service, clock)?, counter })
    }

    /// The client of a Region. Any name of letters, digits and dashes is one; calls to another name are refused.
    pub fn client(&self, region: &str) -> RegionClient {
        RegionClient::new(region, self.worker.clone())
    }

    /// How often each operation was called through this handle, its clones and their clients.
    pub fn call_counts(&self) -> CallCounts {
        self.counter.counts()
    }

    /// Whether there is a store in a directory, whole or not.
    #[cfg(feature = "sqlite")]
    pub fn exists(directory: impl AsRef<Path>) -> bool {
        sqlite::exists(directory.as_ref())
    }

    /// Whether the store in a directory is protected by a passphrase.
    ///
    /// # Errors
    /// [`StoreError`], as for [`EmbeddedKms::open`].
    #[cfg(feature = "sqlite")]
    pub fn needs_passphrase(directory: impl AsRef<Path>) -> Result<bool, StoreError> {
        sqlite::needs_passphrase(directory.as_ref())
    }

    /// Writes a backup of the store into a new file, sealed under a passphrase: keys of every account and Region, and the root key.
    ///
    /// The store may be in use, by other processes too; the backup is of one moment. The file has mode 0600 and appears when it is
    /// complete.
    ///
    /// # What is verified
    /// What [`EmbeddedKms::restore`] will verify, and that no key is missing: a store that could not be restored gives no backup.
    ///
    /// # Errors
    /// [`StoreError::BackupExists`] if the file exists, [`StoreError::InMemory`] for a store in memory, [`StoreError::Damaged`] with
    /// the key that does not open, and others. There is no file then.
    ///
    /// # Cost
    /// Blocks, and takes three times the database's size in memory. Other calls wait while the database is copied.
    #[cfg(feature = "sqlite")]
    pub fn backup(&self, file: impl AsRef<Path>, passphrase: &SecretBytes) -> Result<(), StoreError> {
        let file = file.as_ref();
        sqlite::check_backup_target(file, passphrase)?;
        let snapshot = self.worker.block_on(|service| service.store().snapshot())?;
        sqlite::write_backup(&snapshot, file, passphrase)
    }

    /// Makes a store of a backup, in a directory that has none.
    ///
    /// The new store's root key is protected by `store_passphrase`, or is a file beside the database if that is `None`, whatever the
    /// old store had.
    ///
    /// # What is verified
    /// That the backup is whole and of this passphrase, that the database in it is sound, and that its root key opens all key
    /// material; only then does the store appear.
    ///
    /// # Errors
    /// [`StoreError::StoreExists`], [`StoreError::NotABackup`], [`StoreError::PassphraseWrong`], and others. Nothing is restored then.
    #[cfg(feature = "sqlite")]
    pub fn restore(
        file: impl AsRef<Path>,
        directory: impl AsRef<Path>,
        backup_passphrase: &SecretBytes,
        store_passphrase: Option<&SecretBytes>,
    ) -> Result<(), StoreError> {
        sqlite::restore(file.as_ref(), directory.as_ref(), backup_passphrase, store_passphrase)
    }
}

impl fmt::Debug for EmbeddedKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedKms").finish_non_exhaustive()
    }
}

impl KmsClients for EmbeddedKms {
    fn client_for_region(&self, region: &str) -> BoxFuture<'_, Result<Arc<dyn KmsClient>, KmsError>> {
        let outcome = match check_region(region) {
            Ok(()) => Ok(Arc::new(self.client(region)) as Arc<dyn KmsClient>),
            Err(refusal) => Err(KmsError::new(
                KmsErrorKind::InvalidRequest,
                "client_for_region",
                refusal.code(),
                refusal.to_string(),
            )
            .with_region(region)),
        };
        Box::pin(std::future::ready(outcome))
    }

    fn default_region(&self) -> Option<&str> {
        Some(DEFAULT_REGION)
    }
}
