//! From the data key to the key that encrypts, and to the commitment.

use envel_core::primitives::aead::AeadKey;
use envel_core::primitives::hkdf;
use envel_core::{CryptoError, DataKey, SecretBytes};

use crate::message::MessageId;
use crate::message::header::COMMIT_KEY_LEN;
use crate::suite::{AlgorithmSuite, KeyDerivation};

/// The keys of one message.
pub(crate) struct DerivedKeys {
    pub(crate) message_key: AeadKey,
    /// What the header must say, if the suite commits.
    pub(crate) commit_key: Option<[u8; COMMIT_KEY_LEN]>,
}

/// Which derivation: that of the specification, or the one that the .NET library 4.0.0 used by mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Derivation {
    Specified,
    /// The message ID is missing from the info of suites without commitment.
    NetV4,
}

impl DerivedKeys {
    /// Derives the keys of one message. The data key's length is the suite's.
    ///
    /// # Specification
    /// `framework/algorithm-suites.md`, "Key Derivation Algorithm" and "Algorithm Suite Data".
    pub(crate) fn derive(
        suite: &AlgorithmSuite,
        data_key: &DataKey,
        message_id: &MessageId,
        derivation: Derivation,
    ) -> Result<Self, CryptoError> {
        if data_key.len() != suite.data_key_len() {
            return Err(CryptoError::InvalidKey);
        }
        let suite_id = suite.id.as_u16().to_be_bytes();
        match suite.key_derivation {
            KeyDerivation::Identity => {
                let message_key = AeadKey::new(suite.aead, data_key.expose_secret())?;
                Ok(Self { message_key, commit_key: None })
            }
            KeyDerivation::Hkdf(digest) => {
                let prk = hkdf::extract(digest, &[], data_key.expose_secret())?;
                let info = match derivation {
                    Derivation::Specified => [&suite_id[..], message_id.as_bytes()],
                    Derivation::NetV4 => [&suite_id[..], &[]],
                };
                Ok(Self { message_key: expand_key(suite, &prk, &info)?, commit_key: None })
            }
            KeyDerivation::HkdfWithCommitment(digest) => {
                let prk = hkdf::extract(digest, message_id.as_bytes(), data_key.expose_secret())?;
                let mut commit_key = [0; COMMIT_KEY_LEN];
                prk.expand(&[b"COMMITKEY"], &mut commit_key)?;
                let message_key = expand_key(suite, &prk, &[&suite_id, b"DERIVEKEY"])?;
                Ok(Self { message_key, commit_key: Some(commit_key) })
            }
        }
    }
}

/// Expands the encryption key in a buffer that is wiped once the cipher has taken it.
fn expand_key(
    suite: &AlgorithmSuite,
    prk: &hkdf::PseudorandomKey,
    info: &[&[u8]],
) -> Result<AeadKey, CryptoError> {
    let key = SecretBytes::try_filled_by(suite.aead.key_len(), |key| prk.expand(info, key))?;
    AeadKey::new(suite.aead, key.expose_secret())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::{AlgorithmSuiteId, MessageVersion};

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// Derived keys cannot be looked at, so they are compared by what they seal.
    fn seals_as(derived: &DerivedKeys, expected_key: &[u8]) -> bool {
        let expected = AeadKey::new(
            envel_core::primitives::aead::AeadAlgorithm::for_key_len(expected_key.len()).unwrap(),
            expected_key,
        );
        let seal = |key: &AeadKey| key.seal_in_place(&[0; 12], b"", &mut []).unwrap();
        seal(&derived.message_key) == seal(&expected.unwrap())
    }

    fn derived(suite: AlgorithmSuiteId, derivation: Derivation) -> DerivedKeys {
        let suite = suite.suite();
        let data_key = DataKey::new(SecretBytes::copied_from(&(0..32).collect::<Vec<u8>>()));
        let id_len = suite.message_version().message_id_len();
        let id: Vec<u8> = (0x20..).take(id_len).collect();
        DerivedKeys::derive(&suite, &data_key, &MessageId::try_from(&id[..]).unwrap(), derivation).unwrap()
    }

    #[test]
    fn known_answers() {
        use AlgorithmSuiteId::*;
        use Derivation::*;
        let commit_key = hex("16bbdf5f77e52a6d45b8cad7f30e0bbf69b304b0d51de9d153b822934fd32d47");
        for (suite, derivation, key) in [
            (
                Aes256GcmHkdfSha512CommitKey,
                Specified,
                "30f891fcd92a8abe67342e11f1cfacffa92994861fca7075fb36a21f9edbf6ae",
            ),
            (
                Aes256GcmHkdfSha512CommitKeyEcdsaP384,
                Specified,
                "f1c9314c892f401f26fb2fff1e52805b875f89c19258972b0170ceeb9e6e1dd3",
            ),
            (
                Aes256GcmHkdfSha256,
                Specified,
                "8fee9d1643c1ffef00bd1b61078e1b539df6d6ac3e12f8e47446d87d3d63a8ce",
            ),
            (Aes256GcmHkdfSha256, NetV4, "8a1bc6745d1aec86e0f92ae3192076a74a87787b737dbd38b48aa03110f6c362"),
            (
                Aes256GcmHkdfSha384EcdsaP384,
                Specified,
                "80fd709becd27a66e9d9da429c4f6986ebfdb2e353fa155d8b287576eeefbb7c",
            ),
        ] {
            let derived = derived(suite, derivation);
            assert!(seals_as(&derived, &hex(key)), "{suite}");
            let expected = suite.suite().is_committing().then(|| commit_key.clone());
            assert_eq!(derived.commit_key.map(|key| key.to_vec()), expected, "{suite}");
        }
    }

    #[test]
    fn a_data_key_of_another_length_is_refused() {
        let suite = AlgorithmSuiteId::Aes128GcmNoKdf.suite();
        let data_key = DataKey::new(SecretBytes::zeroed(32));
        let id = MessageId::try_filled_by(MessageVersion::V1, |_| Ok::<_, ()>(())).unwrap();
        let outcome = DerivedKeys::derive(&suite, &data_key, &id, Derivation::Specified);
        assert!(matches!(outcome, Err(CryptoError::InvalidKey)));
    }
}
