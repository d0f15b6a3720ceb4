//! Sockets of workers and pipes of programs, read and written by the runtime's own types.

use anyfork::{Command, ErrorKind, Process, Stdio};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

/// Sends back what it reads, in capitals, and ends with end-of-file.
#[anyfork::entry]
fn shout(mut socket: UnixStream) -> std::io::Result<()> {
    let mut octets = [0; 4096];
    loop {
        let read = socket.read(&mut octets)?;
        if read == 0 {
            return Ok(());
        }
        octets[..read].make_ascii_uppercase();
        socket.write_all(&octets[..read])?;
    }
}

fn piped(program: &str) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Two runtimes' names for the same things.
macro_rules! cases {
    ($runtimes:ident, $($io:ident)::+, sockets: $into_socket:ident $socket:ident, pipes: $stdin:ident $stdout:ident $stderr:ident) => {
        use super::{ErrorKind, Process, Stdio, piped, shout};
        use anyfork_tests::in_runtimes;
        use $($io)::+::{AsyncReadExt, AsyncWriteExt};

        in_runtimes! { $runtimes:
            a_worker_is_talked_to_in_both_directions;
            a_duplicate_of_the_socket_leaves_the_worker_its_own;
            a_program_sorts_what_is_written_to_it;
            a_program_is_written_to_and_read_at_the_same_time;
            standard_error_can_be_read;
            a_pipe_that_was_taken_or_never_made_is_a_typed_error;
        }

        async fn a_worker_is_talked_to_in_both_directions() {
            let worker = Process::new().start(shout).await.unwrap();
            let exited = worker.exited();
            let mut socket = worker.$into_socket().unwrap();
            let mut answer = [0; 5];
            for (said, heard) in [(b"hello", b"HELLO"), (b"again", b"AGAIN")] {
                socket.write_all(said).await.unwrap();
                socket.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, heard);
            }
            drop(socket);
            assert!(exited.await.unwrap().success());
        }

        async fn a_duplicate_of_the_socket_leaves_the_worker_its_own() {
            let worker = Process::new().start(shout).await.unwrap();
            let mut socket = worker.$socket().unwrap();
            socket.write_all(b"one").await.unwrap();
            let mut answer = [0; 3];
            socket.read_exact(&mut answer).await.unwrap();
            drop(socket);
            assert_eq!((&answer, worker.try_wait().unwrap()), (b"ONE", None));
            let mut socket = worker.$socket().unwrap();
            socket.write_all(b"two").await.unwrap();
            // The worker has its end-of-file by this, though the other copy is open.
            rustix::net::shutdown(&socket, rustix::net::Shutdown::Write).unwrap();
            let mut rest = Vec::new();
            socket.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"TWO");
            assert!(worker.exited().await.unwrap().success());
        }

        async fn a_program_sorts_what_is_written_to_it() {
            let mut child = piped("sort").start().await.unwrap();
            let mut stdin = child.$stdin().unwrap();
            let mut stdout = child.$stdout().unwrap();
            stdin.write_all(b"cherry\napple\nbanana\n").await.unwrap();
            drop(stdin);
            let mut sorted = String::new();
            stdout.read_to_string(&mut sorted).await.unwrap();
            assert_eq!(sorted, "apple\nbanana\ncherry\n");
            assert!(child.exited().await.unwrap().success());
        }

        async fn a_program_is_written_to_and_read_at_the_same_time() {
            let data: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
            let mut child = piped("cat").start().await.unwrap();
            let (mut stdin, mut stdout) = (child.$stdin().unwrap(), child.$stdout().unwrap());
            let mut came = Vec::new();
            let write = async {
                stdin.write_all(&data).await.unwrap();
                drop(stdin);
            };
            let (read, ()) = futures::join!(stdout.read_to_end(&mut came), write);
            assert_eq!(read.unwrap(), data.len());
            assert!(came == data, "not what was written");
            assert!(child.exited().await.unwrap().success());
        }

        async fn standard_error_can_be_read() {
            let mut command = piped("sh");
            command.args(["-c", "echo wrong >&2; exit 2"]).stdin(Stdio::null());
            let mut child = command.start().await.unwrap();
            let mut said = String::new();
            child.$stderr().unwrap().read_to_string(&mut said).await.unwrap();
            assert_eq!((&*said, child.exited().await.unwrap().code()), ("wrong\n", Some(2)));
        }

        async fn a_pipe_that_was_taken_or_never_made_is_a_typed_error() {
            let mut child = piped("cat").start().await.unwrap();
            let _taken = (child.$stdin().unwrap(), child.$stdout().unwrap(), child.$stderr().unwrap());
            let again = [child.$stdin().map(drop), child.$stdout().map(drop), child.$stderr().map(drop)];
            let mut command = piped("true");
            let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).start().await.unwrap();
            let never = [child.$stdin().map(drop), child.$stdout().map(drop), child.$stderr().map(drop)];
            for result in again.into_iter().chain(never) {
                assert_eq!(result.unwrap_err().kind(), ErrorKind::InvalidInput);
            }
        }
    };
}

mod by_tokio {
    cases! { tokio, tokio::io, sockets: into_tokio_socket tokio_socket, pipes: tokio_stdin tokio_stdout tokio_stderr }
}

mod by_async_io {
    cases! { others, futures::io, sockets: into_smol_socket smol_socket, pipes: smol_stdin smol_stdout smol_stderr }
}
