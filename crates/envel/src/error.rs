//! What can go wrong, sorted by what the reader can do next.

use std::io;

use envel_core::{ContextError, CryptoError, KmsError, KmsErrorKind};

use crate::message::{HeaderLimitExceeded, MalformedMessage, ParseError};
use crate::suite::{AlgorithmSuiteId, CommitmentPolicy};

/// What to do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The call itself is wrong: change the program or its options.
    InvalidCall,
    /// The message may be right, but the caller's own rules refuse it.
    PolicyRefused,
    /// The message is not well formed, or was cut.
    Malformed,
    /// The message was altered, or was made with another key or context.
    Unauthentic,
    /// No key at hand opens or makes the message; a retry does not help.
    KeyUnavailable,
    /// A KMS is throttling or out of reach; a retry can help.
    Retryable,
    /// Reading or writing failed.
    Io,
    /// envel, or a component that it trusts, broke its own rules.
    Internal,
}

/// Why an operation failed. Nothing of the plaintext that was not released before is in the caller's hands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The message breaks the format.
    #[error("the message is malformed: {0}")]
    Malformed(#[from] MalformedMessage),
    /// The message ends too early.
    #[error("the message is cut short: it ends within {within}")]
    Truncated {
        /// The part that is incomplete.
        within: &'static str,
    },
    /// The header's tag or commitment does not verify.
    #[error(
        "the header does not verify: it was altered, or belongs to another data key or encryption context"
    )]
    HeaderUnauthentic,
    /// A frame's tag does not verify.
    #[error("frame {sequence_number} does not verify: it was altered")]
    FrameUnauthentic {
        /// Number of the frame, from 1.
        sequence_number: u32,
    },
    /// The signature does not verify.
    #[error("the signature does not verify: the message was altered")]
    SignatureUnauthentic,
    /// The caller's rules refuse the message.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The call asks for what cannot be.
    #[error(transparent)]
    InvalidCall(#[from] InvalidCall),
    /// The keyring could not make the encrypted data keys.
    #[error("the data key could not be wrapped: {0}")]
    Wrap(#[source] KeyringError),
    /// No keyring opened an encrypted data key.
    #[error(transparent)]
    Unwrap(#[from] UnwrapError),
    /// A keyring or materials manager broke its contract.
    #[error("the materials are not usable: {0}")]
    InvalidMaterials(&'static str),
    /// The cryptographic library failed where it should not.
    #[error("a cryptographic operation failed: {0}")]
    Crypto(#[from] CryptoError),
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// A rule of the caller's that a message breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The commitment policy does not allow the suite.
    #[error("the commitment policy {policy} does not allow algorithm suite {suite}")]
    CommitmentPolicy {
        /// The policy in force.
        policy: CommitmentPolicy,
        /// The message's suite.
        suite: AlgorithmSuiteId,
    },
    /// A header limit is exceeded.
    #[error(transparent)]
    HeaderLimit(#[from] HeaderLimitExceeded),
    /// The frames are longer than allowed.
    #[error("the frame length is {frame_length} bytes; at most {max} are allowed")]
    FrameLength {
        /// The message's frame length.
        frame_length: u32,
        /// What is allowed.
        max: u32,
    },
    /// A non-framed body is longer than allowed: it must be held in memory as a whole.
    #[error("the body is not framed and has {length} bytes; at most {max} are allowed")]
    NonFramedLength {
        /// The body's length.
        length: u64,
        /// What is allowed.
        max: u64,
    },
    /// A pair has another value in the message than the caller expects.
    #[error("the encryption context has another value for {name:?} than was given")]
    ContextMismatch {
        /// The pair's name.
        name: String,
    },
    /// The caller must supply a pair and did not.
    #[error("the encryption context lacks {name:?}, which is required")]
    ContextMissing {
        /// The pair's name.
        name: String,
    },
    /// A signed message is longer than may be held back until its signature verifies.
    #[error(
        "a signed message is released after its signature, and more than {max_held_bytes} bytes would have to be held for it"
    )]
    HoldLimit {
        /// What may be held.
        max_held_bytes: u64,
    },
    /// The caller takes unsigned messages alone.
    #[error("the message is signed, and only unsigned ones are accepted here")]
    Signed,
    /// Ranges of a signed message were not allowed: only the whole message shows that the signature verifies.
    #[error(
        "the message is signed, and a range of it cannot show that the signature verifies: decrypt the whole message, or allow ranges of which the signature is not verified"
    )]
    UnverifiableSignature,
}

/// Something in the call that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCall {
    /// The commitment policy does not allow the suite that was asked for.
    #[error("the commitment policy {policy} does not allow algorithm suite {suite}")]
    CommitmentPolicy {
        /// The policy in force.
        policy: CommitmentPolicy,
        /// The suite asked for.
        suite: AlgorithmSuiteId,
    },
    /// A suite was named that contradicts the wish for a signature.
    #[error("algorithm suite {suite} does not sign")]
    SuiteDoesNotSign {
        /// The suite asked for.
        suite: AlgorithmSuiteId,
    },
    /// A suite that uses the data key itself was asked to encrypt several messages with it.
    #[error("algorithm suite {suite} derives no keys, so each message needs a data key of its own")]
    SuiteWithoutKeyDerivation {
        /// The suite asked for.
        suite: AlgorithmSuiteId,
    },
    /// A data key has served as many messages as it may.
    #[error("the data key has encrypted 2^32 messages, the most for one data key: start a new batch")]
    DataKeyUsedUp,
    /// The frame length is zero or beyond the limit.
    #[error("a frame length of {frame_length} bytes is not possible: use 1 to {max}")]
    FrameLength {
        /// What was asked for.
        frame_length: u32,
        /// What is allowed.
        max: u32,
    },
    /// The encryption context is not one.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A required pair is not in the context to encrypt with.
    #[error("the encryption context lacks {name:?}, which is required")]
    RequiredNameMissing {
        /// The pair's name.
        name: String,
    },
    /// More plaintext came than was announced.
    #[error("the plaintext has more than the {expected} bytes that were announced")]
    LongerThanExpected {
        /// What was announced.
        expected: u64,
    },
    /// The plaintext is too long for one message: it has more frames than sequence numbers, or more than 1 PiB, beyond which
    /// AES-GCM loses its margin.
    #[error("the plaintext does not fit one message, which holds {max} bytes with frames of {frame_length}")]
    MessageLength {
        /// What fits.
        max: u64,
        /// The frame length in force.
        frame_length: u32,
    },
    /// Ranges were asked of a message without frames, of which no part can be verified by itself.
    #[error("the message is not framed, so no range of it can be read: decrypt the whole message")]
    RangeOfNonFramed,
    /// A range ends before it starts.
    #[error("a range from {start} to {end} ends before it starts")]
    RangeReversed {
        /// Where it starts.
        start: u64,
        /// Where it ends.
        end: u64,
    },
    /// A range starts beyond the end of the plaintext.
    #[error("a range starts at {start}, beyond the end of the plaintext, which has {plaintext_len} bytes")]
    RangeBeyondEnd {
        /// Where it starts.
        start: u64,
        /// The verified length of the plaintext.
        plaintext_len: u64,
    },
    /// A range is longer than the memory that this machine can address.
    #[error("a range of {length} bytes does not fit in memory: read it in parts")]
    RangeTooLong {
        /// Bytes of the range.
        length: u64,
    },
    /// The header does not fit its length fields or the limits in force.
    #[error("the header would be too long, or have too many encrypted data keys: {0}")]
    Header(&'static str),
}

/// Why one keyring could not do its part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// The KMS said no, or nothing.
    #[error(transparent)]
    Kms(Box<KmsError>),
    /// The wrapping key does not open this encrypted data key.
    #[error("the wrapping key does not open it")]
    DoesNotOpen,
    /// The wrapping key is of a kind or length that does not fit.
    #[error("the wrapping key is not usable: {0}")]
    InvalidWrappingKey(&'static str),
    /// The keyring was set up wrongly.
    #[error("the keyring is not well formed: {0}")]
    InvalidKeyring(&'static str),
    /// This keyring does not encrypt.
    #[error("a {0} keyring cannot encrypt")]
    CannotEncrypt(&'static str),
    /// This keyring holds a public key alone.
    #[error("a public key cannot decrypt: give the private key")]
    PublicKeyOnly,
    /// The discovery filter excludes the key that the message names.
    #[error("the discovery filter does not allow {0}")]
    ExcludedByFilter(String),
    /// An encrypted data key names no KMS key ARN where it must.
    #[error("an encrypted data key for AWS KMS does not name a key ARN: {0:?}")]
    InvalidKeyArn(String),
    /// The KMS answered with another key than was asked for.
    #[error("KMS answered for {answered} where {asked} was asked for")]
    WrongKeyAnswered {
        /// The key asked for.
        asked: String,
        /// The key that answered.
        answered: String,
    },
    /// The data key has a length that the suite does not take.
    #[error("the data key has {found} bytes; the algorithm suite takes {expected}")]
    DataKeyLength {
        /// What came.
        found: usize,
        /// What the suite takes.
        expected: usize,
    },
    /// The context does not fit.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The cryptographic library failed where it should not.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl From<KmsError> for KeyringError {
    fn from(error: KmsError) -> Self {
        Self::Kms(Box::new(error))
    }
}

impl KeyringError {
    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Kms(error) => match error.kind {
                KmsErrorKind::Throttled | KmsErrorKind::Unreachable => ErrorKind::Retryable,
                KmsErrorKind::Internal => ErrorKind::Internal,
                _ => ErrorKind::KeyUnavailable,
            },
            Self::DoesNotOpen | Self::PublicKeyOnly => ErrorKind::KeyUnavailable,
            Self::InvalidWrappingKey(_)
            | Self::InvalidKeyring(_)
            | Self::CannotEncrypt(_)
            | Self::Context(_) => ErrorKind::InvalidCall,
            Self::InvalidKeyArn(_) => ErrorKind::Malformed,
            Self::ExcludedByFilter(_) => ErrorKind::PolicyRefused,
            Self::WrongKeyAnswered { .. } | Self::Crypto(_) => ErrorKind::Internal,
            Self::DataKeyLength { .. } => ErrorKind::KeyUnavailable,
        }
    }
}

/// One try to open an encrypted data key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnwrapAttempt {
    /// Which encrypted data key of the message, from 0.
    pub encrypted_data_key_index: usize,
    /// The keyring that tried, in words.
    pub keyring: String,
    /// Why it did not succeed.
    pub error: KeyringError,
}

/// No keyring opened an encrypted data key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no encrypted data key could be opened{}", display_attempts(.attempts, .encrypted_data_keys))]
pub struct UnwrapError {
    /// Every try, in order. Empty if no keyring had a matching wrapping key.
    pub attempts: Vec<UnwrapAttempt>,
    /// The wrapping keys that the message names.
    pub encrypted_data_keys: Vec<String>,
}

fn display_attempts(attempts: &[UnwrapAttempt], encrypted_data_keys: &[String]) -> String {
    if attempts.is_empty() {
        return format!(": none of the keys given is one of its keys ({})", encrypted_data_keys.join(", "));
    }
    attempts.iter().map(|attempt| format!("; {}: {}", attempt.keyring, attempt.error)).collect()
}

impl UnwrapError {
    /// Retryable if a retry could make any try succeed; malformed, or refused by policy, if that is what stood in the way every time.
    pub fn kind(&self) -> ErrorKind {
        let kinds = || self.attempts.iter().map(|attempt| attempt.error.kind());
        if kinds().any(|kind| kind == ErrorKind::Retryable) {
            ErrorKind::Retryable
        } else {
            let first = kinds().next().unwrap_or(ErrorKind::KeyUnavailable);
            let is_telling = matches!(first, ErrorKind::Malformed | ErrorKind::PolicyRefused);
            if is_telling && kinds().all(|kind| kind == first) { first } else { ErrorKind::KeyUnavailable }
        }
    }
}

impl Error {
    /// What to do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Malformed(_) | Self::Truncated { .. } => ErrorKind::Malformed,
            Self::HeaderUnauthentic | Self::FrameUnauthentic { .. } | Self::SignatureUnauthentic => {
                ErrorKind::Unauthentic
            }
            Self::Refused(_) => ErrorKind::PolicyRefused,
            Self::InvalidCall(_) => ErrorKind::InvalidCall,
            Self::Wrap(error) => error.kind(),
            Self::Unwrap(error) => error.kind(),
            Self::InvalidMaterials(_) | Self::Crypto(_) => ErrorKind::Internal,
            Self::Io(_) => ErrorKind::Io,
        }
    }

    /// As an error of `std::io`, from which [`Error::from_io`] gets it back.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Io(error) => error,
            Self::Truncated { .. } => io::Error::new(io::ErrorKind::UnexpectedEof, self),
            other => io::Error::new(io::ErrorKind::InvalidData, other),
        }
    }

    /// The error inside an `std::io` error that a reader or writer of envel returned; other ones become [`Error::Io`].
    pub fn from_io(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Io)
    }

    /// What a parser's stop means when no more bytes will come.
    pub(crate) fn at_end_of_input(error: ParseError, within: &'static str) -> Self {
        match error {
            ParseError::Incomplete { .. } => Self::Truncated { within },
            ParseError::Malformed(malformed) => Self::Malformed(malformed),
            ParseError::Beyond(exceeded) => Refusal::from(exceeded).into(),
        }
    }
}

impl From<ContextError> for Error {
    fn from(error: ContextError) -> Self {
        InvalidCall::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(kind: KmsErrorKind) -> UnwrapAttempt {
        UnwrapAttempt {
            encrypted_data_key_index: 0,
            keyring: "KMS key k".into(),
            error: KmsError::new(kind, "Decrypt", "X", "").into(),
        }
    }

    #[test]
    fn a_retry_helps_if_it_could_help_any_keyring() {
        let kind = |attempts| UnwrapError { attempts, encrypted_data_keys: vec![] }.kind();
        assert_eq!(kind(vec![]), ErrorKind::KeyUnavailable);
        assert_eq!(kind(vec![attempt(KmsErrorKind::Denied)]), ErrorKind::KeyUnavailable);
        let both = vec![attempt(KmsErrorKind::Denied), attempt(KmsErrorKind::Throttled)];
        assert_eq!(kind(both), ErrorKind::Retryable);
    }

    #[test]
    fn errors_survive_the_way_through_io() {
        let error = Error::from_io(Error::HeaderUnauthentic.into_io());
        assert!(matches!(error, Error::HeaderUnauthentic));
        let error = Error::from_io(Error::Io(io::ErrorKind::StorageFull.into()).into_io());
        assert!(matches!(error, Error::Io(inner) if inner.kind() == io::ErrorKind::StorageFull));
    }
}
