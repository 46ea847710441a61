//! What is read: how often, how much, and what happens when it fails.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use envel::{
    Client, DecryptOptions, DefaultManager, EncryptOptions, EncryptionContext, Error, ErrorKind, RangeProof,
    ReadAt, Refusal,
};
use pollster::block_on;

use crate::by_hand::{Endless, KnownKey, manager};
use crate::sources::{Trouble, Watched};
use crate::{PROOFS, V1, V2, client, encrypted, open, plaintext};

const HEADER_READ: usize = 4 << 10;

#[test]
fn a_kilobyte_of_ten_gibibytes_takes_two_reads_or_three_with_the_end() {
    const LENGTH: u64 = 10 << 30;
    for suite in [V1, V2] {
        for (frame_length, start) in [(65536, 5 << 30), (4096, (5 << 30) + 4000), (65536, LENGTH - (1 << 20))]
        {
            let source = Watched::new(Endless::new(suite, LENGTH, frame_length));
            let expected: Vec<u8> = (start..start + 1024).map(Endless::byte_at).collect();
            let frames = (start + 1023) / u64::from(frame_length) - start / u64::from(frame_length) + 1;
            let frames_len = frames * u64::from(frame_length + 32);
            for (proof, reads) in [(RangeProof::FramesOnly, 2), (RangeProof::WithEnd, 3)] {
                let opened = open(suite, &source).unwrap();
                let output = opened.decrypt_range(start..start + 1024, proof).unwrap();
                assert!(output.plaintext == expected);
                assert_eq!(output.verified.plaintext_len.is_some(), proof == RangeProof::WithEnd);
                let done = source.take_reads();
                assert_eq!(done.len(), reads, "{done:?}");
                assert_eq!(done[0], (0, HEADER_READ));
                assert_eq!(done[1].1 as u64, frames_len, "whole frames and nothing else");
                assert!(done[2..].iter().all(|(_, length)| *length <= frame_length as usize + 40));

                // The next one has the header and the end behind it.
                opened.decrypt_range(start..start + 1024, proof).unwrap();
                let mut out = [0; 1024];
                opened.decrypt_range_into(start, &mut out, proof).unwrap();
                opened.copy_range_to(start..start + 1024, proof, &mut io::sink()).unwrap();
                assert_eq!(source.take_reads().len(), 3);
            }
            let opened = open(suite, &source).unwrap();
            assert_eq!(opened.plaintext_len().unwrap(), LENGTH);
            assert_eq!(source.take_reads().len(), 2);
            let end = opened.decrypt_range(LENGTH - 3..u64::MAX, RangeProof::FramesOnly).unwrap();
            assert_eq!(end.plaintext, [LENGTH - 3, LENGTH - 2, LENGTH - 1].map(Endless::byte_at));
        }
    }
}

#[test]
fn the_last_bytes_take_two_reads_with_the_end_that_they_touch() {
    const LENGTH: u64 = 10 << 30;
    let source = Watched::new(Endless::new(V2, LENGTH, 65536));
    for proof in PROOFS {
        for end in [LENGTH, u64::MAX] {
            let opened = open(V2, &source).unwrap();
            let output = opened.decrypt_range(LENGTH - 1024..end, proof).unwrap();
            assert_eq!((output.plaintext.len(), output.verified.plaintext_len), (1024, Some(LENGTH)));
            assert_eq!(source.take_reads().len(), 2);
            let opened = open(V2, &source).unwrap();
            opened.copy_range_to(LENGTH - 1024..end, proof, &mut io::sink()).unwrap();
            assert_eq!(source.take_reads().len(), 2);
        }
    }
}

#[test]
fn a_small_message_is_read_once() {
    let message = encrypted(V2, &plaintext(3000), 1000);
    let source = Watched::new(&message[..]);
    let opened = open(V2, &source).unwrap();
    assert_eq!(opened.plaintext_len().unwrap(), 3000);
    opened.decrypt_range(0..3000, RangeProof::WithEnd).unwrap();
    assert_eq!(source.take_reads(), [(0, HEADER_READ)]);
}

#[test]
fn materials_are_asked_for_once() {
    let keyring = Arc::new(KnownKey::default());
    let manager = DefaultManager::new(keyring.clone());
    let message = encrypted(V2, &plaintext(1000), 64);
    let opened = block_on(client(V2).open_at(&manager, &message, &DecryptOptions::new())).unwrap();
    for start in 0..900 {
        opened.decrypt_range(start..start + 100, RangeProof::WithEnd).unwrap();
    }
    assert_eq!(keyring.unwraps.load(Ordering::Relaxed), 1);
}

#[test]
fn a_batch_reads_each_frame_once_and_neighbours_together() {
    let message = encrypted(V2, &plaintext(100_000), 1000);
    let source = Watched::new(&message[..]);
    let opened = open(V2, &source).unwrap();
    source.take_reads();
    let ranges =
        [90_100..90_200, 50_000..50_001, 51_500..52_000, 50_500..51_200, 90_150..90_160, 91_999..92_001];
    opened.decrypt_ranges(&ranges, RangeProof::FramesOnly).unwrap();
    let lengths: Vec<usize> = source.take_reads().into_iter().map(|(_, length)| length).collect();
    assert_eq!(lengths, [2 * 1032, 3 * 1032], "frames 50 and 51, and 90 to 92");
}

#[test]
fn a_long_range_is_copied_in_pieces_after_its_end_was_verified() {
    const LENGTH: u64 = (5 << 20) + 12_345;
    let source = Watched::new(Endless::new(V2, LENGTH, 4096));
    let opened = open(V2, &source).unwrap();
    source.take_reads();
    let mut copied = Vec::new();
    let verified = opened.copy_range_to(100..u64::MAX, RangeProof::WithEnd, &mut copied).unwrap();
    assert_eq!((verified.range, verified.plaintext_len), (100..LENGTH, Some(LENGTH)));
    assert!((100..LENGTH).map(Endless::byte_at).eq(copied.iter().copied()));
    let reads = source.take_reads();
    assert!(reads[0].0 > LENGTH, "the end comes first");
    assert!(reads.iter().all(|(_, length)| *length <= 1 << 20));
    assert_eq!(reads.len(), 1 + 6);

    // A frame longer than a piece is a piece.
    let source = Watched::new(Endless::new(V2, 5 << 20, 2 << 20));
    let mut copied = Vec::new();
    open(V2, &source).unwrap().copy_range_to(10..5 << 20, RangeProof::FramesOnly, &mut copied).unwrap();
    assert!((10..5 << 20).map(Endless::byte_at).eq(copied.iter().copied()));
}

#[test]
fn nothing_is_written_before_the_end_is_verified_nor_from_a_bad_piece() {
    let mut message = encrypted(V2, &plaintext(4 << 20), 4096);
    let mut written = Vec::new();
    *message.last_mut().unwrap() ^= 1;
    let opened = open(V2, &message[..]).unwrap();
    let error = opened.copy_range_to(0..3 << 20, RangeProof::WithEnd, &mut written).unwrap_err();
    assert_eq!((error.kind(), written.len()), (ErrorKind::Unauthentic, 0));
    message[3 << 20] ^= 1;
    let opened = open(V2, &message[..]).unwrap();
    let error = opened.copy_range_to(0..(4 << 20) - 5000, RangeProof::FramesOnly, &mut written).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthentic);
    assert!(written.len() < 3 << 20 && written == plaintext(4 << 20)[..written.len()]);
}

#[test]
fn a_read_that_fails_or_is_short_is_an_error_and_the_next_try_succeeds() {
    let plaintext = plaintext(100_000);
    let message = encrypted(V2, &plaintext, 1000);
    for proof in PROOFS {
        for read in 0.. {
            let mut had_trouble = false;
            for trouble in [Trouble::Fails, Trouble::IsShort] {
                let source = Watched::with_trouble(&message[..], read, trouble);
                let check = |error: Error| match trouble {
                    Trouble::Fails => assert!(matches!(error, Error::Io(_)), "{error}"),
                    Trouble::IsShort => assert!(matches!(error, Error::Truncated { .. }), "{error}"),
                };
                let opened = match open(V2, &source) {
                    Ok(opened) => opened,
                    Err(error) => {
                        check(error);
                        had_trouble = true;
                        continue;
                    }
                };
                let mut out = vec![0xee; 2000];
                if let Err(error) = opened.decrypt_range_into(50_500, &mut out, proof) {
                    check(error);
                    assert!(out.iter().all(|byte| *byte == 0));
                }
                had_trouble |= source.recover();
                opened.decrypt_range_into(50_500, &mut out, proof).unwrap();
                assert!(out == plaintext[50_500..52_500]);
            }
            if !had_trouble {
                assert_eq!(read, if proof == RangeProof::WithEnd { 3 } else { 2 });
                break;
            }
        }
    }
}

#[test]
fn a_long_header_is_read_until_it_is_complete_and_no_further_than_allowed() {
    let pairs: Vec<(String, String)> = (0..60).map(|index| (format!("{index}"), "x".repeat(1000))).collect();
    let context =
        EncryptionContext::try_from_pairs(pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))).unwrap();
    let options = EncryptOptions::new().encryption_context(context).frame_length(4096);
    let message = block_on(client(V2).encrypt(&manager(), &plaintext(200_000), &options)).unwrap().message;
    let source = Watched::new(&message[..]);
    let opened = open(V2, &source).unwrap();
    assert!(opened.header().header_len() > 60_000);
    assert_eq!(source.take_reads().len(), 3, "the start, the context, the rest");
    let output = opened.decrypt_range(150_000..150_010, RangeProof::WithEnd).unwrap();
    assert_eq!(output.plaintext, plaintext(200_000)[150_000..150_010]);

    let strict = Client::builder().max_header_len(50_000).build();
    let error = block_on(strict.open_at(&manager(), &source, &DecryptOptions::new())).unwrap_err();
    assert!(matches!(error, Error::Refused(Refusal::HeaderLimit(_))), "{error}");
}

/// A source that claims to be longer than it is.
struct Boastful<'a>(&'a [u8], u64);

impl ReadAt for Boastful<'_> {
    fn read_at(&self, position: u64, out: &mut [u8]) -> io::Result<usize> {
        if position < self.0.len() as u64 {
            return self.0.read_at(position, out);
        }
        out.fill(0);
        Ok(out.len())
    }

    fn source_len(&self) -> io::Result<u64> {
        Ok(self.1)
    }
}

#[test]
fn an_unverified_length_asks_for_no_memory() {
    let message = encrypted(V2, &plaintext(10), 1 << 26);
    let header_len = open(V2, &message[..]).unwrap().header().header_len() as u64;
    // The longest message of frames like these that there could be.
    let length = header_len + (u64::from(u32::MAX) - 1) * ((1 << 26) + 32) + 40;
    for proof in PROOFS {
        for range in [0..u64::MAX, 5..length, 1 << 57..u64::MAX, u64::MAX..u64::MAX] {
            let opened = open(V2, Boastful(&message, length)).unwrap();
            let error = opened.decrypt_range(range.clone(), proof).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{error}");
            opened.copy_range_to(range, proof, &mut io::sink()).unwrap_err();
        }
    }
    for length in [u64::MAX, u64::MAX - 1, 1 << 63, 0, 1, header_len, header_len + 39] {
        let outcome = open(V2, Boastful(&message, length)).and_then(|message| message.plaintext_len());
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Malformed);
    }
}
