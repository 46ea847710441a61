//! An encrypted data key, as a message header stores it.

/// A data key wrapped by one wrapping key, with the names that say which.
///
/// What the three fields hold depends on the keyring that wrote them; for AWS KMS they are `aws-kms`, the key's ARN and
/// the `CiphertextBlob`. Nothing here is secret, and nothing is verified: the bytes are only as good as the key that
/// opens them.
///
/// # Specification
/// `data-format/message-header.md`, "Encrypted Data Key Entries".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EncryptedDataKey {
    /// Names the provider: `aws-kms`, or a raw keyring's namespace.
    pub key_provider_id: String,
    /// Names the wrapping key within the provider. Binary for raw AES keyrings.
    pub key_provider_info: Vec<u8>,
    /// The wrapped data key.
    pub ciphertext: Vec<u8>,
}

impl EncryptedDataKey {
    /// The provider information as text where it is text, else as hexadecimal: for messages to people.
    pub fn provider_info_for_display(&self) -> String {
        for_display(&self.key_provider_info)
    }

    /// The provider's ID, likewise.
    pub fn provider_id_for_display(&self) -> String {
        for_display(self.key_provider_id.as_bytes())
    }
}

/// Text that cannot take over a terminal or forge a line, else hexadecimal digits.
fn for_display(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_provider_info_is_shown_in_hexadecimal() {
        let mut edk = EncryptedDataKey {
            key_provider_id: "n".into(),
            key_provider_info: b"name".to_vec(),
            ciphertext: vec![],
        };
        assert_eq!(edk.provider_info_for_display(), "name");
        edk.key_provider_id = "\u{1b}[2J".into();
        assert_eq!(edk.provider_id_for_display(), "1b5b324a");
        edk.key_provider_info = vec![0, 0xff];
        assert_eq!(edk.provider_info_for_display(), "00ff");
    }
}
