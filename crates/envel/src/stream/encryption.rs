//! A message about to be written: its header is made, its frames are not.

use std::io::{Read, Write};

use envel_core::primitives::rand;

use super::encryptor::Encryptor;
use super::sync_io::EncryptWriter;
use crate::error::{Error, InvalidCall};
use crate::materials::EncryptionMaterials;
use crate::message::header::HeaderFields;
use crate::message::layout::BodyLayout;
use crate::message::{MessageHeader, MessageId};
use crate::seal::derive::Derivation;
use crate::seal::{DerivedKeys, FrameSealer, FrameSequence, MessageSigner, header};
use crate::suite::CommitmentPolicy;

/// AES-GCM keeps a margin of 2^-37 for a message of this length, and the format has no way to change keys.
const MAX_MESSAGE_LEN: u64 = 1 << 50;

/// What a message is made with, beside its materials.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncryptionSettings {
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
    header: MessageHeader,
    key_material_ids: Vec<Option<String>>,
    pub(super) sealer: FrameSealer,
    pub(super) signer: Option<MessageSigner>,
    pub(super) max_plaintext_len: u64,
    pub(super) expected_plaintext_len: Option<u64>,
}

impl Encryption {
    /// Draws the message ID, derives the keys, and makes the header. The data key is wiped when this returns.
    pub(crate) fn start(
        materials: EncryptionMaterials,
        settings: &EncryptionSettings,
    ) -> Result<Self, Error> {
        let suite = materials.algorithm_suite.suite();
        let policy = settings.commitment_policy;
        if !policy.allows_encrypt(&suite) {
            return Err(InvalidCall::CommitmentPolicy { policy, suite: suite.id }.into());
        }
        if suite.is_signed() != materials.signing_key.is_some() {
            return Err(Error::InvalidMaterials("the signing key does not agree with the algorithm suite"));
        }
        if materials.encrypted_data_keys.is_empty() {
            return Err(Error::InvalidMaterials("there is no encrypted data key"));
        }
        if materials.encrypted_data_keys.len() > usize::from(settings.max_encrypted_data_keys) {
            return Err(InvalidCall::Header("too many encrypted data keys").into());
        }
        let frame_length = settings.frame_length;
        let max_plaintext_len = MAX_MESSAGE_LEN.min(u64::from(frame_length) * u64::from(u32::MAX));
        let message_id = MessageId::try_filled_by(suite.message_version(), rand::fill)?;
        let derived = DerivedKeys::derive(&suite, &materials.data_key, &message_id, Derivation::Specified)?;
        let (stored, required_only) = materials.encryption_context.partition(&materials.required_names);
        let fields = HeaderFields {
            suite: suite.id,
            message_id,
            encryption_context: stored,
            encrypted_data_keys: materials.encrypted_data_keys,
            frame_length,
            commit_key: derived.commit_key,
        };
        let header = fields
            .write(|body| header::seal(&derived.message_key, body, &required_only))
            .ok_or(InvalidCall::Header("a field is longer than its length field can say"))??;
        let signer = materials.signing_key.map(|key| {
            let mut signer = MessageSigner::new(key);
            signer.update(header.as_bytes());
            signer
        });
        Ok(Self {
            sealer: FrameSealer::new(derived.message_key, message_id),
            header,
            key_material_ids: materials.key_material_ids,
            signer,
            max_plaintext_len,
            expected_plaintext_len: settings.expected_plaintext_len,
        })
    }

    /// The header as it will be written.
    pub fn header(&self) -> &MessageHeader {
        &self.header
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
        Ok(self.header.header_len() as u64 + layout.body_len() + footer_len as u64)
    }

    fn layout(&self, plaintext_len: u64) -> Result<BodyLayout, Error> {
        self.check_plaintext_len(plaintext_len)?;
        Ok(BodyLayout::for_plaintext(plaintext_len, self.header.frame_length())?)
    }

    /// Refuses more plaintext than was announced, and more than a message holds.
    pub(super) fn check_plaintext_len(&self, plaintext_len: u64) -> Result<(), Error> {
        if let Some(expected) = self.expected_plaintext_len.filter(|expected| plaintext_len > *expected) {
            return Err(InvalidCall::LongerThanExpected { expected }.into());
        }
        if plaintext_len > self.max_plaintext_len {
            let frame_length = self.header.frame_length();
            return Err(InvalidCall::MessageLength { max: self.max_plaintext_len, frame_length }.into());
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
        writer.write_all(encryptor.header().as_bytes())?;
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
        let checked = encryption.layout(plaintext.len() as u64).and_then(|layout| {
            let message_len = encryption.message_len(plaintext.len() as u64)?;
            let fits = usize::try_from(message_len);
            Ok((layout, fits.map_err(|_| InvalidCall::Header("the message does not fit into memory"))?))
        });
        let (layout, message_len) = checked.inspect_err(|_| out.clear())?;
        if out.len() < message_len {
            // Zeroed pages from the system cost nothing until they are written.
            *out = vec![0; message_len];
        }
        out.truncate(message_len);
        let header = encryption.header.as_bytes();
        let out_at = header.len();
        out[..out_at].copy_from_slice(header);
        Ok(Self { encryption, sequence: FrameSequence::new(), layout, plaintext_at: 0, out_at })
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
