//! Arguments, environment and configuration file, resolved into what a command works with.

mod environment;
mod file;
pub(crate) mod home;
pub(crate) mod items;
mod key_files;
pub(crate) mod keyrings;
pub(crate) mod passphrase;

use crate::args::{GlobalArguments, KeySpelling};
use crate::exit::Failure;
use crate::output::human::Console;

use home::Home;

/// What every command works with.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) home: Home,
    pub(crate) console: Console,
    default_keys: Vec<String>,
}

impl Settings {
    /// Reads the environment and the configuration file.
    ///
    /// # Errors
    /// A configuration file that cannot be read or understood; no home directory to be found.
    pub(crate) fn resolve(arguments: &GlobalArguments) -> Result<Self, Failure> {
        let configuration = match arguments.config.clone().or_else(environment::configuration_file) {
            Some(path) => file::Configuration::read(&path)?,
            None => file::Configuration::default(),
        };
        Ok(Self {
            home: Home::new(environment::home()?, environment::allows_creation()),
            console: Console::new(arguments),
            default_keys: configuration.keys,
        })
    }

    /// The keys given, or those of the configuration file.
    ///
    /// # Errors
    /// No key at all, or a spelling that names none.
    pub(crate) fn keys(&self, given: &[String]) -> Result<Vec<KeySpelling>, Failure> {
        let spellings = if given.is_empty() { &self.default_keys } else { given };
        if spellings.is_empty() {
            return Err(Failure::usage("no key is given", "give one with -k, for example -k local:demo"));
        }
        spellings.iter().map(|text| text.parse().map_err(Failure::from)).collect()
    }
}
