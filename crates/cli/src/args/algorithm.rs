//! `--algorithm`: an algorithm suite by number or by the name that the other implementations give it.

use envel::AlgorithmSuiteId;

/// Every suite with its name.
const NAMES: [(AlgorithmSuiteId, &str); 11] = [
    (AlgorithmSuiteId::Aes128GcmNoKdf, "AES_128_GCM_IV12_TAG16"),
    (AlgorithmSuiteId::Aes192GcmNoKdf, "AES_192_GCM_IV12_TAG16"),
    (AlgorithmSuiteId::Aes256GcmNoKdf, "AES_256_GCM_IV12_TAG16"),
    (AlgorithmSuiteId::Aes128GcmHkdfSha256, "AES_128_GCM_IV12_TAG16_HKDF_SHA256"),
    (AlgorithmSuiteId::Aes192GcmHkdfSha256, "AES_192_GCM_IV12_TAG16_HKDF_SHA256"),
    (AlgorithmSuiteId::Aes256GcmHkdfSha256, "AES_256_GCM_IV12_TAG16_HKDF_SHA256"),
    (AlgorithmSuiteId::Aes128GcmHkdfSha256EcdsaP256, "AES_128_GCM_IV12_TAG16_HKDF_SHA256_ECDSA_P256"),
    (AlgorithmSuiteId::Aes192GcmHkdfSha384EcdsaP384, "AES_192_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384"),
    (AlgorithmSuiteId::Aes256GcmHkdfSha384EcdsaP384, "AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384"),
    (AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKey, "AES_256_GCM_HKDF_SHA512_COMMIT_KEY"),
    (
        AlgorithmSuiteId::Aes256GcmHkdfSha512CommitKeyEcdsaP384,
        "AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384",
    ),
];

/// The suite of a number such as 0x0478, or of a name.
///
/// # Errors
/// What to write instead.
pub(crate) fn algorithm_suite(text: &str) -> Result<AlgorithmSuiteId, String> {
    let of_name = NAMES.iter().find(|(_, name)| *name == text).map(|(id, _)| *id);
    of_name.map_or_else(|| text.parse().map_err(|error: envel::UnknownSuite| error.to_string()), Ok)
}

/// What the other implementations call a suite.
pub(crate) fn algorithm_suite_name(id: AlgorithmSuiteId) -> &'static str {
    NAMES.iter().find(|(known, _)| *known == id).map_or("unknown", |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_suite_is_found_by_number_and_by_name() {
        for id in AlgorithmSuiteId::ALL {
            assert_eq!(algorithm_suite(algorithm_suite_name(id)), Ok(id));
            assert_eq!(algorithm_suite(&id.to_string()), Ok(id));
        }
        assert!(algorithm_suite("AES").is_err());
    }
}
