//! Files and other streams, in memory that does not depend on their length.
//!
//! Run it with `cargo run -p envel --example streams`.
#![allow(clippy::print_stdout, reason = "an example says what happens")]

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use envel::kms::CreateKeyRequest;
use envel::{
    Client, DecryptOptions, DefaultManager, EncryptOptions, KmsControl, KmsKeyIdentifier, KmsKeyring,
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

    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("report.txt"), "line\n".repeat(100_000))?;
    encrypt_file(&manager, directory.path()).await?;
    decrypt_file(&manager, directory.path()).await?;
    write_piece_by_piece(&manager).await
}

async fn encrypt_file(manager: &DefaultManager, directory: &Path) -> Result<(), Box<dyn Error>> {
    let client = Client::default();
    let mut plaintext = File::open(directory.join("report.txt"))?;
    let mut message = File::create(directory.join("report.txt.envel"))?;

    // The KMS is asked here, once; what follows is local and synchronous.
    let encryption = client.start_encryption(manager, &EncryptOptions::new()).await?;
    let summary = encryption.copy(&mut plaintext, &mut message)?;
    println!("{} bytes became {}", summary.plaintext_len, summary.ciphertext_len);
    Ok(())
}

async fn decrypt_file(manager: &DefaultManager, directory: &Path) -> Result<(), Box<dyn Error>> {
    let client = Client::default();
    let message = File::open(directory.join("report.txt.envel"))?;
    let unfinished = directory.join("report.txt.unfinished");
    let mut output = File::create(&unfinished)?;

    // The header is read, then verified; then each frame is verified before it is written.
    let pending = client.read_header(message)?;
    let mut reader = client.open(manager, pending, &DecryptOptions::new()).await?;
    let summary = reader.copy_to(&mut output)?;

    // Only now is it known that the message was whole: until then its plaintext has no name.
    fs::rename(&unfinished, directory.join("report.txt"))?;
    println!("{} bytes are back", summary.plaintext_len);
    Ok(())
}

async fn write_piece_by_piece(manager: &DefaultManager) -> Result<(), Box<dyn Error>> {
    let client = Client::default();

    let encryption = client.start_encryption(manager, &EncryptOptions::new()).await?;
    let mut writer = encryption.into_writer(Vec::new());
    for line in 0..1000 {
        writeln!(writer, "line {line}")?;
    }
    // Without this the message is cut, and every reader says so.
    let (message, summary) = writer.finish()?;
    println!("{} bytes were written piece by piece into {}", summary.plaintext_len, message.len());
    Ok(())
}
