//! anyfork leaves no trace in the program that uses it, can be used in a worker again, and its handles are inert in a fork.

use anyfork_tests::{LONG, host, within};

#[test]
fn a_host_gets_no_thread_no_handler_and_one_child() {
    let mut host = host!("purity", "traces");
    let before = host.fact("before");
    assert!(before.starts_with("1 "), "the host should begin with one thread: {before}");
    assert_eq!(host.fact("during"), before);
    assert_eq!(host.fact("after"), before);
    assert_eq!(host.number("children"), 1);
    host.finish();
}

/// Nobody but those who were given an end can talk to a template.
#[test]
fn no_socket_has_a_name() {
    let mut host = host!("owner", &anyfork_tests::Scratch::new("sockets"), "plain");
    host.fact("ready");
    let sockets = std::fs::read_to_string("/proc/net/unix").unwrap();
    let inode_of_named = |line: &str| {
        let mut fields = line.split_whitespace().skip(6).map(str::to_owned);
        fields.next().zip(fields.next()).map(|(inode, _name)| inode)
    };
    let named: Vec<String> = sockets.lines().skip(1).filter_map(inode_of_named).collect();
    let family = host.family();
    assert!(family.len() > 10, "{family:?}");
    for pid in family {
        let files = anyfork_tests::open_files(pid).into_iter();
        for socket in files.filter(|file| file.starts_with("14:")) {
            let inode = socket.rsplit(':').next().unwrap();
            assert!(!named.iter().any(|named| named == inode), "{}: {inode}", anyfork_tests::title(pid));
        }
    }
    host.go();
    host.finish();
}

fn works_in_a_worker(origin: &str) {
    let mut host = host!("purity", "recursive", origin);
    assert_eq!(host.number("code"), 3);
    host.fact("done");
    within(LONG, "the workers' templates end with them", || (host.family().len() <= 3).then_some(()));
    within(LONG, "no zombies are left", || host.zombies().is_empty().then_some(()));
    host.go();
    host.finish();
}

#[test]
fn a_worker_starts_workers_of_its_own() {
    works_in_a_worker("default");
}

#[test]
fn a_worker_of_a_nested_template_starts_workers_of_its_own() {
    works_in_a_worker("nested");
}

#[test]
fn a_fresh_exec_starts_workers_of_its_own() {
    works_in_a_worker("exec");
}

#[test]
fn a_worker_of_an_early_template_starts_workers_of_its_own() {
    works_in_a_worker("early");
}

#[test]
fn handles_in_a_fork_of_the_program_are_inert() {
    are_inert(host!("foreign"));
}

/// Both are number 1, each in a namespace of its own.
#[test]
fn handles_in_a_fork_with_the_number_of_the_program_are_inert() {
    if rustix::process::geteuid().is_root() {
        are_inert(host!("foreign", "same-number"));
    } else {
        anyfork_tests::skipped("it takes root to make namespaces");
    }
}

fn are_inert(mut host: anyfork_tests::Host) {
    for what in ["wait", "try_wait", "exited", "signal", "kill", "fork", "start", "prepared"] {
        assert_eq!(host.fact(what), "foreign", "{what}");
    }
    assert_eq!(host.fact("own"), "exit status: 8");
    assert_eq!(host.fact("lives"), "true");
    assert_eq!((host.number("code-4"), host.number("code-5")), (4, 5));
    for what in ["forks", "started", "ran"] {
        assert_eq!(host.fact(what), "worked", "{what}");
    }
    host.finish();
}

#[test]
fn a_program_whose_binary_was_deleted_starts_processes_of_its_own_build() {
    let copy = anyfork_tests::Scratch::new("deleted");
    std::fs::copy(env!("CARGO_BIN_EXE_host"), &*copy).unwrap();
    let mut host = anyfork_tests::Host::start(anyfork_tests::Host::command(&copy, &["purity", "recursive", "exec"]));
    std::fs::remove_file(&*copy).unwrap();
    assert_eq!(host.number("code"), 3);
    host.fact("done");
    host.go();
    host.finish();
}
