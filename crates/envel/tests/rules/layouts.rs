//! Bodies as other writers make them, and frames out of their place.

use envel::{AlgorithmSuiteId, ContentType, DecryptOptions, Error, ErrorKind, MalformedMessage};
use pollster::block_on;

use crate::crafted::{Crafted, FRAME_LENGTH};
use crate::{COMMITTING, COMMITTING_SIGNED, PLAIN, decrypt, manager, reads_all};

const FULL: usize = FRAME_LENGTH as usize;

/// Three frames, the last of them full.
fn frames(crafted: &Crafted) -> [Vec<u8>; 3] {
    [
        crafted.regular_frame(1, &[1; FULL]),
        crafted.regular_frame(2, &[2; FULL]),
        crafted.final_frame(3, &[3; FULL]),
    ]
}

#[track_caller]
fn assert_malformed(message: &[u8], expected: &MalformedMessage) {
    match decrypt(message) {
        Err(Error::Malformed(found)) => assert_eq!(found, *expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn crafted_messages_of_every_suite_open() {
    for suite in AlgorithmSuiteId::ALL {
        let crafted = Crafted::with_context(suite, [("purpose", "tests")]);
        let expected = [[1; FULL], [2; FULL], [3; FULL]].concat();
        assert_eq!(decrypt(&crafted.message(&frames(&crafted))).unwrap(), expected, "{suite}");
    }
}

#[test]
fn frame_ivs_are_taken_as_they_are_stored() {
    for suite in AlgorithmSuiteId::ALL {
        let mut crafted = Crafted::new(suite);
        crafted.iv_start = *b"anything";
        assert_eq!(decrypt(&crafted.message(&frames(&crafted))).unwrap().len(), 3 * FULL, "{suite}");
        let non_framed = Crafted { iv_start: *b"anything", ..Crafted::new(suite).non_framed() };
        let message = non_framed.message(&[non_framed.single_block(b"x")]);
        assert_eq!(decrypt(&message).unwrap(), b"x", "{suite}");
    }
}

#[test]
fn bodies_without_frames_open_in_both_versions() {
    for suite in AlgorithmSuiteId::ALL {
        for plaintext in [&b""[..], b"x", &[7; 100_000]] {
            let crafted = Crafted::new(suite).non_framed();
            let message = crafted.message(&[crafted.single_block(plaintext)]);
            assert_eq!(decrypt(&message).unwrap(), plaintext, "{suite}");
            let pending = reads_all().build().read_header(&message[..]).unwrap();
            assert_eq!(pending.header().content_type(), ContentType::NonFramed);
        }
    }
}

#[test]
fn a_body_without_frames_releases_nothing_that_is_altered_or_cut() {
    for suite in [PLAIN, COMMITTING, COMMITTING_SIGNED] {
        let crafted = Crafted::new(suite).non_framed();
        let message = crafted.message(&[crafted.single_block(b"plaintext")]);
        let body_at = crafted.header().len();
        for at in body_at..message.len() {
            let mut altered = message.clone();
            altered[at] ^= 1;
            decrypt(&altered).unwrap_err();
            assert_eq!(decrypt(&message[..at]).unwrap_err().kind(), ErrorKind::Malformed);
        }
        assert_eq!(decrypt(&[&message[..], b"x"].concat()).unwrap_err().kind(), ErrorKind::Malformed);
    }
}

#[test]
fn a_body_of_one_kind_does_not_pass_for_the_other() {
    for suite in [PLAIN, COMMITTING] {
        let framed = Crafted::new(suite);
        let message = framed.message(&[framed.single_block(b"x")]);
        decrypt(&message).unwrap_err();
        let non_framed = Crafted::new(suite).non_framed();
        let message = non_framed.message(&[non_framed.final_frame(1, b"x")]);
        decrypt(&message).unwrap_err();
    }
}

#[test]
fn a_non_framed_header_with_a_frame_length_is_refused() {
    for suite in [PLAIN, COMMITTING] {
        let crafted = Crafted { frame_length: 16, ..Crafted::new(suite).non_framed() };
        let message = crafted.message(&[crafted.single_block(b"x")]);
        assert_malformed(&message, &MalformedMessage::FrameLength(16));
    }
}

#[test]
fn without_a_frame_length_an_empty_final_frame_is_all_there_can_be() {
    for suite in [PLAIN, COMMITTING] {
        let crafted = Crafted { frame_length: 0, ..Crafted::new(suite) };
        assert_eq!(decrypt(&crafted.message(&[crafted.final_frame(1, b"")])).unwrap(), b"");
        let endless: Vec<_> = (1..100).map(|number| crafted.regular_frame(number, b"")).collect();
        assert_malformed(&crafted.message(&endless), &MalformedMessage::FrameLength(0));
        let message = crafted.message(&[crafted.final_frame(1, b"x")]);
        assert_malformed(&message, &MalformedMessage::FinalFrameTooLong { claimed: 1, frame_length: 0 });
    }
}

#[test]
fn the_final_frame_may_be_empty_short_or_full() {
    for suite in [PLAIN, COMMITTING, COMMITTING_SIGNED] {
        let crafted = Crafted::new(suite);
        for last in [0, 1, FULL] {
            let body = [crafted.regular_frame(1, &[1; FULL]), crafted.final_frame(2, &vec![2; last])];
            assert_eq!(decrypt(&crafted.message(&body)).unwrap().len(), FULL + last, "{suite}");
            let alone = crafted.message(&[crafted.final_frame(1, &vec![2; last])]);
            assert_eq!(decrypt(&alone).unwrap(), vec![2; last], "{suite}");
        }
    }
}

#[test]
fn a_final_frame_longer_than_a_frame_is_refused() {
    let crafted = Crafted::new(COMMITTING);
    let message = crafted.message(&[crafted.final_frame(1, &[1; FULL + 1])]);
    let claimed = MalformedMessage::FinalFrameTooLong { claimed: 17, frame_length: 16 };
    assert_malformed(&message, &claimed);
    // Of a claim nothing more needs to come to refuse it.
    let head_end = crafted.header().len() + 24;
    assert_malformed(&message[..head_end], &claimed);
}

#[test]
fn swapped_dropped_and_repeated_frames_are_refused() {
    for suite in [PLAIN, COMMITTING, COMMITTING_SIGNED] {
        let crafted = Crafted::new(suite);
        let [first, second, last] = frames(&crafted);
        let out_of_order = |expected, found| MalformedMessage::FrameOutOfOrder { expected, found };
        for (body, expected) in [
            (vec![&second, &first, &last], out_of_order(1, 2)),
            (vec![&first, &last], out_of_order(2, 3)),
            (vec![&first, &first, &second, &last], out_of_order(2, 1)),
            (vec![&second, &last], out_of_order(1, 2)),
            (vec![&last], out_of_order(1, 3)),
        ] {
            let body: Vec<Vec<u8>> = body.into_iter().cloned().collect();
            assert_malformed(&crafted.message(&body), &expected);
        }
        let unfinished = [first.clone(), second.clone()];
        assert_eq!(decrypt(&crafted.message(&unfinished)).unwrap_err().kind(), ErrorKind::Malformed);
        let twice = [first, second, last.clone(), last];
        decrypt(&crafted.message(&twice)).unwrap_err();
    }
}

#[test]
fn frames_renumbered_or_relabelled_do_not_verify() {
    let crafted = Crafted::new(COMMITTING);
    let [mut first, second, last] = frames(&crafted);
    let mut renumbered = second.clone();
    renumbered[3] = 1;
    let refused = decrypt(&crafted.message(&[renumbered, second.clone(), last.clone()]));
    assert!(matches!(refused, Err(Error::FrameUnauthentic { sequence_number: 1 })));
    // A regular frame passed off as the final one cuts a message short.
    let length = FRAME_LENGTH.to_be_bytes();
    let relabelled = [&[0xff; 4], &second[..16], &length, &second[16..]].concat();
    let refused = decrypt(&crafted.message(&[first.clone(), relabelled]));
    assert!(matches!(refused, Err(Error::FrameUnauthentic { sequence_number: 2 })));
    // The IV is covered too.
    first[15] ^= 1;
    let refused = decrypt(&crafted.message(&[first, second, last]));
    assert!(matches!(refused, Err(Error::FrameUnauthentic { sequence_number: 1 })));
}

#[test]
fn frames_of_another_message_under_the_same_data_key_do_not_verify() {
    let crafted = Crafted::new(COMMITTING);
    let mut other_suite = Crafted::new(COMMITTING_SIGNED);
    other_suite.signing_key = None;
    let foreign = other_suite.final_frame(1, b"x");
    let refused = decrypt(&crafted.message(&[foreign]));
    assert!(matches!(refused, Err(Error::FrameUnauthentic { sequence_number: 1 })));
}

#[test]
fn base64_text_of_a_message_is_recognised() {
    use base64::Engine;
    for suite in AlgorithmSuiteId::ALL {
        let crafted = Crafted::new(suite);
        let message = crafted.message(&[crafted.final_frame(1, b"x")]);
        let text = base64::engine::general_purpose::STANDARD.encode(message);
        let refused =
            block_on(reads_all().build().decrypt(&manager(), text.as_bytes(), &DecryptOptions::new()));
        assert!(matches!(refused, Err(Error::Malformed(MalformedMessage::Base64))), "{suite}");
    }
}
