//! A progress bar, for work that is long and watched.

use std::io::{self, Read};
use std::time::Duration;

use envel::{Clock, SystemClock};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

/// Counts what is read, and draws it once the work turns out to be long.
pub(crate) struct Watched<R> {
    inner: R,
    bar: Option<Bar>,
}

struct Bar {
    bar: ProgressBar,
    begun: Duration,
    is_drawn: bool,
}

impl<R: Read> Watched<R> {
    /// Reads from `inner`; draws nothing unless `watched`. Without a length the bar shows bytes alone.
    pub(crate) fn new(inner: R, length: Option<u64>, watched: bool) -> Self {
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
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        if let Some(Bar { bar, begun, is_drawn }) = &mut self.bar {
            bar.inc(u64::try_from(read).unwrap_or(u64::MAX));
            if !*is_drawn && SystemClock.elapsed().saturating_sub(*begun) > PATIENCE {
                bar.set_draw_target(ProgressDrawTarget::stderr());
                *is_drawn = true;
            }
        }
        Ok(read)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
