//! System calls that are prepared in one process and made in another, which may not allocate, lock, panic, or touch what belongs to a thread:
//! it may share its memory with the process that prepared them. See [`launch`](super::launch).
//!
//! # Safety
//! Each constructor makes a call whose pointers are to what [`Calls`] owns or borrows, of the layout and length that the
//! kernel expects. The calls change the process that makes them, so only `launch` makes them, in processes that exist for that.
#![allow(unsafe_code)]

use libc::c_int;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::os::fd::RawFd;
use syscalls::{Errno, Sysno};

/// What a call belongs to, for the message when it fails: the step, and the object in words.
#[derive(Debug, Clone, Copy)]
pub(super) struct Label {
    pub(super) step: &'static str,
    /// Address and length.
    pub(super) object: (usize, usize),
    pub(super) quoted: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    number: Sysno,
    arguments: [usize; 6],
    /// Its first argument is the result of the call that was marked `opens`.
    on_opened: bool,
    opens: bool,
    may_fail: bool,
    /// The only good result.
    expected: Option<usize>,
    pub(super) label: Label,
}

impl Call {
    /// Makes it. `opened` is carried from call to call.
    ///
    /// # Safety
    /// What [`Calls`] borrowed must still be there, and the process must be one that exists for these calls.
    pub(super) unsafe fn make(&self, opened: &mut usize) -> Result<(), Errno> {
        let [mut first, b, c, d, e, f] = self.arguments;
        if self.on_opened {
            first = *opened;
        }
        // SAFETY: the constructors made a whole call of it, and the caller vouches for the rest.
        match unsafe { syscalls::syscall6(self.number, first, b, c, d, e, f) } {
            Ok(result) => {
                if self.opens {
                    *opened = result;
                }
                match self.expected {
                    Some(expected) if expected != result => Err(Errno::ESRCH),
                    _ => Ok(()),
                }
            }
            Err(_) if self.may_fail => Ok(()),
            Err(errno) => Err(errno),
        }
    }
}

/// The object of a step, in messages.
pub(crate) enum Object<'a> {
    None,
    /// Shown in quotation marks.
    Quoted(&'a [u8]),
    Words(String),
}

/// Calls that are made one after the other.
#[derive(Debug)]
pub(crate) struct Calls<'a> {
    pub(super) calls: Vec<Call>,
    /// What some of them point to.
    pub(super) memory: Vec<Box<[u64]>>,
    label: Label,
    borrowed: PhantomData<&'a [u8]>,
}

impl<'a> Calls<'a> {
    pub(crate) fn new() -> Self {
        let label = Label { step: "", object: (0, 0), quoted: false };
        Calls { calls: Vec::new(), memory: Vec::new(), label, borrowed: PhantomData }
    }

    /// What the calls that follow belong to.
    pub(crate) fn step(&mut self, step: &'static str, object: Object<'a>) {
        let (object, quoted) = match object {
            Object::None => ((0, 0), false),
            Object::Quoted(octets) => ((octets.as_ptr() as usize, octets.len()), true),
            Object::Words(words) => ((self.keep_octets(words.as_bytes()), words.len()), false),
        };
        self.label = Label { step, object, quoted };
    }

    pub(super) fn label(&self) -> Label {
        self.label
    }

    pub(crate) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Copies words to where a call can find them.
    fn keep(&mut self, words: impl Into<Box<[u64]>>) -> usize {
        let words = words.into();
        let address = words.as_ptr() as usize;
        self.memory.push(words);
        address
    }

    fn keep_octets(&mut self, octets: &[u8]) -> usize {
        let words = octets.chunks(8).map(|chunk| {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            u64::from_ne_bytes(word)
        });
        // A terminating NUL is always there.
        self.keep(words.chain([0]).collect::<Vec<_>>())
    }

    fn push<const N: usize>(&mut self, number: Sysno, some: [usize; N]) -> &mut Call {
        let mut arguments = [0; 6];
        arguments[..N].copy_from_slice(&some);
        let label = self.label;
        self.calls.push(Call {
            number,
            arguments,
            on_opened: false,
            opens: false,
            may_fail: false,
            expected: None,
            label,
        });
        let last = self.calls.len() - 1;
        &mut self.calls[last]
    }

    /// dup2(2). The two numbers differ.
    pub(crate) fn place(&mut self, from: RawFd, at: u32) {
        self.push(Sysno::dup3, [from as usize, at as usize, 0]);
    }

    /// close(2), whether or not it is open.
    pub(crate) fn close(&mut self, number: u32) {
        self.push(Sysno::close, [number as usize]).may_fail = true;
    }

    /// close_range(2), the last one included.
    pub(crate) fn close_range(&mut self, first: u32, last: u32) {
        self.push(Sysno::close_range, [first as usize, last as usize, 0]);
    }

    pub(crate) fn fchdir(&mut self, directory: RawFd) {
        self.push(Sysno::fchdir, [directory as usize]);
    }

    pub(crate) fn chdir(&mut self, path: &'a CStr) {
        self.push(Sysno::chdir, [path.as_ptr() as usize]);
    }

    pub(crate) fn chroot(&mut self, path: &'a CStr) {
        self.push(Sysno::chroot, [path.as_ptr() as usize]);
        self.push(Sysno::chdir, [c"/".as_ptr() as usize]);
    }

    pub(crate) fn setsid(&mut self) {
        self.push(Sysno::setsid, []);
    }

    /// setpgid(2) of the caller. 0: a new group of its own number.
    pub(crate) fn setpgid(&mut self, group: i32) {
        self.push(Sysno::setpgid, [0, group as usize]);
    }

    /// Makes a terminal the controlling one of a new session: `TIOCSCTTY`, ioctl_tty(2).
    pub(crate) fn set_controlling_terminal(&mut self, terminal: RawFd) {
        self.push(Sysno::ioctl, [terminal as usize, libc::TIOCSCTTY as usize, 0]);
    }

    /// setrlimit(2).
    pub(crate) fn limit(&mut self, resource: u32, soft: u64, hard: u64) {
        let limits = self.keep([soft, hard]);
        self.push(Sysno::prlimit64, [0, resource as usize, limits, 0]);
    }

    /// setpriority(2) of the caller.
    pub(crate) fn nice(&mut self, nice: i32) {
        self.push(Sysno::setpriority, [libc::PRIO_PROCESS as usize, 0, nice as usize]);
    }

    /// sched_setaffinity(2) of the caller.
    pub(crate) fn affinity(&mut self, bits: &[u8]) {
        let length = bits.len().next_multiple_of(8);
        let bits = self.keep_octets(bits);
        self.push(Sysno::sched_setaffinity, [0, length, bits]);
    }

    pub(crate) fn umask(&mut self, mask: u32) {
        self.push(Sysno::umask, [mask as usize]);
    }

    /// Writes a text into a file, with one write(2).
    pub(crate) fn write(&mut self, path: &'static CStr, text: &str) {
        self.write_at(libc::AT_FDCWD, path, text);
    }

    /// The same, in a directory.
    pub(crate) fn write_at(&mut self, directory: RawFd, path: &'static CStr, text: &str) {
        let address = self.keep_octets(text.as_bytes());
        let flags = (libc::O_WRONLY | libc::O_CLOEXEC) as usize;
        self.push(Sysno::openat, [directory as usize, path.as_ptr() as usize, flags, 0]).opens = true;
        self.push(Sysno::write, [0, address, text.len()]).on_opened = true;
        self.push(Sysno::close, [0]).on_opened = true;
    }

    pub(crate) fn setgroups(&mut self, groups: &[u32]) {
        let octets: Vec<u8> = groups.iter().flat_map(|group| group.to_ne_bytes()).collect();
        let list = self.keep_octets(&octets);
        self.push(Sysno::setgroups, [groups.len(), list]);
    }

    /// setgid(2) of the calling thread, which is the only one.
    pub(crate) fn setgid(&mut self, group: u32) {
        self.push(Sysno::setgid, [group as usize]);
    }

    /// setuid(2), likewise.
    pub(crate) fn setuid(&mut self, user: u32) {
        self.push(Sysno::setuid, [user as usize]);
    }

    /// unshare(2).
    pub(crate) fn unshare(&mut self, namespaces: u32) {
        self.push(Sysno::unshare, [namespaces as usize]);
    }

    /// mount(2): what is mounted from now on is seen in this mount namespace only.
    pub(crate) fn make_mounts_private(&mut self) {
        let (none, root) = (c"none".as_ptr() as usize, c"/".as_ptr() as usize);
        self.push(Sysno::mount, [none, root, 0, (libc::MS_REC | libc::MS_PRIVATE) as usize, 0]);
    }

    /// prctl(2) with numbers alone.
    pub(crate) fn prctl(&mut self, option: c_int, value: usize, more: usize) {
        self.push(Sysno::prctl, [option as usize, value, more, 0, 0]);
    }

    /// capset(2): effective, permitted and inheritable set.
    pub(crate) fn capset(&mut self, sets: [u64; 3]) {
        const VERSION_3: u64 = 0x2008_0522;
        // Version and a pid of 0, 32 bits each.
        let header = self.keep(u64s([VERSION_3 as u32, 0]));
        let ([a, b, c], [d, e, f]) = (sets.map(|bits| bits as u32), sets.map(|bits| (bits >> 32) as u32));
        let data = self.keep(u64s([a, b, c, d, e, f]));
        self.push(Sysno::capset, [header, data]);
    }

    /// landlock_restrict_self(2).
    pub(crate) fn restrict(&mut self, ruleset: RawFd) {
        self.push(Sysno::landlock_restrict_self, [ruleset as usize, 0]);
    }

    /// seccomp(2) with a filter of instructions of eight bytes each.
    pub(crate) fn filter(&mut self, instructions: &[u8]) {
        let code = self.keep_octets(instructions);
        // struct sock_fprog: a u16, padding, a pointer.
        let mut length = [0; 8];
        length[..2].copy_from_slice(&((instructions.len() / 8) as u16).to_ne_bytes());
        let program = self.keep([u64::from_ne_bytes(length), code as u64]);
        self.push(Sysno::seccomp, [libc::SECCOMP_SET_MODE_FILTER as usize, 0, program]);
    }

    /// sigaction(2) with the default disposition, or ignoring the signal.
    pub(crate) fn disposition(&mut self, signal: c_int, ignored: bool) {
        let handler = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
        // The kernel's struct begins with the handler; flags, restorer and mask are zero.
        let action = self.keep([handler as u64, 0, 0, 0]);
        self.push(Sysno::rt_sigaction, [signal as usize, action, 0, 8]);
    }

    /// sigprocmask(2): blocks these signals and no others; signal 1 is the lowest bit.
    pub(crate) fn block(&mut self, signals: u64) {
        let set = self.keep([signals]);
        self.push(Sysno::rt_sigprocmask, [libc::SIG_SETMASK as usize, set, 0, 8]);
    }

    /// The process must still have this parent.
    pub(crate) fn expect_parent(&mut self, parent: u32) {
        self.push(Sysno::getppid, []).expected = Some(parent as usize);
    }
}

/// Whether the kernel has a capability of this number.
pub(crate) fn knows_capability(number: usize) -> bool {
    // SAFETY: prctl(2) with numbers alone.
    unsafe { libc::prctl(libc::PR_CAPBSET_READ, number, 0, 0, 0) >= 0 }
}

fn u64s<const N: usize>(halves: [u32; N]) -> Vec<u64> {
    let octets: Vec<u8> = halves.iter().flat_map(|half| half.to_ne_bytes()).collect();
    octets.chunks_exact(8).map(|chunk| u64::from_ne_bytes(chunk.try_into().unwrap_or_default())).collect()
}
