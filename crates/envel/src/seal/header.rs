//! The header's tag: made, verified.

use std::borrow::Cow;

use envel_core::primitives::aead::{AeadKey, IV_LEN, TAG_LEN};

use crate::error::Error;
use crate::message::MessageHeader;

/// What the tag covers: the header body as it stands in the message, then the pairs that are not stored.
fn authenticated<'a>(header_body: &'a [u8], required_only: &[u8]) -> Cow<'a, [u8]> {
    if required_only.is_empty() {
        Cow::Borrowed(header_body)
    } else {
        Cow::Owned([header_body, required_only].concat())
    }
}

/// Makes the tag of a header body. `required_only` is the canonical form of the pairs that the header does not store.
///
/// # Specification
/// `client-apis/encrypt.md`, "Authentication tag". The IV is zero; frames have others.
pub(crate) fn seal(key: &AeadKey, header_body: &[u8], required_only: &[u8]) -> Result<[u8; TAG_LEN], Error> {
    Ok(key.seal_in_place(&[0; IV_LEN], &authenticated(header_body, required_only), &mut [])?)
}

/// Verifies a header's tag with the IV that it stores.
///
/// # Specification
/// `client-apis/decrypt.md`, "Verify the header". Without required-only pairs nothing is appended, not even a count.
pub(crate) fn verify(key: &AeadKey, header: &MessageHeader, required_only: &[u8]) -> Result<(), Error> {
    key.open_into(header.iv(), &authenticated(header.body(), required_only), &[], header.tag(), &mut [])
        .map_err(|_| Error::HeaderUnauthentic)
}

/// As [`verify`], for messages of the .NET library 4.0.0, which appended a count of zero where there are no required-only pairs.
pub(crate) fn verify_as_net_v4(
    key: &AeadKey,
    header: &MessageHeader,
    required_only: &[u8],
) -> Result<(), Error> {
    verify(key, header, if required_only.is_empty() { &[0, 0] } else { required_only })
}
