//! Starts of programs by a host that may not do what it asks for, or has no room for it.

use crate::limits::limit_processes;
use crate::{Outcome, entries, pause, say};
use anyfork::{Capabilities, Child, Command, Limit, Namespaces, Process, PtySize, Stdio};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) fn run(arguments: &[&str]) -> Outcome {
    match arguments {
        ["unprivileged", user] => unprivileged(user.parse()?),
        ["processes", user] => processes(user.parse()?),
        ["host-descriptors"] => host_descriptors(),
        _ => Err("which bad command?".into()),
    }
}

fn become_user(user: u32) -> Outcome {
    Ok(rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(user))?)
}

/// `kind errno text` of an error, `none` without one. A program that was started must also end well.
fn shown(result: anyfork::Result<Child>) -> String {
    match result.and_then(|mut child| child.wait()) {
        Ok(status) => {
            if status.success() {
                "none".into()
            } else {
                format!("{status:?}")
            }
        }
        Err(error) => format!("{:?} {} {error}", error.kind(), error.raw_os_error().unwrap_or(0)),
    }
}

fn unprivileged(user: u32) -> Outcome {
    become_user(user)?;
    let try_with = |key: &str, declare: &dyn Fn(&mut Command) -> &mut Command| {
        let mut command = Command::new("true");
        say(key, shown(declare(&mut command).spawn()));
    };
    let most = getrlimit(Resource::Nproc).maximum.unwrap_or(u64::MAX - 1);
    try_with("uid", &|command| command.uid(1));
    try_with("gid", &|command| command.gid(1));
    try_with("groups", &|command| command.groups(&[1]));
    try_with("chroot", &|command| command.chroot("/"));
    try_with("nice", &|command| command.nice(-5));
    try_with("oom_score_adj", &|command| command.oom_score_adj(-5));
    try_with("rlimit", &|command| command.rlimit(Limit::Nproc, 1, most + 1));
    try_with("keep_capabilities", &|command| command.keep_capabilities(Capabilities::CHOWN));
    try_with("drop_capabilities", &|command| command.drop_capabilities(Capabilities::CHOWN));
    try_with("namespaces", &|command| command.namespaces(Namespaces::NET));
    try_with("process_group", &|command| command.process_group(1));
    pause("look-after");
    Ok(())
}

/// As a user whom the limit concerns. Limits of another process of the same user may be set without privileges.
fn processes(user: u32) -> Outcome {
    become_user(user)?;
    let template = Process::new().template()?;
    // After one start each it has closed what it had open while it got ready.
    say("first", shown(template.command("true").spawn()));
    say("first", shown(Command::new("true").spawn()));
    say("template", template.pid());
    let templates = [template.pid(), anyfork_tests::children(std::process::id())[0]];
    pause("look-before");
    let usual = getrlimit(Resource::Nproc).current;
    limit_processes(templates, Some(1))?;
    say("plain", shown(template.command("true").spawn()));
    say("with-entry", shown(template.command("true").pre_exec_entry(entries::nothing, [""; 0]).spawn()));
    say("default", shown(Command::new("true").stdin(Stdio::piped()).spawn()));
    say("pty", shown(Command::new("true").pty(PtySize::default()).spawn()));
    pause("look-after");
    limit_processes(templates, usual)?;
    say("template-again", shown(template.command("true").spawn()));
    say("default-again", shown(Command::new("true").spawn()));
    Ok(())
}

fn host_descriptors() -> Outcome {
    // The default template would keep the limit under which it was started.
    say("first", shown(Command::new("true").spawn()));
    sweep("plain", |command| command)?;
    sweep("with-entry", |command| command.pre_exec_entry(entries::nothing, [""; 0]))?;
    sweep("pty", |command| command.pty(PtySize::default()))?;
    sweep("pipes", |command| command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    pause("done");
    Ok(())
}

/// Starts with room for no descriptor, one, two, and so on.
fn sweep(key: &str, declare: impl Fn(&mut Command) -> &mut Command) -> Outcome {
    let usual = getrlimit(Resource::Nofile);
    let most = usual.maximum;
    let start = || shown(declare(Command::new("true").rlimit(Limit::Nofile, 64, most)).spawn());
    let open = anyfork_tests::descriptors(std::process::id());
    let first_free = (0..).find(|number| !open.contains_key(number)).unwrap_or(0);
    let mut results = Vec::new();
    for room in 0..20 {
        setrlimit(Resource::Nofile, Rlimit { current: Some(u64::from(first_free + room)), ..usual })?;
        let result = start();
        setrlimit(Resource::Nofile, usual)?;
        results.push(result);
    }
    say(key, results.join("|"));
    say(&format!("{key}-again"), start());
    let before = anyfork_tests::descriptors(std::process::id());
    start();
    say(&format!("{key}-left"), anyfork_tests::descriptors(std::process::id()).len() - before.len());
    Ok(())
}
