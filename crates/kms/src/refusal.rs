//! Why an operation is refused, in AWS's names and words.

use envel_core::kms::KmsErrorKind;
use envel_core::{CryptoError, KmsKeyArn};

use crate::store::StoreError;

/// A refused operation. The service adds which operation, key and Region it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Validation(String),
    #[error("{0}")]
    NotFound(String),
    #[error("User: {caller} is not authorized to perform: kms:{operation} on resource: {resource}")]
    NotAuthorized { caller: String, operation: &'static str, resource: Box<KmsKeyArn> },
    #[error(
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not \
         allowed to access."
    )]
    UnknownKeyOfCiphertext,
    /// AWS gives no message.
    #[error("")]
    ReservedAlias,
    #[error("{0} is disabled.")]
    Disabled(KmsKeyArn),
    #[error("{0}")]
    InvalidState(String),
    #[error("The request would have succeeded, but the DryRun option is set.")]
    DryRun,
    /// AWS gives no message.
    #[error("")]
    InvalidCiphertext,
    #[error("The key ID in the request does not identify a CMK that can perform this operation.")]
    IncorrectKey,
    #[error("The grant token is not one of this KMS: it has no grants.")]
    InvalidGrantToken,
    #[error("An alias with the name {0} already exists")]
    AliasExists(KmsKeyArn),
    #[error("{0}")]
    LimitExceeded(String),
    #[error("the call waited longer than its deadline allows")]
    DeadlineExceeded,
    /// A refusal about another key than the one that the call is named after.
    #[error(transparent)]
    OfKey(Box<RefusalOfKey>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the embedded KMS could not encrypt: {0}")]
    Crypto(#[from] CryptoError),
}

/// A refusal and the key that it is about, if that is known.
#[derive(Debug, thiserror::Error)]
#[error("{refusal}")]
pub(crate) struct RefusalOfKey {
    key: Option<String>,
    refusal: Refusal,
}

impl Refusal {
    /// Says which key this is about, if that is known, where it is not the one that [`crate::operation::Call::key_id`] names.
    pub(crate) fn of_key(self, key: Option<String>) -> Self {
        Self::OfKey(Box::new(RefusalOfKey { key, refusal: self }))
    }

    /// Takes apart what [`Refusal::of_key`] made; any other refusal is about the key that the call is named after.
    pub(crate) fn into_parts(self, key_of_call: Option<String>) -> (Self, Option<String>) {
        match self {
            Self::OfKey(of_key) => (of_key.refusal, of_key.key),
            refusal => (refusal, key_of_call),
        }
    }

    /// A value shorter than AWS's model allows.
    pub(crate) fn too_short(name: &str, least: usize) -> Self {
        Self::constraint(name, "length greater than or equal to", least)
    }

    /// A value longer than AWS's model allows.
    pub(crate) fn too_long(name: &str, most: usize) -> Self {
        Self::constraint(name, "length less than or equal to", most)
    }

    /// A number below the least that is allowed.
    pub(crate) fn too_small(name: &str, least: u32) -> Self {
        Self::constraint(name, "value greater than or equal to", least)
    }

    /// A number above the most that is allowed.
    pub(crate) fn too_large(name: &str, most: u32) -> Self {
        Self::constraint(name, "value less than or equal to", most)
    }

    fn constraint(name: &str, rule: &str, limit: impl std::fmt::Display) -> Self {
        Self::Validation(format!(
            "1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must have {rule} {limit}"
        ))
    }

    /// The error's name, as KMS names it.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Validation(_) => "ValidationException",
            Self::NotFound(_) => "NotFoundException",
            Self::NotAuthorized { .. } | Self::UnknownKeyOfCiphertext => "AccessDeniedException",
            Self::ReservedAlias => "NotAuthorizedException",
            Self::Disabled(_) => "DisabledException",
            Self::InvalidState(_) => "KMSInvalidStateException",
            Self::DryRun => "DryRunOperationException",
            Self::InvalidCiphertext => "InvalidCiphertextException",
            Self::IncorrectKey => "IncorrectKeyException",
            Self::InvalidGrantToken => "InvalidGrantTokenException",
            Self::AliasExists(_) => "AlreadyExistsException",
            Self::LimitExceeded(_) => "LimitExceededException",
            Self::DeadlineExceeded => "DependencyTimeoutException",
            Self::OfKey(of_key) => of_key.refusal.code(),
            Self::Store(error) if error.is_busy() => "DependencyTimeoutException",
            Self::Store(_) | Self::Crypto(_) => "KMSInternalException",
        }
    }

    /// What the caller can do about it.
    pub(crate) fn kind(&self) -> KmsErrorKind {
        match self {
            Self::Validation(_) | Self::InvalidGrantToken => KmsErrorKind::InvalidRequest,
            Self::NotFound(_) => KmsErrorKind::NotFound,
            Self::NotAuthorized { .. } | Self::UnknownKeyOfCiphertext | Self::ReservedAlias => {
                KmsErrorKind::Denied
            }
            Self::Disabled(_) | Self::InvalidState(_) => KmsErrorKind::KeyUnusable,
            Self::DryRun => KmsErrorKind::DryRun,
            Self::InvalidCiphertext | Self::IncorrectKey => KmsErrorKind::WrongCiphertext,
            Self::AliasExists(_) => KmsErrorKind::AlreadyExists,
            Self::LimitExceeded(_) => KmsErrorKind::LimitExceeded,
            Self::DeadlineExceeded => KmsErrorKind::Unreachable,
            Self::OfKey(of_key) => of_key.refusal.kind(),
            Self::Store(error) if error.is_busy() => KmsErrorKind::Unreachable,
            Self::Store(_) | Self::Crypto(_) => KmsErrorKind::Internal,
        }
    }
}
