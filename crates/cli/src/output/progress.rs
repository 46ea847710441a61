//! A progress bar, for work that is long and watched.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::time::Duration;

use envel::{Clock, SystemClock};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts what is read or written, and draws it once the work turns out to be long.
pub(crate) struct Watched<T> {
    inner: T,
    bar: Option<Bar>,
}

struct Bar {
    bar: ProgressBar,
    begun: Duration,
    is_drawn: bool,
}

impl<T> Watched<T> {
    /// Reads from `inner` or writes to it; draws nothing unless `watched`. Without a length the bar shows bytes alone.
    pub(crate) fn new(inner: T, length: Option<u64>, watched: bool) -> Self {
        let bar = watched.then(|| {
            let template = if length.is_some() {
                "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}"
            } else {
                "{spinner} {bytes} {bytes_per_sec}"
            };
            let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::hidden());
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            Bar { bar, begun: SystemClock.elapsed(), is_drawn: false }
        });
        Self { inner, bar }
    }

    fn count(&mut self, bytes: usize) {
        if let Some(Bar { bar, begun, is_drawn }) = &mut self.bar {
            bar.inc(u64::try_from(bytes).unwrap_or(u64::MAX));
            if !*is_drawn && SystemClock.elapsed().saturating_sub(*begun) > PATIENCE {
                bar.set_draw_target(ProgressDrawTarget::stderr());
                *is_drawn = true;
            }
        }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count(read);
        Ok(read)
    }

    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let read = self.inner.read_vectored(buffers)?;
        self.count(read);
        Ok(read)
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.count(written);
        Ok(written)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let written = self.inner.write_vectored(pieces)?;
        self.count(written);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_buffers_are_filled_and_written_at_once() {
        let (mut first, mut second) = ([0; 2], [0; 2]);
        let mut reader = Watched::new(&b"abcd"[..], None, false);
        let read = reader.read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)]);
        assert_eq!((read.unwrap(), first, second), (4, *b"ab", *b"cd"));

        let mut written = Vec::new();
        let mut writer = Watched::new(&mut written, None, false);
        assert_eq!(writer.write_vectored(&[IoSlice::new(&first), IoSlice::new(&second)]).unwrap(), 4);
        drop(writer);
        assert_eq!(written, b"abcd");
    }
}
