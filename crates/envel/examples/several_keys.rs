//! A message that any one of several keys opens.
//!
//! Run it with `cargo run -p envel --example several_keys`.
#![allow(clippy::print_stdout, reason = "an example says what happens")]

use std::error::Error;
use std::sync::Arc;

use envel::kms::CreateKeyRequest;
use envel::primitives::rand;
use envel::{
    Client, DecryptOptions, DefaultManager, DiscoveryFilter, EncryptOptions, KmsControl, KmsDiscoveryKeyring,
    KmsKeyIdentifier, KmsKeyring, MultiKeyring, RawAesKeyring, SecretBytes,
};
use envel_kms::{DEFAULT_ACCOUNT, DEFAULT_REGION, EmbeddedKms, OpenOptions};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    pollster::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let kms = EmbeddedKms::open(OpenOptions::in_memory())?;
    let (here, elsewhere) = (kms.client(DEFAULT_REGION), kms.client("local-2"));
    let first_key = here.create_key(CreateKeyRequest::new()).await?.arn;
    let second_key = elsewhere.create_key(CreateKeyRequest::new()).await?.arn;
    let client = Client::default();

    // The first makes the data key and wraps it; the others wrap the same data key.
    let first = KmsKeyring::new(KmsKeyIdentifier::KeyArn(first_key.clone()), Arc::new(here.clone()));
    let second = KmsKeyring::new(KmsKeyIdentifier::KeyArn(second_key), Arc::new(elsewhere));
    let paper_key = SecretBytes::try_filled_by(32, rand::fill)?;
    let offline = RawAesKeyring::new("my-company", "safe in the cellar", &paper_key)?;
    let all = MultiKeyring::new(Some(Arc::new(first)), vec![Arc::new(second), Arc::new(offline)])?;
    let manager = DefaultManager::new(Arc::new(all));
    let message = client.encrypt(&manager, b"attack at dawn", &EncryptOptions::new()).await?.message;

    // One key may fail: the next one opens the message.
    here.disable_key(first_key.as_str().to_owned()).await?;
    let opened = client.decrypt(&manager, &message, &DecryptOptions::new()).await?;
    println!("with the first key disabled, it was opened by {}", opened.opened_by.key_provider_info);

    // A reader needs one of the keys, not all.
    let offline = RawAesKeyring::new("my-company", "safe in the cellar", &paper_key)?;
    let manager = DefaultManager::new(Arc::new(offline));
    let opened = client.decrypt(&manager, &message, &DecryptOptions::new()).await?;
    println!("without any KMS, it was opened by {}", opened.opened_by.key_provider_id);

    // A reader who does not know which KMS keys were used says whose keys may be asked for.
    let filter = DiscoveryFilter::new("aws", [DEFAULT_ACCOUNT]);
    let discovery = KmsDiscoveryKeyring::new(Arc::new(kms), Some(filter));
    let manager = DefaultManager::new(Arc::new(discovery));
    let opened = client.decrypt(&manager, &message, &DecryptOptions::new()).await?;
    println!("by discovery, it was opened by {}", opened.opened_by.key_provider_info);
    Ok(())
}
