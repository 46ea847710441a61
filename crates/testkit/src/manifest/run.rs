//! The verdict on each case of a manifest.

use std::collections::BTreeMap;
use std::fs;

use envel::{Client, CommitmentPolicy, DecryptOptions, ErrorKind};
use serde_json::value::RawValue;

use super::{Case, Expected, Manifest, description};
use crate::every_way::{EveryWayError, decrypt_every_way};

/// How to run a manifest.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOptions {
    /// Whether to open messages that the SDK for .NET 4.0.0 wrote with its faults.
    pub net_v4_retry: bool,
}

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It came out as the manifest says, by every way.
    Passed,
    /// It did not.
    Failed {
        /// What happened instead.
        reason: String,
    },
    /// Its keyring needs AWS, or is not built.
    Skipped {
        /// The type of the keyring.
        kind: String,
    },
}

/// How many cases came out how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Cases that came out as the manifest says.
    pub passed: usize,
    /// Cases that did not.
    pub failed: usize,
    /// Cases skipped, by the type of their keyring.
    pub skipped: BTreeMap<String, usize>,
}

impl Totals {
    /// How many cases were skipped for any reason.
    pub fn skipped_in_all(&self) -> usize {
        self.skipped.values().sum()
    }
}

impl Manifest {
    /// Decrypts every case, in the order of their names, and shows each verdict to `observe`.
    ///
    /// # Cost
    /// One message and its plaintext are in memory at a time.
    pub fn run(&self, options: &RunOptions, mut observe: impl FnMut(&str, &Verdict)) -> Totals {
        let client = Client::builder()
            .commitment_policy(CommitmentPolicy::RequireEncryptAllowDecrypt)
            .max_encrypted_data_keys(None)
            .net_v4_0_0_retry(options.net_v4_retry)
            .build();
        let mut totals = Totals::default();
        for (name, test) in &self.tests {
            let verdict = self.verdict(&client, test);
            match &verdict {
                Verdict::Passed => totals.passed += 1,
                Verdict::Failed { .. } => totals.failed += 1,
                Verdict::Skipped { kind } => *totals.skipped.entry(kind.clone()).or_default() += 1,
            }
            observe(name, &verdict);
        }
        totals
    }

    fn verdict(&self, client: &Client, test: &RawValue) -> Verdict {
        let outcome = self.case(test).and_then(|case| match case.keys.unbuilt_kind() {
            Some(kind) => Ok(Verdict::Skipped { kind: kind.to_owned() }),
            None => self.decrypt(client, &case).map(|()| Verdict::Passed),
        });
        outcome.unwrap_or_else(|reason| Verdict::Failed { reason })
    }

    /// Decrypts a case and compares; the error says what happened instead of what was expected.
    fn decrypt(&self, client: &Client, case: &Case) -> Result<(), String> {
        let read = |path: &std::path::Path| {
            fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
        };
        let message = read(&case.ciphertext)?;
        let outcome = self.open(client, case, &message);
        match (&case.expected, outcome) {
            (Expected::Plaintext(path), Opened::Plaintext(plaintext)) => {
                if plaintext == read(path)? {
                    Ok(())
                } else {
                    Err(format!("it opens, but not to the bytes of {}", path.display()))
                }
            }
            (Expected::Plaintext(_), Opened::Refused(reason)) => Err(format!("refused: {reason}")),
            (Expected::Refusal, Opened::Refused(_)) => Ok(()),
            (Expected::Refusal, Opened::Plaintext(_)) => Err("it opens, but must be refused".into()),
            (_, Opened::Faulty(reason)) => Err(reason),
        }
    }

    fn open(&self, client: &Client, case: &Case, message: &[u8]) -> Opened {
        let manager = case.keys.manager(&self.keys).and_then(|manager| {
            if !case.requires_reproduced_context {
                return Ok(manager);
            }
            let names = case.reproduced_context.iter().map(|(name, _)| name.to_owned()).collect();
            description::require_context(manager, names)
        });
        let manager = match manager {
            Ok(manager) => manager,
            // Some cases must be refused because their key is of no use.
            Err(reason) => return Opened::Refused(reason),
        };
        let options = DecryptOptions::new()
            .encryption_context(case.reproduced_context.clone())
            .unsigned_only(case.unsigned_only);
        match decrypt_every_way(client, &*manager, message, &options) {
            Ok(output) => Opened::Plaintext(output.plaintext),
            Err(EveryWayError::Refused(error)) => match error.kind() {
                // These say nothing about the message, so that they are not the refusal that a case may expect.
                ErrorKind::Io | ErrorKind::Internal | ErrorKind::Retryable => {
                    Opened::Faulty(error.to_string())
                }
                _ => Opened::Refused(error.to_string()),
            },
            Err(error) => Opened::Faulty(error.to_string()),
        }
    }
}

/// What came of a message.
enum Opened {
    Plaintext(Vec<u8>),
    Refused(String),
    /// Not the message's fault.
    Faulty(String),
}
