//! Exit codes, and the errors that lead to them: the only place that knows both.

use std::fmt;
use std::io;
use std::path::Path;

use envel::{
    Error, ErrorKind, HeaderLimitExceeded, InvalidCall, KeyringError, KmsError, KmsErrorKind, Refusal,
    UnwrapError,
};
use envel_kms::StoreError;
use envel_ops::store::files::FileError;

use crate::args::KeySpellingError;
use crate::output::human::Console;

/// What the process tells its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Done,
    /// An error of no other class.
    Other,
    /// The command line is wrong.
    Usage,
    /// Some of many items failed.
    SomeFailed,
    /// Refused by policy: context, commitment, discovery filter, limit on encrypted data keys.
    Refused,
    /// Authentication failed, or malformed.
    Unauthentic,
    /// KMS denied, key unusable or not given, credentials refused.
    KeyUnavailable,
    /// KMS throttled or unreachable: retry can help.
    Retryable,
    /// Interrupted by a signal.
    Interrupted,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Other => 1,
            Self::Usage => 2,
            Self::SomeFailed => 3,
            Self::Refused => 4,
            Self::Unauthentic => 5,
            Self::KeyUnavailable => 6,
            Self::Retryable => 7,
            Self::Interrupted => 130,
        }
    }
}

/// Prints what clap found, be it an error or the help that was asked for.
pub(crate) fn of_parsing(error: &clap::Error) -> Exit {
    if !error.use_stderr() {
        // A reader of --help that has gone is no news.
        let _ = error.print();
        return Exit::Done;
    }
    if error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        Console::default().warn(error.render().to_string().trim_end());
        return Exit::Usage;
    }
    let text = error.render().to_string();
    let text = text.trim_end().trim_end_matches("For more information, try '--help'.").trim_end();
    Console::default().warn(format_args!("{text}\nhelp: --help after the command shows what it takes"));
    Exit::Usage
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::InvalidCall => Self::Usage,
            ErrorKind::PolicyRefused => Self::Refused,
            ErrorKind::Malformed | ErrorKind::Unauthentic => Self::Unauthentic,
            ErrorKind::KeyUnavailable => Self::KeyUnavailable,
            ErrorKind::Retryable => Self::Retryable,
            _ => Self::Other,
        }
    }
}

impl From<KmsErrorKind> for Exit {
    fn from(kind: KmsErrorKind) -> Self {
        match kind {
            KmsErrorKind::Throttled | KmsErrorKind::Unreachable => Self::Retryable,
            KmsErrorKind::InvalidRequest => Self::Usage,
            KmsErrorKind::AlreadyExists | KmsErrorKind::LimitExceeded | KmsErrorKind::Internal => Self::Other,
            _ => Self::KeyUnavailable,
        }
    }
}

/// What happened, to which item, and what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    pub(crate) error: String,
    pub(crate) help: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<String>, help: impl Into<String>) -> Self {
        Self { exit, error: error.into(), help: help.into() }
    }

    pub(crate) fn usage(error: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Exit::Usage, error, help)
    }

    /// A file or stream that could not be read, written or found.
    pub(crate) fn io(item: impl fmt::Display, error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::broken_pipe();
        }
        let exit = match error.kind() {
            // Of what a message is read through, base64 alone has rules that its bytes can break.
            io::ErrorKind::InvalidData => Exit::Unauthentic,
            _ => Exit::Other,
        };
        Self::new(exit, format!("{item}: {error}"), io_help(error))
    }

    /// Whoever read stdout has gone: nobody is left to tell, and the work is not done.
    pub(crate) fn broken_pipe() -> Self {
        Self::new(Exit::Other, "", "")
    }

    /// The user pressed Ctrl-C at a prompt, and knows it.
    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "", "")
    }

    /// Whether the same command may succeed later.
    pub(crate) fn is_retryable(&self) -> bool {
        self.exit == Exit::Retryable
    }

    /// Whether there is nothing to say.
    pub(crate) fn is_silent(&self) -> bool {
        self.error.is_empty()
    }

    /// A message that could not be made or opened.
    pub(crate) fn message(item: impl fmt::Display, error: &Error) -> Self {
        match error {
            Error::Io(error) => Self::io(item, error),
            error => Self::new(error.kind().into(), format!("{item}: {error}"), message_help(error)),
        }
    }

    /// A keyring that cannot be set up.
    pub(crate) fn keyring(error: &KeyringError) -> Self {
        Self::new(error.kind().into(), error.to_string(), keyring_help(error))
    }

    /// The output of a command that may yet fail, and no way to withhold it.
    pub(crate) fn withheld_output_needed() -> Self {
        Self::usage(
            "--stdin-from-command needs an output that can be withheld if the command fails",
            "name a file with -o",
        )
    }

    /// Adds something to do.
    #[must_use]
    pub(crate) fn and_help(mut self, more: &str) -> Self {
        self.help = format!("{}; {more}", self.help);
        self
    }

    /// A key that a store does not have.
    pub(crate) fn no_key(key: impl fmt::Display, store: &Path) -> Self {
        Self::new(
            Exit::KeyUnavailable,
            format!("there is no key {key} in the store at {}", store.display()),
            kms_help(KmsErrorKind::NotFound),
        )
    }
}

impl From<KmsError> for Failure {
    fn from(error: KmsError) -> Self {
        Self::new(error.kind.into(), error.to_string(), kms_help(error.kind))
    }
}

impl From<FileError> for Failure {
    fn from(error: FileError) -> Self {
        let help = match &error {
            FileError::TargetExists { .. } | FileError::TargetKept { .. } => {
                "give --force to replace it, --no-overwrite to skip it, or -o another output"
            }
            FileError::NotAFile { .. } => "name a file",
            FileError::SourceChanged { .. } => {
                "the new file is complete; look at the source and decide yourself"
            }
            FileError::Incomplete { .. } => "make room and run the same command again",
            FileError::System { reason, .. } => io_help(reason),
            _ => "look at the disk or the device",
        };
        Self::new(Exit::Other, error.to_string(), help)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let (exit, help) = match &error {
            StoreError::NoStore { directory } => {
                return Self::new(
                    Exit::KeyUnavailable,
                    format!("you have no store at {}", directory.display()),
                    "`envel encrypt -k local:NAME FILE` makes one, `envel kms restore FILE` takes a backup; \
                 ENVEL_HOME names another directory",
                );
            }
            StoreError::PassphraseNeeded { .. } | StoreError::PassphraseWrong { .. } => (
                Exit::KeyUnavailable,
                "set ENVEL_PASSPHRASE, or ENVEL_PASSPHRASE_FILE to a file that holds it",
            ),
            StoreError::PassphraseNotUsed { .. } => {
                (Exit::Usage, "unset ENVEL_PASSPHRASE and ENVEL_PASSPHRASE_FILE")
            }
            StoreError::PassphraseEmpty => (Exit::Usage, "give a passphrase of at least one character"),
            StoreError::RootKeyMissing { .. }
            | StoreError::RootKeyDamaged { .. }
            | StoreError::RootKeyWrong { .. }
            | StoreError::DatabaseMissing { .. } => (
                Exit::KeyUnavailable,
                "`envel kms restore FILE`, with ENVEL_HOME set to a new directory, takes a backup",
            ),
            StoreError::StoreExists { .. } => (Exit::Usage, "set ENVEL_HOME to another directory"),
            StoreError::BackupExists { .. } => (Exit::Usage, "name another file"),
            StoreError::NotABackup { .. } => (Exit::Unauthentic, "name a file that `envel kms backup` wrote"),
            StoreError::Busy => (Exit::Retryable, "try again later"),
            StoreError::DiskFull { .. } => {
                (Exit::Other, "make room on the disk and try again: nothing was lost")
            }
            StoreError::DiskFailed { .. } => {
                (Exit::Other, "check the disk, and restore a backup if the store is damaged")
            }
            StoreError::Damaged { .. } | StoreError::NotAStore { .. } => (
                Exit::Other,
                "`envel kms restore FILE`, with ENVEL_HOME set to a new directory, takes a backup",
            ),
            StoreError::Io { source, .. } => (Exit::Other, io_help(source)),
            _ => (Exit::Other, "ENVEL_HOME names the directory of the store"),
        };
        Self::new(exit, with_sources(&error), help)
    }
}

/// An error and what caused it, in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn io_help(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "check who may read and write there",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room and run the same command again"
        }
        io::ErrorKind::IsADirectory => "give -r to take every file below a directory",
        io::ErrorKind::InvalidData => "the base64 text is damaged: fetch it again from where it came",
        _ => "look at the disk or the device, and run the same command again",
    }
}

fn kms_help(kind: KmsErrorKind) -> &'static str {
    match kind {
        KmsErrorKind::NotFound => {
            "`envel key list` shows the keys that there are; ENVEL_HOME names another store"
        }
        KmsErrorKind::KeyUnusable => {
            "`envel key describe KEY` shows its state; `envel key enable KEY` switches a disabled key on, \
             `envel key cancel-deletion KEY` saves one that waits to be deleted"
        }
        KmsErrorKind::AlreadyExists => "choose another name; `envel key list` shows those taken",
        KmsErrorKind::WrongCiphertext => {
            "check that the key and the encryption context are those of the message"
        }
        KmsErrorKind::Throttled | KmsErrorKind::Unreachable => "try again later",
        KmsErrorKind::LimitExceeded => "delete what is not needed",
        KmsErrorKind::Internal => "run the same command again; if it fails the same way, restore a backup",
        _ => "correct the request",
    }
}

fn message_help(error: &Error) -> &'static str {
    match error {
        Error::Malformed(_) => "if it is a message at all, it is damaged: fetch it again from where it came",
        Error::Truncated { .. } => "fetch it again from where it came, to the end",
        Error::HeaderUnauthentic => "check -c, or fetch the message again from where it came",
        Error::FrameUnauthentic { .. } | Error::SignatureUnauthentic => {
            "fetch it again from where it came; do not trust this copy"
        }
        Error::Refused(refusal) => refusal_help(refusal),
        Error::InvalidCall(call) => call_help(call),
        Error::Wrap(error) => keyring_help(error),
        Error::Unwrap(UnwrapError { attempts, .. }) => {
            attempts.iter().map(|attempt| &attempt.error).next_back().map_or(
                "`envel inspect FILE` names the keys of the message: give one of them with -k",
                keyring_help,
            )
        }
        _ => "run the same command again; if it fails the same way, report it",
    }
}

fn refusal_help(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::CommitmentPolicy { .. } => {
            "if you trust its origin, allow messages without key commitment: --commitment-policy require-encrypt-allow-decrypt"
        }
        Refusal::HeaderLimit(HeaderLimitExceeded::EncryptedDataKeys { .. }) => {
            "if you expect so many, raise --max-encrypted-data-keys: each may cost a KMS call"
        }
        Refusal::ContextMismatch { .. } | Refusal::ContextMissing { .. } => {
            "`envel inspect FILE` shows the context that the message stores; correct -c, or ask where the message comes from"
        }
        Refusal::UnverifiableSignature => {
            "leave --range out, or give --allow-unverified-signature: whoever can decrypt the message could have made the bytes"
        }
        Refusal::HoldLimit { .. } => "write it to a file with -o FILE, or give --allow-unverified-streaming",
        _ => "a message like this is not opened here; ask where it comes from",
    }
}

fn call_help(call: &InvalidCall) -> &'static str {
    match call {
        InvalidCall::CommitmentPolicy { .. } => "choose another --algorithm, or another --commitment-policy",
        InvalidCall::FrameLength { .. } => "correct --frame-length",
        InvalidCall::Context(_) => "correct -c",
        InvalidCall::LongerThanExpected { .. } => "correct --expected-size; nothing was written",
        InvalidCall::MessageLength { .. } => "give a larger --frame-length",
        InvalidCall::Header(_) => "give fewer keys, or raise --max-encrypted-data-keys",
        InvalidCall::RangeBeyondEnd { .. } => "correct --range",
        InvalidCall::RangeOfNonFramed => "leave --range out",
        _ => "correct the options",
    }
}

fn keyring_help(error: &KeyringError) -> &'static str {
    match error {
        KeyringError::Kms(error) => kms_help(error.kind),
        KeyringError::DoesNotOpen => "check that the key and the encryption context are those of the message",
        KeyringError::PublicKeyOnly => "name the PEM file of the private key",
        KeyringError::InvalidKeyring(_) => {
            "correct -k: namespaces that begin with aws-kms are kept for AWS KMS"
        }
        KeyringError::Context(_) => "correct -c",
        _ => "check the key that -k names",
    }
}

impl From<KeySpellingError> for Failure {
    fn from(error: KeySpellingError) -> Self {
        Self::usage(error.to_string(), error.help)
    }
}

#[cfg(test)]
mod tests {
    use envel::UnwrapAttempt;

    use super::*;

    fn unwrap_error(kinds: &[KmsErrorKind]) -> Error {
        let attempt = |kind: &KmsErrorKind| UnwrapAttempt {
            encrypted_data_key_index: 0,
            keyring: "KMS key k".to_owned(),
            error: KmsError::new(*kind, "Decrypt", "Code", "").into(),
        };
        UnwrapError {
            attempts: kinds.iter().map(attempt).collect(),
            encrypted_data_keys: vec!["k".to_owned()],
        }
        .into()
    }

    #[test]
    fn the_numbers_are_those_of_the_contract() {
        let exits = [
            (Exit::Done, 0),
            (Exit::Other, 1),
            (Exit::Usage, 2),
            (Exit::SomeFailed, 3),
            (Exit::Refused, 4),
            (Exit::Unauthentic, 5),
            (Exit::KeyUnavailable, 6),
            (Exit::Retryable, 7),
            (Exit::Interrupted, 130),
        ];
        assert!(exits.iter().all(|(exit, code)| exit.code() == *code));
    }

    #[test]
    fn keyrings_that_fail_differently_are_retryable_if_a_retry_could_help_any() {
        let exit = |kinds: &[KmsErrorKind]| Failure::message("m", &unwrap_error(kinds)).exit;
        assert_eq!(exit(&[KmsErrorKind::Denied, KmsErrorKind::Throttled]), Exit::Retryable);
        assert_eq!(exit(&[KmsErrorKind::Denied, KmsErrorKind::KeyUnusable]), Exit::KeyUnavailable);
        assert_eq!(exit(&[KmsErrorKind::Credentials]), Exit::KeyUnavailable);
        assert_eq!(exit(&[]), Exit::KeyUnavailable);
    }

    #[test]
    fn classes_of_errors_have_codes_of_their_own() {
        let of_message = |error: Error| Failure::message("m", &error).exit;
        assert_eq!(of_message(Error::HeaderUnauthentic), Exit::Unauthentic);
        assert_eq!(of_message(Error::Truncated { within: "the body" }), Exit::Unauthentic);
        assert_eq!(of_message(Refusal::HoldLimit { max_held_bytes: 1 }.into()), Exit::Refused);
        assert_eq!(of_message(InvalidCall::LongerThanExpected { expected: 1 }.into()), Exit::Usage);
        assert_eq!(of_message(io::Error::from(io::ErrorKind::StorageFull).into()), Exit::Other);
        assert_eq!(Failure::from(StoreError::Busy).exit, Exit::Retryable);
        assert_eq!(Failure::from(StoreError::PassphraseEmpty).exit, Exit::Usage);
    }

    #[test]
    fn every_failure_says_what_to_do() {
        for kind in
            [KmsErrorKind::Denied, KmsErrorKind::Throttled, KmsErrorKind::Internal, KmsErrorKind::NotFound]
        {
            assert!(!Failure::from(KmsError::new(kind, "Decrypt", "Code", "")).help.is_empty());
        }
        let broken_pipe = io::Error::from(io::ErrorKind::BrokenPipe);
        assert!(Failure::io("stdout", &broken_pipe).is_silent(), "but there is nobody to say it to");
    }
}
