//! Keyrings and managers that break their contracts, or must not be asked.

use std::sync::Arc;

use envel::{
    BoxFuture, DataKey, DecryptionMaterials, DecryptionMaterialsRequest, DefaultManager, EncryptionMaterials,
    EncryptionMaterialsRequest, Error, Keyring, KeyringError, MaterialsManager, UnwrapOutcome, UnwrapRequest,
    UnwrappedKey, WrapOutcome, WrapRequest,
};

/// Fails the test if it is asked anything.
#[derive(Debug)]
pub(crate) struct MustNotBeAsked;

impl Keyring for MustNotBeAsked {
    fn wrap_data_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> BoxFuture<'a, Result<WrapOutcome, KeyringError>> {
        panic!("no keyring may be asked: {request:?}")
    }

    fn unwrap_data_key<'a>(&'a self, request: UnwrapRequest<'a>) -> BoxFuture<'a, UnwrapOutcome> {
        panic!("no keyring may be asked: {request:?}")
    }
}

impl MaterialsManager for MustNotBeAsked {
    fn encryption_materials<'a>(
        &'a self,
        request: EncryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<EncryptionMaterials>, Error>> {
        panic!("no manager may be asked: {request:?}")
    }

    fn decryption_materials<'a>(
        &'a self,
        request: DecryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<DecryptionMaterials>, Error>> {
        panic!("no manager may be asked: {request:?}")
    }
}

/// A keyring that answers as its functions do.
pub(crate) struct Answers<W, U> {
    pub(crate) wrap: W,
    pub(crate) unwrap: U,
}

impl<W, U> std::fmt::Debug for Answers<W, U> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answers")
    }
}

impl<W, U> Keyring for Answers<W, U>
where
    W: Fn(WrapRequest<'_>) -> Result<WrapOutcome, KeyringError> + Send + Sync,
    U: Fn(UnwrapRequest<'_>) -> UnwrapOutcome + Send + Sync,
{
    fn wrap_data_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> BoxFuture<'a, Result<WrapOutcome, KeyringError>> {
        Box::pin(std::future::ready((self.wrap)(request)))
    }

    fn unwrap_data_key<'a>(&'a self, request: UnwrapRequest<'a>) -> BoxFuture<'a, UnwrapOutcome> {
        Box::pin(std::future::ready((self.unwrap)(request)))
    }
}

/// A keyring that opens everything to this data key, whatever the context.
pub(crate) fn opens_to(data_key: impl Fn(&UnwrapRequest<'_>) -> DataKey + Send + Sync) -> impl Keyring {
    Answers {
        wrap: |_: WrapRequest<'_>| Err(KeyringError::CannotEncrypt("scripted")),
        unwrap: move |request: UnwrapRequest<'_>| {
            let mut outcome = UnwrapOutcome::default();
            outcome.unwrapped = Some(UnwrappedKey::new(data_key(&request), 0));
            outcome
        },
    }
}

/// A manager that asks another one for something else than it was asked for.
pub(crate) struct Alters<E, D> {
    pub(crate) underlying: DefaultManager,
    pub(crate) encryption: E,
    pub(crate) decryption: D,
}

impl<E, D> std::fmt::Debug for Alters<E, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Alters")
    }
}

impl<E, D> MaterialsManager for Alters<E, D>
where
    E: Fn(&mut EncryptionMaterialsRequest<'_>) + Send + Sync,
    D: Fn(&mut DecryptionMaterialsRequest<'_>) + Send + Sync,
{
    fn encryption_materials<'a>(
        &'a self,
        mut request: EncryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<EncryptionMaterials>, Error>> {
        (self.encryption)(&mut request);
        self.underlying.encryption_materials(request)
    }

    fn decryption_materials<'a>(
        &'a self,
        mut request: DecryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<DecryptionMaterials>, Error>> {
        (self.decryption)(&mut request);
        self.underlying.decryption_materials(request)
    }
}
