//! Many short messages with one data key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::client::Client;
use crate::cmm::MaterialsManager;
use crate::error::{Error, InvalidCall};
use crate::materials::EncryptionMaterials;
use crate::options::EncryptOptions;
use crate::stream::{Encryption, EncryptionSettings};
use crate::suite::KeyDerivation;

/// The most messages that one data key may serve.
///
/// # Specification
/// `framework/caching-cmm.md`, "Limit Messages".
const MAX_MESSAGES: u64 = 1 << 32;

/// Encrypts many messages with one data key, and so with one request for materials.
///
/// Every message draws its own message ID and derives its own key, is complete in itself, and can be decrypted by
/// anybody, in any order. They share their data key and their encryption context.
///
/// Shared by any number of threads.
///
/// ```
/// use std::sync::Arc;
/// use envel::{AlgorithmSuiteId, Client, CommitmentPolicy, DecryptOptions, DefaultManager, EncryptOptions, RawAesKeyring, SecretBytes};
///
/// # pollster::block_on(async {
/// let wrapping_key = SecretBytes::try_filled_by(32, envel::primitives::rand::fill)?;
/// let manager = DefaultManager::new(Arc::new(RawAesKeyring::new("my-app", "key-1", &wrapping_key)?));
/// let client = Client::default();
///
/// let batch = client.start_batch(&manager, &EncryptOptions::new()).await?;
/// let mut message = Vec::new();
/// for record in ["first", "second"] {
///     batch.encrypt_into(record.as_bytes(), &mut message)?;
///     assert_eq!(client.decrypt(&manager, &message, &DecryptOptions::new()).await?.plaintext, record.as_bytes());
/// }
///
/// // A suite that uses the data key itself cannot encrypt two messages with it.
/// let old = Client::builder().commitment_policy(CommitmentPolicy::ForbidEncryptAllowDecrypt).build();
/// let options = EncryptOptions::new().algorithm_suite(AlgorithmSuiteId::Aes256GcmNoKdf);
/// old.start_batch(&manager, &options).await.unwrap_err();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Security
/// The data key lives as long as this does. Whoever gets it can read all the messages, so keep batches as short as what
/// belongs together.
#[derive(Debug)]
pub struct BatchEncryption {
    materials: Arc<EncryptionMaterials>,
    settings: EncryptionSettings,
    messages: AtomicU64,
}

impl Client {
    /// Asks for the materials of a batch.
    ///
    /// # Errors
    /// As for [`Client::start_encryption`]; [`InvalidCall::SuiteWithoutKeyDerivation`].
    ///
    /// # Cost
    /// As for one [`Client::start_encryption`]; no message of the batch asks again.
    pub async fn start_batch(
        &self,
        manager: &dyn MaterialsManager,
        options: &EncryptOptions,
    ) -> Result<BatchEncryption, Error> {
        let settings = self.settings.resolve(options)?;
        if settings.algorithm_suite.key_derivation == KeyDerivation::Identity {
            let suite = settings.algorithm_suite.id;
            return Err(InvalidCall::SuiteWithoutKeyDerivation { suite }.into());
        }
        let materials = self.encryption_materials(manager, options, &settings).await?;
        Ok(BatchEncryption { materials, settings, messages: AtomicU64::new(0) })
    }
}

impl BatchEncryption {
    /// Encrypts a plaintext into `message`, of which the former contents are replaced.
    ///
    /// # Errors
    /// [`InvalidCall::DataKeyUsedUp`] after 2^32 messages; [`InvalidCall::LongerThanExpected`]. `message` holds nothing of use
    /// then.
    ///
    /// # Cost
    /// No allocation if `message` has room, unless the suite signs.
    pub fn encrypt_into(&self, plaintext: &[u8], message: &mut Vec<u8>) -> Result<(), Error> {
        // Charged before use, so that no two threads take the last message.
        if self.messages.fetch_add(1, Ordering::Relaxed) >= MAX_MESSAGES {
            self.messages.fetch_sub(1, Ordering::Relaxed);
            return Err(InvalidCall::DataKeyUsedUp.into());
        }
        let buffer = std::mem::take(message);
        let encryption = Encryption::start(&self.materials, &self.settings, buffer)?;
        *message = encryption.seal_behind_header(plaintext)?;
        Ok(())
    }

    /// Which key material wrapped each encrypted data key, where the KMS says.
    pub fn key_material_ids(&self) -> &[Option<String>] {
        self.materials.key_material_ids()
    }
}
