//! What the cryptographic library does alone: no implementation on top of it can be faster.

use std::error::Error;
use std::hint::black_box;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA384, digest};

use crate::measure::{Operation, Request};

/// AES-256-GCM is about as fast as it gets at this length, and the bytes stay in the cache.
const PIECE_LEN: usize = 64 << 10;

/// AES-256-GCM in place over one piece as often as the message is long; for signed suites SHA-384, which is slower and serial.
pub fn operation(request: &Request) -> Result<Box<dyn Operation>, Box<dyn Error>> {
    let piece_len = request.message_len.min(PIECE_LEN);
    let pieces = request.message_len.div_ceil(piece_len);
    let mut piece = vec![1; piece_len];
    if request.suite.suite().is_signed() {
        let message_len = request.message_len;
        // One digest of the whole, from memory that is read once, as a signature needs it.
        let message = vec![1; message_len];
        return Ok(Box::new(move || {
            black_box(digest(&SHA384, &message));
        }));
    }
    let key = UnboundKey::new(&AES_256_GCM, &[7; 32]).map_err(|_| "no key")?;
    let key = LessSafeKey::new(key);
    let nonce = || Nonce::assume_unique_for_key([0; 12]);
    if request.is_encrypt {
        return Ok(Box::new(move || {
            for _ in 0..pieces {
                let sealed = key.seal_in_place_separate_tag(nonce(), Aad::from(b"aad"), &mut piece);
                let _ = black_box(sealed.expect("a piece is short enough"));
            }
        }));
    }
    let tag = key
        .seal_in_place_separate_tag(nonce(), Aad::from(b"aad"), &mut piece)
        .map_err(|_| "a piece is too long")?;
    let mut plaintext = vec![0; piece_len];
    Ok(Box::new(move || {
        for _ in 0..pieces {
            let aad = Aad::from(b"aad");
            let opened = key.open_separate_gather(nonce(), aad, &piece, tag.as_ref(), &mut plaintext);
            opened.expect("it was sealed so");
            black_box(&plaintext);
        }
    }))
}
