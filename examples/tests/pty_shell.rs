//! `pty_shell`: a shell in a terminal within a terminal.

use crate::support::{AT_ONCE, Example, signal};
use anyfork::{Child, Command, Pty, PtySize};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;
use rustix::termios::{LocalModes, tcgetattr};
use std::io::{Read, Write};
use std::thread;
use std::time::{Duration, Instant};

/// No step takes so long, in a debug build on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn size(rows: u16, columns: u16) -> PtySize {
    PtySize { rows, columns }
}

/// A user at a terminal, in which a shell runs the example as one command of several.
struct User {
    shell: Child,
    terminal: Pty,
    /// What came and was not looked at yet.
    unseen: String,
}

impl User {
    /// The terminal's modes are shown before and after the example, and its exit code.
    fn sits_down() -> Self {
        let commands =
            r#"echo "before $(stty -g)."; "$EXAMPLE" --shell /bin/sh; echo "code $?."; echo "after $(stty -g).""#;
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", commands]).env("EXAMPLE", program()).env("PS1", "ready> ").env_remove("ENV");
        let mut shell = shell.pty(size(30, 100)).kill_on_drop(true).die_with_owner(true).spawn().expect("a shell");
        let terminal = shell.pty.take().expect("a terminal");
        User { shell, terminal, unseen: String::new() }
    }

    fn types(&self, keys: &str) {
        (&self.terminal).write_all(keys.as_bytes()).expect("type");
    }

    /// Waits until the text is on the screen. What was before it.
    fn sees(&mut self, text: &str) -> String {
        let until = Instant::now() + LIMIT;
        loop {
            if let Some((before, after)) = self.unseen.split_once(text) {
                let before = before.to_owned();
                self.unseen = after.to_owned();
                return before;
            }
            let left = until.saturating_duration_since(Instant::now());
            let mut ready = [PollFd::new(&self.terminal, PollFlags::IN)];
            let ready = poll(&mut ready, Some(&left.try_into().expect("a time"))).expect("wait for the screen");
            let mut octets = [0; 4096];
            let count = if ready == 0 { 0 } else { self.terminal.read(&mut octets).expect("read the screen") };
            assert!(count > 0, "no {text:?} in {:?}", self.unseen);
            self.unseen.push_str(&String::from_utf8_lossy(&octets[..count]));
        }
    }

    /// Waits for the word that begins with `start` and ends with a dot.
    fn sees_word(&mut self, start: &str) -> String {
        self.sees(start);
        self.sees(".")
    }

    /// The example and all that it has started. The shell's other children come and go.
    fn example(&self) -> Vec<u32> {
        let tree = anyfork_examples::process_tree(self.shell.id()).expect("the process tree");
        tree.into_iter().filter(|(depth, _)| *depth > 0).map(|(_, process)| process.pid).collect()
    }

    /// Waits for the end of the outer shell too.
    fn leaves(self) {
        let status = self.shell.wait_timeout(LIMIT).expect("wait").expect("the outer shell goes on and on");
        assert!(status.success(), "{status}");
    }
}

/// Tests are in target/PROFILE/deps, examples in target/PROFILE/examples.
fn program() -> std::path::PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.ancestors().nth(2).expect("a test is two levels deep").join("examples/pty_shell")
}

/// What a failed test leaves is killed, each by its number.
fn are_gone(pids: &[u32]) {
    let until = Instant::now() + AT_ONCE;
    loop {
        let mut left = anyfork_examples::all_processes().expect("read /proc");
        left.retain(|process| pids.contains(&process.pid));
        if left.is_empty() {
            return;
        }
        if until < Instant::now() {
            left.iter().for_each(|process| signal(process.pid, Signal::KILL));
            panic!("left behind: {left:?}");
        }
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn keys_size_and_exit_code_go_through_and_the_modes_come_back() {
    let mut user = User::sits_down();
    let before = user.sees_word("before ");
    user.sees("ready> ");
    user.types("stty size; tty\r");
    let echoed = user.sees("\r\n");
    assert_eq!(echoed, "stty size; tty", "one echo, that of the inner terminal");
    let modes = tcgetattr(&user.terminal).expect("the modes").local_modes;
    assert!(!modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG), "{modes:?}");
    assert_eq!(user.sees("\r\n"), "30 100");
    user.sees("/dev/pts/");

    user.sees("ready> ");
    user.terminal.resize(size(40, 120)).expect("resize");
    user.types("stty size\r");
    user.sees("stty size\r\n");
    assert_eq!(user.sees("\r\n"), "40 120");

    let processes = user.example();
    assert!(processes.len() >= 3, "the example, its template, the inner shell: {processes:?}");
    user.types("exit 7\r");
    assert_eq!(user.sees_word("code "), "7");
    assert_eq!(user.sees_word("after "), before);
    are_gone(&processes);
    user.leaves();
}

#[test]
fn ctrl_c_and_ctrl_d_are_for_the_shell_within() {
    let mut user = User::sits_down();
    user.sees("ready> ");
    user.types("trap 'echo caught' INT\r");
    user.sees("ready> ");
    user.types("sh -c 'echo runs; exec sleep 1000'\r");
    user.sees("\r\nruns\r\n");
    user.types("\x03");
    user.sees("ready> ");
    user.types("exit 8\r");
    assert_eq!(user.sees_word("code "), "8");
    user.sees_word("after ");
    user.leaves();

    let mut user = User::sits_down();
    user.sees("ready> ");
    user.types("\x04");
    assert_eq!(user.sees_word("code "), "0");
    user.sees_word("after ");
    user.leaves();
}

#[test]
fn an_end_by_a_signal_puts_the_modes_back_and_leaves_nobody() {
    let mut user = User::sits_down();
    let before = user.sees_word("before ");
    user.sees("ready> ");
    // The hang-up of its terminal alone would not end this.
    user.types("trap '' HUP; echo now it sl''eeps; exec sleep 1000\r");
    user.sees("now it sleeps\r\n");
    let processes = user.example();
    signal(processes[0], Signal::TERM);
    user.sees("pty_shell: a signal has ended it");
    assert_eq!(user.sees_word("code "), "1");
    assert_eq!(user.sees_word("after "), before);
    are_gone(&processes);
    user.leaves();
}

#[test]
fn a_closed_terminal_ends_everybody() {
    let mut user = User::sits_down();
    user.sees("ready> ");
    let processes = user.example();
    let User { shell, terminal, .. } = user;
    drop(terminal);
    are_gone(&processes);
    let status = shell.wait_timeout(LIMIT).expect("wait").expect("the outer shell goes on and on");
    assert_eq!(status.signal(), Some(Signal::HUP.as_raw()));
}

#[test]
fn commands_run_in_a_terminal_and_all_they_write_comes() {
    let finished = Example::start("pty_shell", &["--run", "tty; stty size; seq 20000; exit 7"]).finish();
    assert_eq!(finished.status.code(), Some(7), "{}", finished.errors);
    let lines: Vec<&str> = finished.lines.iter().map(|line| line.trim_end()).collect();
    assert!(lines[0].starts_with("/dev/pts/"), "{}", lines[0]);
    assert_eq!(lines[1], "24 80");
    assert_eq!(lines.len(), 20_002);
    assert!(lines[2..].iter().zip(1..).all(|(line, number)| *line == number.to_string()));
}

#[test]
fn what_the_shell_has_left_in_the_background_is_not_waited_for() {
    let finished = Example::start("pty_shell", &["--run", "sleep 1000 & echo done; kill -9 $$"]).finish();
    assert_eq!(finished.status.code(), Some(128 + 9), "{}", finished.errors);
    assert_eq!(finished.lines, ["done"]);
}

#[test]
fn what_cannot_be_is_said() {
    let finished = Example::start("pty_shell", &[]).finish();
    assert_eq!(finished.status.code(), Some(1));
    assert_eq!(finished.errors, "pty_shell: standard input is no terminal; --run works without one\n");
    let finished = Example::start("pty_shell", &["--shell", "/no/shell", "--run", "true"]).finish();
    assert_eq!(finished.errors, "pty_shell: exec \"/no/shell\": No such file or directory (os error 2)\n");
}
