//! Signed messages: those who can decrypt them cannot forge one.
//!
//! Run it with `cargo run -p envel --example signed`.
#![allow(clippy::print_stdout, reason = "an example says what happens")]

use std::error::Error;
use std::sync::Arc;

use envel::kms::CreateKeyRequest;
use envel::{
    Client, DecryptOptions, DefaultManager, EncryptOptions, ErrorKind, KmsControl, KmsKeyIdentifier,
    KmsKeyring, ReleasePolicy,
};
use envel_kms::{DEFAULT_REGION, EmbeddedKms, OpenOptions};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    pollster::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let kms = EmbeddedKms::open(OpenOptions::in_memory())?.client(DEFAULT_REGION);
    let key = kms.create_key(CreateKeyRequest::new()).await?.arn;
    let keyring = KmsKeyring::new(KmsKeyIdentifier::KeyArn(key), Arc::new(kms));
    let manager = DefaultManager::new(Arc::new(keyring));
    let client = Client::default();

    let options = EncryptOptions::new().signed(true);
    let mut message = client.encrypt(&manager, b"pay 100", &options).await?.message;

    // In memory, nothing is returned before the signature is verified.
    let opened = client.decrypt(&manager, &message, &DecryptOptions::new()).await?;
    println!("signed with {}: {}", opened.header.algorithm_suite().id, String::from_utf8(opened.plaintext)?);

    // As a stream, frames leave one by one before the signature, unless they are held.
    let hold = ReleasePolicy::AfterSignature { max_held_bytes: 1 << 20 };
    let options = DecryptOptions::new().release(hold);
    let pending = client.read_header(&message[..])?;
    let mut plaintext = Vec::new();
    client.open(&manager, pending, &options).await?.copy_to(&mut plaintext)?;
    println!("held until its signature was verified: {} bytes", plaintext.len());

    // The signature ends the message.
    let position = message.len() - 10;
    message[position] ^= 1;
    let options = DecryptOptions::new();
    let refused = client.decrypt(&manager, &message, &options).await.expect_err("it was altered");
    assert_eq!(refused.kind(), ErrorKind::Unauthentic);
    println!("altered: {refused}");
    Ok(())
}
