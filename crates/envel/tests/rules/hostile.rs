//! Input that nobody vouches for never makes anything panic.

use std::io::Read;

use envel::inspect::describe;
use envel::{AlgorithmSuiteId, Client, DecryptOptions, EncryptedDataKey, HeaderLimits, ReleasePolicy};
use pollster::block_on;
use proptest::prelude::*;

use crate::crafted::Crafted;
use crate::{manager, reads_all};

/// Small enough that a claim within them costs little.
fn client() -> Client {
    reads_all()
        .max_encrypted_data_keys(None)
        .max_frame_length(1 << 16)
        .max_non_framed_len(1 << 16)
        .net_v4_0_0_retry(true)
        .build()
}

/// Takes the input by every way in, which must agree; what was decrypted, if it was.
fn take_in(input: &[u8]) -> Option<Vec<u8>> {
    let limits = HeaderLimits { max_encrypted_data_keys: u16::MAX, ..HeaderLimits::default() };
    let is_described = describe(input, limits).is_ok_and(|description| description.body.is_some());
    let whole = block_on(client().decrypt(&manager(), input, &DecryptOptions::new())).ok();
    let whole = whole.map(|output| output.plaintext);
    for release in [ReleasePolicy::EachFrame, ReleasePolicy::AfterSignature { max_held_bytes: 1000 }] {
        let open = || {
            let options = DecryptOptions::new().release(release);
            let pending = client().read_header(input).ok()?;
            block_on(client().open(&manager(), pending, &options)).ok()
        };
        let read = open().and_then(|mut reader| {
            let (mut released, mut buffer) = (Vec::new(), [0; 7]);
            loop {
                match reader.read(&mut buffer).ok()? {
                    0 => return Some(released),
                    count => released.extend_from_slice(&buffer[..count]),
                }
            }
        });
        let copied = open().and_then(|mut reader| {
            let mut released = Vec::new();
            reader.copy_to(&mut released).ok().map(|_| released)
        });
        assert_eq!((&read, &copied), (&whole, &whole));
    }
    assert!(whole.is_none() || is_described);
    whole
}

fn suite() -> impl Strategy<Value = AlgorithmSuiteId> {
    proptest::sample::select(&AlgorithmSuiteId::ALL[..])
}

/// Lengths at which arithmetic breaks.
fn hostile_length() -> impl Strategy<Value = u64> {
    let edges = [0, 1, 2, 12, 16, 0x7f, 0xff, 0x100, 0x7fff, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000];
    let wide = [0xffff_ffe0, 0xffff_fffe, 0xffff_ffff, 1 << 36, (1 << 36) - 32, 1 << 63, u64::MAX];
    prop_oneof![proptest::sample::select([&edges[..], &wide].concat()), any::<u64>(), 0u64..64,]
}

#[derive(Clone, Debug)]
enum Damage {
    /// Overwrites a field of so many bytes.
    Field {
        at: prop::sample::Index,
        width: usize,
        value: u64,
    },
    Cut(prop::sample::Index),
    Insert {
        at: prop::sample::Index,
        bytes: Vec<u8>,
    },
    Repeat {
        from: prop::sample::Index,
        to: prop::sample::Index,
    },
}

fn damage() -> impl Strategy<Value = Damage> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => (index(), proptest::sample::select(&[1, 2, 4, 8][..]), hostile_length())
            .prop_map(|(at, width, value)| Damage::Field { at, width, value }),
        1 => index().prop_map(Damage::Cut),
        1 => (index(), prop::collection::vec(any::<u8>(), 0..20))
            .prop_map(|(at, bytes)| Damage::Insert { at, bytes }),
        1 => (index(), index()).prop_map(|(from, to)| Damage::Repeat { from, to }),
    ]
}

fn damaged(mut message: Vec<u8>, damage: &[Damage]) -> Vec<u8> {
    for damage in damage {
        let place = |at: &prop::sample::Index| at.index(message.len() + 1);
        match damage {
            Damage::Field { at, width, value } => {
                let at = place(at);
                let end = message.len().min(at + width);
                message[at..end].copy_from_slice(&value.to_be_bytes()[8 - width..][..end - at]);
            }
            Damage::Cut(at) => message.truncate(place(at)),
            Damage::Insert { at, bytes } => {
                let at = place(at);
                message.splice(at..at, bytes.iter().copied());
            }
            Damage::Repeat { from, to } => {
                let (from, to) = (place(from).min(place(to)), place(from).max(place(to)));
                let part = message[from..to].to_vec();
                message.splice(to..to, part);
            }
        }
    }
    message
}

/// What a body may be made of, each part sealed with the right key.
#[derive(Clone, Debug)]
enum Part {
    Regular(u32, usize),
    Final(u32, usize),
    Single(usize),
    Noise(Vec<u8>),
}

fn part() -> impl Strategy<Value = Part> {
    let number = prop_oneof![4 => 1u32..4, 1 => any::<u32>()];
    prop_oneof![
        (number.clone(), 0usize..40).prop_map(|(number, length)| Part::Regular(number, length)),
        (number, 0usize..40).prop_map(|(number, length)| Part::Final(number, length)),
        (0usize..40).prop_map(Part::Single),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Part::Noise),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert_eq!(take_in(&bytes), None);
    }

    #[test]
    fn random_bytes_behind_a_sound_beginning_are_refused(
        suite in suite(), bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let start = if suite.suite().is_committing() { &[2][..] } else { &[1, 0x80] };
        prop_assert_eq!(take_in(&[start, &suite.as_u16().to_be_bytes(), &bytes].concat()), None);
    }

    #[test]
    fn damaged_messages_are_refused_or_say_the_same(
        suite in suite(),
        non_framed: bool,
        damage in prop::collection::vec(damage(), 1..4),
    ) {
        let crafted = Crafted::with_context(suite, [("name", "value")]);
        let (message, plaintext) = if non_framed {
            let crafted = crafted.non_framed();
            (crafted.message(&[crafted.single_block(&[1; 40])]), vec![1; 40])
        } else {
            let body = [crafted.regular_frame(1, &[1; 16]), crafted.final_frame(2, &[2; 5])];
            (crafted.message(&body), [&[1; 16][..], &[2; 5]].concat())
        };
        let damaged = damaged(message.clone(), &damage);
        if let Some(decrypted) = take_in(&damaged) {
            // Damage that changes nothing is no damage.
            prop_assert_eq!(damaged, message);
            prop_assert_eq!(decrypted, plaintext);
        }
    }

    #[test]
    fn sealed_by_a_key_holder_with_hostile_lengths_and_order(
        suite in suite(),
        content_type in prop_oneof![Just(1u8), Just(2)],
        frame_length in prop_oneof![Just(0u32), Just(16), 0u32..70_000, any::<u32>()],
        parts in prop::collection::vec(part(), 0..5),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let crafted = Crafted { content_type, frame_length, ..Crafted::new(suite) };
        let body: Vec<_> = parts.iter().map(|part| match part {
            Part::Regular(number, length) => crafted.regular_frame(*number, &vec![7; *length]),
            Part::Final(number, length) => crafted.final_frame(*number, &vec![7; *length]),
            Part::Single(length) => crafted.single_block(&vec![7; *length]),
            Part::Noise(bytes) => bytes.clone(),
        }).collect();
        let mut message = crafted.message(&body);
        if let Some(cut) = cut {
            message.truncate(cut.index(message.len() + 1));
        }
        take_in(&message);
    }

    #[test]
    fn sealed_lengths_that_claim_anything(
        suite in suite(), non_framed: bool, claimed in hostile_length(), rest in 0usize..100,
    ) {
        let crafted = if non_framed { Crafted::new(suite).non_framed() } else { Crafted::new(suite) };
        let claim = if non_framed {
            [&[0; 12][..], &claimed.to_be_bytes()].concat()
        } else {
            let claimed = u32::try_from(claimed & 0xffff_ffff).unwrap().to_be_bytes();
            [&[0xff; 4][..], &1u32.to_be_bytes(), &[0; 12], &claimed].concat()
        };
        let message = [crafted.header(), claim, vec![7; rest]].concat();
        prop_assert_eq!(take_in(&message), None);
    }

    #[test]
    fn encrypted_data_keys_of_anything_are_passed_over(
        suite in suite(),
        strangers in prop::collection::vec(
            (
                prop_oneof![Just("tests".to_owned()), Just("aws-kms".to_owned()), ".{0,5}"],
                prop_oneof![
                    Just(b"crafted\x00\x00\x00\x80\x00\x00\x00\x0civiviviviviv".to_vec()),
                    prop::collection::vec(any::<u8>(), 0..40),
                ],
                prop::collection::vec(any::<u8>(), 0..70),
            ),
            0..5,
        ),
    ) {
        let mut crafted = Crafted::new(suite);
        let mut keys: Vec<_> = strangers.into_iter().map(|(id, info, ciphertext)| EncryptedDataKey {
            key_provider_id: id, key_provider_info: info, ciphertext,
        }).collect();
        keys.push(crate::crafted::wrapped(
            &crafted.suite, &crafted.context, &crate::crafted::data_key(&crafted.suite),
        ));
        crafted.encrypted_data_keys = Some(keys);
        let message = crafted.message(&[crafted.final_frame(1, b"x")]);
        prop_assert_eq!(take_in(&message), Some(b"x".to_vec()));
    }
}
