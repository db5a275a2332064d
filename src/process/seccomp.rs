//! The filter by which processes ask before they start others (`seccomp_unotify(2)`), and the answers.
#![expect(unsafe_code, reason = "seccomp and the ioctls of its listener: no safe wrapper")]

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use rustix::thread::set_no_new_privs;

use crate::process::error::is_shortage;
use crate::process::start::above_stdio;

/// The system calls that start something, of one of the interfaces that a kernel has.
struct Interface {
    /// `AUDIT_ARCH_…` of `linux/audit.h`.
    name: u32,
    /// What is left of the number of a call.
    mask: u32,
    fork: u32,
    vfork: u32,
    clone: u32,
    /// What sets what a signal does; only where its numbers are those of partest itself.
    rt_sigaction: u32,
}

/// In place of a call that an interface does not have.
const NONE: u32 = u32::MAX;

/// The same number everywhere.
const CLONE3: u32 = 435;

/// Those of this machine, 32 bits included. Where there are none, nobody is asked.
#[cfg(target_arch = "x86_64")]
const INTERFACES: &[Interface] = &[
    // The numbers of x32 are the same with one bit more.
    Interface { name: 0xc000_003e, mask: !0x4000_0000, fork: 57, vfork: 58, clone: 56, rt_sigaction: 13 },
    Interface { name: 0x4000_0003, mask: NONE, fork: 2, vfork: 190, clone: 120, rt_sigaction: NONE },
];
#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
const INTERFACES: &[Interface] = &[
    Interface { name: 0xc000_00b7, mask: NONE, fork: NONE, vfork: NONE, clone: 220, rt_sigaction: 134 },
    Interface { name: 0x4000_0028, mask: NONE, fork: 2, vfork: 190, clone: 120, rt_sigaction: NONE },
];
#[cfg(not(any(target_arch = "x86_64", all(target_arch = "aarch64", target_endian = "little"))))]
const INTERFACES: &[Interface] = &[];

/// Places in `struct seccomp_data`.
const NUMBER: u32 = 0;
const NAME: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// The call fails as if the kernel were too old for it.
const MISSING: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

/// The instructions for one interface, and the places of its three ends.
const LENGTH: u8 = 15;
const ASK: u8 = 12;
const ALLOW: u8 = 13;
const LACK: u8 = 14;

/// Threads are allowed, processes asked for, and so is a handler of CHLD, for the reason given at [`Wish::Handler`]. `clone3`, whose arguments a filter cannot read, is missing, upon which libc
/// takes `clone`; and so is everything of an interface that is not known here.
fn filter() -> Vec<libc::sock_filter> {
    let make = |code, k, jt, jf| libc::sock_filter { code: code as u16, jt, jf, k };
    let load = |place| make(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, place, 0, 0);
    let give = |action| make(libc::BPF_RET | libc::BPF_K, action, 0, 0);
    let equal = |value, then, or| make(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value, then, or);
    let any = |bits, then, or| make(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, bits, then, or);
    let mut filter = vec![load(NAME)];
    for Interface { name, mask, fork, vfork, clone, rt_sigaction } in INTERFACES {
        // Jumps are relative to the next instruction.
        let to = |end: u8, own: u8| end - own - 1;
        filter.extend([
            equal(*name, 0, to(LENGTH, 0)),
            load(NUMBER),
            make(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, *mask, 0, 0),
            equal(CLONE3, to(LACK, 3), 0),
            equal(*fork, to(ASK, 4), 0),
            equal(*vfork, to(ASK, 5), 0),
            equal(*rt_sigaction, 3, 0),
            equal(*clone, 0, to(ALLOW, 7)),
            load(FIRST_ARGUMENT),
            any(libc::CLONE_THREAD.cast_unsigned(), to(ALLOW, 9), to(ASK, 9)),
            load(FIRST_ARGUMENT),
            equal(libc::SIGCHLD.cast_unsigned(), to(ASK, 11), to(ALLOW, 11)),
            give(libc::SECCOMP_RET_USER_NOTIF),
            give(libc::SECCOMP_RET_ALLOW),
            give(MISSING),
        ]);
    }
    filter.push(give(MISSING));
    filter
}

/// What makes a new process, and all it will start, ask before they start others.
#[derive(Debug)]
pub(in crate::process) struct Filter {
    instructions: Vec<libc::sock_filter>,
    /// Where the listener goes.
    outbox: OwnedFd,
}

/// Where the listener of a new process comes.
#[derive(Debug)]
pub(in crate::process) struct Inbox(OwnedFd);

impl Filter {
    /// One for a process that is to be started, unless nobody can be asked on this machine.
    pub(in crate::process) fn new() -> Result<Option<(Self, Inbox)>, Errno> {
        if INTERFACES.is_empty() {
            return Ok(None);
        }
        let (inbox, outbox) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let (inbox, outbox) = (above_stdio(inbox)?, above_stdio(outbox)?);
        Ok(Some((Self { instructions: filter(), outbox }, Inbox(inbox))))
    }

    /// Makes this process, which has one thread, ask whoever has the [`Inbox`]. Where the kernel refuses for good, it does
    /// not. A user without the right to it gives up that of programs that run as somebody else. Takes no memory.
    pub(in crate::process) fn install(&self) -> Result<(), Errno> {
        // Once a request is read nothing but KILL takes it back; kernels before 5.19 know no such flag.
        let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        let best = || match install(&self.instructions, flags | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
        {
            Err(Errno::INVAL) => install(&self.instructions, flags),
            result => result,
        };
        let listener = match best() {
            Err(Errno::ACCESS) => {
                set_no_new_privs(true)?;
                best()
            }
            result => result,
        };
        let listener = match listener {
            Ok(listener) => listener,
            Err(error) if is_shortage(error) => return Err(error),
            Err(_) => return Ok(()),
        };
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        let descriptors = [listener.as_fd()];
        rights.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(&self.outbox, &[IoSlice::new(&[0])], &mut rights, SendFlags::NOSIGNAL).map(drop)
    }
}

impl Inbox {
    /// What has come, now that the process has its program.
    pub(in crate::process) fn open(self) -> Result<Option<Listener>, Errno> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut rights = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        match recvmsg(&self.0, &mut [IoSliceMut::new(&mut byte)], &mut rights, flags) {
            // Nothing was sent, be it that the other end is still about to be closed or that it is.
            Err(Errno::AGAIN) => return Ok(None),
            Ok(received) if received.bytes == 0 => return Ok(None),
            result => result?,
        };
        let mut sent = rights.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        // It is lost where no descriptor is free.
        sent.next().ok_or(Errno::MFILE).map(|listener| Some(Listener(listener)))
    }
}

fn install(filter: &[libc::sock_filter], flags: libc::c_ulong) -> Result<OwnedFd, Errno> {
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the program points to as many instructions as it says, which live during the call; the kernel copies them,
    // and refuses those that are not sound.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program) };
    match i32::try_from(result) {
        // SAFETY: a descriptor that the kernel has just made, and that nobody else knows.
        Ok(fd) if fd >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(fd) }),
        _ => Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}

/// Where processes ask. Once it is closed they are told that there is no such call.
#[derive(Debug)]
pub(in crate::process) struct Listener(OwnedFd);

/// A thread that waits for an answer.
#[derive(Clone, Copy, Debug)]
pub(in crate::process) struct Request {
    id: u64,
    /// The id of the thread.
    pub(in crate::process) thread: i32,
    pub(in crate::process) wish: Wish,
}

/// What a thread wants to do.
#[derive(Clone, Copy, Debug)]
pub(in crate::process) enum Wish {
    /// To start a process.
    Fork,
    /// To handle CHLD as the structure at this address in its memory says. A signal that comes before a request is read
    /// takes it back; then the call is made again, unless the handler says that calls are not, and `fork`, which no
    /// signal ever ends, would fail with `EINTR`. The signal that comes in all who start processes is CHLD.
    Handler(u64),
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Listener {
    /// The request that has waited longest, which must be there; it may have been taken back.
    pub(in crate::process) fn receive(&self) -> Result<Request, Errno> {
        // SAFETY: a structure of integers, for which all zeros, which the kernel asks for, is a valid value.
        let mut request: libc::seccomp_notif = unsafe { mem::zeroed() };
        // SAFETY: the kernel writes a structure of this size, which is part of the number of the call.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut request) })?;
        let is_own = INTERFACES.first().is_some_and(|own| own.name == request.data.arch);
        let is_handler = |own: &Interface| request.data.nr.cast_unsigned() == own.rt_sigaction;
        let wish = match INTERFACES.first().filter(|_| is_own).is_some_and(is_handler) {
            true => Wish::Handler(request.data.args[1]),
            false => Wish::Fork,
        };
        Ok(Request { id: request.id, thread: request.pid.cast_signed(), wish })
    }

    /// Lets the kernel do what was asked for. Says no when it was taken back.
    pub(in crate::process) fn grant(&self, request: Request) -> bool {
        self.answer(request, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32)
    }

    /// Lets it fail as the kernel does when there are too many. Says no when it was taken back.
    pub(in crate::process) fn refuse(&self, request: Request) -> bool {
        self.answer(request, -libc::EAGAIN, 0)
    }

    fn answer(&self, request: Request, error: i32, flags: u32) -> bool {
        let mut answer = libc::seccomp_notif_resp { id: request.id, val: 0, error, flags };
        // SAFETY: the kernel reads a structure of this size, which is part of the number of the call.
        check(unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) })
            .is_ok()
    }
}

fn check(result: i32) -> Result<(), Errno> {
    if result >= 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::INVAL))
}
