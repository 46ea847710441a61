//! The limits that KMS sets on requests, whatever the key.

use std::ops::RangeInclusive;

use envel_core::EncryptionContext;

use crate::refusal::Refusal;

/// Bytes of a plaintext.
pub(super) const PLAINTEXT_LEN: RangeInclusive<usize> = 1..=4096;
/// Bytes of a ciphertext.
pub(super) const CIPHERTEXT_LEN: RangeInclusive<usize> = 1..=6144;
/// Bytes of a data key, and of an answer of GenerateRandom.
pub(super) const NUMBER_OF_BYTES: RangeInclusive<u32> = 1..=1024;
/// Characters in the spelling of a key.
const KEY_ID_LEN: RangeInclusive<usize> = 1..=2048;
/// Characters in all names and values of an encryption context together.
const MAX_CONTEXT_CHARACTERS: usize = 8192;
const MAX_GRANT_TOKENS: usize = 10;
/// Characters in one grant token.
const GRANT_TOKEN_LEN: RangeInclusive<usize> = 1..=8192;
/// Characters in a description.
const MAX_DESCRIPTION_LEN: usize = 8192;

pub(super) fn check_length(
    name: &str,
    length: usize,
    allowed: &RangeInclusive<usize>,
) -> Result<(), Refusal> {
    match length {
        _ if length < *allowed.start() => Err(Refusal::too_short(name, *allowed.start())),
        _ if length > *allowed.end() => Err(Refusal::too_long(name, *allowed.end())),
        _ => Ok(()),
    }
}

pub(super) fn check_number(name: &str, number: u32, allowed: &RangeInclusive<u32>) -> Result<(), Refusal> {
    match number {
        _ if number < *allowed.start() => Err(Refusal::too_small(name, *allowed.start())),
        _ if number > *allowed.end() => Err(Refusal::too_large(name, *allowed.end())),
        _ => Ok(()),
    }
}

pub(super) fn check_key_id(name: &str, text: &str) -> Result<(), Refusal> {
    check_length(name, text.chars().count(), &KEY_ID_LEN)
}

pub(super) fn check_description(text: &str) -> Result<(), Refusal> {
    check_length("description", text.chars().count(), &(0..=MAX_DESCRIPTION_LEN))
}

pub(super) fn check_context(name: &str, context: &EncryptionContext) -> Result<(), Refusal> {
    let characters: usize =
        context.iter().map(|(name, value)| name.chars().count() + value.chars().count()).sum();
    if characters > MAX_CONTEXT_CHARACTERS {
        return Err(Refusal::too_long(name, MAX_CONTEXT_CHARACTERS));
    }
    canonical_context(context).map(|_| ())
}

/// The bytes that stand for a context wherever it is authenticated.
pub(super) fn canonical_context(context: &EncryptionContext) -> Result<Vec<u8>, Refusal> {
    context.canonical_bytes().map_err(|error| Refusal::Validation(error.to_string()))
}

/// Checks how many and how long, then refuses them all: there are no grants whose tokens they could be.
pub(super) fn check_grant_tokens(tokens: &[String]) -> Result<(), Refusal> {
    if tokens.len() > MAX_GRANT_TOKENS {
        return Err(Refusal::too_long("grantTokens", MAX_GRANT_TOKENS));
    }
    for token in tokens {
        check_length("grantTokens", token.chars().count(), &GRANT_TOKEN_LEN)?;
    }
    if tokens.is_empty() { Ok(()) } else { Err(Refusal::InvalidGrantToken) }
}
