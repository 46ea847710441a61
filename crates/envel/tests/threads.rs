//! Many threads at one message: the same bytes, the same failures, in the same order.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::sync::Arc;

use envel::{
    AlgorithmSuiteId, Client, DecryptOptions, DefaultManager, EncryptOptions, Error, ErrorKind,
    RawAesKeyring, SecretBytes,
};
use pollster::block_on;

const SUITES: [AlgorithmSuiteId; 2] =
    [AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey, AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384];

/// Around one and two batches of 512 KiB, around those that one thread does alone, and some more.
const LENGTHS: [usize; 8] =
    [0, 1, (1 << 19) - 1, 1 << 19, (1 << 20) + 1, 4 << 20, (5 << 20) + 12_345, (9 << 20) + 1];

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

fn manager() -> DefaultManager {
    let wrapping_key = SecretBytes::copied_from(&[5; 32]);
    DefaultManager::new(Arc::new(RawAesKeyring::new("tests", "key", &wrapping_key).unwrap()))
}

fn plaintext(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

fn copied(plaintext: &[u8], options: &EncryptOptions) -> Vec<u8> {
    let encryption = block_on(Client::default().start_encryption(&manager(), options)).unwrap();
    let announced = encryption.message_len(plaintext.len() as u64).unwrap();
    let mut message = Vec::new();
    let summary = encryption.copy(&mut &plaintext[..], &mut message).unwrap();
    assert_eq!((summary.plaintext_len, summary.ciphertext_len), (plaintext.len() as u64, announced));
    assert_eq!(message.len() as u64, announced);
    message
}

fn sealed(plaintext: &[u8], options: &EncryptOptions) -> Vec<u8> {
    let encryption = block_on(Client::default().start_encryption(&manager(), options)).unwrap();
    let mut message = vec![9; plaintext.len() / 2];
    encryption.seal_into(plaintext, &mut message).unwrap();
    message
}

fn opened_in_memory(message: &[u8], count: usize) -> Result<Vec<u8>, Error> {
    let options = DecryptOptions::new().threads(threads(count));
    let mut plaintext = vec![1; 100];
    let outcome = block_on(Client::default().start_decryption(&manager(), message, &options))
        .and_then(|decryption| decryption.open_into(&mut plaintext));
    assert!(
        outcome.is_ok() || plaintext.is_empty() || plaintext == [1; 100],
        "nothing of a bad message is left"
    );
    outcome.map(|_| plaintext)
}

/// What was released, and how it ended.
fn opened(message: &[u8], count: usize) -> (Vec<u8>, Result<u64, Error>) {
    let options = DecryptOptions::new().threads(threads(count));
    let mut released = Vec::new();
    let outcome = (|| {
        let pending = Client::default().read_header(message)?;
        let mut reader = block_on(Client::default().open(&manager(), pending, &options))?;
        let summary = reader.copy_to(&mut released)?;
        assert_eq!(summary.ciphertext_len, message.len() as u64);
        Ok(summary.plaintext_len)
    })();
    (released, outcome)
}

fn one_shot(message: &[u8]) -> Result<Vec<u8>, Error> {
    block_on(Client::default().decrypt(&manager(), message, &DecryptOptions::new()))
        .map(|output| output.plaintext)
}

#[test]
fn messages_made_by_many_threads_open_everywhere() {
    for suite in SUITES {
        for frame_length in [1000, 4096, 1 << 16, 1 << 20] {
            for length in LENGTHS {
                let whole = plaintext(length);
                let options = |count| {
                    let options = EncryptOptions::new().algorithm_suite(suite);
                    options.frame_length(frame_length).threads(threads(count))
                };
                for count in [1, 2, 5] {
                    for message in [copied(&whole, &options(count)), sealed(&whole, &options(count))] {
                        assert!(one_shot(&message).unwrap() == whole, "{suite} {frame_length} {length}");
                        for count in [1, 2, 5] {
                            let (released, outcome) = opened(&message, count);
                            assert_eq!(outcome.unwrap(), length as u64);
                            assert!(released == whole, "{suite} {frame_length} {length} {count}");
                            assert!(opened_in_memory(&message, count).unwrap() == whole);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn the_first_altered_frame_ends_the_release_whatever_the_threads() {
    let whole = plaintext(9 << 20);
    let message = sealed(&whole, &EncryptOptions::new().frame_length(1 << 16));
    let header_len = Client::default().read_header(&message[..]).unwrap().header().header_len();
    for frame in [0, 1, 7, 8, 31, 70, 99, 140] {
        let mut altered = message.clone();
        altered[header_len + frame * ((1 << 16) + 32) + 100] ^= 1;
        altered[header_len + 130 * ((1 << 16) + 32) + 100] ^= 2;
        let first = frame.min(130);
        for count in [1, 2, 5] {
            let (released, outcome) = opened(&altered, count);
            let error = outcome.unwrap_err();
            let named = matches!(error, Error::FrameUnauthentic { sequence_number } if sequence_number as usize == first + 1);
            assert!(named, "{error}");
            assert!(released.len() <= first << 16 && whole.starts_with(&released));
            let error = opened_in_memory(&altered, count).unwrap_err();
            assert!(
                matches!(error, Error::FrameUnauthentic { sequence_number } if sequence_number as usize == first + 1)
            );
        }
    }
}

#[test]
fn frames_that_change_places_are_refused_whatever_the_threads() {
    let message = sealed(&plaintext(9 << 20), &EncryptOptions::new().frame_length(1 << 16));
    let header_len = Client::default().read_header(&message[..]).unwrap().header().header_len();
    let stride = (1 << 16) + 32;
    let (mut swapped, at) = (message.clone(), header_len + 110 * stride);
    swapped[at..at + 2 * stride].rotate_left(stride);
    let mut dropped = message.clone();
    dropped.drain(at..at + stride);
    let mut cut = message;
    cut.truncate(at + 5);
    for damaged in [swapped, dropped, cut] {
        for count in [1, 2, 5] {
            let (released, outcome) = opened(&damaged, count);
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Malformed);
            assert_eq!(released.len(), 110 << 16);
            assert_eq!(opened_in_memory(&damaged, count).unwrap_err().kind(), ErrorKind::Malformed);
        }
    }
}

#[test]
fn a_signature_over_another_order_is_refused_whatever_the_threads() {
    let suite = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384;
    let options = EncryptOptions::new().algorithm_suite(suite).frame_length(1 << 16);
    let mut message = sealed(&plaintext(9 << 20), &options);
    let last = message.len() - 1;
    message[last] ^= 1;
    for count in [1, 2, 5] {
        let (released, outcome) = opened(&message, count);
        assert!(matches!(outcome, Err(Error::SignatureUnauthentic)));
        assert!(released.len() <= (9 << 20) - (1 << 16), "the final frame waits for the signature");
    }
}

#[test]
fn failing_readers_and_writers_end_the_call_and_its_threads() {
    struct FailsAfter(usize);
    impl Read for FailsAfter {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = out.len().min(self.0);
            self.0 -= count;
            if count == 0 { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(count) }
        }
    }
    impl Write for FailsAfter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.0);
            self.0 -= count;
            if count == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(count) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let start = |count| {
        let options = EncryptOptions::new().threads(threads(count));
        block_on(Client::default().start_encryption(&manager(), &options)).unwrap()
    };
    let whole = plaintext(12 << 20);
    let message = sealed(&whole, &EncryptOptions::new());
    for count in [1, 2, 5] {
        for length in [0, 1000, 1 << 19, 3 << 20, 5 << 20, 9 << 20] {
            let broken_source = start(count).copy(&mut FailsAfter(length), &mut io::sink());
            let full_disk = start(count).copy(&mut &whole[..], &mut FailsAfter(length));
            assert!(
                matches!(broken_source, Err(Error::Io(error)) if error.kind() == io::ErrorKind::ConnectionReset)
            );
            assert!(matches!(full_disk, Err(Error::Io(error)) if error.kind() == io::ErrorKind::StorageFull));
            let options = DecryptOptions::new().threads(threads(count));
            let pending = Client::default().read_header(&message[..]).unwrap();
            let mut reader = block_on(Client::default().open(&manager(), pending, &options)).unwrap();
            let full_disk = reader.copy_to(&mut FailsAfter(length));
            assert!(matches!(full_disk, Err(Error::Io(error)) if error.kind() == io::ErrorKind::StorageFull));
        }
    }
}

#[test]
fn more_plaintext_than_announced_is_refused_whatever_the_threads() {
    for count in [1, 2, 5] {
        for expected in [0, 1000, 1 << 19, 2 << 20, 9 << 20] {
            let options = EncryptOptions::new().threads(threads(count)).expected_plaintext_len(expected);
            let start = || block_on(Client::default().start_encryption(&manager(), &options)).unwrap();
            let exact = plaintext(expected as usize);
            start().copy(&mut &exact[..], &mut io::sink()).unwrap();
            let longer = plaintext(expected as usize + 1);
            let error = start().copy(&mut &longer[..], &mut io::sink()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidCall);
            let mut out = Vec::new();
            assert_eq!(start().seal_into(&longer, &mut out).unwrap_err().kind(), ErrorKind::InvalidCall);
            assert!(out.is_empty());
        }
    }
}
