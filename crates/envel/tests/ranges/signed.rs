//! Signed messages: refused, unless the caller does without the signature.

use envel::{AlgorithmSuiteId, DecryptOptions, Error, ErrorKind, OpenMessage, RangeProof, ReadAt, Refusal};
use pollster::block_on;

use crate::by_hand::{ByHand, manager};
use crate::sources::Watched;
use crate::{PROOFS, client, encrypted, open, plaintext};

const SIGNED: [AlgorithmSuiteId; 3] = [
    AlgorithmSuiteId::Aes128GcmHkdfSha256EcdsaP256,
    AlgorithmSuiteId::Aes256GcmHkdfSha384EcdsaP384,
    AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
];

fn open_unverified<S: ReadAt>(suite: AlgorithmSuiteId, source: S) -> Result<OpenMessage<S>, Error> {
    let options = DecryptOptions::new().allow_unverified_signature(true);
    block_on(client(suite).open_at(&manager(), source, &options))
}

#[test]
fn ranges_of_a_signed_message_are_refused_unless_allowed() {
    for suite in SIGNED {
        let message = encrypted(suite, &plaintext(100), 10);
        let error = open(suite, &message[..]).unwrap_err();
        assert!(matches!(error, Error::Refused(Refusal::UnverifiableSignature)), "{error}");
        let both = DecryptOptions::new().unsigned_only(true).allow_unverified_signature(true);
        for options in [DecryptOptions::new().unsigned_only(true), both] {
            let error = block_on(client(suite).open_at(&manager(), &message, &options)).unwrap_err();
            assert!(matches!(error, Error::Refused(Refusal::Signed)), "{error}");
        }
        let output = open_unverified(suite, &message[..]).unwrap().decrypt_range(5..25, PROOFS[0]).unwrap();
        assert_eq!(output.plaintext, plaintext(25)[5..]);
        assert!(output.verified.unverified_signature);
    }
}

#[test]
fn every_range_of_a_signed_message_is_a_slice_of_the_plaintext() {
    for suite in SIGNED {
        for (frame_length, length) in [(1, 5_usize), (7, 14), (64, 0), (64, 70)] {
            let plaintext = plaintext(length);
            let message = encrypted(suite, &plaintext, frame_length);
            for start in 0..=length as u64 + 1 {
                for end in start..=length as u64 + 1 {
                    for proof in PROOFS {
                        let opened = open_unverified(suite, &message[..]).unwrap();
                        let outcome = opened.decrypt_range(start..end, proof);
                        if start > length as u64 {
                            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidCall);
                        } else {
                            let expected = &plaintext[start as usize..end.min(length as u64) as usize];
                            assert_eq!(outcome.unwrap().plaintext, expected);
                        }
                    }
                }
            }
        }
    }
}

/// A signed message with a footer of this length. What it says does not matter here.
fn with_footer(suite: AlgorithmSuiteId, plaintext: &[u8], frame_length: u32, signature_len: u16) -> Vec<u8> {
    let by_hand = ByHand::new(suite, frame_length);
    let mut message = by_hand.header.clone();
    let mut frames = (1..).zip(plaintext.chunks(frame_length as usize)).peekable();
    while let Some((number, contents)) = frames.next() {
        message.extend(match frames.peek() {
            Some(_) => by_hand.regular_frame(number, contents),
            None => by_hand.final_frame(number, contents),
        });
    }
    message.extend(signature_len.to_be_bytes());
    message.resize(message.len() + usize::from(signature_len), 0x30);
    message
}

#[test]
fn the_end_is_found_before_a_signature_of_any_length() {
    for suite in SIGNED {
        let max = if suite == SIGNED[0] { 72 } else { 104 };
        for frame_length in [1, 16, 64, 1000] {
            let plaintext = plaintext(150);
            for signature_len in 8..=max {
                let message = with_footer(suite, &plaintext, frame_length, signature_len);
                let opened = open_unverified(suite, &message[..]).unwrap();
                assert_eq!(opened.plaintext_len().unwrap(), 150, "{frame_length}, {signature_len}");
                for proof in PROOFS {
                    for range in [0..10, 100..140, 130..150, 0..u64::MAX] {
                        let opened = open_unverified(suite, &message[..]).unwrap();
                        let output = opened.decrypt_range(range.clone(), proof).unwrap();
                        let end = range.end.min(150) as usize;
                        assert_eq!(output.plaintext, plaintext[range.start as usize..end]);
                    }
                }
            }
            for signature_len in [0, 1, 7, max + 1] {
                let message = with_footer(suite, &plaintext, frame_length, signature_len);
                let outcome = open_unverified(suite, &message[..]).and_then(|opened| opened.plaintext_len());
                assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Malformed, "no signature has that length");
            }
        }
    }
}

#[test]
fn a_signed_message_cut_anywhere_has_no_end() {
    let suite = SIGNED[2];
    let plaintext = plaintext(100);
    let message = encrypted(suite, &plaintext, 16);
    for end in 0..message.len() {
        let Ok(opened) = open_unverified(suite, &message[..end]) else { continue };
        opened.plaintext_len().unwrap_err();
        opened.decrypt_range(90..100, RangeProof::FramesOnly).unwrap_err();
        opened.decrypt_range(0..1, RangeProof::WithEnd).unwrap_err();
        if let Ok(output) = opened.decrypt_range(0..20, RangeProof::FramesOnly) {
            assert_eq!(output.plaintext, plaintext[..20]);
        }
    }
}

#[test]
fn the_middle_of_a_signed_message_needs_no_look_at_its_end() {
    let suite = SIGNED[2];
    let message = encrypted(suite, &plaintext(100_000), 1000);
    let source = Watched::new(&message[..]);
    for (proof, reads) in [(RangeProof::FramesOnly, 2), (RangeProof::WithEnd, 3)] {
        let opened = open_unverified(suite, &source).unwrap();
        opened.decrypt_range(50_500..51_500, proof).unwrap();
        assert_eq!(source.take_reads().len(), reads);
    }
}
