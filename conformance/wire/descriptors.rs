//! Descriptors that belong to no order, or to another than was meant, and a template's own socket.

use crate::frames::{self, *};
use crate::peers::{Peer, end_of, fork, is_well, nested, run, started};
use anyfork_conformance::{Seen, seen, written};
use anyfork_tests::{LONG, all_end_soon, children, descriptors, identity, signal as send_signal, stop, wait_until};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// They are a queue beside the bytes: whichever message brings one, it belongs to the next order that has some.
pub(crate) fn one_that_comes_with_another_order_is_kept_for_its_own<P: Peer>() {
    let template = P::raw_template();
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(LONG)).unwrap();
    assert!(send(&template.socket, &signal(99, 9), &[theirs.as_fd()]));
    assert!(send(&template.socket, &frames::fork(1, FREE), &[]));
    drop(theirs);
    let file = UnixStream::pair().unwrap().0;
    assert!(send(&ours, &frame(NAME, 0, b"a name"), &[file.as_fd()]));
    assert!(send(&ours, &[frame(ARGUMENT, 0, b"x"), frame(DESCRIPTORS, 1, b""), run::<P>("report")].concat(), &[]));
    started(&ours);
    assert_eq!(seen(&written(&ours)), [Seen::Octets(b"x".into()), Seen::File(identity(&file))]);
    is_well::<P>(&template);
}

/// Each order has as many as it says, wherever the messages end.
pub(crate) fn as_many_as_a_message_carries_come_with_one_octet<P: Peer>() {
    let template = P::raw_template();
    let (_, socket) = fork(&template, PREPARING);
    let file = UnixStream::pair().unwrap().0;
    let orders = [frame(DESCRIPTORS, 400, b""), frame(DESCRIPTORS, 106, b""), run::<P>("report")].concat();
    assert!(send(&socket, &orders[..1], &[file.as_fd(); 253]));
    assert!(send(&socket, &orders[1..2], &[file.as_fd(); 253]));
    assert!(send(&socket, &orders[2..], &[]));
    started(&socket);
    assert_eq!(seen(&written(&socket)), vec![Seen::File(identity(&file)); 506]);
    is_well::<P>(&template);
}

/// Of two orders one loses its descriptor, and the first is read in two parts. The one that has lost it is told, and the other has its own.
pub(crate) fn what_is_cut_off_is_missing_in_its_own_order<P: Peer>() {
    let template = P::raw_template();
    let usual = getrlimit(Resource::Nofile);
    let set = |current| {
        prlimit(Pid::from_raw(template.pid as i32), Resource::Nofile, Rlimit { current, ..usual }).unwrap();
    };
    is_well::<P>(&template);
    assert_eq!(reply(&template.socket).unwrap().kind, EXITED);
    let before = descriptors(template.pid);
    let set_room = |room| set((0..).filter(|number| !before.contains_key(&(*number as u32))).nth(room));
    let theirs = end_of(&template);
    for loser in [0, 1] {
        eprintln!("order {loser} loses");
        let [(ours, a), (ours_of_second, b)] = [(); 2].map(|()| UnixStream::pair().unwrap());
        let [first, second] = [70, 71].map(|id| frames::fork(id, FREE));
        set_room(loser);
        assert!(send(&template.socket, &first[..8], &[a.as_fd()]));
        assert!(wait_until(LONG, || rustix::io::ioctl_fionread(&theirs).unwrap() == 0));
        // Both parts of what follows are read at once.
        stop(template.pid);
        set_room(1);
        assert!(send(&template.socket, &first[8..], &[]));
        assert!(send(&template.socket, &second, &[b.as_fd()]));
        send_signal(template.pid, Signal::CONT);
        let told = reply(&template.socket).expect("a report");
        assert_eq!((told.kind, told.u64_at(0), told.u32_at(8)), (NOT_FORKED, 70 + loser as u64, libc::EMFILE as u32));
        set(usual.current);
        let socket = if loser == 0 { &ours_of_second } else { &ours };
        socket.set_read_timeout(Some(LONG)).unwrap();
        drop((a, b));
        assert!(send(socket, &[frame(ARGUMENT, 0, b"its own"), run::<P>("report")].concat(), &[]));
        started(socket);
        assert_eq!(seen(&written(socket)), [Seen::Octets(b"its own".into())]);
        let ended = reply(&template.socket).expect("a report");
        assert_eq!((ended.kind, ended.u64_at(0)), (EXITED, 71 - loser as u64));
        assert_eq!(descriptors(template.pid), before);
    }
    is_well::<P>(&template);
}

/// Whoever gives it away has two who read what one was meant to. They end, and nobody else does.
pub(crate) fn a_templates_own_socket_ends_with_it<P: Peer>() {
    let root = P::raw_template();
    for is_queued in [false, true] {
        let template = nested(&root);
        let own = template.socket.as_fd();
        if is_queued {
            // A process that keeps it.
            let (_, socket) = fork(&template, BOUND);
            assert!(send(&socket, &[frame(DESCRIPTORS, 1, b""), run::<P>("park")].concat(), &[own]));
            started(&socket);
        } else {
            // One that takes it for its own, and reads what the template says.
            assert!(send(&template.socket, &frames::fork(1, PREPARING), &[own]));
            assert!(wait_until(LONG, || !children(template.pid).is_empty()));
        }
        let all = children(template.pid);
        template.socket.shutdown(std::net::Shutdown::Both).unwrap();
        all_end_soon(&[&all[..], &[template.pid]].concat());
    }
    is_well::<P>(&root);
}

pub(crate) fn an_id_that_is_used_twice_is_told_twice<P: Peer>() {
    let template = P::raw_template();
    let sockets = [(); 2].map(|()| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(LONG)).unwrap();
        assert!(send(&template.socket, &frames::fork(7, FREE), &[theirs.as_fd()]));
        ours
    });
    let mut pids = sockets.each_ref().map(|socket| {
        assert!(send(socket, &run::<P>("park"), &[]));
        started(socket)
    });
    drop(sockets);
    let mut told = [(); 2].map(|()| {
        let report = reply(&template.socket).expect("a report");
        assert_eq!((report.kind, report.u64_at(0)), (EXITED, 7));
        report.u32_at(8)
    });
    pids.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, pids);
    is_well::<P>(&template);
}
