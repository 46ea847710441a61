//! The paved path: settings once, then messages.

use std::io::Read;

use zeroize::Zeroize;

use crate::cmm::{DecryptionMaterialsRequest, EncryptionMaterialsRequest, MaterialsManager};
use crate::error::{Error, InvalidCall};
use crate::materials::OpenedBy;
use crate::message::MessageHeader;
use crate::options::{ClientBuilder, DEFAULT_FRAME_LENGTH, DecryptOptions, EncryptOptions};
use crate::stream::{
    DecryptReader, Encryption, EncryptionSettings, OpenedHeader, Opening, PendingMessage, SliceOpening,
    SliceSealing,
};
use crate::yielding::yield_now;

/// Cryptography that one poll of a future may do.
const BYTES_PER_POLL: usize = 1 << 20;

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
#[derive(Debug)]
#[non_exhaustive]
pub struct DecryptOutput {
    /// The plaintext.
    pub plaintext: Vec<u8>,
    /// The message's header.
    pub header: MessageHeader,
    /// Which encrypted data key was opened, and by what.
    pub opened_by: OpenedBy,
}

/// Encrypts and decrypts messages by one set of rules. Cheap to copy.
///
/// ```
/// use std::sync::Arc;
/// use envel::{Client, DecryptOptions, DefaultManager, EncryptOptions, EncryptionContext, ErrorKind, RawAesKeyring, SecretBytes};
///
/// # pollster::block_on(async {
/// let wrapping_key = SecretBytes::try_filled_by(32, envel::primitives::rand::fill)?;
/// let manager = DefaultManager::new(Arc::new(RawAesKeyring::new("my-app", "key-1", &wrapping_key)?));
/// let client = Client::builder().build();
///
/// let context = EncryptionContext::try_from_pairs([("tenant", "42")])?;
/// let options = EncryptOptions::new().encryption_context(context.clone());
/// let mut message = client.encrypt(&manager, b"attack at dawn", &options).await?.message;
///
/// let options = DecryptOptions::new().encryption_context(context);
/// assert_eq!(client.decrypt(&manager, &message, &options).await?.plaintext, b"attack at dawn");
///
/// *message.last_mut().unwrap() ^= 1;
/// let error = client.decrypt(&manager, &message, &options).await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Unauthentic);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Specification
/// `client-apis/client.md`, `client-apis/encrypt.md`, `client-apis/decrypt.md`.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    settings: ClientBuilder,
}

impl Default for Client {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl Client {
    pub(crate) fn new(settings: ClientBuilder) -> Self {
        Self { settings }
    }

    /// Starts from the defaults.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// Asks for materials and makes the header: the asynchronous part of encryption.
    ///
    /// # Errors
    /// [`Error::InvalidCall`] for options that cannot be; [`Error::Wrap`] if a keyring fails.
    ///
    /// # Cost
    /// What the materials manager costs: with a KMS keyring, one GenerateDataKey, and one Encrypt for each further key.
    pub async fn start_encryption(
        &self,
        manager: &dyn MaterialsManager,
        options: &EncryptOptions,
    ) -> Result<Encryption, Error> {
        let policy = self.settings.commitment_policy;
        let suite = options.algorithm_suite.unwrap_or(policy.default_suite(options.is_signed));
        if !policy.allows_encrypt(&suite.suite()) {
            return Err(InvalidCall::CommitmentPolicy { policy, suite }.into());
        }
        if options.is_signed && !suite.suite().is_signed() {
            return Err(InvalidCall::SuiteDoesNotSign { suite }.into());
        }
        let (frame_length, max) =
            (options.frame_length.unwrap_or(DEFAULT_FRAME_LENGTH), self.settings.max_frame_length);
        if frame_length == 0 || frame_length > max {
            return Err(InvalidCall::FrameLength { frame_length, max }.into());
        }
        let request = EncryptionMaterialsRequest {
            encryption_context: options.encryption_context.clone(),
            required_names: Vec::new(),
            algorithm_suite: suite,
            commitment_policy: policy,
            max_plaintext_len: options.expected_plaintext_len,
        };
        let settings = EncryptionSettings {
            commitment_policy: policy,
            frame_length,
            max_encrypted_data_keys: self.settings.limits.max_encrypted_data_keys,
            expected_plaintext_len: options.expected_plaintext_len,
        };
        Encryption::start(manager.encryption_materials(request).await?, &settings)
    }

    /// Encrypts a plaintext in memory.
    ///
    /// # Errors
    /// As for [`Client::start_encryption`]; [`Error::InvalidCall`] if the plaintext is longer than announced.
    ///
    /// # Cost
    /// As for [`Client::start_encryption`]. The future yields after each MiB, or each frame if that is longer.
    pub async fn encrypt(
        &self,
        manager: &dyn MaterialsManager,
        plaintext: &[u8],
        options: &EncryptOptions,
    ) -> Result<EncryptOutput, Error> {
        let mut options = options.clone();
        options.expected_plaintext_len.get_or_insert(plaintext.len() as u64);
        let encryption = self.start_encryption(manager, &options).await?;
        let header = encryption.header().clone();
        let key_material_ids = encryption.key_material_ids().to_vec();
        let mut message = Vec::new();
        let mut sealing = SliceSealing::start(encryption, plaintext, &mut message)?;
        while sealing.advance(plaintext, &mut message, BYTES_PER_POLL)? {
            yield_now().await;
        }
        sealing.finish(&mut message)?;
        Ok(EncryptOutput { message, header, key_material_ids })
    }

    /// Reads a header. Nothing is verified yet.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Truncated`], [`Error::Io`]; [`Error::Refused`] beyond the limits.
    pub fn read_header<R: Read>(&self, source: R) -> Result<PendingMessage<R>, Error> {
        PendingMessage::read(source, self.settings.limits)
    }

    /// Asks for materials and verifies the header: the asynchronous part of decryption.
    ///
    /// # What is verified
    /// The header: its tag, the commitment to the data key, the encryption context.
    ///
    /// # Errors
    /// [`Error::Refused`] by the caller's rules, before a key is asked for where possible; [`Error::Unwrap`] if no key opens the
    /// message; [`Error::HeaderUnauthentic`].
    ///
    /// # Cost
    /// What the materials manager costs: with a KMS keyring, one Decrypt.
    pub async fn open<R>(
        &self,
        manager: &dyn MaterialsManager,
        pending: PendingMessage<R>,
        options: &DecryptOptions,
    ) -> Result<DecryptReader<R>, Error> {
        let opened = self.open_header(manager, pending.header, options).await?;
        Ok(DecryptReader::new(opened, options.release, pending.source, pending.input))
    }

    /// As [`Client::read_header`], from an asynchronous source.
    ///
    /// # Errors
    /// As for [`Client::read_header`].
    #[cfg(feature = "tokio")]
    pub async fn read_header_async<R: tokio::io::AsyncRead + Unpin>(
        &self,
        source: R,
    ) -> Result<crate::stream::AsyncPendingMessage<R>, Error> {
        crate::stream::AsyncPendingMessage::read(source, self.settings.limits).await
    }

    /// As [`Client::open`], for an asynchronous source.
    ///
    /// # Errors
    /// As for [`Client::open`].
    #[cfg(feature = "tokio")]
    pub async fn open_async<R>(
        &self,
        manager: &dyn MaterialsManager,
        pending: crate::stream::AsyncPendingMessage<R>,
        options: &DecryptOptions,
    ) -> Result<crate::stream::AsyncDecryptReader<R>, Error> {
        let opened = self.open_header(manager, pending.header, options).await?;
        let (source, input) = (pending.source, pending.input);
        Ok(crate::stream::AsyncDecryptReader::new(opened, options.release, source, input))
    }

    /// Decrypts a whole message in memory.
    ///
    /// # What is verified
    /// Everything, before anything is returned: header, frames, signature, and that nothing follows.
    ///
    /// # Errors
    /// As for [`Client::open`]; [`Error::FrameUnauthentic`], [`Error::SignatureUnauthentic`], [`Error::Truncated`],
    /// [`Error::Malformed`]. The caller holds nothing of the plaintext then.
    ///
    /// # Cost
    /// As for [`Client::open`]. The future yields after each MiB, or each frame if that is longer.
    pub async fn decrypt(
        &self,
        manager: &dyn MaterialsManager,
        message: &[u8],
        options: &DecryptOptions,
    ) -> Result<DecryptOutput, Error> {
        let mut plaintext = Vec::new();
        let (header, opened_by) = self.decrypt_into(manager, message, &mut plaintext, options).await?;
        Ok(DecryptOutput { plaintext, header, opened_by })
    }

    /// As [`Client::decrypt`], into a vector of which the former contents are replaced: reusing one saves the cost of fresh
    /// memory, which is a large part of the whole. After an error it is empty.
    ///
    /// # Errors
    /// As for [`Client::decrypt`].
    pub async fn decrypt_into(
        &self,
        manager: &dyn MaterialsManager,
        message: &[u8],
        plaintext: &mut Vec<u8>,
        options: &DecryptOptions,
    ) -> Result<(MessageHeader, OpenedBy), Error> {
        let outcome = self.decrypt_slice(manager, message, plaintext, options).await;
        if outcome.is_err() {
            plaintext.zeroize();
        }
        outcome
    }

    async fn decrypt_slice(
        &self,
        manager: &dyn MaterialsManager,
        message: &[u8],
        plaintext: &mut Vec<u8>,
        options: &DecryptOptions,
    ) -> Result<(MessageHeader, OpenedBy), Error> {
        let header = MessageHeader::parse(message, self.settings.limits)?;
        let OpenedHeader { header, opened_by, body } = self.open_header(manager, header, options).await?;
        let mut opening = SliceOpening::start(body, header.header_len(), message, plaintext);
        while opening.advance(message, plaintext, BYTES_PER_POLL)? {
            yield_now().await;
        }
        plaintext.truncate(opening.plaintext_len());
        Ok((header, opened_by))
    }

    async fn open_header(
        &self,
        manager: &dyn MaterialsManager,
        header: MessageHeader,
        options: &DecryptOptions,
    ) -> Result<OpenedHeader, Error> {
        let opening = Opening {
            commitment_policy: self.settings.commitment_policy,
            max_frame_length: self.settings.max_frame_length,
            max_non_framed_len: self.settings.max_non_framed_len,
            net_v4_retry: self.settings.net_v4_retry,
            unsigned_only: options.is_unsigned_only,
        };
        opening.check_header(&header)?;
        let request = DecryptionMaterialsRequest {
            algorithm_suite: header.algorithm_suite().id,
            commitment_policy: opening.commitment_policy,
            encrypted_data_keys: header.encrypted_data_keys().to_vec(),
            encryption_context: header.encryption_context().clone(),
            reproduced_context: options.reproduced_context.clone(),
        };
        opening.open(header, manager.decryption_materials(request).await?)
    }
}
