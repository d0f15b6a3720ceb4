//! Every kind of start.

use crate::entries;
use anyfork::{Capabilities, Command, Limit, Namespaces, Process, PtySize, Stdio};
use std::io::Read;

type Outcome = Result<(), String>;

/// Starts something, and says whether that ended well.
type Start = fn() -> anyfork::Result<bool>;

/// Starts and ends a process in each way that there is. The text of an error says which failed.
pub(crate) fn all_kinds() -> Outcome {
    let kinds: [(&str, Start); 9] = [
        ("command", || succeeds(&mut Command::new("true"))),
        ("all attributes", || succeeds(with_attributes(&mut Command::new("true")))),
        ("all of root's attributes", || succeeds(with_privileges(with_attributes(&mut Command::new("true"))))),
        ("entry", || succeeds(Command::new("true").pre_exec_entry(entries::nothing, [""; 0]))),
        ("output", || Ok(Command::new("echo").arg("text").output()?.stdout == b"text\n")),
        ("pty", pty),
        ("process", || Ok(Process::new().arg(0).run(entries::exit_with)?.wait()?.success())),
        ("exec", || Ok(Process::exec().arg(0).run(entries::exit_with)?.wait()?.success())),
        ("template", template),
    ];
    for (kind, start) in kinds {
        match start() {
            Ok(true) => {}
            Ok(false) => return Err(format!("{kind}: it ended otherwise")),
            Err(error) => return Err(format!("{kind}: {error}")),
        }
    }
    Ok(())
}

fn succeeds(command: &mut Command) -> anyfork::Result<bool> {
    Ok(command.status()?.success())
}

fn with_attributes(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).fd_at(7, std::io::stderr()).setsid(true).process_group(0).umask(0o22);
    command.rlimit(Limit::Core, 0, 0).nice(5).cpu_affinity(0..64).oom_score_adj(500).current_dir("/");
    command.no_new_privs(true).inherit_signals(true).adopt_orphans(true).parent_death_signal(15).env("A", "1")
}

/// What takes root, if this is root.
fn with_privileges(command: &mut Command) -> &mut Command {
    if !rustix::process::geteuid().is_root() {
        return command;
    }
    command.uid(65534).gid(65534).groups(&[1]).chroot("/").keep_capabilities(Capabilities::CHOWN);
    command.namespaces(Namespaces::MOUNT | Namespaces::UTS)
}

fn pty() -> anyfork::Result<bool> {
    let mut child = Command::new("tty").pty(PtySize::default()).spawn()?;
    let mut text = String::new();
    let read = child.pty.as_mut().map(|pty| pty.read_to_string(&mut text));
    Ok(child.wait()?.success() && matches!(read, Some(Ok(_))) && text.starts_with("/dev/"))
}

fn template() -> anyfork::Result<bool> {
    let template = Process::new().template()?;
    let worker = template.fork().arg(0).run(entries::exit_with)?.wait()?.success();
    let nested = template.fork().template()?;
    let with_entry = succeeds(nested.command("true").pre_exec_entry(entries::nothing, [""; 0]))?;
    Ok(worker && with_entry && succeeds(&mut nested.command("true"))? && succeeds(&mut template.command("true"))?)
}
