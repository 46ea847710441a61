//! The nouns of envel, shared by the library, the embedded KMS and the AWS client.
//!
//! Nothing here knows the message format, opens a file or needs a runtime. What lives where:
//!
//! - [`secret`]: types that hold secrets, wiped on drop.
//! - [`primitives`]: the one door to cryptography. No other module names the cryptographic library.
//! - [`context`]: the encryption context and its canonical bytes.
//! - [`edk`]: an encrypted data key.
//! - [`arn`]: the spellings of a KMS key and how they match.
//! - [`kms`]: what a KMS can be asked, whoever answers.
//! - [`clock`]: the time.

pub mod arn;
pub mod clock;
pub mod context;
pub mod edk;
pub mod kms;
pub mod primitives;
pub mod secret;

pub use arn::{KmsKeyArn, KmsKeyIdentifier};
pub use clock::{Clock, ManualClock, SystemClock};
pub use context::{ContextError, EncryptionContext};
pub use edk::EncryptedDataKey;
pub use futures_core::future::BoxFuture;
pub use kms::{KmsClient, KmsClients, KmsControl, KmsError, KmsErrorKind};
pub use primitives::CryptoError;
pub use secret::{DataKey, SecretBytes};
