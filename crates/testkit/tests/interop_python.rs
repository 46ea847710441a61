//! Messages cross between envel and the official Python SDK, in both directions, and both refuse the same things.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use envel::primitives::rsa::RsaPadding;
use envel::{
    AlgorithmSuiteId, CommitmentPolicy, DecryptOptions, EncryptOptions, EncryptionContext, ErrorKind,
    RequiredContextManager,
};
use envel_testkit::crossing::{
    assert_stored_context, client, context_of_len, cross_from_peer, cross_to_peer, manager, pairs, plaintext,
    policy_for, recipes,
};
use envel_testkit::every_way::{EveryWayError, decrypt_every_way, encrypt_every_way};
use envel_testkit::keyring::{KeyringDescription, raw_aes, raw_keyrings, raw_rsa};
use envel_testkit::peer::{Peer, PeerError, PeerOutput, Sdk, Terms};
use envel_testkit::report;

static PYTHON: LazyLock<Option<Peer>> = LazyLock::new(|| Peer::start(Sdk::Python));

/// A committing and a non-committing suite, each unsigned and signed.
const FOUR_SUITES: [AlgorithmSuiteId; 4] = [
    AlgorithmSuiteId::Aes256GcmHkdfSha256,
    AlgorithmSuiteId::Aes256GcmHkdfSha384EcdsaP384,
    AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey,
    AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
];

#[test]
fn every_suite_keyring_context_and_size_crosses_both_ways() {
    let Some(python) = &*PYTHON else { return };
    let outward: usize = recipes(&raw_keyrings(), &[1, 100, 128, 512, 4096, 65_536])
        .iter()
        .map(|recipe| cross_to_peer(python, recipe))
        .sum();
    // The Python SDK writes frames of multiples of 128 bytes alone.
    let inward: usize = recipes(&raw_keyrings(), &[128, 512, 4096, 65_536])
        .iter()
        .map(|recipe| cross_from_peer(python, recipe))
        .sum();
    report(&format!("interop: {outward} messages envel -> Python, {inward} Python -> envel"));
}

#[test]
fn python_writes_only_frames_of_multiples_of_128_bytes() {
    let Some(python) = &*PYTHON else { return };
    for frame_length in [1, 100, 127, 129] {
        let terms = Terms { frame_length: Some(frame_length), ..Terms::new(raw_aes(32)) };
        assert_refused(python.encrypt(&terms, b"plaintext"));
    }
}

#[test]
fn required_context_crosses_both_ways_and_is_not_stored() {
    let Some(python) = &*PYTHON else { return };
    let context = pairs(&[("tenant", "42"), ("Zweck", "Sicherung"), ("stored", "yes")]);
    let required = vec!["tenant".to_owned(), "Zweck".to_owned()];
    let (stored, reproduced) = context.partition(&required);
    let mut crossed = [0, 0];
    for suite in AlgorithmSuiteId::ALL {
        for keyring in [raw_aes(32), raw_rsa(RsaPadding::OaepSha256)] {
            let client = client(policy_for(suite));
            let manager = RequiredContextManager::new(manager(&keyring), required.clone()).unwrap();
            let terms = Terms {
                commitment_policy: policy_for(suite),
                algorithm_suite: Some(suite),
                encryption_context: context.clone(),
                required_context_names: required.clone(),
                ..Terms::new(keyring)
            };
            let to_open = Terms { encryption_context: reproduced.clone(), ..terms.clone() };
            let options = EncryptOptions::new().algorithm_suite(suite).encryption_context(context.clone());
            for message in encrypt_every_way(&client, &manager, b"plaintext", &options).unwrap() {
                let opened = python.decrypt(&to_open, &message).unwrap();
                assert_eq!(opened.bytes, b"plaintext");
                assert_stored_context(&opened, &stored);
                crossed[0] += 1;
            }

            let message = python.encrypt(&terms, b"plaintext").unwrap().bytes;
            let options = DecryptOptions::new().encryption_context(reproduced.clone());
            let opened = decrypt_every_way(&client, &manager, &message, &options).unwrap();
            assert_eq!(opened.plaintext, b"plaintext");
            assert!(!opened.header.encryption_context().contains_name("tenant"));
            crossed[1] += 1;

            // Without the required pairs, and with another value, neither opens it.
            for wrong in [EncryptionContext::new(), pairs(&[("tenant", "43"), ("Zweck", "Sicherung")])] {
                assert_refused(
                    python.decrypt(&Terms { encryption_context: wrong.clone(), ..to_open.clone() }, &message),
                );
                let options = DecryptOptions::new().encryption_context(wrong);
                refusal(decrypt_every_way(&client, &manager, &message, &options));
            }
        }
    }
    report(&format!(
        "interop, required context: {} messages envel -> Python, {} Python -> envel",
        crossed[0], crossed[1]
    ));
}

#[test]
fn a_message_under_several_keys_opens_with_each_of_them() {
    let Some(python) = &*PYTHON else { return };
    let members = [raw_aes(32), raw_rsa(RsaPadding::OaepSha1), raw_aes(16), raw_rsa(RsaPadding::Pkcs1)];
    let [generator, children @ ..] = members.clone();
    let multi =
        KeyringDescription::Multi { generator: Some(Box::new(generator)), children: children.to_vec() };
    let client = client(CommitmentPolicy::default());
    let messages =
        encrypt_every_way(&client, &*manager(&multi), b"plaintext", &EncryptOptions::new()).unwrap();
    let from_python = python.encrypt(&Terms::new(multi.clone()), b"plaintext").unwrap().bytes;
    for keyring in members.into_iter().chain([multi]) {
        for message in &messages {
            assert_eq!(python.decrypt(&Terms::new(keyring.clone()), message).unwrap().bytes, b"plaintext");
        }
        let opened =
            decrypt_every_way(&client, &*manager(&keyring), &from_python, &DecryptOptions::new()).unwrap();
        assert_eq!(opened.plaintext, b"plaintext");
    }
}

#[test]
fn one_byte_beyond_the_largest_context_is_refused_by_both() {
    let Some(python) = &*PYTHON else { return };
    for suite in AlgorithmSuiteId::ALL {
        let context = context_of_len(suite, 65_536);
        let terms = Terms {
            commitment_policy: policy_for(suite),
            algorithm_suite: Some(suite),
            encryption_context: context.clone(),
            ..Terms::new(raw_aes(32))
        };
        assert_refused(python.encrypt(&terms, b"plaintext"));
        let options = EncryptOptions::new().algorithm_suite(suite).encryption_context(context);
        refusal(encrypt_every_way(
            &client(policy_for(suite)),
            &*manager(&raw_aes(32)),
            b"plaintext",
            &options,
        ));
    }
}

#[test]
fn another_context_is_refused_by_both() {
    let Some(python) = &*PYTHON else { return };
    for suite in FOUR_SUITES {
        for (terms, message) in small_messages(python, suite) {
            let wrong = pairs(&[("tenant", "43")]);
            let refused = Terms { encryption_context: wrong.clone(), ..terms.clone() };
            assert_refused(python.decrypt(&refused, &message));
            let options = DecryptOptions::new().encryption_context(wrong);
            refusal(decrypt_every_way(
                &client(policy_for(suite)),
                &*manager(&terms.keyring),
                &message,
                &options,
            ));
        }
    }
}

#[test]
fn another_key_is_refused_by_both() {
    let Some(python) = &*PYTHON else { return };
    let KeyringDescription::RawAes { namespace, name, .. } = raw_aes(32) else { unreachable!() };
    let other_key = KeyringDescription::RawAes { namespace: namespace.clone(), name, key: vec![7; 32] };
    let other_name = KeyringDescription::RawAes { namespace, name: "another".into(), key: (0..32).collect() };
    for suite in FOUR_SUITES {
        for (terms, message) in small_messages(python, suite) {
            for keyring in [other_key.clone(), other_name.clone(), raw_rsa(RsaPadding::OaepSha256)] {
                let refused = Terms { keyring: keyring.clone(), ..terms.clone() };
                assert_refused(python.decrypt(&refused, &message));
                let error = refusal(decrypt_every_way(
                    &client(policy_for(suite)),
                    &*manager(&keyring),
                    &message,
                    &DecryptOptions::new(),
                ));
                assert_eq!(error.kind(), ErrorKind::KeyUnavailable, "{error}");
            }
        }
    }
}

#[test]
fn every_truncation_is_refused_by_both() {
    let Some(python) = &*PYTHON else { return };
    for suite in FOUR_SUITES {
        for (terms, message) in small_messages(python, suite) {
            let (client, manager) = (client(policy_for(suite)), manager(&terms.keyring));
            for length in 0..message.len() {
                let truncated = &message[..length];
                assert_refused(python.decrypt(&terms, truncated));
                let error = refusal(decrypt_every_way(&client, &*manager, truncated, &DecryptOptions::new()));
                assert_eq!(error.kind(), ErrorKind::Malformed, "{length}: {error}");
            }
        }
    }
}

#[test]
fn every_altered_byte_is_refused_by_both() {
    let Some(python) = &*PYTHON else { return };
    for suite in FOUR_SUITES {
        for (terms, message) in small_messages(python, suite) {
            let (client, manager) = (client(policy_for(suite)), manager(&terms.keyring));
            for position in 0..message.len() {
                let mut altered = message.clone();
                altered[position] ^= 1 << (position % 8);
                assert_refused(python.decrypt(&terms, &altered));
                let error = refusal(decrypt_every_way(&client, &*manager, &altered, &DecryptOptions::new()));
                let blames_the_message = matches!(
                    error.kind(),
                    ErrorKind::Malformed
                        | ErrorKind::Unauthentic
                        | ErrorKind::PolicyRefused
                        | ErrorKind::KeyUnavailable
                );
                assert!(blames_the_message, "{position}: {error}");
            }
        }
    }
}

#[test]
fn long_messages_that_are_altered_or_cut_are_refused_by_both() {
    let Some(python) = &*PYTHON else { return };
    for suite in FOUR_SUITES {
        let terms = Terms { algorithm_suite: Some(suite), ..Terms::new(raw_aes(32)) };
        let (client, manager) = (client(policy_for(suite)), manager(&terms.keyring));
        let options = EncryptOptions::new().algorithm_suite(suite).frame_length(4096);
        // Several threads open so long a message.
        let message =
            encrypt_every_way(&client, &*manager, &plaintext(2 << 20), &options).unwrap().pop().unwrap();
        let altered = |position: usize| {
            let mut altered = message.clone();
            altered[position] ^= 1;
            altered
        };
        let length = message.len();
        for refused in [
            altered(length / 4),
            altered(length / 4 * 3),
            altered(length - 1),
            message[..length / 2].to_vec(),
            message[..length - 1].to_vec(),
        ] {
            assert_refused(python.decrypt(&terms, &refused));
            refusal(decrypt_every_way(&client, &*manager, &refused, &DecryptOptions::new()));
        }
    }
}

#[test]
fn trailing_bytes_are_refused_by_envel_though_python_reads_past_them() {
    let Some(python) = &*PYTHON else { return };
    for suite in FOUR_SUITES {
        for (terms, mut message) in small_messages(python, suite) {
            message.push(0);
            assert_eq!(python.decrypt(&terms, &message).unwrap().bytes, plaintext(300));
            let (client, manager) = (client(policy_for(suite)), manager(&terms.keyring));
            let error = refusal(decrypt_every_way(&client, &*manager, &message, &DecryptOptions::new()));
            assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
        }
    }
}

#[test]
fn what_the_commitment_policy_forbids_is_refused_by_both() {
    use CommitmentPolicy::{
        ForbidEncryptAllowDecrypt, RequireEncryptAllowDecrypt, RequireEncryptRequireDecrypt,
    };
    let Some(python) = &*PYTHON else { return };
    let manager = manager(&raw_aes(32));
    for suite in AlgorithmSuiteId::ALL {
        let committing = suite.suite().is_committing();
        let message = small_messages(python, suite).remove(0).1;
        for policy in [ForbidEncryptAllowDecrypt, RequireEncryptAllowDecrypt, RequireEncryptRequireDecrypt] {
            let (may_encrypt, may_decrypt) = match policy {
                ForbidEncryptAllowDecrypt => (!committing, true),
                RequireEncryptAllowDecrypt => (committing, true),
                RequireEncryptRequireDecrypt => (committing, committing),
            };
            let client = client(policy);
            let terms =
                Terms { commitment_policy: policy, algorithm_suite: Some(suite), ..Terms::new(raw_aes(32)) };
            let python_encrypts = python.encrypt(&terms, b"plaintext");
            let options = EncryptOptions::new().algorithm_suite(suite);
            let envel_encrypts = encrypt_every_way(&client, &*manager, b"plaintext", &options);
            if may_encrypt {
                python_encrypts.unwrap();
                envel_encrypts.unwrap();
            } else {
                assert_refused(python_encrypts);
                assert_eq!(refusal(envel_encrypts).kind(), ErrorKind::InvalidCall);
            }
            let python_decrypts = python.decrypt(&terms, &message);
            let envel_decrypts = decrypt_every_way(&client, &*manager, &message, &DecryptOptions::new());
            if may_decrypt {
                assert_eq!(python_decrypts.unwrap().bytes, envel_decrypts.unwrap().plaintext);
            } else {
                assert_refused(python_decrypts);
                assert_eq!(refusal(envel_decrypts).kind(), ErrorKind::PolicyRefused);
            }
        }
    }
}

#[test]
fn more_encrypted_data_keys_than_allowed_are_refused_by_both() {
    let Some(python) = &*PYTHON else { return };
    let multi = |count: usize| KeyringDescription::Multi {
        generator: Some(Box::new(raw_aes(32))),
        children: vec![raw_aes(16); count - 1],
    };
    let limited = envel::Client::builder().max_encrypted_data_keys(Some(3)).build();
    for (count, allowed) in [(3, true), (4, false)] {
        let terms = Terms { max_encrypted_data_keys: Some(3), ..Terms::new(multi(count)) };
        let message = python.encrypt(&Terms::new(multi(count)), b"plaintext").unwrap().bytes;
        let manager = manager(&multi(count));
        let outcomes = [
            python.encrypt(&terms, b"plaintext").is_ok(),
            python.decrypt(&terms, &message).is_ok(),
            encrypt_every_way(&limited, &*manager, b"plaintext", &EncryptOptions::new()).is_ok(),
            decrypt_every_way(&limited, &*manager, &message, &DecryptOptions::new()).is_ok(),
        ];
        assert_eq!(outcomes, [allowed; 4]);
    }
}

/// A message of two full frames and a part, by envel and by Python, with the terms that open it.
fn small_messages(python: &Peer, suite: AlgorithmSuiteId) -> Vec<(Terms, Vec<u8>)> {
    let terms = Terms {
        commitment_policy: policy_for(suite),
        algorithm_suite: Some(suite),
        encryption_context: pairs(&[("tenant", "42")]),
        frame_length: Some(128),
        ..Terms::new(raw_aes(32))
    };
    let options = EncryptOptions::new()
        .algorithm_suite(suite)
        .frame_length(128)
        .encryption_context(pairs(&[("tenant", "42")]));
    let by_envel =
        encrypt_every_way(&client(policy_for(suite)), &*manager(&raw_aes(32)), &plaintext(300), &options)
            .unwrap()
            .remove(0);
    let by_python = python.encrypt(&terms, &plaintext(300)).unwrap().bytes;
    for message in [&by_envel, &by_python] {
        assert_eq!(python.decrypt(&terms, message).unwrap().bytes, plaintext(300));
    }
    vec![(terms.clone(), by_envel), (terms, by_python)]
}

/// Asserts that the SDK refused, not that its process broke.
fn assert_refused(outcome: Result<PeerOutput, PeerError>) {
    match outcome {
        Err(PeerError::Refused(_)) => {}
        Err(broken) => panic!("{broken}"),
        Ok(_) => panic!("the SDK accepts what it must refuse"),
    }
}

/// The error with which every way of envel refused.
fn refusal<T>(outcome: Result<T, EveryWayError>) -> envel::Error {
    match outcome {
        Err(EveryWayError::Refused(error)) => error,
        Err(disagreement) => panic!("{disagreement}"),
        Ok(_) => panic!("envel accepts what it must refuse"),
    }
}
