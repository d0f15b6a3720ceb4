//! Many commands at once, and side by side with those of std.

use super::{Seen, alone, both, shown};
use anyfork_tests::{LONG, lives, within};
use std::io::Write;
use std::path::Path;
use std::thread;

super::cases![
    many_threads_get_each_its_own_data_back,
    commands_of_both_go_side_by_side,
    waiting_for_any_child_finds_no_program,
    no_signal_tells_of_the_end_of_a_program,
    one_thread_reads_while_another_waits,
];

/// Runs `work` in so many threads; how many of its results are wrong.
fn in_threads(count: usize, work: impl Fn(usize) -> usize + Sync) -> usize {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                scope.spawn({
                    let work = &work;
                    move || work(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

/// A number of lines that differs from case to case, and is more than a pipe holds in some.
fn data(thread: usize, round: usize) -> Vec<u8> {
    format!("thread {thread}, round {round}\n").repeat(1 + (thread * 50 + round) % 7 * 1000).into_bytes()
}

macro_rules! echo {
    ($command:expr, $stdio:expr, $thread:expr, $round:expr) => {{
        let data = data($thread, $round);
        let mut child = $command.stdin($stdio).stdout($stdio).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                stdin.write_all(&data).unwrap();
                drop(stdin)
            });
            let output = child.wait_with_output().unwrap();
            usize::from(!output.status.success() || output.stdout != data)
        })
    }};
}

fn many_threads_get_each_its_own_data_back(_: &Path) -> Seen {
    both! {
        let wrong = in_threads(8, |thread| {
            (0..50).map(|round| echo!(Command::new("cat"), Stdio::piped(), thread, round)).sum()
        });
        format!("{wrong} wrong")
    }
}

fn commands_of_both_go_side_by_side(_: &Path) -> Seen {
    alone! {
        let wrong = in_threads(6, |thread| {
            let one = |round| match thread % 2 {
                0 => echo!(Command::new("cat"), Stdio::piped(), thread, round),
                _ => echo!(std::process::Command::new("cat"), std::process::Stdio::piped(), thread, round),
            };
            (0..30).map(one).sum()
        });
        format!("{wrong} wrong")
    }
}

/// What waitpid(2) for any child finds, without waiting.
fn any_child() -> libc::pid_t {
    // SAFETY: no status is asked for.
    unsafe { libc::waitpid(-1, std::ptr::null_mut(), libc::WNOHANG) }
}

/// Otherwise it would be std's child that is found.
fn waiting_for_any_child_finds_no_program(_: &Path) -> Seen {
    alone! {
        let mut found = 0;
        for code in 0..20 {
            let mut child = Command::new("sh").args(["-c", &format!("exit {code}")]).spawn().unwrap();
            found += usize::from(any_child() > 0);
            within(LONG, "the program's end", || (!lives(child.id())).then_some(()));
            found += usize::from(any_child() > 0);
            found += usize::from(child.wait().unwrap().code() != Some(code));
            found += usize::from(any_child() > 0);
        }
        format!("{found} found")
    }
}

fn no_signal_tells_of_the_end_of_a_program(_: &Path) -> Seen {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn count(_: libc::c_int) {
        CALLS.fetch_add(1, Ordering::Relaxed);
    }
    // SAFETY: the handler touches an atomic alone.
    unsafe { libc::signal(libc::SIGCHLD, count as *const () as libc::sighandler_t) };
    alone! {
        let status = |code: i32| Command::new("sh").args(["-c", &format!("exit {code}")]).status().unwrap();
        let wrong = (0..20).filter(|code| status(*code).code() != Some(*code));
        format!("{} wrong, {} calls", wrong.count(), CALLS.load(Ordering::Relaxed))
    }
}

fn one_thread_reads_while_another_waits(_: &Path) -> Seen {
    both! {
        let script = "head -c 1000000 /dev/zero; exit 9";
        let mut child = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let reader = thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()).unwrap());
        let status = shown(child.wait());
        format!("{status} {}", reader.join().unwrap())
    }
}
