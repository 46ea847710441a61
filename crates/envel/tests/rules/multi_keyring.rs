//! Several keyrings as one.

use std::sync::Arc;

use envel::{
    DataKey, DecryptOptions, DefaultManager, EncryptOptions, EncryptionContext, Error, ErrorKind, Keyring,
    KeyringError, MultiKeyring, RawAesKeyring, SecretBytes, UnwrapRequest, WrapRequest,
};
use pollster::block_on;

use crate::scripted_kms::{Answer, ScriptedKms, key};
use crate::scripted_managers::{Answers, MustNotBeAsked};
use crate::{COMMITTING, decrypt_with, manager_of, reads_all};

const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1";

fn aes(name: &str) -> Arc<dyn Keyring> {
    Arc::new(RawAesKeyring::new("space", name, &SecretBytes::copied_from(&[7; 32])).unwrap())
}

fn kms(client: &Arc<ScriptedKms>) -> Arc<dyn Keyring> {
    Arc::new(envel::KmsKeyring::new(ARN.parse().unwrap(), client.clone()))
}

fn denying_kms(kind: envel::KmsErrorKind) -> Arc<dyn Keyring> {
    kms(&ScriptedKms::new([Answer::Fails(kind)]))
}

/// The names of the AES keys of a message, in its order.
fn key_names(header: &envel::MessageHeader) -> Vec<String> {
    let names = header.encrypted_data_keys().iter().map(|edk| {
        let end = edk.key_provider_info.len() - 20;
        String::from_utf8(edk.key_provider_info[..end].to_vec()).unwrap()
    });
    names.collect()
}

#[test]
fn the_generator_wraps_first_and_the_children_follow_in_order() {
    let inner = MultiKeyring::new(None, vec![aes("c"), aes("d")]).unwrap();
    let multi = MultiKeyring::new(Some(aes("a")), vec![aes("b"), Arc::new(inner), aes("e")]).unwrap();
    let client = reads_all().build();
    let output = block_on(client.encrypt(&manager_of(multi), b"x", &EncryptOptions::new())).unwrap();
    assert_eq!(key_names(&output.header), ["a", "b", "c", "d", "e"]);
    for name in ["a", "b", "c", "d", "e"] {
        let opened =
            decrypt_with(&client, &DefaultManager::new(aes(name)), &output.message, &DecryptOptions::new());
        assert_eq!(opened.unwrap(), b"x", "every key opens the same data key");
    }
}

#[test]
fn a_generator_makes_the_data_key_and_takes_none() {
    let inner = MultiKeyring::new(Some(aes("b")), vec![]).unwrap();
    let multi = MultiKeyring::new(Some(aes("a")), vec![Arc::new(inner)]).unwrap();
    let refused = block_on(reads_all().build().encrypt(&manager_of(multi), b"x", &EncryptOptions::new()));
    assert!(matches!(refused, Err(Error::Wrap(KeyringError::InvalidKeyring(_)))));
}

#[test]
fn a_child_that_fails_fails_the_whole() {
    let failing = denying_kms(envel::KmsErrorKind::Denied);
    let multi = MultiKeyring::new(Some(aes("a")), vec![failing, Arc::new(MustNotBeAsked)]).unwrap();
    let refused = block_on(reads_all().build().encrypt(&manager_of(multi), b"x", &EncryptOptions::new()));
    let error = refused.unwrap_err();
    assert!(matches!(error, Error::Wrap(KeyringError::Kms(_))), "{error}");
    assert_eq!(error.kind(), ErrorKind::KeyUnavailable);
}

#[test]
fn a_generator_that_fails_fails_the_whole() {
    let failing = denying_kms(envel::KmsErrorKind::Throttled);
    let multi = MultiKeyring::new(Some(failing), vec![Arc::new(MustNotBeAsked)]).unwrap();
    let refused = block_on(reads_all().build().encrypt(&manager_of(multi), b"x", &EncryptOptions::new()));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Retryable);
}

#[test]
fn a_generator_that_generates_nothing_stops_before_the_children() {
    let idle = Answers {
        wrap: |_: WrapRequest<'_>| Ok(envel::WrapOutcome::new(None, Vec::new())),
        unwrap: |_: UnwrapRequest<'_>| envel::UnwrapOutcome::default(),
    };
    let multi = MultiKeyring::new(Some(Arc::new(idle)), vec![Arc::new(MustNotBeAsked)]).unwrap();
    let refused = block_on(reads_all().build().encrypt(&manager_of(multi), b"x", &EncryptOptions::new()));
    assert!(matches!(refused, Err(Error::Wrap(KeyringError::InvalidKeyring(_)))));
}

#[test]
fn without_a_generator_it_wraps_a_given_data_key_and_makes_none() {
    let multi = MultiKeyring::new(None, vec![aes("a"), aes("b")]).unwrap();
    let context = EncryptionContext::new();
    let refused = block_on(multi.wrap_data_key(WrapRequest::generate(COMMITTING.suite(), &context)));
    assert!(matches!(refused, Err(KeyringError::InvalidKeyring(_))));

    let data_key = DataKey::new(SecretBytes::zeroed(32));
    let request = WrapRequest::wrap(COMMITTING.suite(), &context, &data_key);
    let outcome = block_on(multi.wrap_data_key(request)).unwrap();
    assert!(outcome.generated.is_none());
    assert_eq!(outcome.wrapped.len(), 2);
}

#[test]
fn a_multi_keyring_of_nothing_is_refused() {
    assert!(matches!(MultiKeyring::new(None, Vec::new()), Err(KeyringError::InvalidKeyring(_))));
}

#[test]
fn the_first_that_opens_ends_the_search() {
    let client = reads_all().build();
    let message = block_on(client.encrypt(&DefaultManager::new(aes("b")), b"x", &EncryptOptions::new()));
    let children = vec![aes("b"), Arc::new(MustNotBeAsked) as Arc<dyn Keyring>];
    let multi = manager_of(MultiKeyring::new(Some(aes("a")), children).unwrap());
    let message = message.unwrap().message;
    assert_eq!(decrypt_with(&client, &multi, &message, &DecryptOptions::new()).unwrap(), b"x");
}

#[test]
fn every_failure_is_collected_in_order() {
    let wrong_aes = Arc::new(RawAesKeyring::new("space", "a", &SecretBytes::copied_from(&[8; 32])).unwrap());
    let context = EncryptionContext::new();
    let entry = |keyring: &Arc<dyn Keyring>| {
        let request = WrapRequest::generate(COMMITTING.suite(), &context);
        block_on(keyring.wrap_data_key(request)).unwrap().wrapped.remove(0).encrypted_data_key
    };
    let entries = [entry(&kms(&ScriptedKms::new([key(ARN, 32)]))), entry(&aes("a"))];
    let multi =
        MultiKeyring::new(Some(wrong_aes), vec![aes("unrelated"), denying_kms(envel::KmsErrorKind::Denied)]);
    let request = UnwrapRequest::new(COMMITTING.suite(), &context, &entries);
    let outcome = block_on(multi.unwrap().unwrap_data_key(request));
    assert!(outcome.unwrapped.is_none());
    let attempts: Vec<_> = outcome
        .attempts
        .iter()
        .map(|attempt| (attempt.encrypted_data_key_index, attempt.keyring.as_str()))
        .collect();
    assert_eq!(attempts, [(1, "AES key space/a"), (0, &format!("KMS key {ARN}"))]);
}

#[test]
fn denied_here_and_throttled_there_can_be_tried_again() {
    let client = reads_all().build();
    let writer =
        manager_of(MultiKeyring::new(Some(kms(&ScriptedKms::new([key(ARN, 32)]))), Vec::new()).unwrap());
    let message = block_on(client.encrypt(&writer, b"x", &EncryptOptions::new())).unwrap().message;
    let kind = |kinds: [envel::KmsErrorKind; 2]| {
        let children = kinds.map(denying_kms).to_vec();
        let reader = manager_of(MultiKeyring::new(None, children).unwrap());
        let refused = block_on(client.decrypt(&reader, &message, &DecryptOptions::new()));
        refused.unwrap_err().kind()
    };
    use envel::KmsErrorKind::{Denied, KeyUnusable, Throttled, Unreachable};
    assert_eq!(kind([Denied, Throttled]), ErrorKind::Retryable);
    assert_eq!(kind([Unreachable, Denied]), ErrorKind::Retryable);
    assert_eq!(kind([Denied, KeyUnusable]), ErrorKind::KeyUnavailable);
}
