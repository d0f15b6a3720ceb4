//! What one program was given is not in the memory of workers.

use super::commands::{first_line, output, sh};
use anyfork::{Process, Stdio};
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

/// The secret, so that it is itself not in the memory of whoever looks for it.
fn secret() -> String {
    "hidden-6f1d".bytes().map(|octet| char::from(octet ^ 1)).collect::<String>().repeat(4)
}

/// How often the secret is in what a worker can read of its memory.
#[anyfork::entry]
fn look(mut socket: std::os::unix::net::UnixStream) -> std::io::Result<()> {
    use std::io::Write;
    let memory = File::open("/proc/self/mem")?;
    let mut found = 0;
    for line in
        fs::read_to_string("/proc/self/maps")?.lines().filter(|line| line.contains(" r") && !line.contains("[v"))
    {
        let Some((start, end)) = line.split_once(' ').and_then(|(range, _)| range.split_once('-')) else { continue };
        let [start, end] = [start, end].map(|number| u64::from_str_radix(number, 16).unwrap_or(0));
        let mut octets = vec![0; (end - start) as usize];
        if memory.read_exact_at(&mut octets, start).is_ok() {
            found += octets.windows(44).filter(|window| is_secret(window)).count();
            octets.fill(0);
        }
    }
    write!(socket, "{found}")
}

fn is_secret(octets: &[u8]) -> bool {
    octets.iter().zip(b"hidden-6f1d".iter().cycle()).all(|(octet, expected)| *octet == *expected ^ 1)
}

fn found() -> String {
    anyfork_tests::answer(&Process::new().blocking_socket(true).run(look).unwrap())
}

#[test]
fn arguments_and_variables_of_a_program_are_not_in_workers() {
    // The default template is there, without the secret.
    assert_eq!(found(), "0");
    for padding in [0, 10_000, 100_000] {
        let mut command = sh(": $0 $SECRET");
        command.arg("x".repeat(padding)).arg(secret()).env("SECRET", secret());
        output(&mut command);
        assert_eq!(found(), "0", "{padding} octets more");
        // While it runs.
        let mut command = sh("echo runs; exec cat");
        command.arg("x".repeat(padding)).arg(secret()).env("SECRET", secret());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        assert_eq!(first_line(&mut child), "runs");
        assert_eq!(found(), "0", "{padding} octets more, while it runs");
    }
}

/// The control: the search finds what is there.
#[test]
fn arguments_of_a_worker_are_found_in_it() {
    #[anyfork::entry]
    fn look_too(socket: std::os::unix::net::UnixStream, _secret: String) -> std::io::Result<()> {
        look()(socket)
    }
    let worker = Process::new().arg(secret()).blocking_socket(true).run(look_too).unwrap();
    assert_ne!(anyfork_tests::answer(&worker), "0");
}
