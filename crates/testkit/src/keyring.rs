//! Keyrings described once, for envel and for the official SDKs.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use envel::primitives::rsa::{RsaPadding, RsaPrivateKey};
use envel::{Keyring, KeyringError, MultiKeyring, RawAesKeyring, RawRsaKeyring, RsaKey, SecretBytes};
use serde::{Serialize, Serializer};

/// The RSA key pair of the tests: no secret, since it is public with the source.
const RSA_PRIVATE_KEY: &str = include_str!("../../core/tests/data/rsa-2048.pkcs8.pem");
const RSA_PUBLIC_KEY: &str = include_str!("../../core/tests/data/rsa-2048.public.pem");

/// A keyring that envel and the SDKs can each build.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum KeyringDescription {
    /// Raw AES.
    RawAes {
        /// Key namespace.
        namespace: String,
        /// Key name.
        name: String,
        /// 16, 24 or 32 bytes.
        #[serde(serialize_with = "as_base64")]
        key: Vec<u8>,
    },
    /// Raw RSA.
    RawRsa {
        /// Key namespace.
        namespace: String,
        /// Key name.
        name: String,
        /// Padding.
        #[serde(serialize_with = "as_padding_name")]
        padding: RsaPadding,
        /// PEM, to encrypt.
        public_key: String,
        /// PEM, to decrypt.
        private_key: String,
    },
    /// A multi-keyring.
    Multi {
        /// Generates the data key.
        generator: Option<Box<KeyringDescription>>,
        /// Wrap it too, or unwrap it.
        children: Vec<KeyringDescription>,
    },
}

/// Every raw keyring: AES of three sizes and RSA with five paddings.
pub fn raw_keyrings() -> Vec<KeyringDescription> {
    let aes = [16, 24, 32].map(raw_aes);
    let rsa = [
        RsaPadding::Pkcs1,
        RsaPadding::OaepSha1,
        RsaPadding::OaepSha256,
        RsaPadding::OaepSha384,
        RsaPadding::OaepSha512,
    ]
    .map(raw_rsa);
    aes.into_iter().chain(rsa).collect()
}

/// A raw AES keyring with a key of this many bytes and a name that is not ASCII.
pub fn raw_aes(key_len: u8) -> KeyringDescription {
    KeyringDescription::RawAes {
        namespace: "envel tests".into(),
        name: format!("Schlüssel {key_len} \u{1f511}"),
        key: (0..key_len).collect(),
    }
}

/// A raw RSA keyring with this padding.
pub fn raw_rsa(padding: RsaPadding) -> KeyringDescription {
    KeyringDescription::RawRsa {
        namespace: "envel tests".into(),
        name: "rsa-2048".into(),
        padding,
        public_key: RSA_PUBLIC_KEY.into(),
        private_key: RSA_PRIVATE_KEY.into(),
    }
}

impl KeyringDescription {
    /// Builds envel's keyring.
    ///
    /// # Errors
    /// [`KeyringError`] if envel refuses the key.
    pub fn build(&self) -> Result<Arc<dyn Keyring>, KeyringError> {
        Ok(match self {
            Self::RawAes { namespace, name, key } => {
                Arc::new(RawAesKeyring::new(namespace, name, &SecretBytes::copied_from(key))?)
            }
            Self::RawRsa { namespace, name, padding, private_key, .. } => {
                let key = RsaPrivateKey::from_pem(private_key.as_bytes())?;
                Arc::new(RawRsaKeyring::new(namespace, name, *padding, RsaKey::Private(key))?)
            }
            Self::Multi { generator, children } => {
                let generator = generator.as_deref().map(Self::build).transpose()?;
                let children = children.iter().map(Self::build).collect::<Result<_, _>>()?;
                Arc::new(MultiKeyring::new(generator, children)?)
            }
        })
    }
}

fn as_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&BASE64.encode(bytes))
}

fn as_padding_name<S: Serializer>(padding: &RsaPadding, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match padding {
        RsaPadding::Pkcs1 => "pkcs1",
        RsaPadding::OaepSha1 => "oaep-sha1",
        RsaPadding::OaepSha256 => "oaep-sha256",
        RsaPadding::OaepSha384 => "oaep-sha384",
        RsaPadding::OaepSha512 => "oaep-sha512",
    })
}
