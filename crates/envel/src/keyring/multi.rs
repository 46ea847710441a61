//! Several keyrings as one.

use std::sync::Arc;

use envel_core::BoxFuture;

use super::{Keyring, UnwrapOutcome, UnwrapRequest, WrapOutcome, WrapRequest};
use crate::error::KeyringError;

/// A keyring of keyrings: any one of them can decrypt what all of them wrapped.
///
/// The generator makes the data key and wraps it; every child wraps it too, and one that fails fails the whole. To decrypt, the
/// generator is asked first, then the children, until one opens.
///
/// # Specification
/// `framework/multi-keyring.md`.
#[derive(Debug)]
pub struct MultiKeyring {
    generator: Option<Arc<dyn Keyring>>,
    children: Vec<Arc<dyn Keyring>>,
}

impl MultiKeyring {
    /// Joins keyrings. Without a generator it decrypts, and wraps data keys that it is given.
    ///
    /// # Errors
    /// [`KeyringError::InvalidKeyring`] if there is neither a generator nor a child.
    pub fn new(
        generator: Option<Arc<dyn Keyring>>,
        children: Vec<Arc<dyn Keyring>>,
    ) -> Result<Self, KeyringError> {
        if generator.is_none() && children.is_empty() {
            return Err(KeyringError::InvalidKeyring("a multi-keyring needs at least one keyring"));
        }
        Ok(Self { generator, children })
    }

    async fn wrap(&self, request: WrapRequest<'_>) -> Result<WrapOutcome, KeyringError> {
        let mut outcome = match (&self.generator, request.data_key) {
            (Some(_), Some(_)) => {
                return Err(KeyringError::InvalidKeyring(
                    "a multi-keyring with a generator makes the data key itself",
                ));
            }
            (Some(generator), None) => generator.wrap_data_key(request).await?,
            (None, Some(_)) => WrapOutcome::new(None, Vec::new()),
            (None, None) => {
                return Err(KeyringError::InvalidKeyring(
                    "a multi-keyring without a generator cannot make a data key",
                ));
            }
        };
        for child in &self.children {
            // Without this a child would generate a data key of its own, and pay a KMS call for it.
            let data_key = outcome
                .generated
                .as_ref()
                .or(request.data_key)
                .ok_or(KeyringError::InvalidKeyring("the generator made no data key"))?;
            let made = child.wrap_data_key(WrapRequest { data_key: Some(data_key), ..request }).await?;
            if made.generated.is_some() || made.wrapped.is_empty() {
                return Err(KeyringError::InvalidKeyring("a keyring did not wrap the data key it was given"));
            }
            outcome.wrapped.extend(made.wrapped);
        }
        Ok(outcome)
    }

    async fn unwrap(&self, request: UnwrapRequest<'_>) -> UnwrapOutcome {
        let mut outcome = UnwrapOutcome::default();
        for keyring in self.generator.iter().chain(&self.children) {
            let tried = keyring.unwrap_data_key(request).await;
            outcome.attempts.extend(tried.attempts);
            if tried.unwrapped.is_some() {
                outcome.unwrapped = tried.unwrapped;
                break;
            }
        }
        outcome
    }
}

impl Keyring for MultiKeyring {
    fn wrap_data_key<'a>(
        &'a self,
        request: WrapRequest<'a>,
    ) -> BoxFuture<'a, Result<WrapOutcome, KeyringError>> {
        Box::pin(self.wrap(request))
    }

    fn unwrap_data_key<'a>(&'a self, request: UnwrapRequest<'a>) -> BoxFuture<'a, UnwrapOutcome> {
        Box::pin(self.unwrap(request))
    }
}
