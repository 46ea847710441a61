//! What the memory scan and the test that drives it say to each other.
//!
//! The test knows the secrets and the process under test must not, or the scan would find its own needle. So secrets cross
//! between them masked, in hexadecimal, one JSON value a line:
//!
//! | who | what |
//! |---|---|
//! | test | the [`Case`] |
//! | scan | the [`Message`] that it made or opened, from which the test computes the secrets |
//! | test | the patterns to look for: a list of [`Masked`] |
//! | scan | the [`Findings`] |

#[cfg(target_os = "linux")]
pub mod scan;

use std::path::PathBuf;
use std::sync::Arc;

use envel::kms::CreateKeyRequest;
use envel::primitives::rsa::{RsaPadding, RsaPrivateKey};
use envel::{
    Client, CommitmentPolicy, DefaultManager, Keyring, KmsControl, KmsDiscoveryKeyring, KmsKeyIdentifier,
    KmsKeyring, MultiKeyring, RawAesKeyring, RawRsaKeyring, RsaKey, SecretBytes,
};
use envel_kms::{DEFAULT_REGION, EmbeddedKms, OpenOptions};
use serde::{Deserialize, Serialize};

/// What fails outside the secrets' own code ends the process with its words.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

const MASK: u8 = 0xa5;

/// Bytes that never stand in memory as they are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Masked(String);

impl Masked {
    /// Masks a secret. The caller answers for the original.
    pub fn of(secret: &[u8]) -> Self {
        Self(secret.iter().map(|byte| format!("{:02x}", byte ^ MASK)).collect())
    }

    /// The secret, written byte by byte to where it shall lie.
    ///
    /// # Errors
    /// If this was not made by [`Masked::of`].
    pub fn unmask(&self) -> Result<SecretBytes, Failure> {
        SecretBytes::try_filled_by(self.0.len() / 2, |secret| {
            for (slot, digits) in secret.iter_mut().zip(self.0.as_bytes().chunks(2)) {
                *slot = u8::from_str_radix(std::str::from_utf8(digits)?, 16)? ^ MASK;
            }
            Ok(())
        })
    }
}

/// What the process under test shall do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Case {
    /// The steps.
    pub scenario: Scenario,
    /// Number of the algorithm suite.
    pub suite: u16,
    /// The keys.
    pub keyring: KeyringUnderTest,
    /// The message to decrypt.
    pub message: Option<Message>,
}

/// A message: not secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Message(pub Vec<u8>);

/// Steps that take a data key and let go of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Encrypts, then holds every pattern itself: what the scan must find in whatever form.
    Planted,
    /// Encrypts with a call over slices.
    EncryptOneShot,
    /// Encrypts by a writer, to the end.
    EncryptStream,
    /// Starts a message and holds it, with a copy of its data key.
    EncryptHeld,
    /// Decrypts with a call over slices.
    DecryptOneShot,
    /// Decrypts by a reader, to the end.
    DecryptStream,
    /// Tries both ways to decrypt a message that must be refused.
    DecryptRefused,
}

/// A keyring with its secrets masked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyringUnderTest {
    /// Raw AES with this wrapping key.
    RawAes(Masked),
    /// Raw RSA with this PEM file.
    RawRsa(Masked),
    /// The embedded KMS in this directory: a new key encrypts, discovery decrypts.
    Kms {
        /// Where the store is or shall be.
        directory: PathBuf,
        /// What protects its root key.
        passphrase: Option<Masked>,
    },
    /// All of these: the first makes the data key.
    Multi(Vec<KeyringUnderTest>),
}

/// A keyring, and what must be kept while it is used.
#[derive(Debug)]
pub struct BuiltKeyring {
    /// The keyring.
    pub keyring: Arc<dyn Keyring>,
    /// Handles of the embedded KMS.
    pub kms: Vec<EmbeddedKms>,
}

impl KeyringUnderTest {
    /// Builds it: to encrypt, where that is another keyring than to decrypt.
    ///
    /// # Errors
    /// Whatever the keyring or the KMS says.
    pub fn build(&self, to_encrypt: bool) -> Result<BuiltKeyring, Failure> {
        let mut kms_handles = Vec::new();
        let keyring: Arc<dyn Keyring> = match self {
            Self::RawAes(key) => Arc::new(RawAesKeyring::new("tests", "aes", &key.unmask()?)?),
            Self::RawRsa(pem) => {
                let key = RsaKey::Private(RsaPrivateKey::from_pem(pem.unmask()?.expose_secret())?);
                Arc::new(RawRsaKeyring::new("tests", "rsa", RsaPadding::OaepSha256, key)?)
            }
            Self::Kms { directory, passphrase } => {
                let passphrase = passphrase.as_ref().map(Masked::unmask).transpose()?;
                let options = OpenOptions::new(directory).create(true).passphrase(passphrase);
                let kms = EmbeddedKms::open(options)?;
                kms_handles.push(kms.clone());
                if to_encrypt {
                    let client = kms.client(DEFAULT_REGION);
                    let key = pollster::block_on(client.create_key(CreateKeyRequest::new()))?;
                    Arc::new(KmsKeyring::new(KmsKeyIdentifier::KeyArn(key.arn), Arc::new(client)))
                } else {
                    Arc::new(KmsDiscoveryKeyring::new(Arc::new(kms), None))
                }
            }
            Self::Multi(keyrings) => {
                let mut built = Vec::new();
                for keyring in keyrings {
                    let BuiltKeyring { keyring, kms } = keyring.build(to_encrypt)?;
                    built.push(keyring);
                    kms_handles.extend(kms);
                }
                let generator = built.remove(0);
                Arc::new(MultiKeyring::new(Some(generator), built)?)
            }
        };
        Ok(BuiltKeyring { keyring, kms: kms_handles })
    }
}

impl BuiltKeyring {
    /// The manager that asks this keyring.
    pub fn manager(&self) -> DefaultManager {
        DefaultManager::new(Arc::clone(&self.keyring))
    }
}

/// A client that writes and reads every suite, whether it commits or not.
pub fn client_for(suite: u16) -> Client {
    let is_committing = envel::AlgorithmSuiteId::from_u16(suite).is_some_and(|id| id.suite().is_committing());
    let policy = if is_committing {
        CommitmentPolicy::RequireEncryptRequireDecrypt
    } else {
        CommitmentPolicy::ForbidEncryptAllowDecrypt
    };
    Client::builder().commitment_policy(policy).build()
}

/// How often each pattern stood in the memory of the process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Findings {
    /// When the message was done, while what outlives a message was held: keyrings, the embedded KMS.
    pub held: Vec<usize>,
    /// When everything was dropped.
    pub dropped: Vec<usize>,
    /// The kinds of the errors that refused a message.
    pub refused_as: Vec<String>,
}
