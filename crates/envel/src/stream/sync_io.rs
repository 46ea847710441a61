//! Streams over `std::io`.

use std::io::{self, Read, Write};
use std::num::NonZeroUsize;

use envel_core::SecretBytes;

use super::decryptor::{Decryptor, InputBuffer, Step};
use super::encryption::{EncryptSummary, Encryption};
use super::encryptor::Encryptor;
use super::{DecryptSummary, OpenedHeader, ReleasePolicy};
use crate::error::Error;
use crate::materials::OpenedBy;
use crate::message::header::HeaderParser;
use crate::message::{HeaderLimits, MessageHeader, ParseError};
use crate::parallel;

/// Encrypts what is written to it.
///
/// [`EncryptWriter::finish`] writes the end of the message: without it the message is cut, and every reader says so. After an
/// error nothing more can be written.
#[derive(Debug)]
pub struct EncryptWriter<W: Write> {
    sink: W,
    encryptor: Encryptor,
    is_header_written: bool,
    is_failed: bool,
}

impl<W: Write> EncryptWriter<W> {
    pub(super) fn new(encryption: Encryption, sink: W) -> Self {
        Self { sink, encryptor: Encryptor::new(encryption), is_header_written: false, is_failed: false }
    }

    /// The header as it is written.
    pub fn header(&self) -> &MessageHeader {
        self.encryptor.header()
    }

    /// Writes the final frame and the footer, and gives the sink back. The sink is not flushed.
    ///
    /// # Errors
    /// [`Error::Io`] if writing fails: what was written is not a whole message then.
    pub fn finish(mut self) -> Result<(W, EncryptSummary), Error> {
        self.write_header()?;
        let end = self.encryptor.finish()?;
        self.sink.write_all(end.frames)?;
        self.sink.write_all(&end.footer)?;
        Ok((self.sink, end.summary))
    }

    fn write_header(&mut self) -> io::Result<()> {
        if self.is_failed {
            return Err(io::Error::other("writing this message failed before"));
        }
        if !self.is_header_written {
            self.sink.write_all(self.encryptor.header_bytes())?;
            self.is_header_written = true;
        }
        Ok(())
    }

    fn write_some(&mut self, plaintext: &[u8]) -> Result<usize, Error> {
        self.write_header()?;
        if plaintext.is_empty() {
            return Ok(0);
        }
        if self.encryptor.is_full() {
            self.sink.write_all(self.encryptor.seal_full()?)?;
        }
        self.encryptor.push(plaintext)
    }
}

impl<W: Write> Write for EncryptWriter<W> {
    fn write(&mut self, plaintext: &[u8]) -> io::Result<usize> {
        // A frame that was sealed and not written whole cannot be sealed again: its number is used up.
        self.write_some(plaintext).map_err(|error| {
            self.is_failed = true;
            error.into_io()
        })
    }

    /// Flushes the sink. A frame that is not full stays here.
    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// A message of which the header was read and nothing was verified.
///
/// Made by [`crate::Client::read_header`]; [`crate::Client::open`] verifies it.
#[derive(Debug)]
pub struct PendingMessage<R> {
    pub(crate) header: MessageHeader,
    pub(crate) source: R,
    pub(crate) input: InputBuffer,
}

impl<R: Read> PendingMessage<R> {
    /// Reads until the header is complete.
    pub(crate) fn read(mut source: R, limits: HeaderLimits) -> Result<Self, Error> {
        let mut input = InputBuffer::default();
        let mut parser = HeaderParser::new(limits);
        loop {
            match parser.advance(input.available()) {
                Ok(header) => {
                    input.consume(header.header_len());
                    input.want(0);
                    return Ok(Self { header, source, input });
                }
                Err(ParseError::Incomplete { needed }) if !input.is_closed() => {
                    input.want(needed);
                    input.fill(&mut source, 0)?;
                }
                Err(error) => return Err(Error::at_end_of_input(error, "the header")),
            }
        }
    }
}

impl<R> PendingMessage<R> {
    /// The header as it stands in the message. Nothing of it is verified.
    pub fn header(&self) -> &MessageHeader {
        &self.header
    }
}

/// Decrypts what is read from it.
///
/// # What is verified
/// The header, before this exists. Each frame, before its bytes are returned. The signature of a signed message, and that the message
/// is whole and nothing follows, before the final frame's bytes are returned: only when `read` returns 0 is everything read
/// before known to be the whole message.
///
/// # What is not verified
/// Until then, that the message is whole, and who signed it. See [`ReleasePolicy`].
///
/// # Errors
/// `read` returns `std::io` errors; [`Error::from_io`] gets the reason back. After an error nothing more is released.
#[derive(Debug)]
pub struct DecryptReader<R> {
    header: MessageHeader,
    opened_by: OpenedBy,
    source: R,
    input: InputBuffer,
    decryptor: Decryptor,
    threads: NonZeroUsize,
}

impl<R> DecryptReader<R> {
    pub(crate) fn new(
        opened: OpenedHeader,
        release: ReleasePolicy,
        threads: NonZeroUsize,
        source: R,
        input: InputBuffer,
    ) -> Self {
        let decryptor = Decryptor::new(opened.body, release);
        Self { header: opened.header, opened_by: opened.opened_by, source, input, decryptor, threads }
    }

    /// The verified header.
    pub fn header(&self) -> &MessageHeader {
        &self.header
    }

    /// Which encrypted data key was opened, and by what.
    pub fn opened_by(&self) -> &OpenedBy {
        &self.opened_by
    }

    /// What was read and released, once the message was verified to its end.
    pub fn summary(&self) -> Option<DecryptSummary> {
        self.decryptor.is_finished().then(|| self.decryptor.summary(&self.input))
    }
}

impl<R: Read> DecryptReader<R> {
    /// Writes the plaintext to `writer` as it is released, to the end.
    ///
    /// # Errors
    /// As for reading; [`Error::Io`] if reading or writing fails. What was written is not the whole plaintext then.
    ///
    /// # Cost
    /// Memory of about 2 MiB for each thread, and 2 MiB more. With frames longer than 512 KiB, of four frames for each thread and
    /// four more; fewer threads work then, so that they hold 256 MiB at most.
    pub fn copy_to(&mut self, writer: &mut (impl Write + ?Sized)) -> Result<DecryptSummary, Error> {
        self.release_by_threads(writer)?;
        let mut plaintext = SecretBytes::zeroed(self.decryptor.output_len());
        while let Some(count) = self.read_some(plaintext.expose_secret_mut())? {
            // Going on after a failed write would leave a hole.
            writer
                .write_all(&plaintext.expose_secret()[..count])
                .inspect_err(|_| self.decryptor.released_elsewhere(0, true))?;
        }
        Ok(self.decryptor.summary(&self.input))
    }

    /// Releases all but the end of a long message, if several threads may work.
    fn release_by_threads(&mut self, writer: &mut (impl Write + ?Sized)) -> Result<(), Error> {
        if self.threads.get() == 1 || !self.decryptor.releases_each_frame() {
            return Ok(());
        }
        let enough = 2 * self.decryptor.whole_batch().body_len();
        self.input.want(enough);
        self.input.fill(&mut self.source, enough)?;
        if self.input.is_closed() {
            return Ok(());
        }
        let (decryptor, input) = (&mut self.decryptor, &mut self.input);
        parallel::decrypt_regular_frames(decryptor, input, &mut self.source, writer, self.threads)
    }

    /// Releases some plaintext into `out`; `None` after the verified end of the message, and only then.
    fn read_some(&mut self, out: &mut [u8]) -> Result<Option<usize>, Error> {
        loop {
            match self.decryptor.step(&mut self.input, out)? {
                Step::Released(count) => return Ok(Some(count)),
                Step::End => return Ok(None),
                Step::NeedInput => {
                    let preferred = self.decryptor.whole_batch().body_len();
                    self.input.fill(&mut self.source, preferred)?;
                }
            }
        }
    }
}

impl<R: Read> Read for DecryptReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.read_some(out).map(Option::unwrap_or_default).map_err(Error::into_io)
    }
}
