//! Passing descriptors: a file, one end of a pipe, a listening socket, and a whole template.
//!
//! An entry takes each as the type it wants, and a descriptor of another kind is an error that says so. A new process
//! has 0, 1, 2, its socket and what was sent to it: so the pipe below ends when its one writer does.
//!
//! Run it: `cargo run --release --example pass_fd`

use anyfork::{Process, Template};
use std::fs::File;
use std::io::{self, PipeWriter, Read, Seek, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pass_a_file()?;
    pass_a_pipe()?;
    pass_a_listener()?;
    pass_a_template()?;
    pass_the_wrong_kind()
}

#[anyfork::entry]
fn append(mut file: File, line: String) -> io::Result<()> {
    writeln!(file, "{line}")
}

/// Both processes have the same open file: the worker writes where the program stopped.
fn pass_a_file() -> Result<(), Box<dyn std::error::Error>> {
    let mut file = tempfile::tempfile()?;
    writeln!(file, "from the program")?;
    let worker = Process::new().fd(&file).arg("from the worker").run(append)?;
    let status = worker.wait()?;
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    println!("file: {:?} ({status})", text.lines().collect::<Vec<_>>());
    Ok(())
}

#[anyfork::entry]
fn count(mut numbers: PipeWriter, last: u32) -> io::Result<()> {
    (1..=last).try_for_each(|number| writeln!(numbers, "{number}"))
}

/// The writing end is given away, so the worker's end is the end of the pipe.
fn pass_a_pipe() -> Result<(), Box<dyn std::error::Error>> {
    let (mut reader, writer) = io::pipe()?;
    let worker = Process::new().fd(writer).arg(5).run(count)?;
    let mut numbers = String::new();
    reader.read_to_string(&mut numbers)?;
    println!("pipe: {:?} ({})", numbers.lines().collect::<Vec<_>>(), worker.wait()?);
    Ok(())
}

#[anyfork::entry]
fn greet(listener: TcpListener) -> io::Result<()> {
    let (mut client, address) = listener.accept()?;
    write!(client, "hello, {}", address.ip())
}

/// The program makes the listener, and so decides the address; the worker accepts.
fn pass_a_listener() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let worker = Process::new().fd(listener).run(greet)?;
    let mut greeting = String::new();
    TcpStream::connect(address)?.read_to_string(&mut greeting)?;
    println!("listener: {greeting:?} ({})", worker.wait()?);
    Ok(())
}

#[anyfork::entry]
fn manage(mut socket: UnixStream, template: OwnedFd, jobs: u32) -> Result<(), Box<dyn std::error::Error>> {
    // From here on the template ends with this process.
    let template = Template::from_fd(template)?;
    for job in 1..=jobs {
        let worker = template.fork().arg(job).blocking_socket(true).run(square)?;
        let mut answer = String::new();
        worker.socket().read_to_string(&mut answer)?;
        writeln!(socket, "{job}² = {answer}")?;
        worker.wait()?;
    }
    Ok(())
}

#[anyfork::entry]
fn square(mut socket: UnixStream, number: u64) -> io::Result<()> {
    write!(socket, "{}", number * number)
}

/// A template is a descriptor, too: a worker takes it up and forks from it.
fn pass_a_template() -> Result<(), Box<dyn std::error::Error>> {
    let template = Process::new().name("squares").template()?.into_fd()?;
    let manager = Process::new().fd(template).arg(3).blocking_socket(true).run(manage)?;
    let mut answers = String::new();
    manager.socket().read_to_string(&mut answers)?;
    println!("template: {:?} ({})", answers.lines().collect::<Vec<_>>(), manager.wait()?);
    Ok(())
}

/// The worker wants a listener and gets a file: it never enters its entry.
fn pass_the_wrong_kind() -> Result<(), Box<dyn std::error::Error>> {
    let file = tempfile::tempfile()?;
    match Process::new().fd(&file).run(greet) {
        Err(error) => println!("wrong kind: {:?}: {error}", error.kind()),
        Ok(_) => return Err("a file was taken for a listener".into()),
    }
    Ok(())
}
