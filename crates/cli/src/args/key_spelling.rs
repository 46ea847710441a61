//! The spellings of a key, as CLI users write them.

use std::path::PathBuf;
use std::str::FromStr;

use envel::primitives::rsa::RsaPadding;
use envel::{KmsKeyArn, KmsKeyIdentifier};

/// The account of every key of the embedded KMS in process: no AWS account has this number.
pub(crate) const LOCAL_ACCOUNT: &str = "000000000000";

/// A key, recognised by its spelling alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySpelling {
    /// A key or alias of the embedded KMS.
    Embedded(KmsKeyIdentifier),
    /// A key in a file.
    Raw(RawKey),
}

/// A key in a file, with the names that messages know it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawKey {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) algorithm: RawAlgorithm,
}

/// What wraps with a raw key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RawAlgorithm {
    /// `raw-aes:NAMESPACE/NAME=FILE`
    Aes,
    /// `raw-rsa:NAMESPACE/NAME=FILE[,padding=PADDING]`
    Rsa(RsaPadding),
}

/// Why a text names no key that this version can use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}: {reason}")]
pub(crate) struct KeySpellingError {
    /// The text given.
    pub(crate) text: String,
    /// What is wrong with it.
    pub(crate) reason: String,
    /// What to write instead.
    pub(crate) help: String,
}

const SPELLINGS: &str = "write local:NAME, local:NAME@local-N, the ARN of an embedded key, raw-aes:NAMESPACE/NAME=FILE or \
                         raw-rsa:NAMESPACE/NAME=FILE";

impl KeySpelling {
    fn local(text: &str, spelling: &str) -> Result<Self, KeySpellingError> {
        let fail = |reason: String, help: &str| KeySpellingError {
            text: text.to_owned(),
            reason,
            help: help.to_owned(),
        };
        let (name, region) = match spelling.rsplit_once('@') {
            Some((name, region)) => (
                name,
                region.parse::<LocalRegion>().map_err(|reason| {
                    fail(
                        reason.to_owned(),
                        "an embedded key in another Region is local:NAME@local-2, local-3...",
                    )
                })?,
            ),
            None => (spelling, LocalRegion::default()),
        };
        let alias = alias_name(name).map_err(|reason| fail(reason.to_owned(), "for example local:backup"))?;
        let arn = format!("arn:aws:kms:{region}:{LOCAL_ACCOUNT}:{alias}");
        let arn = arn.parse().map_err(|error| fail(format!("{error}"), "for example local:backup"))?;
        Ok(Self::Embedded(KmsKeyIdentifier::AliasArn(arn)))
    }

    fn raw(text: &str, spelling: &str, algorithm: RawAlgorithm) -> Result<Self, KeySpellingError> {
        let parts = || {
            let (key, file) = spelling.split_once('=')?;
            let (namespace, name) = key.split_once('/')?;
            let is_complete = !namespace.is_empty() && !name.is_empty() && !file.is_empty();
            is_complete.then(|| RawKey {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                file: file.into(),
                algorithm,
            })
        };
        parts().map(Self::Raw).ok_or_else(|| KeySpellingError {
            text: text.to_owned(),
            reason: "a raw key needs a namespace, a name and a file".to_owned(),
            help: "for example raw-aes:backups/2026=/etc/backup.key".to_owned(),
        })
    }

    fn raw_rsa(text: &str, spelling: &str) -> Result<Self, KeySpellingError> {
        let (spelling, padding) = match spelling.rsplit_once(",padding=") {
            Some((spelling, name)) => (
                spelling,
                padding_named(name).ok_or_else(|| KeySpellingError {
                    text: text.to_owned(),
                    reason: format!("there is no padding {name:?}"),
                    help: "the paddings are pkcs1, oaep-sha1, oaep-sha256, oaep-sha384 and oaep-sha512"
                        .to_owned(),
                })?,
            ),
            None => (spelling, RsaPadding::OaepSha256),
        };
        Self::raw(text, spelling, RawAlgorithm::Rsa(padding))
    }

    fn aws(text: &str) -> KeySpellingError {
        KeySpellingError {
            text: text.to_owned(),
            reason: "this names a key of AWS KMS, and AWS KMS is not built into this version".to_owned(),
            help: match text.strip_prefix("alias/") {
                Some(name) => format!("for the embedded KMS write local:{name}"),
                None if text.starts_with("arn:") => format!(
                    "keys of the embedded KMS have Region local-N and account {LOCAL_ACCOUNT}; `envel key list` shows them"
                ),
                None => format!(
                    "for the embedded KMS write local:{text}, or the key's ARN as `envel key list` shows it"
                ),
            },
        }
    }
}

impl FromStr for KeySpelling {
    type Err = KeySpellingError;

    fn from_str(text: &str) -> Result<Self, KeySpellingError> {
        let fail = |reason: &str| KeySpellingError {
            text: format!("{text:?}"),
            reason: reason.to_owned(),
            help: SPELLINGS.to_owned(),
        };
        if let Some(spelling) = text.strip_prefix("local:") {
            return Self::local(text, spelling);
        }
        if let Some(spelling) = text.strip_prefix("raw-aes:") {
            return Self::raw(text, spelling, RawAlgorithm::Aes);
        }
        if let Some(spelling) = text.strip_prefix("raw-rsa:") {
            return Self::raw_rsa(text, spelling);
        }
        if text.starts_with("branch-key:") {
            return Err(fail("branch keys are not built into this version"));
        }
        if text.starts_with("arn:") {
            // `,profile=NAME` and `,role-arn=ARN` may follow the ARN of an AWS key, and only there.
            let (arn, _credentials) = text.split_once(',').unwrap_or((text, ""));
            let identifier: KmsKeyIdentifier =
                arn.parse().map_err(|error: envel::arn::ArnError| fail(error.reason))?;
            let is_embedded = identifier.arn().is_some_and(is_embedded);
            return if is_embedded && arn == text {
                Ok(Self::Embedded(identifier))
            } else {
                Err(Self::aws(text))
            };
        }
        if text.is_empty() || text.contains([':', '=']) && !text.contains(',') {
            return Err(fail("this is not a key"));
        }
        Err(Self::aws(text))
    }
}

/// The short spelling of an embedded key that has an alias, else its ARN.
pub(crate) fn short_spelling(key: &KmsKeyIdentifier) -> String {
    match key {
        KmsKeyIdentifier::AliasArn(arn) if arn.region() == LocalRegion::default().as_str() => {
            format!("local:{}", arn.resource_id())
        }
        KmsKeyIdentifier::AliasArn(arn) => format!("local:{}@{}", arn.resource_id(), arn.region()),
        other => other.to_string(),
    }
}

/// Whether an ARN names a key of the embedded KMS: its Region and account say so, and nothing else does.
fn is_embedded(arn: &KmsKeyArn) -> bool {
    arn.region().parse::<LocalRegion>().is_ok() && arn.account() == LOCAL_ACCOUNT
}

/// The alias that `NAME` or `alias/NAME` stands for.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn alias_name(name: &str) -> Result<String, &'static str> {
    let name = name.strip_prefix("alias/").unwrap_or(name);
    if name.is_empty() {
        return Err("the name is empty");
    }
    if name.starts_with("aws/") {
        return Err("names that begin with aws/ are kept for AWS");
    }
    if name.len() > 250 {
        return Err("the name is too long: an alias has at most 256 characters");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte)) {
        return Err("a name is made of letters, digits, / _ and -");
    }
    Ok(format!("alias/{name}"))
}

fn padding_named(name: &str) -> Option<RsaPadding> {
    Some(match name {
        "pkcs1" => RsaPadding::Pkcs1,
        "oaep-sha1" => RsaPadding::OaepSha1,
        "oaep-sha256" => RsaPadding::OaepSha256,
        "oaep-sha384" => RsaPadding::OaepSha384,
        "oaep-sha512" => RsaPadding::OaepSha512,
        _ => return None,
    })
}

/// A Region of the embedded KMS: `local-1`, `local-2`...
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LocalRegion(String);

impl LocalRegion {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LocalRegion {
    fn default() -> Self {
        Self("local-1".to_owned())
    }
}

impl std::fmt::Display for LocalRegion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LocalRegion {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix("local-").unwrap_or_default();
        let is_number = (1..=3).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && !number.starts_with('0');
        is_number
            .then(|| Self(text.to_owned()))
            .ok_or("the Regions of the embedded KMS are local-1, local-2...")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelling(text: &str) -> Result<KeySpelling, KeySpellingError> {
        text.parse()
    }

    fn embedded(text: &str) -> String {
        match spelling(text).unwrap() {
            KeySpelling::Embedded(identifier) => identifier.as_str().to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn local_names_are_aliases_of_the_embedded_kms() {
        assert_eq!(embedded("local:demo"), "arn:aws:kms:local-1:000000000000:alias/demo");
        assert_eq!(
            embedded("local:team/a_b-c@local-12"),
            "arn:aws:kms:local-12:000000000000:alias/team/a_b-c"
        );
        assert_eq!(embedded("local:alias/demo"), embedded("local:demo"));
    }

    #[test]
    fn the_short_spelling_is_the_one_that_was_given() {
        for text in ["local:demo", "local:demo@local-2", "arn:aws:kms:local-1:000000000000:key/1234"] {
            assert_eq!(short_spelling(&embedded(text).parse().unwrap()), text);
        }
    }

    #[test]
    fn local_names_take_local_regions_alone() {
        for text in [
            "local:demo@eu-west-1",
            "local:demo@local-",
            "local:demo@local-0",
            "local:demo@local-x",
            "local:demo@",
        ] {
            assert_eq!(
                spelling(text).unwrap_err().reason,
                "the Regions of the embedded KMS are local-1, local-2..."
            );
        }
    }

    #[test]
    fn impossible_aliases_are_refused() {
        for text in ["local:", "local:a b", "local:aws/s3", "local:é", "local:a=b"] {
            assert!(spelling(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_local_regions_of_the_zero_account_are_embedded() {
        assert_eq!(
            embedded("arn:aws:kms:local-1:000000000000:key/1234"),
            "arn:aws:kms:local-1:000000000000:key/1234"
        );
        for text in [
            "arn:aws:kms:eu-west-1:000000000000:key/1234",
            "arn:aws:kms:local-1:111122223333:key/1234",
            "arn:aws:kms:local-one:000000000000:key/1234",
            "arn:aws:kms:eu-west-1:111122223333:alias/x,profile=ops",
            "arn:aws:kms:eu-west-1:111122223333:key/1,role-arn=arn:aws:iam::1:role/r",
            "alias/demo",
            "mrk-0123456789abcdef0123456789abcdef",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
        ] {
            let error = spelling(text).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{text}: this names a key of AWS KMS, and AWS KMS is not built into this version")
            );
        }
        assert_eq!(spelling("alias/demo").unwrap_err().help, "for the embedded KMS write local:demo");
    }

    #[test]
    fn malformed_arns_say_why() {
        assert_eq!(spelling("arn:aws:s3:::bucket").unwrap_err().reason, "the service must be kms");
    }

    #[test]
    fn raw_keys_name_their_file() {
        assert_eq!(
            spelling("raw-aes:ns/na/me=dir/k=1.key"),
            Ok(KeySpelling::Raw(RawKey {
                namespace: "ns".into(),
                name: "na/me".into(),
                file: "dir/k=1.key".into(),
                algorithm: RawAlgorithm::Aes,
            }))
        );
        for text in ["raw-aes:ns/name", "raw-aes:name=file", "raw-aes:/n=f", "raw-aes:n/=f", "raw-rsa:n/n="] {
            assert!(spelling(text).is_err(), "{text}");
        }
    }

    #[test]
    fn raw_rsa_takes_the_five_paddings() {
        let padding = |text: &str| match spelling(text) {
            Ok(KeySpelling::Raw(RawKey { algorithm: RawAlgorithm::Rsa(padding), file, .. })) => {
                Some((padding, file))
            }
            _ => None,
        };
        assert_eq!(padding("raw-rsa:a/b=k.pem"), Some((RsaPadding::OaepSha256, "k.pem".into())));
        assert_eq!(padding("raw-rsa:a/b=k,1.pem,padding=pkcs1"), Some((RsaPadding::Pkcs1, "k,1.pem".into())));
        assert_eq!(padding("raw-rsa:a/b=k,padding=oaep-sha1"), Some((RsaPadding::OaepSha1, "k".into())));
        assert_eq!(padding("raw-rsa:a/b=k,padding=oaep-sha384"), Some((RsaPadding::OaepSha384, "k".into())));
        assert_eq!(padding("raw-rsa:a/b=k,padding=oaep-sha512"), Some((RsaPadding::OaepSha512, "k".into())));
        assert_eq!(padding("raw-rsa:a/b=k,padding=oaep-md5"), None);
    }
}
