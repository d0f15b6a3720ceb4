//! What scripts are told, and what becomes of what they say.

use super::{LONG, Server, WITHOUT_SCRIPTS, parts};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use std::{fs, thread};

/// What a hello script shows: its greeting, its environment, and the body.
/// One megabyte of every octet.
fn megabyte() -> Vec<u8> {
    (0..1_u32 << 20).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn greets_and_echoes(script: &str, greeting: &str) {
    let server = Server::start(&[]);
    let response = server.post(&format!("/cgi-bin/{script}/a%20b?x=%20y"), &megabyte());
    assert_eq!((response.status, response.whole), (200, true));
    assert_eq!(response.field("content-type"), Some("text/plain"));
    let (said, variables, body) = parts(&response);
    assert_eq!(said, greeting);
    assert_eq!(variables["PATH_INFO"], "/a b");
    assert_eq!(variables["QUERY_STRING"], "x=%20y");
    assert_eq!(variables["CONTENT_LENGTH"], (1 << 20).to_string());
    assert!(body == megabyte(), "{} octets came back, or others", body.len());
    assert_eq!(server.end(), "");
}

#[test]
fn a_shell_script_answers_and_echoes_a_megabyte() {
    greets_and_echoes("hello.sh", "Hello from a shell");
}

#[test]
fn a_perl_script_answers_and_echoes_a_megabyte() {
    if is_there("perl") {
        greets_and_echoes("hello.pl", "Hello from Perl");
    }
}

#[test]
fn a_python_script_answers_and_echoes_a_megabyte() {
    if is_there("python3") {
        greets_and_echoes("hello.py", "Hello from Python");
    }
}

fn is_there(program: &str) -> bool {
    let there =
        std::process::Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: this machine has no {program}");
    }
    there
}

#[test]
fn variables_are_those_of_rfc_3875_and_no_secrets() {
    let server = Server::start(&[]);
    let fields = [
        "content-length: 2",
        "content-type: text/x-test",
        "authorization: Basic c2VjcmV0",
        "proxy-authorization: Basic c2VjcmV0",
        "proxy: http://evil.example",
        "under_score: taken for under-score",
        "cookie: a=1",
        "cookie: b=2",
        "x-more: one",
        "x-more: two",
    ];
    let response = server.send("POST", "/cgi-bin/hello.sh/p/%C3%BC?q=1&r", &fields, b"ab").response();
    let (_, mut variables, _) = parts(&response);
    // What the shell adds, and what the test has asked for.
    for name in ["PWD", "OLDPWD", "SHLVL", "_", "ANYFORK_EXAMPLE"] {
        variables.remove(name);
    }
    let port = server.address.rsplit_once(':').expect("a port").1;
    let directory = server.scripts.path().canonicalize().expect("a path");
    let translated = format!("{}/p/ü", directory.display());
    let path = std::env::var("PATH").expect("a PATH");
    let expected = [
        ("AUTH_TYPE", "Basic"),
        ("CONTENT_LENGTH", "2"),
        ("CONTENT_TYPE", "text/x-test"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("HTTP_COOKIE", "a=1; b=2"),
        ("HTTP_HOST", &server.address),
        ("HTTP_X_MORE", "one, two"),
        ("PATH", &path),
        ("PATH_INFO", "/p/ü"),
        ("PATH_TRANSLATED", &translated),
        ("QUERY_STRING", "q=1&r"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("REMOTE_HOST", "127.0.0.1"),
        ("REQUEST_METHOD", "POST"),
        ("SCRIPT_NAME", "/cgi-bin/hello.sh"),
        ("SERVER_NAME", "127.0.0.1"),
        ("SERVER_PORT", port),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_SOFTWARE", "anyfork-cgi/0.0.0"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(variables, BTreeMap::from(expected));
    let (_, variables, _) = parts(&server.get("/cgi-bin/hello.sh"));
    assert_eq!(variables["QUERY_STRING"], "", "it is always set");
    for name in ["AUTH_TYPE", "CONTENT_LENGTH", "CONTENT_TYPE", "PATH_INFO", "PATH_TRANSLATED"] {
        assert!(!variables.contains_key(name), "{name} in {variables:#?}");
    }
    assert_eq!(server.end(), "");
}

#[test]
fn a_script_has_a_session_of_its_own_and_limits() {
    let server = Server::start(&[]);
    let text = "#!/bin/sh\nprintf 'Content-Type: text/plain\n\n'\nulimit -n; ulimit -t; ulimit -v; pwd\n\
        [ \"$(cut -d' ' -f6 /proc/$$/stat)\" = $$ ] && echo leads a session\ngrep NoNewPrivs /proc/self/status\n";
    server.script("limits", text);
    let directory = server.scripts.path().canonicalize().expect("a path");
    let expected = format!("256\n60\n2097152\n{}\nleads a session\nNoNewPrivs:\t1\n", directory.display());
    assert_eq!(server.get("/cgi-bin/limits").text(), expected);
    assert_eq!(server.end(), "");
}

#[test]
fn request_and_response_stream_at_the_same_time() {
    let server = Server::start(&[]);
    server.script("both", "#!/bin/sh\nprintf 'Content-Type: text/plain\n\nfirst\n'\ncat\necho last\n");
    // The script cannot end before the body has come, and that is sent only when the first line is there.
    let mut client = server.send("POST", "/cgi-bin/both", &["content-length: 6"], b"");
    assert_eq!(client.head().status, 200);
    assert_eq!(client.chunk().as_deref(), Some(&b"first\n"[..]));
    client.write(b"body1\n");
    let mut rest = Vec::new();
    while let Some(chunk) = client.chunk().filter(|chunk| !chunk.is_empty()) {
        rest.extend(chunk);
    }
    assert_eq!(rest, b"body1\nlast\n");
    assert_eq!(server.end(), "");
}

#[test]
fn a_body_that_its_script_does_not_read_is_taken_all_the_same() {
    let server = Server::start(&[]);
    server.script("deaf", "#!/bin/sh\nexec <&-\nprintf 'Content-Type: text/plain\n\ndone\n'\n");
    // More than the buffers between take, and the script has ended before the first octet is sent.
    let body = megabyte().repeat(16);
    let mut client = server.send("POST", "/cgi-bin/deaf", &[&format!("content-length: {}", body.len())], b"");
    let head = client.head();
    server.await_processes(WITHOUT_SCRIPTS, LONG);
    client.write(&body);
    assert_eq!((head.status, client.chunk().as_deref()), (200, Some(&b"done\n"[..])));
    assert_eq!(client.chunk().as_deref(), Some(&b""[..]));
    assert_eq!(server.end(), "");
}

#[test]
fn requests_that_mean_no_script_are_refused() {
    let server = Server::start(&[]);
    server.script(".hidden", "#!/bin/sh\n");
    fs::create_dir(server.scripts.path().join("directory")).expect("make a directory");
    let unknown = ["/", "/cgi-bin", "/cgi-bin/", "/cgi-bin/nothing", "/cgi-bin/.hidden", "/cgi-bin/directory"];
    for path in unknown {
        assert_eq!(server.get(path).status, 404, "{path}");
    }
    let climbing =
        ["/cgi-bin/../cgi-bin/hello.sh", "/cgi-bin/%2e%2e/x", "/cgi-bin/..%2fx", "/cgi-bin/hello.sh/../../x"];
    for path in climbing.into_iter().chain(["/cgi-bin/hello.sh%00"]) {
        assert_eq!(server.get(path).status, 400, "{path}");
    }
    let response = server.send("DELETE", "/cgi-bin/hello.sh", &[], b"").response();
    assert_eq!((response.status, response.field("allow")), (405, Some("GET, HEAD, POST")));
    let chunked = ["transfer-encoding: chunked"];
    assert_eq!(server.send("POST", "/cgi-bin/hello.sh", &chunked, b"0\r\n\r\n").response().status, 411);
    assert_eq!(server.end(), "");
}

#[test]
fn a_script_that_fails_before_it_has_answered_is_a_bad_gateway_and_the_server_says_why() {
    let server = Server::start(&[]);
    server.script("killed", "#!/bin/sh\nkill -9 $$\n");
    server.script("lost", "#!/no/such/interpreter\n");
    server.script("closed", "#!/bin/sh\n");
    fs::set_permissions(server.scripts.path().join("closed"), fs::Permissions::from_mode(0o644)).expect("chmod");
    server.script("garbage", "#!/bin/sh\nprintf 'Traceback, most recent call last\n\n'\n");
    server.script("empty", "#!/bin/sh\nprintf '\n\n'\n");
    server.script("informs", "#!/bin/sh\nprintf 'Status: 100 Continue\n\n'\n");
    server.script("endless", "#!/bin/sh\nexec yes 'X-Field: again'\n");
    server.script("round", "#!/bin/sh\nprintf 'Location: /cgi-bin/round\n\n'\n");
    let expected = [
        ("fail.sh", "no header; exit status: 3"),
        ("killed", "no header; signal: 9 (SIGKILL)"),
        ("lost", "No such file or directory (os error 2)"),
        ("closed", "Permission denied (os error 13)"),
        ("garbage", "no field: \"Traceback, most recent call last\""),
        ("empty", "neither Content-Type nor Location nor Status"),
        ("informs", "Status: \"100 Continue\""),
        ("endless", "the header does not end"),
        ("round", "the scripts redirect without an end"),
    ];
    for (name, _) in expected {
        assert_eq!(server.get(&format!("/cgi-bin/{name}")).status, 502, "{name}");
    }
    let errors = server.end();
    let lines: Vec<&str> = errors.lines().collect();
    assert_eq!(lines.len(), expected.len(), "{errors}");
    for (line, (name, why)) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("cgi: /cgi-bin/{name}: 502 Bad Gateway: ")) && line.ends_with(why), "{line}");
    }
}

#[test]
fn a_script_decides_status_and_redirects() {
    let server = Server::start(&[]);
    server.script("gone", "#!/bin/sh\nprintf 'Status: 410 Gone\r\nContent-Type: text/plain\r\nX-Own: 1\r\n\r\ngone'\n");
    let response = server.get("/cgi-bin/gone");
    assert_eq!((response.status, response.text(), response.field("x-own")), (410, "gone", Some("1")));

    server.script("away", "#!/bin/sh\nprintf 'Location: http://other.example/x\n\n'\n");
    let response = server.get("/cgi-bin/away");
    assert_eq!((response.status, response.field("location")), (302, Some("http://other.example/x")));

    server.script("moved", "#!/bin/sh\nprintf 'Status: 308 Moved\nLocation: /cgi-bin/new\n\n'\n");
    let response = server.get("/cgi-bin/moved");
    assert_eq!((response.status, response.field("location")), (308, Some("/cgi-bin/new")));

    server.script("inside", "#!/bin/sh\nprintf 'Location: /cgi-bin/hello.sh/info?from=inside\n\n'\n");
    let response = server.post("/cgi-bin/inside", b"not for the second script");
    let (greeting, variables, body) = parts(&response);
    assert_eq!((response.status, greeting.as_str(), body.len()), (200, "Hello from a shell", 0));
    assert_eq!(variables["REQUEST_METHOD"], "GET");
    assert_eq!((&*variables["PATH_INFO"], &*variables["QUERY_STRING"]), ("/info", "from=inside"));
    assert!(!variables.contains_key("CONTENT_LENGTH"));
    assert_eq!(server.end(), "");
}

#[test]
fn a_script_whose_body_nobody_wants_may_end_by_itself() {
    let server = Server::start(&[]);
    let path = server.scripts.path().join("ended");
    let text = format!(
        "#!/bin/sh\nprintf \"Content-Type: text/plain\nX-Method: $REQUEST_METHOD\n\n\"\nseq 100000\n: >{}\n",
        path.display()
    );
    server.script("writes", &text);
    let response = server.send("HEAD", "/cgi-bin/writes", &[], b"").response();
    assert_eq!((response.status, response.field("x-method"), response.body.len()), (200, Some("HEAD"), 0));
    let until = Instant::now() + LONG;
    while !path.exists() {
        assert!(Instant::now() < until, "the script was killed");
        thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(server.end(), "");
}
