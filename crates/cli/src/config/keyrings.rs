//! The keys of a command, made into a keyring.

use std::collections::HashSet;
use std::sync::Arc;

use envel::{
    BoxFuture, DiscoveryFilter, Keyring, KmsClient, KmsClients, KmsDiscoveryKeyring, KmsError, KmsErrorKind,
    KmsKeyArn, KmsKeyIdentifier, KmsKeyring, MultiKeyring, RawAesKeyring, RawRsaKeyring, RsaKey,
};
use envel_kms::{DEFAULT_REGION, EmbeddedKms};

use super::Settings;
use super::key_files::{self, RsaKeyFile};
use crate::args::{KeySpelling, LocalRegion, OpeningArguments, RawAlgorithm, RawKey};
use crate::exit::Failure;

impl Settings {
    /// The keyring of `encrypt`: the first key generates the data key, the others wrap it too.
    ///
    /// # Errors
    /// Any key that cannot be used: a message must be readable with every key that was asked for.
    pub(crate) fn encryption_keyring(&self, given: &[String]) -> Result<Arc<dyn Keyring>, Failure> {
        let keys = self.keys(given)?;
        let aliases: HashSet<_> = keys.iter().filter_map(embedded_alias).collect();
        let mut store = None;
        let mut keyrings = Vec::with_capacity(keys.len());
        for key in &keys {
            keyrings.push(match key {
                KeySpelling::Raw(key) => self.raw_keyring(key, Use::Encrypt)?,
                KeySpelling::Embedded(key) => {
                    let store = match &store {
                        Some(store) => store,
                        None => &*store.insert(self.home.open_or_create_store(&aliases, self.console)?),
                    };
                    self.embedded_keyring(store, key)?
                }
            });
        }
        let mut keyrings = keyrings.into_iter();
        Ok(Arc::new(
            MultiKeyring::new(keyrings.next(), keyrings.collect())
                .map_err(|error| Failure::keyring(&error))?,
        ))
    }

    /// The keyring of `decrypt` and `verify`, and what kept keys of the embedded KMS out of it.
    ///
    /// # Errors
    /// No key at all can be used, or a key file is not one.
    pub(crate) fn decryption_keyring(&self, arguments: &OpeningArguments) -> Result<DecryptionKeys, Failure> {
        if arguments.discovery {
            return self.discovery_keyring(arguments);
        }
        let mut store = None;
        let mut keyrings: Vec<Arc<dyn Keyring>> = Vec::new();
        let mut unresolved = Vec::new();
        for key in self.keys(&arguments.keys)? {
            match key {
                KeySpelling::Raw(key) => keyrings.push(self.raw_keyring(&key, Use::Decrypt)?),
                KeySpelling::Embedded(key) => {
                    let opened = store.get_or_insert_with(|| self.home.open_store());
                    let keyring = opened
                        .as_ref()
                        .map_err(Failure::clone)
                        .and_then(|store| self.embedded_keyring(store, &key));
                    match keyring {
                        Ok(keyring) => keyrings.push(keyring),
                        Err(failure) => unresolved.push(failure),
                    }
                }
            }
        }
        if keyrings.is_empty() {
            let most_hopeful = unresolved.into_iter().min_by_key(|failure| !failure.is_retryable());
            return Err(most_hopeful.unwrap_or_else(|| {
                Failure::usage("no key is given", "give one with -k, for example -k local:demo")
            }));
        }
        let keyring = MultiKeyring::new(None, keyrings).map_err(|error| Failure::keyring(&error))?;
        Ok(DecryptionKeys { keyring: Arc::new(keyring), unresolved })
    }

    fn discovery_keyring(&self, arguments: &OpeningArguments) -> Result<DecryptionKeys, Failure> {
        let filter = (!arguments.discovery_any_account)
            .then(|| DiscoveryFilter::new(&arguments.discovery_partition, &arguments.discovery_account));
        let clients = EmbeddedAlone(self.home.open_store()?);
        Ok(DecryptionKeys {
            keyring: Arc::new(KmsDiscoveryKeyring::new(Arc::new(clients), filter)),
            unresolved: Vec::new(),
        })
    }

    /// A keyring of one embedded key, by the ARN that messages name.
    fn embedded_keyring(
        &self,
        store: &EmbeddedKms,
        key: &KmsKeyIdentifier,
    ) -> Result<Arc<dyn Keyring>, Failure> {
        let client = store.client(key.arn().map_or(DEFAULT_REGION, KmsKeyArn::region));
        let key = self.home.describe_key(&client, key)?;
        Ok(Arc::new(KmsKeyring::new(KmsKeyIdentifier::KeyArn(key.arn), Arc::new(client))))
    }

    fn raw_keyring(&self, key: &RawKey, purpose: Use) -> Result<Arc<dyn Keyring>, Failure> {
        let RawKey { namespace, name, file, algorithm } = key;
        let keyring: Result<Arc<dyn Keyring>, _> = match algorithm {
            RawAlgorithm::Aes => {
                let found = key_files::aes_key(file)?;
                if found.looks_like_text {
                    self.console.say(format_args!(
                        "warning: {} holds {} bytes of text; they are used as the key itself, not as digits of one",
                        file.display(),
                        found.key.len()
                    ));
                }
                RawAesKeyring::new(namespace, name, &found.key).map(|keyring| Arc::new(keyring) as _)
            }
            RawAlgorithm::Rsa(padding) => {
                let key = match (key_files::rsa_key(file)?, purpose) {
                    (RsaKeyFile::Public(_), Use::Decrypt) => {
                        return Err(Failure::usage(
                            format!("{} holds a public key, which cannot decrypt", file.display()),
                            "name the PEM file of the private key",
                        ));
                    }
                    (RsaKeyFile::Public(key), Use::Encrypt) => RsaKey::Public(key),
                    (RsaKeyFile::Private(key), _) => RsaKey::Private(key),
                };
                RawRsaKeyring::new(namespace, name, *padding, key).map(|keyring| Arc::new(keyring) as _)
            }
        };
        keyring.map_err(|error| Failure::keyring(&error))
    }
}

/// What decrypts.
#[derive(Debug)]
pub(crate) struct DecryptionKeys {
    pub(crate) keyring: Arc<dyn Keyring>,
    /// Why keys that were given are not among them.
    pub(crate) unresolved: Vec<Failure>,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Encrypt,
    Decrypt,
}

/// The alias that a key of the embedded KMS is named by.
fn embedded_alias(key: &KeySpelling) -> Option<&KmsKeyArn> {
    match key {
        KeySpelling::Embedded(KmsKeyIdentifier::AliasArn(arn)) => Some(arn),
        KeySpelling::Embedded(_) | KeySpelling::Raw(_) => None,
    }
}

/// The Regions of the embedded KMS. Any other would be AWS, which is never answered for by the embedded KMS.
#[derive(Debug)]
struct EmbeddedAlone(EmbeddedKms);

impl KmsClients for EmbeddedAlone {
    fn client_for_region(&self, region: &str) -> BoxFuture<'_, Result<Arc<dyn KmsClient>, KmsError>> {
        if region.parse::<LocalRegion>().is_ok() {
            return self.0.client_for_region(region);
        }
        let error = KmsError::new(
            KmsErrorKind::InvalidRequest,
            "Decrypt",
            "UnsupportedRegion",
            format!("{region} is a Region of AWS KMS, and AWS KMS is not built into this version"),
        );
        Box::pin(std::future::ready(Err(error.with_region(region))))
    }

    fn default_region(&self) -> Option<&str> {
        None
    }
}
