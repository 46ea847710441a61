//! Messages made byte by byte: as other writers make them, and as none should.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use envel::context::PUBLIC_KEY_NAME;
use envel::primitives::aead::{AeadKey, IV_LEN};
use envel::primitives::digest::digest;
use envel::primitives::ecdsa::SigningKey;
use envel::primitives::hkdf;
use envel::{
    AlgorithmSuite, AlgorithmSuiteId, DataKey, EncryptedDataKey, EncryptionContext, KeyDerivation, Keyring,
    MessageVersion, RawAesKeyring, SecretBytes, WrapRequest,
};
use pollster::block_on;

/// Plaintext bytes in a frame of a crafted message, unless it says otherwise.
pub(crate) const FRAME_LENGTH: u32 = 16;

/// A keyring whose key wraps the data keys of crafted messages.
pub(crate) fn keyring() -> Arc<dyn Keyring> {
    Arc::new(RawAesKeyring::new("tests", "crafted", &SecretBytes::copied_from(&[0x0c; 32])).unwrap())
}

/// The data key of crafted messages.
pub(crate) fn data_key(suite: &AlgorithmSuite) -> DataKey {
    DataKey::new(SecretBytes::copied_from(&vec![0xd4; suite.data_key_len()]))
}

/// A data key as the keyring of crafted messages wraps it.
pub(crate) fn wrapped(
    suite: &AlgorithmSuite,
    context: &EncryptionContext,
    data_key: &DataKey,
) -> EncryptedDataKey {
    let request = WrapRequest::wrap(*suite, context, data_key);
    block_on(keyring().wrap_data_key(request)).unwrap().wrapped.remove(0).encrypted_data_key
}

/// What a crafted message is made of: sound as it comes, to be spoilt field by field.
pub(crate) struct Crafted {
    pub(crate) suite: AlgorithmSuite,
    /// The context that the keyring gets, the public key of a signed message included.
    pub(crate) context: EncryptionContext,
    /// The context as the header spells it; by default in canonical form.
    pub(crate) stored_context: Option<Vec<u8>>,
    /// What the header's tag covers behind the header.
    pub(crate) header_suffix: Vec<u8>,
    /// By default the data key, wrapped once.
    pub(crate) encrypted_data_keys: Option<Vec<EncryptedDataKey>>,
    pub(crate) content_type: u8,
    pub(crate) frame_length: u32,
    pub(crate) header_iv: [u8; IV_LEN],
    /// The first eight bytes of the IVs of frames; their number follows.
    pub(crate) iv_start: [u8; 8],
    /// Leaves the message ID out of the key derivation, as the .NET library 4.0.0 did in version 1.
    pub(crate) omits_message_id: bool,
    /// Stores another commit key than the data key's, and authenticates it.
    pub(crate) spoils_commit_key: bool,
    pub(crate) signing_key: Option<SigningKey>,
}

impl Crafted {
    pub(crate) fn new(suite: AlgorithmSuiteId) -> Self {
        Self::with_context(suite, [])
    }

    pub(crate) fn with_context<const N: usize>(suite: AlgorithmSuiteId, pairs: [(&str, &str); N]) -> Self {
        let suite = suite.suite();
        let signing_key = suite.signature.map(|algorithm| SigningKey::generate(algorithm).unwrap());
        let mut context = EncryptionContext::try_from_pairs(pairs).unwrap();
        if let Some(key) = &signing_key {
            let public_key = STANDARD.encode(key.compressed_public_key().unwrap());
            context.insert_unchecked_prefix(PUBLIC_KEY_NAME, public_key).unwrap();
        }
        Self {
            suite,
            context,
            stored_context: None,
            header_suffix: Vec::new(),
            encrypted_data_keys: None,
            content_type: 2,
            frame_length: FRAME_LENGTH,
            header_iv: [0; IV_LEN],
            iv_start: [0; 8],
            omits_message_id: false,
            spoils_commit_key: false,
            signing_key,
        }
    }

    /// Not framed.
    pub(crate) fn non_framed(mut self) -> Self {
        (self.content_type, self.frame_length) = (1, 0);
        self
    }

    fn message_id(&self) -> Vec<u8> {
        vec![0x1d; self.suite.message_version().message_id_len()]
    }

    /// The key that encrypts, and the commit key.
    fn derived(&self) -> (AeadKey, Option<[u8; 32]>) {
        let (data_key, id) = (data_key(&self.suite), self.message_id());
        let suite_id = self.suite.id.as_u16().to_be_bytes();
        let mut key = vec![0; self.suite.data_key_len()];
        let mut commit_key = None;
        match self.suite.key_derivation {
            KeyDerivation::Identity => key.copy_from_slice(data_key.expose_secret()),
            KeyDerivation::Hkdf(algorithm) => {
                let prk = hkdf::extract(algorithm, b"", data_key.expose_secret()).unwrap();
                let id = if self.omits_message_id { &[][..] } else { &id };
                prk.expand(&[&suite_id, id], &mut key).unwrap();
            }
            KeyDerivation::HkdfWithCommitment(algorithm) => {
                let prk = hkdf::extract(algorithm, &id, data_key.expose_secret()).unwrap();
                prk.expand(&[&suite_id, b"DERIVEKEY"], &mut key).unwrap();
                prk.expand(&[b"COMMITKEY"], commit_key.insert([0; 32])).unwrap();
            }
        }
        (AeadKey::new(self.suite.aead, &key).unwrap(), commit_key)
    }

    /// Ciphertext and tag.
    fn sealed(&self, iv: [u8; IV_LEN], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut sealed = plaintext.to_vec();
        let tag = self.derived().0.seal_in_place(&iv, aad, &mut sealed).unwrap();
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// The header with its tag.
    pub(crate) fn header(&self) -> Vec<u8> {
        let is_v1 = self.suite.message_version() == MessageVersion::V1;
        let context = self.stored_context.clone().unwrap_or_else(|| self.context.canonical_bytes().unwrap());
        let keys = self
            .encrypted_data_keys
            .clone()
            .unwrap_or_else(|| vec![wrapped(&self.suite, &self.context, &data_key(&self.suite))]);
        let mut header = if is_v1 { vec![1, 0x80] } else { vec![2] };
        header.extend_from_slice(&self.suite.id.as_u16().to_be_bytes());
        header.extend_from_slice(&self.message_id());
        header.extend_from_slice(&prefixed(&context));
        header.extend_from_slice(&u16::try_from(keys.len()).unwrap().to_be_bytes());
        for key in keys {
            header.extend_from_slice(&prefixed(key.key_provider_id.as_bytes()));
            header.extend_from_slice(&prefixed(&key.key_provider_info));
            header.extend_from_slice(&prefixed(&key.ciphertext));
        }
        header.push(self.content_type);
        if is_v1 {
            header.extend_from_slice(&[0, 0, 0, 0, 12]);
        }
        header.extend_from_slice(&self.frame_length.to_be_bytes());
        if let Some(mut commit_key) = self.derived().1 {
            commit_key[0] ^= u8::from(self.spoils_commit_key);
            header.extend_from_slice(&commit_key);
        }
        let tag = self.sealed(self.header_iv, &[&header[..], &self.header_suffix].concat(), b"");
        if is_v1 {
            header.extend_from_slice(&self.header_iv);
        }
        [header, tag].concat()
    }

    fn body_part(&self, label: &str, number: u32, contents: &[u8]) -> ([u8; IV_LEN], Vec<u8>) {
        let iv = [&self.iv_start[..], &number.to_be_bytes()].concat().try_into().unwrap();
        let length = contents.len() as u64;
        let id = self.message_id();
        let aad = [&id, label.as_bytes(), &number.to_be_bytes(), &length.to_be_bytes()].concat();
        (iv, self.sealed(iv, &aad, contents))
    }

    pub(crate) fn regular_frame(&self, number: u32, contents: &[u8]) -> Vec<u8> {
        let (iv, sealed) = self.body_part("AWSKMSEncryptionClient Frame", number, contents);
        [&number.to_be_bytes()[..], &iv, &sealed].concat()
    }

    pub(crate) fn final_frame(&self, number: u32, contents: &[u8]) -> Vec<u8> {
        let (iv, sealed) = self.body_part("AWSKMSEncryptionClient Final Frame", number, contents);
        let length = u32::try_from(contents.len()).unwrap().to_be_bytes();
        [&[0xff; 4][..], &number.to_be_bytes(), &iv, &length, &sealed].concat()
    }

    /// A body without frames.
    pub(crate) fn single_block(&self, contents: &[u8]) -> Vec<u8> {
        let (iv, sealed) = self.body_part("AWSKMSEncryptionClient Single Block", 1, contents);
        [&iv[..], &(contents.len() as u64).to_be_bytes(), &sealed].concat()
    }

    /// Header, parts of the body, and the footer of a signed message.
    pub(crate) fn message(&self, body: &[Vec<u8>]) -> Vec<u8> {
        let mut message = [self.header(), body.concat()].concat();
        if self.suite.is_signed() {
            let footer = prefixed(&self.signature(&message));
            message.extend_from_slice(&footer);
        }
        message
    }

    pub(crate) fn signature(&self, signed: &[u8]) -> Vec<u8> {
        let key = self.signing_key.as_ref().unwrap();
        key.sign_digest(&digest(key.algorithm().digest(), signed)).unwrap()
    }
}

/// A field behind its 16-bit length.
pub(crate) fn prefixed(field: &[u8]) -> Vec<u8> {
    [&u16::try_from(field.len()).unwrap().to_be_bytes(), field].concat()
}
