//! A template with spares goes to another program.

use super::*;
use anyfork_tests::answer;
use std::os::fd::OwnedFd;

/// Takes a template up, has spares of its own, and tells who they are: those found, those that wait, the worker.
#[anyfork::entry]
fn uses(mut socket: UnixStream, template: OwnedFd) -> Result<(), String> {
    let template = Template::from_fd(template).map_err(|error| error.to_string())?;
    let found = template.spares_waiting();
    template.spares(0..=2).map_err(|error| error.to_string())?;
    until("two wait", || template.spares_waiting() == 2);
    let worker = template.fork().blocking_socket(true).run(echo).map_err(|error| error.to_string())?;
    let text = answer(&worker);
    let code = end(&worker).code();
    writeln!(socket, "{found} {} {text} {code:?}", worker.pid()).map_err(|error| error.to_string())?;
    // Until the other end has looked.
    let _ = socket.read(&mut [0]);
    Ok(())
}

/// Of a worker that uses a template: how many it found, its worker, what that said.
fn told(worker: &Worker) -> (u32, u32, String) {
    let mut text = String::new();
    worker.socket().set_read_timeout(Some(LONG)).unwrap();
    while !text.ends_with('\n') {
        let mut octet = [0];
        worker.socket().read_exact(&mut octet).expect("it says what it found");
        text.push(octet[0].into());
    }
    let mut words = text.trim_end().splitn(3, ' ');
    let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("{text}"));
    (number(), number(), words.next().unwrap_or_default().to_owned())
}

#[test]
fn those_that_wait_end_those_that_run_go_on_and_the_new_owner_has_its_own() {
    let template = template();
    let pid = template.pid();
    template.spares(0..=4).unwrap();
    until("four wait", || template.spares_waiting() == 4);
    let spares = children(pid);
    let free = template.fork().run(idle_with_rest).unwrap();
    let sub = template.fork().template().unwrap();
    let fd = template.into_fd().unwrap();
    let left: Vec<u32> = spares.into_iter().filter(|it| ![free.pid(), sub.pid()].contains(it)).collect();
    assert_eq!(left.len(), 2);
    until("those that wait end", || left.iter().all(|pid| is_gone(*pid)));

    let user = Process::new().fd(fd).blocking_socket(true).run(uses).unwrap();
    let (found, worker, text) = told(&user);
    assert_eq!((found, text.as_str()), (0, "inherited Some(0)"));
    let mut own = children(pid);
    // An end may be told a moment before the process is waited for.
    own.retain(|pid| ![free.pid(), sub.pid()].contains(pid) && lives(*pid));
    assert_eq!(own.len(), 1, "one waits for the new owner: {own:?}");
    assert!(!left.contains(&worker));
    assert!(lives(free.pid()), "a worker of the earlier owner goes on");
    let of_sub = sub.fork().blocking_socket(true).run(echo).unwrap();
    assert_eq!(said(&of_sub), "inherited");

    drop(user);
    until("it ends with its new owner", || is_gone(pid) && own.iter().all(|pid| is_gone(*pid)));
    assert!(lives(free.pid()));
}

#[anyfork::entry]
fn idle_with_rest(mut socket: UnixStream, _rest: anyfork::Inputs) -> std::io::Result<()> {
    socket.read(&mut [0]).map(drop)
}

/// Some are not forked yet, others told and not taken in.
#[test]
fn those_that_are_on_their_way_are_nobodys() {
    for delay in [0, 0, 1, 3, 10] {
        let template = template();
        let pid = template.pid();
        template.spares(0..=16).unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        let fd = template.into_fd().unwrap();
        let user = Process::new().fd(fd).blocking_socket(true).run(uses).unwrap();
        let (found, _, text) = told(&user);
        assert_eq!((found, text.as_str()), (0, "inherited Some(0)"));
        until("only those of the new owner wait", || children(pid).len() == 1);
        drop(user);
        until("nobody is left", || is_gone(pid));
    }
}
