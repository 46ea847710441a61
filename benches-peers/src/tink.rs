//! Tink's envelope encryption: a new data key for each message, no key derivation, no commitment, no frames. A local key stands
//! where the KMS would.

use std::error::Error;
use std::hint::black_box;

use tink_aead::{KmsEnvelopeAead, aes256_gcm_key_template};
use tink_core::Aead;
use tink_core::keyset::Handle;

use crate::measure::{Operation, Request};

pub fn operation(request: &Request) -> Result<Box<dyn Operation>, Box<dyn Error>> {
    tink_aead::init();
    let wrapping_key = tink_aead::new(&Handle::new(&aes256_gcm_key_template())?)?;
    let envelope = KmsEnvelopeAead::new(aes256_gcm_key_template(), wrapping_key);
    let plaintext = request.plaintext();
    if request.is_encrypt {
        return Ok(Box::new(move || {
            black_box(envelope.encrypt(&plaintext, b"").expect("tink encrypts"));
        }));
    }
    let message = envelope.encrypt(&plaintext, b"")?;
    Ok(Box::new(move || {
        black_box(envelope.decrypt(&message, b"").expect("tink decrypts"));
    }))
}
