//! What one-shot calls return.

use std::fmt;

use crate::materials::OpenedBy;
use crate::message::MessageHeader;

/// A message and what it is made of.
#[derive(Debug)]
#[non_exhaustive]
pub struct EncryptOutput {
    /// The message.
    pub message: Vec<u8>,
    /// Its header.
    pub header: MessageHeader,
    /// Which key material wrapped each encrypted data key, where the KMS says.
    pub key_material_ids: Vec<Option<String>>,
}

/// A plaintext and what it came from. Everything here is verified.
#[non_exhaustive]
pub struct DecryptOutput {
    /// The plaintext.
    pub plaintext: Vec<u8>,
    /// The message's header.
    pub header: MessageHeader,
    /// Which encrypted data key was opened, and by what.
    pub opened_by: OpenedBy,
}

impl fmt::Debug for DecryptOutput {
    /// Shows the plaintext's length alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptOutput")
            .field("plaintext_len", &self.plaintext.len())
            .field("header", &self.header)
            .field("opened_by", &self.opened_by)
            .finish()
    }
}
