//! Signs and verifies footers: a digest of everything before them.

use std::sync::Arc;

use envel_core::primitives::digest::Hasher;
use envel_core::primitives::ecdsa::{SigningKey, VerificationKey};

use crate::error::Error;
use crate::message::footer;

/// Hashes a message as it is written, and signs it.
#[derive(Debug)]
pub(crate) struct MessageSigner {
    key: Arc<SigningKey>,
    hasher: Hasher,
}

impl MessageSigner {
    pub(crate) fn new(key: Arc<SigningKey>) -> Self {
        let hasher = Hasher::new(key.algorithm().digest());
        Self { key, hasher }
    }

    /// Adds bytes of header or body.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Bytes that the footer will take.
    pub(crate) fn footer_len(&self) -> usize {
        footer::LENGTH_LEN + self.key.algorithm().signature_len()
    }

    /// The footer, after these last bytes of the body.
    pub(crate) fn finish_after(mut self, last: &[u8]) -> Result<Vec<u8>, Error> {
        self.update(last);
        self.finish()
    }

    /// The footer.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        let signature = self.key.sign_digest(&self.hasher.finish())?;
        let mut bytes = Vec::with_capacity(footer::LENGTH_LEN + signature.len());
        footer::write(&mut bytes, &signature).ok_or(envel_core::CryptoError::InvalidLength)?;
        Ok(bytes)
    }
}

/// Hashes a message as it is read, and verifies its signature.
#[derive(Debug)]
pub(crate) struct MessageVerifier {
    key: Arc<VerificationKey>,
    hasher: Hasher,
}

impl MessageVerifier {
    pub(crate) fn new(key: Arc<VerificationKey>) -> Self {
        let hasher = Hasher::new(key.algorithm().digest());
        Self { key, hasher }
    }

    /// Adds bytes of header or body.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// The curve, which bounds the footer's length.
    pub(crate) fn algorithm(&self) -> envel_core::primitives::ecdsa::EcdsaAlgorithm {
        self.key.algorithm()
    }

    /// Verifies the signature over everything added.
    pub(crate) fn finish(self, signature: &[u8]) -> Result<(), Error> {
        self.key.verify_digest(&self.hasher.finish(), signature).map_err(|_| Error::SignatureUnauthentic)
    }
}
