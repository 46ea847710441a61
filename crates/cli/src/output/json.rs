//! JSON for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use envel::inspect::BodyDescription;
use envel::kms::KeyMetadata;
use envel::{ContentType, MessageHeader, MessageVersion, RangeProof, VerifiedRange};
use envel_ops::store::files;
use serde::Serialize;

use crate::args::algorithm_suite_name;
use crate::exit::Failure;

/// One line of metadata: what became of one input.
#[derive(Debug, Serialize)]
pub(crate) struct Record<'a> {
    pub(crate) operation: &'static str,
    pub(crate) status: Status,
    pub(crate) input: String,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<RecordedError<'a>>,
    /// Why it was skipped.
    pub(crate) reason: Option<&'a str>,
    #[serde(flatten)]
    pub(crate) details: &'a Details,
}

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Done,
    Skipped,
    Failed,
}

/// The words of a failure, with its exit code.
#[derive(Debug, Serialize)]
pub(crate) struct RecordedError<'a> {
    exit_code: u8,
    message: &'a str,
    help: &'a str,
}

impl<'a> From<&'a Failure> for RecordedError<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self { exit_code: failure.exit.code(), message: &failure.error, help: &failure.help }
    }
}

/// What is known of a message, as far as the work on it came.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Details {
    pub(crate) algorithm_suite: Option<AlgorithmSuite>,
    pub(crate) message_id: Option<String>,
    /// The pairs that the header stores.
    pub(crate) encryption_context: BTreeMap<String, String>,
    /// The keys that wrapped the data key; after decryption, the one that opened it.
    pub(crate) keys: Vec<KeyUsed>,
    pub(crate) plaintext_bytes: Option<u64>,
    pub(crate) ciphertext_bytes: Option<u64>,
    /// With `--range`: the part of the plaintext that was decrypted.
    pub(crate) range: Option<DecryptedRange>,
}

impl Details {
    /// Takes over what a header says.
    pub(crate) fn describe(&mut self, header: &MessageHeader) {
        self.algorithm_suite = Some(header.into());
        self.message_id = Some(header.message_id().to_string());
        self.encryption_context = context_pairs(header);
    }
}

/// A part of a plaintext, and what is known of it.
#[derive(Debug, Serialize)]
pub(crate) struct DecryptedRange {
    start: u64,
    end: u64,
    verified: &'static str,
    /// Of the whole message, if its end was verified.
    message_plaintext_bytes: Option<u64>,
    /// The message is signed, and nobody looked at the signature.
    unverified_signature: bool,
}

impl From<&VerifiedRange> for DecryptedRange {
    fn from(verified: &VerifiedRange) -> Self {
        Self {
            start: verified.range.start,
            end: verified.range.end,
            verified: match verified.proof() {
                RangeProof::FramesOnly => "frames",
                RangeProof::WithEnd => "frames-and-end",
            },
            message_plaintext_bytes: verified.plaintext_len,
            unverified_signature: verified.unverified_signature,
        }
    }
}

pub(crate) fn context_pairs(header: &MessageHeader) -> BTreeMap<String, String> {
    header.encryption_context().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// An algorithm suite, by number and name.
#[derive(Debug, Serialize)]
pub(crate) struct AlgorithmSuite {
    pub(crate) id: String,
    pub(crate) name: &'static str,
}

impl From<&MessageHeader> for AlgorithmSuite {
    fn from(header: &MessageHeader) -> Self {
        let id = header.algorithm_suite().id;
        Self { id: id.to_string(), name: algorithm_suite_name(id) }
    }
}

/// A wrapping key, as the message names it.
#[derive(Debug, Serialize)]
pub(crate) struct KeyUsed {
    pub(crate) provider_id: String,
    pub(crate) provider_info: String,
    pub(crate) key_material_id: Option<String>,
}

/// The file of `--metadata-output`.
#[derive(Debug)]
pub(crate) struct RecordFile {
    path: PathBuf,
    file: File,
}

impl RecordFile {
    /// Opens it to append.
    ///
    /// # Errors
    /// The operating system's. Stdout is for the data.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Err(Failure::usage(
                "--metadata-output does not write to stdout",
                "name a file, or /dev/stderr",
            ));
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|error| Failure::io(path.display(), &error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Whether a path leads to this file.
    ///
    /// # Errors
    /// It cannot be looked up.
    pub(crate) fn is_at(&self, path: &Path) -> Result<bool, Failure> {
        Ok(files::same_file(&self.path, path)?)
    }

    /// Appends a line in one write, so that processes can share the file.
    ///
    /// # Errors
    /// The operating system's.
    pub(crate) fn append(&mut self, record: &Record<'_>) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::io(self.path.display(), &error);
        let mut line = serde_json::to_vec(record).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(failed)
    }
}

/// A value as indented JSON, with a newline at its end.
///
/// # Errors
/// Never for the types of this program; serde cannot know.
pub(crate) fn document(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map(|text| for_terminals(&text) + "\n")
        .map_err(|error| Failure::io("the JSON output", &error.into()))
}

/// The same JSON with those control characters escaped that JSON allows in strings, and terminals obey.
fn for_terminals(json: &str) -> String {
    json.chars().fold(String::with_capacity(json.len()), |mut escaped, character| {
        if character.is_control() && character != '\n' {
            escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            escaped.push(character);
        }
        escaped
    })
}

/// A key of a KMS, without secrets.
#[derive(Debug, Serialize)]
pub(crate) struct Key {
    pub(crate) arn: String,
    pub(crate) key_id: String,
    pub(crate) region: String,
    pub(crate) aliases: BTreeSet<String>,
    pub(crate) key_state: &'static str,
    pub(crate) creation_date: String,
    pub(crate) deletion_date: Option<String>,
    pub(crate) description: String,
    pub(crate) key_usage: String,
    pub(crate) key_spec: String,
    pub(crate) origin: String,
    pub(crate) key_manager: String,
    pub(crate) multi_region: bool,
    pub(crate) current_key_material_id: Option<String>,
}

impl Key {
    pub(crate) fn new(metadata: KeyMetadata, aliases: BTreeSet<String>) -> Self {
        Self {
            arn: metadata.arn.to_string(),
            key_id: metadata.arn.resource_id().to_owned(),
            region: metadata.arn.region().to_owned(),
            aliases,
            key_state: metadata.key_state.as_str(),
            creation_date: date(metadata.creation_date),
            deletion_date: metadata.deletion_date.map(date),
            description: metadata.description,
            key_usage: metadata.key_usage,
            key_spec: metadata.key_spec,
            origin: metadata.origin,
            key_manager: metadata.key_manager,
            multi_region: metadata.multi_region,
            current_key_material_id: metadata.current_key_material_id,
        }
    }
}

/// A time in UTC, to the second, as RFC 3339 has it.
pub(crate) fn date(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// What a message says about itself.
#[derive(Debug, Serialize)]
pub(crate) struct Message {
    /// Always false: nothing here was verified.
    pub(crate) verified: bool,
    pub(crate) format_version: u8,
    pub(crate) message_id: String,
    pub(crate) algorithm_suite: AlgorithmSuite,
    pub(crate) is_committing: bool,
    pub(crate) is_signed: bool,
    pub(crate) encryption_context: BTreeMap<String, String>,
    pub(crate) encrypted_data_keys: Vec<WrappedDataKey>,
    pub(crate) is_framed: bool,
    pub(crate) frame_length: u32,
    pub(crate) header_bytes: usize,
    pub(crate) frames: Option<u64>,
    pub(crate) plaintext_bytes: Option<u64>,
    pub(crate) body_bytes: Option<u64>,
    pub(crate) footer_bytes: Option<u64>,
}

/// An encrypted data key, as a header stores it.
#[derive(Debug, Serialize)]
pub(crate) struct WrappedDataKey {
    pub(crate) provider_id: String,
    pub(crate) provider_info: String,
    pub(crate) ciphertext_bytes: usize,
}

impl Message {
    pub(crate) fn new(header: &MessageHeader, body: Option<&BodyDescription>) -> Self {
        let suite = header.algorithm_suite();
        Self {
            verified: false,
            format_version: match header.version() {
                MessageVersion::V1 => 1,
                MessageVersion::V2 => 2,
            },
            message_id: header.message_id().to_string(),
            algorithm_suite: header.into(),
            is_committing: suite.is_committing(),
            is_signed: suite.is_signed(),
            encryption_context: context_pairs(header),
            encrypted_data_keys: header
                .encrypted_data_keys()
                .iter()
                .map(|edk| WrappedDataKey {
                    provider_id: edk.key_provider_id.clone(),
                    provider_info: edk.provider_info_for_display(),
                    ciphertext_bytes: edk.ciphertext.len(),
                })
                .collect(),
            is_framed: header.content_type() == ContentType::Framed,
            frame_length: header.frame_length(),
            header_bytes: header.header_len(),
            frames: body.map(|body| body.frames),
            plaintext_bytes: body.map(|body| body.plaintext_len),
            body_bytes: body.map(|body| body.body_len),
            footer_bytes: body.map(|body| body.footer_len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_character_of_a_value_reaches_a_terminal() {
        let value = ["\u{1b}[2J\n\u{7f}\u{9b}2J"];
        let text = document(&value).unwrap();
        assert!(!text.chars().any(|character| character.is_control() && character != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<[String; 1]>(&text).unwrap(), value);
    }
}
