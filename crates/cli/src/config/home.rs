//! The user's directory and the store of the embedded KMS in it.

use std::collections::HashSet;
use std::fs::{DirBuilder, File, OpenOptions as FileOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use envel::kms::{CreateKeyRequest, KeyMetadata};
use envel::{KmsControl, KmsErrorKind, KmsKeyArn, KmsKeyIdentifier};
use envel_kms::{EmbeddedKms, OpenOptions, RegionClient, StoreError};
use pollster::block_on;

use super::passphrase::{self, Purpose};
use crate::args::short_spelling;
use crate::exit::{Exit, Failure};
use crate::output::human::Console;

/// `$ENVEL_HOME`.
#[derive(Debug)]
pub(crate) struct Home {
    directory: PathBuf,
    allows_creation: bool,
}

impl Home {
    pub(super) fn new(directory: PathBuf, allows_creation: bool) -> Self {
        Self { directory, allows_creation }
    }

    /// Where the store of the embedded KMS is, or would be.
    pub(crate) fn store_directory(&self) -> PathBuf {
        self.directory.join("kms")
    }

    /// Opens the store.
    ///
    /// # Errors
    /// There is none, or it does not open.
    pub(crate) fn open_store(&self) -> Result<EmbeddedKms, Failure> {
        let directory = self.store_directory();
        if !EmbeddedKms::exists(&directory) {
            return Err(StoreError::NoStore { directory }.into());
        }
        // Whoever is making the store holds this lock until its first key is there.
        let _creation = self.wait_for_creation()?;
        let passphrase = if EmbeddedKms::needs_passphrase(&directory)? {
            let prompt = format!("Passphrase of the store at {}", directory.display());
            Some(passphrase::ask(Purpose::Store, &prompt, false)?)
        } else {
            passphrase::from_environment(Purpose::Store)?
        };
        Ok(EmbeddedKms::open(OpenOptions::new(directory).passphrase(passphrase))?)
    }

    /// Opens the store, or makes it, with a key for each of `aliases`, if there is none yet and that is allowed.
    ///
    /// # Errors
    /// As [`Home::open_store`].
    pub(crate) fn open_or_create_store(
        &self,
        aliases: &HashSet<&KmsKeyArn>,
        console: Console,
    ) -> Result<EmbeddedKms, Failure> {
        let directory = self.store_directory();
        if EmbeddedKms::exists(&directory) {
            return self.open_store();
        }
        if aliases.is_empty() || !self.allows_creation {
            let failure = Failure::from(StoreError::NoStore { directory });
            return Err(if self.allows_creation {
                failure
            } else {
                failure.and_help("ENVEL_AUTO_CREATE=0 keeps `encrypt` from making one")
            });
        }
        let creation = self.lock_creation()?;
        if EmbeddedKms::exists(&directory) {
            // Another process was faster, and has finished.
            drop(creation);
            return self.open_store();
        }
        let passphrase = passphrase::from_environment(Purpose::Store)?;
        let store = EmbeddedKms::open(OpenOptions::new(&directory).create(true).passphrase(passphrase))?;
        for alias in aliases {
            let name = format!("alias/{}", alias.resource_id());
            create_key(&store.client(alias.region()), "made by envel encrypt", Some(&name))?;
        }
        let mut names: Vec<_> = aliases.iter().map(|alias| alias.resource_id()).collect();
        names.sort_unstable();
        console.warn(format_args!(
            "created a key store at {} and in it the {} {}\nLosing this directory loses every file encrypted with its keys: \
             `envel kms backup FILE` makes a copy.",
            directory.display(),
            if names.len() == 1 { "key" } else { "keys" },
            names.join(", "),
        ));
        Ok(store)
    }

    /// What is known of a key of the store, given any spelling of it.
    ///
    /// # Errors
    /// There is no such key, or the store fails.
    pub(crate) fn describe_key(
        &self,
        client: &RegionClient,
        key: &KmsKeyIdentifier,
    ) -> Result<KeyMetadata, Failure> {
        block_on(client.describe_key(key.as_str().to_owned())).map_err(|error| match error.kind {
            KmsErrorKind::NotFound => Failure::no_key(short_spelling(key), &self.store_directory()),
            _ => error.into(),
        })
    }

    /// Waits until nobody is making the store.
    fn wait_for_creation(&self) -> Result<Option<File>, Failure> {
        let path = self.creation_lock();
        let locked = match File::open(&path) {
            Ok(file) => file.lock_shared().map(|()| Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        };
        locked.map_err(|error| Failure::io(path.display(), &error))
    }

    fn lock_creation(&self) -> Result<File, Failure> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| Failure::io(path.display(), &error)
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
            .map_err(failed(&self.directory))?;
        let path = self.creation_lock();
        let options = || FileOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = options().map_err(failed(&path))?;
        file.lock().map_err(failed(&path))?;
        Ok(file)
    }

    /// An empty file that is locked while a store is being made. It stays.
    fn creation_lock(&self) -> PathBuf {
        self.directory.join("creating.lock")
    }
}

/// Makes a key, and an alias for it if one is given. An alias that is taken is found out first, so that no nameless key is
/// left behind.
///
/// # Errors
/// Of the KMS.
pub(crate) fn create_key(
    control: &impl KmsControl,
    description: &str,
    alias_name: Option<&str>,
) -> Result<KmsKeyArn, Failure> {
    if let Some(name) = alias_name {
        match block_on(control.describe_key(name.to_owned())) {
            Err(error) if error.kind == KmsErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
            Ok(key) => {
                return Err(Failure::new(
                    Exit::Other,
                    format!("{name} exists: it names {}", key.arn),
                    "choose another name; `envel key list` shows those taken",
                ));
            }
        }
    }
    let key = block_on(control.create_key(CreateKeyRequest::new().description(description)))?;
    if let Some(name) = alias_name {
        block_on(control.create_alias(name.to_owned(), key.arn.as_str().to_owned()))?;
    }
    Ok(key.arn)
}
