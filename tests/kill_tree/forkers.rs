//! Trees that fork all the time while they are being killed.

use super::Marked;
use super::commands::{Cgroup, compile, compiler, line, sh};
use anyfork::{Command, Limit};
use anyfork_tests::{Scratch, fresh_user};

/// So many lines of processes, each of which forks and ends, again and again: nobody lives for more than a moment. Or, with `stay`, whose members
/// fork children that end, and live on; with `heavy` they are so large that a fork takes milliseconds. Ends by itself after so many seconds.
const FORKER: &str = r#"
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static time_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}
int main(int count, char **arguments) {
    int lines = atoi(arguments[1]), stay = strcmp(arguments[2], "hop") != 0, heavy = !strcmp(arguments[2], "heavy");
    if (heavy) memset(malloc(100 << 20), 1, 100 << 20);
    int pause = atoi(arguments[3]);
    time_t end = now() + 18;
    while (lines-- > 0)
        if (fork() == 0) {
            while (now() < end) {
                pid_t pid = fork();
                if (pid < 0) { usleep(1000); continue; }
                if (stay) { if (pid == 0) { usleep(pause); _exit(0); } while (waitpid(-1, 0, heavy ? WNOHANG : 0) > 0) {} }
                else if (pid > 0) _exit(0);
                else usleep(pause);
            }
            _exit(0);
        }
    write(1, "\n", 1);
    while (now() < end) { usleep(10000); while (waitpid(-1, 0, WNOHANG) > 0) {} }
    return 0;
}
"#;

/// As a user who may have so many processes: the dead count too as long as nobody has waited for them, and their parents may be stopped.
const MOST: u64 = 200;

fn forker(lines: u32, kind: &str, pause: u32) -> Option<(Scratch, Command)> {
    let user = fresh_user()?;
    if !compiler() {
        return None;
    }
    let program = Scratch::new("forker");
    compile(&program, FORKER);
    let mut command = Command::new(&*program);
    command.args([&lines.to_string(), kind, &pause.to_string()]);
    command.uid(user).rlimit(Limit::Nproc, MOST, MOST);
    Some((program, command))
}

/// Once it has said that all lines have begun: who lives for a moment only is not seen in `/proc` for sure.
fn is_killed(forker: &mut Command) {
    let mut tree = Marked::start(forker, 1);
    assert_eq!(line(&tree.alive), "");
    tree.is_killed();
}

#[test]
fn members_that_fork_children_all_the_time_are_killed() {
    for pause in [0, 500] {
        let Some((_program, mut command)) = forker(8, "stay", pause) else { return };
        for _ in 0..5 {
            is_killed(&mut command);
        }
    }
}

/// The child of a fork that had begun when its parent was told to stop.
#[test]
fn children_of_slow_forks_are_killed() {
    let Some((_program, mut command)) = forker(2, "heavy", 300_000) else { return };
    for _ in 0..20 {
        is_killed(&mut command);
    }
}

/// Each member lives so many microseconds.
fn lines_are_killed(pause: u32, declare: impl Fn(&mut Command) -> &mut Command) {
    let Some((_program, mut command)) = forker(3, "hop", pause) else { return };
    // To outrun a kill takes luck too.
    for _ in 0..4 {
        is_killed(declare(&mut command));
    }
}

#[test]
fn members_of_a_group_that_fork_and_end_are_killed() {
    lines_are_killed(20_000, |command| command.process_group(0));
}

#[test]
fn members_of_a_group_that_fork_and_end_all_the_time_are_killed() {
    lines_are_killed(1000, |command| command.process_group(0));
    lines_are_killed(0, |command| command.setsid(true));
}

#[test]
fn adopted_members_that_fork_and_end_are_killed() {
    lines_are_killed(200_000, |command| command.adopt_orphans(true));
}

#[test]
fn adopted_members_of_a_group_that_fork_and_end_all_the_time_are_killed() {
    lines_are_killed(1000, |command| command.adopt_orphans(true).process_group(0));
    lines_are_killed(0, |command| command.adopt_orphans(true).setsid(true));
}

fn forkers_are_killed_in(new_group: fn() -> Option<Cgroup>) {
    for (kind, pause) in [("stay", 0), ("hop", 1000), ("hop", 0), ("hop", 0), ("hop", 0)] {
        let Some(group) = new_group() else { return };
        let Some((_program, mut command)) = forker(3, kind, pause) else { return };
        is_killed(command.cgroup(group.path()));
    }
}

#[test]
fn members_of_a_control_group_of_version_2_that_fork_all_the_time_are_killed() {
    forkers_are_killed_in(Cgroup::unified);
}

#[test]
fn members_of_a_control_group_of_version_1_that_fork_all_the_time_are_killed() {
    forkers_are_killed_in(Cgroup::pids);
}

#[test]
fn a_shell_that_starts_programs_all_the_time_is_killed() {
    let script = "n=0; while [ $n -lt 4000 ]; do sleep 0.002 & [ $((n % 8)) = 7 ] && wait; n=$((n+1)); done";
    for _ in 0..5 {
        Marked::start(&mut sh(script), 3).is_killed();
    }
}
