//! The official decrypt manifests, versions 1 to 5: messages that another SDK made, and what must come of each.
//!
//! [`Manifest::load`] reads one, [`Manifest::run`] decrypts its cases one after another, holding one case at a time.
//!
//! # Specification
//! `framework/test-vectors/` and what the official runners read beyond it: the specification describes neither the older
//! versions nor cases that must be refused.

mod description;
mod keys;
mod run;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use envel::EncryptionContext;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use description::KeyDescription;
use keys::Keys;
pub use run::{RunOptions, Totals, Verdict};

/// A decrypt manifest with its keys.
pub struct Manifest {
    /// What the paths of the cases are relative to.
    directory: PathBuf,
    version: u32,
    keys: Keys,
    tests: BTreeMap<String, Box<RawValue>>,
}

/// A manifest that cannot be run at all.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is no JSON of the expected form.
    #[error("{} is not a manifest: {source}", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The manifest is of another type or version.
    #[error("{} is of type {kind:?}, version {version}: only awses-decrypt, versions 1 to 5, is understood", .path.display())]
    NotDecrypt {
        /// The file.
        path: PathBuf,
        /// The type found.
        kind: String,
        /// The version found.
        version: u32,
    },
    /// The location of the keys is not understood.
    #[error("the keys manifest: {0}")]
    Keys(String),
}

#[derive(Deserialize)]
struct ManifestFile {
    manifest: Identity,
    keys: String,
    tests: BTreeMap<String, Box<RawValue>>,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(rename = "type")]
    kind: String,
    version: u32,
}

/// One case: a message and what must come of it.
struct Case {
    ciphertext: PathBuf,
    keys: KeyDescription,
    reproduced_context: EncryptionContext,
    /// Whether the pairs of the reproduced context are required, as the version 4 name of a manager says.
    requires_reproduced_context: bool,
    /// Whether signed messages must be refused whatever they hold.
    unsigned_only: bool,
    expected: Expected,
}

enum Expected {
    Plaintext(PathBuf),
    Refusal,
}

/// A case of the versions 1 to 4.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MasterKeysTest {
    ciphertext: String,
    master_keys: KeyDescription,
    cmm: Option<String>,
    encryption_context: Option<BTreeMap<String, String>>,
    decryption_method: Option<String>,
    /// Version 1 has no result, but the plaintext.
    plaintext: Option<String>,
    result: Option<TestResult>,
}

/// A case of version 5.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ScenarioTest {
    decryption_scenario: Scenario,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Scenario {
    ciphertext: String,
    #[serde(rename = "decryptKeyDescription")]
    decrypt_key_description: KeyDescription,
    reproduced_encryption_context: Option<BTreeMap<String, String>>,
    decryption_method: Option<String>,
    result: TestResult,
}

/// What must come of a case. Version 5 writes the location of the plaintext alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum TestResult {
    Location(String),
    Outcome(Outcome),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Output { plaintext: String },
    Error {},
}

impl Manifest {
    /// Reads a manifest and its keys.
    ///
    /// # Errors
    /// [`ManifestError`]. A malformed case is no error here: it fails when it is run.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        let file: ManifestFile = read_json(path)?;
        let Identity { kind, version } = file.manifest;
        if kind != "awses-decrypt" || !(1..=5).contains(&version) {
            return Err(ManifestError::NotDecrypt { path: path.into(), kind, version });
        }
        let directory = path.parent().unwrap_or(Path::new("")).to_path_buf();
        let keys = Keys::load(&resolve(&directory, &file.keys).map_err(ManifestError::Keys)?)?;
        Ok(Self { directory, version, keys, tests: file.tests })
    }

    fn case(&self, text: &RawValue) -> Result<Case, String> {
        let malformed = |error: serde_json::Error| format!("malformed case: {error}");
        let location = |location: &str| resolve(&self.directory, location);
        let expected = |result: TestResult| match result {
            TestResult::Location(plaintext) | TestResult::Outcome(Outcome::Output { plaintext }) => {
                location(&plaintext).map(Expected::Plaintext)
            }
            TestResult::Outcome(Outcome::Error {}) => Ok(Expected::Refusal),
        };
        if self.version == 5 {
            let test: ScenarioTest = serde_json::from_str(text.get()).map_err(malformed)?;
            let scenario = test.decryption_scenario;
            return Ok(Case {
                ciphertext: location(&scenario.ciphertext)?,
                keys: scenario.decrypt_key_description,
                reproduced_context: context(scenario.reproduced_encryption_context)?,
                requires_reproduced_context: false,
                unsigned_only: is_unsigned_only(scenario.decryption_method.as_deref())?,
                expected: expected(scenario.result)?,
            });
        }
        let test: MasterKeysTest = serde_json::from_str(text.get()).map_err(malformed)?;
        let result = test.result.or(test.plaintext.map(TestResult::Location));
        Ok(Case {
            ciphertext: location(&test.ciphertext)?,
            keys: test.master_keys,
            reproduced_context: context(test.encryption_context)?,
            requires_reproduced_context: match test.cmm.as_deref() {
                None | Some("Default") => false,
                Some("RequiredEncryptionContext") => true,
                Some(other) => return Err(format!("unknown materials manager {other:?}")),
            },
            unsigned_only: is_unsigned_only(test.decryption_method.as_deref())?,
            expected: expected(result.ok_or("malformed case: it has no result")?)?,
        })
    }
}

fn context(pairs: Option<BTreeMap<String, String>>) -> Result<EncryptionContext, String> {
    EncryptionContext::try_from_pairs(pairs.unwrap_or_default()).map_err(|error| error.to_string())
}

fn is_unsigned_only(decryption_method: Option<&str>) -> Result<bool, String> {
    match decryption_method {
        None => Ok(false),
        Some("streaming-unsigned-only") => Ok(true),
        Some(other) => Err(format!("unknown decryption method {other:?}")),
    }
}

/// Where a `file://` location lies: relative to the manifest's directory, even after a third slash, which some generators write.
fn resolve(directory: &Path, location: &str) -> Result<PathBuf, String> {
    let path =
        location.strip_prefix("file://").ok_or_else(|| format!("{location:?} is not a file:// location"))?;
    Ok(directory.join(path.trim_start_matches('/')))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ManifestError> {
    let text = fs::read(path).map_err(|source| ManifestError::Unreadable { path: path.into(), source })?;
    serde_json::from_slice(&text).map_err(|source| ManifestError::Malformed { path: path.into(), source })
}
