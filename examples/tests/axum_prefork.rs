//! `axum_prefork`: one listening socket, several workers, and their ends.

use crate::support::{Example, ctrl_c, number_after, signal};
use rustix::process::Signal;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// A running server, its address, and the workers it has said it started.
struct Server {
    example: Example,
    address: String,
    workers: Vec<u32>,
}

impl Server {
    fn start(workers: usize) -> Self {
        let mut example = Example::start("axum_prefork", &["--workers", &workers.to_string()]);
        let address = example.line_with("listening on ").replace("listening on http://", "");
        let mut server = Server { example, address, workers: Vec::new() };
        server.workers = (0..workers).map(|_| server.started()).collect();
        server
    }

    fn started(&mut self) -> u32 {
        number_after(&self.example.line_with(" started"), "worker ")
    }

    fn get(&self, path: &str) -> io::Result<String> {
        get(&self.address, path)
    }

    /// Ends the server with a signal, which must end all of it well.
    fn end(self) -> Vec<String> {
        signal(self.example.pid(), Signal::TERM);
        self.example.finish_well()
    }
}

/// The body of an answer that must be a good one.
fn get(address: &str, path: &str) -> io::Result<String> {
    let mut server = TcpStream::connect(address)?;
    server.set_read_timeout(Some(Duration::from_secs(20)))?;
    write!(server, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    server.read_to_string(&mut response)?;
    let (head, body) = response.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    assert!(head.starts_with("HTTP/1.1 200 OK"), "{head}");
    Ok(body.to_owned())
}

#[test]
fn all_workers_answer_on_the_one_socket() {
    let server = Server::start(3);
    for only in &server.workers {
        let others = || server.workers.iter().filter(|pid| *pid != only);
        others().for_each(|pid| signal(*pid, Signal::STOP));
        assert_eq!(server.get("/").expect("an answer"), format!("worker {only}\n"));
        others().for_each(|pid| signal(*pid, Signal::CONT));
    }
    server.end();
}

#[test]
fn a_killed_worker_is_replaced_and_the_server_goes_on_answering() {
    let mut server = Server::start(2);
    let [killed, other] = server.workers[..] else { panic!("two workers") };
    signal(killed, Signal::KILL);
    assert_eq!(server.get("/").expect("an answer"), format!("worker {other}\n"));
    assert_eq!(server.example.line_with(" ended: "), format!("worker {killed} ended: signal: 9 (SIGKILL)"));
    let new = server.started();
    signal(other, Signal::STOP);
    assert_eq!(server.get("/").expect("an answer"), format!("worker {new}\n"));
    signal(other, Signal::CONT);
    server.end();
}

#[test]
fn a_crash_is_one_lost_request_and_a_new_worker() {
    let mut server = Server::start(1);
    assert!(server.get("/crash").is_err(), "a worker that aborts cannot answer");
    let crashed = server.workers[0];
    assert_eq!(server.example.line_with(" ended: "), format!("worker {crashed} ended: signal: 6 (SIGABRT)"));
    let new = server.started();
    assert_eq!(server.get("/").expect("an answer"), format!("worker {new}\n"));
    server.end();
}

#[test]
fn a_killed_template_is_replaced_with_its_workers() {
    let mut server = Server::start(2);
    let processes = anyfork_examples::process_tree(server.example.pid()).expect("the process tree");
    let template = processes.iter().find(|(depth, _)| *depth == 2).expect("a template").1.pid;
    signal(template, Signal::KILL);
    let new = [server.started(), server.started()];
    let body = server.get("/").expect("an answer");
    assert!(new.contains(&number_after(&body, "worker ")), "{body} of {new:?}");
    server.end();
}

/// A request that the worker has, and its answer when that comes.
fn slow_request(server: &Server) -> thread::JoinHandle<io::Result<String>> {
    let address = server.address.clone();
    let client = thread::spawn(move || get(&address, "/slow"));
    thread::sleep(Duration::from_millis(200));
    client
}

#[test]
fn sigterm_ends_all_when_requests_are_answered() {
    let server = Server::start(2);
    let client = slow_request(&server);
    let workers = server.workers.clone();
    let lines = server.end();
    let body = client.join().expect("a client").expect("an answer");
    assert!(workers.contains(&number_after(&body, "worker ")), "{body}");
    for pid in workers {
        assert!(lines.contains(&format!("worker {pid} ended: exit status: 0")), "{lines:#?}");
    }
    assert_eq!(lines.last().map(String::as_str), Some("ended"));
}

#[test]
fn ctrl_c_reaches_workers_too_and_they_end_when_requests_are_answered() {
    let server = Server::start(1);
    let client = slow_request(&server);
    ctrl_c(&server.example);
    let lines = server.example.finish_well();
    client.join().expect("a client").expect("an answer");
    assert!(lines.contains(&format!("worker {} ended: exit status: 0", server.workers[0])), "{lines:#?}");
}

/// A client who begins a request and never ends it.
fn endless_request(server: &Server) -> TcpStream {
    let mut client = TcpStream::connect(&server.address).expect("connect");
    client.write_all(b"GET / HTTP/1.1\r\n").expect("write");
    // The worker must have taken the client: one that comes later has been answered.
    server.get("/").expect("an answer");
    client
}

#[test]
fn a_client_that_never_ends_its_request_does_not_stop_the_end() {
    let server = Server::start(1);
    let _client = endless_request(&server);
    let start = Instant::now();
    let worker = server.workers[0];
    let lines = server.end();
    assert!(start.elapsed() >= Duration::from_secs(3), "no time was left to the worker");
    assert!(lines.contains(&format!("worker {worker} ended: signal: 9 (SIGKILL)")), "{lines:#?}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let mut server = Server::start(1);
    let _client = endless_request(&server);
    signal(server.example.pid(), Signal::TERM);
    server.example.line_with("a signal: ending");
    let start = Instant::now();
    let lines = server.end();
    assert!(start.elapsed() < Duration::from_secs(3), "it has waited for the worker");
    assert_eq!(lines.last().map(String::as_str), Some("a second signal: ended by force"));
}

#[test]
fn a_killed_main_program_leaves_nobody() {
    let server = Server::start(3);
    assert_eq!(server.example.processes().len(), 1 + 2 + 3, "main program, two templates, three workers");
    signal(server.example.pid(), Signal::KILL);
    // This fails if anybody is there a second later.
    let finished = server.example.finish();
    assert_eq!(finished.status.code(), None);
}

#[test]
fn a_port_in_use_is_an_error_that_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let finished = Example::start("axum_prefork", &["--port", &address.port().to_string()]).finish();
    assert_eq!(finished.status.code(), Some(1));
    let expected = format!("axum_prefork: listen on {address}: Address already in use (os error 98)\n");
    assert_eq!((finished.errors, finished.lines), (expected, Vec::new()));
}

#[test]
fn wrong_arguments_are_refused() {
    for args in [["--workers", "0"], ["--port", "65536"], ["--wrokers", "4"]] {
        let finished = Example::start("axum_prefork", &args).finish();
        assert_eq!(finished.status.code(), Some(2), "{args:?}");
        assert!(finished.errors.starts_with("error: "), "{args:?}: {}", finished.errors);
    }
}
