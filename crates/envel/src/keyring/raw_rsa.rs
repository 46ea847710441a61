//! Wraps data keys with an RSA key that the caller holds.

use envel_core::primitives::rsa::{RsaPadding, RsaPrivateKey, RsaPublicKey};
use envel_core::{BoxFuture, EncryptedDataKey};

use super::{
    DataKeyToWrap, Keyring, UnwrapOutcome, UnwrapRequest, WrapOutcome, WrapRequest, WrappedKey,
    check_namespace, first_that_opens,
};
use crate::error::KeyringError;

/// An RSA key: its private half opens and wraps, its public half wraps alone.
#[derive(Debug)]
pub enum RsaKey {
    /// For those who only encrypt.
    Public(RsaPublicKey),
    /// For those who decrypt too.
    Private(RsaPrivateKey),
}

/// A keyring that wraps with an RSA key of the caller's.
///
/// A public key suffices to encrypt: writers need no secret. Namespace, name and padding must be the same to decrypt.
///
/// # Security
/// RSA does not bind the encryption context to the wrapped key; the header's tag still does. Use OAEP;
/// [`RsaPadding::Pkcs1`] is for old messages.
///
/// # Specification
/// `framework/raw-rsa-keyring.md`, with one exception: a private key wraps too, by its own public half, so that one file suffices.
#[derive(Debug)]
pub struct RawRsaKeyring {
    namespace: String,
    name: String,
    padding: RsaPadding,
    public: RsaPublicKey,
    private: Option<RsaPrivateKey>,
}

impl RawRsaKeyring {
    /// Takes a key of 2048 to 8192 bits.
    ///
    /// # Errors
    /// [`KeyringError::InvalidKeyring`] if the namespace begins with `aws-kms`.
    pub fn new(
        namespace: impl Into<String>,
        name: impl Into<String>,
        padding: RsaPadding,
        key: RsaKey,
    ) -> Result<Self, KeyringError> {
        let namespace = namespace.into();
        check_namespace(&namespace)?;
        let (public, private) = match key {
            RsaKey::Public(public) => (public, None),
            RsaKey::Private(private) => (private.public_key(), Some(private)),
        };
        Ok(Self { namespace, name: name.into(), padding, public, private })
    }

    fn wrap(&self, request: &WrapRequest<'_>) -> Result<WrapOutcome, KeyringError> {
        let data_key = DataKeyToWrap::of(request)?;
        let encrypted_data_key = EncryptedDataKey {
            key_provider_id: self.namespace.clone(),
            key_provider_info: self.name.clone().into_bytes(),
            ciphertext: self.public.encrypt(self.padding, data_key.expose_secret())?,
        };
        Ok(WrapOutcome::new(data_key.generated, vec![WrappedKey::new(encrypted_data_key)]))
    }

    fn is_ours(&self, edk: &EncryptedDataKey) -> bool {
        edk.key_provider_id == self.namespace && edk.key_provider_info == self.name.as_bytes()
    }
}

impl Keyring for RawRsaKeyring {
    fn wrap_data_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> BoxFuture<'a, Result<WrapOutcome, KeyringError>> {
        Box::pin(std::future::ready(self.wrap(&request)))
    }

    fn unwrap_data_key<'a>(&'a self, request: UnwrapRequest<'a>) -> BoxFuture<'a, UnwrapOutcome> {
        let keyring = format!("RSA key {}/{}", self.namespace, self.name);
        let outcome = first_that_opens(&request, &keyring, |edk| {
            self.is_ours(edk).then(|| {
                let private = self.private.as_ref().ok_or(KeyringError::PublicKeyOnly)?;
                private
                    .decrypt(self.padding, &edk.ciphertext)
                    .ok()
                    // A key of the wrong length must look like bad padding, or the difference decrypts other people's keys.
                    .filter(|key| key.len() == request.algorithm_suite.data_key_len())
                    .ok_or(KeyringError::DoesNotOpen)
            })
        });
        Box::pin(std::future::ready(outcome))
    }
}
