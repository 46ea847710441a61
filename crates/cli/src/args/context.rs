//! `-c NAME=VALUE` and `-c NAME`.

use std::convert::Infallible;
use std::str::FromStr;

/// A pair of the encryption context: `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContextPair {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl FromStr for ContextPair {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("it must be NAME=VALUE")?;
        if name.is_empty() {
            return Err("the name before = is empty");
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

/// What a message's encryption context must hold: a name, or a name with this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ContextRequirement {
    /// `NAME=VALUE`
    Pair(ContextPair),
    /// `NAME`, whatever its value.
    Name(String),
}

impl FromStr for ContextRequirement {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Pair))
    }
}
