//! The encryption context: pairs that a message is bound to, stored in it or known to both sides alone.
//!
//! Run it with `cargo run -p envel --example context`.
#![allow(clippy::print_stdout, reason = "an example says what happens")]

use std::error::Error;
use std::sync::Arc;

use envel::kms::CreateKeyRequest;
use envel::{
    Client, DecryptOptions, DefaultManager, EncryptOptions, EncryptionContext, ErrorKind, KmsControl,
    KmsKeyIdentifier, KmsKeyring, RequiredContextManager,
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
    stored_pairs(&manager).await?;
    required_pairs(manager).await
}

async fn stored_pairs(manager: &DefaultManager) -> Result<(), Box<dyn Error>> {
    let client = Client::default();

    let context = EncryptionContext::try_from_pairs([("tenant", "42"), ("purpose", "invoice")])?;
    let options = EncryptOptions::new().encryption_context(context);
    let message = client.encrypt(manager, b"one invoice", &options).await?.message;

    // Whoever decrypts says what the message must be about.
    let expected = EncryptionContext::try_from_pairs([("tenant", "42")])?;
    let options = DecryptOptions::new().encryption_context(expected);
    let opened = client.decrypt(manager, &message, &options).await?;
    println!("tenant 42 reads {:?}", String::from_utf8(opened.plaintext)?);

    let expected = EncryptionContext::try_from_pairs([("tenant", "43")])?;
    let options = DecryptOptions::new().encryption_context(expected);
    let refused = client.decrypt(manager, &message, &options).await.expect_err("it is not theirs");
    assert_eq!(refused.kind(), ErrorKind::PolicyRefused);
    println!("tenant 43 does not: {refused}");
    Ok(())
}

async fn required_pairs(manager: DefaultManager) -> Result<(), Box<dyn Error>> {
    let client = Client::default();

    let manager = RequiredContextManager::new(Arc::new(manager), vec!["patient".to_owned()])?;
    let context = EncryptionContext::try_from_pairs([("patient", "P-1077"), ("ward", "3")])?;
    let options = EncryptOptions::new().encryption_context(context);
    let output = client.encrypt(&manager, b"a diagnosis", &options).await?;
    assert!(!output.header.encryption_context().contains_name("patient"));

    // The message does not say which patient it is about: whoever reads it must know.
    let context = EncryptionContext::try_from_pairs([("patient", "P-1077")])?;
    let options = DecryptOptions::new().encryption_context(context);
    let opened = client.decrypt(&manager, &output.message, &options).await?;
    println!("with the patient's number: {:?}", String::from_utf8(opened.plaintext)?);

    let options = DecryptOptions::new();
    let refused = client.decrypt(&manager, &output.message, &options).await.expect_err("a pair is missing");
    println!("without it: {refused}");
    Ok(())
}
