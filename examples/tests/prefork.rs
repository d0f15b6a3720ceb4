//! `prefork`: the HTTP server, its workers, and its end.

use crate::support::{Example, ctrl_c, number_after, signal};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

/// A running server, its address, and the workers it has said it started.
struct Server {
    example: Example,
    address: String,
    workers: Vec<u32>,
}

impl Server {
    fn start(args: &[&str], workers: usize) -> Self {
        let mut example = Example::start("prefork", args);
        let workers = (0..workers).map(|_| number_after(&example.line_with("started"), "worker ")).collect();
        let address = example.line_with("listening on ").replace("listening on http://", "");
        Server { example, address, workers }
    }

    /// The status line and the body.
    fn get(&self, path: &str) -> io::Result<(String, String)> {
        get(&self.address, path)
    }

    /// Ends the server with a signal, which must end all of it well.
    fn end_by(self, by: Signal) -> Vec<String> {
        signal(self.example.pid(), by);
        self.example.finish_well()
    }
}

fn get(address: &str, path: &str) -> io::Result<(String, String)> {
    let mut server = TcpStream::connect(address)?;
    server.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(server, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    server.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok((head.lines().next().unwrap_or_default().to_owned(), body.to_owned()))
}

#[test]
fn concurrent_clients_are_answered_and_sigint_ends_all() {
    let server = Server::start(&["--workers", "3"], 3);
    let clients: Vec<_> = (0..16)
        .map(|_| {
            let address = server.address.clone();
            thread::spawn(move || (0..5).map(|_| get(&address, "/").expect("an answer")).collect::<Vec<_>>())
        })
        .collect();
    let mut answered = BTreeSet::new();
    for (status, body) in clients.into_iter().flat_map(|client| client.join().expect("a client")) {
        assert_eq!(status, "HTTP/1.1 200 OK");
        answered.insert(number_after(&body, "worker "));
        assert!(number_after(&body, ", request ") >= 1);
    }
    assert_eq!(server.get("/nowhere").expect("an answer").0, "HTTP/1.1 404 Not Found");

    assert!(answered.iter().all(|pid| server.workers.contains(pid)), "{answered:?} of {:?}", server.workers);
    let lines = server.end_by(Signal::INT);
    assert!(lines.contains(&"served 81 requests".to_owned()), "{lines:#?}");
    for pid in answered {
        assert!(lines.contains(&format!("worker {pid} ended: exit status: 0")), "{lines:#?}");
    }
}

#[test]
fn a_killed_worker_is_replaced() {
    let mut server = Server::start(&["--workers", "2"], 2);
    signal(server.workers[0], Signal::KILL);
    let line = server.example.line_with(" ended: ");
    assert_eq!(line, format!("worker {} ended: signal: 9 (SIGKILL)", server.workers[0]));
    let new = number_after(&server.example.line_with("started"), "worker ");
    assert!(!server.workers.contains(&new));
    // The old ones gone, the new one answers.
    signal(server.workers[1], Signal::STOP);
    assert_eq!(number_after(&server.get("/").expect("an answer").1, "worker "), new);
    signal(server.workers[1], Signal::CONT);
    server.end_by(Signal::TERM);
}

#[test]
fn a_crash_is_one_lost_request_and_a_new_worker() {
    let mut server = Server::start(&["--workers", "1"], 1);
    assert!(server.get("/crash").is_err(), "a worker that aborts cannot answer");
    let line = server.example.line_with(" ended: ");
    assert!(line.starts_with(&format!("worker {} ended: signal: 6 (SIGABRT)", server.workers[0])), "{line}");
    let new = number_after(&server.example.line_with("started"), "worker ");
    assert_eq!(server.get("/").expect("an answer").1, format!("worker {new}, request 1\n"));
    server.end_by(Signal::TERM);
}

#[test]
fn crashes_in_a_row_are_slowed_down() {
    let mut server = Server::start(&["--workers", "1"], 1);
    let start = Instant::now();
    for _ in 0..4 {
        assert!(server.get("/crash").is_err());
        server.example.line_with("started");
    }
    // 50, 100, 200 and 400 ms.
    assert!(start.elapsed() >= Duration::from_millis(750), "{:?}", start.elapsed());
    server.end_by(Signal::TERM);
}

#[test]
fn a_killed_template_is_replaced_with_its_workers() {
    let mut server = Server::start(&["--workers", "2"], 2);
    let processes = anyfork_examples::process_tree(server.example.pid()).expect("the process tree");
    let template = processes.iter().find(|(depth, _)| *depth == 2).expect("a template").1.pid;
    assert!(!server.workers.contains(&template));
    signal(template, Signal::KILL);
    server.example.line_with("started");
    let new = number_after(&server.example.line_with("started"), "worker ");
    assert!(!server.workers.contains(&new));
    assert_eq!(server.get("/").expect("an answer").0, "HTTP/1.1 200 OK");
    server.end_by(Signal::TERM);
}

#[test]
fn a_client_that_never_ends_its_request_does_not_stop_the_end() {
    let server = Server::start(&["--workers", "1"], 1);
    let mut client = TcpStream::connect(&server.address).expect("connect");
    client.write_all(b"GET / HTTP/1.1\r\n").expect("write");
    // The worker must have taken the client: one that comes later has been answered.
    server.get("/").expect("an answer");
    let start = Instant::now();
    let worker = server.workers[0];
    let lines = server.end_by(Signal::TERM);
    assert!(start.elapsed() >= Duration::from_secs(3), "no time was left to the worker");
    assert!(lines.contains(&format!("worker {worker} ended: signal: 9 (SIGKILL)")), "{lines:#?}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(&["--workers", "1"], 1);
    let mut client = TcpStream::connect(&server.address).expect("connect");
    client.write_all(b"GET / HTTP/1.1\r\n").expect("write");
    server.get("/").expect("an answer");
    signal(server.example.pid(), Signal::INT);
    server.example.line_with("a signal: ending");
    let start = Instant::now();
    let worker = server.workers[0];
    let lines = server.end_by(Signal::INT);
    assert!(start.elapsed() < Duration::from_secs(3), "it has waited for the worker");
    assert!(lines.contains(&format!("worker {worker} ended: signal: 9 (SIGKILL)")), "{lines:#?}");
}

#[test]
fn ctrl_c_in_a_terminal_reaches_workers_too_and_ends_them_gently() {
    let mut server = Server::start(&["--workers", "1"], 1);
    server.get("/").expect("an answer");
    // First the worker alone, which must not depend on what the main program sends it.
    signal(server.workers[0], Signal::INT);
    let line = server.example.line_with(" ended: ");
    assert_eq!(line, format!("worker {} ended: exit status: 0", server.workers[0]));
    server.example.line_with("started");
    ctrl_c(&server.example);
    server.example.finish_well();
}

#[test]
fn a_killed_main_program_leaves_nobody() {
    let server = Server::start(&["--workers", "3"], 3);
    assert_eq!(server.example.processes().len(), 1 + 2 + 3, "main program, two templates, three workers");
    signal(server.example.pid(), Signal::KILL);
    // This fails if anybody is there a second later.
    let finished = server.example.finish();
    assert_eq!(finished.status.code(), None);
}

#[test]
fn after_so_many_requests_it_ends_by_itself() {
    let server = Server::start(&["--requests", "50"], 4);
    for _ in 0..50 {
        assert_eq!(server.get("/").expect("an answer").0, "HTTP/1.1 200 OK");
    }
    let lines = server.example.finish_well();
    assert_eq!(lines.last().map(String::as_str), Some("served 50 requests"));
}

#[test]
fn wrong_arguments_are_refused() {
    for args in
        [["--workers", "many"], ["--workers", "0"], ["--requests", "0"], ["--port", "65536"], ["--wrokers", "4"]]
    {
        let finished = Example::start("prefork", &args).finish();
        assert_eq!(finished.status.code(), Some(2), "{args:?}");
        assert!(finished.errors.starts_with("error: "), "{args:?}: {}", finished.errors);
        assert_eq!(finished.lines, [""; 0], "{args:?}");
    }
}
