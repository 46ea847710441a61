//! Keyrings and managers that break their contracts are caught before anything is made or believed.

use envel::primitives::ecdsa::{EcdsaAlgorithm, SigningKey, VerificationKey};
use envel::{
    AlgorithmSuiteId, CommitmentPolicy, DataKey, DecryptOptions, DecryptionMaterials,
    DecryptionMaterialsRequest, EncryptOptions, EncryptedDataKey, EncryptionContext, EncryptionMaterials,
    EncryptionMaterialsRequest, Error, ErrorKind, KeyringError, OpenedBy, SecretBytes, UnwrapOutcome,
    UnwrapRequest, UnwrappedKey, WrapOutcome, WrapRequest, WrappedKey,
};
use pollster::block_on;

use crate::crafted::Crafted;
use crate::scripted_managers::{Alters, Answers, opens_to};
use crate::{COMMITTING, COMMITTING_SIGNED, PLAIN, decrypt_with, manager, manager_of, reads_all};

fn data_key(length: usize) -> DataKey {
    DataKey::new(SecretBytes::zeroed(length))
}

fn entries(count: usize) -> Vec<WrappedKey> {
    let entry = EncryptedDataKey {
        key_provider_id: "p".into(),
        key_provider_info: Vec::new(),
        ciphertext: Vec::new(),
    };
    vec![WrappedKey::new(entry); count]
}

#[track_caller]
fn assert_caught<T>(outcome: Result<T, Error>) {
    match outcome {
        Err(error @ Error::InvalidMaterials(_)) => assert_eq!(error.kind(), ErrorKind::Internal),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it passed"),
    }
}

#[test]
fn a_keyring_must_generate_and_wrap_a_data_key_of_the_right_length() {
    type Made = fn() -> WrapOutcome;
    let broken: [Made; 5] = [
        || WrapOutcome::new(None, entries(1)),
        || WrapOutcome::new(Some(data_key(16)), entries(1)),
        || WrapOutcome::new(Some(data_key(33)), entries(1)),
        || WrapOutcome::new(Some(data_key(0)), entries(1)),
        || WrapOutcome::new(Some(data_key(32)), entries(0)),
    ];
    let encrypt = |made: Made| {
        let manager = manager_of(Answers {
            wrap: move |_: WrapRequest<'_>| Ok::<_, KeyringError>(made()),
            unwrap: |_: UnwrapRequest<'_>| UnwrapOutcome::default(),
        });
        block_on(reads_all().build().encrypt(&manager, b"x", &EncryptOptions::new()))
    };
    for made in broken {
        assert_caught(encrypt(made));
    }
    encrypt(|| WrapOutcome::new(Some(data_key(32)), entries(1))).unwrap();
}

#[test]
fn a_keyring_must_open_a_given_entry_to_a_data_key_of_the_right_length() {
    let crafted = Crafted::new(COMMITTING);
    let message = crafted.message(&[crafted.final_frame(1, b"x")]);
    let decrypt = |data_key_len: usize, index: usize| {
        let manager = manager_of(Answers {
            wrap: |_: WrapRequest<'_>| Err(KeyringError::CannotEncrypt("broken")),
            unwrap: move |_: UnwrapRequest<'_>| {
                let data_key = DataKey::new(SecretBytes::copied_from(&vec![0xd4; data_key_len]));
                let mut outcome = UnwrapOutcome::default();
                outcome.unwrapped = Some(UnwrappedKey::new(data_key, index));
                outcome
            },
        });
        decrypt_with(&reads_all().build(), &manager, &message, &DecryptOptions::new())
    };
    assert_caught(decrypt(32, 1));
    assert_caught(decrypt(32, usize::MAX));
    assert_caught(decrypt(16, 0));
    assert_caught(decrypt(0, 0));
    assert_eq!(decrypt(32, 0).unwrap(), b"x");
}

#[test]
fn encryption_materials_that_do_not_fit_together_cannot_be_made() {
    let materials = |suite: AlgorithmSuiteId,
                     data_key_len,
                     entry_count,
                     signing_key: Option<EcdsaAlgorithm>| {
        let signing_key = signing_key.map(|algorithm| SigningKey::generate(algorithm).unwrap());
        let (context, entries) = (EncryptionContext::new(), entries(entry_count));
        EncryptionMaterials::new(suite.suite(), context, &[], data_key(data_key_len), entries, signing_key)
    };
    let p384 = Some(EcdsaAlgorithm::P384Sha384);
    materials(COMMITTING_SIGNED, 32, 1, p384).unwrap();
    assert_caught(materials(COMMITTING_SIGNED, 32, 1, None));
    assert_caught(materials(COMMITTING_SIGNED, 32, 1, Some(EcdsaAlgorithm::P256Sha256)));
    assert_caught(materials(COMMITTING_SIGNED, 32, 0, p384));
    assert_caught(materials(COMMITTING_SIGNED, 16, 1, p384));
    assert_caught(materials(COMMITTING, 32, 1, p384));
    // A field that no header can hold.
    let mut oversized = entries(1);
    oversized[0].encrypted_data_key.ciphertext = vec![0; 65_536];
    let context = EncryptionContext::new();
    let refused = EncryptionMaterials::new(COMMITTING.suite(), context, &[], data_key(32), oversized, None);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidCall);
}

#[test]
fn decryption_materials_that_do_not_fit_together_cannot_be_made() {
    let materials = |suite: AlgorithmSuiteId, data_key_len, key: Option<EcdsaAlgorithm>| {
        let key = key.map(|algorithm| {
            let public_key = SigningKey::generate(algorithm).unwrap().compressed_public_key().unwrap();
            VerificationKey::from_compressed(algorithm, &public_key).unwrap()
        });
        let opened_by = OpenedBy::new(0, &entries(1)[0].encrypted_data_key, None);
        let context = EncryptionContext::new();
        DecryptionMaterials::new(suite.suite(), context, &[], data_key(data_key_len), opened_by, key)
    };
    let p384 = Some(EcdsaAlgorithm::P384Sha384);
    materials(COMMITTING_SIGNED, 32, p384).unwrap();
    assert_caught(materials(COMMITTING_SIGNED, 32, None));
    assert_caught(materials(COMMITTING_SIGNED, 32, Some(EcdsaAlgorithm::P256Sha256)));
    assert_caught(materials(COMMITTING_SIGNED, 16, p384));
    assert_caught(materials(COMMITTING, 32, p384));
}

#[test]
fn materials_of_another_suite_than_asked_for_are_refused() {
    for (asked, answered) in
        [(COMMITTING, COMMITTING_SIGNED), (COMMITTING_SIGNED, COMMITTING), (COMMITTING, PLAIN)]
    {
        let manager = Alters {
            underlying: manager(),
            encryption: move |request: &mut EncryptionMaterialsRequest<'_>| {
                request.algorithm_suite = answered.suite();
                if answered == PLAIN {
                    request.commitment_policy = CommitmentPolicy::ForbidEncryptAllowDecrypt;
                }
            },
            decryption: move |request: &mut DecryptionMaterialsRequest<'_>| {
                request.algorithm_suite = answered.suite();
            },
        };
        let options = EncryptOptions::new().algorithm_suite(asked);
        assert_caught(block_on(reads_all().build().encrypt(&manager, b"x", &options)));
    }
    for (suite, answered) in [(COMMITTING, PLAIN), (PLAIN, COMMITTING)] {
        let crafted = Crafted::new(suite);
        let message = crafted.message(&[crafted.final_frame(1, b"x")]);
        let manager = Alters {
            underlying: manager(),
            encryption: |_: &mut EncryptionMaterialsRequest<'_>| {},
            decryption: move |request: &mut DecryptionMaterialsRequest<'_>| {
                request.algorithm_suite = answered.suite();
            },
        };
        assert_caught(decrypt_with(&reads_all().build(), &manager, &message, &DecryptOptions::new()));
    }
}

#[test]
fn a_data_key_of_another_message_opens_nothing() {
    for suite in AlgorithmSuiteId::ALL {
        let crafted = Crafted::new(suite);
        let message = crafted.message(&[crafted.final_frame(1, b"x")]);
        let manager = manager_of(opens_to(|request| data_key(request.algorithm_suite.data_key_len())));
        let refused = decrypt_with(&reads_all().build(), &manager, &message, &DecryptOptions::new());
        assert!(matches!(refused, Err(Error::HeaderUnauthentic)), "{suite}");
    }
}
