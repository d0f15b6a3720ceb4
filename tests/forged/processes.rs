//! A process that is none.

use crate::frames::{self, EXITED, FAILED, LONGEST, READY, RUN, SPARE, STARTED, counted, frame, header, send};
use crate::{DEADLINE, flood, flood_with_descriptors, is_closed, reports};
use anyfork::{Error, ErrorKind, Process, Worker};
use anyfork_tests::LONG;
use rustix::event::{PollFd, PollFlags, Timespec, epoll, poll};
use std::io::{Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Runs an entry in a process that `peer` plays.
fn run(deadline: Duration, peer: impl FnOnce(UnixStream) + Send + 'static) -> Result<Worker, Error> {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let played = std::thread::spawn(move || peer(theirs));
    let begin = Instant::now();
    let process = Process::from_fd(ours.into()).unwrap().deadline(deadline).blocking_socket(true);
    let result = process.run("forged::none");
    assert!(begin.elapsed() < LONG / 2, "it took {:?}", begin.elapsed());
    played.join().unwrap();
    result
}

/// The error if these octets come, and then nothing.
fn error(octets: Vec<u8>) -> Error {
    run(LONG / 4, move |socket| {
        send(&socket, &octets, &[]);
        until_given_up(&socket);
    })
    .unwrap_err()
}

/// By an error, if what was sent has not been read.
fn until_given_up(mut socket: &UnixStream) {
    let _ = socket.read_to_end(&mut Vec::new());
}

/// PROTOCOL.md: of a failure.
const LONGEST_TEXT: usize = 65_536;

fn pid() -> [u8; 4] {
    std::process::id().to_le_bytes()
}

#[test]
fn what_is_malformed_is_an_error_at_once() {
    let texts = [counted(b""), counted(b""), counted(b"x")].concat();
    let long = [vec![0; 5], counted(b""), counted(b""), counted(&[b'x'; LONGEST_TEXT + 1])].concat();
    let malformed = [
        ("text", b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
        ("a length above the limit", header(LONGEST + 1, STARTED, 0)),
        ("the greatest length", header(u32::MAX, STARTED, 0)),
        ("a negative length", header(i32::MIN as u32, FAILED, 0)),
        ("a reply of kind 0", frame(0, 0, &pid())),
        ("an order", frame(RUN, 0, b"a name")),
        ("a reply behind the last known", frame(SPARE + 1, 0, &pid())),
        ("the last kind", frame(u16::MAX, 0, &pid())),
        ("started without anything", frame(STARTED, 0, b"")),
        ("started that is cut off", frame(STARTED, 0, &[1, 0, 0])),
        ("started with more behind it", frame(STARTED, 0, &[1, 0, 0, 0, 0])),
        ("started whose descriptor did not come", frame(STARTED, 1, &pid())),
        ("started whose descriptors did not come", frame(STARTED, u16::MAX, &pid())),
        ("failed without anything", frame(FAILED, 0, b"")),
        ("failed of an unknown kind", frame(FAILED, 0, &[&[9, 0, 0, 0, 0], &texts[..]].concat())),
        ("failed with a text that is cut off", frame(FAILED, 0, &[&[0; 5], &texts[..texts.len() - 1]].concat())),
        ("failed with a text of the greatest length", frame(FAILED, 0, &[&[0; 5][..], &[255; 4], b"x"].concat())),
        ("failed with a text that is too long", frame(FAILED, 0, &long)),
        ("failed with more behind it", frame(FAILED, 0, &[&[0; 5], &texts[..], b"x"].concat())),
        ("a report that is cut off", frame(EXITED, 0, &[0; 55])),
    ];
    for (what, octets) in malformed {
        let error = error(octets);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{what}: {error}");
    }
}

#[test]
fn descriptors_that_no_reply_has_are_an_error_and_are_closed() {
    let cases = [
        ("started with two", frame(STARTED, 2, &pid())),
        ("ready with two", frame(READY, 2, &pid())),
        ("failed with one", frame(FAILED, 1, &[0; 17])),
        ("a report with one", frame(EXITED, 1, &[0; 56])),
    ];
    for (what, octets) in cases {
        let (reader, writer) = std::io::pipe().unwrap();
        let error = run(DEADLINE, move |socket| {
            send(&socket, &octets, &[writer.as_fd(); 2]);
            drop(writer);
            until_given_up(&socket);
        });
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Protocol, "{what}");
        is_closed(reader);
    }
}

/// Any descriptor may come as the pidfd: one that is none is closed.
#[test]
fn what_is_no_pidfd_is_no_process() {
    let (reader, writer) = std::io::pipe().unwrap();
    let worker = run(DEADLINE, move |socket| {
        assert!(send(&socket, &frame(STARTED, 1, &pid()), &[writer.as_fd()]));
    });
    let worker = worker.unwrap();
    // It is not used, and there is no other way to the process.
    assert_eq!(worker.signal(9).unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(worker.kill().is_err());
    drop(worker);
    is_closed(reader);
}

#[test]
fn a_reply_may_be_cut_anywhere() {
    let reply = frame(STARTED, 0, &pid());
    for cut in 1..reply.len() {
        let parts = reply.clone();
        let worker = run(LONG / 4, move |socket| {
            assert!(send(&socket, &parts[..cut], &[]));
            std::thread::sleep(Duration::from_millis(2));
            assert!(send(&socket, &parts[cut..], &[]));
        });
        assert_eq!(worker.unwrap().pid(), std::process::id(), "cut at {cut}");
    }
}

#[test]
fn an_end_in_the_midst_of_a_reply_is_the_end_of_the_process() {
    let texts = [counted(b"a"), counted(b"b"), counted(b"c")].concat();
    for reply in [frame(STARTED, 0, &pid()), frame(FAILED, 0, &[&[0; 5], &texts[..]].concat())] {
        for cut in 0..reply.len() {
            let part = reply[..cut].to_vec();
            let error = run(LONG / 4, move |socket| {
                assert!(part.is_empty() || send(&socket, &part, &[]));
                socket.shutdown(std::net::Shutdown::Write).unwrap();
            });
            assert_eq!(error.unwrap_err().kind(), ErrorKind::ProcessGone, "cut at {cut}");
        }
    }
}

#[test]
fn a_reply_without_an_end_is_not_waited_for_beyond_the_deadline() {
    let error = run(DEADLINE, |socket| {
        assert!(send(&socket, &header(LONGEST, FAILED, 0), &[]));
        let until = Instant::now() + LONG;
        while Instant::now() < until && (&socket).write_all(&[0]).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Deadline);
}

/// Those of a template are for somebody else.
#[test]
fn replies_without_an_end_are_not_listened_to_beyond_the_deadline() {
    let error = run(DEADLINE, |socket| flood(&socket, &reports()));
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Deadline);
}

/// However much there is: who sends as fast as it is read would never be at an end.
#[test]
fn one_question_reads_a_part() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let seen = ours.try_clone().unwrap();
    theirs.set_nonblocking(true).unwrap();
    while (&theirs).write(&reports()).is_ok() {}
    let left = || rustix::io::ioctl_fionread(&seen).unwrap();
    let mut starting = Process::from_fd(ours.into()).unwrap().start("forged::none");
    let mut before = left();
    while before > 0 {
        assert!(starting.try_finish().unwrap().is_none());
        let now = left();
        assert!(before - now <= 64 * 1024, "{} octets at a time", before - now);
        before = now;
    }
}

/// Also in an event loop that hears of changes only.
#[test]
fn what_a_question_has_left_is_asked_for_by_the_next() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    assert!(send(&theirs, &[&reports()[..], &frame(STARTED, 0, &pid())].concat(), &[]));
    let mut starting = Process::from_fd(ours.into()).unwrap().deadline(LONG).start("forged::none");
    let set = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&set, &starting, epoll::EventData::new_u64(0), flags).unwrap();
    let mut questions = 0;
    let worker = loop {
        let mut events = [MaybeUninit::uninit()];
        let limit = Timespec { tv_sec: 2, tv_nsec: 0 };
        assert_eq!(epoll::wait(&set, &mut events, Some(&limit)).unwrap().0.len(), 1, "nothing is told");
        questions += 1;
        if let Some(worker) = starting.try_finish().unwrap() {
            break worker;
        }
    };
    assert_eq!(worker.pid(), std::process::id());
    assert!(questions > 2, "it took {questions}");
}

/// However many reads came before it.
#[test]
fn a_reply_that_the_last_read_of_a_question_brings_is_taken() {
    let texts = [counted(b"a"), counted(b"b"), counted(b"c")].concat();
    let failed = frame(FAILED, 0, &[&[0; 5], &texts[..]].concat());
    let pass_over = frame(EXITED, 0, &[7; 56]);
    // Two reads for each.
    for before in 126..=130 {
        let octets = [&pass_over.repeat(before)[..], &failed].concat();
        let waited_for = error(octets.clone());
        assert_ne!(waited_for.kind(), ErrorKind::Deadline, "behind {before}: {waited_for}");
        let (ours, theirs) = UnixStream::pair().unwrap();
        assert!(send(&theirs, &octets, &[]));
        let mut starting = Process::from_fd(ours.into()).unwrap().deadline(LONG).start("forged::none");
        let error = loop {
            let limit = Timespec { tv_sec: 2, tv_nsec: 0 };
            let mut polls = [PollFd::new(&starting, PollFlags::IN)];
            assert_eq!(poll(&mut polls, Some(&limit)).unwrap(), 1, "behind {before}: nothing is told");
            if let Some(result) = starting.try_finish().transpose() {
                break result.unwrap_err();
            }
        };
        assert_eq!(error.kind(), waited_for.kind(), "{error}");
    }
}

#[test]
fn descriptors_without_an_end_are_refused_and_closed() {
    let (reader, writer) = std::io::pipe().unwrap();
    let error = run(LONG / 4, |socket| flood_with_descriptors(&socket, writer)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
    assert!(error.to_string().contains("more descriptors than a reply has"), "{error}");
    is_closed(reader);
}

#[test]
fn what_stands_behind_the_reply_is_the_callers() {
    let reply = frame(STARTED, 0, &pid());
    let twice = [&reply[..], &reply, b"text"].concat();
    let worker = run(LONG / 4, move |socket| {
        assert!(send(&socket, &twice, &[]));
        // Not to be closed with orders unread, which would be an error there.
        frames::reply(&socket).expect("the order to run");
    })
    .unwrap();
    let mut rest = Vec::new();
    worker.socket().read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [&reply[..], b"text"].concat());
}

#[test]
fn a_failure_may_have_any_texts() {
    let longest = vec![0xff; LONGEST_TEXT];
    let texts = [&b"\xff\xfe\0\n\x1b[31m"[..], b"", &longest];
    for (kind, text) in (0..9).zip(texts.into_iter().chain([texts[0]; 6])) {
        let payload = [&[kind, 255, 255, 255, 255][..], &counted(b""), &counted(b""), &counted(text)].concat();
        let error = error(frame(FAILED, 0, &payload));
        assert!(![ErrorKind::Deadline, ErrorKind::ProcessGone].contains(&error.kind()), "{kind}: {error:?}");
        assert!(!error.to_string().is_empty());
    }
}
