//! The functions in Rust. `functions.py` and `Functions.pm` have the same, under the same names.

use anyfork::{Input, Inputs};
use anyfork_tests::identity;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::Duration;

static STATE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// For ever, as far as the tests are concerned; not if they failed to end it.
const LINGER: Duration = Duration::from_secs(60);

fn tell(socket: &mut UnixStream, kind: u8, octets: &[u8]) -> io::Result<()> {
    socket.write_all(&[kind])?;
    socket.write_all(&(octets.len() as u32).to_le_bytes())?;
    socket.write_all(octets)
}

/// Written beside its place and moved there, so that whoever waits for it reads all of it.
fn note(path: &str, text: &str) -> io::Result<()> {
    let temporary = format!("{path}.{}", std::process::id());
    File::create(&temporary)?.write_all(text.as_bytes())?;
    std::fs::rename(temporary, path)
}

/// Writes its inputs back: of each its kind and its octets, or what file it is.
#[anyfork::entry]
pub fn report(mut socket: UnixStream, inputs: Inputs) -> io::Result<()> {
    for input in inputs {
        match input {
            Input::Arg(octets) => tell(&mut socket, b'a', &octets)?,
            Input::Fd(fd) => tell(&mut socket, b'f', identity(&fd).as_bytes())?,
            _ => tell(&mut socket, b'?', b"")?,
        }
    }
    Ok(())
}

/// Tells what file its socket is, and stays until it is told an exit code, or reads end-of-file.
#[anyfork::entry]
pub fn park(mut socket: UnixStream, _rest: Inputs) -> io::Result<ExitCode> {
    writeln!(socket, "{}", identity(&socket))?;
    let mut code = [0];
    socket.read_exact(&mut code).map_or(Ok(ExitCode::SUCCESS), |()| Ok(code[0].into()))
}

/// Ends with this exit code.
#[anyfork::entry]
pub fn exit_with(_socket: UnixStream, code: u8) -> ExitCode {
    code.into()
}

/// Ends by an error that nobody catches.
#[anyfork::entry]
pub fn fail(_socket: UnixStream, message: String) -> Result<(), String> {
    Err(message)
}

/// Sends itself a signal.
#[anyfork::entry]
pub fn kill_self(_socket: UnixStream, signal: i32) {
    // SAFETY: raise(3) has no preconditions.
    unsafe { libc::raise(signal) };
    std::thread::sleep(LINGER);
}

/// Reads to end-of-file, and leaves what it read in a file.
#[anyfork::entry]
pub fn wait_for_eof(mut socket: UnixStream, witness: String) -> io::Result<()> {
    let mut text = String::new();
    socket.read_to_string(&mut text)?;
    note(&witness, &format!("eof {text}"))
}

/// The same, and goes on then.
#[anyfork::entry]
pub fn go_on_after_eof(mut socket: UnixStream, witness: String) -> io::Result<()> {
    let mut text = String::new();
    socket.read_to_string(&mut text)?;
    note(&witness, &format!("eof {text}"))?;
    std::thread::sleep(LINGER);
    Ok(())
}

/// Reads to end-of-file, and writes it back in capitals.
#[anyfork::entry]
pub fn shout(mut socket: UnixStream) -> io::Result<()> {
    let mut text = String::new();
    socket.read_to_string(&mut text)?;
    socket.write_all(text.to_uppercase().as_bytes())
}

/// Leaves a sign that it was entered.
#[anyfork::entry]
pub fn touch(_socket: UnixStream, witness: String) -> io::Result<()> {
    note(&witness, "entered")
}

/// Ends with 7, and leaves a program behind that has the socket open until it reads end-of-file.
#[anyfork::entry]
pub fn leave_a_child(socket: UnixStream) -> io::Result<ExitCode> {
    let socket = Stdio::from(std::os::fd::OwnedFd::from(socket));
    Command::new("cat").stdin(socket).stdout(Stdio::null()).spawn()?;
    Ok(7.into())
}

/// Takes two inputs, no fewer and no more.
#[anyfork::entry]
pub fn two_inputs(mut socket: UnixStream, first: String, second: String) -> io::Result<()> {
    write!(socket, "{first} {second}")
}

/// Writes to standard output, without an end of the line.
#[anyfork::entry]
pub fn print_half(_socket: UnixStream, text: String) {
    print!("{text}");
}

/// Writes back what [`prepare`] has kept.
#[anyfork::entry]
pub fn state(mut socket: UnixStream) -> io::Result<()> {
    socket.write_all(&STATE.lock().unwrap().join(&b","[..]))
}

/// Keeps its inputs. This one and those below are to be called, and so have no socket.
#[anyfork::entry]
pub fn prepare(inputs: Inputs) {
    let octets = inputs.filter_map(|input| match input {
        Input::Arg(octets) => Some(octets.to_vec()),
        _ => None,
    });
    STATE.lock().unwrap().extend(octets);
}

/// Takes two inputs, no fewer and no more.
#[anyfork::entry]
pub fn prepare_two(first: String, second: String) {
    STATE.lock().unwrap().extend([first.into(), second.into()]);
}

/// Fails.
#[anyfork::entry]
pub fn fail_preparation(message: String) -> Result<(), String> {
    Err(message)
}

/// Ends the process.
#[anyfork::entry]
pub fn exit_in_preparation(code: i32) {
    std::process::exit(code)
}

/// Notes its number in a file and never gets ready.
#[anyfork::entry]
pub fn prepare_for_ever(witness: String) -> io::Result<()> {
    note(&witness, &std::process::id().to_string())?;
    std::thread::sleep(LINGER);
    Ok(())
}

/// Leaves a sign that it was called.
#[anyfork::entry]
pub fn touch_in_preparation(witness: String) -> io::Result<()> {
    note(&witness, "called")
}

/// Leaves a thread.
#[anyfork::entry]
pub fn leave_a_thread() {
    std::thread::spawn(|| std::thread::sleep(LINGER));
}

/// Leaves half a line in the buffer of standard output.
#[anyfork::entry]
pub fn print_half_in_preparation(text: String) {
    print!("{text}");
}

static AT_EXIT: Mutex<Vec<String>> = Mutex::new(Vec::new());

extern "C" fn note_exit() {
    AT_EXIT.lock().unwrap().drain(..).for_each(|witness| drop(note(&witness, "at exit")));
}

fn register_note(witness: String) {
    AT_EXIT.lock().unwrap().push(witness);
    // SAFETY: the function lives as long as the program.
    assert_eq!(unsafe { libc::atexit(note_exit) }, 0);
}

/// Registers an exit handler that leaves a file, and ends by the language's `exit`.
#[anyfork::entry]
pub fn at_exit(_socket: UnixStream, witness: String) {
    // Of the template, whose handler is not to run.
    AT_EXIT.lock().unwrap().clear();
    register_note(witness);
    std::process::exit(4)
}

/// Ends by the language's `exit`.
#[anyfork::entry]
pub fn exit_here(_socket: UnixStream) {
    std::process::exit(4)
}

/// Registers an exit handler that leaves a file.
#[anyfork::entry]
pub fn at_exit_in_preparation(witness: String) {
    register_note(witness);
}

/// Becomes another user.
#[anyfork::entry]
pub fn become_user(user: u32) -> io::Result<()> {
    Ok(rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(user))?)
}
