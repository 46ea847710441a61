//! The data plane as its callers see it: what it answers, what it refuses, in which order and in which words.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::result_large_err,
    reason = "a test that cannot go on has failed"
)]

use envel_core::kms::{
    CreateKeyRequest, DecryptRequest, EncryptRequest, GenerateDataKeyRequest, KmsError, ReEncryptRequest,
};
use envel_core::{EncryptionContext, KmsClient, KmsClients, KmsControl, KmsErrorKind, SecretBytes};
use envel_kms::{DEFAULT_REGION, EmbeddedKms, OpenOptions, Operation, RegionClient};
use pollster::block_on;
use proptest::prelude::*;

fn client() -> RegionClient {
    EmbeddedKms::open(OpenOptions::in_memory()).unwrap().client(DEFAULT_REGION)
}

/// A new key's ARN.
fn new_key(client: &RegionClient) -> String {
    block_on(client.create_key(CreateKeyRequest::new())).unwrap().arn.to_string()
}

fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
    EncryptionContext::try_from_pairs(pairs.iter().copied()).unwrap()
}

fn secret(length: usize) -> SecretBytes {
    SecretBytes::filled_by(length, |bytes| bytes.fill(b'x'))
}

fn encrypt(client: &RegionClient, key: &str, length: usize) -> Result<Vec<u8>, KmsError> {
    block_on(client.encrypt(EncryptRequest::new(key, secret(length)))).map(|answer| answer.ciphertext_blob)
}

fn decrypt(client: &RegionClient, blob: Vec<u8>) -> Result<SecretBytes, KmsError> {
    block_on(client.decrypt(DecryptRequest::new(blob))).map(|answer| answer.plaintext)
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, KmsError>, code: &str) -> KmsError {
    let error = outcome.unwrap_err();
    assert_eq!(error.code, code, "{error}");
    error
}

fn is_key_material_id(id: Option<&str>) -> bool {
    id.is_some_and(|id| id.len() == 64 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
}

#[test]
fn a_data_key_opens_again_with_its_context() {
    let client = client();
    let key = new_key(&client);
    let request = || GenerateDataKeyRequest::new(&key, 32).encryption_context(context(&[("a", "1")]));
    let made = block_on(client.generate_data_key(request())).unwrap();
    let opened = block_on(client.decrypt(
        DecryptRequest::new(made.ciphertext_blob.clone()).encryption_context(context(&[("a", "1")])),
    ))
    .unwrap();
    assert_eq!(opened.plaintext.expose_secret(), made.plaintext.expose_secret());
    assert_eq!((&made.key_id, &opened.key_id), (&key, &key));
    assert!(is_key_material_id(made.key_material_id.as_deref()));
    assert_eq!(made.key_material_id, opened.key_material_id);
    let described = block_on(client.describe_key(key.clone())).unwrap();
    assert_eq!(described.current_key_material_id, made.key_material_id);

    let without_plaintext = block_on(client.generate_data_key_without_plaintext(request())).unwrap();
    assert_eq!(without_plaintext.key_material_id, made.key_material_id);
    assert_ne!(without_plaintext.ciphertext_blob, made.ciphertext_blob);
    let opened = block_on(client.decrypt(
        DecryptRequest::new(without_plaintext.ciphertext_blob).encryption_context(context(&[("a", "1")])),
    ))
    .unwrap();
    assert_eq!(opened.plaintext.len(), 32);
    assert_ne!(opened.plaintext.expose_secret(), made.plaintext.expose_secret());
}

#[test]
fn every_other_context_is_refused_without_a_word() {
    let client = client();
    let key = new_key(&client);
    let bound = context(&[("a", "1"), ("b", "2")]);
    let request = EncryptRequest::new(&key, secret(5)).encryption_context(bound);
    let blob = block_on(client.encrypt(request)).unwrap().ciphertext_blob;
    for other in [
        &[][..],
        &[("a", "1")],
        &[("a", "1"), ("b", "3")],
        &[("a", "1"), ("B", "2")],
        &[("a", "1"), ("b", "2"), ("c", "")],
        &[("a", "1b2")],
        &[("a", "2"), ("b", "1")],
    ] {
        let request = DecryptRequest::new(blob.clone()).encryption_context(context(other));
        let error = assert_refused(block_on(client.decrypt(request)), "InvalidCiphertextException");
        assert_eq!((error.message.as_str(), error.kind), ("", KmsErrorKind::WrongCiphertext));
    }
}

#[test]
fn every_bit_flip_and_every_truncation_of_a_ciphertext_is_refused() {
    let client = client();
    let key = new_key(&client);
    let blob = encrypt(&client, &key, 32).unwrap();
    for bit in 0..blob.len() * 8 {
        let mut altered = blob.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        // A changed key ID names a key that does not exist; pinned, it is another key's ciphertext.
        let names_another_key = (8..8 * 17).contains(&bit);
        let expected = if names_another_key { "AccessDeniedException" } else { "InvalidCiphertextException" };
        assert_refused(decrypt(&client, altered.clone()), expected);
        let expected = if names_another_key { "IncorrectKeyException" } else { "InvalidCiphertextException" };
        let pinned = DecryptRequest::new(altered).key_id(&key);
        assert_refused(block_on(client.decrypt(pinned)), expected);
    }
    for length in 1..blob.len() {
        assert_refused(decrypt(&client, blob[..length].to_vec()), "InvalidCiphertextException");
    }
    let longer = [&blob[..], &[0]].concat();
    assert_refused(decrypt(&client, longer), "InvalidCiphertextException");
    assert_eq!(decrypt(&client, blob).unwrap(), secret(32));
}

#[test]
fn lengths_are_accepted_up_to_their_limits_and_refused_beyond() {
    let client = client();
    let key = new_key(&client);
    let refused = |outcome: Result<(), KmsError>, words: &str| {
        let error = assert_refused(outcome, "ValidationException");
        assert_eq!(error.kind, KmsErrorKind::InvalidRequest);
        assert!(error.message.contains(words), "{}", error.message);
    };

    let largest = encrypt(&client, &key, 4096).unwrap();
    assert!(largest.len() <= 6144);
    assert_eq!(decrypt(&client, largest).unwrap(), secret(4096));
    assert_eq!(decrypt(&client, encrypt(&client, &key, 1).unwrap()).unwrap(), secret(1));
    let most = "Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096";
    refused(encrypt(&client, &key, 4097).map(drop), most);
    refused(encrypt(&client, &key, 0).map(drop), "'plaintext' failed");

    assert_refused(decrypt(&client, vec![1; 6144]), "AccessDeniedException");
    refused(decrypt(&client, vec![1; 6145]).map(drop), "less than or equal to 6144");
    refused(decrypt(&client, Vec::new()).map(drop), "greater than or equal to 1");

    let generate = |bytes| block_on(client.generate_data_key(GenerateDataKeyRequest::new(&key, bytes)));
    for bytes in [1u32, 16, 1024] {
        let made = generate(bytes).unwrap();
        assert_eq!(made.plaintext.len(), bytes as usize);
        assert_eq!(
            decrypt(&client, made.ciphertext_blob).unwrap().expose_secret(),
            made.plaintext.expose_secret()
        );
    }
    refused(generate(0).map(drop), "'numberOfBytes' failed");
    refused(generate(1025).map(drop), "'numberOfBytes' failed");

    for bytes in [1u32, 1024] {
        assert_eq!(block_on(client.generate_random(bytes)).unwrap().len(), bytes as usize);
    }
    refused(block_on(client.generate_random(0)).map(drop), "'numberOfBytes' failed");
    refused(block_on(client.generate_random(1025)).map(drop), "'numberOfBytes' failed");
    assert_ne!(block_on(client.generate_random(32)).unwrap(), block_on(client.generate_random(32)).unwrap());

    let with_key_id = |length: usize| encrypt(&client, &"k".repeat(length), 1).map(drop);
    assert_refused(with_key_id(2048), "NotFoundException");
    refused(with_key_id(2049), "'keyId' failed");
    refused(with_key_id(0), "'keyId' failed");
}

#[test]
fn a_context_has_8192_characters_at_most_however_many_bytes() {
    let client = client();
    let key = new_key(&client);
    let encrypt_with = |context: EncryptionContext| {
        let request = EncryptRequest::new(&key, secret(1)).encryption_context(context.clone());
        let blob = block_on(client.encrypt(request))?.ciphertext_blob;
        block_on(client.decrypt(DecryptRequest::new(blob).encryption_context(context)))
    };
    for character in ["v", "é", "\u{1f511}"] {
        let value = |length: usize| character.repeat(length);
        assert!(encrypt_with(context(&[("name", &value(8188))])).is_ok());
        let refused = encrypt_with(context(&[("name", &value(8189))]));
        assert!(assert_refused(refused, "ValidationException").message.contains("'encryptionContext'"));
    }
    // As many bytes as a context's canonical form can have fit; more cannot be authenticated.
    let names = || (0..8192u32).map(|index| (char::from_u32(0x10000 + index).unwrap().to_string(), ""));
    let mut too_long = EncryptionContext::new();
    names().for_each(|(name, value)| too_long.insert(name, value).unwrap());
    assert_refused(encrypt_with(too_long), "ValidationException");
}

#[test]
fn grant_tokens_are_counted_and_then_refused_since_there_are_no_grants() {
    let client = client();
    let key = new_key(&client);
    let with_tokens = |tokens: Vec<String>| {
        block_on(client.encrypt(EncryptRequest::new(&key, secret(1)).grant_tokens(tokens)))
    };
    assert!(with_tokens(Vec::new()).is_ok());
    assert_refused(with_tokens(vec!["t".into(); 10]), "InvalidGrantTokenException");
    assert_refused(with_tokens(vec!["t".into(); 11]), "ValidationException");
    assert_refused(with_tokens(vec![String::new()]), "ValidationException");
}

#[test]
fn a_pinned_key_must_be_the_ciphertexts() {
    let client = client();
    let (first, second) = (new_key(&client), new_key(&client));
    block_on(client.create_alias("alias/first".into(), first.clone())).unwrap();
    let blob = encrypt(&client, &first, 8).unwrap();
    let pinned = |key: &str| block_on(client.decrypt(DecryptRequest::new(blob.clone()).key_id(key)));
    assert_eq!(pinned(&first).unwrap().key_id, first);
    assert_eq!(pinned("alias/first").unwrap().key_id, first);
    let error = assert_refused(pinned(&second), "IncorrectKeyException");
    assert_eq!(error.kind, KmsErrorKind::WrongCiphertext);
    assert_eq!(
        error.message,
        "The key ID in the request does not identify a CMK that can perform this operation."
    );
    assert_refused(pinned("alias/none"), "NotFoundException");
}

#[test]
fn reencryption_moves_a_ciphertext_and_honours_the_source_key() {
    let client = client();
    let (first, second) = (new_key(&client), new_key(&client));
    let request = EncryptRequest::new(&first, secret(4096)).encryption_context(context(&[("a", "1")]));
    let blob = block_on(client.encrypt(request)).unwrap().ciphertext_blob;
    let request = || ReEncryptRequest::new(blob.clone(), &second).encryption_context(context(&[("a", "1")]));

    let moved = block_on(client.re_encrypt(request().source_key_id(&first))).unwrap();
    assert_eq!((&moved.source_key_id, &moved.key_id), (&first, &second));
    assert!(is_key_material_id(moved.source_key_material_id.as_deref()));
    assert!(is_key_material_id(moved.destination_key_material_id.as_deref()));
    assert_ne!(moved.source_key_material_id, moved.destination_key_material_id);
    let request_of_moved =
        DecryptRequest::new(moved.ciphertext_blob).key_id(&second).encryption_context(context(&[("a", "1")]));
    assert_eq!(block_on(client.decrypt(request_of_moved)).unwrap().plaintext, secret(4096));

    // An error names the key that it is about.
    let refused =
        |request, code: &str| assert_refused(block_on(client.re_encrypt(request)), code).key.unwrap();
    assert_eq!(refused(request().source_key_id(&second), "IncorrectKeyException"), second);
    assert_eq!(refused(request().source_key_id("alias/nowhere"), "NotFoundException"), "alias/nowhere");
    let wrong_context = ReEncryptRequest::new(blob.clone(), &second);
    assert_eq!(refused(wrong_context, "InvalidCiphertextException"), first);
    let nowhere = ReEncryptRequest::new(blob.clone(), "alias/nowhere");
    assert_eq!(refused(nowhere, "NotFoundException"), "alias/nowhere");
    let garbage = ReEncryptRequest::new(b"garbage".to_vec(), &second);
    let error = assert_refused(block_on(client.re_encrypt(garbage)), "InvalidCiphertextException");
    assert_eq!(error.key, None);

    for disabled in [&first, &second] {
        block_on(client.disable_key(disabled.clone())).unwrap();
        let error = assert_refused(block_on(client.re_encrypt(request())), "DisabledException");
        assert_eq!(error.message, format!("{disabled} is disabled."));
        assert_eq!(error.key.as_ref(), Some(disabled));
        block_on(client.enable_key(disabled.clone())).unwrap();
    }
}

/// The code that each operation answers with, given a key, a ciphertext of it, and whether to run dry.
fn codes(client: &RegionClient, key: &str, blob: &[u8], dry_run: bool) -> Vec<(&'static str, String)> {
    let code = |error: Option<KmsError>| error.map_or_else(|| "done".to_owned(), |error| error.code);
    let generate = || GenerateDataKeyRequest::new(key, 32).dry_run(dry_run);
    vec![
        ("GenerateDataKey", code(block_on(client.generate_data_key(generate())).err())),
        (
            "GenerateDataKeyWithoutPlaintext",
            code(block_on(client.generate_data_key_without_plaintext(generate())).err()),
        ),
        (
            "Encrypt",
            code(block_on(client.encrypt(EncryptRequest::new(key, secret(1)).dry_run(dry_run))).err()),
        ),
        (
            "Decrypt",
            code(
                block_on(client.decrypt(DecryptRequest::new(blob.to_vec()).key_id(key).dry_run(dry_run)))
                    .err(),
            ),
        ),
        (
            "ReEncrypt",
            code(
                block_on(client.re_encrypt(
                    ReEncryptRequest::new(blob.to_vec(), key).source_key_id(key).dry_run(dry_run),
                ))
                .err(),
            ),
        ),
    ]
}

#[track_caller]
fn assert_all(codes: &[(&'static str, String)], expected: &str) {
    for (operation, code) in codes {
        assert_eq!(code, expected, "{operation}");
    }
}

#[test]
fn a_dry_run_ends_after_the_state_and_before_the_ciphertext() {
    let client = client();
    let key = new_key(&client);
    let blob = encrypt(&client, &key, 1).unwrap();
    assert_all(&codes(&client, &key, &blob, false), "done");
    assert_all(&codes(&client, &key, &blob, true), "DryRunOperationException");

    // A ciphertext that would not open is not looked at.
    let decrypt_only = |blob: &[u8], dry_run| codes(&client, &key, blob, dry_run)[3..].to_vec();
    assert_all(&decrypt_only(b"garbage", true), "DryRunOperationException");
    assert_all(&decrypt_only(b"garbage", false), "InvalidCiphertextException");

    // The state is looked at first, and resolution and syntax before it.
    block_on(client.disable_key(key.clone())).unwrap();
    assert_all(&codes(&client, &key, &blob, true), "DisabledException");
    assert_all(&codes(&client, "alias/nowhere", &blob, true), "NotFoundException");
    assert_all(&codes(&client, "", &blob, true), "ValidationException");
    let error = block_on(client.encrypt(EncryptRequest::new(&key, secret(1)).dry_run(true))).unwrap_err();
    assert_eq!(error.kind, KmsErrorKind::KeyUnusable);
    block_on(client.enable_key(key.clone())).unwrap();
    let error = block_on(client.encrypt(EncryptRequest::new(&key, secret(1)).dry_run(true))).unwrap_err();
    assert_eq!(error.kind, KmsErrorKind::DryRun);
    assert_eq!(error.message, "The request would have succeeded, but the DryRun option is set.");
}

#[test]
fn states_forbid_every_cryptographic_operation() {
    let client = client();
    let key = new_key(&client);
    let blob = encrypt(&client, &key, 1).unwrap();
    block_on(client.disable_key(key.clone())).unwrap();
    assert_all(&codes(&client, &key, &blob, false), "DisabledException");
    assert_refused(decrypt(&client, blob.clone()), "DisabledException");
    block_on(client.schedule_key_deletion(key.clone(), 7)).unwrap();
    assert_all(&codes(&client, &key, &blob, false), "KMSInvalidStateException");
    let error = assert_refused(decrypt(&client, blob.clone()), "KMSInvalidStateException");
    assert_eq!(error.message, format!("{key} is pending deletion."));
    block_on(client.cancel_key_deletion(key.clone())).unwrap();
    block_on(client.enable_key(key.clone())).unwrap();
    assert_all(&codes(&client, &key, &blob, false), "done");
}

#[test]
fn a_key_is_known_by_four_spellings_in_its_region_and_account_alone() {
    let kms = EmbeddedKms::open(OpenOptions::in_memory()).unwrap();
    let client = kms.client("eu-west-1");
    let arn = block_on(client.create_key(CreateKeyRequest::new())).unwrap().arn;
    assert_eq!(arn.as_str(), format!("arn:aws:kms:eu-west-1:000000000000:key/{}", arn.resource_id()));
    block_on(client.create_alias("alias/team/x".into(), arn.resource_id().into())).unwrap();
    let alias_arn = "arn:aws:kms:eu-west-1:000000000000:alias/team/x".to_owned();
    for spelling in [arn.to_string(), arn.resource_id().to_owned(), "alias/team/x".into(), alias_arn.clone()]
    {
        assert_eq!(block_on(client.describe_key(spelling)).unwrap().arn, arn);
    }
    let elsewhere = kms.client("eu-west-2");
    for (client, spelling) in [
        (&elsewhere, arn.to_string()),
        (&elsewhere, arn.resource_id().to_owned()),
        (&elsewhere, "alias/team/x".to_owned()),
        (&elsewhere, arn.in_region("eu-west-2").to_string()),
        (&client, arn.in_region("eu-west-2").to_string()),
        (&client, arn.as_str().replace("000000000000", "111122223333")),
        (&client, arn.as_str().replace("arn:aws:", "arn:aws-cn:")),
        (&client, alias_arn.replace("000000000000", "111122223333")),
        (&client, alias_arn.replace("team/x", "team/y")),
        (&client, arn.resource_id().to_uppercase()),
        (&client, "alias/".into()),
        (&client, "alias/aws/s3".into()),
        (&client, "arn:aws:kms".into()),
        (&client, "arn:aws:s3:eu-west-1:000000000000:key/x".into()),
        (&client, "no-such-key".into()),
    ] {
        let error = assert_refused(block_on(client.describe_key(spelling.clone())), "NotFoundException");
        assert_eq!((error.kind, error.key.as_deref()), (KmsErrorKind::NotFound, Some(spelling.as_str())));
        assert_eq!(error.region, client.region());
    }
    // A ciphertext does not open in another Region either.
    let blob = encrypt(&client, arn.as_str(), 1).unwrap();
    let error = assert_refused(decrypt(&elsewhere, blob), "AccessDeniedException");
    assert!(error.message.starts_with("The ciphertext refers to a customer master key that does not exist"));
}

#[test]
fn regions_of_other_partitions_have_their_arns() {
    let kms = EmbeddedKms::open(OpenOptions::in_memory()).unwrap();
    for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-east-1", "aws-us-gov"), ("local-7", "aws")]
    {
        let client = kms.client(region);
        let arn = block_on(client.create_key(CreateKeyRequest::new())).unwrap().arn;
        assert_eq!((arn.partition(), arn.region()), (partition, region));
        assert!(block_on(client.describe_key(arn.to_string())).is_ok());
    }
}

#[test]
fn a_text_that_cannot_be_a_region_is_refused() {
    let kms = EmbeddedKms::open(OpenOptions::in_memory()).unwrap();
    for region in ["", "a:b", "a/b", "é", " ", &"r".repeat(65)] {
        let refused = block_on(kms.client(region).create_key(CreateKeyRequest::new()));
        assert_refused(refused, "ValidationException");
        assert!(block_on(kms.client_for_region(region)).is_err());
    }
    assert_eq!(block_on(kms.client_for_region("local-1")).unwrap().region(), "local-1");
    assert_eq!(kms.default_region(), Some("local-1"));
}

#[test]
fn a_deadline_that_has_passed_is_an_error_that_a_retry_can_help() {
    let client = client();
    let key = new_key(&client);
    let request = EncryptRequest::new(&key, secret(1)).deadline(std::time::Duration::ZERO);
    let error = block_on(client.encrypt(request)).unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let request = EncryptRequest::new(&key, secret(1)).deadline(std::time::Duration::from_secs(600));
    assert!(block_on(client.encrypt(request)).is_ok());
}

#[test]
fn calls_are_counted_by_operation_refused_ones_too() {
    let kms = EmbeddedKms::open(OpenOptions::in_memory()).unwrap();
    let client = kms.client(DEFAULT_REGION);
    let key = new_key(&client);
    for _ in 0..3 {
        block_on(client.generate_data_key(GenerateDataKeyRequest::new(&key, 32))).unwrap();
    }
    assert_refused(decrypt(&client, vec![0]), "InvalidCiphertextException");
    let counts = kms.clone().call_counts();
    let counted: Vec<_> = Operation::ALL.iter().map(|&operation| (operation, counts.of(operation))).collect();
    let expected = |operation| match operation {
        Operation::CreateKey | Operation::Decrypt => 1,
        Operation::GenerateDataKey => 3,
        _ => 0,
    };
    assert!(counted.iter().all(|&(operation, count)| count == expected(operation)), "{counted:?}");
    assert_eq!(counts.total(), 5);
}

#[test]
fn debug_output_shows_no_secret() {
    let kms = EmbeddedKms::open(OpenOptions::in_memory()).unwrap();
    let client = kms.client(DEFAULT_REGION);
    let key = new_key(&client);
    let made = block_on(client.generate_data_key(GenerateDataKeyRequest::new(&key, 4))).unwrap();
    let shown = format!("{kms:?} {client:?} {:?}", made.plaintext);
    assert_eq!(shown, "EmbeddedKms { .. } RegionClient { region: \"local-1\", .. } DataKey(4 bytes)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_encrypted_decrypts_to_itself(
        plaintext in proptest::collection::vec(any::<u8>(), 1..=4096),
        pairs in proptest::collection::btree_map(".{0,20}", ".{0,20}", 0..5),
    ) {
        let client = client();
        let key = new_key(&client);
        let mut context = EncryptionContext::new();
        for (name, value) in pairs {
            context.insert_unchecked_prefix(name, value).unwrap();
        }
        let request = EncryptRequest::new(&key, SecretBytes::copied_from(&plaintext)).encryption_context(context.clone());
        let blob = block_on(client.encrypt(request)).unwrap().ciphertext_blob;
        prop_assert!(blob.len() <= 6144);
        let opened = block_on(client.decrypt(DecryptRequest::new(blob).encryption_context(context))).unwrap();
        prop_assert_eq!(opened.plaintext.expose_secret(), plaintext);
    }

    #[test]
    fn random_bytes_never_decrypt(blob in proptest::collection::vec(any::<u8>(), 0..300)) {
        let client = client();
        let key = new_key(&client);
        prop_assert!(decrypt(&client, blob.clone()).is_err());
        prop_assert!(block_on(client.decrypt(DecryptRequest::new(blob).key_id(key))).is_err());
    }

    #[test]
    fn no_spelling_of_a_key_panics(text in "(arn:aws:kms:local-1:000000000000:|alias/|arn:)?.{0,60}") {
        prop_assert!(block_on(client().describe_key(text)).is_err());
    }
}
