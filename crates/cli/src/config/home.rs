//! The user's directory and the store of the embedded KMS in it.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions as FileOptions};
use std::io::{self, Write};
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

/// What the file that is locked says until a new store has its keys.
const UNFINISHED: &[u8] = b"the keys of a new store are being made\n";

/// The description of keys that come into being with the store.
const FIRST_KEY_DESCRIPTION: &str = "made by envel encrypt";

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
        let exists = EmbeddedKms::exists(&directory);
        let may_create = self.allows_creation && !aliases.is_empty();
        if exists && !(may_create && self.is_creation_unfinished()) {
            return self.open_store();
        }
        if !may_create {
            let failure = Failure::from(StoreError::NoStore { directory });
            return Err(if self.allows_creation {
                failure
            } else {
                failure.and_help("ENVEL_AUTO_CREATE=0 keeps `encrypt` from making one")
            });
        }
        let mut creation = self.lock_creation()?;
        if EmbeddedKms::exists(&directory) && !self.is_creation_unfinished() {
            // Another process was faster, and has finished.
            drop(creation);
            return self.open_store();
        }
        let failed = |error: io::Error| Failure::io(self.creation_lock().display(), &error);
        creation.write_all(UNFINISHED).and_then(|()| creation.sync_all()).map_err(failed)?;
        let passphrase = passphrase::from_environment(Purpose::Store)?;
        let store = EmbeddedKms::open(OpenOptions::new(&directory).create(true).passphrase(passphrase))?;
        for alias in aliases {
            let name = format!("alias/{}", alias.resource_id());
            ensure_key(&store.client(alias.region()), &name)?;
        }
        creation.set_len(0).and_then(|()| creation.sync_all()).map_err(failed)?;
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

    /// Whether a store is being made, or its making was cut short before its keys were there.
    fn is_creation_unfinished(&self) -> bool {
        fs::metadata(self.creation_lock()).is_ok_and(|found| found.len() > 0)
    }

    /// A file that is locked while a store is being made, and is empty unless that did not come to its end. It stays.
    fn creation_lock(&self) -> PathBuf {
        self.directory.join("creating.lock")
    }
}

/// Makes a key of a new store, or what is missing of it if an earlier process was cut short.
///
/// # Errors
/// Of the KMS.
fn ensure_key(client: &RegionClient, alias_name: &str) -> Result<(), Failure> {
    match block_on(client.describe_key(alias_name.to_owned())) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind == KmsErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    for entry in block_on(client.list_keys())? {
        let arn = entry.arn.as_str();
        let key = block_on(client.describe_key(arn.to_owned()))?;
        if key.description == FIRST_KEY_DESCRIPTION
            && block_on(client.alias_names(arn.to_owned()))?.is_empty()
        {
            return Ok(block_on(client.create_alias(alias_name.to_owned(), arn.to_owned()))?);
        }
    }
    create_key(client, FIRST_KEY_DESCRIPTION, Some(alias_name)).map(drop)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_was_cut_short_gets_its_key_and_no_second_one() {
        for has_nameless_key in [false, true] {
            let scratch = tempfile::tempdir().unwrap();
            let home = Home::new(scratch.path().to_owned(), true);
            let alias = "arn:aws:kms:local-1:000000000000:alias/demo".parse::<KmsKeyArn>().unwrap();
            let open = OpenOptions::new(home.store_directory()).create(true);
            let store = EmbeddedKms::open(open).unwrap();
            fs::write(home.creation_lock(), UNFINISHED).unwrap();
            if has_nameless_key {
                create_key(&store.client("local-1"), FIRST_KEY_DESCRIPTION, None).unwrap();
            }
            drop(store);

            let forbidding = Home::new(scratch.path().to_owned(), false);
            let aliases = HashSet::from([&alias]);
            let open = |home: &Home| home.open_or_create_store(&aliases, Console::default()).unwrap();
            let keys = |store: &EmbeddedKms| block_on(store.client("local-1").list_keys()).unwrap().len();
            assert_eq!(keys(&open(&forbidding)), usize::from(has_nameless_key));

            for _ in 0..2 {
                let store = open(&home);
                assert_eq!(keys(&store), 1);
                home.describe_key(&store.client("local-1"), &KmsKeyIdentifier::AliasArn(alias.clone()))
                    .unwrap();
            }
            assert!(!home.is_creation_unfinished());
        }
    }
}
