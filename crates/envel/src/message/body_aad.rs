//! What the tag of a frame covers beside its contents.

use super::frame::SequenceNumber;
use super::header::MessageId;

/// Which kind of body content a tag belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyContent {
    RegularFrame,
    FinalFrame,
    SingleBlock,
}

impl BodyContent {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::RegularFrame => b"AWSKMSEncryptionClient Frame",
            Self::FinalFrame => b"AWSKMSEncryptionClient Final Frame",
            Self::SingleBlock => b"AWSKMSEncryptionClient Single Block",
        }
    }
}

/// The longest: a 32-byte message ID, the label of a single block, sequence number and length.
const MAX_LEN: usize = 32 + 35 + 4 + 8;

/// Message ID, label, sequence number and length of the contents, without an allocation.
///
/// # Specification
/// `data-format/message-body-aad.md`. The message ID has 32 bytes in version 2, whatever the table there says.
pub(crate) struct BodyAad {
    bytes: [u8; MAX_LEN],
    len: usize,
}

impl BodyAad {
    pub(crate) fn new(
        message_id: &MessageId,
        content: BodyContent,
        number: SequenceNumber,
        plaintext_len: u64,
    ) -> Self {
        let mut aad = Self { bytes: [0; MAX_LEN], len: 0 };
        aad.push(message_id.as_bytes());
        aad.push(content.label());
        aad.push(&number.as_u32().to_be_bytes());
        aad.push(&plaintext_len.to_be_bytes());
        aad
    }

    fn push(&mut self, part: &[u8]) {
        let end = self.len + part.len();
        if let Some(slot) = self.bytes.get_mut(self.len..end) {
            slot.copy_from_slice(part);
            self.len = end;
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_stands_in_its_place() {
        let id = MessageId::try_from(&[7; 32][..]).unwrap();
        let aad = BodyAad::new(&id, BodyContent::SingleBlock, SequenceNumber::FIRST, 0x0102);
        let expected =
            [&[7; 32][..], b"AWSKMSEncryptionClient Single Block", &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2]];
        assert_eq!(aad.as_bytes(), expected.concat());
        assert_eq!(aad.as_bytes().len(), MAX_LEN);
        let id = MessageId::try_from(&[7; 16][..]).unwrap();
        let aad = BodyAad::new(&id, BodyContent::RegularFrame, SequenceNumber::FIRST, 0);
        assert_eq!(aad.as_bytes().len(), 16 + 28 + 12);
    }
}
