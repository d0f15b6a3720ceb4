//! `wsgi`: the server, as the tests start it and speak to it.

mod answers;
mod ends;
mod http;

use crate::support::{Example, Finished, number_after, signal};
use http::Client;
use rustix::process::Signal;
use std::fs;
use tempfile::TempDir;

/// The example's application, and those of the tests.
const APPLICATIONS: [(&str, &str); 3] = [
    ("app.py", include_str!("../../wsgi/app.py")),
    ("checked.py", include_str!("checked.py")),
    ("wrong.py", include_str!("wrong.py")),
];

/// The server, the default template, and the template with the application.
const WITHOUT_WORKERS: usize = 3;

/// A running server, its template, who asks it, and the workers that it started first.
struct Server {
    example: Example,
    template: u32,
    client: Client,
    workers: Vec<u32>,
    _directory: TempDir,
}

impl Server {
    fn start(workers: usize, args: &[&str]) -> Self {
        // Copies, as an interpreter writes its bytecode beside them.
        let directory = tempfile::tempdir().expect("a directory");
        for (name, text) in APPLICATIONS {
            fs::write(directory.path().join(name), text).expect("write an application");
        }
        let count = workers.to_string();
        let path = directory.path().to_str().expect("text");
        let mut example = Example::start("wsgi", &[&["--directory", path, "--workers", &count], args].concat());
        let template = number_after(&example.line_with("template "), "template ");
        let client = Client(example.line_with("listening on ").replace("listening on http://", ""));
        let workers = (0..workers).map(|_| number_after(&example.line_with(" started"), "worker ")).collect();
        Server { example, template, client, workers, _directory: directory }
    }

    /// Waits for the next worker that starts.
    fn started(&mut self) -> u32 {
        number_after(&self.example.line_with(" started"), "worker ")
    }

    /// Ends the server with a signal, which must end all of it well. What it and its application have printed.
    fn end(self) -> Finished {
        signal(self.example.pid(), Signal::TERM);
        let finished = self.example.finish();
        assert!(finished.status.success(), "{}: {}", finished.status, finished.errors);
        assert_eq!(finished.lines.last().map(String::as_str), Some("ended"));
        finished
    }

    /// The same, of a server with nothing to complain about.
    fn end_quietly(self) {
        assert_eq!(self.end().errors, "");
    }
}

/// What a process has had resident at most, in bytes: proc_pid_status(5).
fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the status of a process");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("its peak");
    u64::from(number_after(&line.replace(' ', ""), "VmHWM:\t")) * 1024
}
