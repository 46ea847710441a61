//! The time. Nobody else reads it, so that tests can set it.

use std::fmt;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

/// A source of time.
///
/// ```
/// use std::time::Duration;
/// use envel_core::{Clock, ManualClock};
///
/// let clock = ManualClock::at_unix_seconds(1_700_000_000);
/// let (before, elapsed_before) = (clock.now(), clock.elapsed());
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.now().duration_since(before).unwrap(), Duration::from_secs(60));
/// assert_eq!(clock.elapsed() - elapsed_before, Duration::from_secs(60));
/// ```
pub trait Clock: Send + Sync + fmt::Debug {
    /// Wall time. It can jump; use it for dates, not for durations.
    fn now(&self) -> SystemTime;

    /// Time since an arbitrary origin, never going back, and counting the time that the machine was suspended: for ages and
    /// deadlines.
    fn elapsed(&self) -> Duration;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock that everyone else must ask")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn elapsed(&self) -> Duration {
        // CLOCK_MONOTONIC stops in suspend: a data key would live on through a closed lid.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let id = rustix::time::ClockId::Boottime;
        // On Apple systems CLOCK_MONOTONIC counts suspend.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let id = rustix::time::ClockId::Monotonic;
        Duration::try_from(rustix::time::clock_gettime(id)).unwrap_or_default()
    }
}

/// A clock that moves when told to: for tests.
#[derive(Debug)]
pub struct ManualClock {
    origin: SystemTime,
    offset: Mutex<Duration>,
}

impl ManualClock {
    /// A clock that stands at this many seconds after the Unix epoch.
    pub fn at_unix_seconds(seconds: u64) -> Self {
        Self {
            origin: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            offset: Mutex::new(Duration::ZERO),
        }
    }

    /// Moves wall time and elapsed time forward together.
    pub fn advance(&self, step: Duration) {
        *self.offset.lock().unwrap_or_else(std::sync::PoisonError::into_inner) += step;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        self.origin + self.elapsed()
    }

    fn elapsed(&self) -> Duration {
        *self.offset.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_does_not_go_back() {
        let clock = SystemClock;
        let first = clock.elapsed();
        assert!(clock.elapsed() >= first);
        assert!(first > Duration::ZERO);
        assert!(clock.now() > SystemTime::UNIX_EPOCH);
    }
}
