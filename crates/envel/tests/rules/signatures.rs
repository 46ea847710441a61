//! Signatures of every valid form, and of others.

use envel::{AlgorithmSuiteId, Error, ErrorKind};

use crate::crafted::{Crafted, prefixed};
use crate::decrypt;

const P256: AlgorithmSuiteId = AlgorithmSuiteId::Aes128GcmHkdfSha256EcdsaP256;
const SIGNED: [AlgorithmSuiteId; 4] = [
    P256,
    AlgorithmSuiteId::Aes192GcmHkdfSha384EcdsaP384,
    AlgorithmSuiteId::Aes256GcmHkdfSha384EcdsaP384,
    AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
];

/// The order of the curve, n.
fn order(suite: AlgorithmSuiteId) -> Vec<u8> {
    let hex = match suite {
        P256 => "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
        _ => {
            "ffffffffffffffffffffffffffffffffffffffffffffffff\
             c7634d81f4372ddf581a0db248b0a77aecec196accc52973"
        }
    };
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// The two integers of a signature, as DER writes them.
fn integers(signature: &[u8]) -> [&[u8]; 2] {
    let r_end = 4 + usize::from(signature[3]);
    [&signature[4..r_end], &signature[r_end + 2..]]
}

fn der(integers: [&[u8]; 2]) -> Vec<u8> {
    let body =
        integers.map(|integer| [&[2, u8::try_from(integer.len()).unwrap()], integer].concat()).concat();
    [&[0x30, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

/// The other signature that verifies: (r, n - s).
fn negated(suite: AlgorithmSuiteId, signature: &[u8]) -> Vec<u8> {
    let [r, s] = integers(signature);
    let mut difference = order(suite);
    let mut borrow = 0;
    let padding = difference.len().saturating_sub(s.len());
    let s: Vec<u8> = std::iter::repeat_n(0, padding).chain(s.iter().copied()).collect();
    // DER puts a zero before a high bit.
    let s = &s[s.len() - difference.len()..];
    for (digit, subtrahend) in difference.iter_mut().zip(s).rev() {
        let value = i16::from(*digit) - i16::from(*subtrahend) - borrow;
        borrow = i16::from(value < 0);
        *digit = u8::try_from(value.rem_euclid(256)).unwrap();
    }
    let first = difference.iter().position(|digit| *digit != 0).unwrap();
    let mut s = difference.split_off(first);
    if s[0] >= 0x80 {
        s.insert(0, 0);
    }
    der([r, &s])
}

/// A signed message with this footer in the place of its own.
fn with_footer(crafted: &Crafted, footer: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let unsigned = [crafted.header(), crafted.final_frame(1, b"x")].concat();
    let footer = footer(&crafted.signature(&unsigned));
    [unsigned, footer].concat()
}

#[test]
fn signatures_of_every_valid_length_are_accepted() {
    for suite in SIGNED {
        let mut lengths = std::collections::BTreeSet::new();
        // Each try has one of two lengths, each half of the time.
        for _ in 0..100 {
            let crafted = Crafted::new(suite);
            let message = with_footer(&crafted, |signature| {
                let other = negated(suite, signature);
                lengths.insert(other.len());
                prefixed(&other)
            });
            assert_eq!(decrypt(&message).unwrap(), b"x", "{suite}");
            if lengths.len() > 1 {
                break;
            }
        }
        let usual = if suite == P256 { 71 } else { 103 };
        assert!(lengths.contains(&(usual - 1)) && lengths.contains(&(usual + 1)), "{suite}: {lengths:?}");
    }
}

#[test]
fn a_signature_of_another_message_or_key_is_refused() {
    for suite in SIGNED {
        let (crafted, stranger) = (Crafted::new(suite), Crafted::new(suite));
        for message in [
            with_footer(&crafted, |_| prefixed(&crafted.signature(b"another message"))),
            with_footer(&crafted, |_| {
                let signed = [crafted.header(), crafted.final_frame(1, b"x")].concat();
                prefixed(&stranger.signature(&signed))
            }),
        ] {
            assert!(matches!(decrypt(&message), Err(Error::SignatureUnauthentic)), "{suite}");
        }
    }
}

#[test]
fn a_footer_that_is_not_one_der_signature_is_refused() {
    for suite in SIGNED {
        let crafted = Crafted::new(suite);
        type Footer = fn(&[u8]) -> Vec<u8>;
        let footers: [(Footer, ErrorKind); 8] = [
            (|_| Vec::new(), ErrorKind::Malformed),
            (|_| vec![0, 0], ErrorKind::Malformed),
            (|_| prefixed(&[0x30; 105]), ErrorKind::Malformed),
            (|signature| prefixed(&signature[..signature.len() - 1]), ErrorKind::Unauthentic),
            // Bytes behind the signature, within its length and after it.
            (|signature| prefixed(&[signature, &[0]].concat()), ErrorKind::Unauthentic),
            (|signature| [prefixed(signature), vec![0]].concat(), ErrorKind::Malformed),
            // Integers with needless zeros, and without the needed ones.
            (
                |signature| {
                    let [r, s] = integers(signature).map(|integer| match integer {
                        [0, rest @ ..] => rest,
                        whole => whole,
                    });
                    prefixed(&der([r, s]))
                },
                ErrorKind::Unauthentic,
            ),
            (|signature| prefixed(&integers(signature).concat()), ErrorKind::Unauthentic),
        ];
        for (index, (footer, expected)) in footers.into_iter().enumerate() {
            let refused = decrypt(&with_footer(&crafted, footer));
            assert_eq!(refused.unwrap_err().kind(), expected, "{suite}, footer {index}");
        }
    }
}
