//! Aliases: names that people give to keys.

use std::fmt;
use std::time::SystemTime;

use super::{KeyId, Scope};
use crate::refusal::Refusal;

/// The longest name of an alias in characters, `alias/` included.
const MAX_ALIAS_NAME_LEN: usize = 256;

/// `alias/NAME`, with a name that customers may give.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AliasName(String);

impl AliasName {
    /// Checks a name that is to be created, changed or deleted.
    ///
    /// A colon is refused although the pattern in AWS's API model has one: ARNs could not be told apart.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        match text.strip_prefix("alias/") {
            None | Some("") => {
                return Err(Refusal::Validation("Invalid identifier: an alias is alias/NAME".to_owned()));
            }
            Some(name) if name.starts_with("aws/") => return Err(Refusal::ReservedAlias),
            Some(_) => {}
        }
        if text.len() > MAX_ALIAS_NAME_LEN {
            return Err(Refusal::too_long("aliasName", MAX_ALIAS_NAME_LEN));
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_-".contains(&byte)) {
            return Err(Refusal::Validation(format!("{text} contains invalid characters for an alias")));
        }
        Ok(Self(text.to_owned()))
    }

    /// Takes a name to look up: one that breaks the rules simply is not there.
    pub(crate) fn unchecked(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for AliasName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name and the key that it stands for, in the same scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Alias {
    pub(crate) scope: Scope,
    pub(crate) name: AliasName,
    pub(crate) target: KeyId,
    pub(crate) creation_date: SystemTime,
    pub(crate) last_updated_date: SystemTime,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn aliases_need_the_prefix_a_name_and_plain_characters() {
        for good in ["alias/a", "alias/team/x_y-Z9", "alias/awsome", "alias/alias/x"] {
            assert!(AliasName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "alias", "alias/", "Alias/a", "alias/a b", "alias/a:b", "alias/é", "alias/a\n"]
        {
            assert!(matches!(AliasName::parse(bad), Err(Refusal::Validation(_))), "{bad}");
        }
        assert!(matches!(AliasName::parse("alias/aws/s3"), Err(Refusal::ReservedAlias)));
    }

    #[test]
    fn the_longest_alias_fits_and_one_character_more_does_not() {
        let name = |length: usize| format!("alias/{}", "n".repeat(length - 6));
        assert!(AliasName::parse(&name(MAX_ALIAS_NAME_LEN)).is_ok());
        assert!(matches!(AliasName::parse(&name(MAX_ALIAS_NAME_LEN + 1)), Err(Refusal::Validation(_))));
    }

    proptest! {
        #[test]
        fn every_accepted_name_makes_an_arn(text in "alias/[ -~é]{0,20}") {
            if let Ok(name) = AliasName::parse(&text) {
                let scope = Scope { account: "000000000000".into(), region: "local-1".into() };
                let arn = scope.alias_arn(&name);
                prop_assert_eq!(arn.resource_id(), text.strip_prefix("alias/").unwrap());
            }
        }
    }
}
