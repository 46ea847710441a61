//! The encryption context: reserved names, the public key, pairs that the reader must know, and the largest one.

use std::sync::{Arc, LazyLock};

use envel::context::PUBLIC_KEY_NAME;
use envel::{
    AlgorithmSuiteId, ContextError, DecryptOptions, DefaultManager, EncryptOptions, EncryptOutput,
    EncryptionContext, Error, ErrorKind, InvalidCall, MalformedMessage, MaterialsManager, Refusal,
    RequiredContextManager,
};
use pollster::block_on;

use crate::crafted::{self, Crafted};
use crate::scripted_managers::{Alters, MustNotBeAsked, opens_to};
use crate::{COMMITTING, COMMITTING_SIGNED, decrypt, decrypt_with, manager, manager_of, reads_all, writes};

fn context<const N: usize>(pairs: [(&str, &str); N]) -> EncryptionContext {
    EncryptionContext::try_from_pairs(pairs).unwrap()
}

fn encrypt(manager: &dyn MaterialsManager, context: EncryptionContext) -> Result<EncryptOutput, Error> {
    let options = EncryptOptions::new().encryption_context(context);
    block_on(reads_all().build().encrypt(manager, b"plaintext", &options))
}

fn decrypt_knowing(
    manager: &dyn MaterialsManager,
    message: &[u8],
    reproduced: EncryptionContext,
) -> Result<Vec<u8>, Error> {
    let options = DecryptOptions::new().encryption_context(reproduced);
    decrypt_with(&reads_all().build(), manager, message, &options)
}

fn requiring(names: &[&str]) -> RequiredContextManager {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    RequiredContextManager::new(Arc::new(manager()), names).unwrap()
}

#[test]
fn reserved_names_are_refused_before_a_keyring_is_asked() {
    for name in ["aws-crypto-", "aws-crypto-public-key", "aws-crypto-mine"] {
        let mut reserved = EncryptionContext::new();
        reserved.insert_unchecked_prefix(name, "value").unwrap();
        let error = encrypt(&manager_of(MustNotBeAsked), reserved).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidCall);
        assert!(matches!(error, Error::InvalidCall(InvalidCall::Context(ContextError::ReservedName { .. }))));
        let names = vec![name.to_owned()];
        assert!(RequiredContextManager::new(Arc::new(MustNotBeAsked), names).is_err());
    }
    encrypt(&manager(), context([("aws-crypt", "ours")])).unwrap();
}

#[test]
fn signed_suites_store_their_public_key_and_others_none() {
    for suite in AlgorithmSuiteId::ALL {
        let options = EncryptOptions::new().algorithm_suite(suite);
        let output = block_on(writes(suite).build().encrypt(&manager(), b"x", &options)).unwrap();
        let public_key = output.header.encryption_context().value(PUBLIC_KEY_NAME);
        let expected_len = match suite {
            AlgorithmSuiteId::Aes128GcmHkdfSha256EcdsaP256 => Some(44),
            suite if suite.suite().is_signed() => Some(68),
            _ => None,
        };
        assert_eq!(public_key.map(str::len), expected_len, "{suite}: base64 of a compressed point");
    }
}

#[test]
fn every_signed_message_has_a_signing_key_of_its_own() {
    let options = EncryptOptions::new().signed(true);
    let public_key = || {
        let output = block_on(reads_all().build().encrypt(&manager(), b"x", &options)).unwrap();
        output.header.encryption_context().value(PUBLIC_KEY_NAME).unwrap().to_owned()
    };
    assert_ne!(public_key(), public_key());
}

#[test]
fn an_unsigned_suite_with_a_public_key_is_refused_before_a_keyring_is_asked() {
    for suite in AlgorithmSuiteId::ALL.into_iter().filter(|suite| !suite.suite().is_signed()) {
        let mut downgraded = Crafted::new(suite);
        downgraded.context = Crafted::new(COMMITTING_SIGNED).context;
        let message = downgraded.message(&[downgraded.final_frame(1, b"x")]);
        let refused =
            decrypt_with(&reads_all().build(), &manager_of(MustNotBeAsked), &message, &DecryptOptions::new());
        assert!(matches!(refused, Err(Error::Malformed(MalformedMessage::UnexpectedPublicKey))), "{suite}");
    }
}

#[test]
fn a_signed_suite_without_a_sound_public_key_is_refused_before_a_keyring_is_asked() {
    let p256 = Crafted::new(AlgorithmSuiteId::Aes128GcmHkdfSha256EcdsaP256);
    let other_curve = p256.context.value(PUBLIC_KEY_NAME).unwrap();
    let no_point = "A".repeat(68);
    for public_key in [None, Some(""), Some("not base64!"), Some(other_curve), Some(&*no_point)] {
        let mut crafted = Crafted::new(COMMITTING_SIGNED);
        crafted.context = EncryptionContext::new();
        if let Some(public_key) = public_key {
            crafted.context.insert_unchecked_prefix(PUBLIC_KEY_NAME, public_key).unwrap();
        }
        let message = crafted.message(&[crafted.final_frame(1, b"x")]);
        let refused =
            decrypt_with(&reads_all().build(), &manager_of(MustNotBeAsked), &message, &DecryptOptions::new());
        match (public_key, refused) {
            (None, Err(Error::Malformed(MalformedMessage::MissingPublicKey))) => {}
            (Some(_), Err(Error::Malformed(MalformedMessage::InvalidPublicKey))) => {}
            (public_key, other) => panic!("{public_key:?}: {other:?}"),
        }
    }
}

#[test]
fn a_reader_may_supply_pairs_that_are_stored_if_they_are_equal() {
    let message = encrypt(&manager(), context([("a", "1"), ("b", "2")])).unwrap().message;
    for known in [context([]), context([("a", "1")]), context([("b", "2"), ("a", "1")])] {
        assert_eq!(decrypt_knowing(&manager(), &message, known).unwrap(), b"plaintext");
    }
    for wrong in [context([("a", "2")]), context([("a", "1"), ("b", "")])] {
        let refused = decrypt_knowing(&manager_of(MustNotBeAsked), &message, wrong);
        assert!(matches!(refused, Err(Error::Refused(Refusal::ContextMismatch { .. }))));
    }
}

#[test]
fn a_pair_that_the_message_was_not_made_with_does_not_open_it() {
    let message = encrypt(&manager(), context([("a", "1")])).unwrap().message;
    let refused = decrypt_knowing(&manager(), &message, context([("b", "2")]));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::KeyUnavailable);
}

#[test]
fn required_pairs_are_not_stored_and_open_the_message() {
    let full = || context([("tenant", "42"), ("purpose", "tests"), ("colour", "blue")]);
    let output = encrypt(&requiring(&["tenant", "colour"]), full()).unwrap();
    let stored = output.header.encryption_context();
    assert_eq!(stored.iter().collect::<Vec<_>>(), [("purpose", "tests")]);
    assert!(!output.message.windows(6).any(|window| window == b"tenant"));

    let required = || context([("tenant", "42"), ("colour", "blue")]);
    for (reader, reproduced) in [
        (requiring(&["tenant", "colour"]), required()),
        (requiring(&["tenant", "colour"]), full()),
        (requiring(&["tenant"]), required()),
        // What is stored may be required of the reader too.
        (requiring(&["tenant", "purpose"]), full()),
        (requiring(&[]), required()),
    ] {
        assert_eq!(decrypt_knowing(&reader, &output.message, reproduced).unwrap(), b"plaintext");
    }
    assert_eq!(decrypt_knowing(&manager(), &output.message, required()).unwrap(), b"plaintext");
}

#[test]
fn required_pairs_that_are_wrong_or_missing_do_not_open_the_message() {
    let pairs = context([("tenant", "42"), ("purpose", "tests")]);
    let message = encrypt(&requiring(&["tenant"]), pairs).unwrap().message;
    for wrong in
        [context([("tenant", "43")]), context([("tenant", "42"), ("more", "")]), context([("tenant", "")])]
    {
        let refused = decrypt_knowing(&requiring(&["tenant"]), &message, wrong);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::KeyUnavailable);
    }
    let missing = decrypt_knowing(&requiring(&["tenant"]), &message, context([("purpose", "tests")]));
    let name = "tenant".to_owned();
    match missing {
        Err(Error::Refused(refusal)) => assert_eq!(refusal, Refusal::ContextMissing { name }),
        other => panic!("{other:?}"),
    }
    let unknowing = decrypt_knowing(&manager(), &message, context([]));
    assert_eq!(unknowing.unwrap_err().kind(), ErrorKind::KeyUnavailable);
}

#[test]
fn the_header_binds_required_pairs_where_the_keyring_does_not() {
    let mut crafted = Crafted::with_context(COMMITTING, [("tenant", "42")]);
    crafted.stored_context = Some(Vec::new());
    crafted.header_suffix = crafted.context.canonical_bytes().unwrap();
    let message = crafted.message(&[crafted.final_frame(1, b"x")]);
    let manager = manager_of(opens_to(|request| crafted::data_key(&request.algorithm_suite)));
    assert_eq!(decrypt_knowing(&manager, &message, context([("tenant", "42")])).unwrap(), b"x");
    for wrong in [context([]), context([("tenant", "43")])] {
        let refused = decrypt_knowing(&manager, &message, wrong);
        assert!(matches!(refused, Err(Error::HeaderUnauthentic)));
    }
}

#[test]
fn a_required_name_must_be_in_the_context_to_encrypt_with() {
    let asked_of_nobody = Arc::new(MustNotBeAsked);
    let manager = RequiredContextManager::new(asked_of_nobody, vec!["tenant".into()]).unwrap();
    match encrypt(&manager, context([("purpose", "tests")])) {
        Err(Error::InvalidCall(InvalidCall::RequiredNameMissing { name })) => assert_eq!(name, "tenant"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn required_managers_add_up() {
    let inner = Arc::new(requiring(&["a"]));
    let manager = RequiredContextManager::new(inner, vec!["b".into(), "a".into()]).unwrap();
    let output = encrypt(&manager, context([("a", "1"), ("b", "2"), ("c", "3")])).unwrap();
    let stored = output.header.encryption_context();
    assert_eq!(stored.iter().collect::<Vec<_>>(), [("c", "3")]);
    let known = context([("a", "1"), ("b", "2")]);
    assert_eq!(decrypt_knowing(&manager, &output.message, known).unwrap(), b"plaintext");
}

#[test]
fn an_underlying_manager_that_drops_required_pairs_is_caught() {
    static NONE: LazyLock<EncryptionContext> = LazyLock::new(EncryptionContext::new);
    let dropping = |underlying| Alters {
        underlying,
        encryption: |request: &mut envel::EncryptionMaterialsRequest<'_>| request.required_names.clear(),
        decryption: |request: &mut envel::DecryptionMaterialsRequest<'_>| request.reproduced_context = &NONE,
    };
    let requiring_of = |underlying| {
        RequiredContextManager::new(Arc::new(dropping(underlying)), vec!["tenant".into()]).unwrap()
    };
    let pairs = || context([("tenant", "42")]);
    assert!(matches!(encrypt(&requiring_of(manager()), pairs()), Err(Error::InvalidMaterials(_))));
    let message = encrypt(&requiring(&["tenant"]), pairs()).unwrap().message;
    let opens = manager_of(opens_to(|request| crafted::data_key(&request.algorithm_suite)));
    let refused = decrypt_knowing(&requiring_of(opens), &message, pairs());
    assert!(matches!(refused, Err(Error::InvalidMaterials(_))));
}

#[test]
fn the_largest_context_fits_with_the_public_key_counted_and_one_byte_more_is_refused() {
    for suite in [COMMITTING, COMMITTING_SIGNED, AlgorithmSuiteId::Aes128GcmHkdfSha256EcdsaP256] {
        let public_key_len = Crafted::new(suite).context.canonical_bytes().unwrap().len();
        let taken = match suite.suite().is_signed() {
            true => public_key_len - 2,
            false => 0,
        };
        let options = |context| EncryptOptions::new().algorithm_suite(suite).encryption_context(context);
        // Count, two lengths, and a name of one byte.
        let value = "v".repeat(65_535 - 2 - 4 - 1 - taken);
        let client = writes(suite).build();
        let largest = options(context([("n", &value)]));
        let message = block_on(client.encrypt(&manager(), b"x", &largest)).unwrap().message;
        let section_at = if suite.suite().is_committing() { 35 } else { 20 };
        assert_eq!(message[section_at..section_at + 2], [0xff, 0xff], "{suite}");
        assert_eq!(decrypt(&message).unwrap(), b"x");

        let mut beyond = EncryptionContext::new();
        beyond.insert("n", format!("{value}v")).unwrap();
        let nobody: DefaultManager = manager_of(MustNotBeAsked);
        let refused = block_on(client.encrypt(&nobody, b"x", &options(beyond))).unwrap_err();
        let expected = ContextError::TooLong { serialized_len: 65_536 };
        assert!(
            matches!(&refused, Error::InvalidCall(InvalidCall::Context(error)) if *error == expected),
            "{suite}: {refused}"
        );
    }
}

#[test]
fn pairs_of_any_text_round_trip_and_are_not_normalised() {
    let pairs = [
        ("", "empty name"),
        ("empty value", ""),
        ("é", "precomposed"),
        ("e\u{301}", "combined"),
        ("\u{10000}", "beyond"),
        ("\u{ff61}", "the basic plane"),
        ("\0\n", "control\u{7f}"),
    ];
    let output = encrypt(&manager(), context(pairs)).unwrap();
    assert_eq!(*output.header.encryption_context(), context(pairs));
    assert_eq!(decrypt_knowing(&manager(), &output.message, context(pairs)).unwrap(), b"plaintext");
}
