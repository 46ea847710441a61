//! Messages cross between envel and the official JavaScript SDK, in both directions.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use envel::primitives::rsa::RsaPadding;
use envel::{AlgorithmSuiteId, DecryptOptions};
use envel_testkit::crossing::{client, cross_from_peer, cross_to_peer, manager, policy_for, recipes};
use envel_testkit::every_way::{EveryWayError, decrypt_every_way};
use envel_testkit::keyring::{KeyringDescription, raw_aes, raw_keyrings, raw_rsa};
use envel_testkit::peer::{Peer, PeerError, Sdk, Terms};
use envel_testkit::report;

static NODE: LazyLock<Option<Peer>> = LazyLock::new(|| Peer::start(Sdk::JavaScript));

#[test]
fn every_suite_and_keyring_crosses_both_ways() {
    let Some(node) = &*NODE else { return };
    // Node.js itself no longer decrypts PKCS #1 v1.5 padding.
    let opens = |keyring: &KeyringDescription| {
        !matches!(keyring, KeyringDescription::RawRsa { padding: RsaPadding::Pkcs1, .. })
    };
    let keyrings: Vec<_> = raw_keyrings().into_iter().filter(opens).collect();
    let outward: usize =
        recipes(&keyrings, &[1, 100, 4096]).iter().map(|recipe| cross_to_peer(node, recipe)).sum();
    let inward: usize =
        recipes(&raw_keyrings(), &[1, 100, 4096]).iter().map(|recipe| cross_from_peer(node, recipe)).sum();
    report(&format!("interop: {outward} messages envel -> JavaScript, {inward} JavaScript -> envel"));
}

#[test]
fn a_message_under_several_keys_opens_with_each_of_them() {
    let Some(node) = &*NODE else { return };
    let members = [raw_aes(32), raw_rsa(RsaPadding::OaepSha256), raw_aes(24)];
    let [generator, children @ ..] = members.clone();
    let multi =
        KeyringDescription::Multi { generator: Some(Box::new(generator)), children: children.to_vec() };
    let message = node.encrypt(&Terms::new(multi), b"plaintext").unwrap().bytes;
    for keyring in members {
        let client = envel::Client::builder().build();
        let opened =
            decrypt_every_way(&client, &*manager(&keyring), &message, &DecryptOptions::new()).unwrap();
        assert_eq!(opened.plaintext, b"plaintext");
        assert_eq!(node.decrypt(&Terms::new(keyring), &message).unwrap().bytes, b"plaintext");
    }
}

#[test]
fn every_truncation_is_refused_by_both() {
    let Some(node) = &*NODE else { return };
    for suite in
        [AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey, AlgorithmSuiteId::Aes128GcmHkdfSha256EcdsaP256]
    {
        let terms = Terms {
            commitment_policy: policy_for(suite),
            algorithm_suite: Some(suite),
            frame_length: Some(16),
            ..Terms::new(raw_aes(32))
        };
        let message = node.encrypt(&terms, &[7; 40]).unwrap().bytes;
        let (client, manager) = (client(policy_for(suite)), manager(&terms.keyring));
        for length in 0..message.len() {
            let refused = decrypt_every_way(&client, &*manager, &message[..length], &DecryptOptions::new());
            assert!(matches!(refused, Err(EveryWayError::Refused(_))), "{length}: {refused:?}");
            let refused = node.decrypt(&terms, &message[..length]);
            assert!(matches!(refused, Err(PeerError::Refused(_))), "{length}: {refused:?}");
        }
    }
}
