//! Encrypts a stream: plaintext in at any pace, whole frames out.

use super::encryption::{EncryptSummary, Encryption};
use super::frame_batch::FrameBatch;
use crate::error::Error;
use crate::message::MessageHeader;
use crate::seal::FrameSequence;

/// Gathers plaintext, and gives out its frames when they are sealed.
///
/// A full frame is sealed as a regular one when more plaintext is known to follow, so that the final frame is empty only if the
/// message is.
#[derive(Debug)]
pub(crate) struct Encryptor {
    encryption: Encryption,
    sequence: FrameSequence,
    batch: FrameBatch,
    sealed_plaintext_len: u64,
    ciphertext_len: u64,
}

/// The end of a message: its last frames, and the footer, empty if the message is not signed.
pub(crate) struct MessageEnd<'a> {
    pub(crate) frames: &'a [u8],
    pub(crate) footer: Vec<u8>,
    pub(crate) summary: EncryptSummary,
}

impl Encryptor {
    pub(crate) fn new(encryption: Encryption) -> Self {
        let batch = FrameBatch::new(encryption.frame_length, encryption.limits.expected_plaintext_len);
        let ciphertext_len = encryption.header_bytes().len() as u64;
        let sequence = FrameSequence::new();
        Self { encryption, sequence, batch, sealed_plaintext_len: 0, ciphertext_len }
    }

    pub(crate) fn header(&self) -> &MessageHeader {
        self.encryption.header()
    }

    pub(crate) fn header_bytes(&self) -> &[u8] {
        self.encryption.header_bytes()
    }

    /// Whether [`Self::seal_full`] must come before more plaintext.
    pub(crate) fn is_full(&self) -> bool {
        self.batch.is_full()
    }

    /// Takes as much of `plaintext` as fits, and says how much that was: none if the batch is full.
    pub(crate) fn push(&mut self, plaintext: &[u8]) -> Result<usize, Error> {
        let taken = self.batch.push(plaintext);
        let plaintext_len = self.sealed_plaintext_len + self.batch.gathered() as u64;
        self.encryption.limits.check(plaintext_len)?;
        Ok(taken)
    }

    /// Seals the full batch as regular frames, to be written before anything else. Call it when more plaintext follows.
    pub(crate) fn seal_full(&mut self) -> Result<&[u8], Error> {
        debug_assert!(self.batch.is_full());
        self.sealed_plaintext_len += self.batch.gathered() as u64;
        let tickets = self.sequence.next_regular(self.batch.slots())?;
        self.batch.clear();
        let frames = self.batch.seal_regular(&self.encryption.sealer, tickets)?;
        if let Some(signer) = &mut self.encryption.signer {
            signer.update(frames);
        }
        self.ciphertext_len += frames.len() as u64;
        Ok(frames)
    }

    /// Seals what is left, the last of it as the final frame, and adds the footer: the end of the message.
    pub(crate) fn finish(&mut self) -> Result<MessageEnd<'_>, Error> {
        self.sealed_plaintext_len += self.batch.gathered() as u64;
        let frames = self.batch.seal_end(&self.encryption.sealer, &mut self.sequence)?;
        let footer = match self.encryption.signer.take() {
            Some(signer) => signer.finish_after(frames)?,
            None => Vec::new(),
        };
        self.ciphertext_len += (frames.len() + footer.len()) as u64;
        let summary =
            EncryptSummary { plaintext_len: self.sealed_plaintext_len, ciphertext_len: self.ciphertext_len };
        Ok(MessageEnd { frames, footer, summary })
    }
}
