//! An HTTP/1.1 client that sees everything: what comes when, and whether a response was cut off.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// No answer takes so long.
const LIMIT: Duration = Duration::from_secs(60);

/// A connection on which one request was sent.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    head: Vec<String>,
    /// Whether the body has come to its end, or was cut.
    pub(crate) whole: bool,
}

impl Response {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let fields = self.head.iter().filter_map(|line| line.split_once(": "));
        fields.filter(|(other, _)| *other == name).map(|(_, value)| value).next()
    }
}

impl Client {
    /// Sends a request; `fields` are whole lines.
    pub(crate) fn send(address: &str, method: &str, path: &str, fields: &[&str], body: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).expect("connect");
        stream.set_read_timeout(Some(LIMIT)).expect("set the time limit");
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{fields}\r\n");
        stream.write_all(head.as_bytes()).expect("send the head");
        // The server may have answered and closed before it has read all of it.
        let _ = stream.write_all(body);
        Client { stream: BufReader::new(stream) }
    }

    pub(crate) fn write(&mut self, octets: &[u8]) {
        self.stream.get_mut().write_all(octets).expect("send");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line of the response");
        line.trim_end().to_owned()
    }

    /// The status and the header; the body comes later.
    pub(crate) fn head(&mut self) -> Response {
        let first = self.line();
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status in {first:?}"));
        let head = std::iter::from_fn(|| Some(self.line()).filter(|line| !line.is_empty())).collect();
        Response { status, head, body: Vec::new(), whole: false }
    }

    /// The next chunk of a chunked body. `None`: it has been cut; empty: it has ended.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.line(), 16).ok()?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk).ok()?;
        chunk.truncate(size);
        Some(chunk)
    }

    /// The whole response.
    pub(crate) fn response(&mut self) -> Response {
        let mut response = self.head();
        if response.field("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                response.whole = chunk.is_empty();
                response.body.extend(chunk);
            }
        } else {
            self.stream.read_to_end(&mut response.body).expect("the body");
            let length = response.field("content-length").map_or(0, |length| length.parse().expect("a length"));
            response.whole = response.body.len() == length;
        }
        response
    }
}
