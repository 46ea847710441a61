//! What can be typed: options and their help, and nothing that reads or writes.

mod algorithm;
mod context;
mod decrypt;
mod encrypt;
mod key;
mod key_spelling;
mod kms;
mod range;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use algorithm::algorithm_suite_name;
pub(crate) use context::{ContextPair, ContextRequirement};
pub(crate) use decrypt::{DecryptArguments, InspectArguments, OpeningArguments, VerifyArguments};
pub(crate) use encrypt::{EncryptArguments, OutputArguments};
pub(crate) use key::{
    CreateArguments, DescribeArguments, KeyCommand, ListArguments, OneKeyArguments, ScheduleDeletionArguments,
};
pub(crate) use key_spelling::{
    KeySpelling, KeySpellingError, LocalRegion, RawAlgorithm, RawKey, alias_name, short_spelling,
};
pub(crate) use kms::KmsCommand;
pub(crate) use range::ByteRange;

const OVERVIEW: &str = "\
envel encrypts files with envelope encryption, in the format of the AWS
Encryption SDK: a data key encrypts the file, and a key that never leaves its
KMS encrypts the data key. Keys named local:NAME live in the embedded KMS, a
store on this machine that `encrypt` makes when there is none yet.

  envel encrypt -k local:demo notes.txt         writes notes.txt.envel
  envel decrypt -k local:demo notes.txt.envel   writes notes.txt
  tar c photos | envel encrypt -k local:demo -o photos.tar.envel
  envel inspect notes.txt.envel                 what is inside, without keys
  envel kms backup keys.backup                  without keys, data is lost";

const AFTER_HELP: &str = "\
Keys:
  local:NAME[@local-N]                      a key of the embedded KMS
  arn:aws:kms:local-N:000000000000:key/ID   the same, by ARN
  raw-aes:NAMESPACE/NAME=FILE               an AES key: 16, 24 or 32 bytes, or
                                            their hexadecimal or base64 digits
  raw-rsa:NAMESPACE/NAME=FILE[,padding=P]   an RSA key in a PEM file; P is pkcs1
                                            or oaep-sha1, -sha256 (default),
                                            -sha384, -sha512

Environment:
  ENVEL_HOME               the embedded KMS is in $ENVEL_HOME/kms
  ENVEL_CONFIG             a configuration file, as --config
  ENVEL_PASSPHRASE         of the store, if it has one; or the file that
                           ENVEL_PASSPHRASE_FILE names
  ENVEL_BACKUP_PASSPHRASE  of backups; or ENVEL_BACKUP_PASSPHRASE_FILE
  ENVEL_AUTO_CREATE=0      never make a store by itself

Exit codes:
  0 done   1 other error   2 usage   3 some items failed   4 refused by policy
  5 authentication failed or malformed   6 key unavailable
  7 KMS unreachable, retry can help   130 interrupted";

const EXAMPLES: &str = "\
Begin with:
  envel encrypt -k local:demo notes.txt         writes notes.txt.envel
  envel decrypt -k local:demo notes.txt.envel   writes notes.txt
The first of them makes the key. `envel COMMAND --help` explains a command,
`envel --help` the spellings of keys, the environment and the exit codes.";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "envel", version, about = "Envelope encryption of files with AWS KMS keys", long_about = OVERVIEW)]
#[command(after_help = EXAMPLES, after_long_help = AFTER_HELP)]
#[command(max_term_width = 100, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct GlobalArguments {
    /// Say nothing on stderr but errors, and what must not be missed
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more on stderr: keys used, and what was done with each item
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
    /// Read defaults from this file (default: $ENVEL_CONFIG, or none)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Encrypt files, trees of files, or stdin
    Encrypt(Box<EncryptArguments>),
    /// Decrypt files, trees of files, or stdin
    Decrypt(Box<DecryptArguments>),
    /// Show the header and layout of a message, without keys and without verifying anything
    Inspect(InspectArguments),
    /// Authenticate whole messages, writing nothing
    Verify(Box<VerifyArguments>),
    /// Make, list and switch keys of the embedded KMS
    #[command(subcommand)]
    Key(KeyCommand),
    /// Back up and restore the embedded KMS
    #[command(subcommand)]
    Kms(KmsCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff): envel man | man -l -
    Man,
}

#[cfg(test)]
mod tests;
