//! `envel encrypt`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use envel::{AlgorithmSuiteId, CommitmentPolicy};

use super::ContextPair;
use super::algorithm::algorithm_suite;

const EXAMPLES: &str = "\
Examples:
  envel encrypt -k local:demo notes.txt           writes notes.txt.envel
  envel encrypt -k local:a -k local:b notes.txt   either key alone decrypts it
  envel encrypt -k local:demo -c tenant=42 -r photos
                                                  every file below photos
  pg_dump shop | envel encrypt -k local:demo -o shop.envel
  envel encrypt -k local:demo -o shop.envel --stdin-from-command -- pg_dump shop
                                                  no output if pg_dump fails";

/// Options of `encrypt`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EncryptArguments {
    /// Files to encrypt, or directories with -r; `-` or nothing is stdin
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,

    /// A key that can decrypt the result; the first generates the data key, the others wrap it too
    #[arg(short, long = "key", value_name = "KEY")]
    pub(crate) keys: Vec<String>,

    /// A pair of the encryption context: not secret, authenticated with the data
    #[arg(short = 'c', long = "encryption-context", value_name = "NAME=VALUE")]
    pub(crate) context: Vec<ContextPair>,

    #[command(flatten)]
    pub(crate) output: OutputArguments,

    /// Sign the message: suite 0x0578 instead of 0x0478; 0x0378 if the policy is forbid-encrypt-allow-decrypt
    #[arg(long, conflicts_with = "algorithm")]
    pub(crate) sign: bool,

    /// The algorithm suite, by ID (0x0478) or by name
    #[arg(long, value_name = "ID", value_parser = algorithm_suite)]
    pub(crate) algorithm: Option<AlgorithmSuiteId>,

    /// Which messages may be written and read with regard to key commitment
    #[arg(long, value_name = "POLICY", default_value = "require-encrypt-require-decrypt")]
    pub(crate) commitment_policy: CommitmentPolicyName,

    /// Plaintext bytes in a frame [default: 65536]
    #[arg(long, value_name = "N")]
    pub(crate) frame_length: Option<u32>,

    /// Refuse to write more encrypted data keys than this
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_encrypted_data_keys: u16,

    /// Refuse a plaintext longer than this
    #[arg(long, value_name = "BYTES")]
    pub(crate) expected_size: Option<u64>,

    /// Write base64 text instead of binary
    #[arg(long)]
    pub(crate) armor: bool,

    /// Encrypt the output of the command after `--`; if it fails there is no output and the exit code is 1
    #[arg(long, conflicts_with_all = ["inputs", "recursive", "remove_source"], requires = "producer")]
    pub(crate) stdin_from_command: bool,

    /// The command of --stdin-from-command, and its arguments
    #[arg(last = true, value_name = "CMD", requires = "stdin_from_command")]
    pub(crate) producer: Vec<OsString>,
}

/// Where outputs go, as `encrypt` and `decrypt` take it.
#[derive(Args, Debug)]
pub(crate) struct OutputArguments {
    /// The output file, `-` for stdout; a directory with -r or several inputs
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,

    /// Take every file below a directory
    #[arg(short, long)]
    pub(crate) recursive: bool,

    /// What the names of encrypted files end with
    #[arg(long, value_name = "SUFFIX", default_value = ".envel")]
    pub(crate) suffix: String,

    /// Replace an existing output, once the new one is complete
    #[arg(long, conflicts_with = "no_overwrite")]
    pub(crate) force: bool,

    /// Skip inputs whose output exists
    #[arg(long)]
    pub(crate) no_overwrite: bool,

    /// Remove each input once its output is synced to disk
    #[arg(long)]
    pub(crate) remove_source: bool,

    /// Append one JSON line for each input to this file, after its outcome
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_output: Option<PathBuf>,
}

/// The commitment policies, by the names that aws-encryption-cli gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(clippy::enum_variant_names, reason = "the names of the specification")]
pub(crate) enum CommitmentPolicyName {
    /// Write without key commitment, read everything
    ForbidEncryptAllowDecrypt,
    /// Write with key commitment, read everything
    RequireEncryptAllowDecrypt,
    /// Write and read with key commitment alone
    RequireEncryptRequireDecrypt,
}

impl From<CommitmentPolicyName> for CommitmentPolicy {
    fn from(name: CommitmentPolicyName) -> Self {
        match name {
            CommitmentPolicyName::ForbidEncryptAllowDecrypt => Self::ForbidEncryptAllowDecrypt,
            CommitmentPolicyName::RequireEncryptAllowDecrypt => Self::RequireEncryptAllowDecrypt,
            CommitmentPolicyName::RequireEncryptRequireDecrypt => Self::RequireEncryptRequireDecrypt,
        }
    }
}
