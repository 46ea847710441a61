//! A message about to be written: its header is made, its frames are not.

use std::io::{Read, Write};
use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};

use envel_core::primitives::rand;

use super::slices::SliceSealing;
use super::sync_io::EncryptWriter;
use crate::error::{Error, InvalidCall};
use crate::materials::EncryptionMaterials;
use crate::message::header::HeaderFields;
use crate::message::layout::BodyLayout;
use crate::message::{HeaderLimits, MessageHeader, MessageId};
use crate::parallel;
use crate::seal::derive::Derivation;
use crate::seal::{DerivedKeys, FrameSealer, MessageSigner, header};
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
    pub(crate) threads: NonZeroUsize,
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
    threads: NonZeroUsize,
    pub(super) frame_length: u32,
    pub(super) sealer: FrameSealer,
    pub(super) signer: Option<MessageSigner>,
    pub(super) limits: PlaintextLimits,
}

/// What is left of an encryption when its header is written.
pub(crate) struct EncryptionParts {
    pub(crate) header_bytes: Vec<u8>,
    pub(crate) sealer: FrameSealer,
    pub(crate) signer: Option<MessageSigner>,
    pub(crate) frame_length: u32,
    pub(crate) limits: PlaintextLimits,
}

/// How much plaintext a message takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlaintextLimits {
    /// What the caller announced.
    pub(crate) expected_plaintext_len: Option<u64>,
    max_plaintext_len: u64,
    frame_length: u32,
}

impl PlaintextLimits {
    fn new(settings: &EncryptionSettings) -> Self {
        let frame_length = settings.frame_length;
        Self {
            expected_plaintext_len: settings.expected_plaintext_len,
            max_plaintext_len: MAX_MESSAGE_LEN.min(u64::from(frame_length) * u64::from(u32::MAX)),
            frame_length,
        }
    }

    /// Refuses more plaintext than was announced, and more than a message holds.
    pub(crate) fn check(&self, plaintext_len: u64) -> Result<(), Error> {
        if let Some(expected) = self.expected_plaintext_len.filter(|expected| plaintext_len > *expected) {
            return Err(InvalidCall::LongerThanExpected { expected }.into());
        }
        if plaintext_len > self.max_plaintext_len {
            let (max, frame_length) = (self.max_plaintext_len, self.frame_length);
            return Err(InvalidCall::MessageLength { max, frame_length }.into());
        }
        Ok(())
    }
}

impl Encryption {
    /// Draws the message ID, derives the keys, and writes the header into `buffer`. The materials are not needed afterwards.
    pub(crate) fn start(
        materials: &EncryptionMaterials,
        settings: &EncryptionSettings,
        buffer: Vec<u8>,
    ) -> Result<Self, Error> {
        materials.claim()?;
        let version = materials.algorithm_suite().message_version();
        let message_id = MessageId::try_filled_by(version, rand::fill)?;
        Self::start_with_id(materials, settings, message_id, buffer)
    }

    /// As [`Self::start`], with a message ID that must never have been used with this data key.
    fn start_with_id(
        materials: &EncryptionMaterials,
        settings: &EncryptionSettings,
        message_id: MessageId,
        mut buffer: Vec<u8>,
    ) -> Result<Self, Error> {
        let suite = materials.algorithm_suite();
        if materials.encrypted_data_key_count() > usize::from(settings.max_encrypted_data_keys) {
            return Err(InvalidCall::Header("too many encrypted data keys").into());
        }
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
            limits: PlaintextLimits::new(settings),
            threads: settings.threads,
        })
    }

    pub(crate) fn into_parts(self) -> EncryptionParts {
        let Self { header_bytes, sealer, signer, frame_length, limits, .. } = self;
        EncryptionParts { header_bytes, sealer, signer, frame_length, limits }
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
        self.limits.check(plaintext_len)?;
        Ok(BodyLayout::for_plaintext(plaintext_len, self.frame_length)?)
    }

    /// Writes the whole message for a plaintext in memory into `out`, of which the former contents are replaced. A vector
    /// that is long enough is neither grown nor cleared first, so reusing one costs nothing.
    ///
    /// Uses several threads where there is enough to do: see [`crate::EncryptOptions::threads`].
    ///
    /// # Errors
    /// [`Error::InvalidCall`] if the plaintext is longer than announced or than a message holds; `out` is empty then.
    pub fn seal_into(self, plaintext: &[u8], out: &mut Vec<u8>) -> Result<EncryptSummary, Error> {
        let threads = self.threads;
        let mut sealing = SliceSealing::start(self, plaintext, out)?;
        while sealing.advance(plaintext, out, usize::MAX, threads)? {}
        sealing.finish(plaintext, out)
    }

    /// Completes the message in the buffer that already holds its header: for short messages, without another allocation.
    pub(crate) fn seal_behind_header(mut self, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let (layout, message_len) = self.checked_layout(plaintext)?;
        let mut message = std::mem::take(&mut self.header_bytes);
        let header_len = message.len();
        message.resize(message_len, 0);
        let mut sealing = SliceSealing::behind_header(self, layout, header_len);
        while sealing.advance(plaintext, &mut message, usize::MAX, NonZeroUsize::MIN)? {}
        sealing.finish(plaintext, &mut message)?;
        Ok(message)
    }

    pub(super) fn checked_layout(&self, plaintext: &[u8]) -> Result<(BodyLayout, usize), Error> {
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
    /// Uses several threads where there is enough to do: see [`crate::EncryptOptions::threads`].
    ///
    /// # Errors
    /// [`Error::Io`] if reading or writing fails: what was written is not a whole message then, and every reader will say so.
    ///
    /// # Cost
    /// Memory of about 1 MiB for each thread, and 1 MiB more. With frames longer than 512 KiB, of two frames for each thread and two
    /// more; fewer threads work then, so that they hold 256 MiB at most.
    pub fn copy(
        self,
        reader: &mut (impl Read + ?Sized),
        writer: &mut (impl Write + ?Sized),
    ) -> Result<EncryptSummary, Error> {
        let threads = self.threads;
        parallel::encrypt(self, reader, writer, threads)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use envel_core::{DataKey, EncryptedDataKey, EncryptionContext, SecretBytes};

    use super::*;
    use crate::keyring::WrappedKey;
    use crate::suite::AlgorithmSuiteId;

    fn materials(suite: AlgorithmSuite) -> EncryptionMaterials {
        let wrapped = WrappedKey::new(EncryptedDataKey {
            key_provider_id: "tests".into(),
            key_provider_info: vec![],
            ciphertext: vec![1],
        });
        let data_key = DataKey::new(SecretBytes::copied_from(&[8; 32]));
        let context = EncryptionContext::new();
        EncryptionMaterials::new(suite, context, &[], data_key, vec![wrapped], None).unwrap()
    }

    fn settings(algorithm_suite: AlgorithmSuite, threads: usize, frame_length: u32) -> EncryptionSettings {
        EncryptionSettings {
            algorithm_suite,
            commitment_policy: CommitmentPolicy::ForbidEncryptAllowDecrypt,
            frame_length,
            max_encrypted_data_keys: 10,
            threads: NonZeroUsize::new(threads).unwrap(),
            expected_plaintext_len: None,
        }
    }

    /// The same data key and message ID each time: what a test may do and nobody else.
    fn repeatable(threads: usize, frame_length: u32) -> Encryption {
        let suite = AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey.suite();
        let settings = settings(suite, threads, frame_length);
        let message_id = MessageId::try_from(&[9; 32][..]).unwrap();
        Encryption::start_with_id(&materials(suite), &settings, message_id, Vec::new()).unwrap()
    }

    #[test]
    fn a_data_key_that_encrypts_by_itself_serves_one_message() {
        let suite = AlgorithmSuiteId::Aes256GcmNoKdf.suite();
        let (materials, settings) = (materials(suite), settings(suite, 1, 1000));
        Encryption::start(&materials, &settings, Vec::new()).unwrap();
        let again = Encryption::start(&materials, &settings, Vec::new());
        assert!(matches!(again, Err(Error::InvalidMaterials(_))));
    }

    #[test]
    fn every_way_to_write_a_message_gives_the_same_bytes() {
        for (length, frame_length) in
            [(0, 1000), (999, 1000), (1000, 1000), (9 << 20, 1000), (9 << 20, 1 << 20)]
        {
            let plaintext: Vec<u8> = (0..length).map(|index: u32| (index % 253) as u8).collect();
            let mut expected = Vec::new();
            repeatable(1, frame_length).seal_into(&plaintext, &mut expected).unwrap();
            let mut writer = repeatable(1, frame_length).into_writer(Vec::new());
            plaintext.chunks(7777).for_each(|piece| writer.write_all(piece).unwrap());
            assert!(writer.finish().unwrap().0 == expected, "writer, {length}/{frame_length}");
            assert!(repeatable(1, frame_length).seal_behind_header(&plaintext).unwrap() == expected);
            for threads in [1, 2, 5] {
                let (mut sealed, mut copied) = (Vec::new(), Vec::new());
                repeatable(threads, frame_length).seal_into(&plaintext, &mut sealed).unwrap();
                repeatable(threads, frame_length).copy(&mut &plaintext[..], &mut copied).unwrap();
                assert!(
                    sealed == expected && copied == expected,
                    "{threads} threads, {length}/{frame_length}"
                );
            }
        }
    }
}
