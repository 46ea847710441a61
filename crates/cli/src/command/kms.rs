//! `envel kms backup` and `envel kms restore`.

use envel_kms::{EmbeddedKms, StoreError};

use crate::args::KmsCommand;
use crate::config::Settings;
use crate::config::passphrase::{self, Purpose};
use crate::exit::Failure;

/// Runs a command about the store as a whole.
///
/// # Errors
/// Of the store, the file or the passphrase.
pub(crate) fn run(settings: &Settings, command: &KmsCommand) -> Result<(), Failure> {
    let directory = settings.home.store_directory();
    match command {
        KmsCommand::Backup(arguments) => {
            let store = settings.home.open_store()?;
            let prompt = format!("Passphrase to seal {}", arguments.file.display());
            let passphrase = passphrase::ask(Purpose::Backup, &prompt, true)?;
            store.backup(&arguments.file, &passphrase)?;
            settings.console.say(format_args!(
                "backed up {} to {}: keep it and its passphrase in two places",
                directory.display(),
                arguments.file.display()
            ));
        }
        KmsCommand::Restore(arguments) => {
            if EmbeddedKms::exists(&directory) {
                return Err(StoreError::StoreExists { directory }.into());
            }
            let prompt = format!("Passphrase of {}", arguments.file.display());
            let backup_passphrase = passphrase::ask(Purpose::Backup, &prompt, false)?;
            let store_passphrase = passphrase::from_environment(Purpose::Store)?;
            EmbeddedKms::restore(&arguments.file, &directory, &backup_passphrase, store_passphrase.as_ref())?;
            settings.console.say(format_args!(
                "restored {} to {}",
                arguments.file.display(),
                directory.display()
            ));
        }
    }
    Ok(())
}
