//! The ciphertext blob: what Encrypt and GenerateDataKey give out and Decrypt takes.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version of this layout: 1 |
//! | 16 | key ID |
//! | 32 | key material ID |
//! | 32 | salt of the key that is used for this ciphertext alone |
//! | as the plaintext | ciphertext |
//! | 16 | tag |
//!
//! The tag covers all of it, and with it the key's account and Region and the encryption context. The key that encrypts is derived
//! from the key material and the salt (see [`crate::sealed`]), so that any number of calls under one key is safe.

use envel_core::{EncryptionContext, SecretBytes};

use super::Workspace;
use super::limits::canonical_context;
use crate::key::{Key, KeyId, KeyMaterial, KeyMaterialId};
use crate::refusal::Refusal;
use crate::sealed::{self, Purpose};

const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + KeyId::LEN + KeyMaterialId::LEN;

/// A ciphertext blob taken apart. Nothing of it is verified.
#[derive(Debug)]
pub(super) struct Ciphertext<'blob> {
    pub(super) key: KeyId,
    pub(super) material: KeyMaterialId,
    header: &'blob [u8],
    sealed: &'blob [u8],
}

impl<'blob> Ciphertext<'blob> {
    /// Reads the header; `None` if this cannot be a ciphertext of this KMS.
    pub(super) fn parse(blob: &'blob [u8]) -> Option<Self> {
        let (header, sealed) = blob.split_at_checked(HEADER_LEN)?;
        let (&version, rest) = header.split_first()?;
        let (&key, rest) = rest.split_first_chunk()?;
        let (&material, _) = rest.split_first_chunk()?;
        (version == VERSION).then_some(Self {
            key: KeyId::from_bytes(key),
            material: KeyMaterialId::from_bytes(material),
            header,
            sealed,
        })
    }
}

/// Encrypts with the current key material of a key.
pub(super) fn encrypt(
    key: &Key,
    material: &KeyMaterial,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Result<Vec<u8>, Refusal> {
    let mut blob = Vec::with_capacity(HEADER_LEN + sealed::OVERHEAD + plaintext.len());
    blob.push(VERSION);
    blob.extend_from_slice(key.id.as_bytes());
    blob.extend_from_slice(material.id.as_bytes());
    let aad = aad(key, &blob, context)?;
    sealed::seal_onto(&mut blob, &material.secret, Purpose::Ciphertext, &aad, plaintext)?;
    Ok(blob)
}

/// Decrypts with the key material that the ciphertext names.
///
/// Whatever does not fit (the blob, the key, the key material, the context), the answer is the same and says no more.
pub(super) fn decrypt(
    workspace: &Workspace<'_>,
    key: &Key,
    context: &EncryptionContext,
    ciphertext: &Ciphertext<'_>,
) -> Result<SecretBytes, Refusal> {
    let material = workspace.material(key, ciphertext.material)?.ok_or(Refusal::InvalidCiphertext)?;
    let aad = aad(key, ciphertext.header, context)?;
    sealed::open(&material.secret, Purpose::Ciphertext, &aad, ciphertext.sealed)
        .map_err(|_| Refusal::InvalidCiphertext)
}

fn aad(key: &Key, header: &[u8], context: &EncryptionContext) -> Result<Vec<u8>, Refusal> {
    let mut aad = header.to_vec();
    for text in [&key.scope.account, &key.scope.region] {
        aad.extend_from_slice(&(text.len() as u64).to_be_bytes());
        aad.extend_from_slice(text.as_bytes());
    }
    aad.extend_from_slice(&canonical_context(context)?);
    Ok(aad)
}

/// The ciphertext and the key that a Decrypt or the first half of a ReEncrypt is about.
pub(super) fn resolve_source(
    workspace: &Workspace<'_>,
    pinned: Option<&str>,
    blob: &[u8],
) -> Result<Key, Refusal> {
    if let Some(text) = pinned {
        return workspace.key(text);
    }
    let ciphertext = Ciphertext::parse(blob).ok_or(Refusal::InvalidCiphertext)?;
    workspace.existing_key(ciphertext.key)?.ok_or(Refusal::UnknownKeyOfCiphertext)
}

/// Reads a blob and checks that it is of this key.
pub(super) fn parse_of_key<'blob>(key: &Key, blob: &'blob [u8]) -> Result<Ciphertext<'blob>, Refusal> {
    let ciphertext = Ciphertext::parse(blob).ok_or(Refusal::InvalidCiphertext)?;
    if ciphertext.key != key.id {
        return Err(Refusal::IncorrectKey);
    }
    Ok(ciphertext)
}
