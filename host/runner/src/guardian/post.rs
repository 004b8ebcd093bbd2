//! A guardian's process, as the run sees it: started, beaten to, looked at, and ended.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use procfs::process::Process;

use super::{Guarded, Heard};

/// How long a guardian may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long a run waits for its guardian to end.
const END_LIMIT: Duration = Duration::from_secs(1);

/// A guardian's process.
#[derive(Debug)]
pub(super) struct Post {
    process: Child,
    pipe: ChildStdin,
    answers: Receiver<()>,
    /// Beats since its last answer.
    unanswered: u32,
}

impl Post {
    /// Starts a guardian. When this returns, it watches.
    ///
    /// # Errors
    /// Says why it could not be started.
    pub(super) fn man(guarded: &Guarded) -> Result<Self, String> {
        // This very program, though its file was replaced meanwhile.
        let mut program = Command::new("/proc/self/exe");
        program.arg0("duress").args(&guarded.arguments);
        Self::start(&mut program)
    }

    fn start(program: &mut Command) -> Result<Self, String> {
        let mut process = program
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| error.to_string())?;
        let (Some(pipe), Some(mut output)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("it has no pipe".to_owned());
        };
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            // Its first byte says that it watches; each other one answers a beat.
            while output.read_exact(&mut [0]).is_ok() && sender.send(()).is_ok() {}
        });
        let post = Self {
            process,
            pipe,
            answers,
            unanswered: 0,
        };
        if post.answers.recv_timeout(START_LIMIT).is_ok() {
            return Ok(post);
        }
        post.end();
        Err("it did not begin to watch".to_owned())
    }

    /// Says that the run lives.
    pub(super) fn beat(&mut self) {
        self.say(Heard::BEAT);
        self.unanswered += 1;
    }

    /// Returns why it cannot be relied on any more, if so: what follows "the guardian of this run".
    pub(super) fn trouble(&mut self, unanswered_limit: u32) -> Option<&'static str> {
        if self.answers.try_iter().next().is_some() {
            // One answer for several beats may be a late one: it lives all the same.
            self.unanswered = 0;
            self.answers.try_iter().for_each(drop);
        }
        if !matches!(self.process.try_wait(), Ok(None)) {
            return Some("has ended");
        }
        if self.is_stopped() {
            return Some("is stopped (SIGSTOP)");
        }
        (self.unanswered > unanswered_limit).then_some("does not answer")
    }

    /// Returns whether a signal stopped it (proc_pid_stat(5)).
    fn is_stopped(&self) -> bool {
        i32::try_from(self.process.id())
            .map_err(drop)
            .and_then(|pid| Process::new(pid).map_err(drop))
            .and_then(|process| process.stat().map_err(drop))
            .is_ok_and(|stat| matches!(stat.state, 'T' | 't'))
    }

    fn say(&mut self, byte: u8) {
        // Of one that has ended, the next look finds that.
        let _ = self.pipe.write_all(&[byte]);
    }

    /// Tells it that the run ends in good order, and waits a little for it to end.
    pub(super) fn dismiss(mut self) {
        self.say(Heard::FAREWELL);
        let Self { process, pipe, .. } = self;
        drop(pipe);
        wait(process);
    }

    /// Kills it, and waits a little for its end: a frozen one ends once it is thawed.
    pub(super) fn end(mut self) {
        let _ = self.process.kill();
        wait(self.process);
    }
}

fn wait(mut process: Child) {
    let deadline = Instant::now() + END_LIMIT;
    while let Ok(None) = process.try_wait()
        && Instant::now() < deadline
    {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    const LIMIT: u32 = 3;

    /// Starts a program in a guardian's place: it begins to watch, and then becomes this.
    fn post(then: &str) -> Post {
        let mut program = Command::new("sh");
        program.args(["-c", &format!("printf w; exec {then}")]);
        Post::start(&mut program).expect("a program that begins to watch")
    }

    /// Beats until there is trouble.
    fn trouble_of(post: &mut Post) -> &'static str {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            post.beat();
            if let Some(trouble) = post.trouble(LIMIT) {
                return trouble;
            }
            assert!(Instant::now() < deadline, "no trouble is seen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[test]
    fn a_guardian_that_answers_is_relied_on() {
        let mut post = post("cat");
        for _ in 0..4 * LIMIT {
            post.beat();
            post.answers.recv_timeout(START_LIMIT).expect("an answer");
            post.unanswered = 0;
            assert_eq!(post.trouble(LIMIT), None);
        }
        post.end();
    }

    #[test]
    fn a_guardian_that_ended_is_stopped_or_is_silent_is_not_relied_on() {
        let mut silent = post("sleep 600");
        assert_eq!(trouble_of(&mut silent), "does not answer");
        silent.end();

        let mut ended = post("true");
        assert_eq!(trouble_of(&mut ended), "has ended");
        ended.end();

        let mut stopped = post("cat");
        let pid = Pid::from_child(&stopped.process);
        kill_process(pid, Signal::STOP).expect("the process runs");
        // One that is not stopped yet may still answer.
        assert_eq!(trouble_of(&mut stopped), "is stopped (SIGSTOP)");
        stopped.end();
    }
}
