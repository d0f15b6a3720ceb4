//! Processes that a template forks in advance.

use crate::frames::{self, *};
use crate::peers::{Peer, Raw, fork, is_well, nested, run, started};
use anyfork_conformance::{Seen, seen, written};
use anyfork_tests::{LONG, all_end_soon, children, lives, signal as send_signal, wait_until};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use std::fs::File;
use std::io::{IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Long enough for what must not happen.
const MOMENT: Duration = Duration::from_millis(100);

fn spares(first: u64, count: u32, delay: Duration) -> Vec<u8> {
    let delay = delay.as_micros() as u32;
    frame(SPARES, 0, &[&first.to_le_bytes()[..], &count.to_le_bytes(), &delay.to_le_bytes()].concat())
}

fn order(template: &Raw, first: u64, count: u32) {
    assert!(send(&template.socket, &spares(first, count, Duration::ZERO), &[]));
}

/// One that waits for its orders.
struct Spare {
    id: u64,
    pid: u32,
    socket: UnixStream,
}

/// Receives so many octets, and what descriptors came with them. `None` at the end of the socket.
fn receive(from: &UnixStream, length: usize, fds: &mut Vec<OwnedFd>) -> Option<Vec<u8>> {
    let mut octets = vec![0; length];
    let mut done = 0;
    while done < length {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut rest = [IoSliceMut::new(&mut octets[done..])];
        let received = recvmsg(from, &mut rest, &mut control, RecvFlags::CMSG_CLOEXEC).expect("a report in time");
        if received.bytes == 0 {
            return None;
        }
        done += received.bytes;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
    }
    Some(octets)
}

/// The next report and its descriptors: as many as its frame says.
fn report(template: &Raw) -> Option<(Reply, Vec<OwnedFd>)> {
    let mut fds = Vec::new();
    let header = receive(&template.socket, 8, &mut fds)?;
    let length = u32::from_le_bytes(header[..4].try_into().unwrap());
    let [kind, count] = [4, 6].map(|at| u16::from_le_bytes(header[at..at + 2].try_into().unwrap()));
    let payload = receive(&template.socket, length as usize, &mut fds).expect("a whole report");
    assert_eq!(fds.len(), usize::from(count), "descriptors of a report of kind {kind}");
    Some((Reply { kind, payload }, fds))
}

/// The next report, which must be of a process that waits: it has exactly one descriptor.
fn spare(template: &Raw) -> Spare {
    let (reply, mut fds) = report(template).expect("a report");
    assert_eq!((reply.kind, reply.payload.len(), fds.len()), (SPARE, 12, 1), "{reply:?}");
    let socket = UnixStream::from(fds.remove(0));
    socket.set_read_timeout(Some(LONG)).unwrap();
    Spare { id: reply.u64_at(0), pid: reply.u32_at(8), socket }
}

/// The next report, which must be of the end of one: its id and wait status.
fn ended(template: &Raw) -> (u64, u32) {
    let (reply, _) = report(template).expect("a report");
    assert_eq!(reply.kind, EXITED, "{reply:?}");
    (reply.u64_at(0), reply.u32_at(12))
}

/// Gives it its orders, as those to any process. It stays until it is told an exit code.
fn park<P: Peer>(spare: &Spare, orders: &[u8]) {
    assert!(send(&spare.socket, &[orders, &run::<P>("park")].concat(), &[]));
    assert_eq!(started(&spare.socket), spare.pid);
}

pub(crate) fn each_report_carries_the_one_socket_of_a_process_that_waits<P: Peer>() {
    let template = P::raw_template();
    order(&template, 500, 3);
    let waiting = [(); 3].map(|()| spare(&template));
    assert_eq!(waiting.each_ref().map(|spare| spare.id), [500, 501, 502]);
    let mut pids = children(template.pid);
    pids.sort_unstable();
    let mut told = waiting.each_ref().map(|spare| spare.pid);
    told.sort_unstable();
    assert_eq!(pids, told);
    // Backwards, so that sockets which were confused show.
    for (n, spare) in waiting.iter().enumerate().rev() {
        let file = File::open("/dev/null").unwrap();
        let argument = [n as u8];
        let orders = [frame(ARGUMENT, 0, &argument), frame(DESCRIPTORS, 1, b""), run::<P>("report")].concat();
        assert!(send(&spare.socket, &orders, &[file.as_fd()]));
        assert_eq!(started(&spare.socket), spare.pid);
        let file = Seen::File(anyfork_tests::identity(&file));
        assert_eq!(seen(&written(&spare.socket)), [Seen::Octets(argument.to_vec()), file]);
        assert_eq!(ended(&template), (spare.id, 0));
    }
    is_well::<P>(&template);
}

pub(crate) fn the_order_may_be_cut_anywhere<P: Peer>() {
    let template = P::raw_template();
    for cut in 1..24 {
        let order = spares(1000 + cut as u64, 1, Duration::ZERO);
        assert!(send(&template.socket, &order[..cut], &[]));
        std::thread::sleep(Duration::from_millis(2));
        assert!(send(&template.socket, &order[cut..], &[]));
        let Spare { id, socket, .. } = spare(&template);
        assert_eq!(id, 1000 + cut as u64, "cut at {cut}");
        drop(socket);
        assert_eq!(ended(&template), (id, 0));
    }
    is_well::<P>(&template);
}

pub(crate) fn none_at_all_are_an_order_too<P: Peer>() {
    let template = P::raw_template();
    for first in [0, 1, u64::MAX] {
        order(&template, first, 0);
    }
    // Those behind it come.
    order(&template, 7, 1);
    order(&template, 8, 0);
    let one = spare(&template);
    assert_eq!((one.id, children(template.pid)), (7, vec![one.pid]));
    std::thread::sleep(MOMENT);
    assert_eq!(children(template.pid).len(), 1);
    drop(one);
    assert_eq!(ended(&template), (7, 0));
    is_well::<P>(&template);
}

/// No more than its reports have room for wait if nobody takes these, and orders come first all the time.
pub(crate) fn a_huge_number_stops_nothing_else<P: Peer>() {
    let root = P::raw_template();
    let template = nested(&root);
    order(&template, 1 << 40, u32::MAX);
    assert!(wait_until(LONG, || children(template.pid).len() > 20));
    let (_, mut socket) = fork(&template, FREE);
    assert!(send(&socket, &run::<P>("park"), &[]));
    let pid = started(&socket);
    socket.write_all(&[1]).unwrap();
    // Until there is room for no more.
    let mut before = 0;
    let is_full = || {
        std::thread::sleep(MOMENT);
        let now = children(template.pid).len();
        std::mem::replace(&mut before, now) == now
    };
    assert!(wait_until(LONG, is_full), "{before} are not enough");
    assert!(before < 1000, "{before} wait");
    assert!(wait_until(LONG, || !lives(pid)));
    let waiting = children(template.pid);
    assert!(send(&template.socket, &frame(END, 0, b""), &[]));
    all_end_soon(&waiting);
    all_end_soon(&[template.pid]);
}

pub(crate) fn the_last_id_is_the_last<P: Peer>() {
    let template = P::raw_template();
    order(&template, u64::MAX - 1, 100);
    let Spare { id, socket, .. } = spare(&template);
    assert_eq!(id, u64::MAX - 1);
    drop(socket);
    // None was forked behind it.
    assert_eq!(ended(&template), (id, 0));
    is_well::<P>(&template);
}

pub(crate) fn ids_in_use_are_the_clients_own_affair<P: Peer>() {
    let template = P::raw_template();
    let (id, mut socket) = fork(&template, FREE);
    assert!(send(&socket, &run::<P>("park"), &[]));
    started(&socket);
    order(&template, id, 2);
    order(&template, id, 1);
    let spares = [(); 3].map(|()| spare(&template));
    assert_eq!(spares.each_ref().map(|spare| spare.id), [id, id + 1, id]);
    park::<P>(&spares[0], b"");
    let ids: Vec<u64> = spares.iter().map(|spare| spare.id).collect();
    drop(spares);
    socket.write_all(&[3]).unwrap();
    let mut told: Vec<u64> = (0..4).map(|_| ended(&template).0).collect();
    told.sort_unstable();
    let mut expected = [&ids[..], &[id]].concat();
    expected.sort_unstable();
    assert_eq!(told, expected, "each end is told once");
    is_well::<P>(&template);
}

pub(crate) fn they_are_not_forked_before_their_time_and_never_for_another_owner<P: Peer>() {
    let template = P::raw_template();
    let later = Duration::from_millis(700);
    assert!(send(&template.socket, &spares(10, 1, later), &[]));
    assert!(send(&template.socket, &spares(11, 2, later), &[]));
    std::thread::sleep(MOMENT);
    assert!(children(template.pid).is_empty());
    // Those that are ordered meanwhile do not wait.
    let (_, mut socket) = fork(&template, FREE);
    assert!(send(&socket, &run::<P>("park"), &[]));
    started(&socket);
    socket.write_all(&[0]).unwrap();
    ended(&template);
    let mut waiting: Vec<Spare> = (0..3).map(|_| spare(&template)).collect();

    assert!(send(&template.socket, &spares(20, 5, later), &[]));
    assert!(send(&template.socket, &frame(OWN, 0, &std::process::id().to_le_bytes()), &[]));
    assert_eq!(report(&template).expect("an answer").0.kind, READY);
    std::thread::sleep(later + MOMENT);
    assert_eq!(children(template.pid).len(), 3, "another owner gets none that it has not ordered");
    // Whoever has the socket of one can still use it; its end is told to nobody.
    let taken = waiting.remove(0);
    park::<P>(&taken, b"");
    drop((taken, waiting));
    is_well::<P>(&template);
}

/// `marks`: what the template is told that it has become; `ends`: whether it ends at the end of the line, and whether it ends when the template is told to end.
fn at_the_end<P: Peer>(root: &Raw, what: &str, orders: Option<&[u8]>, marks: Option<u8>, ends: [bool; 2]) {
    for (kill, end, ends) in [(false, false, ends[0]), (true, false, ends[0]), (false, true, ends[1])] {
        eprintln!("{what}: killed {kill}, told to end {end}");
        let template = nested(root);
        order(&template, 1, 1);
        let mut spare = spare(&template);
        orders.inspect(|orders| park::<P>(&spare, orders));
        marks.inspect(|role| assert!(send(&template.socket, &mark(1, *role), &[])));
        match (kill, end) {
            (true, _) => send_signal(template.pid, Signal::KILL),
            (_, true) => assert!(send(&template.socket, &frame(END, 0, b""), &[])),
            _ => template.socket.shutdown(Shutdown::Both).unwrap(),
        }
        if ends {
            all_end_soon(&[spare.pid, template.pid]);
            continue;
        }
        std::thread::sleep(MOMENT);
        assert!(lives(spare.pid), "{what}: it ended");
        let keeps_its_template = end && marks == Some(BOUND);
        assert_eq!(lives(template.pid), keeps_its_template, "{what}");
        spare.socket.write_all(&[5]).unwrap();
        all_end_soon(&[spare.pid, template.pid]);
    }
}

pub(crate) fn who_ends_with_the_template<P: Peer>() {
    let root = P::raw_template();
    let bind = frame(BIND, 0, b"");
    at_the_end::<P>(&root, "one that waits", None, None, [true, true]);
    at_the_end::<P>(&root, "one that runs, free", Some(b""), Some(FREE), [false, false]);
    // It waits as far as its template knows, but does not depend on it.
    at_the_end::<P>(&root, "one that runs, and was not marked", Some(b""), None, [false, true]);
    at_the_end::<P>(&root, "one that is bound", Some(&bind), Some(BOUND), [true, false]);
    is_well::<P>(&root);
}

pub(crate) fn one_that_cannot_be_forked_is_told<P: Peer>() {
    let template = P::raw_template();
    is_well::<P>(&template);
    assert_eq!(ended(&template).1, 0);
    let usual = getrlimit(Resource::Nofile);
    let set = |current| {
        let limit = Rlimit { current, ..usual };
        prlimit(Pid::from_raw(template.pid as i32), Resource::Nofile, limit).unwrap();
    };
    let open = anyfork_tests::descriptors(template.pid);
    set((0..).find(|number| !open.contains_key(number)).map(u64::from));
    order(&template, 40, 3);
    for id in 40..43 {
        let (reply, _) = report(&template).expect("a report");
        assert_eq!((reply.kind, reply.u64_at(0), reply.u32_at(8)), (NOT_FORKED, id, libc::EMFILE as u32));
    }
    assert_eq!(anyfork_tests::descriptors(template.pid), open);
    set(usual.current);
    order(&template, 43, 1);
    let Spare { id, socket, .. } = spare(&template);
    drop(socket);
    assert_eq!(ended(&template), (id, 0));
    is_well::<P>(&template);
}

/// What is malformed ends one that waits, as any process; its template goes on.
pub(crate) fn one_that_gets_what_is_malformed_ends_alone<P: Peer>() {
    let template = P::raw_template();
    order(&template, 1, 3);
    let waiting = [(); 3].map(|()| spare(&template));
    for (spare, octets) in waiting.iter().zip([
        spares(1, 1, Duration::ZERO),
        frame(SPARE, 0, &[0; 12]),
        [frame(ARGUMENT, 0, b"x"), frames::fork(9, FREE)].concat(),
    ]) {
        assert!(send(&spare.socket, &octets, &[]));
        // A missing descriptor is told as well, or is no reply at all.
        while let Some(reply) = reply(&spare.socket) {
            assert_eq!((reply.kind, reply.payload[0]), (FAILED, PROTOCOL));
        }
        assert_eq!(ended(&template).0, spare.id);
    }
    is_well::<P>(&template);
}
