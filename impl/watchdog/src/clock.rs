//! CLOCK_BOOTTIME: the only clock that the daemons decide by. It goes on through suspend.

use std::sync::Arc;
use std::thread;

use lockstep_model::time::Instant;
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, TimerSetTimeFlags};
use nix::sys::timerfd::{ClockId as TimerClock, TimerFd, TimerFlags};
use nix::time::{ClockId, clock_gettime};

/// The present moment, rounded down to a millisecond.
///
/// # Panics
///
/// If the kernel has no CLOCK_BOOTTIME, which every one since 2.6.39 has: without a clock nothing
/// may be decided.
#[must_use]
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("the kernel has CLOCK_BOOTTIME");
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec()).unwrap_or(0);
    Instant(seconds * 1000 + nanoseconds / 1_000_000)
}

/// A moment for the kernel. Zero would mean "no timer", so it becomes the first nanosecond.
pub(crate) fn expiration(at: Instant) -> Expiration {
    let nanoseconds = i64::from(at.0 == 0) + i64::try_from(at.0 % 1000).unwrap_or(0) * 1_000_000;
    let seconds = i64::try_from(at.0 / 1000).unwrap_or(i64::MAX);
    Expiration::OneShot(TimeSpec::new(seconds, nanoseconds))
}

/// A timer on CLOCK_BOOTTIME that calls back from a thread of its own.
#[derive(Debug)]
pub struct Alarm(Arc<TimerFd>);

impl Alarm {
    /// Makes an alarm that isn't set. The thread ends when `rings` returns `false`.
    ///
    /// # Errors
    ///
    /// Those of timerfd_create and of spawning a thread.
    pub fn new(mut rings: impl FnMut() -> bool + Send + 'static) -> std::io::Result<Self> {
        let timer = TimerFd::new(TimerClock::CLOCK_BOOTTIME, TimerFlags::TFD_CLOEXEC)?;
        let timer = Arc::new(timer);
        let waited = Arc::clone(&timer);
        thread::Builder::new()
            .name("alarm".to_owned())
            .spawn(move || while waited.wait().is_ok() && rings() {})?;
        Ok(Self(timer))
    }

    /// Rings once at `at` (at once, if that has passed), or not at all; an earlier order is void.
    ///
    /// # Errors
    ///
    /// Those of timerfd_settime.
    pub fn set(&self, at: Option<Instant>) -> std::io::Result<()> {
        match at {
            Some(at) => self
                .0
                .set(expiration(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?,
            None => self.0.unset()?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_model::time::Span;
    use std::sync::mpsc;

    #[test]
    fn an_alarm_rings_when_it_is_due_and_not_before() {
        let (sender, rung) = mpsc::channel();
        let alarm = Alarm::new(move || sender.send(now()).is_ok()).unwrap();
        for wait in [0, 30] {
            let at = now() + Span(wait);
            alarm.set(Some(at)).unwrap();
            assert!(rung.recv().unwrap() >= at);
        }
    }
}
