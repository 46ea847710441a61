//! The paved path: settings once, then messages.

#[cfg(feature = "tokio")]
mod asynchronous;
mod outputs;

use std::io::Read;
use std::num::NonZeroUsize;
use std::sync::Arc;

use zeroize::Zeroize;

use crate::cmm::{DecryptionMaterialsRequest, EncryptionMaterialsRequest, MaterialsManager};
use crate::error::Error;
use crate::materials::{EncryptionMaterials, OpenedBy};
use crate::message::MessageHeader;
use crate::options::{ClientBuilder, DecryptOptions, EncryptOptions};
use crate::parallel::all_cores;
use crate::stream::{
    DecryptReader, Decryption, EncryptSummary, Encryption, EncryptionSettings, OpenedHeader, Opening,
    PendingMessage, SliceSealing,
};
use crate::yielding::yield_now;

pub use outputs::{DecryptOutput, EncryptOutput};

/// Cryptography that one poll of a future may do.
const BYTES_PER_POLL: usize = 1 << 20;

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
    pub(crate) settings: ClientBuilder,
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
        let settings = self.settings.resolve(options)?;
        let materials = self.encryption_materials(manager, options, &settings).await?;
        Encryption::start(&materials, &settings, Vec::new())
    }

    pub(crate) async fn encryption_materials(
        &self,
        manager: &dyn MaterialsManager,
        options: &EncryptOptions,
        settings: &EncryptionSettings,
    ) -> Result<Arc<EncryptionMaterials>, Error> {
        let (suite, policy) = (settings.algorithm_suite, settings.commitment_policy);
        let request = EncryptionMaterialsRequest::new(suite, policy, &options.encryption_context)
            .max_plaintext_len(settings.expected_plaintext_len);
        let materials = manager.encryption_materials(request).await?;
        if materials.algorithm_suite() != settings.algorithm_suite {
            return Err(Error::InvalidMaterials("the materials are for another algorithm suite"));
        }
        Ok(materials)
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
        let encryption = self.start_sized(manager, plaintext, options).await?;
        let header = encryption.header().clone();
        let key_material_ids = encryption.key_material_ids().to_vec();
        let mut message = Vec::new();
        seal(encryption, plaintext, &mut message).await?;
        Ok(EncryptOutput { message, header, key_material_ids })
    }

    /// As [`Client::encrypt`], into a vector of which the former contents are replaced: reusing one saves the cost of fresh
    /// memory, which is a large part of the whole.
    ///
    /// # Errors
    /// As for [`Client::encrypt`]; the vector holds nothing of use then.
    pub async fn encrypt_into(
        &self,
        manager: &dyn MaterialsManager,
        plaintext: &[u8],
        message: &mut Vec<u8>,
        options: &EncryptOptions,
    ) -> Result<EncryptSummary, Error> {
        seal(self.start_sized(manager, plaintext, options).await?, plaintext, message).await
    }

    /// Starts the encryption of a plaintext of which the length is known.
    async fn start_sized(
        &self,
        manager: &dyn MaterialsManager,
        plaintext: &[u8],
        options: &EncryptOptions,
    ) -> Result<Encryption, Error> {
        let mut settings = self.settings.resolve(options)?;
        settings.expected_plaintext_len.get_or_insert(plaintext.len() as u64);
        let materials = self.encryption_materials(manager, options, &settings).await?;
        Encryption::start(&materials, &settings, Vec::new())
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
        Ok(DecryptReader::new(
            opened,
            options.release,
            options.threads.unwrap_or_else(all_cores),
            pending.source,
            pending.input,
        ))
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
        let decryption = self.start_decryption(manager, message, options).await;
        let (header, opened_by, mut opening) =
            decryption.inspect_err(|_| plaintext.zeroize())?.into_opening(plaintext);
        while opening.advance(BYTES_PER_POLL, NonZeroUsize::MIN)? {
            yield_now().await;
        }
        Ok((header, opened_by))
    }

    /// Asks for the materials of a message in memory and verifies its header: the asynchronous part of decryption.
    ///
    /// # Errors and cost
    /// As for [`Client::open`].
    pub async fn start_decryption<'a>(
        &self,
        manager: &dyn MaterialsManager,
        message: &'a [u8],
        options: &DecryptOptions,
    ) -> Result<Decryption<'a>, Error> {
        let header = MessageHeader::parse(message, self.settings.limits)?;
        let opened = self.open_header(manager, header, options).await?;
        Ok(Decryption::new(message, opened, options.threads.unwrap_or_else(all_cores)))
    }

    /// Checks a header, asks for its materials, and verifies it.
    pub(crate) async fn open_header(
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
        let (policy, reproduced_context) = (opening.commitment_policy, &options.reproduced_context);
        let request = DecryptionMaterialsRequest::new(&header, policy, reproduced_context);
        let materials = manager.decryption_materials(request).await?;
        opening.open(header, &materials)
    }
}

/// Seals a plaintext, yielding now and then.
async fn seal(
    encryption: Encryption,
    plaintext: &[u8],
    message: &mut Vec<u8>,
) -> Result<EncryptSummary, Error> {
    let mut sealing = SliceSealing::start(encryption, plaintext, message)?;
    while sealing.advance(plaintext, message, BYTES_PER_POLL, NonZeroUsize::MIN)? {
        yield_now().await;
    }
    sealing.finish(plaintext, message)
}
