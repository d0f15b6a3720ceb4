//! Orders: what the client sends to a process that is being prepared, or to a template.

use super::Bytes;
use super::arguments::{self, CallArg};
use super::frame::{Frame, Malformed, Parsed, Reader, append};
use super::role::Role;

/// The first order after an exec: proves that the descriptor is the one that was meant, and that both ends are one build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hello<'a> {
    pub(crate) version: u16,
    pub(crate) nonce: [u8; 16],
    pub(crate) image: u64,
    /// The process whose end ends the templates; its pidfd comes along if there is one.
    pub(crate) owner: u32,
    /// Whether it is to adopt the orphans among its descendants.
    pub(crate) adopts: bool,
    pub(crate) program: &'a [u8],
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Order<'a> {
    Hello(Hello<'a>),
    /// Queues an argument.
    Arg(&'a [u8]),
    /// Queues an argument that is in a sealed memfd.
    SealedArg,
    /// Queues the descriptors that come along.
    Descriptors,
    /// Runs an entry now.
    Call {
        entry: &'a [u8],
        args: Vec<CallArg<'a>>,
    },
    /// Loads a module: a shared library by its path, or what the server's language calls a module, by its name.
    Load {
        name: &'a [u8],
        path: &'a [u8],
    },
    /// Evaluates code now: the first argument, with the rest as its arguments.
    Eval {
        args: Vec<CallArg<'a>>,
    },
    /// What `ps` shows.
    Name(&'a [u8]),
    /// Where the caller's trace is: for the span of the entry.
    Context(&'a [u8]),
    /// More orders, in a sealed memfd. The payload is padding: each message that carries descriptors needs a byte.
    Bundle {
        padding: &'a [u8],
    },
    /// Of its environment only variables with these names stay, each followed by a NUL.
    Environment {
        names: &'a [u8],
    },
    /// Ends with its owner from now on.
    Bind,
    /// Become a template.
    Template,
    /// Run the entry.
    Run {
        entry: &'a [u8],
    },
    /// Become an external program: a [`Program`](super::Program). Without octets, it is in a sealed memfd, the last descriptor.
    Become {
        program: &'a [u8],
    },
    /// To a template: start an external program in a new process; its socket comes along, then its descriptors. Else as `Become`.
    Spawn {
        id: u64,
        role: Role,
        program: &'a [u8],
    },
    /// To a template: fork; the child's socket comes along.
    Fork {
        id: u64,
        role: Role,
    },
    /// To a template: fork and exec this program again; the child's socket comes along.
    Exec {
        id: u64,
        role: Role,
        nonce: [u8; 16],
        /// Only variables with these names, as in `Environment`. `None`: all.
        names: Option<&'a [u8]>,
    },
    /// To a template: send a signal to a child.
    Signal {
        id: u64,
        signal: u32,
    },
    /// To a template: what a child has become.
    Mark {
        id: u64,
        role: Role,
    },
    /// To a template: the sender is the owner from now on, its pidfd comes along if there is one.
    Own {
        owner: u32,
    },
    /// To a template: fork so many in advance, with ids from the first one up, this much later. None: no more of those with such ids, and those that wait end.
    Spares {
        first: u64,
        count: u32,
        delay_us: u32,
    },
    /// To a template: fork no more, and end.
    End,
}

mod kind {
    pub(super) const HELLO: u16 = 1;
    pub(super) const ARG: u16 = 2;
    pub(super) const SEALED_ARG: u16 = 3;
    pub(super) const DESCRIPTORS: u16 = 4;
    pub(super) const CALL: u16 = 5;
    pub(super) const NAME: u16 = 6;
    pub(super) const BUNDLE: u16 = 7;
    pub(super) const BIND: u16 = 8;
    pub(super) const TEMPLATE: u16 = 9;
    pub(super) const RUN: u16 = 10;
    pub(super) const FORK: u16 = 11;
    pub(super) const EXEC: u16 = 12;
    pub(super) const SIGNAL: u16 = 13;
    pub(super) const MARK: u16 = 14;
    pub(super) const OWN: u16 = 15;
    pub(super) const END: u16 = 16;
    pub(super) const BECOME: u16 = 17;
    pub(super) const SPAWN: u16 = 18;
    pub(super) const CONTEXT: u16 = 19;
    pub(super) const LOAD: u16 = 20;
    pub(super) const EVAL: u16 = 21;
    pub(super) const SPARES: u16 = 22;
    pub(super) const ENVIRONMENT: u16 = 23;
}

impl<'a> Order<'a> {
    /// Appends the order as a frame that says `descriptors` come along.
    pub(crate) fn append(&self, out: &mut Bytes, descriptors: u16) {
        append(out, self.kind(), descriptors, |w| match self {
            Order::Hello(hello) => {
                w.u16(hello.version);
                w.raw(&hello.nonce);
                w.u64(hello.image);
                w.u32(hello.owner);
                w.u8(u8::from(hello.adopts));
                w.raw(hello.program);
            }
            Order::Arg(octets)
            | Order::Name(octets)
            | Order::Context(octets)
            | Order::Run { entry: octets }
            | Order::Environment { names: octets }
            | Order::Become { program: octets }
            | Order::Bundle { padding: octets } => w.raw(octets),
            Order::Call { entry, args } => {
                w.octets(entry);
                arguments::append(w, args);
            }
            Order::Eval { args } => arguments::append(w, args),
            Order::Load { name, path } => {
                w.octets(name);
                w.raw(path);
            }
            Order::Fork { id, role } | Order::Mark { id, role } => {
                w.u64(*id);
                w.u8(role.code());
            }
            Order::Spawn { id, role, program } => {
                w.u64(*id);
                w.u8(role.code());
                w.raw(program);
            }
            Order::Exec { id, role, nonce, names } => {
                w.u64(*id);
                w.u8(role.code());
                w.raw(nonce);
                w.u8(u8::from(names.is_some()));
                w.raw(names.unwrap_or_default());
            }
            Order::Signal { id, signal } => {
                w.u64(*id);
                w.u32(*signal);
            }
            Order::Own { owner } => w.u32(*owner),
            Order::Spares { first, count, delay_us } => {
                w.u64(*first);
                w.u32(*count);
                w.u32(*delay_us);
            }
            Order::SealedArg | Order::Descriptors | Order::Bind | Order::Template | Order::End => {}
        });
    }

    /// Reads the order out of a frame, and checks that the number of descriptors is one that the order can have.
    pub(crate) fn parse(frame: Frame<'a>) -> Parsed<Self> {
        let mut r = Reader::new(frame.payload);
        let order = match frame.kind {
            kind::HELLO => Order::Hello(Hello {
                version: r.u16()?,
                nonce: r.array()?,
                image: r.u64()?,
                owner: r.u32()?,
                adopts: r.flag()?,
                program: r.rest(),
            }),
            kind::ARG => Order::Arg(r.rest()),
            kind::SEALED_ARG => Order::SealedArg,
            kind::DESCRIPTORS => Order::Descriptors,
            kind::CALL => Order::Call { entry: r.octets()?, args: arguments::parse(&mut r)? },
            kind::EVAL => Order::Eval { args: arguments::parse(&mut r)? },
            kind::LOAD => Order::Load { name: r.octets()?, path: r.rest() },
            kind::NAME => Order::Name(r.rest()),
            kind::CONTEXT => Order::Context(r.rest()),
            kind::BUNDLE => Order::Bundle { padding: r.rest() },
            kind::BIND => Order::Bind,
            kind::TEMPLATE => Order::Template,
            kind::RUN => Order::Run { entry: r.rest() },
            kind::FORK => Order::Fork { id: r.u64()?, role: Role::parse(r.u8()?)? },
            kind::EXEC => Order::Exec {
                id: r.u64()?,
                role: Role::parse(r.u8()?)?,
                nonce: r.array()?,
                names: if r.flag()? { Some(r.rest()) } else { None },
            },
            kind::ENVIRONMENT => Order::Environment { names: r.rest() },
            kind::SIGNAL => Order::Signal { id: r.u64()?, signal: r.u32()? },
            kind::MARK => Order::Mark { id: r.u64()?, role: Role::parse(r.u8()?)? },
            kind::OWN => Order::Own { owner: r.u32()? },
            kind::SPARES => Order::Spares { first: r.u64()?, count: r.u32()?, delay_us: r.u32()? },
            kind::END => Order::End,
            kind::BECOME => Order::Become { program: r.rest() },
            kind::SPAWN => Order::Spawn { id: r.u64()?, role: Role::parse(r.u8()?)?, program: r.rest() },
            _ => return Err(Malformed("an unknown order")),
        };
        r.finish()?;
        if order.accepts(frame.descriptors) {
            Ok(order)
        } else {
            Err(Malformed("an order with the wrong number of descriptors"))
        }
    }

    fn accepts(&self, descriptors: u16) -> bool {
        match self {
            Order::Hello(_) | Order::Own { .. } => descriptors <= 1,
            Order::SealedArg | Order::Bundle { .. } | Order::Fork { .. } | Order::Exec { .. } => descriptors == 1,
            Order::Descriptors => descriptors >= 1,
            Order::Become { program } => !program.is_empty() || descriptors >= 1,
            Order::Spawn { program, .. } => descriptors >= if program.is_empty() { 2 } else { 1 },
            Order::Call { args, .. } | Order::Eval { args } => {
                usize::from(descriptors) == args.iter().filter(|arg| **arg == CallArg::Sealed).count()
            }
            _ => descriptors == 0,
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Order::Hello(_) => kind::HELLO,
            Order::Arg(_) => kind::ARG,
            Order::SealedArg => kind::SEALED_ARG,
            Order::Descriptors => kind::DESCRIPTORS,
            Order::Call { .. } => kind::CALL,
            Order::Name(_) => kind::NAME,
            Order::Context(_) => kind::CONTEXT,
            Order::Load { .. } => kind::LOAD,
            Order::Eval { .. } => kind::EVAL,
            Order::Bundle { .. } => kind::BUNDLE,
            Order::Environment { .. } => kind::ENVIRONMENT,
            Order::Bind => kind::BIND,
            Order::Template => kind::TEMPLATE,
            Order::Run { .. } => kind::RUN,
            Order::Fork { .. } => kind::FORK,
            Order::Exec { .. } => kind::EXEC,
            Order::Signal { .. } => kind::SIGNAL,
            Order::Mark { .. } => kind::MARK,
            Order::Own { .. } => kind::OWN,
            Order::Spares { .. } => kind::SPARES,
            Order::End => kind::END,
            Order::Become { .. } => kind::BECOME,
            Order::Spawn { .. } => kind::SPAWN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::split;

    fn samples() -> Vec<(Order<'static>, u16)> {
        let hello = Hello { version: 1, nonce: [9; 16], image: 1 << 40, owner: 77, adopts: true, program: b"prog" };
        vec![
            (Order::Hello(hello), 1),
            (Order::Arg(b""), 0),
            (Order::Arg(b"a\0b\n"), 0),
            (Order::SealedArg, 1),
            (Order::Descriptors, 253),
            (Order::Call { entry: b"a::b", args: vec![CallArg::Inline(b""), CallArg::Sealed] }, 1),
            (Order::Load { name: b"", path: b"/lib/libx.so" }, 0),
            (Order::Eval { args: vec![CallArg::Sealed, CallArg::Inline(b"x")] }, 1),
            (Order::Name(b"n"), 0),
            (Order::Context(b"c"), 0),
            (Order::Bundle { padding: &[0; 3] }, 1),
            (Order::Bind, 0),
            (Order::Template, 0),
            (Order::Run { entry: b"a::b" }, 0),
            (Order::Fork { id: u64::MAX, role: Role::Bound }, 1),
            (Order::Exec { id: 1, role: Role::Preparing, nonce: [1; 16], names: None }, 1),
            (Order::Exec { id: 1, role: Role::Free, nonce: [1; 16], names: Some(b"") }, 1),
            (Order::Environment { names: b"PATH\0" }, 0),
            (Order::Signal { id: 3, signal: 9 }, 0),
            (Order::Mark { id: 3, role: Role::Template }, 0),
            (Order::Own { owner: 1 }, 1),
            (Order::Spares { first: 7, count: 8, delay_us: 1 << 30 }, 0),
            (Order::End, 0),
            (Order::Become { program: b"p" }, 0),
            (Order::Spawn { id: 9, role: Role::Watched, program: b"" }, 2),
        ]
    }

    #[test]
    fn every_order_comes_back_as_it_was_written() {
        for (order, descriptors) in samples() {
            let mut bytes = Bytes::new();
            order.append(&mut bytes, descriptors);
            let (frame, used) = split(&bytes).unwrap().unwrap();
            assert_eq!((used, frame.descriptors), (bytes.len(), descriptors));
            assert_eq!(Order::parse(frame), Ok(order));
        }
    }

    #[test]
    fn a_wrong_number_of_descriptors_is_refused() {
        for (order, descriptors) in samples() {
            let mut bytes = Bytes::new();
            order.append(&mut bytes, descriptors);
            let (frame, _) = split(&bytes).unwrap().unwrap();
            let wrong = match order {
                // Of these there may be any number above a smallest one.
                Order::Descriptors => 0,
                Order::Spawn { .. } => 1,
                Order::Become { .. } => continue,
                _ => descriptors + 1,
            };
            assert!(Order::parse(Frame { descriptors: wrong, ..frame }).is_err(), "{order:?}");
        }
    }

    #[test]
    fn cut_off_and_trailing_fields_are_refused() {
        for (order, descriptors) in samples() {
            let open_ended = matches!(
                order,
                Order::Hello(_)
                    | Order::Arg(_)
                    | Order::Load { .. }
                    | Order::Name(_)
                    | Order::Context(_)
                    | Order::Run { .. }
                    | Order::Bundle { .. }
                    | Order::Become { .. }
                    | Order::Spawn { .. }
                    | Order::Environment { .. }
                    | Order::Exec { names: Some(_), .. }
            );
            let mut bytes = Bytes::new();
            order.append(&mut bytes, descriptors);
            let (frame, _) = split(&bytes).unwrap().unwrap();
            let longer = [frame.payload, &[7]].concat();
            assert!(open_ended || Order::parse(Frame { payload: &longer, ..frame }).is_err(), "{order:?}");
            if let Some((_, shorter)) = frame.payload.split_last() {
                let open_ended = open_ended && !matches!(order, Order::Exec { .. });
                assert!(open_ended || Order::parse(Frame { payload: shorter, ..frame }).is_err(), "{order:?}");
            }
        }
        assert!(Order::parse(Frame { kind: 99, descriptors: 0, payload: b"" }).is_err());
    }
}
