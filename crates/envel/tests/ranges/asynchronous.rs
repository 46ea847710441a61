//! The asynchronous driver against the synchronous one.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use envel::{AsyncOpenMessage, AsyncReadAt, DecryptOptions, Error, ErrorKind, RangeProof};
use pollster::block_on;

use crate::by_hand::{Endless, manager};
use crate::sources::{Trouble, Watched};
use crate::{PROOFS, V1, V2, client, encrypted, plaintext};

fn open<S: AsyncReadAt>(suite: envel::AlgorithmSuiteId, source: S) -> Result<AsyncOpenMessage<S>, Error> {
    block_on(client(suite).open_at_async(&manager(), source, &DecryptOptions::new()))
}

#[test]
fn every_range_is_a_slice_of_the_plaintext() {
    for suite in [V1, V2] {
        for (frame_length, length) in [(1, 5_usize), (7, 20), (64, 64), (64, 0)] {
            let plaintext = plaintext(length);
            let message = encrypted(suite, &plaintext, frame_length);
            for start in 0..=length as u64 + 1 {
                for end in start..=length as u64 + 1 {
                    for proof in PROOFS {
                        let opened = open(suite, Watched::new(&message[..])).unwrap();
                        let outcome = block_on(opened.decrypt_range(start..end, proof));
                        let mut out = vec![0xee; (end - start) as usize];
                        let into = block_on(opened.decrypt_range_into(start, &mut out, proof));
                        let mut copied = Vec::new();
                        let copy = block_on(opened.copy_range_to(start..end, proof, &mut copied));
                        if start > length as u64 {
                            for error in [outcome.unwrap_err(), into.unwrap_err(), copy.unwrap_err()] {
                                assert_eq!(error.kind(), ErrorKind::InvalidCall);
                            }
                            assert!(out.iter().all(|byte| *byte == 0));
                        } else {
                            let expected = &plaintext[start as usize..end.min(length as u64) as usize];
                            assert_eq!(outcome.unwrap().plaintext, expected);
                            assert_eq!(out[..expected.len()], *expected);
                            assert_eq!(copied, expected);
                            assert_eq!(into.unwrap(), copy.unwrap());
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn ranges_are_read_with_as_few_requests_as_can_be() {
    const LENGTH: u64 = 10 << 30;
    let source = Watched::new(Endless::new(V2, LENGTH, 65536));
    for (proof, reads) in [(RangeProof::FramesOnly, 2), (RangeProof::WithEnd, 3)] {
        let opened = open(V2, &source).unwrap();
        let output = block_on(opened.decrypt_range(5 << 30..(5 << 30) + 1024, proof)).unwrap();
        assert!((5 << 30..(5 << 30) + 1024).map(Endless::byte_at).eq(output.plaintext));
        assert_eq!(source.take_reads().len(), reads);
    }
    let opened = open(V2, &source).unwrap();
    assert_eq!(block_on(opened.plaintext_len()).unwrap(), LENGTH);
    let batch = [70_000..80_000, 0..10, 65_000..66_000, LENGTH - 1..u64::MAX];
    source.take_reads();
    let outputs = block_on(opened.decrypt_ranges(&batch, RangeProof::WithEnd)).unwrap();
    for (output, range) in outputs.iter().zip(batch) {
        assert!(
            (range.start..range.end.min(LENGTH)).map(Endless::byte_at).eq(output.plaintext.iter().copied())
        );
    }
    assert_eq!(source.take_reads().len(), 2);
}

#[test]
fn a_request_that_fails_leaves_nothing_and_can_be_repeated() {
    let plaintext = plaintext(100_000);
    let message = encrypted(V2, &plaintext, 1000);
    for (read, trouble) in [(0, Trouble::Fails), (0, Trouble::IsShort)] {
        // A short first read looks like the end of a message that is short itself.
        let outcome = open(V2, Watched::with_trouble(&message[..], read, trouble));
        assert_eq!(outcome.is_err(), matches!(trouble, Trouble::Fails));
    }
    for read in 1..3 {
        for trouble in [Trouble::Fails, Trouble::IsShort] {
            let opened = open(V2, Watched::with_trouble(&message[..], read, trouble)).unwrap();
            let mut out = [0xee; 2000];
            let error =
                block_on(opened.decrypt_range_into(50_500, &mut out, RangeProof::WithEnd)).unwrap_err();
            assert!(matches!(error, Error::Io(_) | Error::Truncated { .. }), "{error}");
            assert_eq!(out, [0; 2000]);
            block_on(opened.decrypt_range_into(50_500, &mut out, RangeProof::WithEnd)).unwrap();
            assert_eq!(out, plaintext[50_500..52_500]);
        }
    }
}

/// Polls until ready; how often it was not.
fn polls<T>(future: impl Future<Output = T>) -> (usize, T) {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for count in 0.. {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return (count, output);
        }
    }
    unreachable!("the count has no end")
}

#[test]
fn no_poll_opens_more_than_a_mebibyte() {
    let plaintext = plaintext(20 << 20);
    for frame_length in [4096, 65536, 1_000_000] {
        let message = encrypted(V2, &plaintext, frame_length);
        let opened = open(V2, Watched::new(&message[..])).unwrap();
        let (count, output) = polls(opened.decrypt_range(5..u64::MAX, RangeProof::WithEnd));
        assert!(output.unwrap().plaintext == plaintext[5..]);
        assert!(count >= 20, "{count} polls of 20 MiB, frames of {frame_length}");
        let mut copied = Vec::new();
        let (count, output) = polls(opened.copy_range_to(5..u64::MAX, RangeProof::WithEnd, &mut copied));
        output.unwrap();
        assert!(copied == plaintext[5..] && count >= 20);
    }
}

#[test]
fn a_future_that_is_dropped_half_way_leaves_nothing_in_the_buffer() {
    let message = encrypted(V2, &vec![0xaa; 4 << 20], 65536);
    let opened = open(V2, Watched::new(&message[..])).unwrap();
    let mut out = vec![0xee; 3 << 20];
    {
        let mut future = pin!(opened.decrypt_range_into(0, &mut out, RangeProof::FramesOnly));
        let mut context = Context::from_waker(Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
    }
    assert!(out.iter().all(|byte| *byte == 0));
}

#[test]
fn futures_can_move_between_threads() {
    fn assert_send<T: Send>(future: T) -> T {
        future
    }
    let message = encrypted(V2, &plaintext(1000), 64);
    let (client, manager, options) = (client(V2), manager(), DecryptOptions::new());
    let opened =
        block_on(assert_send(client.open_at_async(&manager, Watched::new(message), &options))).unwrap();
    let outputs =
        block_on(assert_send(opened.decrypt_ranges(&[0..10, 5..900], RangeProof::WithEnd))).unwrap();
    assert_eq!(outputs[1].plaintext, plaintext(1000)[5..900]);
    let mut sink = Vec::new();
    block_on(assert_send(opened.copy_range_to(0..1000, RangeProof::WithEnd, &mut sink))).unwrap();
    assert_eq!(sink, plaintext(1000));
}
