//! A host in surroundings that are not as usual.

use crate::namespace::as_number_one_with_proc_of_another;
use crate::{Outcome, entries, say};
use anyfork::{Command, Process, Stdio, Template};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["no-proc"] => without_proc(),
        ["foreign-proc"] => as_number_one_with_proc_of_another(with_foreign_proc),
        _ => Err("which surroundings?".into()),
    }
}

fn shown<T>(result: anyfork::Result<T>) -> String {
    result.map_or_else(|error| format!("{:?} {error}", error.kind()), |_| "none".into())
}

/// Nothing of it can be had: another file system hides it.
fn without_proc() -> Outcome {
    // SAFETY: numbers and constant strings; this program has one thread.
    unsafe {
        let (none, root, proc, kind) = (std::ptr::null(), c"/".as_ptr(), c"/proc".as_ptr(), c"tmpfs".as_ptr());
        assert_eq!(libc::unshare(libc::CLONE_NEWNS), 0);
        assert_eq!(libc::mount(none, root, none, libc::MS_REC | libc::MS_PRIVATE, none.cast()), 0);
        assert_eq!(libc::mount(kind, proc, kind, 0, none.cast()), 0);
    }
    assert!(!std::path::Path::new("/proc/self").exists());
    say("worker", shown(Process::new().run(entries::nothing)));
    say("template", shown(Process::new().template()));
    say("program", shown(Command::new("true").status()));
    let here = anyfork::template_here()?;
    all_work("here", &here)?;
    anyfork::early()?;
    assert_eq!(Process::new().arg(3).run(entries::exit_with)?.wait()?.code(), Some(3));
    assert!(Command::new("true").status()?.success());
    all_work("early", &Process::new().template()?)?;
    say("exec", shown(Process::exec().run(entries::nothing)));
    tree()
}

fn tree() -> Outcome {
    let tree = Command::new("sleep").arg("60").kill_on_drop(true).spawn()?;
    say("tree", shown(tree.kill_tree()));
    assert!(tree.try_wait()?.is_none());
    Ok(())
}

/// Its numbers are those of another namespace, where others have the numbers of ours.
fn with_foreign_proc() -> Outcome {
    assert_ne!(std::fs::read_link("/proc/self")?.to_str(), Some("1"));
    assert_eq!(Process::exec().arg(3).run(entries::exit_with)?.wait()?.code(), Some(3));
    let template = Process::new().template()?;
    all_work("new", &template)?;
    let free = template.fork().blocking_socket(true).run(entries::park)?;
    signal_own(template.pid())?;
    crate::release(&free, 9);
    assert_eq!(free.wait()?.code(), Some(9));
    tree()
}

fn signal_own(pid: u32) -> Outcome {
    let pid = rustix::process::Pid::from_raw(pid as i32).ok_or("no number")?;
    Ok(rustix::process::kill_process(pid, rustix::process::Signal::KILL)?)
}

fn all_work(key: &str, template: &Template) -> Outcome {
    assert_eq!(template.fork().arg(5).run(entries::exit_with)?.wait()?.code(), Some(5));
    let below = template.fork().call(entries::nothing, [""; 0]).template()?;
    assert_eq!(below.fork().arg(6).run(entries::exit_with)?.wait()?.code(), Some(6));
    let mut command = template.command("sh");
    let output = command.args(["-c", "echo $0; exit 7", "well"]).current_dir("/").stdin(Stdio::null()).output()?;
    assert_eq!((output.status.code(), &*output.stdout), (Some(7), &b"well\n"[..]));
    template.spares(1..=2)?;
    assert!(template.fork().run(entries::nothing)?.wait()?.success());
    say(key, "works");
    Ok(())
}
