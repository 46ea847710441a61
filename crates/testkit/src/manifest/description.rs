//! Key descriptions: which keyring or materials manager a case is to be decrypted with.

use std::sync::Arc;

use envel::primitives::rsa::RsaPadding;
use envel::{
    DefaultManager, Keyring, KeyringError, MaterialsManager, MultiKeyring, RawAesKeyring, RawRsaKeyring,
    RequiredContextManager,
};
use serde::Deserialize;
use serde_json::Value;

use super::keys::Keys;

/// A key description, as `framework/test-vectors/key-description.md` has it.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
pub(super) enum KeyDescription {
    Raw(RawDescription),
    Multi {
        generator: Option<Box<KeyDescription>>,
        children: Vec<KeyDescription>,
    },
    RequiredContext {
        underlying: Box<KeyDescription>,
        names: Vec<String>,
    },
    /// A type that needs AWS or that envel does not build.
    Other {
        kind: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RawDescription {
    key: String,
    provider_id: String,
    encryption_algorithm: String,
    padding_algorithm: Option<String>,
    padding_hash: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MultiDescription {
    generator: Option<Box<KeyDescription>>,
    child_keyrings: Vec<KeyDescription>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequiredContextDescription {
    underlying: Box<KeyDescription>,
    #[serde(default)]
    required_encryption_context_keys: Vec<String>,
}

impl TryFrom<Value> for KeyDescription {
    type Error = serde_json::Error;

    /// Takes an object with a type, or a list that stands for a multi-keyring.
    fn try_from(written: Value) -> Result<Self, serde_json::Error> {
        if written.is_array() {
            return Ok(Self::Multi { generator: None, children: serde_json::from_value(written)? });
        }
        let Some(kind) = written.get("type").and_then(Value::as_str).map(str::to_owned) else {
            return Err(serde::de::Error::missing_field("type"));
        };
        match kind.as_str() {
            "raw" => serde_json::from_value(written).map(Self::Raw),
            "multi-keyring" => {
                let multi: MultiDescription = serde_json::from_value(written)?;
                Ok(Self::Multi { generator: multi.generator, children: multi.child_keyrings })
            }
            "required-encryption-context-cmm" => {
                let required: RequiredContextDescription = serde_json::from_value(written)?;
                let names = required.required_encryption_context_keys;
                Ok(Self::RequiredContext { underlying: required.underlying, names })
            }
            _ => Ok(Self::Other { kind }),
        }
    }
}

impl KeyDescription {
    /// The first type within that envel does not build here.
    pub(super) fn unbuilt_kind(&self) -> Option<&str> {
        match self {
            Self::Raw(_) => None,
            Self::Multi { generator, children } => {
                generator.as_deref().into_iter().chain(children).find_map(Self::unbuilt_kind)
            }
            Self::RequiredContext { underlying, .. } => underlying.unbuilt_kind(),
            Self::Other { kind } => Some(kind),
        }
    }

    /// Builds the materials manager.
    pub(super) fn manager(&self, keys: &Keys) -> Result<Arc<dyn MaterialsManager>, String> {
        match self {
            Self::RequiredContext { underlying, names } => {
                require_context(underlying.manager(keys)?, names.clone())
            }
            _ => Ok(Arc::new(DefaultManager::new(self.keyring(keys)?))),
        }
    }

    fn keyring(&self, keys: &Keys) -> Result<Arc<dyn Keyring>, String> {
        match self {
            Self::Raw(raw) => raw.keyring(keys),
            Self::Multi { generator, children } => {
                let generator = generator.as_deref().map(|generator| generator.keyring(keys)).transpose()?;
                let children = children.iter().map(|child| child.keyring(keys)).collect::<Result<_, _>>()?;
                let keyring = MultiKeyring::new(generator, children).map_err(|error| error.to_string())?;
                Ok(Arc::new(keyring))
            }
            Self::RequiredContext { .. } => Err("a materials manager stands where a keyring belongs".into()),
            Self::Other { kind } => Err(format!("no keyring of type {kind:?} is built here")),
        }
    }
}

/// Puts the manager that requires these names in front of another.
pub(super) fn require_context(
    underlying: Arc<dyn MaterialsManager>,
    names: Vec<String>,
) -> Result<Arc<dyn MaterialsManager>, String> {
    let manager = RequiredContextManager::new(underlying, names).map_err(|error| error.to_string())?;
    Ok(Arc::new(manager))
}

impl RawDescription {
    fn keyring(&self, keys: &Keys) -> Result<Arc<dyn Keyring>, String> {
        let refused = |error: KeyringError| error.to_string();
        match self.encryption_algorithm.as_str() {
            "aes" => {
                let (key_id, key) = keys.symmetric(&self.key)?;
                Ok(Arc::new(RawAesKeyring::new(&self.provider_id, key_id, &key).map_err(refused)?))
            }
            "rsa" => {
                let padding = self.padding()?;
                let (key_id, key) = keys.rsa(&self.key)?;
                let keyring = RawRsaKeyring::new(&self.provider_id, key_id, padding, key).map_err(refused)?;
                Ok(Arc::new(keyring))
            }
            other => Err(format!("{other:?} is not an encryption algorithm of raw keyrings")),
        }
    }

    fn padding(&self) -> Result<RsaPadding, String> {
        match (self.padding_algorithm.as_deref(), self.padding_hash.as_deref()) {
            // Manifests write a hash for PKCS #1, or none; either means nothing.
            (Some("pkcs1"), _) => Ok(RsaPadding::Pkcs1),
            (Some("oaep-mgf1"), Some("sha1")) => Ok(RsaPadding::OaepSha1),
            (Some("oaep-mgf1"), Some("sha256")) => Ok(RsaPadding::OaepSha256),
            (Some("oaep-mgf1"), Some("sha384")) => Ok(RsaPadding::OaepSha384),
            (Some("oaep-mgf1"), Some("sha512")) => Ok(RsaPadding::OaepSha512),
            (algorithm, hash) => Err(format!("there is no RSA padding {algorithm:?} with {hash:?}")),
        }
    }
}
