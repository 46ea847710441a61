//! Sources that count and fail.

use std::io;
use std::sync::Mutex;

use envel::{AsyncReadAt, BoxFuture, ReadAt};

/// Counts reads, and does what it is told at one of them.
pub(crate) struct Watched<S> {
    inner: S,
    reads: Mutex<Vec<(u64, usize)>>,
    /// The number of the read that goes wrong, from 0, and how.
    trouble: Mutex<Option<(usize, Trouble)>>,
}

#[derive(Clone, Copy)]
pub(crate) enum Trouble {
    Fails,
    /// Gives fewer bytes.
    IsShort,
}

impl<S: ReadAt> Watched<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, reads: Mutex::default(), trouble: Mutex::default() }
    }

    pub(crate) fn with_trouble(inner: S, read: usize, trouble: Trouble) -> Self {
        Self { trouble: Mutex::new(Some((read, trouble))), ..Self::new(inner) }
    }

    /// The reads since this was asked last: position and length.
    pub(crate) fn take_reads(&self) -> Vec<(u64, usize)> {
        std::mem::take(&mut self.reads.lock().unwrap())
    }

    /// Forgets the trouble; whether there was any.
    pub(crate) fn recover(&self) -> bool {
        self.trouble.lock().unwrap().take().is_none()
    }

    fn read(&self, position: u64, out: &mut [u8]) -> io::Result<usize> {
        let mut reads = self.reads.lock().unwrap();
        reads.push((position, out.len()));
        let mut trouble = self.trouble.lock().unwrap();
        let is_now = trouble.is_some_and(|(read, _)| read + 1 == reads.len());
        match is_now.then(|| trouble.take()).flatten() {
            Some((_, Trouble::Fails)) => Err(io::ErrorKind::ConnectionReset.into()),
            Some((_, Trouble::IsShort)) => {
                let length = out.len() - 1;
                self.inner.read_at(position, &mut out[..length])
            }
            None => self.inner.read_at(position, out),
        }
    }
}

impl<S: ReadAt> ReadAt for Watched<S> {
    fn read_at(&self, position: u64, out: &mut [u8]) -> io::Result<usize> {
        self.read(position, out)
    }

    fn source_len(&self) -> io::Result<u64> {
        self.inner.source_len()
    }
}

impl<S: ReadAt + Send + Sync> AsyncReadAt for Watched<S> {
    fn read_at<'a>(&'a self, position: u64, out: &'a mut [u8]) -> BoxFuture<'a, io::Result<usize>> {
        Box::pin(async move { self.read(position, out) })
    }

    fn source_len(&self) -> BoxFuture<'_, io::Result<u64>> {
        Box::pin(async { self.inner.source_len() })
    }
}
