//! A template and its socket.

use crate::frames::{self, *};
use crate::peers::{Peer, Raw, fork, is_well, nested, run, started};
use anyfork_conformance::{Seen, seen, written};
use anyfork_tests::{LONG, SOON, all_end_soon, children, lives, signal as send_signal, wait_until};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// A worker that stays until it is told an exit code: its id, its socket, its process.
fn park<P: Peer>(template: &Raw, role: u8) -> (u64, UnixStream, u32) {
    let (id, socket) = fork(template, role);
    assert!(send(&socket, &run::<P>("park"), &[]));
    let pid = started(&socket);
    (id, socket, pid)
}

/// The next report: id, process, wait status.
fn report(template: &Raw) -> (u64, u32, u32) {
    let reply = reply(&template.socket).expect("a report");
    assert_eq!((reply.kind, reply.payload.len()), (EXITED, 56), "{reply:?}");
    (reply.u64_at(0), reply.u32_at(8), reply.u32_at(12))
}

fn reports<P: Peer>(template: &Raw, order: &[u8], cut: usize) {
    let (socket, theirs) = UnixStream::pair().unwrap();
    socket.set_read_timeout(Some(LONG)).unwrap();
    assert!(send(&template.socket, &order[..cut], &[theirs.as_fd()]));
    drop(theirs);
    std::thread::sleep(Duration::from_millis(3));
    assert!(send(&template.socket, &order[cut..], &[]));
    assert!(send(&socket, &[frame(ARGUMENT, 0, b"x"), run::<P>("report")].concat(), &[]));
    started(&socket);
    assert_eq!(seen(&written(&socket)), [Seen::Octets(b"x".into())], "cut at {cut}");
}

pub(crate) fn orders_to_a_template_may_be_cut_anywhere<P: Peer>() {
    let template = P::raw_template();
    // A signal to nobody before, so that a whole order comes with a part of the next.
    for cut in 1..2 * 8 + 12 + 9 {
        let order = [signal(77, 9), frames::fork(1000 + cut as u64, FREE)].concat();
        reports::<P>(&template, &order, cut);
    }
    is_well::<P>(&template);
}

pub(crate) fn many_orders_may_come_at_once<P: Peer>() {
    let template = P::raw_template();
    let pairs: Vec<_> = (0..50).map(|_| UnixStream::pair().unwrap()).collect();
    let orders: Vec<u8> = (0..50).flat_map(|n| [mark(999, FREE), frames::fork(1 + n, FREE)].concat()).collect();
    let theirs: Vec<_> = pairs.iter().map(|(_, theirs)| theirs.as_fd()).collect();
    assert!(send(&template.socket, &orders, &theirs));
    for (n, (socket, _)) in pairs.iter().enumerate() {
        socket.set_read_timeout(Some(LONG)).unwrap();
        assert!(send(socket, &[frame(ARGUMENT, 0, n.to_string().as_bytes()), run::<P>("exit_with")].concat(), &[]));
        started(socket);
    }
    let ends: BTreeMap<u64, u32> = (0..50).map(|_| report(&template)).map(|(id, _, status)| (id, status)).collect();
    assert!(ends.into_iter().eq((0..50).map(|n| (1 + n, (n as u32) << 8))));
    drop(pairs);
    is_well::<P>(&template);
}

pub(crate) fn what_is_malformed_ends_the_template<P: Peer>() {
    let root = P::raw_template();
    let id = 1u64.to_le_bytes();
    let none = [
        ("text", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a length above the limit", header(LONGEST + 1, FORK, 0)),
        ("the greatest length", header(u32::MAX, END, 0)),
        ("an order of kind 0", frame(0, 0, b"")),
        ("an order behind the last known", frame(SPARES + 1, 0, b"")),
        ("the last kind", frame(u16::MAX, 0, b"")),
        ("a reply", frame(EXITED, 0, &[0; 56])),
        ("fork whose descriptor did not come", frames::fork(1, FREE)),
        ("fork without a descriptor", frame(FORK, 0, &[&id[..], &[0]].concat())),
        ("a signal that is cut off", frame(SIGNAL, 0, &[&id[..], &[9, 0, 0]].concat())),
        ("a signal with more behind it", frame(SIGNAL, 0, &[&id[..], &[9, 0, 0, 0, 0]].concat())),
        ("mark with the role of a spare", mark(1, 5)),
        ("mark with the last role", mark(1, 255)),
        ("mark that is cut off", frame(MARK, 0, &id)),
        ("spares that are cut off", frame(SPARES, 0, &[0; 15])),
        ("spares with more behind them", frame(SPARES, 0, &[0; 17])),
        ("spares without anything", frame(SPARES, 0, b"")),
        ("a spare", frame(SPARE, 0, &[0; 12])),
        ("own that is cut off", frame(OWN, 0, &[1, 0, 0])),
        ("own whose pidfd did not come", frame(OWN, 1, &[1, 0, 0, 0])),
        ("end with more behind it", frame(END, 0, b"x")),
        ("spares that is cut off", frame(SPARES, 0, &[0; 15])),
        ("spares with more behind it", frame(SPARES, 0, &[0; 17])),
        ("hello", crate::peers::hello(crate::peers::VERSION)),
        ("an argument", frame(ARGUMENT, 0, b"x")),
        ("a call", frame(CALL, 0, &counted(b"x"))),
        ("run", run::<P>("park")),
        ("template", frame(TEMPLATE, 0, b"")),
        ("bind", frame(BIND, 0, b"")),
        ("eval", frame(EVAL, 0, &[&[0][..], &counted(b"pass")].concat())),
        ("load", frame(LOAD, 0, &counted(b"x"))),
    ];
    let some = [
        ("fork with an unknown role", frames::fork(1, 5)),
        ("fork that is cut off", frame(FORK, 1, &id)),
        ("fork with more behind it", frame(FORK, 1, &[&id[..], &[0, 0]].concat())),
        ("fork with two descriptors", frame(FORK, 2, &[&id[..], &[0]].concat())),
        ("end with a descriptor", frame(END, 1, b"")),
        ("a signal with a descriptor", frame(SIGNAL, 1, &[&id[..], &[9, 0, 0, 0]].concat())),
        ("spares with a descriptor", frame(SPARES, 1, &[0; 16])),
        ("own with two descriptors", frame(OWN, 2, &[1, 0, 0, 0])),
        ("descriptors", frame(DESCRIPTORS, 2, b"")),
    ];
    let with = |fds| move |(what, octets)| (what, octets, fds);
    for (what, octets, fds) in none.into_iter().map(with(0)).chain(some.into_iter().map(with(2))) {
        eprintln!("{what}");
        let template = nested(&root);
        let (_, free, pid) = park::<P>(&template, FREE);
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(LONG)).unwrap();
        assert!(send(&template.socket, &octets, &vec![theirs.as_fd(); fds]), "{what}");
        drop(theirs);
        // Nothing is skipped: this is not followed any more. (But its descriptor may be the one that was missing.)
        let (asked, theirs) = UnixStream::pair().unwrap();
        asked.set_read_timeout(Some(LONG)).unwrap();
        if !what.contains("did not come") {
            send(&template.socket, &frames::fork(2, FREE), &[theirs.as_fd()]);
            send(&asked, &run::<P>("park"), &[]);
        }
        drop(theirs);
        template.ends();
        assert_eq!(reply(&asked), None, "{what}: the next order was followed");
        assert_eq!(reply(&ours), None, "{what}: it was followed");
        assert!(lives(pid), "{what}: a free worker goes on");
        drop(free);
        all_end_soon(&[pid]);
    }
    is_well::<P>(&root);
}

pub(crate) fn an_end_in_the_midst_of_an_order_ends_the_template<P: Peer>() {
    let root = P::raw_template();
    let order = frames::fork(1, FREE);
    for cut in 0..order.len() {
        let template = nested(&root);
        let (_ours, theirs) = UnixStream::pair().unwrap();
        if cut > 0 {
            assert!(send(&template.socket, &order[..cut], &[theirs.as_fd()]));
        }
        template.socket.shutdown(if cut % 2 == 0 { Shutdown::Both } else { Shutdown::Write }).unwrap();
        template.ends();
    }
    is_well::<P>(&root);
}

pub(crate) fn what_is_no_socket_fails_one_fork<P: Peer>() {
    let template = P::raw_template();
    let (reader, _writer) = std::io::pipe().unwrap();
    let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(send(&template.socket, &frames::fork(1, FREE), &[File::open("/dev/null").unwrap().as_fd()]));
    assert!(send(&template.socket, &frames::fork(2, FREE), &[reader.as_fd()]));
    assert!(send(&template.socket, &frames::fork(3, FREE), &[tcp.as_fd()]));
    assert!(send(&template.socket, &frames::fork(4, FREE), &[File::open("/").unwrap().as_fd()]));
    // How they end is their own affair.
    let mut ended: Vec<u64> = (0..4).map(|_| report(&template).0).collect();
    ended.sort_unstable();
    assert_eq!(ended, [1, 2, 3, 4]);
    is_well::<P>(&template);
}

pub(crate) fn ends_are_reported_by_id<P: Peer>() {
    let template = P::raw_template();
    for code in [0, 1, 42, 255] {
        let (id, mut socket, pid) = park::<P>(&template, FREE);
        socket.write_all(&[code]).unwrap();
        assert_eq!(report(&template), (id, pid, u32::from(code) << 8));
    }
    for number in [9, 15] {
        let (id, socket, pid) = park::<P>(&template, FREE);
        assert!(send(&template.socket, &signal(id, number), &[]));
        assert_eq!(report(&template), (id, pid, number));
        drop(socket);
    }
    is_well::<P>(&template);
}

pub(crate) fn ends_that_nobody_reads_are_kept<P: Peer>() {
    const COUNT: u64 = 300;
    let template = P::raw_template();
    // A socket of few octets, so that the template has to keep the most.
    rustix::net::sockopt::set_socket_recv_buffer_size(&template.socket, 1).unwrap();
    let mut expected = BTreeMap::new();
    for n in 0..COUNT {
        let (id, socket) = fork(&template, FREE);
        let code = n % 200;
        let orders = [frame(ARGUMENT, 0, code.to_string().as_bytes()), run::<P>("exit_with")].concat();
        assert!(send(&socket, &orders, &[]));
        started(&socket);
        expected.insert(id, (code as u32) << 8);
    }
    assert!(wait_until(LONG, || children(template.pid).is_empty()));
    let told: BTreeMap<u64, u32> = (0..COUNT).map(|_| report(&template)).map(|(id, _, status)| (id, status)).collect();
    assert_eq!(told, expected);
    is_well::<P>(&template);
}

pub(crate) fn unknown_ids_are_ignored<P: Peer>() {
    let template = P::raw_template();
    let (id, mut socket, pid) = park::<P>(&template, FREE);
    for unknown in [0, id + 1, u64::MAX] {
        assert!(send(&template.socket, &[signal(unknown, 9), mark(unknown, BOUND)].concat(), &[]));
    }
    for number in [0, 99, 0x7fff_ffff, u32::MAX] {
        assert!(send(&template.socket, &signal(id, number), &[]));
    }
    socket.write_all(&[5]).unwrap();
    assert_eq!(report(&template), (id, pid, 5 << 8));
    // It has ended, and so is one that means nothing.
    assert!(send(&template.socket, &[signal(id, 9), mark(id, BOUND)].concat(), &[]));
    is_well::<P>(&template);
}

pub(crate) fn an_id_can_be_signalled_until_another_owns_the_template<P: Peer>() {
    let template = P::raw_template();
    let (id, mut socket, pid) = park::<P>(&template, FREE);
    let owner = std::process::id().to_le_bytes();
    assert!(send(&template.socket, &frame(OWN, 0, &owner), &[]));
    let ready = reply(&template.socket).unwrap();
    assert_eq!((ready.kind, ready.u32_at(0)), (READY, template.pid));
    assert!(send(&template.socket, &signal(id, 9), &[]));
    // The same id, of another worker.
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(LONG)).unwrap();
    assert!(send(&template.socket, &frames::fork(id, FREE), &[theirs.as_fd()]));
    drop(theirs);
    assert!(send(&ours, &run::<P>("park"), &[]));
    let other = started(&ours);
    assert!(lives(pid), "the id of an earlier owner still means something");
    assert!(send(&template.socket, &signal(id, 15), &[]));
    assert_eq!(report(&template), (id, other, 15));
    socket.write_all(&[3]).unwrap();
    assert!(wait_until(LONG, || children(template.pid).is_empty()));
    // Its end is told to nobody: the next report is another's.
    let (id, mut socket, pid) = park::<P>(&template, FREE);
    socket.write_all(&[4]).unwrap();
    assert_eq!(report(&template), (id, pid, 4 << 8));
    is_well::<P>(&template);
}

pub(crate) fn after_end_it_stays_as_long_as_somebody_is_bound_to_it<P: Peer>() {
    let root = P::raw_template();
    let template = nested(&root);
    let (_, free, free_pid) = park::<P>(&template, FREE);
    assert!(send(&template.socket, &frame(END, 0, b""), &[]));
    template.ends();
    assert!(lives(free_pid));
    drop(free);
    all_end_soon(&[free_pid]);

    let template = nested(&root);
    let (id, mut bound, pid) = park::<P>(&template, BOUND);
    assert!(send(&template.socket, &frame(END, 0, b""), &[]));
    std::thread::sleep(Duration::from_millis(50));
    assert!(lives(template.pid) && lives(pid));
    bound.write_all(&[6]).unwrap();
    assert_eq!(report(&template), (id, pid, 6 << 8));
    template.ends();

    // One that said so last and closed its end keeps it alive too.
    let template = nested(&root);
    let (_, mut bound, pid) = park::<P>(&template, BOUND);
    assert!(send(&template.socket, &frame(END, 0, b""), &[]));
    let Raw { socket, pid: template, .. } = template;
    drop(socket);
    std::thread::sleep(Duration::from_millis(50));
    // Without a pidfd of its owner, the template cannot know that the owner lives.
    if P::NAME == "native" {
        assert!(lives(template) && lives(pid));
        bound.write_all(&[7]).unwrap();
    }
    all_end_soon(&[pid, template]);
    is_well::<P>(&root);
}

pub(crate) fn its_end_kills_who_depends_on_it<P: Peer>() {
    for kill in [true, false] {
        let template = P::raw_template();
        let (_, free, free_pid) = park::<P>(&template, FREE);
        let (_, _bound, bound_pid) = park::<P>(&template, BOUND);
        let (_, _preparing) = fork(&template, PREPARING);
        let below = nested(&template);
        assert!(wait_until(LONG, || children(template.pid).len() == 4));
        let all = children(template.pid);
        if kill {
            send_signal(template.pid, Signal::KILL);
        } else {
            template.socket.shutdown(Shutdown::Both).unwrap();
        }
        let (goes_on, ends): (Vec<u32>, Vec<u32>) =
            all.into_iter().partition(|pid| [free_pid, below.pid].contains(pid));
        assert!(ends.contains(&bound_pid) && ends.len() == 2);
        all_end_soon(&ends);
        all_end_soon(&[template.pid]);
        assert!(lives(free_pid), "a free worker goes on");
        // A template that nobody has marked as one is still being prepared, as far as the one above it knows.
        if kill {
            assert!(goes_on.iter().all(|pid| lives(*pid)));
            is_well::<P>(&below);
        }
        drop((free, below));
        all_end_soon(&goes_on);
    }
}

pub(crate) fn a_descriptor_that_was_cut_off_is_told<P: Peer>() {
    let template = P::raw_template();
    is_well::<P>(&template);
    assert_eq!(report(&template).2, 0);
    let usual = getrlimit(Resource::Nofile);
    let set = |current| {
        let limit = Rlimit { current, ..usual };
        prlimit(Pid::from_raw(template.pid as i32), Resource::Nofile, limit).unwrap();
    };
    let open = anyfork_tests::descriptors(template.pid);
    set((0..).find(|number| !open.contains_key(number)).map(u64::from));
    let (id, socket) = fork(&template, FREE);
    let reply = reply(&template.socket).unwrap();
    assert_eq!((reply.kind, reply.u64_at(0), reply.u32_at(8)), (NOT_FORKED, id, libc::EMFILE as u32));
    assert_eq!(frames::reply(&socket), None);
    set(usual.current);
    is_well::<P>(&template);
}

/// A compiled program starts programs; an interpreter says that it does not.
pub(crate) fn other_orders_for_programs_are_answered<P: Peer>() {
    let template = P::raw_template();
    let payload = [&1u64.to_le_bytes()[..], &[FREE]].concat();
    let mut orders = vec![frame(SPAWN, 1, &[&payload[..], b"not a program"].concat())];
    if P::NAME != "native" {
        orders.push(frame(EXEC, 1, &[&payload[..], &[0; 17]].concat()));
    }
    for order in orders {
        let (socket, theirs) = UnixStream::pair().unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        assert!(send(&template.socket, &order, &[theirs.as_fd()]));
        drop(theirs);
        assert_eq!(failure(&socket), PROTOCOL);
        assert_eq!(reply(&socket), None);
    }
    is_well::<P>(&template);
}
