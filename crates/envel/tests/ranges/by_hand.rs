//! Messages of which the test knows the key: frames that envel does not write, and messages too long to store.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use envel::primitives::aead::AeadKey;
use envel::primitives::hkdf;
use envel::{
    AlgorithmSuiteId, BoxFuture, DataKey, DefaultManager, EncryptOptions, EncryptedDataKey, KeyDerivation,
    Keyring, KeyringError, ReadAt, SecretBytes, UnwrapOutcome, UnwrapRequest, UnwrappedKey, WrapOutcome,
    WrapRequest, WrappedKey,
};
use pollster::block_on;

use crate::client;

/// Always gives the same data key, and counts how often it is asked to unwrap it.
#[derive(Debug, Default)]
pub(crate) struct KnownKey {
    pub(crate) unwraps: AtomicUsize,
}

fn data_key(length: usize) -> DataKey {
    DataKey::new(SecretBytes::copied_from(&vec![0xd4; length]))
}

impl Keyring for KnownKey {
    fn wrap_data_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> BoxFuture<'a, Result<WrapOutcome, KeyringError>> {
        let entry = EncryptedDataKey {
            key_provider_id: "tests".into(),
            key_provider_info: b"known".to_vec(),
            ciphertext: b"known".to_vec(),
        };
        let generated = data_key(request.algorithm_suite.data_key_len());
        Box::pin(async { Ok(WrapOutcome::new(Some(generated), vec![WrappedKey::new(entry)])) })
    }

    fn unwrap_data_key<'a>(&'a self, request: UnwrapRequest<'a>) -> BoxFuture<'a, UnwrapOutcome> {
        self.unwraps.fetch_add(1, Ordering::Relaxed);
        let mut outcome = UnwrapOutcome::default();
        outcome.unwrapped = Some(UnwrappedKey::new(data_key(request.algorithm_suite.data_key_len()), 0));
        Box::pin(async { outcome })
    }
}

pub(crate) fn manager() -> DefaultManager {
    DefaultManager::new(Arc::new(KnownKey::default()))
}

/// A header, and frames sealed one by one.
pub(crate) struct ByHand {
    pub(crate) header: Vec<u8>,
    key: AeadKey,
    message_id: Vec<u8>,
}

impl ByHand {
    pub(crate) fn new(suite: AlgorithmSuiteId, frame_length: u32) -> Self {
        let options = EncryptOptions::new().algorithm_suite(suite).frame_length(frame_length);
        let encryption = block_on(client(suite).start_encryption(&manager(), &options)).unwrap();
        let header = encryption.header();
        let (suite, message_id) = (header.algorithm_suite(), header.message_id().as_bytes().to_vec());
        let data_key = data_key(suite.data_key_len());
        let suite_id = suite.id.as_u16().to_be_bytes();
        let (digest, salt, info) = match suite.key_derivation {
            KeyDerivation::Hkdf(digest) => (digest, &[][..], &message_id[..]),
            KeyDerivation::HkdfWithCommitment(digest) => (digest, &message_id[..], &b"DERIVEKEY"[..]),
            KeyDerivation::Identity => panic!("suites that derive keys are enough here"),
        };
        let mut key = vec![0; suite.data_key_len()];
        let prk = hkdf::extract(digest, salt, data_key.expose_secret()).unwrap();
        prk.expand(&[&suite_id, info], &mut key).unwrap();
        Self { header: header.as_bytes().to_vec(), key: AeadKey::new(suite.aead, &key).unwrap(), message_id }
    }

    /// The header of version 2 with another frame length, and its tag.
    pub(crate) fn set_frame_length(&mut self, frame_length: u32) {
        let body_len = self.header.len() - 16;
        self.header[body_len - 36..body_len - 32].copy_from_slice(&frame_length.to_be_bytes());
        let tag = self.key.seal_in_place(&[0; 12], &self.header[..body_len], &mut []).unwrap();
        self.header[body_len..].copy_from_slice(&tag);
    }

    fn sealed(&self, head: &[&[u8]], label: &str, number: u32, contents: &[u8]) -> Vec<u8> {
        let iv = [&[0; 8][..], &number.to_be_bytes()].concat();
        let length = (contents.len() as u64).to_be_bytes();
        let aad = [&self.message_id, label.as_bytes(), &number.to_be_bytes(), &length].concat();
        let mut sealed = contents.to_vec();
        let tag = self.key.seal_in_place(iv[..].try_into().unwrap(), &aad, &mut sealed).unwrap();
        [&head.concat()[..], &sealed, &tag].concat()
    }

    pub(crate) fn regular_frame(&self, number: u32, contents: &[u8]) -> Vec<u8> {
        let head = [&number.to_be_bytes()[..], &[0; 8], &number.to_be_bytes()];
        self.sealed(&head, "AWSKMSEncryptionClient Frame", number, contents)
    }

    pub(crate) fn final_frame(&self, number: u32, contents: &[u8]) -> Vec<u8> {
        let length = u32::try_from(contents.len()).unwrap().to_be_bytes();
        let number_bytes = number.to_be_bytes();
        let head = [&[0xff; 4][..], &number_bytes, &[0; 8], &number_bytes, &length];
        self.sealed(&head, "AWSKMSEncryptionClient Final Frame", number, contents)
    }
}

/// A message of any length that is made where it is read.
pub(crate) struct Endless {
    by_hand: ByHand,
    frame_length: u64,
    regular_frames: u64,
    final_frame_len: usize,
}

impl Endless {
    pub(crate) fn new(suite: AlgorithmSuiteId, plaintext_len: u64, frame_length: u32) -> Self {
        let length = u64::from(frame_length);
        let regular_frames = (plaintext_len - 1) / length;
        let final_frame_len = usize::try_from(plaintext_len - regular_frames * length).unwrap();
        let by_hand = ByHand::new(suite, frame_length);
        Self { by_hand, frame_length: length, regular_frames, final_frame_len }
    }

    /// The byte of the plaintext at this position.
    pub(crate) fn byte_at(position: u64) -> u8 {
        (position % 251) as u8
    }

    fn frame(&self, index: u64) -> Vec<u8> {
        let is_final = index == self.regular_frames;
        let length = if is_final { self.final_frame_len as u64 } else { self.frame_length };
        let start = index * self.frame_length;
        let contents: Vec<u8> = (start..start + length).map(Self::byte_at).collect();
        let number = u32::try_from(index + 1).unwrap();
        match is_final {
            true => self.by_hand.final_frame(number, &contents),
            false => self.by_hand.regular_frame(number, &contents),
        }
    }
}

impl ReadAt for Endless {
    fn read_at(&self, position: u64, out: &mut [u8]) -> io::Result<usize> {
        let header_len = self.by_hand.header.len() as u64;
        let mut filled = 0;
        while filled < out.len() {
            let at = position + filled as u64;
            let (part, start) = if at < header_len {
                (self.by_hand.header.clone(), 0)
            } else {
                let index = (at - header_len) / (self.frame_length + 32);
                if index > self.regular_frames {
                    break;
                }
                (self.frame(index), header_len + index * (self.frame_length + 32))
            };
            let part = &part[usize::try_from(at - start).unwrap().min(part.len())..];
            if part.is_empty() {
                break;
            }
            let count = part.len().min(out.len() - filled);
            out[filled..filled + count].copy_from_slice(&part[..count]);
            filled += count;
        }
        Ok(filled)
    }

    fn source_len(&self) -> io::Result<u64> {
        let regular = self.regular_frames * (self.frame_length + 32);
        Ok(self.by_hand.header.len() as u64 + regular + self.final_frame_len as u64 + 40)
    }
}
