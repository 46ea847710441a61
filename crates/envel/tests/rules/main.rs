//! The library's rules, one by one, through its public interface.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod contexts;
mod crafted;
mod header_tags;
mod hostile;
mod inspection;
mod keyring_contracts;
mod kms_keyrings;
mod layouts;
mod limits;
mod multi_keyring;
mod net_v4;
mod policies;
mod raw_keyrings;
mod scripted_kms;
mod scripted_managers;
mod signatures;

use std::sync::Arc;

use envel::{
    AlgorithmSuiteId, Client, ClientBuilder, CommitmentPolicy, DecryptOptions, DefaultManager, Error,
    MaterialsManager,
};
use pollster::block_on;

/// The default suite.
const COMMITTING: AlgorithmSuiteId = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey;
const COMMITTING_SIGNED: AlgorithmSuiteId = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
/// The default suite of version 1.
const PLAIN: AlgorithmSuiteId = AlgorithmSuiteId::Aes256GcmHkdfSha256;

/// A client that reads every suite.
fn reads_all() -> ClientBuilder {
    Client::builder().commitment_policy(CommitmentPolicy::RequireEncryptAllowDecrypt)
}

/// A client that writes this suite, and reads every one.
fn writes(suite: AlgorithmSuiteId) -> ClientBuilder {
    Client::builder().commitment_policy(match suite.suite().is_committing() {
        true => CommitmentPolicy::RequireEncryptAllowDecrypt,
        false => CommitmentPolicy::ForbidEncryptAllowDecrypt,
    })
}

/// Opens crafted messages.
fn manager() -> DefaultManager {
    DefaultManager::new(crafted::keyring())
}

/// Decrypts a crafted message.
fn decrypt(message: &[u8]) -> Result<Vec<u8>, Error> {
    decrypt_with(&reads_all().build(), &manager(), message, &DecryptOptions::new())
}

/// Decrypts in memory and as streams, which must agree.
fn decrypt_with(
    client: &Client,
    manager: &dyn MaterialsManager,
    message: &[u8],
    options: &DecryptOptions,
) -> Result<Vec<u8>, Error> {
    let whole = block_on(client.decrypt(manager, message, options)).map(|output| output.plaintext);
    let agrees = |way: &str, streamed: Result<Vec<u8>, Error>| match (&whole, &streamed) {
        (Ok(whole), Ok(streamed)) => assert_eq!(whole, streamed, "{way}"),
        (Err(whole), Err(streamed)) => assert_eq!(whole.to_string(), streamed.to_string(), "{way}"),
        _ => panic!("in memory {whole:?}, {way} {streamed:?}"),
    };
    agrees("copied", copied(client, manager, message, options));
    #[cfg(feature = "tokio")]
    agrees("read asynchronously", read_asynchronously(client, manager, message, options));
    whole
}

fn copied(
    client: &Client,
    manager: &dyn MaterialsManager,
    message: &[u8],
    options: &DecryptOptions,
) -> Result<Vec<u8>, Error> {
    let pending = client.read_header(message)?;
    let mut reader = block_on(client.open(manager, pending, options))?;
    let mut plaintext = Vec::new();
    reader.copy_to(&mut plaintext)?;
    Ok(plaintext)
}

#[cfg(feature = "tokio")]
fn read_asynchronously(
    client: &Client,
    manager: &dyn MaterialsManager,
    message: &[u8],
    options: &DecryptOptions,
) -> Result<Vec<u8>, Error> {
    use tokio::io::AsyncReadExt;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let pending = client.read_header_async(message).await?;
        let mut reader = client.open_async(manager, pending, options).await?;
        let mut plaintext = Vec::new();
        reader.read_to_end(&mut plaintext).await.map_err(Error::from_io)?;
        Ok(plaintext)
    })
}

/// The default manager over this keyring.
fn manager_of(keyring: impl envel::Keyring + 'static) -> DefaultManager {
    DefaultManager::new(Arc::new(keyring))
}
