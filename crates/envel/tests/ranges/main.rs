//! Ranges of messages against slices of their plaintext, and everything that can be wrong with a message or its source.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::cast_possible_truncation, reason = "plaintexts are counters")]

mod asynchronous;
mod by_hand;
mod damaged;
mod reads;
mod signed;
mod sources;

use std::io::{Seek, Write};
use std::ops::Range;
use std::sync::Arc;

use envel::{
    AlgorithmSuiteId, Client, CommitmentPolicy, DecryptOptions, EncryptOptions, Error, ErrorKind,
    InvalidCall, MalformedMessage, OpenMessage, RangeProof, ReadAt,
};
use pollster::block_on;

use by_hand::{ByHand, manager};

const V1: AlgorithmSuiteId = AlgorithmSuiteId::Aes256GcmHkdfSha256;
const V2: AlgorithmSuiteId = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey;

const PROOFS: [RangeProof; 2] = [RangeProof::FramesOnly, RangeProof::WithEnd];

/// A client that writes this suite.
fn client(suite: AlgorithmSuiteId) -> Client {
    let policy = match suite.suite().is_committing() {
        true => CommitmentPolicy::RequireEncryptRequireDecrypt,
        false => CommitmentPolicy::ForbidEncryptAllowDecrypt,
    };
    Client::builder().commitment_policy(policy).build()
}

fn plaintext(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

fn encrypted(suite: AlgorithmSuiteId, plaintext: &[u8], frame_length: u32) -> Vec<u8> {
    let options = EncryptOptions::new().algorithm_suite(suite).frame_length(frame_length);
    block_on(client(suite).encrypt(&manager(), plaintext, &options)).unwrap().message
}

fn open<S: ReadAt>(suite: AlgorithmSuiteId, source: S) -> Result<OpenMessage<S>, Error> {
    block_on(client(suite).open_at(&manager(), source, &DecryptOptions::new()))
}

/// Reads a range in every way, each from a message opened afresh: all must come to the same.
fn read(
    suite: AlgorithmSuiteId,
    message: &[u8],
    range: Range<u64>,
    proof: RangeProof,
) -> Result<Vec<u8>, Error> {
    let output = open(suite, message)?.decrypt_range(range.clone(), proof);
    if let Ok(output) = &output {
        assert_eq!(output.verified.range.start, range.start);
        assert_eq!(output.verified.range.end - range.start, output.plaintext.len() as u64);
        assert!(!output.verified.unverified_signature);
        if proof == RangeProof::WithEnd {
            assert_eq!(output.verified.proof(), RangeProof::WithEnd);
        }
    }

    let mut copied = Vec::new();
    let verified = open(suite, message)?.copy_range_to(range.clone(), proof, &mut copied);
    assert_eq!(verified.is_ok(), output.is_ok());
    assert_eq!(verified.ok().as_ref(), output.as_ref().ok().map(|output| &output.verified));
    assert!(copied == output.as_ref().map_or(&[][..], |output| &output.plaintext));

    if range.start <= range.end && range.end < 1 << 20 {
        let mut out = vec![0xee; usize::try_from(range.end - range.start).unwrap()];
        let verified = open(suite, message)?.decrypt_range_into(range.start, &mut out, proof);
        match (&verified, &output) {
            (Ok(verified), Ok(output)) => {
                assert_eq!(verified, &output.verified);
                let (written, rest) = out.split_at(output.plaintext.len());
                assert!(written == output.plaintext && rest.iter().all(|byte| *byte == 0xee));
            }
            (Err(_), Err(_)) => assert!(out.iter().all(|byte| *byte == 0), "nothing is left in the buffer"),
            _ => panic!("{verified:?} differs from {output:?}"),
        }
    }
    Ok(output?.plaintext)
}

/// Holds a range to a slice of the plaintext.
#[track_caller]
fn assert_range(
    suite: AlgorithmSuiteId,
    message: &[u8],
    plaintext: &[u8],
    range: Range<u64>,
    proof: RangeProof,
) {
    let outcome = read(suite, message, range.clone(), proof);
    let length = plaintext.len() as u64;
    if range.start > length {
        let Err(Error::InvalidCall(InvalidCall::RangeBeyondEnd { start, plaintext_len })) = outcome else {
            panic!("{range:?} of {length}: {outcome:?}");
        };
        assert_eq!((start, plaintext_len), (range.start, length));
    } else {
        let expected = &plaintext[range.start as usize..range.end.min(length) as usize];
        assert!(outcome.unwrap() == expected, "{range:?} of {length}");
    }
}

#[test]
fn every_range_is_a_slice_of_the_plaintext() {
    for suite in [V1, V2] {
        for (frame_length, lengths) in
            [(1, &[0, 1, 2, 5][..]), (7, &[0, 1, 6, 7, 8, 14, 20]), (64, &[0, 63, 64, 65, 100])]
        {
            for length in lengths {
                let plaintext = plaintext(*length);
                let message = encrypted(suite, &plaintext, frame_length);
                for start in 0..=*length as u64 + 2 {
                    for end in start..=*length as u64 + 2 {
                        for proof in PROOFS {
                            assert_range(suite, &message, &plaintext, start..end, proof);
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn ranges_at_the_edges_of_long_frames_are_slices_of_the_plaintext() {
    let edges = |length: u64| {
        let near = [0, 4096, 8192, length].into_iter().flat_map(|edge| edge.saturating_sub(1)..=edge + 1);
        let mut edges: Vec<u64> = near.chain([100, u64::MAX - 1, u64::MAX]).collect();
        edges.sort_unstable();
        edges.dedup();
        edges
    };
    for length in [0, 1, 4095, 4096, 4097, 8192, 10_000, 20_000] {
        let plaintext = plaintext(length);
        for suite in [V1, V2] {
            let message = encrypted(suite, &plaintext, 4096);
            for start in edges(length as u64) {
                for end in edges(length as u64).into_iter().filter(|end| *end >= start) {
                    for proof in PROOFS {
                        assert_range(suite, &message, &plaintext, start..end, proof);
                    }
                }
            }
        }
    }
}

#[test]
fn an_empty_final_frame_after_full_ones_is_read_as_others_write_it() {
    for suite in [V1, V2] {
        let by_hand = ByHand::new(suite, 8);
        let plaintext = plaintext(24);
        let mut message = by_hand.header.clone();
        for (number, contents) in (1..).zip(plaintext.chunks(8)) {
            message.extend(by_hand.regular_frame(number, contents));
        }
        message.extend(by_hand.final_frame(4, &[]));
        for start in 0..=26 {
            for end in start..=26 {
                for proof in PROOFS {
                    assert_range(suite, &message, &plaintext, start..end, proof);
                }
            }
        }
    }
}

#[test]
fn a_message_without_frame_length_is_empty_or_refused() {
    let mut by_hand = ByHand::new(V2, 8);
    by_hand.set_frame_length(0);
    let empty = [&by_hand.header[..], &by_hand.final_frame(1, &[])].concat();
    for range in [0..0, 0..1, 0..u64::MAX, 1..2] {
        assert_range(V2, &empty, &[], range, RangeProof::FramesOnly);
    }
    let endless =
        [&by_hand.header[..], &by_hand.regular_frame(1, &[]), &by_hand.final_frame(2, &[])].concat();
    assert_eq!(open(V2, &endless).unwrap_err().kind(), ErrorKind::Malformed);
}

#[test]
fn the_length_is_known_exactly_where_the_end_was_verified() {
    let message = encrypted(V2, &plaintext(100), 10);
    for (range, is_known) in [(0..100, true), (0..50, false), (0..90, false), (0..91, true), (5..5, true)] {
        let output =
            open(V2, &message).unwrap().decrypt_range(range.clone(), RangeProof::FramesOnly).unwrap();
        assert_eq!(output.verified.plaintext_len, is_known.then_some(100), "{range:?}");
    }
    let opened = open(V2, &message).unwrap();
    assert_eq!(opened.plaintext_len().unwrap(), 100);
    let output = opened.decrypt_range(0..1, RangeProof::FramesOnly).unwrap();
    assert_eq!(output.verified.proof(), RangeProof::WithEnd, "what was verified before stays verified");
}

#[test]
fn a_range_that_ends_before_it_starts_is_refused() {
    let message = encrypted(V2, &plaintext(100), 10);
    #[expect(clippy::reversed_empty_ranges, reason = "that is the point")]
    for range in [2..1, 100..0, u64::MAX..0] {
        let outcome = read(V2, &message, range.clone(), RangeProof::FramesOnly);
        let Err(Error::InvalidCall(InvalidCall::RangeReversed { start, end })) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(start..end, range);
    }
}

#[test]
fn ranges_in_one_pass_are_the_ranges_one_by_one() {
    let plaintext = plaintext(1000);
    let ranges = [700..1100, 0..0, 3..400, 0..1000, 64..128, 999..1000, 100..300, 3..400, 1000..1000, 64..65];
    for suite in [V1, V2] {
        for frame_length in [1, 7, 64, 4096] {
            let message = encrypted(suite, &plaintext, frame_length);
            for count in 0..=ranges.len() {
                for proof in PROOFS {
                    let opened = open(suite, &message).unwrap();
                    let outputs = opened.decrypt_ranges(&ranges[..count], proof).unwrap();
                    assert_eq!(outputs.len(), count);
                    for (output, range) in outputs.iter().zip(&ranges) {
                        let end = range.end.min(1000);
                        assert_eq!(output.verified.range, range.start..end);
                        assert!(output.plaintext == plaintext[range.start as usize..end as usize]);
                    }
                }
            }
            let mut with_one_beyond = ranges.to_vec();
            with_one_beyond.push(1001..1002);
            let outcome = open(suite, &message).unwrap().decrypt_ranges(&with_one_beyond, PROOFS[0]);
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidCall, "all or nothing");
        }
    }
}

#[test]
fn threads_read_one_message_at_once() {
    fn assert_shared<T: Send + Sync>(_: &T) {}
    let plaintext = Arc::new(plaintext(100_000));
    let message = encrypted(V2, &plaintext, 1000);
    let opened = open(V2, message).unwrap();
    assert_shared(&opened);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (opened, plaintext) = (&opened, &plaintext);
            scope.spawn(move || {
                for index in 0..200 {
                    let start = (thread * 7919 + index * 491) % 99_000;
                    let proof = PROOFS[usize::from(index % 2 == 0)];
                    let output = opened.decrypt_range(start..start + 1000, proof).unwrap();
                    assert!(output.plaintext == plaintext[start as usize..start as usize + 1000]);
                }
            });
        }
    });
}

#[test]
fn files_are_read_at_any_position_and_keep_their_own() {
    let plaintext = plaintext(300_000);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&encrypted(V2, &plaintext, 4096)).unwrap();
    file.rewind().unwrap();
    let opened = open(V2, &file).unwrap();
    assert_eq!(opened.plaintext_len().unwrap(), 300_000);
    let output = opened.decrypt_range(123_456..234_567, RangeProof::FramesOnly).unwrap();
    assert!(output.plaintext == plaintext[123_456..234_567]);
    #[cfg(unix)]
    assert_eq!((&file).stream_position().unwrap(), 0);

    file.set_len(200_000).unwrap();
    let error = opened.decrypt_range(190_000..290_000, RangeProof::FramesOnly).unwrap_err();
    assert!(matches!(error, Error::Truncated { .. }), "{error}");
}

#[test]
fn a_message_without_frames_has_no_ranges() {
    let mut message = encrypted(V2, b"short", 64);
    let body_len = ByHand::new(V2, 64).header.len() - 16;
    message[body_len - 37] = 1;
    message[body_len - 36..body_len - 32].fill(0);
    let error = open(V2, &message).unwrap_err();
    assert!(matches!(error, Error::InvalidCall(InvalidCall::RangeOfNonFramed)), "{error}");
}

#[test]
fn the_end_of_a_message_is_found_missing_by_its_length() {
    let message = encrypted(V2, &plaintext(100), 10);
    let header_len = open(V2, &message).unwrap().header().header_len();
    // One whole frame less: its length is that of a message.
    let cut = [&message[..header_len], &message[header_len + 42..]].concat();
    let opened = open(V2, &message[..message.len() - 42]).unwrap();
    let error = opened.plaintext_len().unwrap_err();
    assert!(matches!(error, Error::Malformed(MalformedMessage::FinalFrameMissing)), "{error}");
    let error = open(V2, &cut).unwrap().decrypt_range(0..1, RangeProof::FramesOnly).unwrap_err();
    assert!(matches!(error, Error::Malformed(MalformedMessage::FrameOutOfOrder { .. })), "{error}");
}
