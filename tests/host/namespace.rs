//! A scenario as process number 1 of a namespace of numbers, where the host says which number comes next.

use crate::Outcome;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;

/// Runs the rest of the scenario as number 1, with a `/proc` of its namespace. It takes root.
pub(crate) fn as_number_one(scenario: impl FnOnce() -> Outcome) -> Outcome {
    as_number_one_with_proc_of_another(|| mount_proc().and_then(|()| scenario()))
}

/// The same, with the `/proc` that was there.
pub(crate) fn as_number_one_with_proc_of_another(scenario: impl FnOnce() -> Outcome) -> Outcome {
    // SAFETY: numbers and constant strings; this program has one thread.
    let child = unsafe {
        let (root, none) = (c"/".as_ptr(), std::ptr::null());
        checked(libc::unshare(libc::CLONE_NEWPID | libc::CLONE_NEWNS))?;
        checked(libc::mount(none, root, none, libc::MS_REC | libc::MS_PRIVATE, none.cast()))?;
        checked(libc::fork())?
    };
    if child != 0 {
        let status = waitpid(Pid::from_raw(child), WaitOptions::empty())?.ok_or("nobody has ended")?.1;
        let is_good = status.exit_status() == Some(0);
        return if is_good { Ok(()) } else { Err(format!("number 1 ended with {status:?}").into()) };
    }
    assert_eq!(std::process::id(), 1);
    // All else in the namespace ends with this process.
    match scenario() {
        Ok(()) => std::process::exit(0),
        Err(error) => Err(error),
    }
}

fn mount_proc() -> Outcome {
    let (kind, place) = (c"proc".as_ptr(), c"/proc".as_ptr());
    // SAFETY: constant strings.
    checked(unsafe { libc::mount(kind, place, kind, 0, std::ptr::null()) })?;
    Ok(())
}

fn checked(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(result) }
}

/// fork(2) into a namespace of its own, where the child has number 1 too, and its end.
pub(crate) fn fork_as_another_number_one_and_wait() -> libc::pid_t {
    let own = fs::File::open("/proc/self/ns/pid").unwrap();
    // SAFETY: numbers, and a descriptor that is open.
    unsafe {
        checked(libc::unshare(libc::CLONE_NEWPID)).unwrap();
        let child = crate::foreign::fork_and_wait();
        if child != 0 {
            checked(libc::setns(own.as_raw_fd(), libc::CLONE_NEWPID)).unwrap();
        }
        child
    }
}

/// Makes the number that a process gets next the one behind this.
pub(crate) fn set_last(number: u32) {
    fs::write("/proc/sys/kernel/ns_last_pid", number.to_string()).unwrap();
}

/// A process that has got the number of one that is gone, leads a group of that number, and does nothing. Whatever is sent to it ends or stops it.
#[derive(Debug)]
pub(crate) struct Stranger(Pid);

impl Stranger {
    /// Waits until the process is gone, and takes its number.
    pub(crate) fn instead_of(number: u32) -> Self {
        let gone = || anyfork_tests::stat(number).is_none();
        assert!(anyfork_tests::wait_until(anyfork_tests::LONG, gone), "{number} is still there");
        for _ in 0..100 {
            set_last(number - 1);
            std::io::stdout().flush().unwrap();
            // SAFETY: this program has one thread.
            let pid = match unsafe { libc::fork() } {
                0 => be_a_stranger(),
                pid => Pid::from_raw(pid).unwrap(),
            };
            let stranger = Stranger(pid);
            if stranger.0.as_raw_pid() as u32 == number {
                // SAFETY: a number.
                let leads = || unsafe { libc::getpgid(pid.as_raw_pid()) } == pid.as_raw_pid();
                assert!(anyfork_tests::wait_until(anyfork_tests::LONG, leads));
                return stranger;
            }
        }
        panic!("nobody got number {number}")
    }

    /// Nothing has been sent to it.
    pub(crate) fn assert_unharmed(&self) {
        // What was sent by a mistake may still be on its way.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let harm = waitpid(Some(self.0), WaitOptions::NOHANG | WaitOptions::UNTRACED);
        assert!(matches!(harm, Ok(None)), "{harm:?}");
    }

    /// Ends it. It is dead from now on, and not waited for.
    pub(crate) fn end(&self) {
        let _ = kill_process(self.0, Signal::KILL);
        let pid = self.0.as_raw_pid() as u32;
        assert!(anyfork_tests::wait_until(anyfork_tests::LONG, || !anyfork_tests::lives(pid)));
    }

    /// Its status is still there for its parent.
    pub(crate) fn assert_not_waited_for(&self) {
        let status = waitpid(Some(self.0), WaitOptions::NOHANG);
        assert!(matches!(status, Ok(Some(_))), "{status:?}");
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
        let _ = waitpid(Some(self.0), WaitOptions::empty());
    }
}

fn be_a_stranger() -> ! {
    // SAFETY: numbers; none of the descriptors is used in this process.
    unsafe {
        libc::setpgid(0, 0);
        libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0);
        loop {
            libc::pause();
        }
    }
}
