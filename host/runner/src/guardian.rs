//! The guardian: a process beside a run, in a session of its own, that reverts what the run has in force once the run is dead or stands
//! still. A fault must not outlive its host, though nobody calls `duress recover`.
//!
//! The run writes into a pipe, again and again. The guardian hears its silence, waits a grace, and does what `duress recover` does for
//! that one host. A run that goes on after it stood still finds a mark beside its lock, and ends its trials as cancelled.
//!
//! The guardian answers each beat. A run whose guardian is dead, is stopped or answers no more says so, and starts another one.

mod post;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio_util::sync::CancellationToken;

use self::post::Post;
use super::Machine;
use super::recovery::{Leftovers, remove_stacks_of};
use duress_engine::Engine;
use duress_http::Client;
use duress_journal::Recovered;
use duress_model::{Error, Result};
use duress_store::{HostLock, Store, canonical, host_locks_of};

/// How long a run may be silent before its guardian acts, where nobody says otherwise.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(5);
/// The longest time between two beats. With a short grace they come more often: four in a grace, so that one late beat is not silence.
const BEAT: Duration = Duration::from_secs(1);
/// How often a guardian looks at the time.
const LOOK: Duration = Duration::from_millis(100);
/// The most that one look adds to a run's silence. Where the guardian itself stood still, the run may have had no chance to beat.
const LONGEST_LOOK: Duration = Duration::from_millis(400);
/// A run that is silent though it is neither dead nor stopped is most often on a machine with too much to do: it gets so many times the
/// grace.
const DOUBT: u32 = 3;
/// How long after a gap between its beats a run looks whether it was taken over.
const AFTERMATH: Duration = Duration::from_secs(60);
/// Number of beats without an answer after which a guardian is replaced: about three graces, since each holds four beats or more.
const UNANSWERED_LIMIT: u32 = 4 * DOUBT;

/// What a guardian hears of its run. On the pipe, a beat and a farewell are a byte each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It lives.
    Beat,
    /// It ends in good order: nothing is left to guard.
    Farewell,
    /// Nothing will be heard any more: its process is gone.
    Closed,
}

impl Heard {
    const BEAT: u8 = b'.';
    const FAREWELL: u8 = b'q';

    /// Returns what a byte of the pipe says.
    pub fn of(byte: u8) -> Self {
        if byte == Self::FAREWELL {
            Self::Farewell
        } else {
            Self::Beat
        }
    }
}

/// What a guardian does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on watching.
    Watch,
    /// End: the run has ended in good order.
    Leave,
    /// Revert what the run has in force.
    TakeOver,
}

/// How long a run has been silent.
#[derive(Debug)]
pub struct Watch {
    grace: Duration,
    silence: Duration,
    closed: bool,
}

impl Watch {
    /// Of a run that has just been heard.
    pub fn new(grace: Duration) -> Self {
        Self {
            grace,
            silence: Duration::ZERO,
            closed: false,
        }
    }

    /// What to do, after so much time in which this was heard, or nothing. `is_stopped` is asked once the grace is over: whether the run's
    /// process was stopped by a signal.
    pub fn step(
        &mut self,
        passed: Duration,
        heard: Option<Heard>,
        is_stopped: impl Fn() -> bool,
    ) -> Verdict {
        match heard {
            Some(Heard::Farewell) => return Verdict::Leave,
            Some(Heard::Beat) => self.silence = Duration::ZERO,
            Some(Heard::Closed) => self.closed = true,
            None => {}
        }
        if heard != Some(Heard::Beat) {
            self.silence += passed.min(LONGEST_LOOK);
        }
        let is_over = self.silence >= self.grace;
        let is_certain = is_over && (self.closed || is_stopped());
        if is_certain || self.silence >= self.grace * DOUBT {
            Verdict::TakeOver
        } else {
            Verdict::Watch
        }
    }
}

/// Watches a run until there is something to do. `answer` is called for each beat that was heard.
pub async fn watch(
    heard: &mut UnboundedReceiver<Heard>,
    grace: Duration,
    is_stopped: impl Fn() -> bool,
    answer: impl Fn(),
) -> Verdict {
    let mut watch = Watch::new(grace);
    let mut last = tokio::time::Instant::now();
    loop {
        let what = match tokio::time::timeout(LOOK, heard.recv()).await {
            Ok(Some(what)) => Some(what),
            Ok(None) => {
                tokio::time::sleep(LOOK).await;
                Some(Heard::Closed)
            }
            Err(_) => None,
        };
        if what == Some(Heard::Beat) {
            answer();
        }
        let passed = last.elapsed();
        last = tokio::time::Instant::now();
        match watch.step(passed, what, &is_stopped) {
            Verdict::Watch => {}
            verdict => return verdict,
        }
    }
}

/// Reverts what a host has in force, removes its stacks, and records its trials as cancelled: what a guardian does. A host that only stands
/// still is told first, so that it does not continue with what is gone.
///
/// # Errors
/// When the store or the engine cannot be read or written.
pub async fn take_over(
    database: &Path,
    host: &str,
    engine: Arc<dyn Engine>,
    http: &Client,
) -> Result<Recovered> {
    let locks = host_locks_of(&canonical(database));
    if !HostLock::is_dead(&locks, host) || Machine::this().lives(host) {
        HostLock::mark_taken_over(&locks, host)?;
    }
    let store = match Store::open_existing(database) {
        Ok(store) => store,
        // The faults lie in the stacks, and these are known by their labels.
        Err(error) => {
            let mut recovered = remove_stacks_of(host, engine.as_ref()).await?;
            recovered.left.push(format!("not recorded: {error}"));
            return Ok(recovered);
        }
    };
    take_over_in(&store, host, engine, http).await
}

/// As [`take_over`], in a database that is open.
///
/// # Errors
/// As there.
pub async fn take_over_in(
    store: &Store,
    host: &str,
    engine: Arc<dyn Engine>,
    http: &Client,
) -> Result<Recovered> {
    let leftovers = Leftovers::of_host(store, engine.as_ref(), host).await?;
    let recovered = leftovers.revert(store, engine, http).await?;
    store.close().await?;
    Ok(recovered)
}

/// What is guarded, and by what.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// The folder of the host's lock.
    pub locks: PathBuf,
    /// The host.
    pub host: String,
    /// How long it may be silent.
    pub grace: Duration,
    /// The arguments that make this program a guardian.
    pub arguments: Vec<OsString>,
}

/// A run's guardian, as the run sees it.
#[derive(Debug)]
pub struct Guardian {
    taken_over: CancellationToken,
    end: Sender<()>,
    beating: std::thread::JoinHandle<()>,
}

impl Guardian {
    /// Starts it. When this returns, it watches.
    ///
    /// # Errors
    /// `Environment` when it cannot be started.
    pub fn start(guarded: Guarded) -> Result<Self> {
        let post = Post::man(&guarded).map_err(|why| {
            Error::environment(format!("start the guardian of this run: {why}"))
                .hint("`--guardian off` runs without one: after a crash, call `duress recover`")
        })?;
        let taken_over = CancellationToken::new();
        let (end, ends) = channel();
        let token = taken_over.clone();
        // A thread of its own: what beats must not wait for whatever else the run is busy with.
        let beating = std::thread::Builder::new()
            .name("guardian".into())
            .spawn(move || beat(&guarded, post, &ends, &token))
            .map_err(|error| Error::environment(format!("start a thread: {error}")))?;
        Ok(Self {
            taken_over,
            end,
            beating,
        })
    }

    /// Cancelled once the guardian has taken the run over, because the run stood still.
    pub fn taken_over(&self) -> CancellationToken {
        self.taken_over.clone()
    }

    /// Tells it that the run ends in good order, and sees that it ends too.
    pub fn dismiss(self) {
        let _ = self.end.send(());
        let _ = self.beating.join();
    }
}

/// Beats until the run ends in good order or was taken over. Replaces a guardian that does not guard any more.
fn beat(guarded: &Guarded, post: Post, ends: &Receiver<()>, taken_over: &CancellationToken) {
    let is_taken_over = || HostLock::is_taken_over(&guarded.locks, &guarded.host);
    let mut post = Some(post);
    let beat = (guarded.grace / 4).min(BEAT);
    let (mut last, mut gap) = (Instant::now(), None::<Instant>);
    while let Err(RecvTimeoutError::Timeout) = ends.recv_timeout(beat) {
        // First the beat: a look at a file may take its time on a disk that is busy.
        let trouble = match &mut post {
            Some(post) => {
                post.beat();
                post.trouble(UNANSWERED_LIMIT)
            }
            None => Some("could not be started"),
        };
        if last.elapsed() >= guarded.grace / 2 {
            gap = Some(Instant::now());
        }
        last = Instant::now();
        let is_doubtful = gap.is_some_and(|gap| gap.elapsed() < AFTERMATH);
        if (is_doubtful || trouble.is_some()) && is_taken_over() {
            taken_over.cancel();
            return;
        }
        if let Some(what) = trouble {
            tracing::warn!("the guardian of this run {what}; starting another one");
            if let Some(post) = post.take() {
                post.end();
            }
            // It may have begun to act after the look at its mark. From here on it does nothing.
            if is_taken_over() {
                taken_over.cancel();
                return;
            }
            post = Post::man(guarded)
                .map_err(|why| tracing::warn!("start the guardian of this run: {why}"))
                .ok();
        }
    }
    if let Some(post) = post {
        post.dismiss();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(100);
    const GRACE: Duration = Duration::from_secs(5);

    fn acts_after(heard: Option<Heard>, is_stopped: bool) -> Duration {
        let mut watch = Watch::new(GRACE);
        let looks = (1..1_000)
            .find(|_| watch.step(TICK, heard, || is_stopped) == Verdict::TakeOver)
            .expect("it acts at last");
        TICK * looks
    }

    #[test]
    fn a_guardian_acts_after_the_grace_and_later_where_it_is_not_certain() {
        assert_eq!(acts_after(Some(Heard::Closed), false), GRACE);
        assert_eq!(acts_after(None, true), GRACE);
        assert_eq!(acts_after(None, false), GRACE * DOUBT);
    }

    #[test]
    fn a_guardian_leaves_a_run_alone_that_is_heard() {
        let mut watch = Watch::new(GRACE);
        for look in 0..1_000 {
            let heard = (look % 40 == 0).then_some(Heard::of(Heard::BEAT));
            assert_eq!(watch.step(TICK, heard, || true), Verdict::Watch);
        }
        let farewell = Some(Heard::of(Heard::FAREWELL));
        assert_eq!(watch.step(GRACE * 100, farewell, || true), Verdict::Leave);
    }

    #[test]
    fn the_time_in_which_the_guardian_stood_still_is_no_silence_of_its_run() {
        let mut watch = Watch::new(GRACE);
        assert_eq!(watch.step(GRACE * 1_000, None, || false), Verdict::Watch);
    }
}
