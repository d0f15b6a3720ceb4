//! Users, groups and process groups that are asked for, and the name by which a program is called.

use super::rights::{become_nobody, is_root, set_groups};
use super::{Seen, alone, both, shown, skipped};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

super::cases![
    a_user_has_no_groups_of_root,
    a_group_leaves_the_others,
    groups_can_be_given,
    the_directory_is_entered_as_the_user,
    a_user_can_be_had_without_the_capability_to_drop_groups,
    a_caller_with_capabilities_that_is_not_root_drops_its_groups_too,
    a_program_can_be_called_otherwise,
    a_program_can_lead_a_process_group,
    a_program_can_join_a_process_group,
    a_process_group_that_is_not_there_is_an_error,
    programs_are_in_the_process_group_and_session_of_the_caller,
];

const WHO: [&str; 2] = ["-c", "echo $(id -u) $(id -g) $(id -G)"];
const ROOT_NEEDED: &str = "it takes root to become somebody else";

fn a_user_has_no_groups_of_root(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    set_groups(&[0, 10, 20]);
    both! {
        let both = shown(Command::new("sh").args(WHO).uid(65534).gid(65533).output());
        let user = shown(Command::new("sh").args(WHO).uid(65534).output());
        let root = shown(Command::new("sh").args(WHO).uid(0).output());
        let unknown = shown(Command::new("sh").args(WHO).uid(4_000_000_000).gid(4_000_000_000).output());
        [both, user, root, unknown].join(", ")
    }
}

fn a_group_leaves_the_others(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    set_groups(&[10, 20]);
    both! { shown(Command::new("sh").args(WHO).gid(65533).output()) }
}

/// Unstable in std.
fn groups_can_be_given(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    set_groups(&[10, 20]);
    alone! {
        let given = shown(Command::new("sh").args(WHO).uid(65534).gid(65533).groups(&[7, 5]).output());
        let alone = shown(Command::new("sh").args(WHO).groups(&[]).output());
        [given, alone].join(", ")
    }
}

fn the_directory_is_entered_as_the_user(place: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    let directory = place.join("mine");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).unwrap();
    both! {
        let user = shown(Command::new("pwd").uid(65534).current_dir(&directory).output());
        std::env::set_current_dir(&directory).unwrap();
        let inherited = shown(Command::new("readlink").arg("/proc/self/cwd").uid(65534).output());
        std::env::set_current_dir("/").unwrap();
        [user, inherited].join(", ")
    }
}

const CAP_SETGID: libc::c_ulong = 6;
const CAP_SETUID: libc::c_ulong = 7;

fn control(option: libc::c_int, value: libc::c_ulong) {
    // SAFETY: numbers.
    assert_eq!(unsafe { libc::prctl(option, value, 0, 0, 0) }, 0);
}

/// The effective, permitted and inheritable capabilities, of those with small numbers.
fn change_capabilities(change: impl Fn([u32; 3]) -> [u32; 3]) {
    let header = [0x2008_0522_u32, 0];
    let mut sets = [0_u32; 6];
    // SAFETY: the structures of capset(2): its version, the calling process; two halves of three sets.
    unsafe {
        assert_eq!(libc::syscall(libc::SYS_capget, header.as_ptr(), sets.as_mut_ptr()), 0);
        let [effective, permitted, inheritable, ..] = sets;
        sets[..3].copy_from_slice(&change([effective, permitted, inheritable]));
        assert_eq!(libc::syscall(libc::SYS_capset, header.as_ptr(), sets.as_ptr()), 0);
    }
}

/// Std drops the groups only if that can be had.
fn a_user_can_be_had_without_the_capability_to_drop_groups(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    // A program of root gets what is in the bounding set.
    control(libc::PR_CAPBSET_DROP, CAP_SETGID);
    change_capabilities(|mine| [mine[0] & !(1 << CAP_SETGID), mine[1] & !(1 << CAP_SETGID), mine[2]]);
    both! { shown(Command::new("sh").args(["-c", "id -u"]).uid(65534).output()) }
}

fn a_caller_with_capabilities_that_is_not_root_drops_its_groups_too(_: &Path) -> Seen {
    if !is_root() {
        return skipped(ROOT_NEEDED);
    }
    control(libc::PR_SET_KEEPCAPS, 1);
    become_nobody();
    let both_of_users = 1 << CAP_SETGID | 1 << CAP_SETUID;
    change_capabilities(|_| [both_of_users; 3]);
    set_groups(&[10, 20]);
    for capability in [CAP_SETGID, CAP_SETUID] {
        // SAFETY: numbers.
        let raised = unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0) };
        assert_eq!(raised, 0);
    }
    both! { shown(Command::new("sh").args(WHO).uid(65533).output()) }
}

fn a_program_can_be_called_otherwise(_: &Path) -> Seen {
    both! {
        let given = shown(Command::new("cat").arg0("a name").arg("/proc/self/cmdline").output());
        let empty = shown(Command::new("cat").arg0("").arg("/proc/self/cmdline").output());
        let none = shown(Command::new("/bin/cat").arg("/proc/self/cmdline").output());
        [given, empty, none].join(", ")
    }
}

/// The numbers of the process, its group and its session.
const NUMBERS: [&str; 2] =
    ["-c", "read pid name state parent group session rest < /proc/self/stat; echo $pid $group $session"];

fn numbers(octets: &[u8]) -> [i32; 3] {
    let text = str::from_utf8(octets).unwrap();
    let numbers: Vec<_> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

fn a_program_can_lead_a_process_group(_: &Path) -> Seen {
    both! {
        let output = Command::new("sh").args(NUMBERS).process_group(0).output().unwrap();
        let [pid, group, session] = numbers(&output.stdout);
        format!("{} {}", pid == group, session == std::process::id() as i32)
    }
}

fn a_program_can_join_a_process_group(_: &Path) -> Seen {
    both! {
        let mut leader = Command::new("cat").stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        let number = leader.id() as i32;
        let [pid, group, _] = numbers(&Command::new("sh").args(NUMBERS).process_group(number).output().unwrap().stdout);
        leader.wait().unwrap();
        format!("{} {}", group == number, pid != number)
    }
}

fn a_process_group_that_is_not_there_is_an_error(_: &Path) -> Seen {
    both! {
        let missing = shown(Command::new("true").process_group(i32::MAX).status());
        let negative = shown(Command::new("true").process_group(-1).status());
        [missing, negative].join(", ")
    }
}

fn programs_are_in_the_process_group_and_session_of_the_caller(_: &Path) -> Seen {
    both! {
        let [_, group, session] = numbers(&Command::new("sh").args(NUMBERS).output().unwrap().stdout);
        let own = [rustix::process::getpgrp(), rustix::process::getsid(None).unwrap()];
        (own.map(|pid| pid.as_raw_nonzero().get()) == [group, session]).to_string()
    }
}
