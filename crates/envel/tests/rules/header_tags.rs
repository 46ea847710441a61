//! What the header's tag and the commitment to the data key cover.

use envel::primitives::digest::DigestAlgorithm;
use envel::primitives::hkdf;
use envel::{
    AlgorithmSuiteId, DataKey, EncryptedDataKey, Error, ErrorKind, MalformedMessage, MessageVersion,
    SecretBytes,
};

use crate::crafted::{self, Crafted};
use crate::{COMMITTING, COMMITTING_SIGNED, PLAIN, decrypt};

#[test]
fn pairs_that_a_header_stores_unsorted_are_authenticated_as_they_stand() {
    for suite in [PLAIN, COMMITTING] {
        let mut crafted = Crafted::with_context(suite, [("a", "1"), ("b", "2")]);
        // The keyring binds the canonical form all the same.
        crafted.stored_context = Some(b"\x00\x02\x00\x01b\x00\x012\x00\x01a\x00\x011".to_vec());
        let message = crafted.message(&[crafted.final_frame(1, b"x")]);
        assert_eq!(decrypt(&message).unwrap(), b"x", "{suite}");

        // Sorted, the header says the same and is not the same.
        let sorted = crafted.context.canonical_bytes().unwrap();
        let unsorted = crafted.stored_context.unwrap();
        let at = message.windows(unsorted.len()).position(|window| window == unsorted).unwrap();
        let mut changed = message;
        changed[at..at + sorted.len()].copy_from_slice(&sorted);
        assert!(matches!(decrypt(&changed), Err(Error::HeaderUnauthentic)), "{suite}");
    }
}

#[test]
fn an_empty_context_may_be_stored_as_a_count_of_zero() {
    for suite in [PLAIN, COMMITTING] {
        let mut crafted = Crafted::new(suite);
        crafted.stored_context = Some(vec![0, 0]);
        assert_eq!(decrypt(&crafted.message(&[crafted.final_frame(1, b"x")])).unwrap(), b"x", "{suite}");
    }
}

#[test]
fn a_stored_context_that_is_not_well_formed_is_refused() {
    for section in [
        &b"\x00"[..],
        b"\x00\x00\x00",
        b"\x00\x01",
        b"\x00\x01\x00\x01a\x00\x02x",
        b"\x00\x01\x00\x01a\x00\x00\x00",
        b"\x00\x02\x00\x01a\x00\x00\x00\x01a\x00\x00",
        b"\x00\x01\x00\x01\xff\x00\x00",
        b"\x00\x01\x00\x01a\x00\x01\xff",
        b"\x00\x01\x00\x02\xc0\x80\x00\x00",
    ] {
        let mut crafted = Crafted::new(COMMITTING);
        crafted.stored_context = Some(section.to_vec());
        let refused = decrypt(&crafted.message(&[crafted.final_frame(1, b"x")]));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Malformed, "{section:02x?}");
    }
}

#[test]
fn a_provider_id_that_is_not_text_is_refused_and_provider_information_may_be_anything() {
    let crafted = Crafted::new(COMMITTING);
    let message = crafted.message(&[crafted.final_frame(1, b"x")]);
    let at = message.windows(5).position(|window| window == b"tests").unwrap();
    let mut changed = message;
    changed[at] = 0xff;
    assert!(matches!(decrypt(&changed), Err(Error::Malformed(MalformedMessage::NotUtf8(_)))));
}

#[test]
fn a_header_iv_other_than_zero_is_taken_as_stored() {
    for suite in
        AlgorithmSuiteId::ALL.into_iter().filter(|id| id.suite().message_version() == MessageVersion::V1)
    {
        let mut crafted = Crafted::new(suite);
        crafted.header_iv = *b"not only 0s!";
        let message = crafted.message(&[crafted.final_frame(1, b"x")]);
        assert_eq!(decrypt(&message).unwrap(), b"x", "{suite}");
        let iv_at = crafted.header().len() - 28;
        let mut changed = message;
        changed[iv_at] ^= 1;
        assert!(matches!(decrypt(&changed), Err(Error::HeaderUnauthentic)), "{suite}");
    }
}

#[test]
fn the_tag_covers_nothing_behind_the_header_without_required_pairs() {
    for suite in AlgorithmSuiteId::ALL {
        let mut crafted = Crafted::new(suite);
        crafted.header_suffix = vec![0, 0];
        let refused = decrypt(&crafted.message(&[crafted.final_frame(1, b"x")]));
        assert!(matches!(refused, Err(Error::HeaderUnauthentic)), "{suite}");
    }
}

/// The message's own data key, wrapped so that the entry does not open.
fn does_not_open(crafted: &Crafted) -> EncryptedDataKey {
    let mut key = good(crafted);
    key.ciphertext[0] ^= 1;
    key
}

fn good(crafted: &Crafted) -> EncryptedDataKey {
    crafted::wrapped(&crafted.suite, &crafted.context, &crafted::data_key(&crafted.suite))
}

/// Another data key than the message's.
fn of_another_message(crafted: &Crafted) -> EncryptedDataKey {
    let other = DataKey::new(SecretBytes::zeroed(crafted.suite.data_key_len()));
    crafted::wrapped(&crafted.suite, &crafted.context, &other)
}

#[test]
fn an_entry_that_does_not_open_is_followed_by_the_next() {
    for suite in AlgorithmSuiteId::ALL {
        let mut crafted = Crafted::new(suite);
        crafted.encrypted_data_keys = Some(vec![does_not_open(&crafted), good(&crafted)]);
        assert_eq!(decrypt(&crafted.message(&[crafted.final_frame(1, b"x")])).unwrap(), b"x", "{suite}");
    }
}

#[test]
fn an_entry_that_opens_to_another_data_key_fails_the_message() {
    for suite in AlgorithmSuiteId::ALL {
        let mut crafted = Crafted::new(suite);
        crafted.encrypted_data_keys = Some(vec![of_another_message(&crafted), good(&crafted)]);
        let refused = decrypt(&crafted.message(&[crafted.final_frame(1, b"x")]));
        assert!(matches!(refused, Err(Error::HeaderUnauthentic)), "{suite}");
    }
}

#[test]
fn a_header_tag_that_verifies_does_not_excuse_a_wrong_commitment() {
    for suite in [COMMITTING, COMMITTING_SIGNED] {
        let crafted = Crafted::new(suite);
        let mut message = crafted.message(&[crafted.final_frame(1, b"x")]);
        let commit_key_at = crafted.header().len() - 16 - 32;
        // As the known answer of the suite has it, whatever the suite.
        let prk = hkdf::extract(DigestAlgorithm::Sha512, &[0x1d; 32], &[0xd4; 32]).unwrap();
        let mut commit_key = [0; 32];
        prk.expand(&[b"COMMITKEY"], &mut commit_key).unwrap();
        assert_eq!(message[commit_key_at..commit_key_at + 32], commit_key);

        let spoilt = Crafted { spoils_commit_key: true, ..Crafted::new(suite) };
        let refused = decrypt(&spoilt.message(&[spoilt.final_frame(1, b"x")]));
        assert!(matches!(refused, Err(Error::HeaderUnauthentic)), "{suite}");
        message[commit_key_at] ^= 1;
        assert!(matches!(decrypt(&message), Err(Error::HeaderUnauthentic)), "{suite}");
    }
}
