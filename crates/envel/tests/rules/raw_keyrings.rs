//! Raw AES and raw RSA keyrings.

use envel::primitives::aead::{AeadAlgorithm, AeadKey};
use envel::primitives::rsa::{RsaPadding, RsaPrivateKey, RsaPublicKey};
use envel::{
    AlgorithmSuiteId, DataKey, DecryptOptions, EncryptOptions, EncryptedDataKey, EncryptionContext, Error,
    ErrorKind, Keyring, KeyringError, RawAesKeyring, RawRsaKeyring, RsaKey, SecretBytes, UnwrapOutcome,
    UnwrapRequest, WrapRequest,
};
use pollster::block_on;

use crate::{COMMITTING, decrypt_with, manager_of, reads_all, writes};

const PADDINGS: [RsaPadding; 5] = [
    RsaPadding::Pkcs1,
    RsaPadding::OaepSha1,
    RsaPadding::OaepSha256,
    RsaPadding::OaepSha384,
    RsaPadding::OaepSha512,
];

fn aes(name: &str, key_len: usize) -> RawAesKeyring {
    RawAesKeyring::new("space", name, &SecretBytes::copied_from(&vec![7; key_len])).unwrap()
}

fn private_key() -> RsaPrivateKey {
    RsaPrivateKey::from_pem(include_bytes!("../../../core/tests/data/rsa-2048.pkcs8.pem")).unwrap()
}

fn public_key() -> RsaPublicKey {
    RsaPublicKey::from_pem(include_bytes!("../../../core/tests/data/rsa-2048.public.pem")).unwrap()
}

fn rsa(name: &str, padding: RsaPadding) -> RawRsaKeyring {
    RawRsaKeyring::new("space", name, padding, RsaKey::Private(private_key())).unwrap()
}

fn context() -> EncryptionContext {
    EncryptionContext::try_from_pairs([("tenant", "42")]).unwrap()
}

fn data_key(length: usize) -> DataKey {
    DataKey::new(SecretBytes::copied_from(&vec![9; length]))
}

fn wrapped(keyring: &dyn Keyring, data_key: &DataKey) -> EncryptedDataKey {
    let context = context();
    let outcome = block_on(keyring.wrap_data_key(WrapRequest::wrap(COMMITTING.suite(), &context, data_key)));
    let mut outcome = outcome.unwrap();
    assert!(outcome.generated.is_none(), "a data key was given");
    outcome.wrapped.remove(0).encrypted_data_key
}

fn unwrapped(
    keyring: &dyn Keyring,
    context: &EncryptionContext,
    entries: &[EncryptedDataKey],
) -> UnwrapOutcome {
    block_on(keyring.unwrap_data_key(UnwrapRequest::new(COMMITTING.suite(), context, entries)))
}

/// Why each entry that was tried did not open.
fn refusals(outcome: &UnwrapOutcome) -> Vec<(usize, KeyringError)> {
    assert!(outcome.unwrapped.is_none());
    outcome.attempts.iter().map(|attempt| (attempt.encrypted_data_key_index, attempt.error.clone())).collect()
}

#[test]
fn aes_keys_of_every_size_wrap_data_keys_of_every_suite() {
    for key_len in [16, 24, 32] {
        let keyring = aes("name", key_len);
        for suite in AlgorithmSuiteId::ALL.map(AlgorithmSuiteId::suite) {
            let context = context();
            let outcome = block_on(keyring.wrap_data_key(WrapRequest::generate(suite, &context))).unwrap();
            let generated = outcome.generated.expect("no data key was given");
            assert_eq!(generated.len(), suite.data_key_len());
            let entries = [outcome.wrapped[0].encrypted_data_key.clone()];
            let request = UnwrapRequest::new(suite, &context, &entries);
            let opened = block_on(keyring.unwrap_data_key(request)).unwrapped.unwrap();
            assert_eq!((&opened.data_key, opened.encrypted_data_key_index), (&generated, 0));
        }
    }
}

#[test]
fn aes_keys_of_other_sizes_are_refused() {
    for key_len in [0, 15, 17, 33] {
        let refused = RawAesKeyring::new("space", "name", &SecretBytes::zeroed(key_len));
        assert!(matches!(refused, Err(KeyringError::InvalidWrappingKey(_))), "{key_len}");
    }
}

#[test]
fn namespaces_of_kms_keyrings_are_refused() {
    for namespace in ["aws-kms", "aws-kms-hierarchy", "aws-kmsx"] {
        let aes = RawAesKeyring::new(namespace, "name", &SecretBytes::zeroed(16));
        assert!(matches!(aes, Err(KeyringError::InvalidKeyring(_))), "{namespace}");
        let rsa = RawRsaKeyring::new(namespace, "name", RsaPadding::Pkcs1, RsaKey::Public(public_key()));
        assert!(matches!(rsa, Err(KeyringError::InvalidKeyring(_))), "{namespace}");
    }
    RawAesKeyring::new("aws-km", "name", &SecretBytes::zeroed(16)).unwrap();
}

#[test]
fn aes_entries_are_laid_out_as_specified() {
    let entry = wrapped(&aes("name", 24), &data_key(32));
    assert_eq!(entry.key_provider_id, "space");
    let (fixed, iv) = entry.key_provider_info.split_last_chunk::<12>().unwrap();
    assert_eq!(fixed, b"name\x00\x00\x00\x80\x00\x00\x00\x0c");
    let (ciphertext, tag) = entry.ciphertext.split_last_chunk::<16>().unwrap();
    let key = AeadKey::new(AeadAlgorithm::Aes192Gcm, &[7; 24]).unwrap();
    let mut plaintext = [0; 32];
    let aad = b"\x00\x01\x00\x06tenant\x00\x0242";
    key.open_into(iv, aad, ciphertext, tag, &mut plaintext).unwrap();
    assert_eq!(plaintext, [9; 32]);
}

#[test]
fn an_empty_context_is_no_bytes_to_a_raw_aes_key() {
    let empty = EncryptionContext::new();
    let request = WrapRequest::generate(COMMITTING.suite(), &empty);
    let outcome = block_on(aes("name", 32).wrap_data_key(request)).unwrap();
    let entry = &outcome.wrapped[0].encrypted_data_key;
    let (_, iv) = entry.key_provider_info.split_last_chunk::<12>().unwrap();
    let (ciphertext, tag) = entry.ciphertext.split_last_chunk::<16>().unwrap();
    let key = AeadKey::new(AeadAlgorithm::Aes256Gcm, &[7; 32]).unwrap();
    key.open_into(iv, b"", ciphertext, tag, &mut [0; 32]).unwrap();
}

#[test]
fn every_wrapping_draws_another_iv() {
    let keyring = aes("name", 32);
    let (first, second) = (wrapped(&keyring, &data_key(32)), wrapped(&keyring, &data_key(32)));
    assert_ne!(first.key_provider_info, second.key_provider_info);
    assert_ne!(first.ciphertext, second.ciphertext);
}

#[test]
fn aes_entries_of_other_keys_are_not_tried() {
    let keyring = aes("name", 32);
    let ours = wrapped(&keyring, &data_key(32));
    let info = |info: Vec<u8>| EncryptedDataKey { key_provider_info: info, ..ours.clone() };
    let ours_with = |at: usize, byte: u8| {
        let mut changed = ours.key_provider_info.clone();
        changed[at] = byte;
        info(changed)
    };
    let entries = [
        EncryptedDataKey { key_provider_id: "Space".into(), ..ours.clone() },
        wrapped(&aes("nam", 32), &data_key(32)),
        wrapped(&aes("name2", 32), &data_key(32)),
        wrapped(&rsa("name", RsaPadding::OaepSha256), &data_key(32)),
        ours_with(7, 0x60), // A tag of 96 bits.
        ours_with(11, 16),  // An IV of 16 bytes.
        info(ours.key_provider_info[..23].to_vec()),
        info([&ours.key_provider_info[..], &[0]].concat()),
        info(Vec::new()),
    ];
    assert_eq!(refusals(&unwrapped(&keyring, &context(), &entries)), []);
}

#[test]
fn aes_entries_that_do_not_open_are_passed_over() {
    let keyring = aes("name", 32);
    let good = wrapped(&keyring, &data_key(32));
    let ciphertext = |ciphertext: &[u8]| EncryptedDataKey { ciphertext: ciphertext.to_vec(), ..good.clone() };
    let mut altered = good.ciphertext.clone();
    altered[47] ^= 1;
    let bad = [
        ciphertext(&altered),
        ciphertext(&good.ciphertext[..47]),
        ciphertext(&good.ciphertext[..15]),
        ciphertext(&[]),
        wrapped(&aes("name", 16), &data_key(32)),
    ];
    let expected: Vec<_> = (0..5).map(|index| (index, KeyringError::DoesNotOpen)).collect();
    assert_eq!(refusals(&unwrapped(&keyring, &context(), &bad)), expected);

    let outcome = unwrapped(&keyring, &context(), &[&bad[..], &[good]].concat());
    assert_eq!(outcome.unwrapped.unwrap().encrypted_data_key_index, 5);
    assert_eq!(outcome.attempts.len(), 5, "what failed before is told all the same");
}

#[test]
fn an_aes_entry_opens_with_its_own_context_alone() {
    let keyring = aes("name", 32);
    let entry = [wrapped(&keyring, &data_key(32))];
    let other = EncryptionContext::try_from_pairs([("tenant", "43")]).unwrap();
    for context in [EncryptionContext::new(), other] {
        let outcome = unwrapped(&keyring, &context, &entry);
        assert_eq!(refusals(&outcome), [(0, KeyringError::DoesNotOpen)]);
    }
}

#[test]
fn a_data_key_of_the_wrong_length_is_passed_over() {
    let (aes, rsa) = (aes("name", 32), rsa("name", RsaPadding::Pkcs1));
    let wrong_length = KeyringError::DataKeyLength { found: 16, expected: 32 };
    // For RSA it must look like bad padding: a difference would decrypt other people's keys.
    for (keyring, error) in [(&aes as &dyn Keyring, wrong_length), (&rsa, KeyringError::DoesNotOpen)] {
        let entries = [16, 16, 32].map(|length| wrapped(keyring, &data_key(length)));
        let outcome = unwrapped(keyring, &context(), &entries[..2]);
        assert_eq!(refusals(&outcome), [(0, error.clone()), (1, error)]);
        let opened = unwrapped(keyring, &context(), &entries).unwrapped.unwrap();
        assert_eq!((opened.data_key, opened.encrypted_data_key_index), (data_key(32), 2));
    }
}

#[test]
fn every_rsa_padding_makes_messages_that_open() {
    for padding in PADDINGS {
        let writer = RawRsaKeyring::new("space", "name", padding, RsaKey::Public(public_key())).unwrap();
        for suite in AlgorithmSuiteId::ALL {
            let options = EncryptOptions::new().algorithm_suite(suite).encryption_context(context());
            let client = writes(suite).build();
            let manager = manager_of(
                RawRsaKeyring::new("space", "name", padding, RsaKey::Public(public_key())).unwrap(),
            );
            let output = block_on(client.encrypt(&manager, b"plaintext", &options)).unwrap();
            let entry = &output.header.encrypted_data_keys()[0];
            assert_eq!((&*entry.key_provider_id, &*entry.key_provider_info), ("space", &b"name"[..]));
            assert_eq!(entry.ciphertext.len(), 256, "as long as the modulus");
            let reader = manager_of(rsa("name", padding));
            let opened = decrypt_with(&client, &reader, &output.message, &DecryptOptions::new());
            assert_eq!(opened.unwrap(), b"plaintext");
        }
        // A writer that holds no secret cannot read, and says what it takes.
        let entry = [wrapped(&writer, &data_key(32))];
        let outcome = unwrapped(&writer, &context(), &entry);
        assert_eq!(refusals(&outcome), [(0, KeyringError::PublicKeyOnly)]);
    }
}

#[test]
fn rsa_entries_of_other_keys_are_not_tried() {
    let keyring = rsa("name", RsaPadding::OaepSha256);
    let ours = wrapped(&keyring, &data_key(32));
    let entries = [
        EncryptedDataKey { key_provider_id: "Space".into(), ..ours.clone() },
        EncryptedDataKey { key_provider_info: b"name2".to_vec(), ..ours.clone() },
        EncryptedDataKey { key_provider_info: b"nam".to_vec(), ..ours },
        wrapped(&aes("name", 32), &data_key(32)),
    ];
    assert_eq!(refusals(&unwrapped(&keyring, &context(), &entries)), []);
}

#[test]
fn rsa_failures_do_not_say_what_failed() {
    for padding in PADDINGS {
        let keyring = rsa("name", padding);
        let ours = wrapped(&keyring, &data_key(32));
        let ciphertext = |bytes: Vec<u8>| EncryptedDataKey { ciphertext: bytes, ..ours.clone() };
        let entries = [
            ciphertext(Vec::new()),
            ciphertext(ours.ciphertext[..255].to_vec()),
            ciphertext([&ours.ciphertext[..], &[0]].concat()),
            ciphertext(vec![0; 256]),
            ciphertext(vec![0xff; 256]), // Beyond the modulus.
        ];
        let expected: Vec<_> = (0..5).map(|index| (index, KeyringError::DoesNotOpen)).collect();
        assert_eq!(refusals(&unwrapped(&keyring, &context(), &entries)), expected, "{padding:?}");
    }
}

#[test]
fn an_rsa_key_does_not_bind_the_context_but_the_header_does() {
    let manager = manager_of(rsa("name", RsaPadding::OaepSha256));
    let options = EncryptOptions::new().encryption_context(context());
    let mut message = block_on(reads_all().build().encrypt(&manager, b"x", &options)).unwrap().message;
    let at = message.windows(6).position(|window| window == b"tenant").unwrap() + 8;
    assert_eq!(message[at..at + 2], *b"42");
    message[at + 1] = b'3';
    let refused = decrypt_with(&reads_all().build(), &manager, &message, &DecryptOptions::new());
    assert!(matches!(refused, Err(Error::HeaderUnauthentic)));
}

#[test]
fn a_message_of_other_keys_names_them() {
    let writer = manager_of(aes("their key", 32));
    let message =
        block_on(reads_all().build().encrypt(&writer, b"x", &EncryptOptions::new())).unwrap().message;
    let reader = manager_of(aes("my key", 32));
    let error = decrypt_with(&reads_all().build(), &reader, &message, &DecryptOptions::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyUnavailable);
    assert!(error.to_string().contains("none of the keys given"), "{error}");
}
