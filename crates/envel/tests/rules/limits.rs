//! Limits that a reader or writer sets, checked before anybody is asked for a key.

use std::sync::Arc;

use envel::{
    Client, ClientBuilder, DecryptOptions, EncryptOptions, Error, ErrorKind, HeaderLimitExceeded,
    InvalidCall, Keyring, MultiKeyring, Refusal,
};
use pollster::block_on;

use crate::crafted::{self, Crafted};
use crate::scripted_managers::MustNotBeAsked;
use crate::{COMMITTING, PLAIN, decrypt_with, manager, manager_of, reads_all};

/// A message with so many encrypted data keys, the last of which is good.
fn with_encrypted_data_keys(count: usize) -> Vec<u8> {
    let mut crafted = Crafted::new(COMMITTING);
    let good = crafted::wrapped(&crafted.suite, &crafted.context, &crafted::data_key(&crafted.suite));
    let mut stranger = good.clone();
    stranger.key_provider_id = "stranger".into();
    let mut keys = vec![stranger; count - 1];
    keys.push(good);
    crafted.encrypted_data_keys = Some(keys);
    crafted.message(&[crafted.final_frame(1, b"x")])
}

fn refusal(client: &Client, message: &[u8]) -> Refusal {
    match decrypt_with(client, &MustNotBeAsked, message, &DecryptOptions::new()) {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

#[test]
fn too_many_encrypted_data_keys_are_refused_before_anybody_is_asked() {
    let client = |max| reads_all().max_encrypted_data_keys(max).build();
    let too_many = |count, max| Refusal::from(HeaderLimitExceeded::EncryptedDataKeys { count, max });
    assert_eq!(refusal(&reads_all().build(), &with_encrypted_data_keys(11)), too_many(11, 10));
    assert_eq!(refusal(&client(Some(2)), &with_encrypted_data_keys(3)), too_many(3, 2));
    for (max, count) in [(Some(10), 10), (Some(2), 2), (None, 11), (None, 1001)] {
        let message = with_encrypted_data_keys(count);
        let opened = decrypt_with(&client(max), &manager(), &message, &DecryptOptions::new());
        assert_eq!(opened.unwrap(), b"x", "{count} of {max:?}");
    }
}

#[test]
fn a_writer_keeps_to_its_own_limit_of_encrypted_data_keys() {
    let encrypt = |keys: usize, max| {
        let children = vec![crafted::keyring(); keys - 1];
        let keyring = MultiKeyring::new(Some(crafted::keyring() as Arc<dyn Keyring>), children).unwrap();
        let client = reads_all().max_encrypted_data_keys(max).build();
        block_on(client.encrypt(&manager_of(keyring), b"x", &EncryptOptions::new()))
    };
    for (keys, max) in [(10, Some(10)), (11, None)] {
        assert_eq!(encrypt(keys, max).unwrap().header.encrypted_data_keys().len(), keys);
    }
    for (keys, max) in [(11, Some(10)), (2, Some(1))] {
        let error = encrypt(keys, max).unwrap_err();
        assert!(matches!(error, Error::InvalidCall(InvalidCall::Header(_))), "{error}");
    }
}

#[test]
fn a_header_as_long_as_the_limit_is_read_and_a_longer_one_is_refused() {
    let crafted = Crafted::with_context(COMMITTING, [("name", "value")]);
    let (header, message) = (crafted.header(), crafted.message(&[crafted.final_frame(1, b"x")]));
    let limited = |max| reads_all().max_header_len(max).build();
    let opened = decrypt_with(&limited(header.len()), &manager(), &message, &DecryptOptions::new());
    assert_eq!(opened.unwrap(), b"x");
    for max in [0, 1, 40, header.len() - 1] {
        let expected = Refusal::from(HeaderLimitExceeded::HeaderLength { max });
        assert_eq!(refusal(&limited(max), &message), expected);
    }
}

#[test]
fn frames_longer_than_the_limit_are_refused_before_anybody_is_asked() {
    for (frame_length, max) in [(17, 16), (u32::MAX, 64 << 20), ((64 << 20) + 1, 64 << 20)] {
        let mut crafted = Crafted::new(COMMITTING);
        crafted.frame_length = frame_length;
        let message = crafted.message(&[crafted.final_frame(1, b"x")]);
        let client = reads_all().max_frame_length(max).build();
        assert_eq!(refusal(&client, &message), Refusal::FrameLength { frame_length, max });
    }
    let crafted = Crafted::new(COMMITTING);
    let message = crafted.message(&[crafted.final_frame(1, b"x")]);
    let client = reads_all().max_frame_length(crafted::FRAME_LENGTH).build();
    assert_eq!(decrypt_with(&client, &manager(), &message, &DecryptOptions::new()).unwrap(), b"x");
}

#[test]
fn a_writer_makes_no_frames_of_zero_bytes_nor_beyond_the_limit() {
    let client = reads_all().max_frame_length(1000).build();
    let encrypt = |frame_length| {
        let options = EncryptOptions::new().frame_length(frame_length);
        block_on(client.encrypt(&manager(), b"plaintext", &options))
    };
    for frame_length in [0, 1001, u32::MAX] {
        let error = encrypt(frame_length).unwrap_err();
        assert!(matches!(error, Error::InvalidCall(InvalidCall::FrameLength { .. })), "{error}");
    }
    for frame_length in [1, 1000] {
        assert_eq!(encrypt(frame_length).unwrap().header.frame_length(), frame_length);
    }
}

#[test]
fn a_body_without_frames_is_held_to_its_limit() {
    for suite in [PLAIN, COMMITTING] {
        let crafted = Crafted::new(suite).non_framed();
        let message = crafted.message(&[crafted.single_block(&[7; 100])]);
        let decrypt = |max| {
            let client: ClientBuilder = reads_all().max_non_framed_len(max);
            decrypt_with(&client.build(), &manager(), &message, &DecryptOptions::new())
        };
        assert_eq!(decrypt(100).unwrap(), [7; 100]);
        let error = decrypt(99).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PolicyRefused);
        let expected = Refusal::NonFramedLength { length: 100, max: 99 };
        assert!(matches!(&error, Error::Refused(refusal) if *refusal == expected), "{error}");
    }
}

#[test]
fn a_plaintext_longer_than_announced_is_refused() {
    let options = EncryptOptions::new().expected_plaintext_len(3);
    let client = reads_all().build();
    assert!(block_on(client.encrypt(&manager(), b"abc", &options)).is_ok());
    let error = block_on(client.encrypt(&manager(), b"abcd", &options)).unwrap_err();
    assert!(matches!(error, Error::InvalidCall(InvalidCall::LongerThanExpected { expected: 3 })));
}
