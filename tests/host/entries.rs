//! Entries that several scenarios use.

use anyfork::Inputs;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

/// Tells the identity of its socket and stays until it is told an exit code, or reads end-of-file.
#[anyfork::entry]
pub(crate) fn park(mut socket: UnixStream, _rest: Inputs) -> std::io::Result<ExitCode> {
    writeln!(socket, "{}", anyfork_tests::identity(&socket))?;
    let mut code = [0];
    socket.read_exact(&mut code).map_or(Ok(ExitCode::SUCCESS), |()| Ok(code[0].into()))
}

/// Stays until end-of-file, notes that in a file, and goes on.
#[anyfork::entry]
pub(crate) fn go_on_after_eof(mut socket: UnixStream, witness: String) {
    let _ = socket.read(&mut [0]);
    note(&witness, "eof");
    linger();
}

/// Ends with this exit code.
#[anyfork::entry]
pub(crate) fn exit_with(code: u8) -> ExitCode {
    code.into()
}

/// Notes its number in a file and never gets ready.
#[anyfork::entry]
pub(crate) fn prepare_for_ever(witness: String) {
    note(&witness, &std::process::id().to_string());
    linger();
}

/// Leaves a sign that it was entered.
#[anyfork::entry]
pub(crate) fn leave_a_sign(witness: String) {
    note(&witness, "entered");
}

#[anyfork::entry]
pub(crate) fn fail_to_prepare() -> Result<(), &'static str> {
    Err("as it should")
}

#[anyfork::entry]
pub(crate) fn nothing() {}

/// Nothing, with whatever it gets.
#[anyfork::entry]
pub(crate) fn accept(_rest: Inputs) {}

/// For ever, as far as these tests are concerned; not if they failed to end it.
pub(crate) fn linger() {
    std::thread::sleep(Duration::from_secs(60));
}

pub(crate) fn note(path: &str, text: &str) {
    let temporary = format!("{path}.{}", std::process::id());
    if File::create(&temporary).and_then(|mut file| file.write_all(text.as_bytes())).is_ok() {
        let _ = std::fs::rename(temporary, path);
    }
}
