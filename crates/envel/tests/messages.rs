//! Messages through the public interface: every suite, every edge of a frame, every way in and out.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::future::Future;
use std::io::{Read, Write};
use std::sync::Arc;

use envel::{
    AlgorithmSuiteId, Client, CommitmentPolicy, DecryptOptions, DefaultManager, EncryptOptions,
    EncryptionContext, Error, ErrorKind, RawAesKeyring, ReleasePolicy, SecretBytes,
};
use pollster::block_on;

const FRAME_LENGTH: u32 = 64;

fn manager(suite: AlgorithmSuiteId) -> DefaultManager {
    let wrapping_key = SecretBytes::copied_from(&[5; 32]);
    let name = format!("key for {suite}");
    DefaultManager::new(Arc::new(RawAesKeyring::new("tests", name, &wrapping_key).unwrap()))
}

fn client(suite: AlgorithmSuiteId) -> Client {
    let policy = if suite.suite().is_committing() {
        CommitmentPolicy::RequireEncryptRequireDecrypt
    } else {
        CommitmentPolicy::ForbidEncryptAllowDecrypt
    };
    Client::builder().commitment_policy(policy).build()
}

fn options(suite: AlgorithmSuiteId) -> EncryptOptions {
    let context = EncryptionContext::try_from_pairs([("purpose", "tests")]).unwrap();
    EncryptOptions::new().algorithm_suite(suite).frame_length(FRAME_LENGTH).encryption_context(context)
}

fn plaintext(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

fn encrypted(suite: AlgorithmSuiteId, length: usize) -> Vec<u8> {
    let output = block_on(client(suite).encrypt(&manager(suite), &plaintext(length), &options(suite)));
    output.unwrap().message
}

/// Decrypts a message that arrives and leaves in pieces of the given sizes; what was released, and how it ended.
fn decrypted_in_pieces(
    suite: AlgorithmSuiteId,
    message: &[u8],
    read_len: usize,
    options: &DecryptOptions,
) -> (Vec<u8>, Result<(), Error>) {
    struct Pieces<'a>(&'a [u8], usize);
    impl Read for Pieces<'_> {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(out.len());
            self.0.read(&mut out[..count])
        }
    }
    let client = client(suite);
    let mut released = Vec::new();
    let outcome = (|| {
        let pending = client.read_header(Pieces(message, read_len))?;
        let mut reader = block_on(client.open(&manager(suite), pending, options))?;
        let mut buffer = vec![0; read_len];
        loop {
            match reader.read(&mut buffer).map_err(Error::from_io)? {
                0 => break,
                count => released.extend_from_slice(&buffer[..count]),
            }
        }
        let summary = reader.summary().expect("the message ended");
        assert_eq!(summary.plaintext_len, released.len() as u64);
        assert_eq!(summary.ciphertext_len, message.len() as u64);
        Ok(())
    })();
    (released, outcome)
}

const EDGES: [usize; 9] = [0, 1, 63, 64, 65, 127, 128, 129, 1000];

#[test]
fn every_suite_round_trips_at_every_edge_of_a_frame() {
    for suite in AlgorithmSuiteId::ALL {
        for length in EDGES {
            let message = encrypted(suite, length);
            let decrypted =
                block_on(client(suite).decrypt(&manager(suite), &message, &DecryptOptions::new()));
            assert_eq!(decrypted.unwrap().plaintext, plaintext(length), "{suite}, {length} bytes");
            for read_len in [1, 7, 64, 100, 5000] {
                let (released, outcome) =
                    decrypted_in_pieces(suite, &message, read_len, &DecryptOptions::new());
                outcome.unwrap();
                assert_eq!(released, plaintext(length), "{suite}, {length} bytes by {read_len}");
            }
        }
    }
}

#[test]
fn writers_fed_at_any_pace_make_messages_of_the_announced_length() {
    for suite in AlgorithmSuiteId::ALL {
        for length in EDGES {
            for write_len in [1, 7, 64, 65, 5000] {
                let start = block_on(client(suite).start_encryption(&manager(suite), &options(suite)));
                let encryption = start.unwrap();
                let announced = encryption.message_len(length as u64).unwrap();
                let mut writer = encryption.into_writer(Vec::new());
                for piece in plaintext(length).chunks(write_len) {
                    writer.write_all(piece).unwrap();
                }
                let (message, summary) = writer.finish().unwrap();
                assert_eq!((summary.plaintext_len, summary.ciphertext_len), (length as u64, announced));
                assert_eq!(message.len() as u64, announced);
                let decrypted =
                    block_on(client(suite).decrypt(&manager(suite), &message, &DecryptOptions::new()));
                assert_eq!(decrypted.unwrap().plaintext, plaintext(length));
            }
        }
    }
}

#[test]
fn copying_from_a_reader_makes_the_same_frames() {
    let suite = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey;
    // Long enough to fill the buffer of 1 MiB more than once, at its edges.
    for length in [0, 1, 64, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (2 << 20) + 65] {
        let start = block_on(client(suite).start_encryption(&manager(suite), &options(suite)));
        let mut message = Vec::new();
        let summary = start.unwrap().copy(&mut &plaintext(length)[..], &mut message).unwrap();
        assert_eq!(summary.ciphertext_len, message.len() as u64);
        let mut released = Vec::new();
        let pending = client(suite).read_header(&message[..]).unwrap();
        let mut reader =
            block_on(client(suite).open(&manager(suite), pending, &DecryptOptions::new())).unwrap();
        let summary = reader.copy_to(&mut released).unwrap();
        assert_eq!(summary.plaintext_len, length as u64);
        assert!(released == plaintext(length), "{length} bytes");
    }
}

#[test]
fn every_truncation_is_refused_and_releases_verified_frames_alone() {
    for suite in AlgorithmSuiteId::ALL {
        let message = encrypted(suite, 150);
        let whole = plaintext(150);
        for end in 0..message.len() {
            let cut = &message[..end];
            let error = block_on(client(suite).decrypt(&manager(suite), cut, &DecryptOptions::new()));
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Malformed, "{suite} cut at {end}");
            let (released, outcome) = decrypted_in_pieces(suite, cut, 32, &DecryptOptions::new());
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Malformed, "{suite} cut at {end}");
            assert!(released.len() <= 128 && whole.starts_with(&released), "{suite} cut at {end}");
            assert!(released.len() % 64 == 0, "only whole frames: {suite} cut at {end}");
        }
    }
}

#[test]
fn every_bit_flip_is_refused_and_releases_verified_frames_alone() {
    for suite in AlgorithmSuiteId::ALL {
        let message = encrypted(suite, 70);
        let whole = plaintext(70);
        for bit in 0..message.len() * 8 {
            let mut altered = message.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let one_shot = block_on(client(suite).decrypt(&manager(suite), &altered, &DecryptOptions::new()));
            one_shot.expect_err("an altered message must not open");
            let (released, outcome) = decrypted_in_pieces(suite, &altered, 4096, &DecryptOptions::new());
            outcome.expect_err("an altered message must not open");
            assert!(released.is_empty() || released == whole[..64], "{suite}, bit {bit}");
        }
    }
}

#[test]
fn whatever_follows_a_message_is_refused() {
    for suite in [
        AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey,
        AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
    ] {
        let mut message = encrypted(suite, 10);
        message.push(0);
        let (released, outcome) = decrypted_in_pieces(suite, &message, 1, &DecryptOptions::new());
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Malformed);
        assert!(released.is_empty(), "the final frame waits for the end");
    }
}

#[test]
fn a_signed_message_releases_nothing_final_before_its_signature() {
    let suite = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
    let mut message = encrypted(suite, 100);
    let signature_at = message.len() - 60;
    message[signature_at] ^= 1;
    let (released, outcome) = decrypted_in_pieces(suite, &message, 4096, &DecryptOptions::new());
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unauthentic);
    assert_eq!(released, plaintext(100)[..64]);

    let held = DecryptOptions::new().release(ReleasePolicy::AfterSignature { max_held_bytes: 100 });
    let (released, outcome) = decrypted_in_pieces(suite, &message, 4096, &held);
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unauthentic);
    assert!(released.is_empty());
}

#[test]
fn a_signed_message_is_held_to_its_limit_and_no_further() {
    let suite = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
    for length in EDGES {
        let message = encrypted(suite, length);
        let hold = |max_held_bytes| {
            let options = DecryptOptions::new().release(ReleasePolicy::AfterSignature { max_held_bytes });
            decrypted_in_pieces(suite, &message, 50, &options)
        };
        let (released, outcome) = hold(length as u64);
        outcome.unwrap();
        assert_eq!(released, plaintext(length));
        if length > 0 {
            let (released, outcome) = hold(length as u64 - 1);
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::PolicyRefused);
            assert!(released.is_empty());
        }
    }
    // Unsigned messages are not held.
    let unsigned = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey;
    let options = DecryptOptions::new().release(ReleasePolicy::AfterSignature { max_held_bytes: 0 });
    let (released, outcome) = decrypted_in_pieces(unsigned, &encrypted(unsigned, 200), 50, &options);
    outcome.unwrap();
    assert_eq!(released, plaintext(200));
}

#[test]
fn a_decryption_that_is_dropped_half_way_leaves_nothing() {
    let suite = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
    let message = encrypted(suite, 4 << 20);
    let (client, manager, options) = (client(suite), manager(suite), DecryptOptions::new());
    let mut plaintext = Vec::new();
    {
        let mut decryption =
            std::pin::pin!(client.decrypt_into(&manager, &message, &mut plaintext, &options));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        for _ in 0..2 {
            assert!(decryption.as_mut().poll(&mut context).is_pending(), "it yields before it is done");
        }
    }
    assert!(plaintext.is_empty(), "not even what was decrypted so far");
}

#[test]
fn a_copy_does_not_go_on_after_a_failed_write() {
    struct FailsOnce(bool);
    impl Write for FailsOnce {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if std::mem::replace(&mut self.0, true) {
                Ok(bytes.len())
            } else {
                Err(std::io::ErrorKind::WouldBlock.into())
            }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let suite = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey;
    let message = encrypted(suite, 4 << 20);
    for threads in [1, 2] {
        let options = DecryptOptions::new().threads(std::num::NonZeroUsize::new(threads).unwrap());
        let pending = client(suite).read_header(&message[..]).unwrap();
        let mut reader = block_on(client(suite).open(&manager(suite), pending, &options)).unwrap();
        let mut writer = FailsOnce(false);
        reader.copy_to(&mut writer).unwrap_err();
        reader.copy_to(&mut writer).expect_err("what was not written would be missing");
    }
}

#[test]
fn plaintext_is_not_shown_by_debug() {
    let suite = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey;
    let output =
        block_on(client(suite).decrypt(&manager(suite), &encrypted(suite, 3), &DecryptOptions::new()));
    let shown = format!("{:?}", output.unwrap());
    assert!(shown.starts_with("DecryptOutput { plaintext_len: 3, "), "{shown}");
}
