//! Messages with the two faults of the SDK for .NET 4.0.0, made here byte by byte: refused, unless the runner is told to retry.
//!
//! That SDK left the message ID out of the key derivation of the suites without commitment, and authenticated a zero pair
//! count behind the header where no pairs are required.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use envel::AlgorithmSuiteId;
use envel::primitives::aead::{AeadAlgorithm, AeadKey};
use envel::primitives::digest::DigestAlgorithm;
use envel::primitives::hkdf;
use serde_json::json;

const WRAPPING_KEY: [u8; 32] = [0x11; 32];
const DATA_KEY: [u8; 32] = [0x22; 32];
const MESSAGE_ID: [u8; 16] = [0x33; 16];
const PLAINTEXT: &[u8] = b"written by .NET";

#[derive(Clone, Copy)]
struct Faults {
    message_id_left_out: bool,
    zero_count_authenticated: bool,
}

#[test]
fn the_faults_are_refused_and_opened_with_the_retry() {
    let none = Faults { message_id_left_out: false, zero_count_authenticated: false };
    let header = Faults { zero_count_authenticated: true, ..none };
    let both = Faults { message_id_left_out: true, ..header };
    let (hkdf, no_kdf) = (AlgorithmSuiteId::Aes256GcmHkdfSha256, AlgorithmSuiteId::Aes256GcmNoKdf);

    let sound = [message(hkdf, none), message(no_kdf, none)];
    assert_eq!(run(&sound, &[]), (Some(0), "2 passed, 0 failed, 0 skipped".into()));
    assert_eq!(run(&sound, &["--net-v4-retry"]), (Some(0), "2 passed, 0 failed, 0 skipped".into()));

    let faulty = [message(no_kdf, header), message(hkdf, both)];
    assert_eq!(run(&faulty, &[]), (Some(1), "0 passed, 2 failed, 0 skipped".into()));
    assert_eq!(run(&faulty, &["--net-v4-retry"]), (Some(0), "2 passed, 0 failed, 0 skipped".into()));
}

#[test]
fn the_retry_opens_no_altered_message() {
    let both = Faults { message_id_left_out: true, zero_count_authenticated: true };
    let mut altered = message(AlgorithmSuiteId::Aes256GcmHkdfSha256, both);
    let last = altered.len() - 1;
    altered[last] ^= 1;
    assert_eq!(run(&[altered], &["--net-v4-retry"]), (Some(1), "0 passed, 1 failed, 0 skipped".into()));
}

/// A message of version 1 under a raw AES key, with one frame and no encryption context.
fn message(suite: AlgorithmSuiteId, faults: Faults) -> Vec<u8> {
    let suite_id = suite.as_u16().to_be_bytes();
    let sized = |field: &[u8]| [&u16::try_from(field.len()).unwrap().to_be_bytes(), field].concat();

    let wrapping_iv = [0x44; 12];
    let info = [&b"aes-256"[..], &128_u32.to_be_bytes(), &12_u32.to_be_bytes(), &wrapping_iv].concat();
    let wrapped = seal(&WRAPPING_KEY, &wrapping_iv, b"", &DATA_KEY);
    let encrypted_data_key = [sized(b"envel tests"), sized(&info), sized(&wrapped)].concat();

    let key = match suite {
        AlgorithmSuiteId::Aes256GcmNoKdf => DATA_KEY,
        _ => {
            let message_id = if faults.message_id_left_out { &[][..] } else { &MESSAGE_ID };
            let mut key = [0; 32];
            let prk = hkdf::extract(DigestAlgorithm::Sha256, b"", &DATA_KEY).unwrap();
            prk.expand(&[&suite_id, message_id], &mut key).unwrap();
            key
        }
    };

    let (no_pairs, one_key, frame_length) = ([0, 0], [0, 1], 512_u32.to_be_bytes());
    let header = [
        &[1, 0x80][..],
        &suite_id,
        &MESSAGE_ID,
        &no_pairs,
        &one_key,
        &encrypted_data_key,
        &[2, 0, 0, 0, 0, 12],
        &frame_length,
    ]
    .concat();
    let authenticated = match faults.zero_count_authenticated {
        true => [&header[..], &[0, 0]].concat(),
        false => header.clone(),
    };
    let header_tag = seal(&key, &[0; 12], &authenticated, b"");

    let frame_iv = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let length = u32::try_from(PLAINTEXT.len()).unwrap();
    let frame_aad = [
        &MESSAGE_ID[..],
        b"AWSKMSEncryptionClient Final Frame",
        &1_u32.to_be_bytes(),
        &u64::from(length).to_be_bytes(),
    ]
    .concat();
    let frame = seal(&key, &frame_iv, &frame_aad, PLAINTEXT);
    let frame_head = [&[0xff; 4][..], &1_u32.to_be_bytes(), &frame_iv, &length.to_be_bytes()].concat();
    [header, vec![0; 12], header_tag, frame_head, frame].concat()
}

/// Ciphertext and tag.
fn seal(key: &[u8; 32], iv: &[u8; 12], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let mut ciphertext = plaintext.to_vec();
    let key = AeadKey::new(AeadAlgorithm::Aes256Gcm, key).unwrap();
    let tag = key.seal_in_place(iv, aad, &mut ciphertext).unwrap();
    [ciphertext, tag.to_vec()].concat()
}

/// Runs a manifest of these messages: exit code and last line.
fn run(messages: &[Vec<u8>], arguments: &[&str]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut tests = serde_json::Map::new();
    for (number, message) in messages.iter().enumerate() {
        let name = format!("message-{number}");
        fs::write(path(&name), message).unwrap();
        let keys = json!([{
            "type": "raw", "key": "aes-256", "provider-id": "envel tests", "encryption-algorithm": "aes",
        }]);
        tests.insert(name.clone(), json!({
            "ciphertext": format!("file://{name}"), "master-keys": keys, "cmm": "Default", "encryption-context": {},
            "result": { "output": { "plaintext": "file://plaintext" } },
        }));
    }
    let manifest = json!({
        "manifest": { "type": "awses-decrypt", "version": 4 }, "keys": "file://keys.json", "tests": tests,
    });
    let keys = json!({ "manifest": { "type": "keys", "version": 3 }, "keys": { "aes-256": {
        "encrypt": true, "decrypt": true, "algorithm": "aes", "type": "symmetric", "bits": 256,
        "encoding": "base64", "material": BASE64.encode(WRAPPING_KEY), "key-id": "aes-256",
    } } });
    fs::write(path("plaintext"), PLAINTEXT).unwrap();
    fs::write(path("keys.json"), keys.to_string()).unwrap();
    fs::write(path("manifest.json"), manifest.to_string()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_decrypt-manifest"))
        .arg(path("manifest.json"))
        .args(arguments)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text.lines().last().unwrap_or_default().to_owned())
}
