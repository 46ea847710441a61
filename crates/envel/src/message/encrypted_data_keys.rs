//! Encrypted data keys in a header.

use envel_core::EncryptedDataKey;

use super::codec::{Cursor, ParseError, write_prefixed};

/// Parses one entry.
///
/// # Specification
/// `data-format/message-header.md`, "Encrypted Data Key Entries".
pub(crate) fn parse_entry(cursor: &mut Cursor<'_>) -> Result<EncryptedDataKey, ParseError> {
    Ok(EncryptedDataKey {
        key_provider_id: cursor.prefixed_text("a key provider ID")?.to_owned(),
        key_provider_info: cursor.prefixed()?.to_vec(),
        ciphertext: cursor.prefixed()?.to_vec(),
    })
}

/// Appends count and entries; `None` if a count or field does not fit its 16-bit length.
pub(crate) fn write(out: &mut Vec<u8>, encrypted_data_keys: &[EncryptedDataKey]) -> Option<()> {
    out.extend_from_slice(&u16::try_from(encrypted_data_keys.len()).ok()?.to_be_bytes());
    for edk in encrypted_data_keys {
        write_prefixed(out, edk.key_provider_id.as_bytes())?;
        write_prefixed(out, &edk.key_provider_info)?;
        write_prefixed(out, &edk.ciphertext)?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_parses_to_the_same() {
        let edk = EncryptedDataKey {
            key_provider_id: "provider".into(),
            key_provider_info: vec![0, 0xff],
            ciphertext: vec![],
        };
        let mut bytes = Vec::new();
        write(&mut bytes, std::slice::from_ref(&edk)).unwrap();
        assert_eq!(&bytes[..2], [0, 1]);
        assert_eq!(parse_entry(&mut Cursor::at(&bytes, 2)), Ok(edk.clone()));
        let oversized = EncryptedDataKey { ciphertext: vec![0; 65_536], ..edk };
        assert_eq!(write(&mut bytes, &[oversized]), None);
    }
}
