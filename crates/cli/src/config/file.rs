//! `envel.toml`.

use std::path::Path;

use serde::Deserialize;

use crate::exit::Failure;

/// What a configuration file may say. Unknown names are errors: a misspelt default must not be ignored.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Configuration {
    /// The keys of commands that are given none.
    #[serde(default)]
    pub(super) keys: Vec<String>,
}

impl Configuration {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::usage(
                format!("the configuration file {}: {error}", path.display()),
                "correct --config or ENVEL_CONFIG",
            )
        })?;
        toml::from_str(&text).map_err(|error| {
            Failure::usage(
                format!(
                    "the configuration file {}{}: {}",
                    path.display(),
                    line_of(&text, &error),
                    error.message()
                ),
                "this version knows one name: keys = [\"local:demo\"]",
            )
        })
    }
}

/// Where an error is, as a compiler says it.
fn line_of(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    before.map_or_else(String::new, |before| format!(":{}", before.matches('\n').count() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_names_are_refused() {
        assert!(toml::from_str::<Configuration>("key = [\"local:a\"]").is_err());
        assert_eq!(toml::from_str::<Configuration>("keys = [\"local:a\"]").unwrap().keys, ["local:a"]);
        assert_eq!(toml::from_str::<Configuration>("").unwrap(), Configuration::default());
    }
}
