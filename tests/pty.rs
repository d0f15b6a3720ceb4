//! Programs in a pseudoterminal.

#[path = "support/commands.rs"]
mod commands;

use anyfork::{Child, Command, Pty, PtySize, Stdio};
use anyfork_tests::{LONG, SOON, all_end_soon, descriptors, host, identity, lives, wait_until};
use commands::{first_line, line, proc_link, sh, stat_field};
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;

const SIZE: PtySize = PtySize { rows: 33, columns: 101 };

fn terminal(child: &Child) -> &Pty {
    child.pty.as_ref().unwrap()
}

/// A line that the program writes to its terminal.
fn shown(child: &Child) -> String {
    line(terminal(child))
}

fn typed(child: &Child, octets: &[u8]) {
    terminal(child).write_all(octets).unwrap();
}

fn in_terminal(script: &str) -> Child {
    sh(script).pty(SIZE).kill_on_drop(true).spawn().unwrap()
}

/// All that it writes until nobody has the terminal open.
fn rest(child: &Child) -> String {
    let mut text = Vec::new();
    terminal(child).read_to_end(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

#[test]
fn standard_descriptors_are_a_terminal_of_that_size() {
    let mut child = in_terminal("tty; stty size; for n in 0 1 2; do test -t $n && echo $n; done");
    let text = rest(&child);
    let mut lines = text.lines();
    let name = lines.next().unwrap();
    assert!(name.starts_with("/dev/pts/"), "{name}");
    assert_eq!(lines.collect::<Vec<_>>(), ["33 101", "0", "1", "2"]);
    assert!(child.wait().unwrap().success());
    assert_eq!([child.stdin.is_none(), child.stdout.is_none(), child.stderr.is_none()], [true; 3]);
}

#[test]
fn the_default_size_is_the_usual_one() {
    let child = Command::new("stty").arg("size").pty(PtySize::default()).spawn().unwrap();
    assert_eq!(rest(&child), "24 80\r\n");
}

#[test]
fn the_program_leads_a_session_whose_terminal_it_is() {
    let child = in_terminal("echo ready; read end");
    assert_eq!(shown(&child), "ready");
    let id = i64::from(child.id());
    // Group, session, foreground group.
    assert_eq!([5, 6, 8].map(|field| stat_field(child.id(), field)), [id; 3]);
    let device = std::fs::metadata(proc_link(child.id(), "fd/0")).unwrap().rdev();
    assert_eq!(stat_field(child.id(), 7), device as i64);
    // That is not the caller's, whose own side does not become it either.
    assert_ne!(stat_field(std::process::id(), 7), device as i64);
}

#[test]
fn the_program_has_the_terminal_at_three_numbers_and_nothing_else() {
    for with_entry in [false, true] {
        #[anyfork::entry]
        fn nothing() {}
        let mut command = Command::new("cat");
        command.pty(SIZE).kill_on_drop(true);
        if with_entry {
            command.pre_exec_entry(nothing, [""; 0]);
        }
        let child = command.spawn().unwrap();
        let mut seen = Default::default();
        let is_right = wait_until(LONG, || {
            seen = descriptors(child.id());
            seen.len() == 3 && seen.values().all(|file| *file == seen[&0])
        });
        assert!(is_right, "{seen:?}");
        assert_ne!(seen[&0], identity(terminal(&child)), "the caller's side");
    }
}

#[test]
fn other_programs_do_not_inherit_the_callers_side() {
    let child = Command::new("cat").pty(SIZE).kill_on_drop(true).spawn().unwrap();
    let clone = terminal(&child).try_clone().unwrap();
    for pty in [terminal(&child), &clone] {
        assert_eq!(rustix::io::fcntl_getfd(pty).unwrap(), rustix::io::FdFlags::CLOEXEC);
    }
}

#[test]
fn what_is_typed_is_echoed_and_read() {
    let child = in_terminal("read word; echo got $word");
    typed(&child, b"hello\n");
    assert_eq!([shown(&child), shown(&child)], ["hello", "got hello"]);
}

#[test]
fn a_new_size_is_seen_and_heard_of() {
    let child = in_terminal("trap 'stty size' WINCH; echo ready; for wait in 1 2 3 4 5 6 7 8 9; do read end; done");
    assert_eq!(shown(&child), "ready");
    for size in [PtySize { rows: 5, columns: 6 }, PtySize { rows: 500, columns: 600 }] {
        terminal(&child).resize(size).unwrap();
        assert_eq!(shown(&child), format!("{} {}", size.rows, size.columns));
        assert_eq!(terminal(&child).size().unwrap(), size);
    }
}

#[test]
fn a_size_that_the_program_sets_is_seen() {
    let child = in_terminal("stty rows 7 cols 9; echo done; read end");
    assert_eq!(shown(&child), "done");
    assert_eq!(terminal(&child).size().unwrap(), PtySize { rows: 7, columns: 9 });
}

#[test]
fn ctrl_c_kills_what_is_in_the_foreground() {
    let mut child = in_terminal("sh -c 'echo ready; exec sleep 60'; echo not reached");
    assert_eq!(shown(&child), "ready");
    typed(&child, b"\x03");
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGINT));
    assert_eq!(rest(&child), "^C");
    // A program that handles it goes on.
    let child = in_terminal("trap 'echo heard' INT; echo ready; read word; read word; echo $word");
    assert_eq!(shown(&child), "ready");
    typed(&child, b"\x03");
    assert_eq!(shown(&child), "^Cheard");
}

#[test]
fn ctrl_d_is_the_end_of_input() {
    let mut child = Command::new("cat").pty(SIZE).spawn().unwrap();
    typed(&child, b"a\n\x04");
    assert_eq!(rest(&child), "a\r\na\r\n");
    assert!(child.wait().unwrap().success());
}

#[test]
fn reading_ends_with_the_program() {
    // The end of a session's leader hangs its terminal up, also for those that still have it open.
    for script in ["echo last; exit 3", "trap '' HUP; sleep 1 & echo last; exit 3"] {
        let mut child = in_terminal(script);
        assert_eq!(rest(&child), "last\r\n");
        assert_eq!(child.wait().unwrap().code(), Some(3));
        for _ in 0..2 {
            assert_eq!(child.pty.as_mut().unwrap().read(&mut [0; 10]).unwrap(), 0, "again");
        }
    }
}

#[test]
fn reading_ends_when_the_program_closes_the_terminal() {
    let child = in_terminal("echo last; exec 0<&- 1>&- 2>&-; exec sleep 60");
    assert_eq!(rest(&child), "last\r\n");
    assert!(child.try_wait().unwrap().is_none());
}

#[test]
fn dropping_the_terminal_hangs_it_up() {
    let mut child = in_terminal("echo ready; sleep 60");
    assert_eq!(shown(&child), "ready");
    drop(child.pty.take());
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGHUP));
}

/// The terminals that this program has open.
fn terminals() -> usize {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    let paths = links.filter_map(|link| std::fs::read_link(link.ok()?.path()).ok());
    paths.filter(|path| path.starts_with("/dev/ptmx") || path.starts_with("/dev/pts")).count()
}

#[test]
fn a_start_that_fails_leaves_no_terminal() {
    let before = terminals();
    let mut command = Command::new("/no/such");
    for _ in 0..2 {
        let error = command.pty(SIZE).spawn().map(|child| child.id()).unwrap_err();
        assert_eq!(error.to_string(), r#"exec "/no/such": No such file or directory (os error 2)"#);
        assert_eq!(terminals(), before);
    }
    let child = Command::new("true").pty(SIZE).spawn().unwrap();
    assert_eq!(terminals(), before + 1, "the caller's side alone");
    drop(child);
    assert_eq!(terminals(), before);
}

#[test]
fn what_is_redirected_is_no_terminal_and_the_rest_is() {
    let mut command =
        sh("test -t 0 && test -t 2 && ! test -t 1 && echo to the pipe; echo to the terminal >&2; read w; echo $w");
    let mut child = command.pty(SIZE).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    assert_eq!(first_line(&mut child), "to the pipe");
    assert_eq!(shown(&child), "to the terminal");
    typed(&child, b"typed\n");
    assert_eq!(first_line(&mut child), "typed");
    assert!(child.wait().unwrap().success());
}

#[test]
fn what_nobody_would_read_is_refused() {
    for (step, error) in [
        ("output", Command::new("true").pty(SIZE).output().unwrap_err()),
        ("status", Command::new("true").pty(SIZE).stdout(Stdio::null()).status().unwrap_err()),
    ] {
        assert_eq!(error.kind(), anyfork::ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(step), "{error}");
    }
}

#[test]
fn output_takes_in_the_pipes_of_a_program_in_a_terminal() {
    // It may ask for its terminal by name.
    let mut command = sh("echo out; echo asked > /dev/tty");
    let output = command.pty(SIZE).stdout(Stdio::piped()).stderr(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"out\n");
}

#[test]
fn one_side_can_be_read_and_written_at_the_same_time() {
    let mut child = Command::new("cat").pty(SIZE).spawn().unwrap();
    let writer = terminal(&child).try_clone().unwrap();
    let pty = child.pty.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        (&pty).read_to_end(&mut text).map(|_| text)
    });
    let lines: Vec<String> = (0..1000).map(|number| format!("line {number}\n")).collect();
    for line in &lines {
        (&writer).write_all(line.as_bytes()).unwrap();
    }
    (&writer).write_all(b"\x04").unwrap();
    let text = String::from_utf8(reader.join().unwrap().unwrap()).unwrap();
    assert!(child.wait().unwrap().success());
    // Once as echo and once as output, each with a carriage return. They may come in between each other.
    let expected: usize = lines.iter().map(|line| 2 * (line.len() + 1)).sum();
    assert_eq!(text.len(), expected);
    assert_eq!(text.matches('\n').count(), 2000);
}

#[test]
fn a_clone_keeps_the_terminal_up() {
    let mut child = in_terminal("echo ready; read word; echo $word");
    assert_eq!(shown(&child), "ready");
    let clone = child.pty.as_ref().unwrap().try_clone().unwrap();
    drop(child.pty.take());
    (&clone).write_all(b"still\n").unwrap();
    assert_eq!([line(&clone), line(&clone)], ["still", "still"]);
    assert!(child.wait().unwrap().success());
}

#[test]
#[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds no tree is killed")]
fn a_tree_in_a_terminal_is_killed() {
    // With job control, as an interactive shell has it: each has a group of its own.
    let child = in_terminal("set -m; sleep 60 & sh -c 'sleep 60 & wait' & echo ready; wait");
    assert_eq!(shown(&child), "ready");
    let members = || {
        let session = i64::from(child.id());
        anyfork_tests::children(child.id()).into_iter().filter(|pid| stat_field(*pid, 6) == session).collect::<Vec<_>>()
    };
    let before = members();
    assert_eq!(before.len(), 2);
    child.kill_tree().unwrap();
    assert!(!before.iter().any(|pid| lives(*pid)));
}

#[test]
fn the_end_of_the_host_hangs_its_terminals_up() {
    let mut host = host!("pty", "owner");
    let program = host.number("program");
    host.fact("ready");
    assert!(lives(program));
    host.kill();
    all_end_soon(&[program]);
}

#[test]
fn a_terminal_goes_together_with_a_session_and_a_group() {
    let mut command = sh("test -t 0 && echo fine");
    let child = command.pty(SIZE).setsid(true).process_group(0).spawn().unwrap();
    assert_eq!(rest(&child), "fine\r\n");
    let id = child.id();
    drop(child);
    assert!(wait_until(SOON, || !lives(id)));
}
