//! SHA-2 digests, whole and incremental.

use std::fmt;

use aws_lc_rs::{digest, hmac};

/// Which digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// 32 bytes.
    Sha256,
    /// 48 bytes.
    Sha384,
    /// 64 bytes.
    Sha512,
}

impl DigestAlgorithm {
    pub(super) fn library(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    pub(super) fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }
}

/// A digest being taken.
pub struct Hasher(digest::Context);

/// A finished digest.
#[derive(Clone, Copy)]
pub struct Digest(pub(super) digest::Digest);

impl Hasher {
    /// Nothing hashed yet.
    pub fn new(algorithm: DigestAlgorithm) -> Self {
        Self(digest::Context::new(algorithm.library()))
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of everything added.
    pub fn finish(self) -> Digest {
        Digest(self.0.finish())
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The digest of `bytes`.
///
/// ```
/// use envel_core::primitives::digest::{DigestAlgorithm, digest};
/// assert_eq!(digest(DigestAlgorithm::Sha256, b"abc").as_ref()[..4], [0xba, 0x78, 0x16, 0xbf]);
/// ```
pub fn digest(algorithm: DigestAlgorithm, bytes: &[u8]) -> Digest {
    Digest(digest::digest(algorithm.library(), bytes))
}
