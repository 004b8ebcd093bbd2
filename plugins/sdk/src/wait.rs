//! Waiting for a condition with a deadline; never for luck.

use std::time::Duration;

use crate::{Error, Result, host};

/// Tries until it succeeds, at most for `limit`, with a pause of `interval` between two attempts.
///
/// The last attempt's error is the reason in the error at the deadline; `what` begins it, e.g. `waited for a healthy cluster`.
/// An error that trying again cannot help ([`Error::is_final`]) is returned at once.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    interval: Duration,
    attempt: impl FnMut() -> Result<T>,
) -> Result<T> {
    let clock = Clock {
        now: || Duration::from_millis(host::now()),
        sleep: |pause: Duration| host::sleep(milliseconds(pause)),
    };
    clock.wait(what, limit, interval, attempt)
}

/// As the contract counts time.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Time, as a pair of functions: the host's, or a test's.
struct Clock<N, S> {
    now: N,
    sleep: S,
}

impl<N: Fn() -> Duration, S: Fn(Duration)> Clock<N, S> {
    fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        interval: Duration,
        mut attempt: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let start = (self.now)();
        loop {
            let error = match attempt() {
                Err(error) if !error.is_final() => error,
                ended => return ended,
            };
            let spent = (self.now)().saturating_sub(start);
            if spent + interval > limit {
                return Err(Error::Failed(format!(
                    "{what} for {} s in vain: {}",
                    limit.as_secs(),
                    error.text()
                )));
            }
            (self.sleep)(interval);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn wait(attempt: impl FnMut() -> Result<u8>) -> (Result<u8>, Duration) {
        let time = Cell::new(Duration::ZERO);
        let clock = Clock {
            now: || time.get(),
            sleep: |pause| time.set(time.get() + pause),
        };
        let ended = clock.wait("waited", 3 * SECOND, SECOND, attempt);
        (ended, time.get())
    }

    #[test]
    fn returns_what_the_first_successful_attempt_gives() {
        let mut left = 2;
        let (ended, spent) = wait(|| match left {
            0 => Ok(7),
            _ => {
                left -= 1;
                Err(Error::Unavailable("not yet".into()))
            }
        });
        assert_eq!((ended, spent), (Ok(7), 2 * SECOND));
    }

    #[test]
    fn ends_at_the_deadline_with_the_last_reason() {
        let (ended, spent) = wait(|| Err(Error::Unavailable("no leader".into())));
        assert_eq!(
            ended,
            Err(Error::Failed("waited for 3 s in vain: no leader".into()))
        );
        assert_eq!(spent, 3 * SECOND);
    }

    #[test]
    fn a_refusal_ends_it_at_once() {
        let refused = Error::Denied("no".into());
        let (ended, spent) = wait(|| Err(refused.clone()));
        assert_eq!((ended, spent), (Err(refused.clone()), Duration::ZERO));
    }
}
