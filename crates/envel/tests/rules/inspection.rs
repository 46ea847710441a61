//! What a message says about itself, without keys.

use std::io::{self, Read};

use envel::inspect::{BodyDescription, MessageDescription, describe, describe_header};
use envel::{AlgorithmSuiteId, EncryptOptions, EncryptionContext, Error, HeaderLimits};
use pollster::block_on;

use crate::crafted::{Crafted, FRAME_LENGTH, prefixed};
use crate::{COMMITTING, COMMITTING_SIGNED, PLAIN, manager, writes};

const FULL: usize = FRAME_LENGTH as usize;

fn described(message: &[u8]) -> MessageDescription {
    describe(message, HeaderLimits::default()).unwrap()
}

/// Frames, plaintext, body and footer in bytes.
fn numbers(body: Option<BodyDescription>) -> Option<(u64, u64, u64, u64)> {
    body.map(|body| (body.frames, body.plaintext_len, body.body_len, body.footer_len))
}

#[test]
fn every_message_is_described_as_it_was_written() {
    for suite in AlgorithmSuiteId::ALL {
        for plaintext_len in [0, 1, FULL - 1, FULL, FULL + 1, 2 * FULL, 10 * FULL + 3] {
            let context = EncryptionContext::try_from_pairs([("purpose", "tests")]).unwrap();
            let options = EncryptOptions::new()
                .algorithm_suite(suite)
                .frame_length(FRAME_LENGTH)
                .encryption_context(context);
            let plaintext = vec![7; plaintext_len];
            let output = block_on(writes(suite).build().encrypt(&manager(), &plaintext, &options)).unwrap();
            let frames = plaintext_len.div_ceil(FULL).max(1) as u64;
            let footer_len = match suite {
                AlgorithmSuiteId::Aes128GcmHkdfSha256EcdsaP256 => 2 + 71,
                suite if suite.suite().is_signed() => 2 + 103,
                _ => 0,
            };
            let description = described(&output.message);
            let body_len = frames * 32 + 8 + plaintext_len as u64;
            let expected = (frames, plaintext_len as u64, body_len, footer_len);
            assert_eq!(numbers(description.body), Some(expected), "{suite}, {plaintext_len} bytes");
            assert_eq!(description.header, output.header);
            let header = describe_header(&output.message[..], HeaderLimits::default()).unwrap();
            assert_eq!(header, output.header);
        }
    }
}

#[test]
fn bodies_of_other_writers_are_described() {
    for suite in [PLAIN, COMMITTING, COMMITTING_SIGNED] {
        let footer_len = if suite.suite().is_signed() { 105 } else { 0 };
        let crafted = Crafted::new(suite);
        let message = crafted.message(&[crafted.regular_frame(1, &[1; FULL]), crafted.final_frame(2, b"")]);
        assert_eq!(numbers(described(&message).body), Some((2, 16, 48 + 40, footer_len)), "{suite}");

        let endless = Crafted { frame_length: 0, ..Crafted::new(suite) };
        let message = endless.message(&[endless.final_frame(1, b"")]);
        assert_eq!(numbers(described(&message).body), Some((1, 0, 40, footer_len)), "{suite}");

        let non_framed = Crafted::new(suite).non_framed();
        let message = non_framed.message(&[non_framed.single_block(&[7; 1000])]);
        assert_eq!(numbers(described(&message).body), Some((1, 1000, 1036, footer_len)), "{suite}");
    }
}

#[test]
fn a_signature_of_any_length_leaves_the_plaintext_its_own() {
    let crafted = Crafted::new(COMMITTING_SIGNED);
    let unsigned = [crafted.header(), crafted.final_frame(1, &[7; 10])].concat();
    for signature_len in [1, 70, 102, 103, 104] {
        let message = [unsigned.clone(), prefixed(&vec![0x30; signature_len])].concat();
        let expected = (1, 10, 50, 2 + signature_len as u64);
        assert_eq!(numbers(described(&message).body), Some(expected), "nothing is verified here");
    }
}

#[test]
fn the_body_of_a_message_that_is_cut_or_goes_on_is_not_described() {
    for suite in [PLAIN, COMMITTING, COMMITTING_SIGNED] {
        let framed = Crafted::new(suite);
        let non_framed = Crafted::new(suite).non_framed();
        for (crafted, body) in [
            (&framed, vec![framed.regular_frame(1, &[1; FULL]), framed.final_frame(2, b"end")]),
            (&non_framed, vec![non_framed.single_block(b"plaintext")]),
        ] {
            let message = crafted.message(&body);
            let body_at = crafted.header().len();
            for end in body_at..message.len() {
                assert_eq!(described(&message[..end]).body, None, "{suite} cut at {end}");
            }
            for end in 0..body_at {
                let refused = describe(&message[..end], HeaderLimits::default());
                assert!(matches!(refused, Err(Error::Truncated { .. })), "{suite} cut at {end}");
            }
            assert_eq!(described(&[&message[..], &[0]].concat()).body, None, "{suite}");
        }
        let swapped = [framed.regular_frame(2, &[1; FULL]), framed.final_frame(1, b"end")];
        assert_eq!(described(&framed.message(&swapped)).body, None, "{suite}");
    }
}

#[test]
fn a_source_that_fails_is_an_error_and_not_an_end() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    let crafted = Crafted::new(COMMITTING);
    let message = crafted.message(&[crafted.final_frame(1, b"x")]);
    for end in [0, 10, crafted.header().len(), message.len() - 1, message.len()] {
        match describe(message[..end].chain(Fails), HeaderLimits::default()) {
            Err(Error::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
    }
}
