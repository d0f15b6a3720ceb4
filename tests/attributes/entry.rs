//! An entry that runs in the new process before its exec.

use super::commands::{output, parked, root, sh};
use super::confinement::{has_landlock, no_mkdir, reading_below};
use anyfork::{Command, ErrorKind, Process, Template};
use anyfork_tests::{SOON, Scratch, children, open_files, wait_until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// What no C string can carry, and more than a pipe holds.
fn octets() -> Vec<u8> {
    (0..100_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[anyfork::entry]
fn check_octets(long: Vec<u8>, all: Vec<u8>, empty: Vec<u8>, number: u32) {
    assert_eq!(long, octets());
    assert_eq!(all, (0..=255).collect::<Vec<u8>>());
    assert_eq!((empty.len(), number), (0, 7));
}

#[test]
fn an_entry_gets_arguments_of_any_octets_and_length() {
    let mut command = Command::new("echo");
    let args = [octets(), (0..=255).collect(), Vec::new(), b"7".to_vec()];
    command.arg("went on").pre_exec_entry(check_octets, args);
    for _ in 0..2 {
        assert_eq!(output(&mut command), "went on\n");
    }
}

#[anyfork::entry]
fn allocate_and_lock() {
    let map: Arc<Mutex<Vec<String>>> = Arc::default();
    for number in 0..10_000 {
        map.lock().unwrap().push(format!("{number}"));
    }
    // Locks of the C library and of std, and a thread that has ended by the exec.
    println!("{}", map.lock().unwrap().len());
    std::thread::spawn(move || map.lock().unwrap().clear()).join().unwrap();
}

#[test]
fn an_entry_may_allocate_lock_and_print() {
    let mut command = Command::new("echo");
    assert_eq!(output(command.arg("program").pre_exec_entry(allocate_and_lock, [""; 0])), "10000\nprogram\n");
}

#[anyfork::entry]
fn open_at_nine(path: String) -> std::io::Result<()> {
    let file = fs::File::open(path)?;
    // SAFETY: duplicates to a number; nothing owns what is there.
    let at = unsafe { libc::dup2(std::os::fd::AsRawFd::as_raw_fd(&file), 9) };
    if at == 9 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[test]
fn what_an_entry_opens_without_close_on_exec_the_program_has() {
    let file = Scratch::new("opened");
    fs::write(&*file, "from the entry").unwrap();
    let mut command = sh("cat <&9; ls /proc/self/fd | tr '\\n' ' '");
    let seen = output(command.pre_exec_entry(open_at_nine, [&*file]));
    // `ls` has the directory open at 3.
    assert_eq!(seen, "from the entry0 1 2 3 9 ");
}

#[anyfork::entry]
fn fails() -> Result<(), &'static str> {
    Err("as it should")
}

#[anyfork::entry]
fn panics() {
    panic!("in the entry");
}

#[anyfork::entry]
fn returns_a_code() -> ExitCode {
    ExitCode::from(3)
}

#[anyfork::entry]
fn exits() {
    std::process::exit(0);
}

#[anyfork::entry]
fn aborts() {
    std::process::abort();
}

#[anyfork::entry]
fn takes_a_number(_: u32) {}

/// The start fails twice in this way, and no process or descriptor stays.
fn comes_back(template: &Template, declare: impl Fn(&mut Command) -> &mut Command, kind: ErrorKind, text: &str) {
    output(&mut template.command("true"));
    let before = [std::process::id(), template.pid()].map(open_files);
    for _ in 0..2 {
        let mut command = template.command("true");
        let error = declare(&mut command).spawn().map(|child| child.id()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let shown = error.to_string();
        assert!(shown.contains(text), "{text:?} is not in {shown:?}");
    }
    assert!(wait_until(SOON, || children(template.pid()).is_empty()), "{text}");
    assert!(wait_until(SOON, || [std::process::id(), template.pid()].map(open_files) == before), "{text}");
}

#[test]
fn failures_of_an_entry_come_back_as_errors_and_no_process_stays() {
    let template = Process::new().template().unwrap();
    let none = [""; 0];
    let module = module_path!();
    let is =
        |declare: &dyn Fn(&mut Command) -> &mut Command, kind, text: &str| comes_back(&template, declare, kind, text);
    let failed = ErrorKind::Preparation;
    is(&|command| command.pre_exec_entry(fails, none), failed, &format!("call {module}::fails: as it should"));
    is(&|command| command.pre_exec_entry(panics, none), failed, "in the entry");
    is(&|command| command.pre_exec_entry(panics, none), failed, &format!("call {module}::panics: it panicked at "));
    let text = format!("call {module}::returns_a_code: it returned exit code 3");
    is(&|command| command.pre_exec_entry(returns_a_code, none), failed, &text);
    is(&|command| command.pre_exec_entry(takes_a_number, ["seven"]), ErrorKind::Inputs, "takes_a_number, input 1: ");
    is(&|command| command.pre_exec_entry(takes_a_number, none), ErrorKind::Inputs, "takes_a_number");
}

#[test]
fn an_entry_that_is_not_there_is_named() {
    let template = Process::new().template().unwrap();
    let text = "entry no::such: no entry of this name is registered in the program";
    comes_back(&template, |command| command.pre_exec_entry("no::such", [""; 0]), ErrorKind::UnknownEntry, text);
}

/// An end in the entry comes before the exec: that is no program that has started.
#[test]
fn an_entry_that_exits_is_an_error_and_not_a_program_that_has_ended() {
    let template = Process::new().template().unwrap();
    let text = |entry| {
        format!(r#"start "true", prepared by attributes::entry::{entry}: the process ended before it was ready"#)
    };
    comes_back(&template, |command| command.pre_exec_entry(exits, [""; 0]), ErrorKind::ProcessGone, &text("exits"));
    comes_back(&template, |command| command.pre_exec_entry(aborts, [""; 0]), ErrorKind::ProcessGone, &text("aborts"));
}

#[anyfork::entry]
fn note(file: String) -> std::io::Result<()> {
    fs::write(file, format!("{}", rustix::process::geteuid().as_raw()))
}

#[test]
fn an_entry_runs_with_the_declared_umask_directory_and_user() {
    if !root() {
        return;
    }
    let file = Scratch::new("order");
    let (directory, name) = file.rsplit_once('/').unwrap();
    std::os::unix::fs::chown(directory, Some(65534), None).unwrap();
    let mut command = Command::new("true");
    output(command.uid(65534).umask(0o027).current_dir(directory).pre_exec_entry(note, [name]));
    assert_eq!(fs::read_to_string(&*file).unwrap(), "65534");
    assert_eq!(fs::metadata(&*file).unwrap().permissions().mode() & 0o777, 0o640);
}

#[anyfork::entry]
fn change_umask() {
    // SAFETY: sets a number of this process.
    unsafe { libc::umask(0o011) };
}

#[test]
fn an_entry_has_the_last_word_on_the_umask() {
    assert_eq!(output(sh("umask").umask(0o077).pre_exec_entry(change_umask, [""; 0])), "0011\n");
}

#[test]
fn an_entry_runs_behind_landlock_and_before_the_filter() {
    let directory = Scratch::new("made");
    #[anyfork::entry]
    fn make(directory: String) -> std::io::Result<()> {
        fs::create_dir(directory)
    }
    let mut command = sh("mkdir $0.again 2> /dev/null || echo refused");
    command.arg(&*directory).seccomp(&no_mkdir()).pre_exec_entry(make, [&*directory]);
    assert_eq!(output(&mut command), "refused\n");
    assert!(fs::metadata(&*directory).unwrap().is_dir(), "before the filter");
    if !has_landlock() {
        return;
    }
    let mut command = parked();
    command.landlock(reading_below(&["/"])).pre_exec_entry(make, [format!("{}.new", &*directory)]);
    let error = command.spawn().map(|child| child.id()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preparation, "{error}");
    assert!(error.to_string().ends_with("Permission denied (os error 13)"), "{error}");
}

#[anyfork::entry]
fn fork_a_child() {
    // SAFETY: the child makes one system call.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    assert!(pid > 0);
}

#[test]
fn what_an_entry_forks_does_not_confuse_the_start() {
    let mut command = Command::new("echo");
    assert_eq!(output(command.arg("fine").pre_exec_entry(fork_a_child, [""; 0])), "fine\n");
}
