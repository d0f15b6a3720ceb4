//! A socket that carries frames and descriptors, as both ends use it.

mod inbox;
mod outbox;

use smallvec::SmallVec;
use std::os::fd::OwnedFd;

pub(crate) use inbox::{Filled, Inbox, Message};
pub(crate) use outbox::{Dialect, Outbox};

/// A few descriptors.
pub(crate) type Descriptors = SmallVec<[OwnedFd; 4]>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memfd;
    use crate::sys::receive::{Along, receive};
    use crate::sys::socket::{self, Blocking};
    use crate::wire::Order;
    use std::fs::File;

    fn null() -> OwnedFd {
        File::open("/dev/null").unwrap().into()
    }

    fn transfer(outbox: &mut Outbox) -> Inbox {
        let (a, b) = socket::pair().unwrap();
        outbox.pack().unwrap();
        outbox.flush(&a, Blocking::No).unwrap();
        drop(a);
        let mut inbox = Inbox::default();
        while inbox.fill(&b, Blocking::No).unwrap() == Filled::Some {}
        inbox
    }

    #[test]
    fn a_thousand_descriptors_arrive_with_their_frames() {
        let mut outbox = Outbox::default();
        for _ in 0..5 {
            outbox.push(&Order::Descriptors, (0..200).map(|_| null()));
        }
        outbox.push(&Order::Run { entry: b"x" }, []);
        let mut inbox = transfer(&mut outbox);
        for _ in 0..5 {
            assert_eq!(inbox.next().unwrap().unwrap().descriptors.len(), 200);
        }
        assert_eq!(&inbox.next().unwrap().unwrap().frame.payload[..], b"x");
        assert!(inbox.is_empty());
    }

    #[test]
    fn many_orders_travel_in_a_bundle_and_come_out_in_order() {
        let mut outbox = Outbox::default();
        for number in 0..20_000u32 {
            outbox.push(&Order::Arg(&number.to_le_bytes()), []);
        }
        outbox.push(&Order::Descriptors, (0..200).map(|_| null()));
        outbox.push(&Order::Descriptors, (0..200).map(|_| null()));
        let mut inbox = transfer(&mut outbox);
        let bundle = inbox.next().unwrap().unwrap();
        assert!(matches!(Order::parse(bundle.frame.get()), Ok(Order::Bundle { .. })));
        inbox.insert(&memfd::map(&bundle.descriptors[0]).unwrap());
        for number in 0..20_000u32 {
            assert_eq!(inbox.next().unwrap().unwrap().frame.payload[..], number.to_le_bytes());
        }
        assert_eq!(inbox.next().unwrap().unwrap().descriptors.len(), 200);
        assert_eq!(inbox.next().unwrap().unwrap().descriptors.len(), 200);
        assert!(inbox.is_empty());
    }

    #[test]
    fn for_perl_each_descriptor_comes_with_one_byte_of_its_own() {
        let mut outbox = Outbox::new(Dialect::Serve);
        outbox.push(&Order::Arg(b"x"), []);
        outbox.push(&Order::Descriptors, [null(), null()]);
        let mut more = Outbox::new(Dialect::Serve);
        more.push(&Order::Descriptors, [null()]);
        more.push(&Order::Arg(b"y"), []);
        outbox.append(more);
        let (a, b) = socket::pair().unwrap();
        outbox.flush(&a, Blocking::No).unwrap();
        let mut read = |length| {
            let (mut bytes, mut descriptors) = (vec![0; length], Descriptors::new());
            assert_eq!(
                receive(&b, &mut bytes, &mut descriptors, Along::Descriptors, Blocking::No).unwrap().bytes,
                length
            );
            (bytes[0], descriptors.len())
        };
        // As the server reads: a command, its payload, and for `h` a message of one byte.
        let read = [5, 2, 5, 1, 5, 1, 5, 1, 5, 2].map(&mut read);
        let h = [(b'h', 0), (0, 1)];
        assert_eq!(read[2..8], [h, h, h].concat());
        assert_eq!((read[0].0, read[8].0), (b'a', b'a'));
    }

    /// However little goes at a time, and whatever comes to it meanwhile.
    #[test]
    fn what_does_not_fit_follows_when_there_is_room() {
        let (mut outbox, mut more) = (Outbox::new(Dialect::Serve), Outbox::new(Dialect::Serve));
        outbox.push(&Order::Arg(&(0..300_000u32).flat_map(u32::to_le_bytes).collect::<Vec<u8>>()), []);
        outbox.push(&Order::Descriptors, [null()]);
        more.push(&Order::Descriptors, [null()]);
        let expected = [&outbox.bytes[..], &more.bytes].concat();
        let (a, b) = socket::pair().unwrap();
        let (mut came, mut descriptors, mut part) = (Vec::new(), Descriptors::new(), vec![0; 10_000]);
        let mut take = || {
            let received = receive(&b, &mut part, &mut descriptors, Along::Descriptors, Blocking::No).unwrap().bytes;
            came.extend_from_slice(&part[..received]);
            received
        };
        for _ in 0..80 {
            assert!(outbox.flush(&a, Blocking::No).is_err());
            take();
        }
        outbox.append(more);
        while outbox.flush(&a, Blocking::No).is_err() {
            take();
        }
        assert!(outbox.is_empty());
        drop(a);
        while take() > 0 {}
        assert!(came == expected);
        assert_eq!(descriptors.len(), 2);
    }

    #[test]
    fn a_frame_without_its_descriptors_is_malformed() {
        let mut outbox = Outbox::default();
        Order::SealedArg.append(&mut outbox.bytes, 1);
        assert!(transfer(&mut outbox).next().is_err());
    }
}
