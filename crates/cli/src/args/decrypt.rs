//! `envel decrypt`, `envel verify`, `envel inspect`: everything that reads messages.

use std::path::PathBuf;

use clap::Args;

use super::encrypt::{CommitmentPolicyName, OutputArguments};
use super::{ByteRange, ContextRequirement};

const DECRYPT_EXAMPLES: &str = "\
Examples:
  envel decrypt -k local:demo notes.txt.envel        writes notes.txt
  envel decrypt -k local:demo notes.txt.envel -o -   writes to stdout
  envel decrypt -k local:demo -c tenant=42 -r photos
                                                     only those of tenant 42
  envel decrypt --discovery --discovery-account 000000000000 notes.txt.envel
                                                     with the key that it names
  envel decrypt -k local:demo --range 0..512 notes.txt.envel -o -
                                                     its first 512 bytes

Ranges:
  --range reads and verifies the frames that hold the bytes asked for. A range
  that reaches the end of the plaintext verifies the end too: it is cut there,
  and shorter than asked for. The rest of the message is neither read nor
  verified, so it may be cut or altered. The message must be a binary file.
  The signature of a signed message needs the whole of it, so such a message is
  refused unless --allow-unverified-signature: whoever can decrypt it could have
  made the bytes.";

const VERIFY_EXAMPLES: &str = "\
Examples:
  envel verify -k local:demo notes.txt.envel
  envel verify -k local:demo backups         every message below backups";

/// Options of `decrypt`.
#[derive(Args, Debug)]
#[command(after_help = DECRYPT_EXAMPLES)]
pub(crate) struct DecryptArguments {
    /// Messages to decrypt, or directories with -r; `-` or nothing is stdin
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) opening: OpeningArguments,

    #[command(flatten)]
    pub(crate) output: OutputArguments,

    /// Let plaintext of signed messages out before the signature is verified
    #[arg(long)]
    pub(crate) allow_unverified_streaming: bool,

    /// Decrypt only these bytes of the plaintext: from A, counted from 0, up to and without B; or A.. or ..B
    #[arg(
        long,
        value_name = "A..B",
        conflicts_with_all = ["recursive", "remove_source", "allow_unverified_streaming"]
    )]
    pub(crate) range: Option<ByteRange>,

    /// Let --range read signed messages, although the signature is not verified
    #[arg(long, requires = "range")]
    pub(crate) allow_unverified_signature: bool,
}

/// Options of `verify`.
#[derive(Args, Debug)]
#[command(after_help = VERIFY_EXAMPLES)]
pub(crate) struct VerifyArguments {
    /// Messages, or directories that hold some; `-` is stdin
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) opening: OpeningArguments,

    /// Unwrap the data key and check the header, without reading the body
    #[arg(long)]
    pub(crate) header_only: bool,

    /// What the names of encrypted files end with: such a file must be a message
    #[arg(long, value_name = "SUFFIX", default_value = ".envel")]
    pub(crate) suffix: String,

    /// Append one JSON line for each message to this file, after its outcome
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata_output: Option<PathBuf>,
}

/// Options of `inspect`.
#[derive(Args, Debug)]
pub(crate) struct InspectArguments {
    /// The message; `-` is stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which messages may be opened, and with what.
#[derive(Args, Debug)]
pub(crate) struct OpeningArguments {
    /// A key to try
    #[arg(short, long = "key", value_name = "KEY", conflicts_with = "discovery")]
    pub(crate) keys: Vec<String>,

    /// Use whatever KMS key a message names, of the accounts given
    #[arg(long, requires = "discovery_accounts")]
    pub(crate) discovery: bool,

    /// An account whose keys discovery may use
    #[arg(
        long = "discovery-account",
        value_name = "ID",
        value_delimiter = ',',
        requires = "discovery",
        group = "discovery_accounts"
    )]
    pub(crate) discovery_account: Vec<String>,

    /// Let discovery use the keys of any account: a message then chooses whom to ask
    #[arg(long, requires = "discovery", conflicts_with = "discovery_account", group = "discovery_accounts")]
    pub(crate) discovery_any_account: bool,

    /// The partition of the accounts
    #[arg(long, value_name = "P", requires = "discovery_account", default_value = "aws")]
    pub(crate) discovery_partition: String,

    /// What the encryption context must hold: this pair, or this name with any value
    #[arg(short = 'c', long = "encryption-context", value_name = "NAME[=VALUE]")]
    pub(crate) context: Vec<ContextRequirement>,

    /// Which messages may be read with regard to key commitment
    #[arg(long, value_name = "POLICY", default_value = "require-encrypt-require-decrypt")]
    pub(crate) commitment_policy: CommitmentPolicyName,

    /// Refuse messages with more encrypted data keys than this
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) max_encrypted_data_keys: u16,
}
