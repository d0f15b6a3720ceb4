//! Descriptors that nobody has asked for.

use crate::*;
use anyfork::{ErrorKind, Process};
use anyfork_tests::{SOON, open_files};
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Instant;

/// One of each kind, and the socket on which they are sent.
fn of_all_kinds(socket: BorrowedFd<'_>) -> Vec<OwnedFd> {
    let (reader, writer) = std::io::pipe().unwrap();
    let (a, b) = UnixStream::pair().unwrap();
    vec![
        socket.try_clone_to_owned().unwrap(),
        reader.into(),
        writer.into(),
        a.into(),
        b.into(),
        File::open("/dev/null").unwrap().into(),
        File::open("/").unwrap().into(),
        File::open("/proc/self/mem").unwrap().into(),
        rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap(),
        rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap(),
        std::net::UdpSocket::bind("127.0.0.1:0").unwrap().into(),
    ]
}

fn send_many(socket: BorrowedFd<'_>, octets: &[u8]) -> bool {
    let kinds = of_all_kinds(socket);
    let many: Vec<BorrowedFd<'_>> = kinds.iter().map(AsFd::as_fd).cycle().take(253).collect();
    octets.chunks(1).all(|octet| send(socket, octet, &many))
}

/// In a preparation: with the reply, and in front of it.
#[anyfork::entry]
fn send_with_reply(how: String) {
    let socket = own_socket();
    let reply = frame(STARTED, 1, &std::process::id().to_le_bytes());
    let null = File::open("/dev/null").unwrap();
    // The program may have had enough before all is sent.
    let _ = match how.as_str() {
        "many with each octet" => send_many(socket.as_fd(), &reply),
        "many at once" => send(&socket, &reply, &vec![null.as_fd(); 253]),
        "two at once" => send(&socket, &reply, &[null.as_fd(), null.as_fd()]),
        "one with each octet" => reply.chunks(1).all(|octet| send(&socket, octet, &[null.as_fd()])),
        _ => unreachable!("{how}"),
    };
    std::thread::sleep(LONG);
}

#[test]
fn descriptors_that_belong_to_no_reply_do_not_come_in() {
    others_work();
    let before = open_files(std::process::id());
    for how in ["many with each octet", "many at once", "two at once", "one with each octet"] {
        let begin = Instant::now();
        let error = Process::new().call(send_with_reply, [how]).run(nothing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{how}: {error}");
        assert!(begin.elapsed() < SOON, "{how}: {:?}", begin.elapsed());
        assert_eq!(open_files(std::process::id()), before, "{how}");
    }
    others_work();
}

/// When the socket is the user's: whoever reads without asking for descriptors gets none (recv(2)), and they are closed with the socket.
#[anyfork::entry]
fn send_as_a_worker(mut socket: UnixStream) -> std::io::Result<()> {
    assert!(send_many(socket.as_fd(), b"many"));
    socket.write_all(b"end")
}

#[test]
fn descriptors_on_a_worker_s_socket_stay_outside() {
    others_work();
    let before = open_files(std::process::id());
    for reads in [true, false] {
        let worker = Process::new().blocking_socket(true).run(send_as_a_worker).unwrap();
        if reads {
            let mut octets = [0; 7];
            worker.socket().read_exact(&mut octets).unwrap();
            assert_eq!(&octets, b"manyend");
        }
        assert!(worker.wait().unwrap().success());
        let own = 1 + usize::from(worker.pidfd().is_some());
        assert_eq!(open_files(std::process::id()).len(), before.len() + own);
        drop(worker);
        assert_eq!(open_files(std::process::id()), before);
    }
}
