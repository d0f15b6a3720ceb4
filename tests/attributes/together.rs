//! All attributes in one command.

use super::commands::{Cgroup, compile, compiler, proc_link, root, stat_field};
use super::confinement::{has_landlock, no_mkdir, reading_below};
use super::descriptors::has_exactly;
use anyfork::{Capabilities, Child, Command, Limit, Namespaces, Stdio};
use anyfork_tests::{Scratch, descriptors, identity, status};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{PipeReader, Read, pipe};

#[anyfork::entry]
fn nothing() {}

/// Tells what it may do, and stays until the end of its input.
const PROBE: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int count, char **arguments) {
    char path[4096], octet;
    printf("%s %s %s", getcwd(path, sizeof path), arguments[0], getenv("MARK"));
    printf(" %d", mkdir("made", 0777) ? errno : 0);
    printf(" %d", open("written", O_CREAT | O_WRONLY, 0666) < 0 ? errno : 0);
    printf(" %d\n", count);
    fflush(stdout);
    while (read(0, &octet, 1) > 0) {}
    return 17;
}
"#;

/// A root directory with the probe, in which everybody may write.
fn prison() -> Scratch {
    use std::os::unix::fs::PermissionsExt;
    let prison = Scratch::new("all");
    fs::create_dir_all(format!("{}/inner", &*prison)).unwrap();
    fs::set_permissions(format!("{}/inner", &*prison), fs::Permissions::from_mode(0o777)).unwrap();
    compile(&format!("{}/probe", &*prison), PROBE);
    prison
}

/// All that can be declared at once.
fn everything(prison: &str, group: &Cgroup, given: &PipeReader) -> Command {
    let mut command = Command::new("probe");
    command.arg0("another name").args(["a", "b"]).env_clear().env("PATH", "/nope:/").env("MARK", "mark");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    command.fd_at(5, given).fd_at(3, given).cgroup(group.path()).setsid(true).process_group(0);
    command.rlimit(Limit::Nofile, 77, 78).rlimit(Limit::Core, 0, 0).nice(3).cpu_affinity([first_cpu()]);
    command.oom_score_adj(321).umask(0o031).chroot(prison).current_dir("/inner");
    command.uid(65534).gid(65533).groups(&[5, 6]);
    command.keep_capabilities(Capabilities::CHOWN | Capabilities::KILL).drop_capabilities(Capabilities::KILL);
    command.landlock(reading_below(&[prison])).seccomp(&no_mkdir());
    command.inherit_signals(true).adopt_orphans(true).parent_death_signal(libc::SIGTERM);
    command
}

fn first_cpu() -> usize {
    let list = status(std::process::id(), "Cpus_allowed_list");
    list.split([',', '-']).next().unwrap().parse().unwrap()
}

fn is_everything(child: &mut Child, prison: &str, group: &Cgroup, given: &PipeReader, new: &[&str]) {
    let id = child.id();
    let mut told = vec![0; 200];
    let length = child.stdout.as_mut().unwrap().read(&mut told).unwrap();
    let told = String::from_utf8_lossy(&told[..length]);
    assert_eq!(told, format!("/inner another name mark {} {} 3\n", libc::EPERM, libc::EACCES));
    let table = fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
    assert!(table.lines().any(|line| line.split_whitespace().eq("Max open files 77 78 files".split(' '))), "{table}");
    assert_eq!(
        [5, 6, 19].map(|field| stat_field(id, field)),
        [i64::from(id), i64::from(id), 3],
        "group, session, nice"
    );
    assert_eq!(status(id, "Cpus_allowed_list"), first_cpu().to_string());
    assert_eq!(fs::read_to_string(format!("/proc/{id}/oom_score_adj")).unwrap(), "321\n");
    assert_eq!(status(id, "Umask"), "0031");
    assert_eq!(proc_link(id, "root").to_str(), Some(prison));
    assert_eq!(status(id, "Uid"), ["65534"; 4].join("\t"));
    assert_eq!(status(id, "Gid"), ["65533"; 4].join("\t"));
    assert_eq!(status(id, "Groups"), "5 6");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(id, set), "0000000000000001", "{set}");
    }
    assert_eq!([status(id, "NoNewPrivs"), status(id, "Seccomp")], ["1", "2"]);
    assert!(group.has(id));
    for kind in ["pid", "mnt", "net", "uts", "ipc"] {
        let is_new = proc_link(id, &format!("ns/{kind}")) != proc_link(std::process::id(), &format!("ns/{kind}"));
        assert_eq!(is_new, new.contains(&kind), "{kind}");
    }
    let mut expected: BTreeMap<u32, String> = [3, 5].map(|number| (number, identity(given))).into();
    let own = descriptors(id);
    expected.extend([0, 1].map(|number| (number, own[&number].clone())));
    expected.insert(2, identity(File::open("/dev/null").unwrap()));
    has_exactly(child, &expected);
    assert_eq!(child.wait().unwrap().code(), Some(17));
}

fn all_there() -> Option<(Scratch, Cgroup, PipeReader)> {
    if !root() || !compiler() || !has_landlock() {
        return None;
    }
    Some((prison(), Cgroup::unified().or_else(Cgroup::pids)?, pipe().unwrap().0))
}

#[test]
fn everything_at_once() {
    let Some((prison, group, given)) = all_there() else { return };
    let mut command = everything(&prison, &group, &given);
    for _ in 0..2 {
        is_everything(&mut command.spawn().unwrap(), &prison, &group, &given, &[]);
    }
    command.namespaces(Namespaces::PID | Namespaces::MOUNT | Namespaces::NET | Namespaces::UTS | Namespaces::IPC);
    let mut child = command.spawn().unwrap();
    assert_eq!(status(child.id(), "NSpid").split_whitespace().last(), Some("1"));
    is_everything(&mut child, &prison, &group, &given, &["pid", "mnt", "net", "uts", "ipc"]);
}

#[test]
fn everything_at_once_with_an_entry() {
    let Some((prison, group, given)) = all_there() else { return };
    let mut command = everything(&prison, &group, &given);
    command.pre_exec_entry(nothing, [""; 0]);
    for _ in 0..2 {
        is_everything(&mut command.spawn().unwrap(), &prison, &group, &given, &[]);
    }
    command.namespaces(Namespaces::MOUNT | Namespaces::NET | Namespaces::UTS | Namespaces::IPC);
    is_everything(&mut command.spawn().unwrap(), &prison, &group, &given, &["mnt", "net", "uts", "ipc"]);
}
