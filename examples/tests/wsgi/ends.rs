//! How workers, templates and the server end, and what that costs.

use super::{Server, WITHOUT_WORKERS, http};
use crate::support::{Example, ctrl_c, number_after, signal};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_crash_is_one_bad_gateway_and_a_new_worker() {
    let mut server = Server::start(1, &[]);
    let mut worker = server.workers[0];
    for (path, how) in [("/crash", "signal: 11 (SIGSEGV)"), ("/end", "exit status: 3")] {
        assert_eq!(server.client.get(path).status, 502);
        let line = server.example.line_with(" ended: ");
        assert!(line.starts_with(&format!("worker {worker} ended: {how}")), "{line}");
        let new = server.started();
        assert_ne!(new, worker);
        assert_eq!(server.client.greeter(), new);
        worker = new;
    }
    let errors = server.end().errors;
    assert!(errors.contains("wsgi: GET /crash: worker ") && errors.contains("wsgi: GET /end: worker "), "{errors}");
}

#[test]
fn a_crash_is_seen_though_a_child_of_the_worker_holds_its_socket() {
    let server = Server::start(1, &["--app", "wrong"]);
    let start = Instant::now();
    assert_eq!(server.client.get("/fork").status, 502);
    assert_eq!(server.client.get("/connection").status, 200);
    assert!(start.elapsed() < Duration::from_millis(1900), "the child had ended too: {:?}", start.elapsed());
    while server.example.processes().len() > WITHOUT_WORKERS + 1 {
        assert!(start.elapsed() < Duration::from_secs(30), "the child does not end");
        thread::sleep(Duration::from_millis(10));
    }
    assert!(server.end().errors.ends_with(" has ended\n"));
}

#[test]
fn a_worker_that_hangs_is_killed_and_replaced_when_the_time_is_over() {
    let mut server = Server::start(1, &["--timeout", "1"]);
    let hanging = server.workers[0];
    let start = Instant::now();
    thread::scope(|scope| {
        let hang = scope.spawn(|| server.client.get("/sleep"));
        thread::sleep(Duration::from_millis(200));
        // It waits for the only worker, and then gets the next one.
        assert_ne!(server.client.greeter(), hanging);
        assert_eq!(hang.join().expect("a client").status, 504);
    });
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_secs(1), "its time was not over: {elapsed:?}");
    assert!(elapsed < Duration::from_secs(3), "it was killed, and not asked to end: {elapsed:?}");
    assert_eq!(server.example.line_with(" ended: "), format!("worker {hanging} ended: signal: 9 (SIGKILL)"));
    assert_eq!(server.client.greeter(), server.started());
    let errors = server.end().errors;
    assert_eq!(errors, format!("wsgi: GET /sleep: worker {hanging} has not finished in time\n"));
}

#[test]
fn of_many_requests_exactly_those_fail_whose_own_workers_crash_or_hang() {
    const CLIENTS: usize = 16;
    const REQUESTS: usize = 400;
    let server = Server::start(3, &["--timeout", "1", "--requests", "50"]);
    let next = AtomicUsize::new(0);
    let paths = |number: usize| match number % 40 {
        7 => ("/crash", 502),
        18 => ("/end", 502),
        29 if number < 200 => ("/sleep", 504),
        33 => ("/fail", 500),
        _ => ("/", 200),
    };
    let pids: BTreeSet<u32> = thread::scope(|scope| {
        let work = || {
            let mut pids = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= REQUESTS {
                    return pids;
                }
                let (path, status) = paths(number);
                let response = server.client.get(path);
                assert_eq!((response.status, response.whole), (status, true), "request {number}, {path}");
                if status == 200 {
                    pids.push(number_after(response.text(), "worker "));
                }
            }
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(work)).collect();
        clients.into_iter().flat_map(|client| client.join().expect("a client")).collect()
    });
    assert!(pids.len() > 10, "workers were replaced: {pids:?}");
    let finished = server.end();
    let count = |text: &str| finished.lines.iter().filter(|line| line.contains(text)).count();
    let asked = |path: &str| (0..REQUESTS).filter(|number| paths(*number).0 == path).count();
    assert_eq!(count("ended: signal: 11 (SIGSEGV)"), asked("/crash"), "{:#?}", finished.lines);
    assert_eq!(count("ended: exit status: 3"), asked("/end"), "{:#?}", finished.lines);
    assert_eq!(count("ended: signal: 9 (SIGKILL)"), asked("/sleep"), "{:#?}", finished.lines);
}

#[test]
fn a_worker_that_was_killed_before_it_took_a_request_costs_none() {
    let mut server = Server::start(1, &[]);
    let mut worker = server.workers[0];
    for _ in 0..8 {
        signal(worker, Signal::KILL);
        worker = server.started();
    }
    // It is not offered to all of the dead.
    assert_eq!(server.client.greeter(), worker);
    for _ in 0..20 {
        signal(worker, Signal::KILL);
        // It may be offered to the one that is dead.
        let new = server.client.greeter();
        assert_ne!(new, worker);
        assert_eq!(server.started(), new);
        worker = new;
    }
    // While it hangs it has taken none, nor has it when it is killed then.
    signal(worker, Signal::STOP);
    thread::scope(|scope| {
        let client = scope.spawn(|| server.client.post("/echo", b"untouched"));
        thread::sleep(Duration::from_millis(300));
        signal(worker, Signal::KILL);
        assert_eq!(client.join().expect("a client").body, b"untouched");
    });
    // A worker may have been killed when the client had all of the answer, and the server not its end.
    let errors = server.end().errors;
    assert!(errors.lines().all(|line| line.starts_with("wsgi: GET /: ") && line.ends_with(" has ended")), "{errors}");
}

#[test]
fn a_killed_template_takes_its_workers_with_it_and_another_one_is_made() {
    let mut server = Server::start(2, &[]);
    thread::scope(|scope| {
        let client = scope.spawn(|| server.client.get("/sleep"));
        thread::sleep(Duration::from_millis(300));
        signal(server.template, Signal::KILL);
        assert_eq!(client.join().expect("a client").status, 502, "its worker was killed");
    });
    let template = number_after(&server.example.line_with("template "), "template ");
    assert_ne!(template, server.template);
    let mut new = vec![server.started(), server.started()];
    new.sort_unstable();
    let greeter = server.client.greeter();
    assert!(new.contains(&greeter), "{greeter} of {new:?}");
    assert!(!server.workers.contains(&greeter), "{greeter} of {:?}", server.workers);
    let mut expected = [server.example.pid(), template, new[0], new[1]].to_vec();
    expected.retain(|pid| !server.example.processes().contains(pid));
    assert_eq!(expected, [0; 0], "they are all there");
    let errors = server.end().errors;
    assert!(errors.starts_with("wsgi: GET /sleep: worker ") && errors.ends_with(" has ended\n"), "{errors}");
}

#[test]
fn a_worker_is_replaced_when_it_has_had_so_many_requests() {
    let mut server = Server::start(1, &["--requests", "3"]);
    let mut worker = server.workers[0];
    for _ in 0..3 {
        for kept in 1..=3 {
            let response = server.client.get("/grow");
            assert_eq!(response.text(), format!("worker {worker} keeps {kept} MB\n"));
        }
        assert_eq!(server.example.line_with(" ended: "), format!("worker {worker} ended: exit status: 0"));
        worker = server.started();
    }
    server.end_quietly();
}

#[test]
fn requests_that_find_no_worker_are_refused() {
    let server = Server::start(1, &["--queue", "1", "--wait", "1"]);
    thread::scope(|scope| {
        let slow = scope.spawn(|| server.client.get("/sleep?seconds=3").status);
        thread::sleep(Duration::from_millis(300));
        let waiting = scope.spawn(|| server.client.get("/").status);
        thread::sleep(Duration::from_millis(300));
        let start = Instant::now();
        assert_eq!(server.client.get("/").status, 503);
        assert!(start.elapsed() < Duration::from_millis(600), "it was to be refused at once");
        assert_eq!(waiting.join().expect("a client"), 503);
        assert_eq!(slow.join().expect("a client"), 200);
    });
    let errors = server.end().errors;
    assert_eq!(errors, "wsgi: GET /: too many requests wait\nwsgi: GET /: no worker was free in time\n");
}

/// Ends a server in the middle of two requests, one of which waits for the worker that has the other.
fn end_in_the_middle(end: impl Fn(&Example)) {
    let server = Server::start(1, &[]);
    let Server { example, client, .. } = server;
    let ask = |path: &'static str| {
        let client = client.clone();
        thread::spawn(move || client.get(path))
    };
    let slow = ask("/sleep?seconds=0.7");
    thread::sleep(Duration::from_millis(200));
    let waiting = ask("/");
    thread::sleep(Duration::from_millis(200));
    end(&example);
    // This fails if anybody is there a second later.
    let lines = example.finish_well();
    assert_eq!(slow.join().expect("a client").status, 200);
    assert_eq!(waiting.join().expect("a client").status, 200);
    assert!(lines.contains(&format!("worker {} ended: exit status: 0", server.workers[0])), "{lines:#?}");
    assert_eq!(lines.last().map(String::as_str), Some("ended"));
}

#[test]
fn sigterm_ends_all_when_requests_are_answered() {
    end_in_the_middle(|example| signal(example.pid(), Signal::TERM));
}

#[test]
fn ctrl_c_reaches_workers_too_and_they_end_when_requests_are_answered() {
    end_in_the_middle(ctrl_c);
}

#[test]
fn a_signal_to_all_processes_at_once_ends_them_as_gently() {
    end_in_the_middle(|example| example.processes().into_iter().for_each(|pid| signal(pid, Signal::TERM)));
}

#[test]
fn the_end_waits_no_longer_than_a_request_may_take_and_a_second_signal_ends_at_once() {
    for signals in [1, 2] {
        let server = Server::start(1, &["--timeout", "2"]);
        // It never says the rest of its head.
        let _endless = std::net::TcpStream::connect(&server.client.0).and_then(|mut client| {
            std::io::Write::write_all(&mut client, b"GET / HTTP/1.1\r\n")?;
            Ok(client)
        });
        server.client.greeter();
        let Server { mut example, .. } = server;
        let start = Instant::now();
        signal(example.pid(), Signal::TERM);
        example.line_with("a signal: ending");
        if signals == 2 {
            signal(example.pid(), Signal::TERM);
        }
        let lines = example.finish_well();
        let last = lines.last().map_or("", String::as_str);
        let expected = if signals == 1 { "ended" } else { "a second signal: ended by force" };
        assert_eq!(last, expected);
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(start.elapsed() >= Duration::from_millis(1900), signals == 1, "{:?}", start.elapsed());
    }
}

#[test]
fn a_killed_server_leaves_nobody() {
    let server = Server::start(3, &[]);
    assert_eq!(server.example.processes().len(), WITHOUT_WORKERS + 3);
    let _client = http::begin(&server.client.0, "GET", "/sleep", &[]);
    thread::sleep(Duration::from_millis(200));
    signal(server.example.pid(), Signal::KILL);
    // This fails if anybody is there a second later.
    assert_eq!(server.example.finish().status.code(), None);
}

#[test]
fn an_application_that_cannot_be_imported_is_an_error_with_its_traceback() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("write a module");
    write("fails.py", "def f():\n    raise KeyError('nobody')\n\nf()\n");
    write(
        "threads.py",
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n",
    );
    write("exits.py", "import sys\nsys.exit('not today')\n");
    let here = directory.path().to_str().expect("text");
    for (args, expected) in [
        (&["--app", "nowhere"][..], &["wsgi: import nowhere: No module named 'nowhere'"][..]),
        (
            &["--app", "fails"],
            &["Traceback (most recent call last):", "fails.py\", line 2, in f", "KeyError: 'nobody'"],
        ),
        (&["--app", "exits:application"], &["import exits", "not today"]),
        (&["--app", "os:nothing"], &["module 'os' has no attribute 'nothing'"]),
        (&["--app", "os:name"], &["TypeError: name is no application"]),
        (&["--app", "threads:time.sleep"], &["2 threads"]),
        (&["--python", "/no/such/python"], &["/no/such/python", "No such file or directory"]),
    ] {
        let finished = Example::start("wsgi", &[&["--directory", here], args].concat()).finish();
        assert_eq!(finished.status.code(), Some(1), "{args:?}: {}", finished.errors);
        for text in expected {
            assert!(finished.errors.contains(text), "{args:?}: {text:?} in {}", finished.errors);
        }
        assert_eq!(finished.lines, [""; 0], "{args:?}");
    }
    let finished = Example::start("wsgi", &["--directory", "no/such/directory"]).finish();
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.errors.contains("\"no/such/directory\": No such file or directory"), "{}", finished.errors);
}

#[test]
fn wrong_arguments_are_refused() {
    for args in [["--workers", "0"], ["--timeout", "0"], ["--queue", "0"], ["--requests", "0"], ["--port", "-1"]] {
        let finished = Example::start("wsgi", &args).finish();
        assert_eq!(finished.status.code(), Some(2), "{args:?}");
        assert!(finished.errors.starts_with("error: "), "{args:?}: {}", finished.errors);
    }
}
