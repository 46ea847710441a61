//! The spellings of a KMS key, and how they match.

use std::fmt;
use std::str::FromStr;

/// What kind of resource a KMS ARN names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KmsResourceType {
    /// A key: `key/ID`.
    Key,
    /// An alias: `alias/NAME`.
    Alias,
}

/// Why a text is not a KMS ARN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the ARN of a KMS key or alias: {reason}")]
pub struct ArnError {
    /// The text given.
    pub text: String,
    /// The first rule it breaks.
    pub reason: &'static str,
}

/// The ARN of a KMS key or alias.
///
/// ```
/// use envel_core::KmsKeyArn;
///
/// let arn: KmsKeyArn = "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234".parse()?;
/// assert_eq!((arn.region(), arn.account(), arn.resource_id()), ("eu-west-1", "111122223333", "mrk-1234"));
/// assert!(arn.is_mrk());
/// assert!("arn:aws:s3:::bucket".parse::<KmsKeyArn>().is_err());
/// # Ok::<(), envel_core::arn::ArnError>(())
/// ```
///
/// # Specification
/// `framework/aws-kms/aws-kms-key-arn.md`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct KmsKeyArn {
    text: String,
    partition: (usize, usize),
    region: (usize, usize),
    account: (usize, usize),
    resource_type: KmsResourceType,
    resource_id: usize,
}

impl KmsKeyArn {
    /// The ARN as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// `aws`, `aws-cn`, `aws-us-gov`...
    pub fn partition(&self) -> &str {
        &self.text[self.partition.0..self.partition.1]
    }

    /// The Region that answers for this key.
    pub fn region(&self) -> &str {
        &self.text[self.region.0..self.region.1]
    }

    /// The account that owns the key.
    pub fn account(&self) -> &str {
        &self.text[self.account.0..self.account.1]
    }

    /// Key or alias.
    pub fn resource_type(&self) -> KmsResourceType {
        self.resource_type
    }

    /// What follows `key/` or `alias/`.
    pub fn resource_id(&self) -> &str {
        &self.text[self.resource_id..]
    }

    /// Whether this names a multi-Region key: a key whose ID begins with `mrk-`. An alias never does, whatever its name.
    pub fn is_mrk(&self) -> bool {
        self.resource_type == KmsResourceType::Key && self.resource_id().starts_with("mrk-")
    }

    /// The same key in another Region: meaningful for multi-Region keys alone.
    pub fn in_region(&self, region: &str) -> Self {
        let text = format!("{}{}{}", &self.text[..self.region.0], region, &self.text[self.region.1..]);
        let moved = |index: usize| index + region.len() - (self.region.1 - self.region.0);
        Self {
            text,
            partition: self.partition,
            region: (self.region.0, self.region.0 + region.len()),
            account: (moved(self.account.0), moved(self.account.1)),
            resource_type: self.resource_type,
            resource_id: moved(self.resource_id),
        }
    }
}

impl FromStr for KmsKeyArn {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        let fail = |reason| Err(ArnError { text: text.to_owned(), reason });
        let mut colons = text.match_indices(':').map(|(index, _)| index);
        let (Some(c1), Some(c2), Some(c3), Some(c4), Some(c5)) =
            (colons.next(), colons.next(), colons.next(), colons.next(), colons.next())
        else {
            return fail("it needs six parts between colons");
        };
        if colons.next().is_some() {
            return fail("it has more than six parts between colons");
        }
        if &text[..c1] != "arn" {
            return fail("it must begin with arn:");
        }
        // The Region becomes part of a host name, and the whole is shown to people.
        let is_name = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        if !is_name(&text[c1 + 1..c2]) {
            return fail("the partition must be lower-case letters, digits and dashes");
        }
        if &text[c2 + 1..c3] != "kms" {
            return fail("the service must be kms");
        }
        if !is_name(&text[c3 + 1..c4]) {
            return fail("the Region must be lower-case letters, digits and dashes");
        }
        if c5 == c4 + 1 {
            return fail("the account is empty");
        }
        if text.chars().any(char::is_control) {
            return fail("it has control characters");
        }
        let Some((kind, id)) = text[c5 + 1..].split_once('/') else {
            return fail("the resource must be key/ID or alias/NAME");
        };
        let resource_type = match kind {
            "key" => KmsResourceType::Key,
            "alias" => KmsResourceType::Alias,
            _ => return fail("the resource must be key/ID or alias/NAME"),
        };
        if id.is_empty() {
            return fail("the resource's name is empty");
        }
        Ok(Self {
            partition: (c1 + 1, c2),
            region: (c3 + 1, c4),
            account: (c4 + 1, c5),
            resource_type,
            resource_id: text.len() - id.len(),
            text: text.to_owned(),
        })
    }
}

impl fmt::Display for KmsKeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for KmsKeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Any spelling of a KMS key that a request may carry.
///
/// ```
/// use envel_core::KmsKeyIdentifier;
///
/// assert!(matches!("alias/backup".parse()?, KmsKeyIdentifier::AliasName(_)));
/// assert!(matches!("mrk-0123".parse()?, KmsKeyIdentifier::KeyId(_)));
/// assert!("arn:aws:kms:nowhere".parse::<KmsKeyIdentifier>().is_err());
/// # Ok::<(), envel_core::arn::ArnError>(())
/// ```
///
/// # Specification
/// `framework/aws-kms/aws-kms-key-arn.md`, "AWS KMS key identifier".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum KmsKeyIdentifier {
    /// `arn:...:key/ID`
    KeyArn(KmsKeyArn),
    /// `arn:...:alias/NAME`
    AliasArn(KmsKeyArn),
    /// `alias/NAME`
    AliasName(String),
    /// A bare key ID, `mrk-...` included.
    KeyId(String),
}

impl KmsKeyIdentifier {
    /// The spelling as it was given.
    pub fn as_str(&self) -> &str {
        match self {
            Self::KeyArn(arn) | Self::AliasArn(arn) => arn.as_str(),
            Self::AliasName(text) | Self::KeyId(text) => text,
        }
    }

    /// The ARN, if this is one.
    pub fn arn(&self) -> Option<&KmsKeyArn> {
        match self {
            Self::KeyArn(arn) | Self::AliasArn(arn) => Some(arn),
            Self::AliasName(_) | Self::KeyId(_) => None,
        }
    }

    /// Whether this names a multi-Region key by its own ID.
    ///
    /// # Specification
    /// `framework/aws-kms/aws-kms-mrk-are-unique.md` and `aws-kms-key-arn.md`, "identifying an AWS KMS multi-Region key".
    pub fn is_mrk(&self) -> bool {
        match self {
            Self::KeyArn(arn) => arn.is_mrk(),
            Self::KeyId(id) => id.starts_with("mrk-"),
            Self::AliasArn(_) | Self::AliasName(_) => false,
        }
    }
}

impl FromStr for KmsKeyIdentifier {
    type Err = ArnError;

    fn from_str(text: &str) -> Result<Self, ArnError> {
        if text.starts_with("arn:") {
            let arn: KmsKeyArn = text.parse()?;
            return Ok(match arn.resource_type() {
                KmsResourceType::Key => Self::KeyArn(arn),
                KmsResourceType::Alias => Self::AliasArn(arn),
            });
        }
        if text.is_empty() {
            return Err(ArnError { text: text.to_owned(), reason: "it is empty" });
        }
        Ok(match text.strip_prefix("alias/") {
            Some("") => return Err(ArnError { text: text.to_owned(), reason: "the alias has no name" }),
            Some(_) => Self::AliasName(text.to_owned()),
            None => Self::KeyId(text.to_owned()),
        })
    }
}

impl fmt::Display for KmsKeyIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a configured multi-Region-aware key identifier stands for the key ARN that an encrypted data key names: equal, or both
/// multi-Region keys that differ in Region alone.
///
/// # Specification
/// `framework/aws-kms/aws-kms-mrk-match-for-decrypt.md`.
pub fn mrk_match_for_decrypt(configured: &KmsKeyArn, found: &KmsKeyArn) -> bool {
    configured == found
        || (configured.is_mrk()
            && found.is_mrk()
            && configured.partition() == found.partition()
            && configured.account() == found.account()
            && configured.resource_id() == found.resource_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MRK: &str = "arn:aws:kms:us-east-1:111122223333:key/mrk-edb7fe6942894d32ac46dbb1c922d574";

    #[test]
    fn malformed_arns_are_refused() {
        for text in [
            "",
            "arn:aws:kms:us-east-1:111122223333",
            "arn:aws:kms:us-east-1:111122223333:key",
            "arn:aws:kms:us-east-1:111122223333:key/",
            "arn:aws:kms:us-east-1:111122223333:key:1234",
            "arn:aws:kms:us-east-1:111122223333:key/12:34",
            "arn:aws:kms:us-east-1::key/1234",
            "arn:aws:kms::111122223333:key/1234",
            "arn::kms:us-east-1:111122223333:key/1234",
            "arn:aws:s3:us-east-1:111122223333:key/1234",
            "arn-not:aws:kms:us-east-1:111122223333:key/1234",
            "arn:aws:kms:us-east-1:111122223333:key-not/1234",
            "arn:aws:kms:evil.example/x?:111122223333:key/1234",
            "arn:a_s:kms:us-east-1:111122223333:key/1234",
            "arn:aws:kms:us-east-1:111122223333:key/12\u{1b}[2J",
        ] {
            assert!(text.parse::<KmsKeyArn>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_resource_splits_at_its_first_slash() {
        let arn: KmsKeyArn = "arn:aws:kms:r:a:alias/team/mrk-x".parse().unwrap();
        assert_eq!(arn.resource_id(), "team/mrk-x");
        assert!(!arn.is_mrk());
    }

    #[test]
    fn only_key_ids_can_be_multi_region() {
        let is_mrk = |text: &str| text.parse::<KmsKeyIdentifier>().unwrap().is_mrk();
        assert!(is_mrk(MRK));
        assert!(is_mrk("mrk-edb7fe6942894d32ac46dbb1c922d574"));
        assert!(!is_mrk("alias/mrk-edb7fe6942894d32ac46dbb1c922d574"));
        assert!(!is_mrk("arn:aws:kms:us-east-1:111122223333:alias/mrk-edb7"));
        assert!(!is_mrk("1234abcd-12ab-34cd-56ef-1234567890ab"));
    }

    #[test]
    fn multi_region_keys_match_across_regions_alone() {
        let mrk: KmsKeyArn = MRK.parse().unwrap();
        let elsewhere = mrk.in_region("ap-southeast-2");
        assert_eq!(elsewhere, MRK.replace("us-east-1", "ap-southeast-2").parse().unwrap());
        assert!(mrk_match_for_decrypt(&mrk, &elsewhere));
        let matches = |other: &str| mrk_match_for_decrypt(&mrk, &other.parse().unwrap());
        assert!(!matches(&MRK.replace("111122223333", "444455556666")));
        assert!(!matches(&MRK.replace("arn:aws:", "arn:aws-cn:")));
        assert!(!matches(&MRK.replace("574", "575")));
        let single: KmsKeyArn = "arn:aws:kms:us-east-1:1:key/1234".parse().unwrap();
        assert!(!mrk_match_for_decrypt(&single, &single.in_region("us-west-2")));
        assert!(mrk_match_for_decrypt(&single, &single));
    }
}
