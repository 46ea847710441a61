//! KMS keyrings: strict and discovery, against a scripted KMS.

use std::sync::Arc;

use envel::{
    DataKey, DecryptOptions, DiscoveryFilter, EncryptOptions, EncryptedDataKey, EncryptionContext, Error,
    ErrorKind, Keyring, KeyringError, KmsDiscoveryKeyring, KmsErrorKind, KmsKeyring, SecretBytes,
    UnwrapError, UnwrapOutcome, UnwrapRequest, WrapRequest,
};
use pollster::block_on;

use crate::scripted_kms::{Answer, CIPHERTEXT, Call, KEY_MATERIAL_ID, ScriptedKms, ScriptedRegions, key};
use crate::{COMMITTING, manager_of, reads_all};

const ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd";
const OTHER_ACCOUNT: &str = "arn:aws:kms:eu-west-1:444455556666:key/1234abcd";
const OTHER_REGION: &str = "arn:aws:kms:us-east-2:111122223333:key/5678";
const OTHER_PARTITION: &str = "arn:aws-cn:kms:eu-west-1:111122223333:key/1234abcd";

fn strict(key_id: &str, client: &Arc<ScriptedKms>) -> KmsKeyring {
    KmsKeyring::new(key_id.parse().unwrap(), client.clone()).grant_tokens(vec!["grant".into()])
}

fn context() -> EncryptionContext {
    EncryptionContext::try_from_pairs([("tenant", "42")]).unwrap()
}

fn entry(provider: &str, info: &str) -> EncryptedDataKey {
    EncryptedDataKey {
        key_provider_id: provider.into(),
        key_provider_info: info.into(),
        ciphertext: format!("of {info}").into_bytes(),
    }
}

fn call(operation: &'static str, key_id: &str, input: &[u8]) -> Call {
    Call {
        operation,
        key_id: key_id.into(),
        encryption_context: context(),
        grant_tokens: vec!["grant".into()],
        input: input.to_vec(),
    }
}

/// The call that opens an entry of this key.
fn decrypt_call(arn: &str) -> Call {
    call("Decrypt", arn, format!("of {arn}").as_bytes())
}

fn unwrapped(keyring: &dyn Keyring, entries: &[EncryptedDataKey]) -> UnwrapOutcome {
    let context = context();
    block_on(keyring.unwrap_data_key(UnwrapRequest::new(COMMITTING.suite(), &context, entries)))
}

/// Why each entry that was tried did not open.
fn refusals(outcome: &UnwrapOutcome) -> Vec<(usize, KeyringError)> {
    assert!(outcome.unwrapped.is_none());
    outcome.attempts.iter().map(|attempt| (attempt.encrypted_data_key_index, attempt.error.clone())).collect()
}

fn kind(outcome: UnwrapOutcome) -> ErrorKind {
    UnwrapError { attempts: outcome.attempts, encrypted_data_keys: Vec::new() }.kind()
}

#[test]
fn generating_asks_kms_for_the_suites_key_and_names_the_arn_that_answers() {
    for spelling in [ARN, "alias/backup", "1234abcd", "arn:aws:kms:eu-west-1:111122223333:alias/backup"] {
        let client = ScriptedKms::new([key(ARN, 32)]);
        let context = context();
        let request = WrapRequest::generate(COMMITTING.suite(), &context);
        let outcome = block_on(strict(spelling, &client).wrap_data_key(request)).unwrap();
        assert_eq!(client.calls(), [call("GenerateDataKey", spelling, &[0, 0, 0, 32])]);
        assert_eq!(outcome.generated.unwrap().expose_secret(), [0xd4; 32]);
        let wrapped = &outcome.wrapped[0];
        let expected = EncryptedDataKey { ciphertext: CIPHERTEXT.to_vec(), ..entry("aws-kms", ARN) };
        assert_eq!(wrapped.encrypted_data_key, expected);
        assert_eq!(wrapped.key_material_id.as_deref(), Some(KEY_MATERIAL_ID));
    }
}

#[test]
fn a_given_data_key_is_encrypted_by_kms() {
    let client = ScriptedKms::new([key(ARN, 0)]);
    let (context, data_key) = (context(), DataKey::new(SecretBytes::copied_from(&[5; 32])));
    let request = WrapRequest::wrap(COMMITTING.suite(), &context, &data_key);
    let outcome = block_on(strict("alias/backup", &client).wrap_data_key(request)).unwrap();
    assert_eq!(client.calls(), [call("Encrypt", "alias/backup", &[5; 32])]);
    assert!(outcome.generated.is_none());
    let expected = EncryptedDataKey { ciphertext: CIPHERTEXT.to_vec(), ..entry("aws-kms", ARN) };
    assert_eq!(outcome.wrapped[0].encrypted_data_key, expected);
}

#[test]
fn wrapping_refuses_answers_that_break_the_contract() {
    let generate = |answer| {
        let context = context();
        let request = WrapRequest::generate(COMMITTING.suite(), &context);
        block_on(strict(ARN, &ScriptedKms::new([answer])).wrap_data_key(request)).unwrap_err()
    };
    assert_eq!(generate(key(ARN, 16)), KeyringError::DataKeyLength { found: 16, expected: 32 });
    for no_key_arn in ["1234abcd", "arn:aws:kms:eu-west-1:111122223333:alias/backup", ""] {
        assert_eq!(generate(key(no_key_arn, 32)), KeyringError::InvalidKeyArn(no_key_arn.into()));
    }
    assert_eq!(generate(Answer::Fails(KmsErrorKind::Throttled)).kind(), ErrorKind::Retryable);
    assert_eq!(generate(Answer::Fails(KmsErrorKind::Denied)).kind(), ErrorKind::KeyUnavailable);
}

#[test]
fn a_strict_keyring_asks_for_its_own_arn_alone_byte_by_byte() {
    let client = ScriptedKms::new([key(ARN, 32)]);
    let entries = [
        entry("aws-kms", OTHER_ACCOUNT),
        entry("aws-kms", &ARN.replace("1234abcd", "1234ABCD")),
        entry("aws-kms", &format!("{ARN}0")),
        entry("aws-kms", OTHER_REGION),
        entry("aws-kms-hierarchy", ARN),
        entry("Aws-Kms", ARN),
        entry("raw", "no ARN at all"),
        entry("aws-kms", ARN),
    ];
    let outcome = unwrapped(&strict(ARN, &client), &entries);
    assert_eq!(client.calls(), [decrypt_call(ARN)]);
    assert_eq!(outcome.attempts, []);
    let opened = outcome.unwrapped.unwrap();
    assert_eq!((opened.data_key.len(), opened.encrypted_data_key_index), (32, 7));
    assert_eq!(opened.key_material_id.as_deref(), Some(KEY_MATERIAL_ID));
}

#[test]
fn an_alias_encrypts_and_never_decrypts() {
    for alias in ["alias/backup", "arn:aws:kms:eu-west-1:111122223333:alias/backup", "1234abcd"] {
        let client = ScriptedKms::new([]);
        let outcome = unwrapped(&strict(alias, &client), &[entry("aws-kms", ARN)]);
        assert_eq!(refusals(&outcome), [], "KMS is not even asked");
    }
}

#[test]
fn an_entry_that_names_no_key_arn_fails_the_whole_wherever_it_stands() {
    let (unasked, regions) = (ScriptedKms::new([]), ScriptedRegions::new([]));
    let strict = strict(ARN, &unasked);
    let discovery = KmsDiscoveryKeyring::new(regions.clone(), None);
    for invalid in [
        "",
        "1234abcd",
        "alias/backup",
        "arn:aws:kms:eu-west-1:111122223333:alias/backup",
        "arn:aws:s3:eu-west-1:111122223333:key/1",
    ] {
        let (good, bad) = (entry("aws-kms", ARN), entry("aws-kms", invalid));
        for (index, entries) in [(0, [bad.clone(), good.clone()]), (1, [good, bad])] {
            for keyring in [&strict as &dyn Keyring, &discovery] {
                let outcome = unwrapped(keyring, &entries);
                assert_eq!(refusals(&outcome), [(index, KeyringError::InvalidKeyArn(invalid.into()))]);
                assert_eq!(kind(outcome), ErrorKind::Malformed);
            }
        }
    }
    assert_eq!(regions.asked(), [""; 0]);
}

#[test]
fn an_answer_of_another_key_is_refused() {
    let other = ARN.replace("eu-west-1", "eu-west-2");
    let client = ScriptedKms::new([key(&other, 32), key(ARN, 32)]);
    let entries = [entry("aws-kms", ARN), entry("aws-kms", ARN)];
    let outcome = unwrapped(&strict(ARN, &client), &entries);
    let wrong = KeyringError::WrongKeyAnswered { asked: ARN.into(), answered: other };
    assert_eq!(outcome.attempts[0].error, wrong);
    assert_eq!(outcome.unwrapped.unwrap().encrypted_data_key_index, 1, "the next is tried");
}

#[test]
fn what_kms_refuses_or_answers_wrongly_is_passed_over_and_told() {
    let client = ScriptedKms::new([
        Answer::Fails(KmsErrorKind::WrongCiphertext),
        key(ARN, 16),
        key(ARN, 33),
        key(ARN, 32),
    ]);
    let entries = vec![entry("aws-kms", ARN); 4];
    let outcome = unwrapped(&strict(ARN, &client), &entries);
    assert_eq!(client.calls().len(), 4);
    assert_eq!(outcome.unwrapped.unwrap().encrypted_data_key_index, 3);
    assert!(matches!(outcome.attempts[0].error, KeyringError::Kms(_)));
    assert_eq!(outcome.attempts[1].error, KeyringError::DataKeyLength { found: 16, expected: 32 });
    assert_eq!(outcome.attempts[2].error, KeyringError::DataKeyLength { found: 33, expected: 32 });
}

#[test]
fn a_failure_that_passes_makes_the_whole_retryable() {
    let kinds = |kinds: &[KmsErrorKind]| {
        let client = ScriptedKms::new(kinds.iter().copied().map(Answer::Fails));
        kind(unwrapped(&strict(ARN, &client), &vec![entry("aws-kms", ARN); kinds.len()]))
    };
    use KmsErrorKind::*;
    assert_eq!(kinds(&[Denied, Throttled]), ErrorKind::Retryable);
    assert_eq!(kinds(&[Unreachable, Denied, KeyUnusable]), ErrorKind::Retryable);
    assert_eq!(kinds(&[Denied, Credentials, NotFound, WrongCiphertext]), ErrorKind::KeyUnavailable);
}

#[test]
fn messages_of_a_kms_key_round_trip_and_say_what_opened_them() {
    let client = ScriptedKms::new([key(ARN, 32), key(ARN, 32)]);
    let manager = manager_of(strict(ARN, &client));
    let options = EncryptOptions::new().encryption_context(context());
    let output = block_on(reads_all().build().encrypt(&manager, b"x", &options)).unwrap();
    assert_eq!(output.key_material_ids, [Some(KEY_MATERIAL_ID.to_owned())]);
    let opened = block_on(reads_all().build().decrypt(&manager, &output.message, &DecryptOptions::new()));
    let opened = opened.unwrap();
    assert_eq!(opened.plaintext, b"x");
    assert_eq!(opened.opened_by.key_provider_id, "aws-kms");
    assert_eq!(opened.opened_by.key_provider_info, ARN);
    assert_eq!(opened.opened_by.key_material_id.as_deref(), Some(KEY_MATERIAL_ID));
    assert_eq!(client.calls()[1], call("Decrypt", ARN, CIPHERTEXT));
}

#[test]
fn the_public_key_of_a_signed_message_goes_to_kms_with_the_context() {
    let client = ScriptedKms::new([key(ARN, 32)]);
    let options = EncryptOptions::new().signed(true).encryption_context(context());
    block_on(reads_all().build().encrypt(&manager_of(strict(ARN, &client)), b"x", &options)).unwrap();
    let asked = &client.calls()[0].encryption_context;
    assert_eq!(asked.value("tenant"), Some("42"));
    assert_eq!(asked.value("aws-crypto-public-key").map(str::len), Some(68));
}

#[test]
fn discovery_never_encrypts() {
    let keyring = KmsDiscoveryKeyring::new(ScriptedRegions::new([]), None);
    let (context, data_key) = (context(), DataKey::new(SecretBytes::zeroed(32)));
    for request in [
        WrapRequest::generate(COMMITTING.suite(), &context),
        WrapRequest::wrap(COMMITTING.suite(), &context, &data_key),
    ] {
        let error = block_on(keyring.wrap_data_key(request)).unwrap_err();
        assert_eq!(
            (error.kind(), error),
            (ErrorKind::InvalidCall, KeyringError::CannotEncrypt("KMS discovery"))
        );
    }
}

#[test]
fn discovery_asks_each_keys_own_region_in_order_until_one_opens() {
    let ireland = ScriptedKms::in_region("eu-west-1", [Answer::Fails(KmsErrorKind::Denied), key(ARN, 32)]);
    let ohio = ScriptedKms::in_region("us-east-2", [key(OTHER_REGION, 16)]);
    let regions = ScriptedRegions::new([ireland.clone(), ohio.clone()]);
    let keyring = KmsDiscoveryKeyring::new(regions.clone(), None).grant_tokens(vec!["grant".into()]);
    let dark = "arn:aws:kms:ap-south-1:111122223333:key/9";
    let entries = [
        entry("raw", "elsewhere"),
        entry("aws-kms", OTHER_ACCOUNT),
        entry("aws-kms", OTHER_REGION),
        entry("aws-kms", dark),
        entry("aws-kms", ARN),
        entry("aws-kms", ARN),
    ];
    let outcome = unwrapped(&keyring, &entries);
    assert_eq!(regions.asked(), ["eu-west-1", "us-east-2", "ap-south-1", "eu-west-1"]);
    assert_eq!(ireland.calls(), [decrypt_call(OTHER_ACCOUNT), decrypt_call(ARN)]);
    assert_eq!(ohio.calls(), [decrypt_call(OTHER_REGION)]);
    let tried: Vec<_> = outcome.attempts.iter().map(|attempt| attempt.encrypted_data_key_index).collect();
    assert_eq!((tried, outcome.unwrapped.unwrap().encrypted_data_key_index), (vec![1, 2, 3], 4));
}

#[test]
fn a_discovery_filter_takes_one_partition_and_its_accounts() {
    let client = ScriptedKms::new([key(ARN, 32)]);
    let regions = ScriptedRegions::new([client.clone()]);
    let filter = DiscoveryFilter::new("aws", ["111122223333", "777788889999"]);
    let keyring = KmsDiscoveryKeyring::new(regions.clone(), Some(filter)).grant_tokens(vec!["grant".into()]);
    let excluded = [entry("aws-kms", OTHER_ACCOUNT), entry("aws-kms", OTHER_PARTITION)];
    let outcome = unwrapped(&keyring, &[&excluded[..], &[entry("aws-kms", ARN)]].concat());
    assert_eq!(outcome.unwrapped.unwrap().encrypted_data_key_index, 2);
    assert_eq!(client.calls(), [decrypt_call(ARN)], "excluded keys are not asked");

    let outcome = unwrapped(&keyring, &excluded);
    let refused = |arn: &str| KeyringError::ExcludedByFilter(arn.into());
    assert_eq!(refusals(&outcome), [(0, refused(OTHER_ACCOUNT)), (1, refused(OTHER_PARTITION))]);
    assert_eq!(kind(outcome), ErrorKind::PolicyRefused);

    let nobody = DiscoveryFilter::new("aws", Vec::<String>::new());
    let outcome = unwrapped(&KmsDiscoveryKeyring::new(regions, Some(nobody)), &[entry("aws-kms", ARN)]);
    assert_eq!(refusals(&outcome), [(0, refused(ARN))]);
}

#[test]
fn discovery_refuses_an_answer_of_another_key() {
    let regions = ScriptedRegions::new([ScriptedKms::new([key(OTHER_ACCOUNT, 32)])]);
    let outcome = unwrapped(&KmsDiscoveryKeyring::new(regions, None), &[entry("aws-kms", ARN)]);
    let wrong = KeyringError::WrongKeyAnswered { asked: ARN.into(), answered: OTHER_ACCOUNT.into() };
    assert_eq!(refusals(&outcome), [(0, wrong)]);
}

#[test]
fn a_region_out_of_reach_can_be_tried_again() {
    let client = ScriptedKms::new([Answer::Fails(KmsErrorKind::Denied)]);
    let keyring = KmsDiscoveryKeyring::new(ScriptedRegions::new([client]), None);
    let outcome = unwrapped(&keyring, &[entry("aws-kms", ARN), entry("aws-kms", OTHER_REGION)]);
    assert_eq!(kind(outcome), ErrorKind::Retryable);
}

#[test]
fn filtered_and_denied_is_not_a_matter_of_the_filter_alone() {
    let client = ScriptedKms::new([Answer::Fails(KmsErrorKind::Denied)]);
    let filter = DiscoveryFilter::new("aws", ["111122223333"]);
    let keyring = KmsDiscoveryKeyring::new(ScriptedRegions::new([client]), Some(filter));
    let outcome = unwrapped(&keyring, &[entry("aws-kms", OTHER_ACCOUNT), entry("aws-kms", ARN)]);
    assert_eq!(kind(outcome), ErrorKind::KeyUnavailable);
}

#[test]
fn a_failed_wrap_reaches_the_caller_with_the_words_of_kms() {
    let client = ScriptedKms::new([Answer::Fails(KmsErrorKind::KeyUnusable)]);
    let outcome = block_on(reads_all().build().encrypt(
        &manager_of(strict(ARN, &client)),
        b"x",
        &EncryptOptions::new(),
    ));
    let error = outcome.unwrap_err();
    assert!(matches!(error, Error::Wrap(_)));
    assert!(error.to_string().contains("KeyUnusable"), "{error}");
}
