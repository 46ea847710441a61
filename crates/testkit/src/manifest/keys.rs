//! Keys manifests: the key material that the cases of a decrypt manifest name.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use envel::primitives::rsa::{RsaPrivateKey, RsaPublicKey};
use envel::{RsaKey, SecretBytes};
use serde::Deserialize;

use super::{ManifestError, read_json};

/// The keys of a keys manifest, by name. Its keys are test keys: public knowledge, not secrets.
#[derive(Debug, Deserialize)]
pub(super) struct Keys {
    keys: BTreeMap<String, Key>,
}

/// One key. Kinds that no keyring here uses (KMS, ECDH, static material) are read and left alone.
#[derive(Debug, Deserialize)]
struct Key {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "key-id")]
    key_id: Option<String>,
    encoding: Option<String>,
    #[serde(rename = "line-separator", default = "newline")]
    line_separator: String,
    material: Option<Material>,
}

/// Text; version 1 has its lines in a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Material {
    Text(String),
    Lines(Vec<String>),
}

fn newline() -> String {
    "\n".to_owned()
}

impl Keys {
    pub(super) fn load(path: &Path) -> Result<Self, ManifestError> {
        read_json(path)
    }

    /// An AES key and the name it goes by in messages.
    pub(super) fn symmetric(&self, name: &str) -> Result<(&str, SecretBytes), String> {
        let (key_id, key) = self.key(name)?;
        let encoding = key.encoding.as_deref();
        if key.kind != "symmetric" || encoding != Some("base64") {
            return Err(format!("key {name:?} is of type {:?}, encoding {encoding:?}", key.kind));
        }
        let digits: String = key.text(name)?.split_whitespace().collect();
        let bytes = BASE64.decode(digits).map_err(|error| format!("key {name:?}: {error}"))?;
        Ok((key_id, SecretBytes::from_vec(bytes)))
    }

    /// An RSA key and the name it goes by in messages.
    ///
    /// Some generators name the public key that they encrypted with, though the case is to be decrypted: then the private
    /// key that goes by the same name is meant, if there is one.
    pub(super) fn rsa(&self, name: &str) -> Result<(&str, RsaKey), String> {
        let (key_id, named) = self.key(name)?;
        let private_twin = |(name, key): &(&String, &Key)| {
            key.kind == "private" && key.key_id.as_deref().unwrap_or(name.as_str()) == key_id
        };
        let key = match named.kind.as_str() {
            "public" => self.keys.iter().find(private_twin).map_or(named, |(_, twin)| twin),
            _ => named,
        };
        let pem = key.text(name)?;
        let unreadable = |error| format!("key {name:?} cannot be read: {error}");
        match (key.kind.as_str(), key.encoding.as_deref()) {
            ("private", Some("pem")) => {
                let key = RsaPrivateKey::from_pem(pem.as_bytes()).map_err(unreadable)?;
                Ok((key_id, RsaKey::Private(key)))
            }
            ("public", Some("pem")) => {
                let key = RsaPublicKey::from_pem(pem.as_bytes()).map_err(unreadable)?;
                Ok((key_id, RsaKey::Public(key)))
            }
            (kind, encoding) => Err(format!("key {name:?} is of type {kind:?}, encoding {encoding:?}")),
        }
    }

    fn key(&self, name: &str) -> Result<(&str, &Key), String> {
        let (name, key) =
            self.keys.get_key_value(name).ok_or_else(|| format!("the keys manifest has no key {name:?}"))?;
        Ok((key.key_id.as_deref().unwrap_or(name), key))
    }
}

impl Key {
    fn text(&self, name: &str) -> Result<String, String> {
        match &self.material {
            Some(Material::Text(text)) => Ok(text.clone()),
            Some(Material::Lines(lines)) => Ok(lines.join(&self.line_separator)),
            None => Err(format!("key {name:?} has no material")),
        }
    }
}
