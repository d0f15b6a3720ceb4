//! How scripts end: by their time, their client, the server; and how many run at the same time.

use super::http::{Client, Response};
use super::{LONG, Server, WITHOUT_SCRIPTS, parts};
use crate::support::{Example, ctrl_c, signal};
use rustix::process::Signal;
use std::path::Path;
use std::thread;

/// Has a child, and never ends.
const FAMILY: &str = "#!/bin/sh\nsleep 1000 &\nprintf 'Content-Type: text/plain\n\nstarted\n'\nwait\n";

#[test]
fn a_script_that_hangs_before_its_header_is_a_gateway_timeout() {
    let server = Server::start(&["--limit", "1"]);
    assert_eq!(server.get("/cgi-bin/hang.sh").status, 504);
    server.await_processes(WITHOUT_SCRIPTS, LONG);
    assert!(server.end().contains("the script did not answer in time"));
}

#[test]
fn a_script_that_hangs_or_dies_in_its_body_has_its_connection_cut() {
    let server = Server::start(&["--limit", "2"]);
    let response = server.get("/cgi-bin/hang.sh?later");
    assert_eq!((response.status, response.whole), (200, false));
    server.script("dies", "#!/bin/sh\nprintf 'Content-Type: text/plain\n\nhalf'\nkill -9 $$\n");
    let response = server.get("/cgi-bin/dies");
    assert_eq!((response.status, response.whole), (200, false));
    // The last that it said may be lost with the connection.
    assert!("half".starts_with(response.text()), "{response:?}");
    server.await_processes(WITHOUT_SCRIPTS, LONG);
    let errors = server.end();
    assert!(errors.contains("its time was over") && errors.contains("signal: 9 (SIGKILL)"), "{errors}");
}

#[test]
fn a_client_that_goes_away_takes_its_script_and_the_children_of_that_with_it() {
    // Their time must not be over before.
    let server = Server::start(&["--limit", "600"]);
    server.script("family", FAMILY);
    let mut client = server.send("GET", "/cgi-bin/family", &[], b"");
    client.head();
    assert_eq!(client.chunk().as_deref(), Some(&b"started\n"[..]));
    server.await_processes(WITHOUT_SCRIPTS + 2, LONG);
    drop(client);
    server.await_processes(WITHOUT_SCRIPTS, LONG);

    let client = server.send("GET", "/cgi-bin/hang.sh", &[], b"");
    server.await_processes(WITHOUT_SCRIPTS + 1, LONG);
    drop(client);
    server.await_processes(WITHOUT_SCRIPTS, LONG);
    assert_eq!(server.end(), "");
}

#[test]
fn fifty_requests_at_the_same_time_are_all_answered() {
    let server = Server::start(&[]);
    // All are sent before the first answer is read.
    let ask = |number| server.send("GET", &format!("/cgi-bin/hello.sh?{number}"), &[], b"");
    let clients: Vec<Client> = (0..50).map(ask).collect();
    let answers: Vec<Response> = clients.into_iter().map(|mut client| client.response()).collect();
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!((answer.status, answer.whole), (200, true));
        assert_eq!(parts(answer).1["QUERY_STRING"], number.to_string());
    }
    server.await_processes(WITHOUT_SCRIPTS, LONG);
    assert_eq!(server.end(), "");
}

#[test]
fn a_request_beyond_the_queue_is_refused_and_one_in_it_waits() {
    let server = Server::start(&["--at-once", "1", "--queue", "1"]);
    let mut running = server.send("GET", "/cgi-bin/hang.sh?later", &[], b"");
    running.head();
    let mut waiting = server.send("GET", "/cgi-bin/hello.sh", &[], b"");
    // Which of two more requests has the place in the queue is not known, but one of them is refused at once.
    let mut other = server.send("GET", "/cgi-bin/hello.sh", &[], b"");
    let first_of_both = thread::scope(|scope| {
        let (sender, receiver) = std::sync::mpsc::channel();
        for client in [&mut waiting, &mut other] {
            let sender = sender.clone();
            scope.spawn(move || sender.send(client.response().status));
        }
        let first = receiver.recv_timeout(LONG).expect("an answer");
        drop(running);
        [first, receiver.recv_timeout(LONG).expect("another answer")]
    });
    assert_eq!(first_of_both, [503, 200]);
    assert!(server.end().contains("503 Service Unavailable: too many scripts run"));
}

#[test]
fn ctrl_c_ends_the_server_and_its_scripts_with_their_children() {
    let server = Server::start(&[]);
    server.script("family", FAMILY);
    let clients = ["GET", "HEAD"].map(|method| {
        let mut client = server.send(method, "/cgi-bin/family", &[], b"");
        client.head();
        client
    });
    let _before = server.send("GET", "/cgi-bin/hang.sh", &[], b"");
    server.await_processes(WITHOUT_SCRIPTS + 2 + 2 + 1, LONG);
    ctrl_c(&server.example);
    let lines = server.example.finish_well();
    assert_eq!(lines.last().map(String::as_str), Some("ended"));
    drop(clients);
}

#[test]
fn a_killed_server_leaves_no_script() {
    let server = Server::start(&[]);
    let mut later = server.send("GET", "/cgi-bin/hang.sh?later", &[], b"");
    later.head();
    let _before = server.send("GET", "/cgi-bin/hang.sh", &[], b"");
    server.await_processes(WITHOUT_SCRIPTS + 2, LONG);
    signal(server.example.pid(), Signal::KILL);
    // This fails if anybody is there a second later.
    assert_eq!(server.example.finish().status.code(), None);
}

#[test]
fn in_a_namespace_not_even_the_children_of_a_script_outlive_a_killed_server() {
    if let Err(error) = anyfork::Command::new("/bin/true").namespaces(anyfork::Namespaces::PID).status() {
        return eprintln!("skipped: {error}");
    }
    let server = Server::start(&["--namespace"]);
    let text = "#!/bin/sh\nsetsid sleep 1000 &\nprintf 'Content-Type: text/plain\n\n%s\n' $$\nwait\n";
    server.script("family", text);
    let mut client = server.send("GET", "/cgi-bin/family", &[], b"");
    client.head();
    assert_eq!(client.chunk().as_deref(), Some(&b"1\n"[..]));
    server.await_processes(WITHOUT_SCRIPTS + 2, LONG);
    signal(server.example.pid(), Signal::KILL);
    assert_eq!(server.example.finish().status.code(), None);
}

#[test]
fn a_server_without_its_directory_says_so() {
    let finished = Example::start("cgi", &["no/such/directory"]).finish();
    assert_eq!(finished.status.code(), Some(1));
    assert_eq!(finished.errors, "cgi: no/such/directory: No such file or directory (os error 2)\n");
    assert!(!Path::new("no/such/directory").exists());
}
