//! The encryption context in a header.

use envel_core::EncryptionContext;

use super::codec::{Cursor, MalformedMessage, ParseError};

/// Parses the AAD section: a 16-bit length, then the pairs. Pairs may come in any order; names may not repeat.
///
/// # Specification
/// `data-format/message-header.md`, "AAD". An empty context is a length of zero; a count of zero is accepted, as official
/// readers do.
pub(crate) fn parse(cursor: &mut Cursor<'_>) -> Result<EncryptionContext, ParseError> {
    let section = cursor.prefixed()?;
    // The section is complete: a field that runs over its end is malformed, not incomplete.
    parse_section(section).map_err(|error| match error {
        ParseError::Incomplete { .. } => MalformedMessage::Context("a field runs over its end").into(),
        malformed => malformed,
    })
}

fn parse_section(section: &[u8]) -> Result<EncryptionContext, ParseError> {
    let mut context = EncryptionContext::new();
    if section.is_empty() {
        return Ok(context);
    }
    let mut cursor = Cursor::at(section, 0);
    for _ in 0..cursor.u16()? {
        let name = cursor.prefixed_text("an encryption context name")?;
        let value = cursor.prefixed_text("an encryption context value")?;
        context
            .insert_unchecked_prefix(name, value)
            .map_err(|_| MalformedMessage::DuplicateContextName(name.to_owned()))?;
    }
    if cursor.position() != section.len() {
        return Err(MalformedMessage::Context("bytes follow the last pair").into());
    }
    Ok(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(bytes: &[u8]) -> Result<EncryptionContext, ParseError> {
        parse(&mut Cursor::at(bytes, 0))
    }

    #[test]
    fn both_spellings_of_an_empty_context_are_read() {
        assert_eq!(parsed(&[0, 0]), Ok(EncryptionContext::new()));
        assert_eq!(parsed(&[0, 2, 0, 0]), Ok(EncryptionContext::new()));
    }

    #[test]
    fn pairs_may_come_unsorted() {
        let context = parsed(&[0, 12, 0, 2, 0, 1, b'b', 0, 0, 0, 1, b'a', 0, 0]).unwrap();
        assert_eq!(context.iter().collect::<Vec<_>>(), [("a", ""), ("b", "")]);
    }

    #[test]
    fn lengths_that_disagree_are_malformed() {
        for bytes in [
            &[0u8, 1, 0][..],
            &[0, 3, 0, 0, 0],
            &[0, 2, 0, 1],
            &[0, 6, 0, 1, 0, 2, b'a', 0],
            &[0, 8, 0, 1, 0, 1, b'a', 0, 0, 0],
        ] {
            assert!(matches!(parsed(bytes), Err(ParseError::Malformed(MalformedMessage::Context(_)))));
        }
    }

    #[test]
    fn names_that_repeat_and_bytes_that_are_no_text_are_malformed() {
        let repeated = parsed(&[0, 12, 0, 2, 0, 1, b'a', 0, 0, 0, 1, b'a', 0, 0]);
        assert_eq!(repeated, Err(MalformedMessage::DuplicateContextName("a".into()).into()));
        let no_text = parsed(&[0, 7, 0, 1, 0, 1, 0xff, 0, 0]);
        assert_eq!(no_text, Err(MalformedMessage::NotUtf8("an encryption context name").into()));
    }

    #[test]
    fn a_section_that_has_not_arrived_is_incomplete() {
        assert_eq!(parsed(&[0, 9, 0]), Err(ParseError::Incomplete { needed: 11 }));
    }
}
