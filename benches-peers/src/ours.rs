//! envel.

use std::error::Error;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use envel::{
    BoxFuture, Client, DecryptOptions, DecryptionMaterials, DecryptionMaterialsRequest, DefaultManager,
    EncryptOptions, EncryptedDataKey, EncryptionContext, EncryptionMaterials, EncryptionMaterialsRequest,
    MaterialsManager, RawAesKeyring, SecretBytes,
};
use pollster::block_on;

use crate::measure::{Operation, Request};

fn manager() -> Result<DefaultManager, Box<dyn Error>> {
    let keyring = RawAesKeyring::new("bench", "key", &SecretBytes::zeroed(32))?;
    Ok(DefaultManager::new(Arc::new(keyring)))
}

/// The one-shot calls, each into fresh memory, as other implementations do.
pub fn fresh(request: &Request) -> Result<Box<dyn Operation>, Box<dyn Error>> {
    let (client, manager) = (Client::default(), manager()?);
    let options = EncryptOptions::new().algorithm_suite(request.suite);
    let plaintext = request.plaintext();
    if request.is_encrypt {
        return Ok(Box::new(move || {
            black_box(block_on(client.encrypt(&manager, &plaintext, &options)).expect("envel encrypts"));
        }));
    }
    let message = block_on(client.encrypt(&manager, &plaintext, &options))?.message;
    let options = DecryptOptions::new();
    Ok(Box::new(move || {
        black_box(block_on(client.decrypt(&manager, &message, &options)).expect("envel decrypts"));
    }))
}

/// Into memory that is reused, with so many threads at each message.
pub fn reused(request: &Request, threads: usize) -> Result<Box<dyn Operation>, Box<dyn Error>> {
    reusing(request, manager()?, threads)
}

/// Into memory that is reused, with one data key for all messages.
pub fn cached(request: &Request) -> Result<Box<dyn Operation>, Box<dyn Error>> {
    let manager =
        ReusedDataKey { inner: manager()?, encryption: OnceLock::new(), decryption: OnceLock::new() };
    reusing(request, manager, 1)
}

/// The messages of a batch, which asks for materials once.
pub fn batch(request: &Request) -> Result<Box<dyn Operation>, Box<dyn Error>> {
    if !request.is_encrypt {
        return Err("a batch encrypts".into());
    }
    let options = EncryptOptions::new().algorithm_suite(request.suite);
    let batch = block_on(Client::default().start_batch(&manager()?, &options))?;
    let (plaintext, mut message) = (request.plaintext(), Vec::new());
    Ok(Box::new(move || {
        batch.encrypt_into(&plaintext, &mut message).expect("envel encrypts");
        black_box(&message);
    }))
}

fn reusing(
    request: &Request,
    manager: impl MaterialsManager + 'static,
    threads: usize,
) -> Result<Box<dyn Operation>, Box<dyn Error>> {
    let client = Client::default();
    let threads = NonZeroUsize::new(threads).ok_or("no thread")?;
    let options = EncryptOptions::new().algorithm_suite(request.suite).threads(threads);
    let plaintext = request.plaintext();
    if request.is_encrypt {
        let mut message = Vec::new();
        return Ok(Box::new(move || {
            let encryption = block_on(client.start_encryption(&manager, &options)).expect("envel encrypts");
            encryption.seal_into(&plaintext, &mut message).expect("envel encrypts");
            black_box(&message);
        }));
    }
    let message = block_on(client.encrypt(&manager, &plaintext, &options))?.message;
    let options = DecryptOptions::new().threads(threads);
    let mut out = Vec::new();
    Ok(Box::new(move || {
        let decryption = block_on(client.start_decryption(&manager, &message, &options));
        decryption.and_then(|decryption| decryption.open_into(&mut out)).expect("envel decrypts");
        black_box(&out);
        // The vector keeps its length, so that the next round need not clear memory.
        out.resize(message.len(), 0);
    }))
}

/// Asks another manager once, and gives the same materials from then on.
#[derive(Debug)]
struct ReusedDataKey {
    inner: DefaultManager,
    encryption: OnceLock<Arc<EncryptionMaterials>>,
    decryption: OnceLock<Opened>,
}

/// What was opened, and for which encrypted data keys in which context.
#[derive(Debug)]
struct Opened {
    encrypted_data_keys: Vec<EncryptedDataKey>,
    encryption_context: EncryptionContext,
    materials: Arc<DecryptionMaterials>,
}

impl MaterialsManager for ReusedDataKey {
    fn encryption_materials<'a>(
        &'a self,
        request: EncryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<EncryptionMaterials>, envel::Error>> {
        Box::pin(async move {
            if let Some(materials) = self.encryption.get() {
                return Ok(materials.clone());
            }
            let materials = self.inner.encryption_materials(request).await?;
            Ok(self.encryption.get_or_init(|| materials).clone())
        })
    }

    fn decryption_materials<'a>(
        &'a self,
        request: DecryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<DecryptionMaterials>, envel::Error>> {
        Box::pin(async move {
            let is_the_same = |opened: &&Opened| {
                opened.encrypted_data_keys == request.encrypted_data_keys
                    && opened.encryption_context == *request.encryption_context
            };
            if let Some(opened) = self.decryption.get().filter(is_the_same) {
                return Ok(opened.materials.clone());
            }
            let materials = self.inner.decryption_materials(request).await?;
            let opened = Opened {
                encrypted_data_keys: request.encrypted_data_keys.to_vec(),
                encryption_context: request.encryption_context.clone(),
                materials: materials.clone(),
            };
            // Another key stays what it was: the bench asks for one alone.
            let _ = self.decryption.set(opened);
            Ok(materials)
        })
    }
}
