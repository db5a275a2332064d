//! Watching one process: a single poll loop over its pidfd, its pipes and the cancellation, with the next
//! deadline as its timeout.

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, read, write};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, waitid};

use crate::model::{Captured, End};
use crate::process::cancellation::{Cancellation, Urgency};
use crate::process::capture::Capture;
use crate::process::chunk::{CHUNK, with_chunk};
use crate::process::orphans::Leader;
use crate::process::quota::Quota;
use crate::process::start::Started;
use crate::process::sweep::{LAST_WAIT, Presence};
use crate::process::{Command, Limits, Listener, Output};
use crate::time::clock;

/// What a pipe is made to hold once its process writes a lot: fewer turns between it and us.
const WIDE: usize = 1 << 20;

/// How much is read from one stream when its process is over: more than a pipe holds, and an end when
/// somebody else keeps writing.
const DRAIN: usize = 64;

/// Less than this is a little, in bytes. Whoever writes more at a time is best read as fast as it comes: then neither side
/// waits.
const LITTLE: usize = 4096;

/// After how many turns in a row with a little to read a stream is a flood of small pieces.
const FLOOD: u32 = 8;

/// How often the pipe of a process that writes a lot is looked into again before this thread waits for more: to fall asleep
/// and wake up takes longer than the next piece.
const GLANCES: u32 = 5;

/// How long such a flood gathers before it is read: waking up for each of its pieces would cost more than reading them.
const GATHER: Duration = Duration::from_micros(100);

/// How long the output of a process is not looked at when it has just begun. Most that are over by then have written less
/// than a pipe holds; the others wait no longer than this.
const YOUTH: Duration = Duration::from_millis(1);

/// After how long a pause in its output the log of a process has all of it.
const PAUSE: Duration = Duration::from_millis(20);

/// How often something that gives no sign is looked at.
const GLANCE: Duration = Duration::from_millis(2);

/// How the watch over a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::process) enum Exit {
    /// The process exited by itself.
    Own,
    /// It was ended.
    Ended,
    /// It is still there after KILL.
    Unkillable,
}

/// Whose exit is waited for.
#[derive(Clone, Copy, Debug)]
enum Awaited<'a> {
    Leader,
    Orphan(&'a OwnedFd),
    Nothing,
}

/// What has been done to end the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// TERM was sent, or the signal that stops the run; KILL follows then, if ever.
    Terminating(Option<Instant>),
    /// KILL was sent; it is given up on then.
    Killed(Instant),
}

/// A running process and what it has written.
#[derive(Debug)]
pub(in crate::process) struct Watch<'a> {
    leader: Leader,
    pidfd: Option<OwnedFd>,
    streams: [Stream<'a>; 2],
    stdin: Option<(OwnedFd, &'a [u8])>,
    limits: &'a Limits,
    cancellation: &'a Cancellation,
    urgency: Urgency,
    phase: Phase,
    end: End,
    /// When TERM follows a signal that asked for less.
    reminder: Option<Instant>,
    /// Until when its output is not looked at, unless it ends before: what is short then wakes this thread once.
    youth: Option<Instant>,
    quota: Option<Quota>,
}

impl<'a> Watch<'a> {
    pub(in crate::process) fn new(
        started: Started<'a>,
        command: &Command,
        limits: &'a Limits,
        cancellation: &'a Cancellation,
        listener: Option<&'a dyn Listener>,
    ) -> Self {
        let stream = |fd, number| {
            let spill = command.spill.as_ref().map(|spill| spill.stream(number));
            let capture = Capture::new(limits.capture, spill);
            let listener = listener.map(|listener| (listener, Output::BOTH[number]));
            Stream { fd: Some(fd), capture, streak: 0, wide: false, listener }
        };
        let is_quiet = listener.is_none() && started.stdin.is_none() && started.pidfd.is_some();
        Self {
            leader: started.leader,
            pidfd: started.pidfd,
            streams: [stream(started.stdout, 0), stream(started.stderr, 1)],
            stdin: started.stdin,
            limits,
            cancellation,
            urgency: Urgency::None,
            phase: Phase::Running,
            end: End::Own,
            reminder: None,
            youth: is_quiet.then(|| clock::now() + YOUTH),
            quota: started.quota,
        }
    }

    /// Reads and writes until the process has exited, and ends it when it is time for that.
    pub(in crate::process) fn until_exit(&mut self) -> Exit {
        loop {
            let now = clock::now();
            if !self.escalate(now) {
                return Exit::Unkillable;
            }
            if self.pidfd.is_none() && self.stdin.is_none() {
                self.pidfd = pidfd_open(self.leader.pid(), PidfdFlags::empty()).ok();
            }
            // Without it, looking now and then has to do.
            let glance = self.pidfd.is_none().then(|| now + GLANCE);
            let is_certain = self.pidfd.is_some();
            if self.turn(earliest(self.next_step(now), glance), Awaited::Leader)
                && (is_certain || self.has_exited())
            {
                return self.note_exit();
            }
        }
    }

    /// Waits until `end` for a stream to close or for an orphan to exit. Says no when the time is over or the
    /// run is being stopped.
    pub(in crate::process) fn until_quieter(&mut self, end: Instant, orphan: &Presence) -> bool {
        let open = self.open_streams();
        loop {
            if clock::now() >= end || self.cancellation.urgency() > self.urgency {
                return false;
            }
            let changed = match orphan {
                Presence::Alive(orphan) => self.turn(Some(end), Awaited::Orphan(orphan)),
                // It gives no sign: look again soon.
                Presence::Unsure => {
                    self.turn(Some(end.min(clock::now() + GLANCE)), Awaited::Nothing);
                    true
                }
                Presence::None => self.turn(Some(end), Awaited::Nothing),
            };
            if changed || self.open_streams() < open {
                return true;
            }
        }
    }

    /// Reads what is there without waiting.
    pub(in crate::process) fn drain(&mut self) {
        for stream in &mut self.streams {
            for _ in 0..DRAIN {
                if stream.pull() == Pulled::Nothing {
                    break;
                }
            }
        }
    }

    /// Whether both streams are closed.
    pub(in crate::process) fn is_silent(&self) -> bool {
        self.open_streams() == 0
    }

    /// Kills the process group. The leader is not reaped yet, so the id can be no other's.
    pub(in crate::process) fn kill_group(&self) {
        self.signal(Signal::KILL);
    }

    /// The leader, still to be reaped, why it ended, and what it wrote.
    pub(in crate::process) fn finish(self) -> (Leader, End, Captured, Captured) {
        // What has come to its end by itself may have wanted too much all the same.
        let end = if self.end == End::Own { self.excess().unwrap_or(End::Own) } else { self.end };
        let [stdout, stderr] = self.streams.map(|stream| stream.capture.finish());
        (self.leader, end, stdout, stderr)
    }

    /// Takes the next step towards the end if it is due. Says no when there is none left.
    fn escalate(&mut self, now: Instant) -> bool {
        self.urgency = self.cancellation.urgency();
        let first = match self.phase {
            Phase::Running if self.urgency > Urgency::None => Some(End::Interrupted),
            Phase::Running if self.limits.deadline.has_passed() => Some(End::TimedOut { on_term: false }),
            _ => None,
        };
        self.end_excess(now);
        // What is over by itself is not late because this process was slow to look, or was stopped meanwhile.
        if let Some(end) = first.filter(|_| !self.has_exited()) {
            self.end = self.excess().unwrap_or(end);
            let signal = if end == End::Interrupted { self.cancellation.signal() } else { Signal::TERM };
            self.ask_to_end(signal);
            // A shell starts what stands behind `&` with INT ignored, and `nohup` what it runs with HUP.
            self.reminder = now.checked_add(self.limits.grace / 2).filter(|_| signal != Signal::TERM);
            self.phase = Phase::Terminating(now.checked_add(self.limits.grace));
        }
        match self.phase {
            Phase::Terminating(kill)
                if self.urgency == Urgency::Kill || kill.is_some_and(|kill| now >= kill) =>
            {
                self.signal(Signal::KILL);
                self.phase = Phase::Killed(now + LAST_WAIT);
            }
            Phase::Terminating(_) if self.reminder.is_some_and(|reminder| now >= reminder) => {
                self.reminder = None;
                self.ask_to_end(Signal::TERM);
            }
            Phase::Killed(last) if now >= last => return false,
            _ => {}
        }
        true
    }

    /// Kills at once where there are too many processes: with a grace period there would be more.
    fn end_excess(&mut self, now: Instant) {
        if self.phase == Phase::Running && self.quota.as_ref().is_some_and(Quota::is_over) {
            self.signal(Signal::KILL);
            self.phase = Phase::Killed(now + LAST_WAIT);
        }
    }

    /// That there were too many processes, if there were.
    fn excess(&self) -> Option<End> {
        self.quota.as_ref().and_then(Quota::excess).map(End::TooManyProcesses)
    }

    /// When the next step towards the end is due.
    fn next_step(&self, now: Instant) -> Option<Instant> {
        match self.phase {
            Phase::Running => self.limits.deadline.remaining().and_then(|left| now.checked_add(left)),
            Phase::Terminating(kill) => earliest(kill, self.reminder),
            Phase::Killed(last) => Some(last),
        }
    }

    fn note_exit(&mut self) -> Exit {
        self.pidfd = None;
        self.stdin = None;
        if let (End::TimedOut { on_term }, Phase::Terminating(_)) = (&mut self.end, self.phase) {
            *on_term = true;
        }
        if self.phase == Phase::Running { Exit::Own } else { Exit::Ended }
    }

    /// Waits until `wake` for something to happen, and moves bytes. Says whether what is awaited has exited.
    fn turn(&mut self, wake: Option<Instant>, awaited: Awaited<'_>) -> bool {
        let is_flooded = self.streams.iter().any(Stream::is_flood);
        let now = clock::now();
        let youth = self.youth.filter(|end| now < *end && matches!(awaited, Awaited::Leader));
        let wake = earliest(wake, youth);
        let wake = earliest(wake, self.quota.as_ref().and_then(|quota| quota.next(now)));
        let is_withholding = !is_flooded && self.streams.iter().any(|stream| stream.capture.is_withholding());
        let longest = if is_flooded { Some(GATHER) } else { is_withholding.then_some(PAUSE) };
        let left = wake.map(|wake| wake.saturating_duration_since(now));
        let timeout = [left, longest].into_iter().flatten().min();
        let mut fds = Vec::with_capacity(6);
        match awaited {
            Awaited::Leader => fds.extend(self.pidfd.as_ref().map(|pidfd| PollFd::new(pidfd, PollFlags::IN))),
            Awaited::Orphan(orphan) => fds.push(PollFd::new(orphan, PollFlags::IN)),
            Awaited::Nothing => {}
        }
        let processes = fds.len();
        if let Some(cancelled) = self.cancellation.beyond(self.urgency) {
            fds.push(PollFd::from_borrowed_fd(cancelled, PollFlags::IN));
        }
        let door = self.quota.as_ref().and_then(Quota::door);
        if let Some(door) = door {
            fds.push(PollFd::from_borrowed_fd(door, PollFlags::IN));
        }
        let first_pipe = fds.len();
        for fd in self.streams.iter().filter_map(|stream| stream.fd.as_ref()).filter(|_| youth.is_none()) {
            // A flood is read whatever has come of it when the time is over.
            fds.push(PollFd::new(fd, if is_flooded { PollFlags::empty() } else { PollFlags::IN }));
        }
        if let Some((fd, _)) = &self.stdin {
            fds.push(PollFd::new(fd, PollFlags::OUT));
        }
        let Ok(count) = poll(&mut fds, timeout.map(timespec).as_ref()) else {
            return false; // Interrupted by a signal of the host: another turn follows.
        };
        let mut ready: u8 =
            fds[first_pipe..].iter().rev().fold(0, |bits, fd| bits << 1 | u8::from(!fd.revents().is_empty()));
        let is_blind = matches!(awaited, Awaited::Leader) && processes == 0;
        let exited = is_blind || fds[..processes].iter().any(|fd| !fd.revents().is_empty());
        let is_asked = door.is_some() && !fds[first_pipe - 1].revents().is_empty();
        drop(fds);
        if let Some(quota) = &mut self.quota {
            quota.attend(is_asked, clock::now(), &self.leader);
        }
        if is_flooded && youth.is_none() {
            ready |= (1 << self.open_streams()) - 1;
        }
        self.transfer(ready);
        if is_withholding && count == 0 {
            self.streams.iter_mut().for_each(|stream| stream.capture.spill_withheld());
        }
        exited
    }

    /// Moves bytes through the pipes whose bit is set, lowest first: open streams, then standard input.
    fn transfer(&mut self, mut ready: u8) {
        for stream in self.streams.iter_mut().filter(|stream| stream.fd.is_some()) {
            if ready & 1 == 1 {
                stream.pull_much();
            }
            ready >>= 1;
        }
        if ready & 1 == 1
            && let Some((fd, rest)) = &mut self.stdin
        {
            match write(fd, rest) {
                Ok(written) => *rest = &rest[written..],
                Err(Errno::AGAIN | Errno::INTR) => {}
                // Nobody reads any more, which is no fault.
                Err(_) => *rest = &[],
            }
            if rest.is_empty() {
                self.stdin = None;
            }
        }
    }

    /// Whether the process has exited; it stays a zombie.
    fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        let leader = match &self.pidfd {
            Some(pidfd) => WaitId::PidFd(pidfd.as_fd()),
            None => WaitId::Pid(self.leader.pid()),
        };
        // An error means that the host lets the kernel reap its children: gone as well.
        !matches!(waitid(leader, options), Ok(None) | Err(Errno::INTR))
    }

    fn ask_to_end(&self, signal: Signal) {
        self.signal(signal);
        // A stopped process sees it only once it goes on.
        self.signal(Signal::CONT);
    }

    fn open_streams(&self) -> usize {
        self.streams.iter().filter(|stream| stream.fd.is_some()).count()
    }

    fn signal(&self, signal: Signal) {
        // Fails only when the group is gone, which is what is wanted.
        let _ = kill_process_group(self.leader.pid(), signal);
    }
}

/// One of the output pipes.
#[derive(Debug)]
struct Stream<'a> {
    /// `None` once every writer has closed it.
    fd: Option<OwnedFd>,
    capture: Capture,
    /// How many turns in a row have brought a little; in a flood, all that have not brought much.
    streak: u32,
    /// Whether the pipe has been made wider.
    wide: bool,
    /// Who hears it while it comes, and under which name.
    listener: Option<(&'a dyn Listener, Output)>,
}

impl Stream<'_> {
    /// Whether it is better to read it now and then than whenever something comes.
    fn is_flood(&self) -> bool {
        self.fd.is_some() && self.streak >= FLOOD
    }

    /// Reads what is there, but not for ever: a deadline may be near.
    fn pull_much(&mut self) {
        let mut pulled = self.pull();
        self.streak = match pulled {
            Pulled::Part(_) if self.is_flood() || !pulled.is_much() => self.streak.saturating_add(1),
            _ => 0,
        };
        let mut glances = 0;
        for _ in 1..DRAIN {
            if pulled.is_much() {
                glances = 0;
            } else if pulled == Pulled::Nothing && self.wide && self.fd.is_some() && glances < GLANCES {
                glances += 1;
            } else {
                break;
            }
            pulled = self.pull();
        }
    }

    /// Reads once.
    fn pull(&mut self) -> Pulled {
        let Self { fd, capture, wide, listener, .. } = self;
        let Some(open) = &*fd else { return Pulled::Nothing };
        let hear = |bytes: &[u8]| {
            listener.inspect(|(listener, output)| listener.hear(*output, bytes));
        };
        let pulled = if let Some(place) = capture.place(CHUNK) {
            let pulled = read(open, &mut *place).inspect(|length| hear(&place[..*length]));
            pulled.inspect(|length| capture.took(*length))
        } else {
            with_chunk(|chunk| {
                read(open, &mut *chunk).inspect(|length| {
                    capture.push(&chunk[..*length]);
                    hear(&chunk[..*length]);
                })
            })
        };
        match pulled {
            Ok(0) => {
                *fd = None;
                Pulled::Nothing
            }
            Ok(CHUNK) => {
                if !*wide {
                    *wide = true;
                    // Users have a quota for this; without it the pipe stays as it was.
                    let _ = fcntl_setpipe_size(open, WIDE);
                }
                Pulled::Full
            }
            Ok(length) => Pulled::Part(length),
            Err(Errno::INTR) => Pulled::Part(0),
            Err(_) => Pulled::Nothing,
        }
    }
}

/// What reading once came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pulled {
    /// As much as fits: there is probably more.
    Full,
    /// So many bytes, and probably nothing more for now.
    Part(usize),
    /// Nothing is there, or nothing will come any more.
    Nothing,
}

impl Pulled {
    /// Whether there is probably more: whoever writes that much at a time goes on meanwhile.
    fn is_much(self) -> bool {
        match self {
            Self::Full => true,
            Self::Part(length) => length >= LITTLE,
            Self::Nothing => false,
        }
    }
}

/// The earlier of two points in time that may never come.
fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// A duration as `ppoll` takes it; what is too long for it counts as for ever.
pub(in crate::process) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
