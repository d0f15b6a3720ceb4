//! An HTTP/1.1 client that sends a body and reads the response at the same time.

use crate::support::number_after;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;
use std::time::Duration;

/// No answer takes so long.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) fields: Vec<String>,
    pub(crate) body: Vec<u8>,
    /// Whether the body has come to its end, or was cut.
    pub(crate) whole: bool,
}

impl Response {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.fields.iter().filter_map(|line| line.split_once(": "));
        fields.filter(|(other, _)| *other == name).map(|(_, value)| value).next()
    }
}

/// Who asks a server at an address.
#[derive(Debug, Clone)]
pub(crate) struct Client(pub(crate) String);

impl Client {
    pub(crate) fn ask(&self, method: &str, path: &str, fields: &[&str], body: &[u8]) -> Response {
        ask(&self.0, method, path, fields, body).expect("an answer")
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.ask("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Response {
        self.ask("POST", path, &[&format!("content-length: {}", body.len())], body)
    }

    /// The worker that says hello.
    pub(crate) fn greeter(&self) -> u32 {
        let response = self.get("/");
        assert_eq!((response.status, response.whole), (200, true), "{response:?}");
        number_after(response.text(), "hello from worker ")
    }
}

/// Sends the head of a request; `fields` are whole lines.
pub(crate) fn begin(address: &str, method: &str, path: &str, fields: &[&str]) -> TcpStream {
    let mut server = TcpStream::connect(address).expect("connect");
    server.set_read_timeout(Some(LIMIT)).expect("set the time limit");
    server.set_write_timeout(Some(LIMIT)).expect("set the time limit");
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{fields}\r\n");
    server.write_all(head.as_bytes()).expect("send the head");
    server
}

/// Sends a request and reads the response. `None`: the connection was cut before its head had come.
pub(crate) fn ask(address: &str, method: &str, path: &str, fields: &[&str], body: &[u8]) -> Option<Response> {
    let server = begin(address, method, path, fields);
    let mut writer = server.try_clone().expect("duplicate the socket");
    thread::scope(|scope| {
        // The server need not read all of it.
        scope.spawn(move || writer.write_all(body).is_ok());
        let response = read(&server, method != "HEAD");
        // A client that was answered has nothing more to say.
        let _ = server.shutdown(Shutdown::Both);
        response
    })
}

pub(crate) fn read(server: &TcpStream, has_body: bool) -> Option<Response> {
    let mut stream = BufReader::new(server);
    let first = line(&mut stream).filter(|line| !line.is_empty())?;
    let mut words = first.splitn(3, ' ').skip(1).map(str::to_owned);
    let status = words.next().and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status in {first:?}"));
    let reason = words.next().unwrap_or_default();
    let fields = std::iter::from_fn(|| line(&mut stream).filter(|line| !line.is_empty())).collect();
    let mut response = Response { status, reason, fields, body: Vec::new(), whole: !has_body };
    if has_body {
        read_body(&mut stream, &mut response);
    }
    Some(response)
}

fn read_body(stream: &mut impl BufRead, response: &mut Response) {
    if response.field("transfer-encoding") == Some("chunked") {
        while let Some(chunk) = chunk(stream) {
            response.whole = chunk.is_empty();
            response.body.extend(chunk);
        }
        return;
    }
    let length = response.field("content-length").map_or(0, |length| length.parse().expect("a length"));
    let _ = stream.take(length as u64).read_to_end(&mut response.body);
    response.whole = response.body.len() == length;
}

/// The next chunk; that which is empty is the last one.
fn chunk(stream: &mut impl BufRead) -> Option<Vec<u8>> {
    let size = usize::from_str_radix(&line(stream)?, 16).ok()?;
    let mut chunk = vec![0; size + 2];
    stream.read_exact(&mut chunk).ok()?;
    chunk.truncate(size);
    Some(chunk)
}

fn line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    Some(line.trim_end().to_owned())
}
