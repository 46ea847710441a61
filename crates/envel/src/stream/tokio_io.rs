//! Streams over tokio's `AsyncRead` and `AsyncWrite`.
//!
//! The state machines are those of the synchronous streams. Cryptography on more than 1 MiB, which only frames longer than that
//! need at once, moves to tokio's blocking pool, so that no poll holds up the executor.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use envel_core::SecretBytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::{JoinHandle, spawn_blocking};

use super::decryptor::{Decryptor, InputBuffer, Step};
use super::encryption::{EncryptSummary, Encryption};
use super::encryptor::Encryptor;
use super::{DecryptSummary, OpenedHeader, ReleasePolicy};
use crate::error::Error;
use crate::materials::OpenedBy;
use crate::message::header::HeaderParser;
use crate::message::{ContentType, HeaderLimits, MessageHeader, ParseError};

/// The longest frame that is sealed or opened within a poll. A body without frames is longer than anybody knows.
const LONGEST_INLINE_FRAME: u32 = 1 << 20;

/// A state machine that is here, or away on the blocking pool with a piece of work.
#[derive(Debug)]
enum Worker<S, T> {
    Here(Box<S>),
    Away(JoinHandle<(Box<S>, T)>),
    Lost,
}

impl<S: Send + 'static, T: Send + 'static> Worker<S, T> {
    /// Does a piece of work on the state: here if it is `light`, else on the blocking pool. Poll with the same work until ready.
    fn poll_work(
        &mut self,
        cx: &mut Context<'_>,
        is_light: bool,
        work: impl FnOnce(&mut S) -> T + Send + 'static,
    ) -> Poll<io::Result<T>> {
        match std::mem::replace(self, Self::Lost) {
            Self::Here(mut state) if is_light => {
                let outcome = work(&mut state);
                *self = Self::Here(state);
                return Poll::Ready(Ok(outcome));
            }
            Self::Here(mut state) => {
                *self = Self::Away(spawn_blocking(move || {
                    let outcome = work(&mut state);
                    (state, outcome)
                }));
            }
            away => *self = away,
        }
        let Self::Away(handle) = self else {
            return Poll::Ready(Err(io::Error::other("this message failed before")));
        };
        match ready!(Pin::new(handle).poll(cx)) {
            Ok((state, outcome)) => {
                *self = Self::Here(state);
                Poll::Ready(Ok(outcome))
            }
            Err(error) => {
                *self = Self::Lost;
                Poll::Ready(Err(io::Error::other(error)))
            }
        }
    }

    fn here(&mut self) -> io::Result<&mut S> {
        match self {
            Self::Here(state) => Ok(state),
            _ => Err(io::Error::other("this message failed before, or is still at work")),
        }
    }
}

/// Encrypts what is written to it.
///
/// [`AsyncEncryptWriter::finish`] writes the end of the message: without it the message is cut, and every reader says so. Shutting
/// down does the same. After an error nothing more can be written.
#[derive(Debug)]
pub struct AsyncEncryptWriter<W> {
    sink: W,
    header: MessageHeader,
    worker: Worker<Encryptor, Result<Sealed, Error>>,
    is_light: bool,
    /// Bytes of the message that wait to be written, and how many of them were.
    outgoing: Vec<u8>,
    outgoing_at: usize,
    end: End,
    summary: Option<EncryptSummary>,
}

/// Bytes to be written, and the summary if they end the message.
#[derive(Debug)]
struct Sealed {
    bytes: Vec<u8>,
    summary: Option<EncryptSummary>,
}

/// How far the end of the message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NotYet,
    Sealed,
    Failed,
}

fn seal_full(encryptor: &mut Encryptor) -> Result<Sealed, Error> {
    Ok(Sealed { bytes: encryptor.seal_full()?.to_vec(), summary: None })
}

fn seal_end(encryptor: &mut Encryptor) -> Result<Sealed, Error> {
    let end = encryptor.finish()?;
    Ok(Sealed { bytes: [end.frames, &end.footer].concat(), summary: Some(end.summary) })
}

impl<W: AsyncWrite + Unpin> AsyncEncryptWriter<W> {
    fn new(encryption: Encryption, sink: W) -> Self {
        let header = encryption.header().clone();
        Self {
            sink,
            is_light: header.frame_length() <= LONGEST_INLINE_FRAME,
            outgoing: encryption.header_bytes().to_vec(),
            outgoing_at: 0,
            worker: Worker::Here(Box::new(Encryptor::new(encryption))),
            header,
            end: End::NotYet,
            summary: None,
        }
    }

    /// The header as it is written.
    pub fn header(&self) -> &MessageHeader {
        &self.header
    }

    /// Writes the final frame and the footer, and gives the sink back. The sink is flushed, not shut down.
    ///
    /// # Errors
    /// [`Error::Io`] if writing fails: what was written is not a whole message then.
    pub async fn finish(mut self) -> Result<(W, EncryptSummary), Error> {
        std::future::poll_fn(|cx| self.poll_end(cx)).await.map_err(Error::from_io)?;
        std::future::poll_fn(|cx| Pin::new(&mut self.sink).poll_flush(cx)).await?;
        let summary = self.summary.ok_or(Error::InvalidMaterials("the message has no end"))?;
        Ok((self.sink, summary))
    }

    /// Writes what waits to be written.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.outgoing_at < self.outgoing.len() {
            let waiting = &self.outgoing[self.outgoing_at..];
            match ready!(Pin::new(&mut self.sink).poll_write(cx, waiting))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.outgoing_at += count,
            }
        }
        self.outgoing.clear();
        self.outgoing_at = 0;
        Poll::Ready(Ok(()))
    }

    /// Seals what is gathered, by `seal`, and lets it wait to be written. Work that is away already is awaited instead, whatever it was.
    fn poll_seal(
        &mut self,
        cx: &mut Context<'_>,
        seal: fn(&mut Encryptor) -> Result<Sealed, Error>,
    ) -> Poll<io::Result<()>> {
        let outcome = ready!(self.worker.poll_work(cx, self.is_light, seal));
        let sealed = match outcome.and_then(|sealed| sealed.map_err(Error::into_io)) {
            Ok(sealed) => sealed,
            Err(error) => {
                self.end = End::Failed;
                return Poll::Ready(Err(error));
            }
        };
        if sealed.summary.is_some() {
            (self.end, self.summary) = (End::Sealed, sealed.summary);
        }
        self.outgoing = sealed.bytes;
        Poll::Ready(Ok(()))
    }

    /// Finishes what an earlier call began and whose future was dropped, and writes what waits to be written.
    fn poll_settle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        if matches!(self.worker, Worker::Away(_)) {
            ready!(self.poll_seal(cx, seal_full))?;
            ready!(self.poll_drain(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_take(&mut self, cx: &mut Context<'_>, plaintext: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_settle(cx))?;
        if self.end != End::NotYet {
            return Poll::Ready(Err(has_ended()));
        }
        if self.worker.here()?.is_full() {
            ready!(self.poll_seal(cx, seal_full))?;
            ready!(self.poll_drain(cx))?;
        }
        Poll::Ready(self.worker.here()?.push(plaintext).map_err(Error::into_io))
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.end == End::Failed {
                return Poll::Ready(Err(has_ended()));
            }
            ready!(self.poll_settle(cx))?;
            if self.end == End::Sealed {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_seal(cx, seal_end))?;
        }
    }
}

fn has_ended() -> io::Error {
    io::Error::other("this message has ended, or failed before")
}

impl<W: AsyncWrite + Unpin> AsyncWrite for AsyncEncryptWriter<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, plaintext: &[u8]) -> Poll<io::Result<usize>> {
        let writer = self.get_mut();
        if writer.end != End::NotYet {
            return Poll::Ready(Err(has_ended()));
        }
        if plaintext.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let outcome = ready!(writer.poll_take(cx, plaintext));
        // A frame that was sealed and not written whole cannot be sealed again: its number is used up.
        Poll::Ready(outcome.inspect_err(|_| {
            if writer.end == End::NotYet {
                writer.end = End::Failed;
            }
        }))
    }

    /// Flushes whole frames. A frame that is not full stays here.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let writer = self.get_mut();
        ready!(writer.poll_settle(cx))?;
        Pin::new(&mut writer.sink).poll_flush(cx)
    }

    /// Writes the end of the message and shuts the sink down.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let writer = self.get_mut();
        ready!(writer.poll_end(cx))?;
        Pin::new(&mut writer.sink).poll_shutdown(cx)
    }
}

impl Encryption {
    /// Writes the message to `sink` as plaintext is written to it.
    pub fn into_async_writer<W: AsyncWrite + Unpin>(self, sink: W) -> AsyncEncryptWriter<W> {
        AsyncEncryptWriter::new(self, sink)
    }
}

/// A message of which the header was read and nothing was verified.
///
/// Made by [`crate::Client::read_header_async`]; [`crate::Client::open_async`] verifies it.
#[derive(Debug)]
pub struct AsyncPendingMessage<R> {
    pub(crate) header: MessageHeader,
    pub(crate) source: R,
    pub(crate) input: InputBuffer,
}

impl<R: AsyncRead + Unpin> AsyncPendingMessage<R> {
    /// Reads until the header is complete.
    pub(crate) async fn read(mut source: R, limits: HeaderLimits) -> Result<Self, Error> {
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
                    std::future::poll_fn(|cx| poll_fill(&mut input, &mut source, 0, cx)).await?;
                }
                Err(error) => return Err(Error::at_end_of_input(error, "the header")),
            }
        }
    }
}

impl<R> AsyncPendingMessage<R> {
    /// The header as it stands in the message. Nothing of it is verified.
    pub fn header(&self) -> &MessageHeader {
        &self.header
    }
}

/// Reads until what is wanted is there, or the source ends.
fn poll_fill<R: AsyncRead + Unpin>(
    input: &mut InputBuffer,
    source: &mut R,
    preferred: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while !input.is_satisfied() {
        let mut space = ReadBuf::new(input.space(preferred));
        ready!(Pin::new(&mut *source).poll_read(cx, &mut space))?;
        let count = space.filled().len();
        input.advance(count);
    }
    Poll::Ready(Ok(()))
}

/// Decrypts what is read from it, by the release rules of [`crate::DecryptReader`].
#[derive(Debug)]
pub struct AsyncDecryptReader<R> {
    header: MessageHeader,
    opened_by: OpenedBy,
    source: R,
    worker: Worker<Machine, Result<Step, Error>>,
    is_light: bool,
}

/// What goes to the blocking pool for long frames: the decryptor with its buffers.
#[derive(Debug)]
struct Machine {
    decryptor: Decryptor,
    input: InputBuffer,
    plaintext: SecretBytes,
    plaintext_at: usize,
    plaintext_end: usize,
}

impl Machine {
    fn step(&mut self) -> Result<Step, Error> {
        let step = self.decryptor.step(&mut self.input, self.plaintext.expose_secret_mut())?;
        if let Step::Released(count) = step {
            (self.plaintext_at, self.plaintext_end) = (0, count);
        }
        Ok(step)
    }
}

impl<R> AsyncDecryptReader<R> {
    pub(crate) fn new(opened: OpenedHeader, release: ReleasePolicy, source: R, input: InputBuffer) -> Self {
        let decryptor = Decryptor::new(opened.body, release);
        let output_len = decryptor.output_len();
        let machine = Machine {
            plaintext: SecretBytes::zeroed(output_len),
            decryptor,
            input,
            plaintext_at: 0,
            plaintext_end: 0,
        };
        Self {
            is_light: opened.header.content_type() == ContentType::Framed
                && opened.header.frame_length() <= LONGEST_INLINE_FRAME,
            header: opened.header,
            opened_by: opened.opened_by,
            source,
            worker: Worker::Here(Box::new(machine)),
        }
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
        match &self.worker {
            Worker::Here(machine) if machine.decryptor.is_finished() => {
                Some(machine.decryptor.summary(&machine.input))
            }
            _ => None,
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for AsyncDecryptReader<R> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let reader = self.get_mut();
        loop {
            if let Worker::Here(machine) = &mut reader.worker {
                let waiting = machine.plaintext_end - machine.plaintext_at;
                if waiting > 0 || out.remaining() == 0 {
                    let count = waiting.min(out.remaining());
                    let end = machine.plaintext_at + count;
                    out.put_slice(&machine.plaintext.expose_secret()[machine.plaintext_at..end]);
                    machine.plaintext_at = end;
                    return Poll::Ready(Ok(()));
                }
                let preferred = machine.decryptor.whole_batch().body_len();
                ready!(poll_fill(&mut machine.input, &mut reader.source, preferred, cx))?;
            }
            let step = ready!(reader.worker.poll_work(cx, reader.is_light, Machine::step))?;
            if step.map_err(Error::into_io)? == Step::End {
                return Poll::Ready(Ok(()));
            }
        }
    }
}
