//! Nobody else can connect to a socket of anyfork's.

use anyfork::Process;
use anyfork_tests::children;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::net::{UnixListener, UnixStream};

/// The Unix sockets of a process, each with its name in the file system or beside it.
fn sockets(pid: u32) -> Vec<Option<String>> {
    let table = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap();
    let names: BTreeMap<&str, Option<&str>> = table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(6);
            Some((fields.next()?, fields.next()))
        })
        .collect();
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let links = files.filter_map(|file| fs::read_link(file.path()).ok()?.to_str().map(str::to_owned));
    let inodes = links.filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()));
    inodes.filter_map(|inode| names.get(inode.as_str()).map(|name| name.map(str::to_owned))).collect()
}

#[anyfork::entry]
fn wait(mut socket: UnixStream) {
    let _ = socket.read(&mut [0]);
}

#[test]
fn sockets_have_no_names() {
    let template = Process::new().template().unwrap();
    template.spares(1..=2).unwrap();
    let workers = [Process::new(), template.fork(), Process::exec()].map(|process| process.run(wait).unwrap());
    let mut pids = vec![std::process::id(), children(std::process::id())[0], template.pid()];
    pids.extend(workers.iter().map(anyfork::Worker::pid));
    for pid in pids {
        let sockets = sockets(pid);
        assert!(!sockets.is_empty() && sockets.iter().all(Option::is_none), "{pid}: {sockets:?}");
    }
    // The control.
    let named = anyfork_tests::Scratch::new("named");
    let _listener = UnixListener::bind(&*named).unwrap();
    assert!(sockets(std::process::id()).contains(&Some(named.to_owned())));
}
