use proptest::prelude::*;

use super::*;

const LIMITS: HeaderLimits = HeaderLimits { max_encrypted_data_keys: 10, max_header_len: 1 << 20 };

fn written(suite: AlgorithmSuiteId) -> MessageHeader {
    let version = suite.suite().message_version();
    let context = EncryptionContext::try_from_pairs([("é", "ü"), ("a", "1")]).unwrap();
    let encrypted_data_key = EncryptedDataKey {
        key_provider_id: "p".into(),
        key_provider_info: vec![0xff],
        ciphertext: vec![1; 60],
    };
    let fields = HeaderFields {
        suite,
        message_id: MessageId::try_from(&vec![9; version.message_id_len()][..]).unwrap(),
        sections: &HeaderSections::new(&context, &vec![encrypted_data_key; 2]).unwrap(),
        frame_length: 4096,
        commit_key: (version == MessageVersion::V2).then_some([3; COMMIT_KEY_LEN]),
    };
    let mut bytes = Vec::new();
    fields.write(&mut bytes, |_| Ok::<_, ()>([7; TAG_LEN])).unwrap();
    let header = parsed(&bytes).unwrap();
    assert_eq!(header.as_bytes(), bytes);
    assert_eq!(header.encryption_context(), &context);
    header
}

fn parsed(bytes: &[u8]) -> Result<MessageHeader, ParseError> {
    HeaderParser::new(LIMITS).advance(bytes)
}

fn edited(suite: AlgorithmSuiteId, edit: impl FnOnce(&mut Vec<u8>)) -> Result<MessageHeader, ParseError> {
    let mut bytes = written(suite).as_bytes().to_vec();
    edit(&mut bytes);
    parsed(&bytes)
}

const V1: AlgorithmSuiteId = AlgorithmSuiteId::Aes256GcmHkdfSha256;
const V2: AlgorithmSuiteId = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey;

#[test]
fn what_is_written_parses_to_the_same() {
    for suite in AlgorithmSuiteId::ALL {
        let header = written(suite);
        assert_eq!(parsed(header.as_bytes()), Ok(header.clone()));
        let mut longer = header.as_bytes().to_vec();
        longer.extend_from_slice(b"body");
        assert_eq!(parsed(&longer), Ok(header));
    }
}

#[test]
fn lengths_are_those_of_the_specification() {
    let encrypted_data_keys = 2 * (2 + 1 + 2 + 1 + 2 + 60);
    let context = written(V2).encryption_context().canonical_bytes().unwrap().len();
    assert_eq!(written(V1).header_len(), 34 + context + encrypted_data_keys + 28);
    assert_eq!(written(V2).header_len(), 76 + context + encrypted_data_keys + 16);
}

#[test]
fn a_header_that_arrives_byte_by_byte_is_parsed_once() {
    for suite in [V1, V2] {
        let header = written(suite);
        let mut parser = HeaderParser::new(LIMITS);
        for end in 0..header.header_len() {
            match parser.advance(&header.as_bytes()[..end]) {
                Err(ParseError::Incomplete { needed }) => {
                    assert!(needed > end && needed <= header.header_len());
                }
                other => panic!("{other:?} after {end} bytes"),
            }
        }
        assert_eq!(parser.advance(header.as_bytes()), Ok(header));
    }
}

#[test]
fn limits_are_checked_before_entries_are_parsed() {
    let header = written(V2);
    let count_at = 1 + 2 + 32 + 2 + header.encryption_context().canonical_bytes().unwrap().len();
    let exceeded = HeaderLimitExceeded::EncryptedDataKeys { count: 11, max: 10 };
    let mut bytes = header.as_bytes()[..count_at].to_vec();
    bytes.extend_from_slice(&[0, 11]);
    assert_eq!(parsed(&bytes), Err(exceeded.into()));
    bytes[count_at + 1] = 0;
    assert_eq!(parsed(&bytes), Err(MalformedMessage::NoEncryptedDataKeys.into()));

    let short = HeaderLimits { max_header_len: header.header_len() - 1, ..LIMITS };
    let exceeded = HeaderLimitExceeded::HeaderLength { max: short.max_header_len };
    assert_eq!(HeaderParser::new(short).advance(header.as_bytes()), Err(exceeded.into()));
    // A length that claims too much is refused when it is read, not when so many bytes have come.
    let tiny = HeaderLimits { max_header_len: 60, ..LIMITS };
    let outcome = HeaderParser::new(tiny).advance(&header.as_bytes()[..count_at + 10]);
    assert_eq!(outcome, Err(HeaderLimitExceeded::HeaderLength { max: 60 }.into()));
}

#[test]
fn each_broken_field_is_named() {
    let tail_v1 = |bytes: &Vec<u8>| bytes.len() - 28 - 10;
    let tail_v2 = |bytes: &Vec<u8>| bytes.len() - 16 - 32 - 5;
    assert_eq!(edited(V1, |b| b[0] = 3), Err(MalformedMessage::UnknownVersion(3).into()));
    assert_eq!(parsed(b"AYADeAAA"), Err(MalformedMessage::Base64.into()));
    assert_eq!(parsed(b"AgR4AAAA"), Err(MalformedMessage::Base64.into()));
    assert_eq!(parsed(b"Attic"), Err(MalformedMessage::UnknownVersion(b'A').into()));
    assert_eq!(edited(V1, |b| b[1] = 0x81), Err(MalformedMessage::UnknownType(0x81).into()));
    assert_eq!(edited(V1, |b| b[3] = 0x79), Err(MalformedMessage::UnknownSuite(0x0179).into()));
    let other_version = MalformedMessage::SuiteOfAnotherVersion { suite: 0x0478, version: 1 };
    assert_eq!(edited(V1, |b| b[2] = 0x04), Err(other_version.into()));
    let at = tail_v1;
    assert_eq!(
        edited(V1, |b| {
            let i = at(b);
            b[i] = 3;
        }),
        Err(MalformedMessage::UnknownContentType(3).into())
    );
    assert_eq!(
        edited(V1, |b| {
            let i = at(b);
            b[i + 4] = 1;
        }),
        Err(MalformedMessage::ReservedNotZero.into())
    );
    assert_eq!(
        edited(V1, |b| {
            let i = at(b);
            b[i + 5] = 16;
        }),
        Err(MalformedMessage::IvLength(16).into())
    );
    assert_eq!(
        edited(V1, |b| {
            let i = at(b);
            b[i] = 1;
        }),
        Err(MalformedMessage::FrameLength(4096).into())
    );
    assert_eq!(
        edited(V2, |b| {
            let i = tail_v2(b);
            b[i] = 1;
        }),
        Err(MalformedMessage::FrameLength(4096).into())
    );
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = parsed(&bytes);
    }

    #[test]
    fn a_damaged_header_never_panics_and_never_claims_more_than_it_has(
        position in 0usize..300, value: u8, v1: bool,
    ) {
        let mut bytes = written(if v1 { V1 } else { V2 }).as_bytes().to_vec();
        let index = position % bytes.len();
        bytes[index] = value;
        if let Ok(header) = parsed(&bytes) {
            prop_assert!(header.header_len() <= bytes.len());
            prop_assert_eq!(header.as_bytes(), &bytes[..header.header_len()]);
        }
    }
}
