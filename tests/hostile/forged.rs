//! A process that runs somebody else's code, to prepare itself, and answers by itself before anyfork does.

use crate::*;
use anyfork::{Command, Error, ErrorKind, NO_ARGS, Namespaces, Process, Python};
use anyfork_tests::{all_end_soon, lives, skipped, status};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::fs::File;
use std::process::Child;

/// Answers with a number and with the descriptor of `whose`, and stays.
#[anyfork::entry]
fn answer_as(kind: u16, number: u32, whose: String, sign: String) {
    let file: Option<OwnedFd> = match whose.split_once(' ') {
        Some(("pidfd", number)) => {
            let pid = Pid::from_raw(number.parse().unwrap()).unwrap();
            Some(pidfd_open(pid, PidfdFlags::empty()).unwrap())
        }
        Some((_, path)) => Some(File::open(path).unwrap().into()),
        None => None,
    };
    let files: Vec<_> = file.iter().map(AsFd::as_fd).collect();
    let reply = frame(kind, files.len() as u16, &number.to_le_bytes());
    Sign::give(&sign);
    assert!(send(own_socket(), &reply, &files));
    Sign::give(&format!("{sign}.sent"));
    std::thread::sleep(LONG);
}

/// A process that has nothing to do with the others.
struct Stranger(Child);

impl Stranger {
    fn new() -> Self {
        Stranger(std::process::Command::new("sleep").arg("60").spawn().unwrap())
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    #[track_caller]
    fn lives(&self) {
        // A signal that was sent has been delivered by then, as a rule.
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(lives(self.pid()), "the stranger was killed");
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn answering(kind: u16, number: u32, whose: &str, sign: &Sign) -> Process {
    let arguments = [kind.to_string(), number.to_string(), whose.to_owned(), sign.path().to_owned()];
    Process::new().kill_on_drop(true).call(answer_as, arguments)
}

fn is_refused(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("the pidfd of another process"), "{error}");
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds none that comes along is used")]
fn a_pidfd_of_another_process_is_refused_and_that_one_is_not_killed() {
    let stranger = Stranger::new();
    let sibling = Process::new().kill_on_drop(true).run(stays).unwrap();
    for victim in [stranger.pid(), sibling.pid(), 1, std::process::id()] {
        let whose = format!("pidfd {victim}");
        let signs = [Sign::new(), Sign::new()];
        is_refused(&answering(STARTED, victim, &whose, &signs[0]).run(nothing).unwrap_err());
        is_refused(&answering(READY, victim, &whose, &signs[1]).template().unwrap_err());
        // They end all the same.
        all_end_soon(&signs.map(|sign| sign.wait()));
    }
    stranger.lives();
    assert_eq!(sibling.try_wait().unwrap(), None);
    others_work();
}

#[anyfork::entry]
fn stays() {
    std::thread::sleep(LONG);
}

/// What has arrived by then is not waited for, but taken in to be killed.
#[test]
fn a_start_that_is_dropped_kills_no_stranger_who_was_named() {
    let stranger = Stranger::new();
    for whose in [format!("pidfd {}", stranger.pid()), format!("file /proc/{}", stranger.pid())] {
        let sign = Sign::new();
        let starting = answering(STARTED, stranger.pid(), &whose, &sign).start(nothing);
        let forger = sign.wait_for("sent");
        drop(starting);
        all_end_soon(&[forger]);
        stranger.lives();
    }
    others_work();
}

/// The number that it says is not believed, and a descriptor that is no pidfd not used, though a signal could be sent by the directory
/// of a process in `/proc`.
#[test]
fn a_number_and_a_descriptor_of_another_kind_mean_the_one_that_sent_them() {
    let stranger = Stranger::new();
    let directory = format!("file /proc/{}", stranger.pid());
    for whose in ["nothing", &directory, "file /dev/null", "file /", "file /proc/self/exe"] {
        let sign = Sign::new();
        let worker = answering(STARTED, stranger.pid(), whose, &sign).run(nothing).unwrap();
        assert_eq!(worker.pid(), sign.wait(), "{whose}");
        assert!(worker.pidfd().is_none(), "{whose}");
        worker.kill().unwrap();
        assert_eq!(worker.wait().unwrap().signal(), Some(9), "{whose}");
    }
    stranger.lives();
}

/// The same in Python, in an interpreter and in a fork of one.
#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds none that comes along is used")]
fn an_interpreter_that_answers_with_the_pidfd_of_another_process_is_refused() {
    const FORGE: &str = "import os, socket, struct
reply = struct.pack('<IHHI', 4, int(args[0]), 1, int(args[1]))
own = next(n for n in range(3, 100) if os.path.exists(f'/proc/self/fd/{n}') and 'socket:' in os.readlink(f'/proc/self/fd/{n}'))
socket.send_fds(socket.socket(fileno=os.dup(own)), [reply], [os.pidfd_open(int(args[1]))])
import time; time.sleep(20)";
    let stranger = Stranger::new();
    let arguments = |kind: u16| [kind.to_string(), stranger.pid().to_string()];
    is_refused(&Python::new("python3").eval(FORGE, arguments(READY)).template().unwrap_err());
    let template = Python::new("python3").template().unwrap();
    is_refused(&template.fork().eval(FORGE, arguments(STARTED)).run("print").unwrap_err());
    stranger.lives();
}

/// Inside it is known by another number, and says that.
#[test]
fn a_fork_in_a_namespace_of_numbers_has_its_number_of_this_side() {
    if !rustix::process::geteuid().is_root() {
        return skipped("it takes root to make a namespace of process numbers");
    }
    let mut command = Command::new("python3");
    command.namespaces(Namespaces::PID);
    let template = Python::from_command(command).eval("import os", NO_ARGS).template().unwrap();
    let code = "def tell(socket): socket.sendall(os.getpid().to_bytes(4, 'little')); socket.recv(1)";
    let worker = template.fork().blocking_socket(true).eval(code, NO_ARGS).run("tell").unwrap();
    let mut inside = [0; 4];
    std::io::Read::read_exact(&mut worker.socket(), &mut inside).unwrap();
    let seen = status(worker.pid(), "NSpid");
    assert_eq!(seen, format!("{}\t{}", worker.pid(), u32::from_le_bytes(inside)));
    worker.kill().unwrap();
    assert_eq!(worker.wait().unwrap().signal(), Some(9));
}

/// Sends octets on its own socket, and ends with that exit code, or goes on.
#[anyfork::entry]
fn send_and_end(octets: anyfork::Blob, code: String) {
    assert!(octets.is_empty() || send(own_socket(), &octets, &[]));
    if let Ok(code) = code.parse() {
        // SAFETY: it ends the process, as somebody who is hostile may.
        unsafe { libc::_exit(code) };
    }
}

fn sending(octets: &[u8], code: &str) -> anyfork::Result<anyfork::Worker> {
    Process::new().blocking_socket(true).call(send_and_end, [octets, code.as_bytes()]).run(nothing)
}

fn failure(texts: [&str; 3]) -> Vec<u8> {
    let texts = texts.iter().flat_map(|text| [&(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat());
    frame(FAILED, 0, &[4, 0, 0, 0, 0].into_iter().chain(texts).collect::<Vec<u8>>())
}

#[test]
fn a_process_that_dies_between_any_two_octets_of_its_reply_is_gone() {
    for reply in [frame(STARTED, 0, &7_u32.to_le_bytes()), failure(["step", "", "why"])] {
        for length in 0..reply.len() {
            let error = sending(&reply[..length], "7").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ProcessGone, "{length}: {error}");
            // The status is told if the template has reported it by then: never another.
            let text = error.to_string();
            assert!(text.contains("exit status: 7") || !text.contains("status"), "{length}: {error}");
        }
    }
    let worker = sending(&frame(STARTED, 0, &7_u32.to_le_bytes()), "7").unwrap();
    assert_eq!(worker.wait().unwrap().code(), Some(7));
    let error = sending(&failure(["step", "", "why"]), "7").unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("why")), (ErrorKind::Preparation, true), "{error}");
}

#[test]
fn replies_that_make_no_sense_are_errors() {
    let exited = frame(EXITED, 0, &[0; 56]);
    let spare = frame(134, 0, &[1; 12]);
    let wrong: [(&str, &[u8]); 8] = [
        ("a report of a template", &exited),
        ("a spare", &spare),
        ("an order", &frame(10, 0, b"x")),
        ("an unknown kind", &frame(9999, 0, b"")),
        ("too long", &[0xff; 64]),
        ("trailing octets", &frame(STARTED, 0, &[0; 5])),
        ("a field cut off", &frame(STARTED, 0, &[0; 3])),
        ("without its descriptor", &frame(STARTED, 1, &[0; 4])),
    ];
    for (what, octets) in wrong {
        let error = sending(octets, "goes on").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{what}: {error}");
    }
    others_work();
}

/// They are the business of whoever reads the socket: nobody else looks at them.
#[test]
fn a_second_reply_and_octets_behind_the_first_are_left_in_the_socket() {
    let reply = frame(STARTED, 0, &7_u32.to_le_bytes());
    let worker = sending(&[&reply[..], &reply, b"behind"].concat(), "goes on").unwrap();
    let mut rest = Vec::new();
    std::io::Read::read_to_end(&mut worker.socket(), &mut rest).unwrap();
    // Behind them is the reply that anyfork has given, to nobody.
    assert!(rest.starts_with(&[&reply[..], b"behind"].concat()), "{rest:?}");
    assert!(worker.wait().unwrap().success());
}
