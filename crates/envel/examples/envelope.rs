//! Envelope encryption in six steps: by hand with a KMS, and then with the library, which does them all.
//!
//! Run it with `cargo run -p envel --example envelope`.
#![allow(clippy::print_stdout, reason = "an example says what happens")]

use std::error::Error;
use std::sync::Arc;

use envel::kms::{CreateKeyRequest, DecryptRequest, GenerateDataKeyRequest};
use envel::primitives::aead::{AeadAlgorithm, AeadKey, IV_LEN, TAG_LEN};
use envel::primitives::rand;
use envel::{
    Client, DecryptOptions, DefaultManager, EncryptOptions, EncryptionContext, KmsClient, KmsControl,
    KmsKeyArn, KmsKeyIdentifier, KmsKeyring,
};
use envel_kms::{DEFAULT_REGION, EmbeddedKms, OpenOptions, RegionClient};

/// What is kept of some encrypted data: all that is needed to decrypt it, except for the KMS key.
struct Envelope {
    encrypted_data_key: Vec<u8>,
    iv: [u8; IV_LEN],
    ciphertext: Vec<u8>,
    tag: [u8; TAG_LEN],
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    pollster::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let kms = EmbeddedKms::open(OpenOptions::in_memory())?.client(DEFAULT_REGION);
    let key = kms.create_key(CreateKeyRequest::new().description("guide")).await?.arn;
    println!("the KMS key is {key}");

    let context = EncryptionContext::try_from_pairs([("tenant", "42")])?;
    by_hand(&kms, &key, &context).await?;
    with_the_library(kms, key, context).await
}

async fn by_hand(
    kms: &RegionClient,
    key: &KmsKeyArn,
    context: &EncryptionContext,
) -> Result<(), Box<dyn Error>> {
    // 1. GenerateDataKey gives a new data key twice: in plaintext, and encrypted under the KMS key.
    let request = GenerateDataKeyRequest::new(key.as_str(), 32).encryption_context(context.clone());
    let generated = kms.generate_data_key(request).await?;
    println!(
        "1. a data key: {:?}, and encrypted {} bytes",
        generated.plaintext,
        generated.ciphertext_blob.len()
    );

    // 2. The data is encrypted here, with AES-256-GCM under the plaintext key. It never goes to the KMS.
    let cipher = AeadKey::new(AeadAlgorithm::Aes256Gcm, generated.plaintext.expose_secret())?;
    let mut iv = [0; IV_LEN];
    rand::fill(&mut iv)?;
    let mut ciphertext = b"attack at dawn".to_vec();
    let tag = cipher.seal_in_place(&iv, b"", &mut ciphertext)?;
    println!("2. encrypted locally: {} bytes", ciphertext.len());

    // 3. The encrypted data key is stored beside the ciphertext.
    let envelope = Envelope { encrypted_data_key: generated.ciphertext_blob, iv, ciphertext, tag };
    println!("3. stored with the encrypted data key");

    // 4. The plaintext key is wiped: whatever holds a secret overwrites it when it is dropped.
    drop((generated.plaintext, cipher));
    println!("4. wiped the plaintext key");

    // 5. Decrypt asks the KMS for the data key back, under the same context.
    let request = DecryptRequest::new(envelope.encrypted_data_key)
        .key_id(key.as_str())
        .encryption_context(context.clone());
    let data_key = kms.decrypt(request).await?.plaintext;
    println!("5. the KMS gave the data key back");

    // 6. The data is decrypted, and refused if anybody altered it.
    let cipher = AeadKey::new(AeadAlgorithm::Aes256Gcm, data_key.expose_secret())?;
    let mut plaintext = vec![0; envelope.ciphertext.len()];
    cipher.open_into(&envelope.iv, b"", &envelope.ciphertext, &envelope.tag, &mut plaintext)?;
    println!("6. decrypted: {}", String::from_utf8(plaintext)?);
    Ok(())
}

async fn with_the_library(
    kms: RegionClient,
    key: KmsKeyArn,
    context: EncryptionContext,
) -> Result<(), Box<dyn Error>> {
    // Which keys wrap data keys, and what assembles a message's materials.
    let keyring = KmsKeyring::new(KmsKeyIdentifier::KeyArn(key), Arc::new(kms));
    let manager = DefaultManager::new(Arc::new(keyring));
    let client = Client::default();

    // Steps 1 to 4.
    let options = EncryptOptions::new().encryption_context(context.clone());
    let message = client.encrypt(&manager, b"attack at dawn", &options).await?.message;

    // Steps 5 and 6.
    let options = DecryptOptions::new().encryption_context(context);
    let opened = client.decrypt(&manager, &message, &options).await?;
    println!("the library: {} bytes, opened by {}", message.len(), opened.opened_by.key_provider_info);
    assert_eq!(opened.plaintext, b"attack at dawn");
    Ok(())
}
