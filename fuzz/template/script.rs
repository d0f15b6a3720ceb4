//! An input is a list of things to do to a template and to the processes that it forks.

use super::frames::{self, ARGUMENT, BECOME, BUNDLE, FORK, RUN, SIGNAL, SPAWN, TEMPLATE, counted, frame};
use super::peer::{Exit, Peer};
use std::fs::File;
use std::io::Read;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// No more sockets, and no more things to do than these.
const SOCKETS: usize = 12;
const DEEDS: usize = 48;

/// Stays until its socket is at its end, or tells it how to end.
#[anyfork::entry]
fn stay(mut socket: UnixStream, _rest: anyfork::Inputs) -> std::process::ExitCode {
    let mut code = [0];
    socket.read_exact(&mut code).map_or(0, |()| code[0] % 100).into()
}

pub(super) struct Script<'a> {
    octets: &'a [u8],
    /// The first is the template's.
    peers: Vec<Peer>,
    /// What the next message takes along.
    held: Vec<OwnedFd>,
    is_disturbed: bool,
}

impl<'a> Script<'a> {
    pub(super) fn new(octets: &'a [u8], template: Peer) -> Self {
        Script { octets, peers: vec![template], held: Vec::new(), is_disturbed: false }
    }

    pub(super) fn play(&mut self) {
        for _ in 0..DEEDS {
            if self.octets.is_empty() {
                break;
            }
            self.deed();
        }
    }

    /// Whether children may have got a signal, by an order or by a step of a program.
    pub(super) fn is_disturbed(&self) -> bool {
        self.is_disturbed
    }

    /// Ends all. What was said of ends that had not been heard.
    pub(super) fn end(self) -> Vec<Exit> {
        drop(self.held);
        self.peers.into_iter().flat_map(Peer::end).collect()
    }

    fn octet(&mut self) -> u8 {
        self.octets.split_off_first().copied().unwrap_or(0)
    }

    fn number(&mut self) -> u64 {
        u64::from(self.octet())
    }

    /// As many octets as the next one says.
    fn some(&mut self) -> &'a [u8] {
        let length = usize::from(self.octet()).min(self.octets.len());
        self.octets.split_off(..length).unwrap_or_default()
    }

    fn which(&mut self) -> usize {
        usize::from(self.octet()) % self.peers.len()
    }

    fn deed(&mut self) {
        match self.octet() % 14 {
            0 => self.fork(),
            1 => {
                let (to, message) = (self.which(), self.frame());
                self.send(to, &message);
            }
            2 => {
                let (to, octets) = (self.which(), self.some());
                self.is_disturbed |= octets.iter().any(|octet| [SIGNAL, SPAWN, BECOME].contains(&u16::from(*octet)));
                self.send(to, octets);
            }
            3 => self.cut(),
            4 => self.hold(),
            5 => self.shut(),
            6 => self.order_to_run(),
            7 => self.listen(),
            8 => {
                let (to, first, count) = (self.which(), self.number(), self.octet());
                let count = if count == 255 { u32::MAX } else { count.into() };
                self.send(to, &frames::spares(first, count, std::time::Duration::from_micros(100)));
            }
            9 => self.bundle(),
            10 => {
                let to = self.which();
                self.send(to, &frame(TEMPLATE, 0, b""));
            }
            11 => self.spawn(),
            12 => {
                let (to, id, number) = (self.which(), self.number(), self.octet());
                self.is_disturbed = true;
                self.send(to, &frames::signal(id, number.into()));
            }
            _ => {
                let (to, id, role) = (self.which(), self.number(), self.octet());
                self.send(to, &frames::mark(id, role));
            }
        }
    }

    /// Sends, with the descriptors that are held.
    fn send(&mut self, to: usize, octets: &[u8]) {
        let held = std::mem::take(&mut self.held);
        let held: Vec<BorrowedFd<'_>> = held.iter().map(AsFd::as_fd).collect();
        self.peers[to].send(octets, &held);
    }

    /// Some order, right or wrong.
    fn frame(&mut self) -> Vec<u8> {
        let (kind, descriptors) = (self.octet().into(), self.octet().into());
        self.is_disturbed |= [SIGNAL, SPAWN, BECOME, BUNDLE].contains(&kind);
        frame(kind, descriptors, self.some())
    }

    /// Orders a fork, as it should be but for the role and the descriptors that are held.
    fn fork(&mut self) {
        let (to, id, role) = (self.which(), self.number(), self.octet() % 6);
        if self.peers.len() < SOCKETS {
            self.peers.push(Peer::pair());
        }
        let last = self.peers.len() - 1;
        let theirs = self.peers[last].other().or_else(|| self.peers[0].other()).expect("the first has one");
        let held = std::mem::take(&mut self.held);
        let all: Vec<BorrowedFd<'_>> = std::iter::once(theirs).chain(held.iter().map(AsFd::as_fd)).collect();
        let payload = [&id.to_le_bytes()[..], &[role]].concat();
        self.peers[to].send(&frame(FORK, 1, &payload), &all);
    }

    /// Two messages of one order.
    fn cut(&mut self) {
        let (to, at, message) = (self.which(), self.octet(), self.frame());
        let (head, tail) = message.split_at(usize::from(at) % message.len());
        if !head.is_empty() {
            self.send(to, head);
        }
        self.send(to, tail);
    }

    /// Takes descriptors along with the next message.
    fn hold(&mut self) {
        let (count, kind) = (self.octet() % 8, self.octet());
        for _ in 0..=count {
            let fd = match kind % 8 {
                0 => File::open("/dev/null").expect("/dev/null").into(),
                1 => UnixStream::pair().expect("a socket pair").0.into(),
                2 => std::io::pipe().expect("a pipe").0.into(),
                3 => frames::memory(b"", true),
                4 => frames::memory(b"x", false),
                5 => File::open("/").expect("/").into(),
                // Its own socket, either end.
                6 => {
                    self.peers[0].is_shared = true;
                    self.peers[0].socket.as_fd().try_clone_to_owned().expect("a descriptor")
                }
                _ => self.peers[0].other().expect("it has one").try_clone_to_owned().expect("a descriptor"),
            };
            self.held.push(fd);
        }
        self.held.truncate(253);
    }

    fn shut(&mut self) {
        let (which, how) = (self.which(), self.octet());
        let how = [Shutdown::Write, Shutdown::Read, Shutdown::Both][usize::from(how % 3)];
        let _ = self.peers[which].socket.shutdown(how);
    }

    fn order_to_run(&mut self) {
        let (to, argument) = (self.which(), self.some());
        let name = stay().name();
        self.send(to, &[frame(ARGUMENT, 0, argument), frame(RUN, 0, name.as_bytes())].concat());
    }

    /// Hears what has been said. Some of the sockets that came are kept, to be used.
    fn listen(&mut self) {
        let which = self.which();
        for fd in self.peers[which].take_in() {
            if self.peers.len() < SOCKETS {
                self.peers.push(Peer::new(fd.into()));
            }
        }
    }

    fn bundle(&mut self) {
        let (to, count) = (self.which(), self.octet() % 4);
        let octets: Vec<u8> = (0..count).flat_map(|_| self.frame()).collect();
        self.held.insert(0, frames::memory(&octets, true));
        self.send(to, &frame(BUNDLE, 1, b""));
    }

    /// A program that is not there, with any steps before that is seen.
    fn spawn(&mut self) {
        let (to, id, role, steps) = (self.which(), self.number(), self.octet() % 5, self.some());
        let program = [
            counted(b"/none\0"),
            counted(b"/bin\0"),
            counted(b"none\0"),
            counted(b""),
            vec![0; 4],
            vec![255; 2],
            steps.to_vec(),
        ];
        self.is_disturbed = true;
        let pair = Peer::pair();
        let theirs = pair.other().expect("it has one");
        self.held.insert(0, theirs.try_clone_to_owned().expect("a descriptor"));
        let count = self.held.len() as u16;
        let payload = [&id.to_le_bytes()[..], &[role], &program.concat()].concat();
        self.send(to, &frame(SPAWN, count, &payload));
        if self.peers.len() < SOCKETS {
            self.peers.push(pair);
        } else {
            pair.end();
        }
    }
}
