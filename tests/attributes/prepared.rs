//! Templates that were prepared with attributes hand them on.

use super::commands::{output, root};
use super::descriptors::has_exactly;
use anyfork::{Command, Process};
use anyfork_tests::descriptors;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd};

#[anyfork::entry]
fn enter_a_namespace(name: String) -> std::io::Result<()> {
    // SAFETY: the template has one thread; only its host name becomes another.
    let results = unsafe { [libc::unshare(libc::CLONE_NEWUTS), libc::sethostname(name.as_ptr().cast(), name.len())] };
    if results == [0, 0] { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[anyfork::entry]
fn limit_descriptors(most: u64) -> std::io::Result<()> {
    let usual = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..usual })?)
}

#[test]
fn programs_are_in_the_namespaces_of_their_template() {
    if !root() {
        return;
    }
    let template = Process::new().call(enter_a_namespace, ["elsewhere"]).template().unwrap();
    assert_eq!(output(&mut template.command("hostname")), "elsewhere\n");
    assert_ne!(output(&mut Command::new("hostname")), "elsewhere\n");
    let nested = template.fork().template().unwrap();
    assert_eq!(output(&mut nested.command("hostname")), "elsewhere\n");
}

#[test]
fn programs_have_the_limits_of_their_template() {
    let template = Process::new().call(limit_descriptors, [333]).template().unwrap();
    let ulimit = |command: &mut Command| output(command.args(["-c", "ulimit -n"]));
    assert_eq!(ulimit(&mut template.command("sh")), "333\n");
    let with_entry = &mut template.command("sh");
    with_entry.pre_exec_entry(limit_descriptors, [222]);
    assert_eq!(ulimit(with_entry), "222\n");
    assert_eq!(ulimit(&mut template.command("sh")), "333\n");
    assert_ne!(ulimit(&mut Command::new("sh")), "333\n");
}

#[test]
fn environment_directory_umask_and_output_are_the_callers() {
    #[anyfork::entry]
    fn change_all() -> std::io::Result<()> {
        // SAFETY: the template has one thread.
        unsafe { std::env::set_var("ONLY_IN_THE_TEMPLATE", "1") };
        // SAFETY: sets a number of the template.
        unsafe { libc::umask(0o070) };
        std::env::set_current_dir("/proc")
    }
    let template = Process::new().call(change_all, [""; 0]).template().unwrap();
    let script = "pwd; umask; echo $ONLY_IN_THE_TEMPLATE.";
    let seen = output(template.command("sh").args(["-c", script]));
    assert_eq!(seen, output(Command::new("sh").args(["-c", script])));
    assert!(seen.ends_with("\n.\n"), "{seen}");
}

#[test]
fn what_the_preparation_left_open_is_not_the_programs() {
    #[anyfork::entry]
    fn leave_open() -> std::io::Result<()> {
        let file = OwnedFd::from(File::open("/dev/null")?);
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty())?;
        let _stays_open = file.into_raw_fd();
        Ok(())
    }
    let template = Process::new().call(leave_open, [""; 0]).template().unwrap();
    let own = descriptors(std::process::id());
    let expected: BTreeMap<u32, String> = own.into_iter().filter(|(number, _)| *number < 3).collect();
    let mut command = template.command("sleep");
    has_exactly(&command.arg("60").kill_on_drop(true).spawn().unwrap(), &expected);
    let worker_has = template.fork().run(count_open).unwrap().wait().unwrap().code();
    assert_eq!(worker_has, Some(1), "workers have it");
}

/// Whether one of this process's descriptors would survive an exec.
#[anyfork::entry]
fn count_open() -> std::process::ExitCode {
    let numbers = descriptors(std::process::id()).into_keys().filter(|number| *number > 2);
    let stays = numbers.filter(|number| {
        // SAFETY: it is open, as nothing else runs in this process.
        let fd = unsafe { BorrowedFd::borrow_raw(*number as i32) };
        rustix::io::fcntl_getfd(fd).is_ok_and(|flags| flags.is_empty())
    });
    (stays.count() as u8).into()
}
