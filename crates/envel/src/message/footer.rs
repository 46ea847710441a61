//! The signature at the end of a signed message.

use envel_core::primitives::ecdsa::EcdsaAlgorithm;

use super::codec::{Cursor, MalformedMessage, ParseError, write_prefixed};

/// Bytes of the length field.
pub(crate) const LENGTH_LEN: usize = 2;

/// The least bytes of a DER signature: two integers of one byte.
const MIN_SIGNATURE_LEN: usize = 8;

/// Parses the footer at the start of `bytes`: the signature, and how many bytes it took.
///
/// # Specification
/// `data-format/message-footer.md`.
pub(crate) fn parse(bytes: &[u8], algorithm: EcdsaAlgorithm) -> Result<(&[u8], usize), ParseError> {
    let mut cursor = Cursor::at(bytes, 0);
    let length = cursor.u16()?;
    if length == 0 || usize::from(length) > algorithm.max_signature_len() {
        return Err(MalformedMessage::SignatureLength(length).into());
    }
    let signature = cursor.take(usize::from(length))?;
    Ok((signature, cursor.position()))
}

/// The bytes that a footer may take, the likeliest first: none without a signature, else as many as a DER signature can have.
///
/// The usual length is what official writers force; others do not.
pub(crate) fn possible_lens(algorithm: Option<EcdsaAlgorithm>) -> Vec<u64> {
    let Some(algorithm) = algorithm else { return vec![0] };
    let usual = algorithm.signature_len();
    let others = (MIN_SIGNATURE_LEN..=algorithm.max_signature_len()).rev().filter(|length| *length != usual);
    std::iter::once(usual).chain(others).map(|length| (LENGTH_LEN + length) as u64).collect()
}

/// Appends the footer; `None` if the signature is longer than its length field can say.
pub(crate) fn write(out: &mut Vec<u8>, signature: &[u8]) -> Option<()> {
    write_prefixed(out, signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_length_of_a_footer_is_tried_first_and_each_once() {
        assert_eq!(possible_lens(None), [0]);
        let lens = possible_lens(Some(EcdsaAlgorithm::P256Sha256));
        assert_eq!(lens[..3], [73, 74, 72]);
        assert_eq!((lens.len(), lens.last()), (72 - 8 + 1, Some(&10)));
    }

    #[test]
    fn impossible_lengths_are_refused_before_the_signature_arrives() {
        let parsed = |bytes: &[u8]| parse(bytes, EcdsaAlgorithm::P384Sha384).map(|(_, len)| len);
        assert_eq!(parsed(&[0, 0]), Err(MalformedMessage::SignatureLength(0).into()));
        assert_eq!(parsed(&[0, 105]), Err(MalformedMessage::SignatureLength(105).into()));
        assert_eq!(parsed(&[0, 104]), Err(ParseError::Incomplete { needed: 106 }));
        assert_eq!(parsed(&[0, 1, 9, 9]), Ok(3));
    }
}
