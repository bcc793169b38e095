//! The kernel timer that ends this process at D (κ = 1).
//!
//! SIGKILL also ends a stopped process, so whatever pauses the multiplexer between its check and
//! its ping, no ping comes later than the kernel's own delay.

use std::io;

use lockstep_model::time::Instant;
use nix::sys::signal::{SigEvent, SigevNotify, Signal};
use nix::sys::time::TimeSpec;
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use nix::time::ClockId;

use crate::clock::expiration;

/// What kills this process at a moment.
pub trait KillTimer {
    /// Kills this process at `at`, or not at all; an earlier order is void. Stands when it returns.
    ///
    /// # Errors
    ///
    /// The kernel's. What was ordered before may stand or not: the caller ends.
    fn set(&mut self, at: Option<Instant>) -> io::Result<()>;
}

/// SIGKILL from a POSIX timer on CLOCK_BOOTTIME.
#[derive(Debug)]
pub struct PosixKillTimer(Timer);

impl PosixKillTimer {
    /// Makes a timer that isn't set.
    ///
    /// # Errors
    ///
    /// Those of timer_create.
    pub fn new() -> io::Result<Self> {
        let kill = SigEvent::new(SigevNotify::SigevSignal {
            signal: Signal::SIGKILL,
            si_value: 0,
        });
        Ok(Self(Timer::new(ClockId::CLOCK_BOOTTIME, kill)?))
    }
}

impl KillTimer for PosixKillTimer {
    fn set(&mut self, at: Option<Instant>) -> io::Result<()> {
        let (expiration, flags) = match at {
            Some(at) => (expiration(at), TimerSetTimeFlags::TFD_TIMER_ABSTIME),
            None => (
                Expiration::OneShot(TimeSpec::new(0, 0)),
                TimerSetTimeFlags::empty(),
            ),
        };
        Ok(self.0.set(expiration, flags)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use lockstep_model::time::Span;
    use nix::sys::signal::raise;
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    const CHILD: &str = "LOCKSTEP_KILL_TIMER_CHILD";

    /// The test begins itself once more, as the process to be killed.
    #[test]
    fn a_stopped_process_is_ended_at_the_moment_and_not_before() {
        if let Ok(at) = std::env::var(CHILD) {
            let at = Instant(at.parse().unwrap());
            let mut timer = PosixKillTimer::new().unwrap();
            // A later order replaces an earlier one.
            timer.set(Some(at.minus(Span(200)))).unwrap();
            timer.set(None).unwrap();
            timer.set(Some(at)).unwrap();
            loop {
                raise(Signal::SIGSTOP).unwrap();
            }
        }
        let at = clock::now() + Span(400);
        let name = std::thread::current().name().unwrap().to_owned();
        let ended = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name])
            .env(CHILD, at.0.to_string())
            .status()
            .unwrap();
        assert_eq!(ended.signal(), Some(Signal::SIGKILL as i32));
        assert!(clock::now() >= at);
    }
}
