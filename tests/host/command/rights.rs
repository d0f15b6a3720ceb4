//! A caller that gives up or changes its rights after the first start: no program may get more than the caller has at the call.

use super::{Seen, alone, both, shown, skipped};
use std::path::Path;

super::cases![
    a_caller_that_dropped_its_user_starts_programs_as_what_it_is,
    a_caller_that_dropped_its_groups_starts_programs_without_them,
    a_caller_without_privileges_cannot_give_them,
    a_caller_of_hundreds_of_groups_gives_none_of_them_to_another_user,
    a_caller_of_hundreds_of_groups_that_can_gain_no_privileges_starts_programs_that_cannot,
    a_tree_with_more_rights_is_left_as_it_was,
    a_caller_with_another_effective_user_is_refused_until_it_takes_its_own_back,
    a_privileged_program_starts_others,
    a_caller_that_can_gain_no_privileges_starts_programs_that_cannot,
    a_caller_that_dropped_capabilities_starts_programs_without_them,
    a_template_with_the_rights_that_were_dropped_ends,
    a_program_with_more_rights_is_waited_for_but_not_killed,
    a_program_with_more_rights_is_killed_when_its_handle_is_dropped,
    a_thread_that_dropped_its_user_is_the_only_one_that_starts_programs_so,
    a_thread_that_can_gain_no_privileges_is_the_only_one_that_starts_programs_so,
];

const NOBODY: libc::uid_t = 65534;
const ROOT_NEEDED: &str = "it takes root to become somebody else";
const WHO: [&str; 2] = ["-c", "echo $(id -u) $(id -g) $(id -G)"];

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// In all threads, for good.
pub(super) fn become_nobody() {
    // SAFETY: numbers, and no pointer to none of them.
    unsafe {
        assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
        assert_eq!(libc::setgid(NOBODY), 0);
        assert_eq!(libc::setuid(NOBODY), 0);
    }
}

pub(super) fn set_groups(groups: &[libc::gid_t]) {
    // SAFETY: a list and its length.
    assert_eq!(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) }, 0);
}

fn a_caller_that_dropped_its_user_starts_programs_as_what_it_is(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    become_nobody();
    both! {
        let who = shown(Command::new("sh").args(WHO).output());
        let can = shown(Command::new("grep").args(["^CapEff", "/proc/self/status"]).output());
        format!("{who}, {can}")
    }
}

fn a_caller_that_dropped_its_groups_starts_programs_without_them(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    set_groups(&[10, 20]);
    let both_groups = both! { shown(Command::new("id").arg("-G").output()) };
    set_groups(&[20]);
    both_groups.and(both! { shown(Command::new("id").arg("-G").output()) })
}

fn a_caller_without_privileges_cannot_give_them(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    become_nobody();
    both! {
        let user = shown(Command::new("sh").args(WHO).uid(0).output());
        let group = shown(Command::new("sh").args(WHO).gid(0).output());
        let own = shown(Command::new("sh").args(WHO).uid(NOBODY).gid(NOBODY).output());
        [user, group, own].join(", ")
    }
}

fn set_effective_user(user: libc::uid_t) {
    // SAFETY: a number.
    assert_eq!(unsafe { libc::seteuid(user) }, 0);
}

fn a_caller_with_another_effective_user_is_refused_until_it_takes_its_own_back(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    alone! {
        let first = shown(Command::new("true").status());
        let template = anyfork_tests::children(std::process::id());
        let seen = [NOBODY, 0].map(|user| {
            set_effective_user(user);
            shown(Command::new("grep").args(["^Uid", "/proc/self/status"]).output())
        });
        let is_the_same = template == anyfork_tests::children(std::process::id());
        format!("{first}, {}, {is_the_same}", seen.join(", "))
    }
}

/// They make the kernel's account of the caller longer than a page.
fn take_hundreds_of_groups() {
    set_groups(&(0..700).map(|number| 4_000_000_000 + number).collect::<Vec<_>>());
}

fn a_caller_of_hundreds_of_groups_gives_none_of_them_to_another_user(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    take_hundreds_of_groups();
    both! {
        use std::os::unix::process::CommandExt as _;
        shown(Command::new("id").arg("-G").uid(NOBODY).gid(NOBODY).output())
    }
}

fn a_caller_of_hundreds_of_groups_that_can_gain_no_privileges_starts_programs_that_cannot(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    take_hundreds_of_groups();
    let before = both! { shown(Command::new("grep").args(["NoNewPrivs", "/proc/self/status"]).output()) };
    forbid_new_privileges();
    before.and(both! { shown(Command::new("grep").args(["NoNewPrivs", "/proc/self/status"]).output()) })
}

/// A kill that is refused must not leave it stopped.
fn a_tree_with_more_rights_is_left_as_it_was(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    alone! {
        let mut child = Command::new("sh").args(["-c", "cat & cat"]).stdin(Stdio::piped()).setsid(true).spawn().unwrap();
        set_users(NOBODY, 0);
        let refused = child.kill_tree().map_err(|error| error.io_kind());
        set_users(0, 0);
        let state = anyfork_tests::stat(child.id()).map(|stat| stat.state != 'T');
        format!("{refused:?} {state:?} {}", shown(child.wait()))
    }
}

/// The host is one, by the mode or the capabilities of its file.
fn a_privileged_program_starts_others(_: &Path) -> Seen {
    both! { shown(Command::new("grep").args(["^Uid", "/proc/self/status"]).output()) }
}

fn forbid_new_privileges() {
    // SAFETY: numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
}

fn a_caller_that_can_gain_no_privileges_starts_programs_that_cannot(_: &Path) -> Seen {
    forbid_new_privileges();
    both! { shown(Command::new("grep").args(["NoNewPrivs", "/proc/self/status"]).output()) }
}

fn a_caller_that_dropped_capabilities_starts_programs_without_them(_: &Path) -> Seen {
    if !is_root() {
        return skipped("it takes root to have capabilities");
    }
    // CAP_SYS_TIME.
    // SAFETY: numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, 25, 0, 0, 0) }, 0);
    both! {
        let seen = Command::new("grep").args(["CapEff", "/proc/self/status"]).output().unwrap();
        let text = String::from_utf8(seen.stdout).unwrap();
        let bits = u64::from_str_radix(text.split_whitespace().last().unwrap(), 16).unwrap();
        format!("{} {}", bits >> 25 & 1, bits >> 6 & 1)
    }
}

/// The host has one child, its default template.
fn a_template_with_the_rights_that_were_dropped_ends(_: &Path) -> Seen {
    use anyfork_tests::{LONG, children, within};
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    alone! {
        let status = Command::new("true").status();
        let before = children(std::process::id());
        become_nobody();
        let own = shown(status) + &shown(Command::new("true").status());
        // Dead ones that nobody waited for are among them.
        let now = || children(std::process::id());
        let left = within(LONG, "the end of the old template", || Some(now()).filter(|left| left.len() == 1));
        let whose = anyfork_tests::status(left[0], "Uid");
        format!("{own} {} {} {}", before.len(), before != left, whose.starts_with("65534"))
    }
}

fn set_users(user: libc::uid_t, saved: libc::uid_t) {
    // SAFETY: numbers.
    assert_eq!(unsafe { libc::setresuid(user, user, saved) }, 0);
}

fn a_program_with_more_rights_is_waited_for_but_not_killed(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    both! {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        set_users(NOBODY, 0);
        let seen = format!("{} {} {}", shown(child.try_wait()), shown(child.kill()), shown(child.wait()));
        set_users(0, 0);
        seen
    }
}

/// Its template still has the right.
fn a_program_with_more_rights_is_killed_when_its_handle_is_dropped(_: &Path) -> Seen {
    use anyfork_tests::{LONG, lives, within};
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    alone! {
        let child = Command::new("sleep").arg("60").kill_on_drop(true).spawn().unwrap();
        let pid = child.id();
        set_users(NOBODY, 0);
        drop(child);
        set_users(0, 0);
        within(LONG, "its end", || (!lives(pid)).then_some("killed".to_owned()))
    }
}

/// Users belong to a thread to the kernel; the C library hides that from those who ask it, and not from others.
fn a_thread_that_dropped_its_user_is_the_only_one_that_starts_programs_so(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    let in_a_thread = || {
        // SAFETY: numbers.
        assert_eq!(unsafe { libc::syscall(libc::SYS_setresuid, NOBODY, NOBODY, NOBODY) }, 0);
        both! { shown(Command::new("id").arg("-u").output()) }
    };
    let in_the_thread = std::thread::spawn(in_a_thread).join().unwrap();
    in_the_thread.and(both! { shown(Command::new("id").arg("-u").output()) })
}

fn a_thread_that_can_gain_no_privileges_is_the_only_one_that_starts_programs_so(_: &Path) -> Seen {
    let in_a_thread = || {
        forbid_new_privileges();
        both! { shown(Command::new("grep").args(["NoNewPrivs", "/proc/self/status"]).output()) }
    };
    let in_the_thread = std::thread::spawn(in_a_thread).join().unwrap();
    in_the_thread.and(both! { shown(Command::new("grep").args(["NoNewPrivs", "/proc/self/status"]).output()) })
}
