//! A message about to be written: its header is made, its frames are not.

use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use envel_core::primitives::rand;

use super::encryptor::Encryptor;
use super::size_for_overwriting;
use super::sync_io::EncryptWriter;
use crate::error::{Error, InvalidCall};
use crate::materials::EncryptionMaterials;
use crate::message::header::HeaderFields;
use crate::message::layout::BodyLayout;
use crate::message::{HeaderLimits, MessageHeader, MessageId};
use crate::seal::derive::Derivation;
use crate::seal::{DerivedKeys, FrameSealer, FrameSequence, MessageSigner, header};
use crate::suite::{AlgorithmSuite, CommitmentPolicy};

/// AES-GCM keeps a margin of 2^-37 for a message of this length, and the format has no way to change keys.
const MAX_MESSAGE_LEN: u64 = 1 << 50;

/// What a message is made with, beside its materials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncryptionSettings {
    pub(crate) algorithm_suite: AlgorithmSuite,
    pub(crate) commitment_policy: CommitmentPolicy,
    pub(crate) frame_length: u32,
    pub(crate) max_encrypted_data_keys: u16,
    /// The most plaintext that may come, if the caller promised so.
    pub(crate) expected_plaintext_len: Option<u64>,
}

/// What a finished encryption took and wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncryptSummary {
    /// Bytes of plaintext.
    pub plaintext_len: u64,
    /// Bytes of the message, header and footer included.
    pub ciphertext_len: u64,
}

/// A message about to be written: its keys are there, its plaintext is not.
///
/// Made by [`crate::Client::start_encryption`], which does the asynchronous part. From here on nothing asks a KMS.
#[derive(Debug)]
pub struct Encryption {
    header_bytes: Vec<u8>,
    header: OnceLock<MessageHeader>,
    key_material_ids: Arc<[Option<String>]>,
    pub(super) frame_length: u32,
    pub(super) sealer: FrameSealer,
    pub(super) signer: Option<MessageSigner>,
    max_plaintext_len: u64,
    pub(super) expected_plaintext_len: Option<u64>,
}

impl Encryption {
    /// Draws the message ID, derives the keys, and writes the header into `buffer`. The materials are not needed afterwards.
    pub(crate) fn start(
        materials: &EncryptionMaterials,
        settings: &EncryptionSettings,
        mut buffer: Vec<u8>,
    ) -> Result<Self, Error> {
        let suite = materials.algorithm_suite();
        if materials.encrypted_data_key_count() > usize::from(settings.max_encrypted_data_keys) {
            return Err(InvalidCall::Header("too many encrypted data keys").into());
        }
        let message_id = MessageId::try_filled_by(suite.message_version(), rand::fill)?;
        let derived = DerivedKeys::derive(&suite, materials.data_key(), &message_id, Derivation::Specified)?;
        let frame_length = settings.frame_length;
        let fields = HeaderFields {
            suite: suite.id,
            message_id,
            sections: materials.header_sections(),
            frame_length,
            commit_key: derived.commit_key,
        };
        buffer.clear();
        fields
            .write(&mut buffer, |body| header::seal(&derived.message_key, body, materials.required_only()))?;
        let signer = materials.signing_key().map(|key| {
            let mut signer = MessageSigner::new(key.clone());
            signer.update(&buffer);
            signer
        });
        Ok(Self {
            header_bytes: buffer,
            header: OnceLock::new(),
            key_material_ids: materials.key_material_ids().clone(),
            frame_length,
            sealer: FrameSealer::new(derived.message_key, message_id),
            signer,
            max_plaintext_len: MAX_MESSAGE_LEN.min(u64::from(frame_length) * u64::from(u32::MAX)),
            expected_plaintext_len: settings.expected_plaintext_len,
        })
    }

    /// The header as it will be written.
    ///
    /// # Panics
    /// Never: a header that was written can be parsed.
    pub fn header(&self) -> &MessageHeader {
        self.header.get_or_init(|| {
            MessageHeader::parse(&self.header_bytes, HeaderLimits::NONE)
                .expect("a header that was written can be parsed")
        })
    }

    /// The bytes of the header.
    pub(super) fn header_bytes(&self) -> &[u8] {
        &self.header_bytes
    }

    /// Which key material wrapped each encrypted data key, where the KMS says.
    pub fn key_material_ids(&self) -> &[Option<String>] {
        &self.key_material_ids
    }

    /// Bytes that the whole message has for a plaintext of this many.
    ///
    /// # Errors
    /// [`InvalidCall::MessageLength`] if so many do not fit one message.
    pub fn message_len(&self, plaintext_len: u64) -> Result<u64, Error> {
        let layout = self.layout(plaintext_len)?;
        let footer_len = self.signer.as_ref().map_or(0, MessageSigner::footer_len);
        Ok(self.header_bytes.len() as u64 + layout.body_len() + footer_len as u64)
    }

    fn layout(&self, plaintext_len: u64) -> Result<BodyLayout, Error> {
        self.check_plaintext_len(plaintext_len)?;
        Ok(BodyLayout::for_plaintext(plaintext_len, self.frame_length)?)
    }

    /// Refuses more plaintext than was announced, and more than a message holds.
    pub(super) fn check_plaintext_len(&self, plaintext_len: u64) -> Result<(), Error> {
        if let Some(expected) = self.expected_plaintext_len.filter(|expected| plaintext_len > *expected) {
            return Err(InvalidCall::LongerThanExpected { expected }.into());
        }
        if plaintext_len > self.max_plaintext_len {
            let (max, frame_length) = (self.max_plaintext_len, self.frame_length);
            return Err(InvalidCall::MessageLength { max, frame_length }.into());
        }
        Ok(())
    }

    /// Writes the whole message for a plaintext in memory into `out`, of which the former contents are replaced. A vector
    /// that is long enough is neither grown nor cleared first, so reusing one costs nothing.
    ///
    /// # Errors
    /// [`Error::InvalidCall`] if the plaintext is longer than announced or than a message holds; `out` is empty then.
    pub fn seal_into(self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<EncryptSummary, Error> {
        let mut sealing = SliceSealing::start(self, plaintext, out)?;
        while sealing.advance(plaintext, out, usize::MAX)? {}
        sealing.finish(out)
    }

    /// Completes the message in the buffer that already holds its header: for short messages, without another allocation.
    pub(crate) fn seal_behind_header(mut self, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let (layout, message_len) = self.checked_layout(plaintext)?;
        let mut message = std::mem::take(&mut self.header_bytes);
        let header_len = message.len();
        message.resize(message_len, 0);
        let mut sealing = SliceSealing::new(self, layout, header_len);
        while sealing.advance(plaintext, &mut message, usize::MAX)? {}
        sealing.finish(&mut message)?;
        Ok(message)
    }

    fn checked_layout(&self, plaintext: &[u8]) -> Result<(BodyLayout, usize), Error> {
        let layout = self.layout(plaintext.len() as u64)?;
        let message_len = usize::try_from(self.message_len(plaintext.len() as u64)?)
            .map_err(|_| InvalidCall::Header("the message does not fit into memory"))?;
        Ok((layout, message_len))
    }

    /// Writes the message to `sink` as plaintext is written to it.
    pub fn into_writer<W: Write>(self, sink: W) -> EncryptWriter<W> {
        EncryptWriter::new(self, sink)
    }

    /// Reads plaintext to its end and writes the message. Plaintext is read to where it is sealed, without a copy between.
    ///
    /// # Errors
    /// [`Error::Io`] if reading or writing fails: what was written is not a whole message then, and every reader will say so.
    ///
    /// # Cost
    /// Memory of about 1 MiB, or one frame if that is longer.
    pub fn copy(
        self,
        reader: &mut (impl Read + ?Sized),
        writer: &mut (impl Write + ?Sized),
    ) -> Result<EncryptSummary, Error> {
        let mut encryptor = Encryptor::new(self);
        writer.write_all(encryptor.header_bytes())?;
        loop {
            if encryptor.is_full() {
                // Only who knows that more follows may seal the last frame as a regular one.
                let mut next = [0];
                if read_some(|| reader.read(&mut next))? == 0 {
                    break;
                }
                writer.write_all(encryptor.seal_full()?)?;
                encryptor.push(&next)?;
            }
            let count = read_some(|| reader.read_vectored(&mut encryptor.rooms()))?;
            if count == 0 {
                break;
            }
            encryptor.advance(count)?;
        }
        let (end, summary) = encryptor.finish()?;
        writer.write_all(end)?;
        Ok(summary)
    }
}

/// Reads once, and again where a signal came between.
fn read_some(mut read: impl FnMut() -> std::io::Result<usize>) -> std::io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// The sealing of a plaintext in memory, in steps, so that an asynchronous caller can yield between them.
pub(crate) struct SliceSealing {
    encryption: Encryption,
    sequence: FrameSequence,
    layout: BodyLayout,
    plaintext_at: usize,
    out_at: usize,
}

impl SliceSealing {
    /// Sizes `out` and writes the header.
    pub(crate) fn start(encryption: Encryption, plaintext: &[u8], out: &mut Vec<u8>) -> Result<Self, Error> {
        let (layout, message_len) = encryption.checked_layout(plaintext).inspect_err(|_| out.clear())?;
        size_for_overwriting(out, message_len);
        out.truncate(message_len);
        let header = encryption.header_bytes();
        let header_len = header.len();
        out[..header_len].copy_from_slice(header);
        Ok(Self::new(encryption, layout, header_len))
    }

    fn new(encryption: Encryption, layout: BodyLayout, header_len: usize) -> Self {
        let sequence = FrameSequence::new();
        Self { encryption, sequence, layout, plaintext_at: 0, out_at: header_len }
    }

    /// Seals about `budget` more bytes; whether there are frames left.
    pub(crate) fn advance(&mut self, plaintext: &[u8], out: &mut [u8], budget: usize) -> Result<bool, Error> {
        use crate::message::frame::{FINAL_HEAD_LEN, FINAL_OVERHEAD, REGULAR_HEAD_LEN, REGULAR_OVERHEAD};
        let frame_length = self.layout.frame_length as usize;
        let stop = self.plaintext_at.saturating_add(budget);
        loop {
            let rest = &plaintext[self.plaintext_at..];
            let is_final = rest.len() <= frame_length;
            let (head_len, overhead) = if is_final {
                (FINAL_HEAD_LEN, FINAL_OVERHEAD)
            } else {
                (REGULAR_HEAD_LEN, REGULAR_OVERHEAD)
            };
            let contents = &rest[..rest.len().min(frame_length)];
            let frame = &mut out[self.out_at..self.out_at + contents.len() + overhead];
            frame[head_len..head_len + contents.len()].copy_from_slice(contents);
            if is_final {
                self.encryption.sealer.seal_final(self.sequence.take_final()?, frame)?;
            } else {
                self.encryption.sealer.seal_regular(self.sequence.next_regular()?, frame)?;
            }
            if let Some(signer) = &mut self.encryption.signer {
                signer.update(frame);
            }
            self.plaintext_at += contents.len();
            self.out_at += frame.len();
            if is_final || self.plaintext_at >= stop {
                return Ok(!is_final);
            }
        }
    }

    /// Writes the footer.
    pub(crate) fn finish(self, out: &mut [u8]) -> Result<EncryptSummary, Error> {
        if let Some(signer) = self.encryption.signer {
            out[self.out_at..].copy_from_slice(&signer.finish()?);
        }
        debug_assert_eq!(self.layout.plaintext_len(), self.plaintext_at as u64);
        Ok(EncryptSummary { plaintext_len: self.plaintext_at as u64, ciphertext_len: out.len() as u64 })
    }
}
