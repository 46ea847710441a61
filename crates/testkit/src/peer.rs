//! Official SDKs as running peers: started once, asked for one message after another.
//!
//! The programs lie in `peers/`; `peers/install.sh` (part of `make test`) installs the SDKs that they drive.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{env, fs};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use envel::{AlgorithmSuiteId, CommitmentPolicy, EncryptionContext};
use serde::{Deserialize, Serialize};

use crate::keyring::KeyringDescription;

/// Payloads beyond this many bytes go through files and the SDK's streaming interface.
const MAX_INLINE_LEN: usize = 1 << 20;

/// Which official SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// `aws-encryption-sdk` for Python, with the keyrings of the material providers library.
    Python,
    /// `@aws-crypto/client-node`.
    JavaScript,
}

impl Sdk {
    fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::JavaScript => "JavaScript",
        }
    }

    /// The command that starts the peer, if its SDK is installed below `peers`.
    fn command(self, peers: &Path) -> Option<Command> {
        let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        match self {
            Self::Python => {
                let python = peers.join("python/bin/python");
                python.exists().then(|| {
                    let mut command = Command::new(python);
                    command.arg(programs.join("esdk_peer.py"));
                    command
                })
            }
            Self::JavaScript => {
                let modules = peers.join("node");
                modules.join("node_modules/@aws-crypto/client-node").exists().then(|| {
                    let mut command = Command::new("node");
                    command.arg(programs.join("esdk_peer.mjs")).arg(modules);
                    command
                })
            }
        }
    }
}

/// What the two sides must agree on for one message.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The keyring, on the peer's side.
    pub keyring: KeyringDescription,
    /// The commitment policy of the peer's client.
    pub commitment_policy: CommitmentPolicy,
    /// The suite to encrypt with; the policy's default if none. Decryption reads it from the header.
    pub algorithm_suite: Option<AlgorithmSuiteId>,
    /// The context to encrypt with, or to demand when decrypting.
    pub encryption_context: EncryptionContext,
    /// Names that the header must not store and that must be given to decrypt.
    pub required_context_names: Vec<String>,
    /// Frame length to encrypt with; the SDK's default if none.
    pub frame_length: Option<u32>,
    /// The most encrypted data keys; unlimited if none.
    pub max_encrypted_data_keys: Option<u32>,
}

impl Terms {
    /// Terms that differ from the defaults by the keyring and by a policy that allows every suite to be decrypted.
    pub fn new(keyring: KeyringDescription) -> Self {
        Self {
            keyring,
            commitment_policy: CommitmentPolicy::RequireEncryptAllowDecrypt,
            algorithm_suite: None,
            encryption_context: EncryptionContext::new(),
            required_context_names: Vec::new(),
            frame_length: None,
            max_encrypted_data_keys: None,
        }
    }
}

/// What a peer made of a message.
#[derive(Debug)]
pub struct PeerOutput {
    /// The message, or the plaintext.
    pub bytes: Vec<u8>,
    /// The pairs that the header stores, the public key included.
    pub header_context: BTreeMap<String, String>,
}

/// Why a peer gave no output.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The SDK refused, with these words.
    #[error("the SDK refused: {0}")]
    Refused(String),
    /// The peer itself does not work: it ended, or it does not speak the protocol.
    #[error("the peer does not answer: {0}")]
    Broken(#[from] io::Error),
}

#[derive(Serialize)]
struct Request<'a> {
    operation: &'a str,
    keyring: &'a KeyringDescription,
    commitment_policy: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm_suite: Option<u16>,
    encryption_context: BTreeMap<&'a str, &'a str>,
    required_context_names: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    frame_length: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_encrypted_data_keys: Option<u32>,
    #[serde(flatten)]
    payload: Payload,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Payload {
    Inline { input: String },
    Files { input_file: PathBuf, output_file: PathBuf },
}

#[derive(Deserialize)]
struct Answer {
    error: Option<String>,
    output: Option<String>,
    #[serde(default)]
    header_context: BTreeMap<String, String>,
}

struct Channel {
    // Held so that the process is waited for: it ends when its standard input closes.
    process: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// A running SDK. Shared by the tests of a binary; one message at a time.
pub struct Peer(Mutex<Channel>);

impl Peer {
    /// Starts the peer, from the absolute path `$ENVEL_PEERS` (default: `target/peers` of the workspace).
    ///
    /// Without its SDK there is none: standard error says so and the test can be skipped.
    ///
    /// # Panics
    /// Where `CI` is `true`, nothing is skipped: a missing SDK fails the test. So does an SDK that does not start.
    pub fn start(sdk: Sdk) -> Option<Self> {
        let peers = env::var_os("ENVEL_PEERS")
            .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers"), PathBuf::from);
        let Some(mut command) = sdk.command(&peers) else {
            let note = format!("skipped: no {} peer in {} (run make test)", sdk.name(), peers.display());
            assert!(env::var("CI").as_deref() != Ok("true"), "{note}");
            crate::report(&note);
            return None;
        };
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| unstartable(sdk, &error));
        let requests = process.stdin.take();
        let answers = process.stdout.take().expect("standard output is piped");
        Some(Self(Mutex::new(Channel { process, requests, answers: BufReader::new(answers) })))
    }

    /// Has the SDK encrypt.
    ///
    /// # Errors
    /// [`PeerError`]: the SDK refuses, or the peer does not work.
    pub fn encrypt(&self, terms: &Terms, plaintext: &[u8]) -> Result<PeerOutput, PeerError> {
        self.ask("encrypt", terms, plaintext)
    }

    /// Has the SDK decrypt.
    ///
    /// # Errors
    /// [`PeerError`]: the SDK refuses, or the peer does not work.
    pub fn decrypt(&self, terms: &Terms, message: &[u8]) -> Result<PeerOutput, PeerError> {
        self.ask("decrypt", terms, message)
    }

    fn ask(&self, operation: &str, terms: &Terms, input: &[u8]) -> Result<PeerOutput, PeerError> {
        let (payload, files) = if input.len() <= MAX_INLINE_LEN {
            (Payload::Inline { input: BASE64.encode(input) }, None)
        } else {
            let directory = tempfile::tempdir()?;
            let input_file = directory.path().join("input");
            let output_file = directory.path().join("output");
            fs::write(&input_file, input)?;
            (Payload::Files { input_file, output_file: output_file.clone() }, Some((directory, output_file)))
        };
        let request = Request {
            operation,
            keyring: &terms.keyring,
            commitment_policy: match terms.commitment_policy {
                CommitmentPolicy::ForbidEncryptAllowDecrypt => "FORBID_ENCRYPT_ALLOW_DECRYPT",
                CommitmentPolicy::RequireEncryptAllowDecrypt => "REQUIRE_ENCRYPT_ALLOW_DECRYPT",
                CommitmentPolicy::RequireEncryptRequireDecrypt => "REQUIRE_ENCRYPT_REQUIRE_DECRYPT",
            },
            algorithm_suite: terms.algorithm_suite.map(AlgorithmSuiteId::as_u16),
            encryption_context: terms.encryption_context.iter().collect(),
            required_context_names: &terms.required_context_names,
            frame_length: terms.frame_length,
            max_encrypted_data_keys: terms.max_encrypted_data_keys,
            payload,
        };
        let answer = self.0.lock().unwrap_or_else(PoisonError::into_inner).exchange(&request)?;
        if let Some(reason) = answer.error {
            return Err(PeerError::Refused(reason));
        }
        let bytes = match (answer.output, files) {
            (Some(output), None) => BASE64.decode(output).map_err(io::Error::other)?,
            (None, Some((_directory, output_file))) => fs::read(output_file)?,
            _ => return Err(io::Error::other("an answer without its output").into()),
        };
        Ok(PeerOutput { bytes, header_context: answer.header_context })
    }
}

impl Channel {
    fn exchange(&mut self, request: &Request<'_>) -> io::Result<Answer> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let requests = self.requests.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        requests.write_all(&line)?;
        requests.flush()?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            return Err(io::Error::other(format!("it ended: {}", self.process.wait()?)));
        }
        Ok(serde_json::from_str(&answer)?)
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.process.wait();
    }
}

fn unstartable(sdk: Sdk, error: &io::Error) -> ! {
    #[expect(clippy::panic, reason = "a test that cannot reach its peer has failed")]
    {
        panic!("the {} peer does not start: {error}", sdk.name())
    }
}
