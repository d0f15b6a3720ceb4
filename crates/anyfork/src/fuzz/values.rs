//! Valid messages of all kinds, made at random. What they borrow is leaked: the process of a test ends soon.

use crate::wire::{CallArg, ExitRecord, Failure, Hello, KINDS, Order, Program, Reply, Role, Step, Strings};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::ffi::{CStr, CString};

fn octets() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..40).prop_map(|octets| &*octets.leak())
}

fn text() -> impl Strategy<Value = &'static CStr> {
    vec(1..=u8::MAX, 0..20).prop_map(|octets| {
        let text = CString::new(octets).expect("there is no NUL");
        &*Box::leak(text.into_boxed_c_str())
    })
}

fn strings() -> impl Strategy<Value = Strings<'static>> {
    vec(text(), 0..4).prop_map(|texts| {
        let octets: Vec<u8> = texts.iter().flat_map(|text| text.to_bytes_with_nul()).copied().collect();
        Strings::new(octets.leak()).expect("each has its NUL")
    })
}

fn role() -> impl Strategy<Value = Role> {
    select(vec![Role::Free, Role::Bound, Role::Preparing, Role::Template, Role::Watched])
}

fn arguments() -> impl Strategy<Value = Vec<CallArg<'static>>> {
    vec(prop_oneof![octets().prop_map(CallArg::Inline), Just(CallArg::Sealed)], 0..6)
}

fn hello() -> impl Strategy<Value = Hello<'static>> {
    (any::<(u16, [u8; 16], u64, u32, bool)>(), octets()).prop_map(
        |((version, nonce, image, owner, adopts), program)| Hello { version, nonce, image, owner, adopts, program },
    )
}

/// An order, and how many descriptors come with it.
pub(super) fn order() -> impl Strategy<Value = (Order<'static>, u16)> {
    let to_a_process = prop_oneof![
        hello().prop_map(Order::Hello),
        octets().prop_map(Order::Arg),
        Just(Order::SealedArg),
        Just(Order::Descriptors),
        (octets(), arguments()).prop_map(|(entry, args)| Order::Call { entry, args }),
        (octets(), octets()).prop_map(|(name, path)| Order::Load { name, path }),
        arguments().prop_map(|args| Order::Eval { args }),
        octets().prop_map(Order::Name),
        octets().prop_map(Order::Context),
        octets().prop_map(|padding| Order::Bundle { padding }),
        octets().prop_map(|names| Order::Environment { names }),
        Just(Order::Bind),
        Just(Order::Template),
        octets().prop_map(|entry| Order::Run { entry }),
        octets().prop_map(|program| Order::Become { program }),
    ];
    let to_a_template = prop_oneof![
        (any::<u64>(), role(), octets()).prop_map(|(id, role, program)| Order::Spawn { id, role, program }),
        (any::<u64>(), role()).prop_map(|(id, role)| Order::Fork { id, role }),
        (any::<u64>(), role(), any::<[u8; 16]>(), option::of(octets()))
            .prop_map(|(id, role, nonce, names)| Order::Exec { id, role, nonce, names }),
        any::<(u64, u32)>().prop_map(|(id, signal)| Order::Signal { id, signal }),
        (any::<u64>(), role()).prop_map(|(id, role)| Order::Mark { id, role }),
        any::<u32>().prop_map(|owner| Order::Own { owner }),
        any::<(u64, u32, u32)>().prop_map(|(first, count, delay_us)| Order::Spares { first, count, delay_us }),
        Just(Order::End),
    ];
    (prop_oneof![to_a_process, to_a_template], 0..4_u16).prop_map(|(order, more)| {
        let descriptors = descriptors(&order, more);
        (order, descriptors)
    })
}

/// How many come with it, `more` where there may be any number.
fn descriptors(order: &Order<'_>, more: u16) -> u16 {
    match order {
        Order::Hello(_) | Order::Own { .. } => more % 2,
        Order::SealedArg | Order::Bundle { .. } | Order::Fork { .. } | Order::Exec { .. } => 1,
        Order::Descriptors => 1 + more,
        Order::Become { program } => u16::from(program.is_empty()) + more,
        Order::Spawn { program, .. } => 1 + u16::from(program.is_empty()) + more,
        Order::Call { args, .. } | Order::Eval { args } => {
            args.iter().filter(|arg| **arg == CallArg::Sealed).count() as u16
        }
        Order::Arg(_) | Order::Load { .. } | Order::Name(_) | Order::Context(_) | Order::Environment { .. } => 0,
        Order::Bind
        | Order::Template
        | Order::Run { .. }
        | Order::Signal { .. }
        | Order::Mark { .. }
        | Order::Spares { .. }
        | Order::End => 0,
    }
}

fn failure() -> impl Strategy<Value = Failure> {
    (select(&KINDS[..]), any::<(i32, String, String, String)>())
        .prop_map(|(kind, (errno, step, object, message))| Failure { kind, errno, step, object, message })
}

fn record() -> impl Strategy<Value = ExitRecord> {
    any::<(u64, u32, i32, [u64; 5])>().prop_map(|(id, pid, wait_status, used)| {
        let [user_us, system_us, peak_kib, minor_faults, major_faults] = used;
        ExitRecord { id, pid, wait_status, user_us, system_us, peak_kib, minor_faults, major_faults }
    })
}

/// A reply, and how many descriptors come with it.
pub(super) fn reply() -> impl Strategy<Value = (Reply, u16)> {
    let reply = prop_oneof![
        any::<u32>().prop_map(|pid| Reply::Ready { pid }),
        any::<u32>().prop_map(|pid| Reply::Started { pid }),
        failure().prop_map(Reply::Failed),
        any::<(u64, i32)>().prop_map(|(id, errno)| Reply::NotForked { id, errno }),
        record().prop_map(Reply::Exited),
        any::<(u64, u32)>().prop_map(|(id, pid)| Reply::Spare { id, pid }),
    ];
    (reply, 0..2_u16).prop_map(|(reply, more)| {
        let descriptors = match reply {
            Reply::Ready { .. } | Reply::Started { .. } | Reply::Spare { .. } => more,
            Reply::Failed(_) | Reply::NotForked { .. } | Reply::Exited(_) => 0,
        };
        (reply, descriptors)
    })
}

fn step() -> impl Strategy<Value = Step<'static>> {
    let of_descriptors = prop_oneof![
        any::<(u16, u32)>().prop_map(|(descriptor, at)| Step::Place { descriptor, at }),
        any::<u32>().prop_map(|at| Step::Close { at }),
        any::<u32>().prop_map(|at| Step::Keep { at }),
        any::<u16>().prop_map(|descriptor| Step::ControllingTerminal { descriptor }),
        any::<u16>().prop_map(|descriptor| Step::Enter { descriptor }),
        any::<u16>().prop_map(|descriptor| Step::Restrict { descriptor }),
    ];
    let of_numbers = prop_oneof![
        any::<[u32; 2]>().prop_map(|inside| Step::MapIds { inside }),
        any::<i32>().prop_map(Step::ProcessGroup),
        any::<(u32, u64, u64)>().prop_map(|(resource, soft, hard)| Step::Limit { resource, soft, hard }),
        any::<i32>().prop_map(Step::Nice),
        any::<i32>().prop_map(Step::OomScoreAdj),
        any::<u32>().prop_map(Step::Umask),
        any::<u64>().prop_map(Step::BoundCapabilities),
        any::<u32>().prop_map(Step::Group),
        any::<u32>().prop_map(Step::User),
        any::<u64>().prop_map(Step::Capabilities),
        any::<(u64, u64)>().prop_map(|(ignored, blocked)| Step::Signals { ignored, blocked }),
        any::<u32>().prop_map(Step::DeathSignal),
    ];
    let alone = [Step::PrivateMounts, Step::SetSession, Step::DropGroups, Step::NoNewPrivileges, Step::AdoptOrphans];
    let of_octets = prop_oneof![
        octets().prop_map(Step::Affinity),
        text().prop_map(Step::ChangeRoot),
        vec(any::<u32>(), 0..6).prop_map(Step::Groups),
        text().prop_map(Step::Directory),
        (octets(), vec(octets(), 0..4)).prop_map(|(name, arguments)| Step::Entry { name, arguments }),
        octets().prop_map(Step::Filter),
    ];
    prop_oneof![of_descriptors, of_numbers, select(alone.to_vec()), of_octets]
}

pub(super) fn program() -> impl Strategy<Value = Program<'static>> {
    let strings = (text(), text(), strings(), strings());
    (strings, any::<u32>(), option::of(0..u16::MAX), vec(step(), 0..12)).prop_map(
        |((file, path, arguments, environment), namespaces, cgroup, steps)| Program {
            file,
            path,
            arguments,
            environment,
            namespaces,
            cgroup,
            steps,
        },
    )
}
