//! Files that hold raw keys.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use envel::SecretBytes;
use envel::primitives::rsa::{RsaPrivateKey, RsaPublicKey};

use crate::exit::Failure;

/// No key file is longer: an RSA key of 8192 bits takes about 6 KiB as PEM.
const MAX_FILE_LEN: u64 = 64 << 10;

const AES_KEY_LENS: [usize; 3] = [16, 24, 32];

const LENIENT_BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What an AES key file turned out to hold.
#[derive(Debug)]
pub(super) struct AesKey {
    pub(super) key: SecretBytes,
    /// Set where the bytes of the key are all text: perhaps the digits of a key, taken for the key itself.
    pub(super) looks_like_text: bool,
}

/// Reads a raw AES key: a file of exactly 16, 24 or 32 bytes is the key itself; any other is hexadecimal or base64 of one, with
/// white space around or between the digits.
///
/// # Errors
/// A file that cannot be read, or holds something else.
pub(super) fn aes_key(path: &Path) -> Result<AesKey, Failure> {
    let contents = read(path)?;
    decode_aes_key(&contents).ok_or_else(|| {
        Failure::usage(
            format!("{} does not hold an AES key", path.display()),
            "a key is 16, 24 or 32 bytes, in binary, hexadecimal or base64; `openssl rand 32 > FILE` makes one",
        )
    })
}

fn decode_aes_key(contents: &SecretBytes) -> Option<AesKey> {
    if AES_KEY_LENS.contains(&contents.len()) {
        let looks_like_text = contents.expose_secret().iter().all(u8::is_ascii_graphic);
        return Some(AesKey { key: SecretBytes::copied_from(contents.expose_secret()), looks_like_text });
    }
    let is_digit = |byte: &&u8| !byte.is_ascii_whitespace();
    let count = contents.expose_secret().iter().filter(is_digit).count();
    let digits = SecretBytes::filled_by(count, |out| {
        let kept = contents.expose_secret().iter().filter(is_digit);
        out.iter_mut().zip(kept).for_each(|(slot, byte)| *slot = *byte);
    });
    // Hexadecimal first: 32 hexadecimal digits are base64 too, and not by chance.
    let key = from_hexadecimal(digits.expose_secret()).or_else(|| from_base64(digits.expose_secret()))?;
    AES_KEY_LENS.contains(&key.len()).then_some(AesKey { key, looks_like_text: false })
}

fn from_hexadecimal(digits: &[u8]) -> Option<SecretBytes> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    SecretBytes::try_filled_by(digits.len() / 2, |out| {
        for (slot, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
            *slot = value(pair[0]).ok_or(())? << 4 | value(pair[1]).ok_or(())?;
        }
        Ok::<(), ()>(())
    })
    .ok()
}

fn from_base64(digits: &[u8]) -> Option<SecretBytes> {
    let mut decoded = SecretBytes::zeroed(digits.len() / 4 * 3 + 3);
    let length = LENIENT_BASE64.decode_slice(digits, decoded.expose_secret_mut()).ok()?;
    decoded.expose_secret().get(..length).map(SecretBytes::copied_from)
}

/// What an RSA key file holds.
#[derive(Debug)]
pub(super) enum RsaKeyFile {
    Private(RsaPrivateKey),
    Public(RsaPublicKey),
}

/// Reads a PEM file with a private or a public RSA key.
///
/// # Errors
/// A file that cannot be read, or holds something else.
pub(super) fn rsa_key(path: &Path) -> Result<RsaKeyFile, Failure> {
    let contents = read(path)?;
    let pem = contents.expose_secret();
    RsaPrivateKey::from_pem(pem)
        .map(RsaKeyFile::Private)
        .or_else(|_| RsaPublicKey::from_pem(pem).map(RsaKeyFile::Public))
        .map_err(|_| {
            Failure::usage(
                format!("{} does not hold an RSA key of 2048 to 8192 bits", path.display()),
                "it must be a PEM file: PUBLIC KEY, PRIVATE KEY without a passphrase, or RSA PRIVATE KEY",
            )
        })
}

fn read(path: &Path) -> Result<SecretBytes, Failure> {
    let failed = |error: std::io::Error| Failure::io(path.display(), &error);
    let file = File::open(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > MAX_FILE_LEN {
        return Err(Failure::usage(
            format!("{} is too long to be a key", path.display()),
            "name the file that holds the key alone",
        ));
    }
    // Room for all that may come, so that growing leaves no copy behind; a FIFO tells no length.
    let mut contents = Vec::with_capacity(usize::try_from(MAX_FILE_LEN).unwrap_or(usize::MAX));
    file.take(MAX_FILE_LEN).read_to_end(&mut contents).map_err(failed)?;
    Ok(SecretBytes::from_vec(contents))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(contents: &[u8]) -> Option<(Vec<u8>, bool)> {
        decode_aes_key(&SecretBytes::copied_from(contents))
            .map(|found| (found.key.expose_secret().to_vec(), found.looks_like_text))
    }

    #[test]
    fn a_file_of_exactly_a_keys_length_is_the_key() {
        for length in AES_KEY_LENS {
            assert_eq!(decoded(&vec![0xfe; length]), Some((vec![0xfe; length], false)));
        }
        // 32 hexadecimal digits without a newline are 32 bytes: the length decides, and the caller warns.
        assert_eq!(decoded(&[b'a'; 32]), Some((vec![b'a'; 32], true)));
    }

    #[test]
    fn hexadecimal_and_base64_hold_the_same_key() {
        let key: Vec<u8> = (0u8..32).collect();
        let hexadecimal: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        for text in [
            format!("{hexadecimal}\n"),
            hexadecimal.to_uppercase(),
            format!("{}\n{}\n", &hexadecimal[..32], &hexadecimal[32..]),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n".to_owned(),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".to_owned(),
        ] {
            assert_eq!(decoded(text.as_bytes()), Some((key.clone(), false)), "{text}");
        }
        assert_eq!(
            decoded(format!("{}\n", &hexadecimal[..32]).as_bytes()),
            Some((key[..16].to_vec(), false))
        );
        assert_eq!(decoded(b"AAECAwQFBgcICQoLDA0ODw==\n"), Some((key[..16].to_vec(), false)));
    }

    #[test]
    fn other_contents_hold_no_key() {
        for contents in
            [&b""[..], b"short", &[0; 33], b"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8AAAAA", b"0x00"]
        {
            assert!(decoded(contents).is_none());
        }
    }
}
