//! `envel key ...`.

use clap::{Args, Subcommand};

use super::LocalRegion;

/// Commands about keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key and print its ARN
    Create(CreateArguments),
    /// List the keys of a Region, with their aliases and states
    List(ListArguments),
    /// Show what is known of a key
    Describe(DescribeArguments),
    /// Switch a key off: nothing can be encrypted or decrypted with it until it is enabled
    Disable(OneKeyArguments),
    /// Switch a key on
    Enable(OneKeyArguments),
    /// Delete a key after a waiting period: everything encrypted under it alone is lost then
    ScheduleDeletion(ScheduleDeletionArguments),
    /// Save a key that waits to be deleted; it is disabled afterwards
    CancelDeletion(OneKeyArguments),
}

/// Options of `key create`.
#[derive(Args, Debug)]
pub(crate) struct CreateArguments {
    /// What to call it: NAME or alias/NAME, so that local:NAME finds it
    #[arg(long, value_name = "NAME")]
    pub(crate) alias: Option<String>,

    #[command(flatten)]
    pub(crate) region: RegionArgument,

    /// What it is for
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) description: String,
}

/// The Region of a command that names no key.
#[derive(Args, Clone, Debug)]
pub(crate) struct RegionArgument {
    /// The Region of the embedded KMS: local-1, local-2...
    #[arg(long, value_name = "REGION", default_value = "local-1")]
    pub(crate) region: LocalRegion,
}

/// Options of `key list`.
#[derive(Args, Debug)]
pub(crate) struct ListArguments {
    #[command(flatten)]
    pub(crate) region: RegionArgument,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `key describe`.
#[derive(Args, Debug)]
pub(crate) struct DescribeArguments {
    #[command(flatten)]
    pub(crate) key: OneKeyArguments,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// The one key that a command is about.
#[derive(Args, Debug)]
pub(crate) struct OneKeyArguments {
    /// The key: local:NAME[@local-N] or its ARN
    #[arg(value_name = "KEY")]
    pub(crate) key: String,
}

/// Options of `key schedule-deletion`.
#[derive(Args, Debug)]
pub(crate) struct ScheduleDeletionArguments {
    #[command(flatten)]
    pub(crate) key: OneKeyArguments,

    /// Days to wait, 7 to 30
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(7..=30))]
    pub(crate) pending_window_in_days: u32,

    /// Delete it although it is not disabled
    #[arg(long)]
    pub(crate) force: bool,

    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}
