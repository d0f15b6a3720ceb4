//! The protocol of AnyEvent::Fork::Serve 1.32, the server of Perl's AnyEvent::Fork: what it has for our orders.
//!
//! A command is a letter, a length (u32 in the machine's order) and so many octets: lists are packed as Perl's `(w/a*)*` does. A descriptor follows the
//! command `h` in a message of its own, with one octet (IO::FDPass). The functions in the package `anyfork` are those of our `wrapper.pl`.

use super::Bytes;
use super::{CallArg, Order};

/// Appends the commands for an order. `alone` is told where an octet has to travel alone, with one descriptor.
///
/// Orders without a counterpart leave nothing: this server keeps no table of its children, and knows no owner.
pub(crate) fn append(order: &Order<'_>, out: &mut Bytes, descriptors: usize, mut alone: impl FnMut(usize)) {
    let mut handles = |out: &mut Bytes| {
        for _ in 0..descriptors {
            command(out, b'h', &[]);
            alone(out.len());
            out.push(0);
        }
    };
    match order {
        Order::Arg(octets) => command(out, b'a', &[octets]),
        Order::Descriptors => handles(out),
        Order::Fork { .. } => {
            handles(out);
            command(out, b'f', &[]);
        }
        Order::Call { entry, args } => command(out, b'e', &list(&[b"&anyfork::call", entry], args)),
        Order::Eval { args } => command(out, b'e', &list(&[b"&anyfork::evaluate"], args)),
        Order::Load { name, .. } => command(out, b'e', &[b"&anyfork::load", name]),
        Order::Name(name) => command(out, b'e', &[b"&anyfork::name", name]),
        Order::Template => raw(out, b'r', b"anyfork::template"),
        Order::Run { entry } => {
            command(out, b'a', &[entry]);
            raw(out, b'r', b"anyfork::enter");
        }
        _ => {}
    }
}

fn list<'a>(first: &[&'a [u8]], args: &[CallArg<'a>]) -> Vec<&'a [u8]> {
    // Nothing is sealed for this server, which knows no memory files.
    let inline = args.iter().filter_map(|arg| match arg {
        CallArg::Inline(octets) => Some(*octets),
        CallArg::Sealed => None,
    });
    first.iter().copied().chain(inline).collect()
}

/// A command whose payload is a list.
fn command(out: &mut Bytes, letter: u8, items: &[&[u8]]) {
    let mut payload = Vec::with_capacity(items.iter().map(|item| item.len() + 5).sum());
    for item in items {
        compressed(item.len(), &mut payload);
        payload.extend_from_slice(item);
    }
    raw(out, letter, &payload);
}

fn raw(out: &mut Bytes, letter: u8, payload: &[u8]) {
    out.push(letter);
    out.extend_from_slice(&(payload.len() as u32).to_ne_bytes());
    out.extend_from_slice(payload);
}

/// A BER compressed integer: seven bits an octet, the highest first, the eighth bit set in all but the last.
fn compressed(number: usize, out: &mut Vec<u8>) {
    let septets = (usize::BITS - number.leading_zeros()).div_ceil(7).max(1);
    for septet in (0..septets).rev() {
        let more = if septet == 0 { 0 } else { 0x80 };
        out.push((number >> (7 * septet)) as u8 & 0x7f | more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(order: &Order<'_>, descriptors: usize) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut alone) = (Bytes::new(), Vec::new());
        append(order, &mut bytes, descriptors, |at| alone.push(at));
        (bytes.to_vec(), alone)
    }

    /// As `perl -e 'print pack "w", N'` prints them.
    #[test]
    fn numbers_are_packed_as_perl_does() {
        let packed = |number| {
            let mut out = Vec::new();
            compressed(number, &mut out);
            out
        };
        assert_eq!(packed(0), [0]);
        assert_eq!(packed(127), [127]);
        assert_eq!(packed(128), [0x81, 0]);
        assert_eq!(packed(16_384), [0x81, 0x80, 0]);
        assert_eq!(packed(u32::MAX as usize), [0x8f, 0xff, 0xff, 0xff, 0x7f]);
    }

    #[test]
    fn each_descriptor_travels_alone() {
        let length = 0u32.to_ne_bytes();
        let one = [&b"h"[..], &length, b"\0"].concat();
        let fork = [&one[..], b"f", &length].concat();
        assert_eq!(written(&Order::Fork { id: 7, role: super::super::Role::Free }, 1), (fork, vec![5]));
        assert_eq!(written(&Order::Descriptors, 2), (one.repeat(2), vec![5, 11]));
    }

    #[test]
    fn a_function_is_run_with_its_name_behind_its_arguments() {
        let (bytes, alone) = written(&Order::Run { entry: b"f" }, 0);
        let expected = [&b"a"[..], &2u32.to_ne_bytes(), b"\x01f", b"r", &14u32.to_ne_bytes(), b"anyfork::enter"];
        assert_eq!((bytes, alone), (expected.concat(), vec![]));
    }

    #[test]
    fn what_the_server_does_not_know_is_not_sent() {
        for order in [Order::End, Order::Bind, Order::Signal { id: 1, signal: 9 }] {
            assert_eq!(written(&order, 0), (vec![], vec![]));
        }
    }
}
