//! Reading `/proc` (`proc(5)`): what a process is, what is below it, and its environment; killing just what was seen.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Some fields of `/proc/PID/stat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::process) struct Stat {
    pub(in crate::process) pid: i32,
    /// The name of its program, at most 15 bytes.
    name: String,
    state: u8,
    pub(in crate::process) parent: i32,
    pub(in crate::process) group: i32,
    pub(in crate::process) session: i32,
    /// How many threads it has. The first one counts until the process is reaped.
    threads: u32,
    /// When it was started, in clock ticks since boot.
    pub(in crate::process) start: u64,
}

impl Stat {
    /// What is known of a process, if it is there.
    pub(in crate::process) fn of(pid: i32) -> Option<Self> {
        let mut text = [0; 1024];
        let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut text).ok()?;
        Self::parse(&text[..length])
    }

    /// The name stands in parentheses and may itself hold any character, `)` and line feeds included.
    fn parse(text: &[u8]) -> Option<Self> {
        let open = text.iter().position(|byte| *byte == b'(')?;
        let close = text.iter().rposition(|byte| *byte == b')')?;
        let pid = std::str::from_utf8(&text[..open]).ok()?.trim().parse().ok()?;
        let name = String::from_utf8_lossy(text.get(open + 1..close)?).into_owned();
        let mut fields = std::str::from_utf8(&text[close + 1..]).ok()?.split_ascii_whitespace();
        Some(Self {
            pid,
            name,
            state: *fields.next()?.as_bytes().first()?, // field 3
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
            session: fields.next()?.parse().ok()?,  // field 6
            threads: fields.nth(13)?.parse().ok()?, // field 20
            start: fields.nth(1)?.parse().ok()?,    // field 22
        })
    }

    /// Whether it has exited. While only its first thread has, the process lives, although its state is that of a
    /// zombie.
    pub(in crate::process) fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X') && self.threads <= 1
    }

    /// Whether it runs, or is in a system call that nothing interrupts.
    pub(in crate::process) fn is_busy(&self) -> bool {
        matches!(self.state, b'R' | b'D')
    }
}

/// The ids in a file such as `/proc/PID/task/TID/children`, read from its beginning.
pub(in crate::process) fn read_children(file: &File) -> Vec<i32> {
    let mut text = vec![0; 4096];
    let mut length = 0;
    while let Ok(read) = file.read_at(&mut text[length..], length as u64) {
        length += read;
        if read == 0 {
            break;
        }
        if length == text.len() {
            text.resize(length * 2, 0);
        }
    }
    let words = text[..length].split(u8::is_ascii_whitespace);
    words.filter_map(|word| std::str::from_utf8(word).ok()?.parse().ok()).collect()
}

/// The children of one thread, those that it has started last at the end.
pub(in crate::process) fn children_of_thread(thread: i32) -> Vec<i32> {
    let list = File::open(format!("/proc/{thread}/task/{thread}/children"));
    list.map_or_else(|_| Vec::new(), |list| read_children(&list))
}

/// The children of all threads of a process.
pub(in crate::process) fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let lists = threads.flatten().filter_map(|thread| File::open(thread.path().join("children")).ok());
    lists.flat_map(|list| read_children(&list)).collect()
}

/// What a process says of a variable of its environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::process) enum Lookup {
    /// It was started with this value.
    Value(Vec<u8>),
    /// It has no such variable, has overwritten it, or may not be asked.
    Absent,
    /// It is replacing its program or exiting at this moment and cannot tell.
    Unsure,
}

/// The value of a variable in the environment that a process was started with.
pub(in crate::process) fn variable(pid: i32, name: &str) -> Lookup {
    let root = PathBuf::from(format!("/proc/{pid}"));
    let Ok(mut environment) = environment(&root) else { return Lookup::Absent };
    if environment.is_empty() {
        // Whoever runs has arguments; only a process without memory of its own has neither.
        if std::fs::read(root.join("cmdline")).map_or(true, |line| line.is_empty()) {
            return Lookup::Unsure;
        }
        // It has come to itself between the two looks, or is truly without.
        environment = self::environment(&root).unwrap_or_default();
    }
    let entries = environment.split(|byte| *byte == 0);
    let mut values = entries.filter_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
    values.next().map_or(Lookup::Absent, |value| Lookup::Value(value.to_vec()))
}

/// The environment of a process, empty while it has no memory of its own.
fn environment(root: &Path) -> io::Result<Vec<u8>> {
    let first = std::fs::read(root.join("environ"));
    if first.as_ref().is_ok_and(|environment| !environment.is_empty()) {
        return first;
    }
    // Perhaps its first thread has ended, which then belongs to root, and others have not.
    let threads = std::fs::read_dir(root.join("task")).into_iter().flatten().flatten();
    let mut others = threads.filter_map(|thread| std::fs::read(thread.path().join("environ")).ok());
    match (others.find(|environment| !environment.is_empty()), first) {
        (Some(environment), _) => Ok(environment),
        (None, Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => Err(error),
        (None, _) => Ok(Vec::new()),
    }
}

/// The command line of a process as one line, or its name in brackets.
pub(in crate::process) fn command_line(stat: &Stat) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(format!("/proc/{}/cmdline", stat.pid)) {
        let _ = file.take(400).read_to_end(&mut bytes);
    }
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    if bytes.is_empty() {
        return format!("[{}]", stat.name);
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut line: String = text.chars().take(200).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(200).is_some() {
        line.push('…');
    }
    line
}

/// Kills a process that is not our child, making sure that it is still the one that was seen.
pub(in crate::process) fn kill_exactly(seen: &Stat) {
    let Some(pid) = Pid::from_raw(seen.pid) else { return };
    let Ok(pidfd) = pidfd_open(pid, PidfdFlags::empty()) else { return };
    if Stat::of(seen.pid).is_some_and(|now| now.start == seen.start) {
        let _ = pidfd_send_signal(pidfd, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::Stat;

    #[test]
    fn a_name_may_hold_anything() {
        let text = b"42 (a) R (\n) S 7 8 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 12345 1 2 3";
        let stat = Stat::parse(text).expect("valid");
        assert_eq!((stat.pid, stat.name.as_str(), stat.state), (42, "a) R (\n", b'S'));
        assert_eq!((stat.parent, stat.group, stat.session, stat.start), (7, 8, 9, 12345));
        assert_eq!(stat.threads, 1);
        assert_eq!(Stat::parse(b"42 (sh) S 1"), None);
        assert_eq!(Stat::parse(b""), None);
    }

    #[test]
    fn a_process_lives_as_long_as_any_of_its_threads() {
        let stat = |threads: u32| {
            let text = format!("42 (a) Z 7 8 9 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 {threads} 0 12345 1 2 3");
            Stat::parse(text.as_bytes()).expect("valid")
        };
        assert!(stat(1).is_zombie() && stat(0).is_zombie());
        assert!(!stat(2).is_zombie());
    }

    #[test]
    fn this_process_is_there() {
        let me = std::process::id().cast_signed();
        let stat = Stat::of(me).expect("it runs");
        assert_eq!(stat.pid, me);
        assert!(!stat.is_zombie());
        assert_eq!(stat.start, Stat::of(me).expect("it runs").start);
    }
}
