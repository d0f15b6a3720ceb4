//! Processes that a template forks in advance, by its socket.

use crate::frames::{self, *};
use crate::peers::{Peer, Raw, end_of, fork, is_well, nested, run, started};
use anyfork_conformance::{Seen, seen, written};
use anyfork_tests::{LONG, SOON, all_end_soon, children, descriptors, lives, signal as send_signal, stop, wait_until};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use std::collections::{BTreeSet, VecDeque};
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// What came on a socket: frames are read octet by octet as it were, descriptors are a queue beside them.
pub(crate) struct Reports<'a> {
    socket: &'a UnixStream,
    descriptors: VecDeque<OwnedFd>,
}

/// One that waits: its id, its socket, its process.
pub(crate) struct Spare {
    pub(crate) id: u64,
    pub(crate) socket: UnixStream,
    pub(crate) pid: u32,
}

impl<'a> Reports<'a> {
    pub(crate) fn of(template: &'a Raw) -> Self {
        Reports { socket: &template.socket, descriptors: VecDeque::new() }
    }

    fn read(&mut self, octets: &mut [u8]) {
        let mut used = 0;
        while used < octets.len() {
            let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let part = &mut [IoSliceMut::new(&mut octets[used..])];
            let received = recvmsg(self.socket, part, &mut control, RecvFlags::CMSG_CLOEXEC).expect("a report");
            assert!(received.bytes > 0 && !received.flags.contains(rustix::net::ReturnFlags::CTRUNC));
            used += received.bytes;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(came) = message {
                    self.descriptors.extend(came);
                }
            }
        }
    }

    /// The next one, and how many descriptors it says it has.
    fn next(&mut self) -> (Reply, u16) {
        let (mut length, mut kind, mut count) = ([0; 4], [0; 2], [0; 2]);
        self.read(&mut length);
        self.read(&mut kind);
        self.read(&mut count);
        let mut payload = vec![0; u32::from_le_bytes(length) as usize];
        self.read(&mut payload);
        (Reply { kind: u16::from_le_bytes(kind), payload }, u16::from_le_bytes(count))
    }

    /// The next one, which is a spare.
    pub(crate) fn spare(&mut self) -> Spare {
        let (reply, count) = self.next();
        self.as_spare(&reply, count)
    }

    fn as_spare(&mut self, reply: &Reply, count: u16) -> Spare {
        assert_eq!((reply.kind, reply.payload.len(), count), (SPARE, 12, 1), "{reply:?}");
        let socket = UnixStream::from(self.descriptors.pop_front().expect("its socket has come with its last octet"));
        socket.set_read_timeout(Some(LONG)).unwrap();
        Spare { id: reply.u64_at(0), socket, pid: reply.u32_at(8) }
    }

    /// The next one, which is the end of one: its id and wait status.
    pub(crate) fn ended(&mut self) -> (u64, u32) {
        let (reply, _) = self.next();
        assert_eq!(reply.kind, EXITED, "{reply:?}");
        (reply.u64_at(0), reply.u32_at(12))
    }

    fn spares(&mut self, count: usize) -> Vec<Spare> {
        (0..count).map(|_| self.spare()).collect()
    }
}

impl Spare {
    /// Lets it become a worker that stays.
    pub(crate) fn park<P: Peer>(&self, first: &[u8]) {
        assert!(send(&self.socket, &[first, &run::<P>("park")].concat(), &[]));
        assert_eq!(started(&self.socket), self.pid);
    }
}

pub(crate) fn order(template: &Raw, order: &[u8]) {
    assert!(send(&template.socket, order, &[]));
}

pub(crate) fn each_comes_with_its_id_and_a_socket_of_its_own<P: Peer>() {
    let template = P::raw_template();
    order(&template, &[spares(7, 2, Duration::ZERO), spares(100, 1, Duration::ZERO)].concat());
    let spares = Reports::of(&template).spares(3);
    assert_eq!(spares.iter().map(|spare| spare.id).collect::<Vec<_>>(), [7, 8, 100]);
    let pids: BTreeSet<u32> = spares.iter().map(|spare| spare.pid).collect();
    assert_eq!(pids, children(template.pid).into_iter().collect());
    for spare in &spares {
        let argument = spare.id.to_string();
        let orders = [frame(ARGUMENT, 0, argument.as_bytes()), run::<P>("report")].concat();
        assert!(send(&spare.socket, &orders, &[]));
        assert_eq!(started(&spare.socket), spare.pid);
        assert_eq!(seen(&written(&spare.socket)), [Seen::Octets(argument.into_bytes())]);
    }
    let ends: BTreeSet<u64> = (0..3).map(|_| Reports::of(&template).next().0.u64_at(0)).collect();
    assert_eq!(ends, [7, 8, 100].into());
    is_well::<P>(&template);
}

pub(crate) fn none_comes_before_its_delay_and_orders_come_before_it<P: Peer>() {
    const DELAY: Duration = Duration::from_millis(400);
    let template = P::raw_template();
    let begin = Instant::now();
    order(&template, &spares(1, 2, DELAY));
    is_well::<P>(&template);
    assert!(begin.elapsed() < DELAY, "this machine is too slow to tell");
    let mut reports = Reports::of(&template);
    assert_eq!(reports.next().0.kind, EXITED);
    let waiting = reports.spares(2);
    assert!(begin.elapsed() >= DELAY, "{:?}", begin.elapsed());
    drop(waiting);
    is_well::<P>(&template);
}

pub(crate) fn what_is_taken_back_is_not_forked_and_ends_if_it_waits<P: Peer>() {
    let template = P::raw_template();
    let mut reports = Reports::of(&template);
    order(&template, &spares(1, 5, Duration::ZERO));
    let [first, second, third, fourth, fifth] = [(); 5].map(|()| reports.spare());
    fifth.park::<P>(b"");
    // What is behind them comes at once.
    let none = spares(3, 0, Duration::ZERO);
    order(&template, &[mark(5, FREE), spares(10, 50, LONG), none, spares(90, 1, Duration::ZERO)].concat());
    all_end_soon(&[third.pid, fourth.pid]);
    let mut told: Vec<Reply> = (0..3).map(|_| reports.next().0).collect();
    told.sort_by_key(|reply| reply.u64_at(0));
    let told: Vec<(u16, u64)> = told.iter().map(|reply| (reply.kind, reply.u64_at(0))).collect();
    assert_eq!(told, [(EXITED, 3), (EXITED, 4), (SPARE, 90)]);
    for spare in [&first, &second] {
        spare.park::<P>(b"");
    }
    for spare in [first, second, fifth] {
        assert!(send(&spare.socket, &[5], &[]));
        let (id, status) = reports.ended();
        assert_eq!((id, status), (spare.id, 5 << 8));
    }
    // With the socket of the last one.
    drop(reports);
    is_well::<P>(&template);
}

pub(crate) fn what_is_to_be_forked_in_advance_ends_with_the_order_to_end<P: Peer>() {
    let root = P::raw_template();
    for delay in [Duration::ZERO, SOON] {
        let template = nested(&root);
        order(&template, &[spares(1, 50, delay), frame(END, 0, b""), spares(60, 50, delay)].concat());
        template.ends();
    }
    is_well::<P>(&root);
}

pub(crate) fn orders_that_wait_come_first<P: Peer>() {
    let root = P::raw_template();
    let template = nested(&root);
    stop(template.pid);
    order(&template, &spares(1, 50, Duration::ZERO));
    // Each is a message of its own, which is received by itself.
    let forks: Vec<UnixStream> = (0..10).map(|_| fork(&template, FREE).1).collect();
    order(&template, &frame(END, 0, b""));
    send_signal(template.pid, Signal::CONT);
    for socket in &forks {
        assert!(send(socket, &run::<P>("park"), &[]));
        started(socket);
    }
    drop(forks);
    // No spare has been told of.
    template.ends();
    is_well::<P>(&root);
}

pub(crate) fn after_end_what_was_marked_goes_on_and_what_waits_is_killed<P: Peer>() {
    let root = P::raw_template();
    let template = nested(&root);
    order(&template, &spares(1, 4, Duration::ZERO));
    let spares = Reports::of(&template).spares(4);
    let [free, bound, waits, unread] = &spares[..] else { panic!() };
    free.park::<P>(b"");
    bound.park::<P>(&frame(BIND, 0, b""));
    order(&template, &[mark(free.id, FREE), mark(bound.id, BOUND), frame(END, 0, b"")].concat());
    all_end_soon(&[waits.pid, unread.pid]);
    assert_eq!(frames::reply(&waits.socket), None);
    std::thread::sleep(Duration::from_millis(50));
    assert!(lives(free.pid) && lives(bound.pid) && lives(template.pid));
    assert!(send(&bound.socket, &[5], &[]));
    template.ends();
    assert!(lives(free.pid));
    assert!(send(&free.socket, &[5], &[]));
    all_end_soon(&[free.pid]);
    is_well::<P>(&root);
}

/// Nobody has said what became of them: the kernel knows who has disarmed its death signal.
pub(crate) fn what_runs_goes_on_without_an_owner_and_what_waits_does_not<P: Peer>() {
    for kill in [true, false] {
        let template = P::raw_template();
        order(&template, &spares(1, 4, Duration::ZERO));
        let spares = Reports::of(&template).spares(4);
        let [free, bound, waits, prepares] = &spares[..] else { panic!() };
        free.park::<P>(b"");
        bound.park::<P>(&frame(BIND, 0, b""));
        assert!(send(&prepares.socket, &frame(ARGUMENT, 0, b"x"), &[]));
        if kill {
            send_signal(template.pid, Signal::KILL);
        } else {
            template.socket.shutdown(Shutdown::Both).unwrap();
        }
        all_end_soon(&[template.pid, bound.pid, waits.pid, prepares.pid]);
        assert!(lives(free.pid));
        assert!(send(&free.socket, &[0], &[]));
        all_end_soon(&[free.pid]);
    }
}

pub(crate) fn another_owner_gets_none_of_them<P: Peer>() {
    let root = P::raw_template();
    let template = nested(&root);
    order(&template, &[spares(1, 2, Duration::ZERO), spares(9, 5, Duration::from_millis(150))].concat());
    let [taken, waits] = Reports::of(&template).spares(2).try_into().ok().unwrap();
    taken.park::<P>(b"");
    order(&template, &frame(OWN, 0, &std::process::id().to_le_bytes()));
    assert_eq!(frames::reply(&template.socket).unwrap().kind, READY);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(children(template.pid).len(), 2, "what the earlier owner wanted is not forked any more");
    drop(waits.socket);
    all_end_soon(&[waits.pid]);
    order(&template, &frame(END, 0, b""));
    // No report of either: the socket is at its end.
    assert_eq!(frames::reply(&template.socket), None);
    template.ends();
    assert!(lives(taken.pid));
    drop(taken.socket);
    all_end_soon(&[taken.pid]);
    is_well::<P>(&root);
}

pub(crate) fn one_that_cannot_be_forked_is_told<P: Peer>() {
    let template = P::raw_template();
    let usual = getrlimit(Resource::Nofile);
    let set = |current| {
        prlimit(Pid::from_raw(template.pid as i32), Resource::Nofile, Rlimit { current, ..usual }).unwrap();
    };
    is_well::<P>(&template);
    let mut reports = Reports::of(&template);
    assert_eq!(reports.next().0.kind, EXITED);
    assert!(wait_until(LONG, || children(template.pid).is_empty()));
    let before = descriptors(template.pid);
    // Room for none, then for one of the two.
    for room in [0, 1] {
        set(Some(before.len() as u64 + room));
        order(&template, &spares(5, 2, Duration::ZERO));
        for id in [5, 6] {
            let (reply, count) = reports.next();
            let told = (reply.kind, count, reply.u64_at(0), reply.u32_at(8));
            assert_eq!(told, (NOT_FORKED, 0, id, libc::EMFILE as u32), "room for {room}");
        }
        assert_eq!(descriptors(template.pid), before);
    }
    set(usual.current);
    order(&template, &spares(7, 1, Duration::ZERO));
    assert_eq!(reports.spare().id, 7);
    is_well::<P>(&template);
}

/// No more are forked then, and none is lost.
pub(crate) fn those_that_nobody_reads_keep_their_sockets<P: Peer>() {
    const COUNT: u64 = 400;
    let template = P::raw_template();
    is_well::<P>(&template);
    let mut reports = Reports::of(&template);
    assert_eq!(reports.next().0.kind, EXITED);
    assert!(wait_until(LONG, || children(template.pid).is_empty()));
    let before = descriptors(template.pid);
    // It takes few octets now, and all later.
    let theirs = end_of(&template);
    sockopt::set_socket_send_buffer_size(&theirs, 1).unwrap();
    order(&template, &spares(1, COUNT as u32, Duration::ZERO));
    assert!(wait_until(LONG, || descriptors(template.pid).len() > before.len()), "none is kept");
    // A fork has none of them: standard input, output and error, its socket.
    let (_, asked) = fork(&template, FREE);
    assert!(send(&asked, &run::<P>("park"), &[]));
    let pid = started(&asked);
    assert!(wait_until(SOON, || descriptors(pid).len() == 4), "{:?}", descriptors(pid));
    let waiting = children(template.pid).len();
    assert!(waiting < 100, "{waiting} were forked that nobody knows of");
    sockopt::set_socket_send_buffer_size(&theirs, 1 << 17).unwrap();
    drop(theirs);
    let all = reports.spares(COUNT as usize);
    assert!(all.iter().map(|spare| spare.id).eq(1..=COUNT));
    assert!(send(&asked, &[0], &[]));
    drop(all);
    for _ in 0..=COUNT {
        reports.ended();
    }
    assert!(reports.descriptors.is_empty());
    assert!(wait_until(LONG, || descriptors(template.pid) == before));
    is_well::<P>(&template);
}
