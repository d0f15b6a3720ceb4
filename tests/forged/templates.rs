//! A template that is none.

use crate::frames::{self, END, EXITED, FAILED, FORK, NOT_FORKED, OWN, READY, SPARE, STARTED, frame, header, send};
use crate::{DEADLINE, flood, flood_with_descriptors, is_closed, reports};
use anyfork::{Error, ErrorKind, Process, Template};
use anyfork_tests::LONG;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{PidfdFlags, getpid, pidfd_open};
use std::io::{IoSliceMut, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::Instant;

/// Takes up a template that `peer` plays.
fn take_up(peer: impl FnOnce(UnixStream) + Send + 'static) -> (Result<Template, Error>, JoinHandle<()>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let played = std::thread::spawn(move || {
        assert_eq!(order(&theirs).0, OWN);
        peer(theirs);
    });
    (Template::from_fd(ours.into()), played)
}

/// The same, of one that says that it is ready.
fn taken(peer: impl FnOnce(UnixStream) + Send + 'static) -> (Template, JoinHandle<()>) {
    let (template, played) = take_up(|socket| {
        assert!(send(&socket, &frame(READY, 0, &pid()), &[]));
        peer(socket);
    });
    (template.unwrap(), played)
}

fn pid() -> [u8; 4] {
    std::process::id().to_le_bytes()
}

/// The next order: its kind, its payload, and a descriptor.
fn order(socket: &UnixStream) -> (u16, Vec<u8>, Option<OwnedFd>) {
    let mut header = [0; 8];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL;
    let came = recvmsg(socket, &mut [IoSliceMut::new(&mut header)], &mut control, flags).unwrap().bytes;
    assert_eq!(came, 8, "an order");
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    });
    let [a, b, c, d, kind, of_kind, ..] = header;
    let mut payload = vec![0; u32::from_le_bytes([a, b, c, d]) as usize];
    (&*socket).read_exact(&mut payload).unwrap();
    (u16::from_le_bytes([kind, of_kind]), payload, fd)
}

fn exited(id: u64, pid: u32, wait_status: u32) -> Vec<u8> {
    frame(EXITED, 0, &[&id.to_le_bytes()[..], &pid.to_le_bytes(), &wait_status.to_le_bytes(), &[0; 40]].concat())
}

#[test]
fn what_is_no_template_is_an_error() {
    let cases = [
        ("text", b"220 mail.example.org ESMTP\r\n".to_vec()),
        ("a length above the limit", header(u32::MAX, READY, 0)),
        ("a reply of kind 0", frame(0, 0, &pid())),
        ("ready that is cut off", frame(READY, 0, &[1, 0, 0])),
        ("ready whose descriptor did not come", frame(READY, 1, &pid())),
        ("own, which is an order", frame(OWN, 0, &pid())),
        ("a spare without its id", frame(SPARE, 0, &pid())),
    ];
    for (what, octets) in cases {
        let (template, played) = take_up(move |socket| {
            send(&socket, &octets, &[]);
            let _ = (&socket).read_to_end(&mut Vec::new());
        });
        assert_eq!(template.unwrap_err().kind(), ErrorKind::Protocol, "{what}");
        played.join().unwrap();
    }
}

#[test]
fn reports_to_an_earlier_owner_are_passed_over() {
    let (template, played) = take_up(|socket| {
        let spare = frame(SPARE, 0, &[0; 12]);
        let earlier = [exited(1, 1, 0), frame(NOT_FORKED, 0, &[0; 12]), spare, exited(0, 2, 9)].concat().repeat(200);
        assert!(send(&socket, &earlier, &[]));
        assert!(send(&socket, &frame(READY, 0, &pid()), &[]));
    });
    assert_eq!(template.unwrap().pid(), std::process::id());
    played.join().unwrap();
}

#[test]
fn reports_of_nobody_and_replies_twice_change_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (template, played) = taken(move |socket| {
        let id = |id: u64| id.to_le_bytes();
        for unknown in [0, 2, 77, u64::MAX] {
            assert!(send(&socket, &exited(unknown, 1, 9), &[]));
            assert!(send(&socket, &frame(NOT_FORKED, 0, &[&id(unknown)[..], &[24, 0, 0, 0]].concat()), &[]));
            let spare = [&id(unknown)[..], &pid()].concat();
            assert!(send(&socket, &frame(SPARE, 0, &spare), &[]));
            assert!(send(&socket, &frame(SPARE, 1, &spare), &[writer.as_fd()]));
        }
        assert!(send(&socket, &frame(READY, 1, &[9, 0, 0, 0]), &[writer.as_fd()]));
        assert!(send(&socket, &frame(STARTED, 1, &[9, 0, 0, 0]), &[writer.as_fd()]));
        drop(writer);
        let (kind, payload, process) = order(&socket);
        assert_eq!(kind, FORK);
        let id = u64::from_le_bytes(payload[..8].try_into().unwrap());
        // First: the pidfd of what answers, which is this process, never shows an end.
        let ends = [exited(id, std::process::id(), 7 << 8), exited(id, std::process::id(), 9)].concat();
        assert!(send(&socket, &ends, &[]));
        // Whoever answers is the process.
        let pidfd = pidfd_open(getpid(), PidfdFlags::empty()).unwrap();
        let started = frame(STARTED, 1, &pid());
        assert!(send(&process.unwrap().into(), &started, &[pidfd.as_fd()]));
        while order(&socket).0 != END {}
    });
    let worker = template.fork().run("forged::none").unwrap();
    assert_eq!(worker.wait().unwrap().code(), Some(7), "an end is told once");
    assert_eq!(worker.wait().unwrap().code(), Some(7));
    assert_eq!(template.pid(), std::process::id());
    assert_eq!(template.spares_waiting(), 0);
    drop((worker, template));
    played.join().unwrap();
    is_closed(reader);
}

/// Nothing that it says is believed any more.
#[test]
fn what_is_malformed_is_the_end_of_the_template() {
    let cases = [
        ("text", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("the greatest length", header(u32::MAX, EXITED, 0)),
        ("a report that is cut off", frame(EXITED, 0, &[0; 55])),
        ("a report with more behind it", frame(EXITED, 0, &[0; 57])),
        ("a spare whose descriptor did not come", frame(SPARE, 1, &[0; 12])),
        ("an order", frame(FORK, 0, &[0; 9])),
    ];
    for (what, octets) in cases {
        let (template, played) = taken(move |socket| {
            send(&socket, &octets, &[]);
            let _ = (&socket).read_to_end(&mut Vec::new());
        });
        let is_gone = || template.spares(1..=1).is_err_and(|error| error.kind() == ErrorKind::TemplateGone);
        assert!(anyfork_tests::wait_until(LONG, is_gone), "{what}");
        drop(template);
        played.join().unwrap();
    }
}

#[test]
fn why_there_is_no_fork_or_no_template_is_told() {
    let (template, played) = taken(|socket| {
        let (kind, payload, _process) = order(&socket);
        assert_eq!(kind, FORK);
        assert!(send(&socket, &frame(NOT_FORKED, 0, &[&payload[..8], &[24, 0, 0, 0]].concat()), &[]));
        let texts = [frames::counted(b"fork"), frames::counted(b""), frames::counted(b"no")].concat();
        assert!(send(&socket, &frame(FAILED, 0, &[&[5, 0, 0, 0, 0], &texts[..]].concat()), &[]));
    });
    let fork = || template.fork().deadline(LONG / 2).run("forged::none").unwrap_err();
    assert_eq!(fork().raw_os_error(), Some(24));
    // It has ended before the next order.
    played.join().unwrap();
    assert_eq!(fork().kind(), ErrorKind::Threads);
    assert_eq!(fork().kind(), ErrorKind::TemplateGone);
}

#[test]
fn reports_without_an_end_hold_nobody_up() {
    let (template, played) = taken(|socket| flood(&socket, &reports()));
    let begin = Instant::now();
    for _ in 0..3 {
        template.spares_waiting();
    }
    let process: Process = template.fork().deadline(DEADLINE);
    assert_eq!(process.run("forged::none").unwrap_err().kind(), ErrorKind::Deadline);
    assert!(begin.elapsed() < LONG / 2, "it took {:?}", begin.elapsed());
    drop(template);
    played.join().unwrap();
}

#[test]
fn descriptors_without_an_end_are_the_end_of_the_template_and_are_closed() {
    let (reader, writer) = std::io::pipe().unwrap();
    let (template, played) = taken(|socket| flood_with_descriptors(&socket, writer));
    let is_gone = || template.spares(1..=1).is_err_and(|error| error.kind() == ErrorKind::TemplateGone);
    assert!(anyfork_tests::wait_until(LONG, is_gone));
    drop(template);
    played.join().unwrap();
    is_closed(reader);
}
