//! Messages of the .NET library 4.0.0: fault A appends a pair count of zero to what the header's tag covers, fault B leaves the
//! message ID out of the key derivation of version 1.

use envel::{AlgorithmSuiteId, DataKey, DecryptOptions, Error, KeyDerivation, SecretBytes};

use crate::crafted::Crafted;
use crate::scripted_managers::opens_to;
use crate::{decrypt_with, manager, manager_of, reads_all};

#[derive(Clone, Copy, Debug)]
struct Faults {
    a: bool,
    b: bool,
}

const NONE: Faults = Faults { a: false, b: false };

/// The faults that messages of this suite had. Fault A always, unless there were required pairs; fault B where there is an HKDF
/// without commitment.
fn faults_of(suite: AlgorithmSuiteId) -> Faults {
    Faults { a: true, b: matches!(suite.suite().key_derivation, KeyDerivation::Hkdf(_)) }
}

fn message(suite: AlgorithmSuiteId, faults: Faults, pairs: &[(&str, &str); 1]) -> Vec<u8> {
    let mut crafted = match pairs {
        [("", "")] => Crafted::new(suite),
        pairs => Crafted::with_context(suite, *pairs),
    };
    crafted.omits_message_id = faults.b;
    if faults.a {
        crafted.header_suffix = vec![0, 0];
    }
    crafted.message(&[crafted.regular_frame(1, &[1; 16]), crafted.final_frame(2, b"the end")])
}

fn decrypt(message: &[u8], retry: bool) -> Result<Vec<u8>, Error> {
    let client = reads_all().net_v4_0_0_retry(retry).build();
    decrypt_with(&client, &manager(), message, &DecryptOptions::new())
}

#[test]
fn faulty_messages_are_refused_by_default_and_opened_by_the_retry() {
    let expected = [&[1; 16][..], b"the end"].concat();
    for suite in AlgorithmSuiteId::ALL {
        for pairs in [[("", "")], [("purpose", "tests")]] {
            let message = message(suite, faults_of(suite), &pairs);
            assert!(matches!(super::decrypt(&message), Err(Error::HeaderUnauthentic)), "{suite}");
            assert!(matches!(decrypt(&message, false), Err(Error::HeaderUnauthentic)), "{suite}");
            assert_eq!(decrypt(&message, true).unwrap(), expected, "{suite}");
        }
    }
}

#[test]
fn the_retry_does_not_open_what_that_library_never_wrote() {
    for suite in AlgorithmSuiteId::ALL.into_iter().filter(|suite| faults_of(*suite).b) {
        for faults in [Faults { a: true, b: false }, Faults { a: false, b: true }] {
            let refused = decrypt(&message(suite, faults, &[("purpose", "tests")]), true);
            assert!(matches!(refused, Err(Error::HeaderUnauthentic)), "{suite}, {faults:?}");
        }
    }
}

#[test]
fn sound_messages_open_with_the_retry_too() {
    for suite in AlgorithmSuiteId::ALL {
        for pairs in [[("", "")], [("purpose", "tests")]] {
            assert!(decrypt(&message(suite, NONE, &pairs), true).is_ok(), "{suite}");
        }
    }
}

#[test]
fn required_pairs_hide_fault_a_and_not_fault_b() {
    for suite in AlgorithmSuiteId::ALL {
        let mut crafted = Crafted::with_context(suite, [("tenant", "42")]);
        let mut stored = crafted.context.clone();
        let names = ["tenant".to_owned()];
        let (others, required) = stored.partition(&names);
        stored = others;
        crafted.stored_context = Some(stored.canonical_bytes().unwrap());
        crafted.header_suffix = required.canonical_bytes().unwrap();
        crafted.omits_message_id = true;
        let has_fault_b = matches!(suite.suite().key_derivation, KeyDerivation::Hkdf(_));
        let message = crafted.message(&[crafted.final_frame(1, b"x")]);
        let options = DecryptOptions::new().encryption_context(required);
        let open = |retry| {
            let client = reads_all().net_v4_0_0_retry(retry).build();
            decrypt_with(&client, &manager(), &message, &options)
        };
        assert_eq!(open(false).is_ok(), !has_fault_b, "{suite}");
        assert_eq!(open(true).unwrap(), b"x", "{suite}");
    }
}

#[test]
fn the_retry_opens_nothing_that_is_altered_or_under_another_key() {
    for suite in AlgorithmSuiteId::ALL {
        for faults in [faults_of(suite), NONE] {
            let sound = message(suite, faults, &[("purpose", "tests")]);
            for at in 0..sound.len() {
                let mut altered = sound.clone();
                altered[at] ^= 1;
                decrypt(&altered, true).expect_err("an altered message must not open");
            }
            let other_data_key = manager_of(opens_to(|request| {
                DataKey::new(SecretBytes::zeroed(request.algorithm_suite.data_key_len()))
            }));
            let client = reads_all().net_v4_0_0_retry(true).build();
            let refused = decrypt_with(&client, &other_data_key, &sound, &DecryptOptions::new());
            assert!(matches!(refused, Err(Error::HeaderUnauthentic)), "{suite}, {faults:?}");
        }
    }
}

#[test]
fn the_retry_does_not_excuse_a_wrong_commitment() {
    for suite in AlgorithmSuiteId::ALL.into_iter().filter(|suite| suite.suite().is_committing()) {
        let mut crafted = Crafted { spoils_commit_key: true, ..Crafted::new(suite) };
        crafted.header_suffix = vec![0, 0];
        let message = crafted.message(&[crafted.final_frame(1, b"x")]);
        let client = reads_all().net_v4_0_0_retry(true).build();
        let refused = decrypt_with(&client, &manager(), &message, &DecryptOptions::new());
        assert!(matches!(refused, Err(Error::HeaderUnauthentic)), "{suite}");
    }
}

#[test]
fn nothing_is_ever_written_with_the_faults() {
    for suite in AlgorithmSuiteId::ALL {
        let client = crate::writes(suite).net_v4_0_0_retry(true).build();
        let options = envel::EncryptOptions::new().algorithm_suite(suite);
        let output = pollster::block_on(client.encrypt(&manager(), b"x", &options)).unwrap();
        assert_eq!(super::decrypt(&output.message).unwrap(), b"x", "{suite}");
    }
}
