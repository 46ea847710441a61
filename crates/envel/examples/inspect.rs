//! What a message says about itself, without keys.
//!
//! Run it with `cargo run -p envel --example inspect`.
#![allow(clippy::print_stdout, reason = "an example says what happens")]

use std::error::Error;
use std::sync::Arc;

use envel::primitives::rand;
use envel::{
    Client, DefaultManager, EncryptOptions, EncryptionContext, HeaderLimits, RawAesKeyring, SecretBytes,
    inspect,
};

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    pollster::block_on(run())
}

async fn run() -> Result<(), Box<dyn Error>> {
    let wrapping_key = SecretBytes::try_filled_by(32, rand::fill)?;
    let manager = DefaultManager::new(Arc::new(RawAesKeyring::new("my-app", "key-1", &wrapping_key)?));
    let context = EncryptionContext::try_from_pairs([("tenant", "42")])?;
    let options = EncryptOptions::new().encryption_context(context);
    let message = Client::default().encrypt(&manager, &[b'x'; 100_000], &options).await?.message;

    let description = inspect::describe(&message[..], HeaderLimits::default())?;
    let header = description.header;
    println!("suite {}, frames of {} bytes", header.algorithm_suite().id, header.frame_length());
    for (name, value) in header.encryption_context().iter() {
        println!("context {name}={value}");
    }
    for key in header.encrypted_data_keys() {
        println!("a data key wrapped by {} {}", key.key_provider_id, key.provider_info_for_display());
    }
    if let Some(body) = description.body {
        println!("{} frames with {} bytes of plaintext", body.frames, body.plaintext_len);
    }
    println!("nothing of this is verified: only decryption does that");
    Ok(())
}
