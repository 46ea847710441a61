//! Passphrases: from the environment, from a file, or from a prompt; never from the command line.

use std::env;
use std::io::{self, IsTerminal, stderr};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use envel::SecretBytes;

use crate::exit::{Exit, Failure};
use crate::interrupt::guarding_terminal;

/// Which passphrase: they are asked for alike, and kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Opens the store.
    Store,
    /// Seals or opens a backup.
    Backup,
}

impl Purpose {
    fn variables(self) -> [&'static str; 2] {
        match self {
            Self::Store => ["ENVEL_PASSPHRASE", "ENVEL_PASSPHRASE_FILE"],
            Self::Backup => ["ENVEL_BACKUP_PASSPHRASE", "ENVEL_BACKUP_PASSPHRASE_FILE"],
        }
    }

    fn missing(self) -> Failure {
        let [variable, file_variable] = self.variables();
        let what = match self {
            Self::Store => "the passphrase of the store",
            Self::Backup => "the passphrase of the backup",
        };
        Failure::new(
            Exit::KeyUnavailable,
            format!("{what} is needed, and there is no terminal to ask for it"),
            format!("set {variable}, or {file_variable} to a file that holds it"),
        )
    }
}

/// Every variable that gives a passphrase.
pub(crate) fn variables() -> impl Iterator<Item = &'static str> {
    [Purpose::Store, Purpose::Backup].into_iter().flat_map(Purpose::variables)
}

/// The passphrase that the environment gives, if it gives one.
///
/// # Errors
/// A file that cannot be read; an empty passphrase.
pub(crate) fn from_environment(purpose: Purpose) -> Result<Option<SecretBytes>, Failure> {
    let [variable, file_variable] = purpose.variables();
    let passphrase = match (env::var_os(variable), env::var_os(file_variable)) {
        (Some(value), _) => SecretBytes::from_vec(value.into_vec()),
        (None, Some(file)) => from_file(Path::new(&file))?,
        (None, None) => return Ok(None),
    };
    if passphrase.is_empty() {
        return Err(Failure::usage(
            format!("{variable} gives an empty passphrase"),
            format!("unset {variable} and {file_variable}, or give a passphrase"),
        ));
    }
    Ok(Some(passphrase))
}

/// The passphrase that the environment gives, else what the user types.
///
/// # Errors
/// As [`from_environment`]; no terminal; two entries that differ, where it is `confirmed`.
pub(crate) fn ask(purpose: Purpose, prompt: &str, confirmed: bool) -> Result<SecretBytes, Failure> {
    if let Some(passphrase) = from_environment(purpose)? {
        return Ok(passphrase);
    }
    if !stderr().is_terminal() {
        return Err(purpose.missing());
    }
    let typed = |prompt: &str| {
        guarding_terminal(|| rpassword::prompt_password(prompt))
            .map(|text| SecretBytes::from_vec(text.into_bytes()))
            .map_err(|error| match error.kind() {
                io::ErrorKind::Interrupted => Failure::interrupted(),
                _ => purpose.missing(),
            })
    };
    let passphrase = typed(&format!("{prompt}: "))?;
    if passphrase.is_empty() {
        return Err(Failure::usage("the passphrase is empty", "type at least one character"));
    }
    if confirmed && typed(&format!("{prompt} (again): "))? != passphrase {
        return Err(Failure::usage("the two passphrases differ", "run the command again"));
    }
    Ok(passphrase)
}

/// The first line of a file.
fn from_file(path: &Path) -> Result<SecretBytes, Failure> {
    let contents = std::fs::read(path).map_err(|error| Failure::io(path.display(), &error))?;
    let contents = SecretBytes::from_vec(contents);
    let line = contents.expose_secret().split(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(SecretBytes::copied_from(line.strip_suffix(b"\r").unwrap_or(line)))
}
