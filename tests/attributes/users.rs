//! Users, groups and capabilities.

use super::commands::{can, output, parked, root, sh};
use anyfork::{Capabilities, Child, Command, Process};
use anyfork_tests::{host, status};

const NOBODY: u32 = 65534;

/// Real, effective, saved and file system number.
fn all_four(number: u32) -> String {
    [number; 4].map(|number| number.to_string()).join("\t")
}

#[test]
fn user_group_and_groups_are_the_declared_ones() {
    if !root() {
        return;
    }
    let child = parked().uid(NOBODY).gid(12_345).groups(&[7, 70_000, 3]).spawn().unwrap();
    assert_eq!(status(child.id(), "Uid"), all_four(NOBODY));
    assert_eq!(status(child.id(), "Gid"), all_four(12_345));
    assert_eq!(status(child.id(), "Groups"), "3 7 70000");
    let child = parked().gid(12_345).spawn().unwrap();
    assert_eq!([status(child.id(), "Uid"), status(child.id(), "Gid")], [all_four(0), all_four(12_345)]);
}

#[test]
fn a_new_user_has_none_of_roots_groups() {
    if !root() {
        return;
    }
    let mut host = host!("attributes", "groups");
    assert_eq!(host.fact("nothing-declared"), "7 8");
    assert_eq!(host.fact("user"), "");
    assert_eq!(host.fact("user-and-groups"), "9");
    assert_eq!(host.fact("group"), "7 8");
    host.finish();
    let inner = |command: &mut Command| status(command.spawn().unwrap().id(), "Groups");
    assert_eq!(inner(parked().groups(&[7, 8])), "7 8");
    assert_eq!(inner(parked().uid(NOBODY).groups(&[7, 8])), "7 8");
    assert_eq!(inner(parked().uid(NOBODY)), "");
    assert_eq!(inner(parked().uid(NOBODY).groups(&[])), "");
}

#[test]
fn users_and_groups_of_the_template_stay_as_they_are() {
    if !root() {
        return;
    }
    output(Command::new("true").uid(NOBODY).gid(NOBODY).keep_capabilities(Capabilities::NONE));
    let child = parked().spawn().unwrap();
    for field in ["Uid", "Gid", "Groups", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs"] {
        assert_eq!(status(child.id(), field), status(std::process::id(), field), "{field}");
    }
}

#[anyfork::entry]
fn tell_whether_it_dumps_core() -> std::process::ExitCode {
    // SAFETY: asks for a number.
    (unsafe { libc::prctl(libc::PR_GET_DUMPABLE) } as u8).into()
}

/// The kernel keeps that with the memory, which a new process may share with its template until the exec.
#[test]
fn workers_of_a_template_can_be_debugged_as_before_another_user_was_started() {
    if !root() {
        return;
    }
    let dumpable = || Process::new().run(tell_whether_it_dumps_core).unwrap().wait().unwrap().code();
    let before = dumpable();
    output(Command::new("true").uid(NOBODY).gid(NOBODY));
    assert_eq!(dumpable(), before);
    output(Command::new("true").uid(NOBODY).keep_capabilities(Capabilities::CHOWN));
    assert_eq!(dumpable(), before);
}

fn sets(child: &Child) -> [u64; 5] {
    let set = |field| u64::from_str_radix(&status(child.id(), field), 16).unwrap();
    ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].map(set)
}

fn own_bound() -> u64 {
    u64::from_str_radix(&status(std::process::id(), "CapBnd"), 16).unwrap()
}

#[test]
fn exactly_the_kept_capabilities_are_there_for_any_user() {
    if !root() {
        return;
    }
    let kept = Capabilities::NET_BIND_SERVICE | Capabilities::CHOWN;
    for user in [NOBODY, 1, 0] {
        let child = parked().uid(user).gid(user).keep_capabilities(kept).spawn().unwrap();
        assert_eq!(sets(&child), [0x401; 5], "user {user}");
        assert_eq!(status(child.id(), "Uid"), all_four(user));
    }
    assert_eq!(sets(&parked().keep_capabilities(kept).spawn().unwrap()), [0x401; 5], "no user declared");
    assert_eq!(sets(&parked().uid(NOBODY).keep_capabilities(Capabilities::NONE).spawn().unwrap()), [0; 5]);
}

#[test]
fn a_kept_capability_can_be_used_and_others_cannot() {
    if !root() {
        return;
    }
    // Each changes the owner of a file of its own, and reads what only root may.
    let script =
        "f=$(mktemp) && chown 1 $f && echo changed; rm -f $f; cat /etc/shadow > /dev/null 2>&1 || echo refused";
    let kept = Capabilities::CHOWN | Capabilities::FOWNER;
    assert_eq!(output(sh(script).uid(NOBODY).keep_capabilities(kept)), "changed\nrefused\n");
    assert_eq!(output(sh(script).uid(NOBODY).stderr(anyfork::Stdio::null())), "refused\n");
}

#[test]
fn capabilities_that_this_program_does_not_have_cannot_be_kept() {
    let bound = own_bound();
    let missing = [(Capabilities::SYS_RESOURCE, 24), (Capabilities::SYS_BOOT, 22), (Capabilities::SYS_MODULE, 16)];
    let missing = missing.into_iter().find(|(_, number)| bound >> number & 1 == 0);
    if !root() || !can(missing.is_some(), "a root without one of a few capabilities") {
        return;
    }
    let error = parked().keep_capabilities(missing.unwrap().0).spawn().map(|child| child.id()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EPERM));
    assert!(error.to_string().starts_with("keep_capabilities: "), "{error}");
}

#[test]
fn dropped_capabilities_are_gone_for_good() {
    if !root() {
        return;
    }
    let dropped = (Capabilities::CHOWN | Capabilities::NET_RAW).bits();
    let mut command = parked();
    let child =
        command.drop_capabilities(Capabilities::CHOWN).drop_capabilities(Capabilities::NET_RAW).spawn().unwrap();
    let rest = own_bound() & !dropped;
    let [_, permitted, effective, bound, ambient] = sets(&child);
    assert_eq!([permitted, effective, bound, ambient], [rest, rest, rest, 0]);
    let kept = Capabilities::CHOWN | Capabilities::SETUID;
    let child = parked().keep_capabilities(kept).drop_capabilities(Capabilities::CHOWN).spawn().unwrap();
    assert_eq!(sets(&child), [Capabilities::SETUID.bits(); 5], "dropping wins over keeping");
}

#[test]
fn users_come_before_the_current_directory() {
    use std::os::unix::fs::{PermissionsExt, chown};
    if !root() {
        return;
    }
    let inside = anyfork_tests::Scratch::new("order");
    let (directory, _) = inside.rsplit_once('/').unwrap();
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)).unwrap();
    // Without the capability to enter any directory, only its owner may.
    let with_user = |user| {
        let mut command = Command::new("pwd");
        command.uid(user).current_dir(directory);
        command
    };
    assert_eq!(with_user(NOBODY).spawn().map(|child| child.id()).unwrap_err().raw_os_error(), Some(libc::EACCES));
    chown(directory, Some(NOBODY), None).unwrap();
    assert_eq!(output(&mut with_user(NOBODY)).trim_end(), directory);
    assert_eq!(with_user(1).spawn().map(|child| child.id()).unwrap_err().raw_os_error(), Some(libc::EACCES));
}

/// An exec by root gives back what can be inherited (CVE-2022-24769 of others).
#[test]
fn dropped_capabilities_cannot_be_inherited() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    if !root() {
        return;
    }
    let mut own = capabilities(None).unwrap();
    own.inheritable |= CapabilitySet::CHOWN | CapabilitySet::KILL;
    set_capabilities(None, own).unwrap();
    let child = parked().drop_capabilities(Capabilities::CHOWN).spawn().unwrap();
    let has = sets(&child).map(|set| set & 1);
    assert_eq!(has, [0; 5], "CAP_CHOWN is in none of the sets");
    assert_eq!(sets(&child)[0], 1 << 5, "CAP_KILL can still be inherited");
}
