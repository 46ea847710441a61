//! Each message by every way that envel has to make and to read one, which must agree.

#[cfg(feature = "tokio")]
mod asynchronous;
mod ranges;

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::{fmt, iter};

use envel::{
    Client, DecryptOptions, EncryptOptions, EncryptOutput, Error, KeyDerivation, MaterialsManager,
    MessageHeader,
};
use pollster::block_on;

use ranges::RangeReader;

/// Bytes that a stream is given, or gives, at a time: a prime, so that it falls on no boundary of the format.
const STREAM_STEP: usize = 1021;

/// One thread, and more than there are cores on a small machine. Messages of more than 512 KiB make them start.
const THREADS: [NonZeroUsize; 2] = [NonZeroUsize::MIN, NonZeroUsize::MIN.saturating_add(2)];

/// A message that could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum EveryWayError {
    /// Every way refuses it for a reason of one kind; this is what the one-shot call said.
    #[error(transparent)]
    Refused(Error),
    /// The ways do not agree: a bug.
    #[error("two ways disagree: {0}")]
    Disagreement(String),
}

/// A message that every way decrypted to the same plaintext.
#[derive(Debug)]
pub struct EveryWayOutput {
    /// The plaintext.
    pub plaintext: Vec<u8>,
    /// The header.
    pub header: MessageHeader,
}

/// What came of a message by one way.
struct Attempt {
    way: String,
    outcome: Result<Vec<u8>, Error>,
}

impl Attempt {
    fn new(way: impl Into<String>, outcome: Result<Vec<u8>, Error>) -> Self {
        Self { way: way.into(), outcome }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Ok(bytes) => write!(f, "{}: {} bytes", self.way, bytes.len()),
            Err(error) => write!(f, "{}: {error}", self.way),
        }
    }
}

/// Encrypts by the one-shot call, by the streams, by one and by several threads, and in a batch: one message each.
///
/// # Errors
/// [`EveryWayError::Refused`] if every way refuses; [`EveryWayError::Disagreement`] if one alone does or does not.
pub fn encrypt_every_way(
    client: &Client,
    manager: &dyn MaterialsManager,
    plaintext: &[u8],
    options: &EncryptOptions,
) -> Result<Vec<Vec<u8>>, EveryWayError> {
    let one_shot = block_on(client.encrypt(manager, plaintext, options));
    let mut attempts = vec![Attempt::new("writer", encrypt_stream(client, manager, plaintext, options))];
    for threads in THREADS {
        let start = || block_on(client.start_encryption(manager, &options.clone().threads(threads)));
        let sealed = start().and_then(|encryption| {
            let mut message = Vec::new();
            encryption.seal_into(plaintext, &mut message).map(|_| message)
        });
        let copied = start().and_then(|encryption| {
            let mut message = Vec::new();
            encryption.copy(&mut Trickle(plaintext), &mut message).map(|_| message)
        });
        attempts.push(Attempt::new(format!("in memory by {threads} threads"), sealed));
        attempts.push(Attempt::new(format!("copied by {threads} threads"), copied));
    }
    // A suite that uses the data key itself cannot encrypt two messages with it.
    let derives_keys =
        |output: &EncryptOutput| output.header.algorithm_suite().key_derivation != KeyDerivation::Identity;
    if one_shot.as_ref().map_or(true, derives_keys) {
        attempts.push(Attempt::new("batch", encrypt_in_batch(client, manager, plaintext, options)));
    }
    #[cfg(feature = "tokio")]
    attempts.push(Attempt::new("tokio", asynchronous::encrypt(client, manager, plaintext, options)));

    let one_shot = agree(one_shot, &attempts, |_, _| true)?.message;
    Ok(iter::once(one_shot).chain(attempts.into_iter().filter_map(|attempt| attempt.outcome.ok())).collect())
}

/// Decrypts by the one-shot call, by the streams, by one and by several threads, and by ranges.
///
/// # Errors
/// [`EveryWayError::Refused`] if every way refuses; [`EveryWayError::Disagreement`] if they differ in any way.
pub fn decrypt_every_way(
    client: &Client,
    manager: &dyn MaterialsManager,
    message: &[u8],
    options: &DecryptOptions,
) -> Result<EveryWayOutput, EveryWayError> {
    let one_shot = block_on(client.decrypt(manager, message, options));
    let mut attempts = vec![Attempt::new("reader", decrypt_stream(client, manager, message, options))];
    for threads in THREADS {
        let options = options.clone().threads(threads);
        let decryption = block_on(client.start_decryption(manager, message, &options));
        let opened = decryption.and_then(|decryption| {
            let mut plaintext = Vec::new();
            decryption.open_into(&mut plaintext).map(|_| plaintext)
        });
        let copied = client.read_header(Trickle(message)).and_then(|pending| {
            let mut plaintext = Vec::new();
            let mut reader = block_on(client.open(manager, pending, &options))?;
            reader.copy_to(&mut plaintext).map(|_| plaintext)
        });
        attempts.push(Attempt::new(format!("in memory by {threads} threads"), opened));
        attempts.push(Attempt::new(format!("copied by {threads} threads"), copied));
    }
    #[cfg(feature = "tokio")]
    attempts.push(Attempt::new("tokio", asynchronous::decrypt(client, manager, message, options)));

    let one_shot = agree(one_shot, &attempts, |output, plaintext| output.plaintext == plaintext);
    let ranges = RangeReader { client, manager, message, options };
    match &one_shot {
        Ok(output) => ranges.compare(&output.header, &output.plaintext),
        Err(EveryWayError::Refused(_)) => ranges.expect_refusal(),
        Err(EveryWayError::Disagreement(_)) => Ok(()),
    }
    .map_err(EveryWayError::Disagreement)?;
    one_shot.map(|output| EveryWayOutput { plaintext: output.plaintext, header: output.header })
}

/// What the one-shot call returned, if the other ways came to the same.
fn agree<T>(
    one_shot: Result<T, Error>,
    others: &[Attempt],
    is_same: impl Fn(&T, &[u8]) -> bool,
) -> Result<T, EveryWayError> {
    let differs = |other: &&Attempt| match (&one_shot, &other.outcome) {
        (Ok(one_shot), Ok(other)) => !is_same(one_shot, other),
        (Err(one_shot), Err(other)) => one_shot.kind() != other.kind(),
        _ => true,
    };
    if let Some(other) = others.iter().find(differs) {
        let verdict = one_shot.map_or_else(|error| error.to_string(), |_| "success".to_owned());
        return Err(EveryWayError::Disagreement(format!("one-shot: {verdict}; {other}")));
    }
    one_shot.map_err(EveryWayError::Refused)
}

fn encrypt_stream(
    client: &Client,
    manager: &dyn MaterialsManager,
    plaintext: &[u8],
    options: &EncryptOptions,
) -> Result<Vec<u8>, Error> {
    let mut writer = block_on(client.start_encryption(manager, options))?.into_writer(Vec::new());
    for part in plaintext.chunks(STREAM_STEP) {
        writer.write_all(part).map_err(Error::from_io)?;
    }
    let (message, _) = writer.finish()?;
    Ok(message)
}

/// The second message of a batch, in memory that the first one has used.
fn encrypt_in_batch(
    client: &Client,
    manager: &dyn MaterialsManager,
    plaintext: &[u8],
    options: &EncryptOptions,
) -> Result<Vec<u8>, Error> {
    let batch = block_on(client.start_batch(manager, options))?;
    let mut message = Vec::new();
    batch.encrypt_into(b"the first of the batch", &mut message)?;
    batch.encrypt_into(plaintext, &mut message)?;
    Ok(message)
}

fn decrypt_stream(
    client: &Client,
    manager: &dyn MaterialsManager,
    message: &[u8],
    options: &DecryptOptions,
) -> Result<Vec<u8>, Error> {
    let pending = client.read_header(Trickle(message))?;
    let mut reader = block_on(client.open(manager, pending, options))?;
    let mut plaintext = Vec::new();
    reader.read_to_end(&mut plaintext).map_err(Error::from_io)?;
    Ok(plaintext)
}

/// A source that gives a few bytes at a time, as a pipe does.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(STREAM_STEP);
        self.0.read(&mut buffer[..length])
    }
}
