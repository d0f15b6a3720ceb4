//! A process that collects orders.

use crate::frames::*;
use crate::peers::{Peer, Raw, fork, is_well, run, started};
use anyfork_conformance::{Seen, octets, seen, written};
use anyfork_tests::{LONG, Scratch, children, identity, signal as send_signal, stop, wait_until};
use rustix::process::Signal;
use std::fs::File;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Orders with everything in them that can be told by their outcome, and the descriptors of all.
fn orders<P: Peer>(fds: &[OwnedFd; 3]) -> (Vec<u8>, Vec<Seen>) {
    let file = |fd: &OwnedFd| Seen::File(identity(fd));
    let call = [counted(P::name("prepare").as_bytes()), vec![0], counted(b"x")].concat();
    let orders = [
        frame(NAME, 0, b"a name"),
        frame(ARGUMENT, 0, b"a\0b"),
        frame(DESCRIPTORS, 2, b""),
        frame(CALL, 0, &call),
        frame(ARGUMENT, 0, b""),
        frame(DESCRIPTORS, 1, b""),
        frame(CONTEXT, 0, b"c"),
        run::<P>("report"),
    ];
    let seen =
        vec![Seen::Octets(b"a\0b".into()), file(&fds[0]), file(&fds[1]), Seen::Octets(b"".into()), file(&fds[2])];
    (orders.concat(), seen)
}

fn three() -> [OwnedFd; 3] {
    [(); 3].map(|()| UnixStream::pair().unwrap().0.into())
}

fn borrow<const N: usize>(fds: &[OwnedFd; N]) -> [BorrowedFd<'_>; N] {
    fds.each_ref().map(AsFd::as_fd)
}

pub(crate) fn orders_may_be_cut_anywhere<P: Peer>() {
    let template = P::raw_template();
    let fds = three();
    let (orders, expected) = orders::<P>(&fds);
    // Many at once, as each has to have received its first part before the second is sent.
    for cuts in (1..orders.len()).collect::<Vec<_>>().chunks(40) {
        let sockets: Vec<UnixStream> = cuts.iter().map(|_| fork(&template, PREPARING).1).collect();
        cuts.iter().zip(&sockets).for_each(|(cut, socket)| assert!(send(socket, &orders[..*cut], &borrow(&fds))));
        std::thread::sleep(Duration::from_millis(40));
        for (cut, socket) in cuts.iter().zip(&sockets) {
            assert!(send(socket, &orders[*cut..], &[]), "cut at {cut}");
            started(socket);
            assert_eq!(seen(&written(socket)), expected, "cut at {cut}");
        }
    }
    is_well::<P>(&template);
}

pub(crate) fn orders_may_come_octet_by_octet<P: Peer>() {
    let template = P::raw_template();
    let fds = three();
    let (orders, expected) = orders::<P>(&fds);
    let (_, socket) = fork(&template, PREPARING);
    for (at, octet) in orders.iter().enumerate() {
        // A descriptor comes with each of the first three.
        let fd = fds.get(at).map(AsFd::as_fd);
        assert!(send(&socket, &[*octet], fd.as_slice()));
        std::thread::sleep(Duration::from_micros(200));
    }
    started(&socket);
    assert_eq!(seen(&written(&socket)), expected);
    is_well::<P>(&template);
}

pub(crate) fn an_end_in_the_midst_of_orders_ends_the_process<P: Peer>() {
    let template = P::raw_template();
    let witness = Scratch::new("cut");
    let orders = [frame(ARGUMENT, 0, witness.as_bytes()), frame(DESCRIPTORS, 1, b""), run::<P>("touch")].concat();
    let [fd, ..] = three();
    for cuts in (0..orders.len()).collect::<Vec<_>>().chunks(40) {
        let sockets: Vec<UnixStream> = cuts.iter().map(|_| fork(&template, PREPARING).1).collect();
        for (cut, socket) in cuts.iter().zip(sockets) {
            if *cut > 0 {
                send(&socket, &orders[..*cut], &[fd.as_fd()]);
            }
            if cut % 2 == 0 {
                drop(socket);
            } else {
                socket.shutdown(Shutdown::Write).unwrap();
                assert_eq!(reply(&socket), None, "cut at {cut}");
            }
        }
        assert!(wait_until(LONG, || children(template.pid).is_empty()), "a process stayed");
    }
    assert!(!std::fs::exists(&*witness).unwrap());
    is_well::<P>(&template);
}

pub(crate) fn a_half_close_behind_the_last_order_is_no_end<P: Peer>() {
    let template = P::raw_template();
    let (_, socket) = fork(&template, PREPARING);
    assert!(send(&socket, &[frame(ARGUMENT, 0, b"x"), run::<P>("report")].concat(), &[]));
    socket.shutdown(Shutdown::Write).unwrap();
    started(&socket);
    assert_eq!(seen(&written(&socket)), [Seen::Octets(b"x".into())]);
    is_well::<P>(&template);
}

/// Sends orders to a new process, and then that it is to touch a file: what kind of failure it says.
fn refused<P: Peer>(template: &Raw, what: &str, octets: &[u8], fds: &[BorrowedFd<'_>]) -> u8 {
    let witness = Scratch::new("refused");
    let (_, socket) = fork(template, PREPARING);
    // Apart, as it may end before the rest has been sent.
    assert!(send(&socket, octets, fds), "{what}");
    let touch = [frame(ARGUMENT, 0, witness.as_bytes()), run::<P>("touch")].concat();
    send(&socket, &touch, &[]);
    eprintln!("{what}");
    let kind = failure(&socket);
    assert_eq!(reply(&socket), None, "{what}: one reply and no more");
    assert!(wait_until(LONG, || children(template.pid).is_empty()), "{what}: it stays");
    assert!(!std::fs::exists(&*witness).unwrap(), "{what}: it went on");
    kind
}

pub(crate) fn what_is_malformed_ends_the_process<P: Peer>() {
    let template = P::raw_template();
    let name = counted(P::name("prepare").as_bytes());
    let cases = [
        ("text", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a length above the limit", header(LONGEST + 1, ARGUMENT, 0)),
        ("the greatest length", header(u32::MAX, ARGUMENT, 0)),
        ("a negative length", header(i32::MIN as u32, RUN, 0)),
        ("an order of kind 0", frame(0, 0, b"")),
        ("an order behind the last known", frame(EVAL + 1, 0, b"")),
        ("an order of kind 128", frame(128, 0, b"x")),
        ("ready as an order", frame(READY, 0, &[1, 0, 0, 0])),
        ("started as an order", frame(STARTED, 0, &[1, 0, 0, 0])),
        ("failed as an order", frame(FAILED, 0, &[0; 17])),
        ("the last kind", frame(u16::MAX, 0, b"")),
        ("a descriptor that did not come", frame(DESCRIPTORS, 1, b"")),
        ("most descriptors that did not come", frame(DESCRIPTORS, u16::MAX, b"")),
        ("descriptors without any", frame(DESCRIPTORS, 0, b"")),
        ("a memory file that did not come", frame(SEALED, 1, b"")),
        ("a memory file without any", frame(SEALED, 0, b"")),
        ("a bundle without a file", frame(BUNDLE, 0, b"")),
        ("a call without a name", frame(CALL, 0, b"")),
        ("a call whose name is cut off", frame(CALL, 0, &[4, 0, 0, 0, b'x'])),
        ("a call whose name has the greatest length", frame(CALL, 0, &[255, 255, 255, 255, b'x'])),
        ("an argument of a call of kind 2", frame(CALL, 0, &[&name[..], &[2]].concat())),
        ("an argument of a call that is cut off", frame(CALL, 0, &[&name[..], &[0, 9, 0, 0, 0, 1]].concat())),
        ("an argument of a call without its length", frame(CALL, 0, &[&name[..], &[0, 9]].concat())),
        ("a call without its memory file", frame(CALL, 0, &[&name[..], &[1]].concat())),
        ("load without a name", frame(LOAD, 0, b"")),
        ("load whose name is cut off", frame(LOAD, 0, &[9, 0, 0, 0])),
        ("bind with more behind it", frame(BIND, 0, b"x")),
        ("template with more behind it", frame(TEMPLATE, 0, b"x")),
        ("a second hello", crate::peers::hello(crate::peers::VERSION)),
        ("a hello that is cut off", frame(HELLO, 0, &[0; 30])),
        ("fork", frame(FORK, 0, &[0; 9])),
        ("signal", signal(1, 9)),
        ("mark", mark(1, 0)),
        ("own", frame(OWN, 0, &[1, 0, 0, 0])),
        ("end", frame(END, 0, b"")),
    ];
    for (what, octets) in cases {
        assert_eq!(refused::<P>(&template, what, &octets, &[]), PROTOCOL, "{what}");
    }
    let [fd, ..] = three();
    let with_one = [
        ("an argument with a descriptor", frame(ARGUMENT, 1, b"x")),
        ("run with a descriptor", frame(RUN, 1, P::name("park").as_bytes())),
        ("a name with a descriptor", frame(NAME, 1, b"x")),
        ("bind with a descriptor", frame(BIND, 1, b"")),
        ("template with a descriptor", frame(TEMPLATE, 1, b"")),
        ("a context with a descriptor", frame(CONTEXT, 1, b"x")),
        ("load with a descriptor", frame(LOAD, 1, &counted(b"x"))),
        ("a call with a descriptor too many", frame(CALL, 1, &name)),
        ("two descriptors of which one came", frame(DESCRIPTORS, 2, b"")),
        ("a fork, to a process", fork_frame()),
    ];
    for (what, octets) in with_one {
        assert_eq!(refused::<P>(&template, what, &octets, &[fd.as_fd()]), PROTOCOL, "{what}");
    }
    is_well::<P>(&template);
}

fn fork_frame() -> Vec<u8> {
    crate::frames::fork(1, FREE)
}

pub(crate) fn a_frame_of_the_greatest_length_is_taken<P: Peer>() {
    let template = P::raw_template();
    let longest = octets(LONGEST as usize);
    let (_, socket) = fork(&template, PREPARING);
    assert!(send(&socket, &frame(ARGUMENT, 0, &longest), &[]));
    assert!(send(&socket, &run::<P>("report"), &[]));
    started(&socket);
    assert!(seen(&written(&socket)) == [Seen::Octets(longest)]);
    is_well::<P>(&template);
}

pub(crate) fn nothing_may_stand_behind_the_last_order<P: Peer>() {
    let template = P::raw_template();
    let witness = Scratch::new("behind");
    let touch = [frame(ARGUMENT, 0, witness.as_bytes()), run::<P>("touch")].concat();
    for behind in [frame(ARGUMENT, 0, b"x"), vec![0], frame(TEMPLATE, 0, b""), run::<P>("touch")] {
        let kind = refused::<P>(&template, "something behind run", &[&touch[..], &behind].concat(), &[]);
        assert_eq!(kind, PROTOCOL);
    }
    let [fd, ..] = three();
    assert_eq!(refused::<P>(&template, "a descriptor of no frame", &touch, &[fd.as_fd()]), PROTOCOL);
    assert!(!std::fs::exists(&*witness).unwrap());
    is_well::<P>(&template);
}

pub(crate) fn memory_files_that_could_change_are_refused<P: Peer>() {
    let template = P::raw_template();
    let call = frame(CALL, 1, &[&counted(P::name("prepare").as_bytes())[..], &[1]].concat());
    let orders = [("an argument", frame(SEALED, 1, b"")), ("a call", call), ("a bundle", frame(BUNDLE, 1, b""))];
    for (what, order) in &orders {
        let files: [OwnedFd; 4] = [
            memory(b"abc", false),
            File::open("/proc/self/exe").unwrap().into(),
            std::io::pipe().unwrap().0.into(),
            UnixStream::pair().unwrap().0.into(),
        ];
        for file in files {
            assert_eq!(refused::<P>(&template, what, order, &[file.as_fd()]), SYSTEM, "{what}");
        }
    }
    let large = octets(3 << 20);
    let (_, socket) = fork(&template, PREPARING);
    let files = [memory(&large, true), memory(b"", true)];
    let orders = [frame(SEALED, 1, b""), frame(SEALED, 1, b""), run::<P>("report")].concat();
    assert!(send(&socket, &orders, &borrow(&files)));
    started(&socket);
    assert!(seen(&written(&socket)) == [Seen::Octets(large), Seen::Octets(vec![])]);
    is_well::<P>(&template);
}

pub(crate) fn a_bundle_comes_before_all_that_follows<P: Peer>() {
    let template = P::raw_template();
    let fds = three();
    let bundled = [frame(ARGUMENT, 0, b"1"), frame(DESCRIPTORS, 2, b""), frame(ARGUMENT, 0, b"2")].concat();
    let bundle = memory(&bundled, true);
    let (_, socket) = fork(&template, PREPARING);
    let orders =
        [frame(BUNDLE, 1, b"padding"), frame(ARGUMENT, 0, b"3"), frame(DESCRIPTORS, 1, b""), run::<P>("report")];
    let [a, b, c] = borrow(&fds);
    assert!(send(&socket, &orders.concat(), &[bundle.as_fd(), a, b, c]));
    started(&socket);
    let file = |fd: &OwnedFd| Seen::File(identity(fd));
    let octets = |text: &[u8]| Seen::Octets(text.to_vec());
    let expected = [octets(b"1"), file(&fds[0]), file(&fds[1]), octets(b"2"), octets(b"3"), file(&fds[2])];
    assert_eq!(seen(&written(&socket)), expected);
    let half = memory(&bundled[..bundled.len() - 1], true);
    let kind = refused::<P>(&template, "a bundle that ends in a frame", &frame(BUNDLE, 1, b""), &[half.as_fd(), a, b]);
    assert_eq!(kind, PROTOCOL);
    is_well::<P>(&template);
}

pub(crate) fn a_function_is_not_entered_when_started_cannot_be_sent<P: Peer>() {
    let template = P::raw_template();
    let witness = Scratch::new("unheard");
    let touch = [frame(ARGUMENT, 0, witness.as_bytes()), run::<P>("touch")].concat();
    stop(template.pid);
    for how in 0..3 {
        let (_, socket) = fork(&template, PREPARING);
        assert!(send(&socket, &touch, &[]));
        match how {
            0 => drop(socket),
            1 => socket.shutdown(Shutdown::Both).unwrap(),
            _ => socket.shutdown(Shutdown::Read).unwrap(),
        }
    }
    send_signal(template.pid, Signal::CONT);
    is_well::<P>(&template);
    assert!(!std::fs::exists(&*witness).unwrap());
}

/// Nor is anything called for somebody who is gone. (The library has such a process killed too.)
pub(crate) fn nothing_is_called_when_the_other_end_is_closed<P: Peer>() {
    let template = P::raw_template();
    let witness = Scratch::new("uncalled");
    let name = counted(P::name("touch_in_preparation").as_bytes());
    let call = frame(CALL, 0, &[&name[..], &[0], &counted(witness.as_bytes())].concat());
    stop(template.pid);
    for how in 0..2 {
        let (_, socket) = fork(&template, PREPARING);
        assert!(send(&socket, &call, &[]));
        if how == 0 {
            drop(socket);
        } else {
            socket.shutdown(Shutdown::Write).unwrap();
        }
    }
    send_signal(template.pid, Signal::CONT);
    is_well::<P>(&template);
    assert!(!std::fs::exists(&*witness).unwrap());
}

/// What only some servers can: the others say so.
pub(crate) fn orders_of_other_servers_are_answered<P: Peer>() {
    let template = P::raw_template();
    let evaluates = P::NAME != "native";
    let code = frame(EVAL, 0, &[&[0][..], &counted(b"pass")].concat());
    if evaluates {
        assert_eq!(refused::<P>(&template, "eval without code", &frame(EVAL, 0, b""), &[]), PROTOCOL);
        let cut = frame(EVAL, 0, &[0, 9, 0, 0, 0, b'x']);
        assert_eq!(refused::<P>(&template, "eval, cut off", &cut, &[]), PROTOCOL);
        let become_program = frame(BECOME, 0, b"a program");
        assert_eq!(refused::<P>(&template, "become", &become_program, &[]), PROTOCOL);
    } else {
        assert_eq!(refused::<P>(&template, "eval", &code, &[]), PROTOCOL);
        assert_eq!(refused::<P>(&template, "become, malformed", &frame(BECOME, 0, b"a program"), &[]), PROTOCOL);
    }
    is_well::<P>(&template);
}
