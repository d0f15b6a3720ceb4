//! What applications are asked, and what clients are answered.

use super::http::{self, Response};
use super::{Server, peak_memory};
use std::collections::BTreeMap;
use std::io::Write;
use std::net::Shutdown;

fn variables(response: &Response) -> BTreeMap<String, String> {
    // Octets that are no UTF-8 are in there.
    let text: String = response.body.iter().copied().map(char::from).collect();
    let lines = text.lines().map(|line| line.split_once('=').expect("NAME=VALUE"));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_environ_says_all_of_the_request_in_octets() {
    let server = Server::start(1, &[]);
    let fields = [
        "X-One: first",
        "x-one: second",
        "Cookie: a=1",
        "Cookie: b=2",
        "Authorization: Basic eDp5",
        "Content-Type: text/x-test",
        "X-Octets: \u{e4}",
        "Proxy: http://evil.example/",
        "X_One: underscored",
        "Content-Length: 3",
    ];
    let response = server.client.ask("POST", "/environ?a=%20b&c=%C3%A4", &fields, b"abc");
    let told = variables(&response);
    let value = |name: &str| told.get(name).map(String::as_str);
    assert_eq!(value("REQUEST_METHOD"), Some("POST"));
    assert_eq!((value("SCRIPT_NAME"), value("PATH_INFO")), (Some(""), Some("/environ")));
    assert_eq!(value("QUERY_STRING"), Some("a=%20b&c=%C3%A4"));
    assert_eq!((value("CONTENT_TYPE"), value("CONTENT_LENGTH")), (Some("text/x-test"), Some("3")));
    assert_eq!((value("SERVER_PROTOCOL"), value("wsgi.url_scheme")), (Some("HTTP/1.1"), Some("http")));
    let (host, port) = server.client.0.split_once(':').expect("a port");
    assert_eq!((value("SERVER_NAME"), value("SERVER_PORT")), (Some(host), Some(port)));
    assert_eq!((value("REMOTE_ADDR"), value("HTTP_HOST")), (Some("127.0.0.1"), Some(&*server.client.0)));
    assert_eq!((value("HTTP_X_ONE"), value("HTTP_COOKIE")), (Some("first, second"), Some("a=1; b=2")));
    assert_eq!(value("HTTP_AUTHORIZATION"), Some("Basic eDp5"));
    assert_eq!(value("HTTP_X_OCTETS"), Some("\u{c3}\u{a4}"), "each octet is a character");
    for name in ["HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "HTTP_CONNECTION"] {
        assert_eq!(value(name), None, "{name}");
    }

    let response = server.client.get("/%C3%A4%2Fb%00");
    assert_eq!((response.status, response.text()), (404, "nothing at /ä/b\0\n"));
    let response = server.client.ask("OPTIONS", "*", &[], b"");
    assert_eq!((response.status, response.text()), (404, "nothing at \n"));
    assert_eq!(server.client.ask("CONNECT", "example.com:80", &[], b"").status, 501);
    assert_eq!(server.end().errors, "wsgi: CONNECT : this is no proxy\n");
}

#[test]
fn the_validator_of_the_standard_library_finds_nothing_wrong() {
    let server = Server::start(1, &["--app", "checked:Applications.serve"]);
    let response = server.client.post("/read?a=b", b"first\nsecond\nthird\nfourth\nfifth");
    let expected = r"[b'first\n', b'sec', b'ond\n'] and [b'third\n', b'fourth\n', b'fifth']";
    assert_eq!((response.status, response.text()), (200, expected));
    assert_eq!(server.client.get("/flags").text(), "[(1, 0), False, True, False]");
    for method in ["HEAD", "PUT", "DELETE", "OPTIONS"] {
        assert_eq!(server.client.ask(method, "/flags", &[], b"").status, 200, "{method}");
    }
    let response = server.client.get("/handle");
    assert_eq!((response.status, &*response.reason, response.text()), (500, "Handled", "handled"));
    assert_eq!(server.client.get("/close").text(), "closed 0 times");
    assert_eq!(server.client.get("/close").text(), "closed 1 times");

    assert_eq!(server.client.get("/wrong").status, 500);
    let errors = server.end().errors;
    // What it finds is an error, or a warning. Indented lines are of tracebacks.
    let lines = errors.lines().filter(|line| !line.starts_with(' '));
    let found: Vec<&str> = lines.filter(|line| line.contains("Error") || line.contains("Warning")).collect();
    assert_eq!(found.len(), 1, "{errors}");
    assert!(found[0].starts_with("AssertionError: The Status header cannot be used"), "{errors}");
}

#[test]
fn an_application_writes_its_body_in_every_way_that_there_is() {
    let server = Server::start(1, &[]);
    let response = server.client.get("/");
    assert_eq!(response.field("content-length").map(str::len), Some(2), "the server adds it: {response:?}");
    let response = server.client.get("/old");
    assert_eq!((response.status, response.text()), (200, "written, and returned\n"));
    let response = server.client.get("/recover");
    assert_eq!((response.status, &*response.reason), (503, "Come Again"));
    assert_eq!(response.text(), "something went wrong\n");
    let response = server.client.ask("HEAD", "/", &[], b"");
    assert_eq!((response.status, response.field("content-length").map(str::len)), (200, Some(2)));
    server.end_quietly();
}

#[test]
fn an_error_in_the_application_costs_one_request_and_no_worker() {
    let server = Server::start(1, &[]);
    let response = server.client.get("/fail");
    assert_eq!((response.status, response.text()), (500, "500 Internal Server Error\n"));
    assert_eq!(server.client.greeter(), server.workers[0]);
    // The last that it said, and the first, may be lost with the connection.
    if let Some(response) = http::ask(&server.client.0, "GET", "/fail-later", &[], b"") {
        assert_eq!((response.status, response.whole), (200, false));
    }
    assert_eq!(server.client.greeter(), server.workers[0]);
    let errors = server.end().errors;
    for text in [
        "app.py\", line ",
        "ValueError: this page always fails\nwsgi: GET /fail: the application has failed\n",
        "ValueError: this page fails in the middle\nwsgi: GET /fail-later: the application has failed\n",
    ] {
        assert!(errors.contains(text), "{text:?} in {errors}");
    }
}

/// Something without a pattern.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn large_bodies_pass_in_both_directions_and_nobody_holds_them_in_memory() {
    let server = Server::start(1, &[]);
    let body = noise(64 << 20);
    let response = server.client.post("/echo", &body);
    assert_eq!((response.status, response.whole), (200, true));
    assert!(response.body == body, "{} octets, and not the same", response.body.len());
    // Chunked: nobody knows its length before its end.
    let mut chunks: Vec<u8> = Vec::new();
    for chunk in body[..3 << 20].chunks(100_000) {
        write!(chunks, "{:x}\r\n", chunk.len()).expect("a chunk");
        chunks.extend_from_slice(chunk);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    let response = server.client.ask("PUT", "/echo", &["transfer-encoding: chunked"], &chunks);
    assert_eq!((response.status, response.whole), (200, true));
    assert!(response.body == body[..3 << 20], "{} octets, and not the same", response.body.len());
    for pid in [server.example.pid(), server.workers[0]] {
        assert!(peak_memory(pid) < 48 << 20, "process {pid}: {} octets", peak_memory(pid));
    }
    assert_eq!(server.client.greeter(), server.workers[0]);
    server.end_quietly();
}

#[test]
fn a_body_that_the_application_does_not_read_is_no_trouble() {
    let server = Server::start(1, &[]);
    let body = noise(4 << 20);
    for _ in 0..3 {
        let response = server.client.post("/", &body);
        assert_eq!((response.status, response.whole), (200, true));
        assert_eq!(server.client.post("/echo", b"the next").body, b"the next");
    }
    assert_eq!(server.client.greeter(), server.workers[0]);
    server.end_quietly();
}

#[test]
fn a_client_that_goes_away_costs_no_worker() {
    let server = Server::start(1, &[]);
    drop(http::begin(&server.client.0, "GET", "/sleep?seconds=0.2", &[]));
    assert_eq!(server.client.greeter(), server.workers[0]);
    // One that reads nothing of a response that is larger than all buffers.
    let mut client = http::begin(&server.client.0, "POST", "/echo", &["content-length: 4000000"]);
    client.write_all(&noise(4_000_000)[..1_000_000]).expect("the first part of the body");
    client.shutdown(Shutdown::Both).expect("go away");
    assert_eq!(server.client.greeter(), server.workers[0]);
    let errors = server.end().errors;
    assert!(errors.contains("ConnectionAbortedError: the client has gone before the end of the body"), "{errors}");
}

#[test]
fn a_head_that_no_client_may_get_is_an_error_of_the_application() {
    let server = Server::start(1, &["--app", "wrong:application"]);
    for (path, what) in [
        ("/status", "the application's status is \"20 Good\""),
        ("/name", "the application's header has \"A B\": \"c\""),
        ("/value", "the application's header has \"A\": \"b\\r\\nC: d\""),
        ("/wide", "UnicodeEncodeError: "),
        ("/twice", "RuntimeError: start_response has been called before"),
        ("/never", "RuntimeError: the application has not called start_response"),
        ("/text", "TypeError: a body is made of bytes, and not of str"),
    ] {
        let response = server.client.get(path);
        assert_eq!((response.status, response.whole), (500, true), "{path}: {what}");
    }
    let response = server.client.get("/connection");
    assert_eq!((response.status, response.field("upgrade"), response.text()), (200, None, "fine"));
    let errors = server.end().errors;
    for what in ["20 Good", "\"A B\"", "\\r\\nC: d", "UnicodeEncodeError", "called before", "not called", "not of str"]
    {
        assert!(errors.contains(what), "{what}: {errors}");
    }
}
