//! Hosts with process-wide state of which programs see what was declared, or that are killed.

use crate::{Outcome, entries, list, pause, say};
use anyfork::{Child, Command, Namespaces, Starting, Stdio};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, IntoRawFd, OwnedFd};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["careless"] => careless(),
        ["owner", role, witness] => owner(role, witness),
        ["signals"] => signals(),
        ["mounts"] => mounts(),
        ["groups"] => groups(),
        ["namespaces", user] => namespaces(user.parse()?),
        _ => Err("which attribute?".into()),
    }
}

/// Descriptors without close-on-exec, and eight other programs on their way when one is looked at.
fn careless() -> Outcome {
    for _ in 0..20 {
        let file = OwnedFd::from(File::open("/dev/null")?);
        rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty())?;
        let _stays_open = file.into_raw_fd();
    }
    for round in 0..10 {
        let pipes = (0..9).map(|_| std::io::pipe()).collect::<Result<Vec<_>, _>>()?;
        let start = |(_, writer): &(_, std::io::PipeWriter)| {
            let mut command = Command::new("sleep");
            command.arg("60").kill_on_drop(true).fd_at(3, writer);
            if round % 2 == 1 {
                command.pre_exec_entry(entries::nothing, [""; 0]);
            }
            command.start()
        };
        let starting: Vec<Starting<Child>> = pipes.iter().map(start).collect();
        let programs = starting.into_iter().map(Starting::wait).collect::<Result<Vec<Child>, _>>()?;
        say(&format!("programs-{round}"), list(programs.iter().map(Child::id)));
        say(
            &format!("expected-{round}"),
            list(pipes.iter().map(|(_, writer)| anyfork_tests::identity(writer.as_fd()))),
        );
        pause(&format!("look-{round}"));
    }
    Ok(())
}

/// A program that leaves a sign at SIGTERM, and ends by itself after a while.
fn owner(role: &str, witness: &str) -> Outcome {
    let script =
        "trap 'echo > $0; exit 0' TERM; echo ready; n=0; while [ $n -lt 400 ]; do sleep 0.05; n=$((n+1)); done";
    let mut command = Command::new("sh");
    command.args(["-c", script, witness]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    if role.ends_with("-in-namespace") {
        command.namespaces(Namespaces::PID);
    }
    match role.trim_end_matches("-with-entry").trim_end_matches("-in-namespace") {
        "signal" => command.parent_death_signal(libc::SIGTERM),
        "bound" => command.die_with_owner(true),
        _ => &mut command,
    };
    if role.ends_with("-with-entry") {
        command.pre_exec_entry(entries::nothing, [""; 0]);
    }
    let mut program = command.spawn()?;
    // It has set its trap.
    program.stdout.as_mut().ok_or("no pipe")?.read_exact(&mut [0; 6])?;
    say("program", program.id());
    pause("ready");
    Ok(())
}

fn set_signals(disposition: libc::sighandler_t, how: libc::c_int) {
    // SAFETY: sigemptyset initialises the set; no handler is set.
    unsafe {
        libc::signal(libc::SIGUSR1, disposition);
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGUSR2);
        libc::pthread_sigmask(how, &set, std::ptr::null_mut());
    }
}

fn signals() -> Outcome {
    set_signals(libc::SIG_IGN, libc::SIG_BLOCK);
    let status_of = |inherit: bool, with_entry: bool| -> Result<String, Box<dyn std::error::Error>> {
        let mut command = Command::new("cat");
        command.arg("/proc/self/status").inherit_signals(inherit);
        if with_entry {
            command.pre_exec_entry(entries::nothing, [""; 0]);
        }
        Ok(String::from_utf8(command.output()?.stdout)?)
    };
    for (key, inherit) in [("inherited", true), ("default", false)] {
        say(key, status_of(inherit, false)?.replace('\n', "|"));
        say(&format!("{key}-with-entry"), status_of(inherit, true)?.replace('\n', "|"));
    }
    set_signals(libc::SIG_DFL, libc::SIG_UNBLOCK);
    let now = status_of(true, false)?;
    let set = |field: &str| now.lines().find_map(|line| line.strip_prefix(field)).unwrap_or("none").trim().to_owned();
    let [ignored, blocked] = ["SigIgn:", "SigBlk:"].map(|field| u64::from_str_radix(&set(field), 16));
    say("inherited-anew", format!("{:x} {:x}", ignored? & !(3 << 31), blocked?));
    Ok(())
}

/// As a root with supplementary groups.
fn groups() -> Outcome {
    let own = [7, 8];
    // SAFETY: a list of two.
    if unsafe { libc::setgroups(own.len(), own.as_ptr()) } != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    let tell = |key: &str, declare: &dyn Fn(&mut Command) -> &mut Command| -> Outcome {
        let mut child = declare(Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null())).spawn()?;
        say(key, anyfork_tests::status(child.id(), "Groups"));
        child.wait()?;
        Ok(())
    };
    tell("nothing-declared", &|command| command)?;
    tell("user", &|command| command.uid(65534))?;
    tell("user-and-groups", &|command| command.uid(65534).groups(&[9]))?;
    tell("group", &|command| command.gid(65534))
}

/// In a mount namespace whose mounts are all shared with those made from it.
fn mounts() -> Outcome {
    // SAFETY: system calls with constant strings; this program has one thread.
    let results = unsafe {
        let root = c"/".as_ptr();
        let shared = libc::MS_REC | libc::MS_SHARED;
        [libc::unshare(libc::CLONE_NEWNS), libc::mount(root, root, root, shared, std::ptr::null())]
    };
    if results != [0, 0] {
        return Err("no mount namespace".into());
    }
    let directory = anyfork_tests::Scratch::new("mounts");
    fs::create_dir(&*directory)?;
    let seen = || fs::read_to_string("/proc/self/mountinfo").map(|text| text.matches(&*directory).count());
    let mount = |command: &mut Command| -> Result<Child, Box<dyn std::error::Error>> {
        let script = "mount -t tmpfs none $0 && echo mounted; read end";
        command.args(["-c", script, &directory]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        child.stdout.as_mut().ok_or("no pipe")?.read_exact(&mut [0; 8])?;
        Ok(child)
    };
    let private = mount(Command::new("sh").namespaces(Namespaces::MOUNT))?;
    say("inside", "mounted");
    let forked = mount(Command::new("sh").namespaces(Namespaces::MOUNT).pre_exec_entry(entries::nothing, [""; 0]))?;
    say("inside-with-entry", "mounted");
    say("outside", seen()?);
    let public = mount(&mut Command::new("sh"))?;
    say("control", seen()?);
    drop((private, forked, public));
    Command::new("umount").arg(&*directory).status()?;
    Ok(())
}

const KINDS: [&str; 7] = ["user", "pid", "mnt", "net", "uts", "ipc", "cgroup"];

/// Without privileges.
fn namespaces(user: u32) -> Outcome {
    rustix::thread::set_thread_gid(rustix::process::Gid::from_raw(user))?;
    rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(user))?;
    let output = |command: &mut Command| -> Result<String, Box<dyn std::error::Error>> {
        let output = command.namespaces(Namespaces::USER).output()?;
        Ok(String::from_utf8(output.stdout)?.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let allowed = output(&mut Command::new("true")).is_ok();
    say("allowed", allowed);
    if !allowed {
        return Ok(());
    }
    say("user", output(Command::new("sh").args(["-c", "id -u; cat /proc/self/uid_map"]))?);
    say("declared-user", output(Command::new("id").arg("-u").uid(0).gid(0))?);
    let without_pid = Namespaces::USER | Namespaces::MOUNT | Namespaces::NET | Namespaces::UTS | Namespaces::IPC;
    let without_pid = without_pid | Namespaces::CGROUP;
    let mut command = Command::new("sleep");
    command.arg("60").namespaces(without_pid | Namespaces::PID);
    let mut all = command.spawn()?;
    say("kinds", new_kinds(&all)?);
    all.kill()?;
    say("killed", all.wait()?.signal().unwrap_or(0));
    let mut forked = command.namespaces(without_pid).pre_exec_entry(entries::nothing, [""; 0]).spawn()?;
    say("kinds-with-entry", new_kinds(&forked)?);
    forked.kill()?;
    forked.wait()?;
    let script = |script: &str, more: Namespaces| {
        let mut command = Command::new("sh");
        let output = command.args(["-c", script]).namespaces(Namespaces::USER | more).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    say("number", script("echo $$", Namespaces::PID)?);
    say("hostname", script("hostname inside; hostname", Namespaces::UTS)?);
    pause("look-after");
    Ok(())
}

/// How many of the program's namespaces are not this one's. Only its own owner may look at them, which this one is.
fn new_kinds(child: &Child) -> std::io::Result<usize> {
    let link = |pid: &str, kind| fs::read_link(format!("/proc/{pid}/ns/{kind}"));
    let id = child.id().to_string();
    let differ = KINDS.map(|kind| Ok(link(&id, kind)? != link("self", kind)?));
    let differ = differ.into_iter().collect::<std::io::Result<Vec<bool>>>()?;
    Ok(differ.into_iter().filter(|differs| *differs).count())
}
