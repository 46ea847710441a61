//! Lengths in a message allocate no more than its bytes justify. Alone in its binary, since all of it is counted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "rules/crafted.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod crafted;

use std::io::{self, Read};

use crafted::{Crafted, prefixed};
use envel::inspect::describe;
use envel::{
    AlgorithmSuiteId, Client, CommitmentPolicy, DecryptOptions, DefaultManager, HeaderLimits, ReleasePolicy,
};
use peak_alloc::PeakAlloc;
use pollster::block_on;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const PLAIN: AlgorithmSuiteId = AlgorithmSuiteId::Aes256GcmHkdfSha256;
const COMMITTING: AlgorithmSuiteId = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey;
const SIGNED: AlgorithmSuiteId = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384;

/// What may be allocated for a message of so many bytes.
fn allowed(input_len: usize) -> usize {
    4 * input_len + (1 << 20)
}

/// The most that was allocated at once beyond what was there before.
fn peak(work: impl FnOnce()) -> usize {
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    work();
    ALLOCATOR.peak_usage() - before
}

fn client() -> Client {
    Client::builder()
        .commitment_policy(CommitmentPolicy::RequireEncryptAllowDecrypt)
        .max_encrypted_data_keys(None)
        .max_frame_length(u32::MAX)
        .max_non_framed_len(u64::MAX)
        .build()
}

/// Reads a message to where it fails, a few bytes at a time.
fn read(message: &[u8], release: ReleasePolicy) {
    let manager = DefaultManager::new(crafted::keyring());
    let options = DecryptOptions::new().release(release);
    let Ok(pending) = client().read_header(message) else { return };
    let Ok(mut reader) = block_on(client().open(&manager, pending, &options)) else { return };
    let mut buffer = [0; 100];
    while reader.read(&mut buffer).is_ok_and(|count| count > 0) {}
}

/// Messages that end where a length claims that much follows. Headers with a tag are authentic.
fn claims() -> Vec<(String, Vec<u8>)> {
    let mut claims = Vec::new();
    for suite in [PLAIN, COMMITTING, SIGNED] {
        let mut claim = |what: &str, message: Vec<u8>| claims.push((format!("{suite}: {what}"), message));
        let crafted = Crafted::with_context(suite, [("name", "value")]);
        let header = crafted.header();
        let context = crafted.context.canonical_bytes().unwrap();
        let section_at = header.windows(context.len()).position(|window| window == context).unwrap() - 2;
        let (start, keys_at) = (&header[..section_at], section_at + 2 + context.len());
        claim("a context of 65535 bytes", [start, &[0xff; 2]].concat());
        claim("65535 pairs", [start, &prefixed(&[0xff; 2])].concat());
        claim("65535 pairs in a full section", [start, &prefixed(&[0xff, 0xff].repeat(1000))].concat());
        claim("65535 keys", [&header[..keys_at], &[0xff; 2]].concat());
        claim("65535 keys of 65535 bytes", [&header[..keys_at], &[0xff; 8]].concat());
        let key = [prefixed(b"p"), prefixed(&[0; 60_000]), prefixed(&[])].concat();
        claim("65535 keys, some of which come", [&header[..keys_at], &[0xff; 2], &key.repeat(20)].concat());

        let frame_length = |frame_length| Crafted { frame_length, ..Crafted::new(suite) };
        for huge in [64 << 20, u32::MAX] {
            let header = frame_length(huge).header();
            claim("frames of huge length, none of which comes", header.clone());
            claim("a huge regular frame", [&header[..], &1u32.to_be_bytes(), &[7; 5000]].concat());
            let final_head = [&[0xff; 4][..], &1u32.to_be_bytes(), &[0; 12], &huge.to_be_bytes()].concat();
            claim("a huge final frame", [&header[..], &final_head, &[7; 5000]].concat());
        }
        let header = Crafted::new(suite).non_framed().header();
        for huge in [1 << 30, (1u64 << 36) - 32, u64::MAX] {
            let body = [&[0; 12][..], &huge.to_be_bytes(), &[7; 5000]].concat();
            claim("a huge body without frames", [&header[..], &body].concat());
        }
        let many = frame_length(1);
        let frames: Vec<u8> = (1..2000).flat_map(|number| many.regular_frame(number, b"x")).collect();
        claim("frames of one byte", [many.header(), frames].concat());
    }
    claims
}

#[test]
fn claimed_lengths_allocate_no_more_than_what_arrived_justifies() {
    // One test, so that no other thread allocates meanwhile.
    let held = ReleasePolicy::AfterSignature { max_held_bytes: u64::MAX };
    for (what, message) in claims() {
        let allowed = allowed(message.len());
        let check = |how: &str, peak: usize| {
            assert!(peak <= allowed, "{what}, {how}: {peak} bytes for {}, {allowed} allowed", message.len());
        };
        check("streamed", peak(|| read(&message, ReleasePolicy::EachFrame)));
        check("streamed and held", peak(|| read(&message, held)));
        check(
            "in memory",
            peak(|| {
                let manager = DefaultManager::new(crafted::keyring());
                block_on(client().decrypt(&manager, &message, &DecryptOptions::new())).unwrap_err();
            }),
        );
        let limits = HeaderLimits { max_encrypted_data_keys: u16::MAX, ..HeaderLimits::default() };
        check("described", peak(|| drop(describe(&message[..], limits))));
    }

    // A header goes on for ever: reading stops at the limit.
    let start = [&[2, 0x04, 0x78][..], &[0; 32], &[0, 0], &[0xff; 2]].concat();
    let endless = start.chain(io::repeat(0));
    let limit = 1 << 20;
    let peak = peak(|| drop(client().read_header(endless).unwrap_err()));
    assert!(peak <= 8 * limit, "{peak} bytes for a header of at most {limit}");
}
