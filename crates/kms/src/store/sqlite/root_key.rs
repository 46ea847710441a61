//! The root key: it seals all key material of a store, and is itself a file or sealed under a passphrase.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use envel_core::primitives::rand;
use envel_core::{CryptoError, SecretBytes};

use super::directory::{self, io_error};
use super::passphrase::PassphraseParameters;
use crate::key::{KeyId, KeyMaterial, KeyMaterialId, Scope};
use crate::sealed::{self, Purpose};
use crate::store::StoreError;

const MAGIC: &[u8; 8] = b"ENVELRK\x01";
const FILE_LEN: usize = MAGIC.len() + StoreId::LEN + RootKey::LEN;

/// Which store this is: random, in the database and in the root key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoreId(pub(super) [u8; Self::LEN]);

impl StoreId {
    const LEN: usize = 16;

    pub(super) fn random() -> Result<Self, CryptoError> {
        let mut bytes = [0; Self::LEN];
        rand::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

/// The root key of a store.
#[derive(Debug)]
pub(super) struct RootKey(SecretBytes);

impl RootKey {
    pub(super) const LEN: usize = 32;

    pub(super) fn random() -> Result<Self, CryptoError> {
        SecretBytes::try_filled_by(Self::LEN, rand::fill).map(Self)
    }

    /// A root key that was kept somewhere; `None` if it has not the right length.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == Self::LEN).then(|| Self(SecretBytes::copied_from(bytes)))
    }

    pub(super) fn expose_secret(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// Reads a root key file, which must be this store's.
    pub(super) fn read(path: &Path, store_id: StoreId) -> Result<Self, StoreError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::RootKeyMissing { path: path.to_owned() });
            }
            Err(error) => return Err(io_error("open", path)(error)),
        };
        directory::check_private_file(path)?;
        let damaged = |reason| StoreError::RootKeyDamaged { path: path.to_owned(), reason };
        let length = file.metadata().map_err(io_error("read", path))?.len();
        if length != FILE_LEN as u64 {
            return Err(damaged("it has the wrong length"));
        }
        let contents = SecretBytes::try_filled_by(FILE_LEN, |contents| file.read_exact(contents))
            .map_err(io_error("read", path))?;
        let contents =
            contents.expose_secret().strip_prefix(MAGIC).ok_or(damaged("it is another kind of file"))?;
        let (id, key) = contents.split_at(StoreId::LEN);
        if id != store_id.0 {
            return Err(StoreError::RootKeyWrong { path: path.to_owned() });
        }
        Self::from_bytes(key).ok_or(damaged("it has the wrong length"))
    }

    /// Writes a new root key file and syncs it.
    pub(super) fn write(&self, path: &Path, store_id: StoreId) -> Result<(), StoreError> {
        let contents = SecretBytes::filled_by(FILE_LEN, |contents| {
            let (magic, rest) = contents.split_at_mut(MAGIC.len());
            let (id, key) = rest.split_at_mut(StoreId::LEN);
            magic.copy_from_slice(MAGIC);
            id.copy_from_slice(&store_id.0);
            key.copy_from_slice(self.expose_secret());
        });
        let mut file = directory::create_private_file(path)?;
        file.write_all(contents.expose_secret())
            .and_then(|()| file.sync_all())
            .map_err(io_error("write", path))
    }

    /// Bytes that open under this root key alone.
    pub(super) fn check_value(&self, store_id: StoreId) -> Result<Vec<u8>, CryptoError> {
        let mut sealed = Vec::new();
        sealed::seal_onto(&mut sealed, &self.0, Purpose::RootKeyCheck, &store_id.0, &[])?;
        Ok(sealed)
    }

    /// Whether a check value is of this root key.
    pub(super) fn matches(&self, store_id: StoreId, check_value: &[u8]) -> bool {
        sealed::open(&self.0, Purpose::RootKeyCheck, &store_id.0, check_value).is_ok()
    }

    /// Seals the root key under a passphrase.
    pub(super) fn wrap(
        &self,
        store_id: StoreId,
        parameters: PassphraseParameters,
        passphrase: &SecretBytes,
    ) -> Result<Vec<u8>, StoreError> {
        let (key, aad) = (parameters.derive(passphrase)?, wrapping_aad(store_id, parameters));
        let mut wrapped = Vec::new();
        sealed::seal_onto(&mut wrapped, &key, Purpose::WrappedRootKey, &aad, self.expose_secret())?;
        Ok(wrapped)
    }

    /// Opens what [`RootKey::wrap`] sealed; `None` if the passphrase is another.
    pub(super) fn unwrap(
        store_id: StoreId,
        parameters: PassphraseParameters,
        passphrase: &SecretBytes,
        wrapped: &[u8],
    ) -> Result<Option<Self>, StoreError> {
        let (key, aad) = (parameters.derive(passphrase)?, wrapping_aad(store_id, parameters));
        let opened = sealed::open(&key, Purpose::WrappedRootKey, &aad, wrapped).ok();
        Ok(opened.and_then(|secret| Self::from_bytes(secret.expose_secret())))
    }

    /// Seals key material for the database.
    pub(super) fn seal_material(
        &self,
        scope: &Scope,
        key: KeyId,
        material: &KeyMaterial,
    ) -> Result<Vec<u8>, CryptoError> {
        let aad = material_aad(scope, key, material.id);
        let mut sealed = Vec::new();
        let secret = material.secret.expose_secret();
        sealed::seal_onto(&mut sealed, &self.0, Purpose::KeyMaterial, &aad, secret)?;
        Ok(sealed)
    }

    /// Opens key material of the database. It must stand where it was put.
    pub(super) fn open_material(
        &self,
        scope: &Scope,
        key: KeyId,
        material: KeyMaterialId,
        sealed: &[u8],
    ) -> Result<SecretBytes, StoreError> {
        let aad = material_aad(scope, key, material);
        sealed::open(&self.0, Purpose::KeyMaterial, &aad, sealed)
            .ok()
            .filter(|secret| secret.len() == KeyMaterial::LEN)
            .ok_or_else(|| {
                // Plain text and no ARN: of a damaged row, account and Region may be anything.
                let Scope { account, region } = scope;
                let what = format!(
                    "key material of the key {key} of account {account:?} in {region:?} does not open under the root key"
                );
                StoreError::Damaged { what: what.into() }
            })
    }
}

fn wrapping_aad(store_id: StoreId, parameters: PassphraseParameters) -> Vec<u8> {
    [&store_id.0[..], &parameters.to_bytes()].concat()
}

fn material_aad(scope: &Scope, key: KeyId, material: KeyMaterialId) -> Vec<u8> {
    let mut aad = [&key.as_bytes()[..], material.as_bytes()].concat();
    for text in [&scope.account, &scope.region] {
        aad.extend_from_slice(&(text.len() as u64).to_be_bytes());
        aad.extend_from_slice(text.as_bytes());
    }
    aad
}
