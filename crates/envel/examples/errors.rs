//! What can go wrong, and what to do about it.
//!
//! Run it with `cargo run -p envel --example errors`.
#![allow(clippy::print_stdout, reason = "an example says what happens")]

use std::error::Error;
use std::sync::Arc;

use envel::kms::CreateKeyRequest;
use envel::{
    Client, DecryptOptions, DefaultManager, EncryptOptions, ErrorKind, KmsControl, KmsKeyIdentifier,
    KmsKeyring,
};
use envel_kms::{DEFAULT_REGION, EmbeddedKms, OpenOptions};

/// What a program can do next.
fn next_step(error: &envel::Error) -> &'static str {
    match error.kind() {
        ErrorKind::Retryable => "try again later: a KMS is throttling or out of reach",
        ErrorKind::KeyUnavailable => "find the key: it is missing, disabled, or not permitted",
        ErrorKind::PolicyRefused => "stop: the message is not what was asked for",
        ErrorKind::Unauthentic | ErrorKind::Malformed => "fetch the message again: it is damaged or altered",
        ErrorKind::InvalidCall => "correct the program or its options",
        ErrorKind::Io => "look at the disk or the network",
        _ => "report a bug",
    }
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    pollster::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let kms = EmbeddedKms::open(OpenOptions::in_memory())?.client(DEFAULT_REGION);
    let key = kms.create_key(CreateKeyRequest::new()).await?.arn;
    let keyring = KmsKeyring::new(KmsKeyIdentifier::KeyArn(key.clone()), Arc::new(kms.clone()));
    let manager = DefaultManager::new(Arc::new(keyring));
    let client = Client::default();
    let message = client.encrypt(&manager, b"attack at dawn", &EncryptOptions::new()).await?.message;
    let options = DecryptOptions::new();

    let cut = &message[..message.len() - 1];
    let error = client.decrypt(&manager, cut, &options).await.expect_err("it was cut");
    println!("cut: {error}\n  -> {}", next_step(&error));

    let mut altered = message.clone();
    let position = altered.len() - 20;
    altered[position] ^= 1;
    let error = client.decrypt(&manager, &altered, &options).await.expect_err("it was altered");
    println!("altered: {error}\n  -> {}", next_step(&error));

    kms.disable_key(key.as_str().to_owned()).await?;
    let error = client.decrypt(&manager, &message, &options).await.expect_err("the key is disabled");
    println!("disabled: {error}\n  -> {}", next_step(&error));

    kms.enable_key(key.as_str().to_owned()).await?;
    client.decrypt(&manager, &message, &options).await?;
    println!("enabled again: it opens");
    Ok(())
}
