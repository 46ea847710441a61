//! The manager that keeps pairs out of the message and asks for them again.

use std::sync::Arc;

use envel_core::{BoxFuture, ContextError};

use super::{DecryptionMaterialsRequest, EncryptionMaterialsRequest, MaterialsManager};
use crate::error::{Error, InvalidCall, Refusal};
use crate::materials::{DecryptionMaterials, EncryptionMaterials};

/// A materials manager whose messages do not store certain pairs: whoever decrypts must supply them.
///
/// The pairs are authenticated as if they were stored, and given to the KMS.
///
/// # Specification
/// `framework/required-encryption-context-cmm.md`.
#[derive(Clone, Debug)]
pub struct RequiredContextManager {
    underlying: Arc<dyn MaterialsManager>,
    names: Vec<String>,
}

impl RequiredContextManager {
    /// Requires pairs of these names, and leaves the rest to another manager.
    ///
    /// # Errors
    /// [`InvalidCall::Context`] if a name is reserved.
    pub fn new(underlying: Arc<dyn MaterialsManager>, names: Vec<String>) -> Result<Self, Error> {
        match names.iter().find(|name| name.starts_with(envel_core::context::RESERVED_PREFIX)) {
            Some(name) => Err(ContextError::ReservedName { name: name.clone() }.into()),
            None => Ok(Self { underlying, names }),
        }
    }

    async fn encryption(
        &self,
        mut request: EncryptionMaterialsRequest<'_>,
    ) -> Result<Arc<EncryptionMaterials>, Error> {
        for name in &self.names {
            if !request.encryption_context.contains_name(name) {
                return Err(InvalidCall::RequiredNameMissing { name: name.clone() }.into());
            }
            if !request.required_names.contains(name) {
                request.required_names.push(name.clone());
            }
        }
        let materials = self.underlying.encryption_materials(request).await?;
        if self.names.iter().all(|name| materials.requires(name)) {
            Ok(materials)
        } else {
            Err(Error::InvalidMaterials("the underlying manager dropped a required name"))
        }
    }

    async fn decryption(
        &self,
        request: DecryptionMaterialsRequest<'_>,
    ) -> Result<Arc<DecryptionMaterials>, Error> {
        for name in &self.names {
            if !request.reproduced_context.contains_name(name) {
                return Err(Refusal::ContextMissing { name: name.clone() }.into());
            }
        }
        let materials = self.underlying.decryption_materials(request).await?;
        if self.names.iter().all(|name| materials.encryption_context().contains_name(name)) {
            Ok(materials)
        } else {
            Err(Error::InvalidMaterials("the underlying manager dropped a required pair"))
        }
    }
}

impl MaterialsManager for RequiredContextManager {
    fn encryption_materials<'a>(
        &'a self,
        request: EncryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<EncryptionMaterials>, Error>> {
        Box::pin(self.encryption(request))
    }

    fn decryption_materials<'a>(
        &'a self,
        request: DecryptionMaterialsRequest<'a>,
    ) -> BoxFuture<'a, Result<Arc<DecryptionMaterials>, Error>> {
        Box::pin(self.decryption(request))
    }
}
