//! `cgi`: the server, as the tests start it and speak to it.

mod answers;
mod ends;
mod http;

use crate::support::{Example, Finished, signal};
use http::{Client, Response};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};
use std::{fs, thread};
use tempfile::TempDir;

/// A running server, with the example's scripts and those of the test.
pub(crate) struct Server {
    pub(crate) example: Example,
    pub(crate) address: String,
    pub(crate) scripts: TempDir,
}

impl Server {
    pub(crate) fn start(args: &[&str]) -> Self {
        let scripts = tempfile::tempdir().expect("a directory");
        for script in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/cgi/scripts")).expect("the scripts") {
            let script = script.expect("a script");
            fs::copy(script.path(), scripts.path().join(script.file_name())).expect("copy a script");
        }
        let directory = scripts.path().to_str().expect("text");
        // With the mark of this run, scripts that stay behind are found.
        let all = [&[directory, "--documents", directory, "--pass-env", "ANYFORK_EXAMPLE"], args].concat();
        let mut example = Example::start("cgi", &all);
        let address = example.line_with("listening on ").replace("listening on http://", "");
        Server { example, address, scripts }
    }

    pub(crate) fn script(&self, name: &str, text: &str) {
        let path = self.scripts.path().join(name);
        fs::write(&path, text).expect("write a script");
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("make it executable");
    }

    pub(crate) fn send(&self, method: &str, path: &str, fields: &[&str], body: &[u8]) -> Client {
        Client::send(&self.address, method, path, fields, body)
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.send("GET", path, &[], b"").response()
    }

    pub(crate) fn post(&self, path: &str, body: &[u8]) -> Response {
        self.send("POST", path, &[&format!("content-length: {}", body.len())], body).response()
    }

    /// Waits until so many processes of this run are there: server, templates, scripts.
    pub(crate) fn await_processes(&self, count: usize, limit: Duration) {
        let until = Instant::now() + limit;
        while self.example.processes().len() != count {
            assert!(Instant::now() < until, "{:?} are there, not {count}", self.example.processes());
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Ends the server well. What it has said of its scripts.
    pub(crate) fn end(self) -> String {
        signal(self.example.pid(), Signal::TERM);
        let Finished { status, errors, .. } = self.example.finish();
        assert!(status.success(), "{status}: {errors}");
        errors
    }
}

/// The server, the default template, and the template of the scripts.
pub(crate) const WITHOUT_SCRIPTS: usize = 3;

/// Longer than any start takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) fn parts(response: &Response) -> (String, BTreeMap<String, String>, Vec<u8>) {
    let end = response.body.windows(2).position(|two| two == b"\n\n").expect("a blank line");
    let text = std::str::from_utf8(&response.body[..end]).expect("text");
    let (greeting, variables) = text.split_once('\n').expect("a greeting");
    let variables = variables.lines().map(|line| line.split_once('=').expect("NAME=VALUE"));
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    (greeting.to_owned(), variables, response.body[end + 2..].to_owned())
}
