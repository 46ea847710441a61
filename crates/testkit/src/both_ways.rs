//! Each message through both of envel's interfaces, the one-shot calls and the streams, which must agree.

use std::io::{self, Read, Write};

use envel::{Client, DecryptOptions, EncryptOptions, Error, MaterialsManager, MessageHeader};

/// Bytes that a stream is given, or gives, at a time: a prime, so that it falls on no boundary of the format.
const STREAM_STEP: usize = 1021;

/// A message that could not be decrypted.
#[derive(Debug, thiserror::Error)]
pub enum BothWaysError {
    /// Both interfaces refuse it for a reason of one kind; this is what the one-shot call said.
    #[error(transparent)]
    Refused(Error),
    /// The two interfaces do not agree: a bug.
    #[error("the one-shot call and the stream disagree: {0}")]
    Disagreement(String),
}

/// A message that both interfaces decrypted to the same plaintext.
#[derive(Debug)]
pub struct BothWaysOutput {
    /// The plaintext.
    pub plaintext: Vec<u8>,
    /// The header.
    pub header: MessageHeader,
}

/// Encrypts twice: by the one-shot call and by the stream.
///
/// # Errors
/// [`Error`] of whichever refuses; [`BothWaysError::Disagreement`] if one alone does.
pub fn encrypt_both_ways(
    client: &Client,
    manager: &dyn MaterialsManager,
    plaintext: &[u8],
    options: &EncryptOptions,
) -> Result<[Vec<u8>; 2], BothWaysError> {
    let one_shot =
        pollster::block_on(client.encrypt(manager, plaintext, options)).map(|output| output.message);
    let streamed = encrypt_stream(client, manager, plaintext, options);
    agree(one_shot, streamed).map(|(one_shot, streamed)| [one_shot, streamed])
}

/// Decrypts by the one-shot call and by the stream.
///
/// # Errors
/// [`BothWaysError::Refused`] if both refuse; [`BothWaysError::Disagreement`] if they differ in any way.
pub fn decrypt_both_ways(
    client: &Client,
    manager: &dyn MaterialsManager,
    message: &[u8],
    options: &DecryptOptions,
) -> Result<BothWaysOutput, BothWaysError> {
    let one_shot = pollster::block_on(client.decrypt(manager, message, options));
    let streamed = decrypt_stream(client, manager, message, options);
    let (one_shot, streamed) = agree(one_shot, streamed)?;
    if one_shot.plaintext != streamed {
        let lengths = format!("plaintexts of {} and {} bytes", one_shot.plaintext.len(), streamed.len());
        return Err(BothWaysError::Disagreement(lengths));
    }
    Ok(BothWaysOutput { plaintext: one_shot.plaintext, header: one_shot.header })
}

fn agree<O, S>(one_shot: Result<O, Error>, streamed: Result<S, Error>) -> Result<(O, S), BothWaysError> {
    match (one_shot, streamed) {
        (Ok(one_shot), Ok(streamed)) => Ok((one_shot, streamed)),
        (Err(one_shot), Err(streamed)) if one_shot.kind() == streamed.kind() => {
            Err(BothWaysError::Refused(one_shot))
        }
        (one_shot, streamed) => {
            let verdict = |error: Option<Error>| error.map_or("success".into(), |error| error.to_string());
            let verdicts = format!("{} against {}", verdict(one_shot.err()), verdict(streamed.err()));
            Err(BothWaysError::Disagreement(verdicts))
        }
    }
}

fn encrypt_stream(
    client: &Client,
    manager: &dyn MaterialsManager,
    plaintext: &[u8],
    options: &EncryptOptions,
) -> Result<Vec<u8>, Error> {
    let encryption = pollster::block_on(client.start_encryption(manager, options))?;
    let mut writer = encryption.into_writer(Vec::new());
    for part in plaintext.chunks(STREAM_STEP) {
        writer.write_all(part).map_err(Error::from_io)?;
    }
    let (message, _) = writer.finish()?;
    Ok(message)
}

fn decrypt_stream(
    client: &Client,
    manager: &dyn MaterialsManager,
    message: &[u8],
    options: &DecryptOptions,
) -> Result<Vec<u8>, Error> {
    let pending = client.read_header(Trickle(message))?;
    let mut reader = pollster::block_on(client.open(manager, pending, options))?;
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
