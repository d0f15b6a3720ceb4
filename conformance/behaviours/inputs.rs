//! Arguments and descriptors: which, in what order, from whom.

use anyfork::{ErrorKind, Process};
use anyfork_conformance::{Seen, Subject, end, inputs, octets, run, text};
use anyfork_tests::identity;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

fn octet(text: &str) -> Seen {
    Seen::Octets(text.into())
}

fn file(fd: &OwnedFd) -> Seen {
    Seen::File(identity(fd))
}

/// Files that can be told apart.
fn files(count: usize) -> Vec<OwnedFd> {
    (0..count).map(|_| UnixStream::pair().unwrap().0.into()).collect()
}

/// What a new process, and a fork of a template, give to their functions.
fn from_each_origin<S: Subject>(add: impl Fn(Process<S::Server>) -> Process<S::Server>) -> [Vec<Seen>; 2] {
    let template = S::template();
    [S::process(), template.fork()].map(|process| inputs::<S>(add(process)))
}

pub(crate) fn inputs_arrive_in_the_order_in_which_they_were_sent<S: Subject>() {
    let fds = files(4);
    let expected = [
        octet("a"),
        file(&fds[0]),
        octet("b"),
        file(&fds[1]),
        file(&fds[2]),
        octet("c"),
        octet("d"),
        file(&fds[3]),
        octet("e"),
    ];
    let seen = from_each_origin::<S>(|process| {
        process.arg("a").fd(&fds[0]).arg("b").fds(&fds[1..3]).args(["c", "d"]).fd(&fds[3]).arg("e")
    });
    assert_eq!(seen, [expected.clone(), expected]);
}

pub(crate) fn no_inputs_are_none<S: Subject>() {
    assert_eq!(from_each_origin::<S>(|process| process), [[], []]);
}

pub(crate) fn arguments_are_any_octets<S: Subject>() {
    let mut all: Vec<Vec<u8>> = (0..=255).map(|octet| vec![octet]).collect();
    let odd: [&[u8]; 10] =
        [b"", b"\0", b"a\0b", b"\n", b"\xff\xfe", b"\xc3\xa4", b"\xc3", b"a=b", b"%s %n $x @y", b"'\"\\"];
    all.extend(odd.map(<[u8]>::to_vec));
    all.extend([(0..=255).collect(), (0..=255).rev().collect(), vec![]]);
    let expected: Vec<Seen> = all.iter().cloned().map(Seen::Octets).collect();
    assert_eq!(from_each_origin::<S>(|process| process.args(&all)), [expected.clone(), expected]);
}

pub(crate) fn arguments_have_any_length<S: Subject>() {
    let lengths = [0, 1, 126, 127, 128, 129, 255, 256, 4095, 4096, 4097, 16_383, 16_384, 65_535, 65_536, 65_537];
    let all: Vec<Vec<u8>> = lengths.into_iter().chain([100 << 10, 5 << 20, 0]).map(octets).collect();
    for seen in from_each_origin::<S>(|process| process.args(&all)) {
        assert_eq!(seen.len(), all.len());
        for (seen, sent) in seen.iter().zip(all.iter().cloned()) {
            assert!(*seen == Seen::Octets(sent.clone()), "{} octets came back as others", sent.len());
        }
    }
}

pub(crate) fn ten_thousand_arguments_arrive_in_order<S: Subject>() {
    let seen = inputs::<S>(S::template().fork().args(0..10_000));
    assert!(seen.into_iter().eq((0..10_000).map(|n: u32| octet(&n.to_string()))));
}

pub(crate) fn three_hundred_descriptors_arrive_in_order<S: Subject>() {
    let fds = files(300);
    let expected: Vec<Seen> = fds.iter().map(file).collect();
    assert_eq!(from_each_origin::<S>(|process| process.fds(&fds)), [expected.clone(), expected]);
}

pub(crate) fn descriptors_of_every_kind_arrive<S: Subject>() {
    let (reader, writer) = pipe().unwrap();
    let (sender, _receiver) = UnixStream::pair().unwrap();
    let epoll = rustix::event::epoll::create(rustix::event::epoll::CreateFlags::CLOEXEC).unwrap();
    let memory = rustix::fs::memfd_create("conformance", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let own = rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty()).unwrap();
    let path = rustix::fs::open("/dev/null", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let fds: [OwnedFd; 11] = [
        File::open("/proc/self/exe").unwrap().into(),
        File::open("/").unwrap().into(),
        path,
        File::options().write(true).open("/dev/null").unwrap().into(),
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().into(),
        reader.into(),
        writer.into(),
        sender.into(),
        epoll,
        memory,
        own,
    ];
    let expected: Vec<Seen> = fds.iter().map(file).collect();
    assert_eq!(inputs::<S>(S::template().fork().fds(&fds)), expected);
}

pub(crate) fn what_three_templates_have_queued_comes_first<S: Subject>() {
    let fds = files(4);
    let large = octets(100_000);
    let first = S::process().arg("1").fd(&fds[0]).template().unwrap();
    let second = first.fork().fd(&fds[1]).arg(&large).template().unwrap();
    let third = second.fork().arg("3").fd(&fds[2]).template().unwrap();
    let mut expected = vec![octet("1"), file(&fds[0]), file(&fds[1]), Seen::Octets(large)];
    expected.extend([octet("3"), file(&fds[2]), octet("4"), file(&fds[3])]);
    for _ in 0..3 {
        assert_eq!(inputs::<S>(third.fork().arg("4").fd(&fds[3])), expected);
    }
    assert_eq!(inputs::<S>(second.fork()), expected[..4]);
    assert_eq!(inputs::<S>(first.fork().arg("x")), [octet("1"), file(&fds[0]), octet("x")]);
}

pub(crate) fn the_caller_may_close_a_descriptor_at_once<S: Subject>() {
    let (reader, mut writer) = pipe().unwrap();
    let expected = Seen::File(identity(&reader));
    let template = S::template();
    let process = template.fork().fd(&reader);
    drop(reader);
    writer.write_all(b"the pipe has a reader").unwrap();
    assert_eq!(inputs::<S>(process), [expected]);
    assert!(writer.write_all(b"x").is_err(), "somebody still has its other end");
}

pub(crate) fn a_wrong_number_of_inputs_is_refused<S: Subject>() {
    let template = S::template();
    for (count, position) in [(0, "input 1"), (1, "input 2"), (3, "input 3"), (4, "input 3")] {
        let process = template.fork().args((0..count).map(|n| format!("<{n}>")));
        let error = process.run(S::name("two_inputs")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Inputs, "{error}");
        assert!(error.to_string().contains(&S::name("two_inputs")), "{error}");
        assert!(error.to_string().contains(position), "{error}");
        let error = template.fork().call(S::name("prepare_two"), vec!["x"; count]).template().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Inputs, "{error}");
    }
    let worker = run::<S>(template.fork().args(["x", "y"]), "two_inputs");
    assert_eq!(text(&worker), "x y");
    assert!(end::<S>(&worker).unwrap().success());
}
