//! `envel kms ...`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Commands about the embedded KMS as a whole.
#[derive(Debug, Subcommand)]
pub(crate) enum KmsCommand {
    /// Write every key into one file, sealed under a passphrase; the store may be in use
    Backup(BackupFileArguments),
    /// Make the store of a backup, where there is none yet
    Restore(BackupFileArguments),
}

/// The file of a backup.
#[derive(Args, Debug)]
pub(crate) struct BackupFileArguments {
    /// The backup
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}
