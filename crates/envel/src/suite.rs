//! The algorithm suites of the message format, in one table, and the commitment policies that choose among them.

use std::fmt;
use std::str::FromStr;

use envel_core::primitives::aead::AeadAlgorithm;
use envel_core::primitives::digest::DigestAlgorithm;
use envel_core::primitives::ecdsa::EcdsaAlgorithm;

/// Version of the message format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageVersion {
    /// Version 1: suites without key commitment.
    V1,
    /// Version 2: suites with key commitment.
    V2,
}

impl MessageVersion {
    /// Length of a message ID in bytes.
    pub const fn message_id_len(self) -> usize {
        match self {
            Self::V1 => 16,
            Self::V2 => 32,
        }
    }
}

/// How the key that encrypts is made from the data key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyDerivation {
    /// The data key itself encrypts. It must never serve two messages.
    Identity,
    /// HKDF with this digest; suite and message ID in the info.
    Hkdf(DigestAlgorithm),
    /// HKDF with this digest; message ID as the salt; a commit key beside the derived key.
    HkdfWithCommitment(DigestAlgorithm),
}

/// Identifies an algorithm suite: two bytes in every message header.
///
/// ```
/// use envel::AlgorithmSuiteId;
///
/// let id = AlgorithmSuiteId::from_u16(0x0478).unwrap();
/// assert_eq!(id, AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey);
/// assert_eq!("0x0478".parse(), Ok(id));
/// assert!(AlgorithmSuiteId::from_u16(0x0070).is_none());
/// ```
///
/// # Specification
/// `framework/algorithm-suites.md`, "Supported Algorithm Suites".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
#[non_exhaustive]
pub enum AlgorithmSuiteId {
    /// 0x0014: AES-128-GCM, no key derivation.
    Aes128GcmNoKdf = 0x0014,
    /// 0x0046: AES-192-GCM, no key derivation.
    Aes192GcmNoKdf = 0x0046,
    /// 0x0078: AES-256-GCM, no key derivation.
    Aes256GcmNoKdf = 0x0078,
    /// 0x0114: AES-128-GCM, HKDF-SHA256.
    Aes128GcmHkdfSha256 = 0x0114,
    /// 0x0146: AES-192-GCM, HKDF-SHA256.
    Aes192GcmHkdfSha256 = 0x0146,
    /// 0x0178: AES-256-GCM, HKDF-SHA256.
    Aes256GcmHkdfSha256 = 0x0178,
    /// 0x0214: AES-128-GCM, HKDF-SHA256, ECDSA P-256.
    Aes128GcmHkdfSha256EcdsaP256 = 0x0214,
    /// 0x0346: AES-192-GCM, HKDF-SHA384, ECDSA P-384.
    Aes192GcmHkdfSha384EcdsaP384 = 0x0346,
    /// 0x0378: AES-256-GCM, HKDF-SHA384, ECDSA P-384.
    Aes256GcmHkdfSha384EcdsaP384 = 0x0378,
    /// 0x0478: AES-256-GCM, HKDF-SHA512, key commitment. The default.
    Aes256GcmHkdfSha512CommitKey = 0x0478,
    /// 0x0578: AES-256-GCM, HKDF-SHA512, key commitment, ECDSA P-384.
    Aes256GcmHkdfSha512CommitKeyEcdsaP384 = 0x0578,
}

impl AlgorithmSuiteId {
    /// Every suite, by number.
    pub const ALL: [Self; 11] = [
        Self::Aes128GcmNoKdf,
        Self::Aes192GcmNoKdf,
        Self::Aes256GcmNoKdf,
        Self::Aes128GcmHkdfSha256,
        Self::Aes192GcmHkdfSha256,
        Self::Aes256GcmHkdfSha256,
        Self::Aes128GcmHkdfSha256EcdsaP256,
        Self::Aes192GcmHkdfSha384EcdsaP384,
        Self::Aes256GcmHkdfSha384EcdsaP384,
        Self::Aes256GcmHkdfSha512CommitKey,
        Self::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
    ];

    /// The suite of this number; `None` for numbers of other formats and for unknown ones.
    pub fn from_u16(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|id| id.as_u16() == number)
    }

    /// The number in the header.
    pub const fn as_u16(self) -> u16 {
        self as u16
    }

    /// What the suite is made of.
    pub const fn suite(self) -> AlgorithmSuite {
        use AeadAlgorithm::{Aes128Gcm, Aes192Gcm, Aes256Gcm};
        use DigestAlgorithm::{Sha256, Sha384, Sha512};
        use EcdsaAlgorithm::{P256Sha256, P384Sha384};
        use KeyDerivation::{Hkdf, HkdfWithCommitment, Identity};
        let (aead, key_derivation, signature) = match self {
            Self::Aes128GcmNoKdf => (Aes128Gcm, Identity, None),
            Self::Aes192GcmNoKdf => (Aes192Gcm, Identity, None),
            Self::Aes256GcmNoKdf => (Aes256Gcm, Identity, None),
            Self::Aes128GcmHkdfSha256 => (Aes128Gcm, Hkdf(Sha256), None),
            Self::Aes192GcmHkdfSha256 => (Aes192Gcm, Hkdf(Sha256), None),
            Self::Aes256GcmHkdfSha256 => (Aes256Gcm, Hkdf(Sha256), None),
            Self::Aes128GcmHkdfSha256EcdsaP256 => (Aes128Gcm, Hkdf(Sha256), Some(P256Sha256)),
            Self::Aes192GcmHkdfSha384EcdsaP384 => (Aes192Gcm, Hkdf(Sha384), Some(P384Sha384)),
            Self::Aes256GcmHkdfSha384EcdsaP384 => (Aes256Gcm, Hkdf(Sha384), Some(P384Sha384)),
            Self::Aes256GcmHkdfSha512CommitKey => (Aes256Gcm, HkdfWithCommitment(Sha512), None),
            Self::Aes256GcmHkdfSha512CommitKeyEcdsaP384 => {
                (Aes256Gcm, HkdfWithCommitment(Sha512), Some(P384Sha384))
            }
        };
        AlgorithmSuite { id: self, aead, key_derivation, signature }
    }
}

impl fmt::Display for AlgorithmSuiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04X}", self.as_u16())
    }
}

/// A text that names no algorithm suite.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an algorithm suite: use a number such as 0x0478")]
pub struct UnknownSuite(pub String);

impl FromStr for AlgorithmSuiteId {
    type Err = UnknownSuite;

    /// Takes the number in hexadecimal, with or without `0x`.
    fn from_str(text: &str) -> Result<Self, UnknownSuite> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        u16::from_str_radix(digits, 16)
            .ok()
            .filter(|_| digits.len() == 4)
            .and_then(Self::from_u16)
            .ok_or_else(|| UnknownSuite(text.to_owned()))
    }
}

/// What an algorithm suite is made of.
///
/// # Specification
/// `framework/algorithm-suites.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlgorithmSuite {
    /// Its number.
    pub id: AlgorithmSuiteId,
    /// What encrypts.
    pub aead: AeadAlgorithm,
    /// What makes the encryption key of the data key.
    pub key_derivation: KeyDerivation,
    /// What signs, if anything does.
    pub signature: Option<EcdsaAlgorithm>,
}

impl AlgorithmSuite {
    /// Length of the data key in bytes: that of the encryption key.
    pub const fn data_key_len(&self) -> usize {
        self.aead.key_len()
    }

    /// Whether the header commits to the data key.
    pub const fn is_committing(&self) -> bool {
        matches!(self.key_derivation, KeyDerivation::HkdfWithCommitment(_))
    }

    /// Whether messages end in a signature.
    pub const fn is_signed(&self) -> bool {
        self.signature.is_some()
    }

    /// The version of the format that carries this suite.
    pub const fn message_version(&self) -> MessageVersion {
        if self.is_committing() { MessageVersion::V2 } else { MessageVersion::V1 }
    }
}

/// Whether messages must commit to their data key.
///
/// Without commitment, whoever makes a message can make it open to different plaintexts under different data keys.
///
/// # Specification
/// `client-apis/client.md`, "Commitment Policy".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CommitmentPolicy {
    /// Writes without commitment and reads both: for the first step of a migration.
    ForbidEncryptAllowDecrypt,
    /// Writes with commitment and reads both: for the second step.
    RequireEncryptAllowDecrypt,
    /// Writes and reads with commitment alone.
    #[default]
    RequireEncryptRequireDecrypt,
}

impl CommitmentPolicy {
    /// The suite used when none is asked for: unsigned unless `signed`.
    pub const fn default_suite(self, signed: bool) -> AlgorithmSuiteId {
        match (self, signed) {
            (Self::ForbidEncryptAllowDecrypt, false) => AlgorithmSuiteId::Aes256GcmHkdfSha256,
            (Self::ForbidEncryptAllowDecrypt, true) => AlgorithmSuiteId::Aes256GcmHkdfSha384EcdsaP384,
            (_, false) => AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey,
            (_, true) => AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
        }
    }

    /// Whether a message may be written with this suite.
    pub const fn allows_encrypt(self, suite: &AlgorithmSuite) -> bool {
        suite.is_committing() != matches!(self, Self::ForbidEncryptAllowDecrypt)
    }

    /// Whether a message with this suite may be read.
    pub const fn allows_decrypt(self, suite: &AlgorithmSuite) -> bool {
        suite.is_committing() || !matches!(self, Self::RequireEncryptRequireDecrypt)
    }
}

impl fmt::Display for CommitmentPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForbidEncryptAllowDecrypt => "forbid-encrypt-allow-decrypt",
            Self::RequireEncryptAllowDecrypt => "require-encrypt-allow-decrypt",
            Self::RequireEncryptRequireDecrypt => "require-encrypt-require-decrypt",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_other_formats_are_unknown() {
        for number in [0x0000, 0x0070, 0x0071, 0x0074, 0x6700, 0x6701, 0x0479, 0xffff] {
            assert_eq!(AlgorithmSuiteId::from_u16(number), None);
        }
        for text in ["", "0x478", "0478 ", "1144", "x0478"] {
            assert!(text.parse::<AlgorithmSuiteId>().is_err(), "{text}");
        }
        assert_eq!("0578".parse(), Ok(AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384));
    }

    #[test]
    fn policies_choose_suites_that_they_allow() {
        use CommitmentPolicy::*;
        for policy in [ForbidEncryptAllowDecrypt, RequireEncryptAllowDecrypt, RequireEncryptRequireDecrypt] {
            for signed in [false, true] {
                let suite = policy.default_suite(signed).suite();
                assert!(policy.allows_encrypt(&suite) && policy.allows_decrypt(&suite));
                assert_eq!(suite.is_signed(), signed);
            }
        }
        let uncommitted = AlgorithmSuiteId::Aes256GcmHkdfSha256.suite();
        assert!(!RequireEncryptRequireDecrypt.allows_decrypt(&uncommitted));
        assert!(RequireEncryptAllowDecrypt.allows_decrypt(&uncommitted));
        assert!(!RequireEncryptAllowDecrypt.allows_encrypt(&uncommitted));
    }
}
