//! Entries: named by value or by string, their parameters, what they return.

use anyfork::{Blob, Entry, Extract, Input, InputError, Inputs, Process, Worker};
use anyfork_tests::answer;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;

/// Entries may stand in modules, and are registered under their path.
mod deep {
    pub(crate) mod down {
        #[anyfork::entry]
        pub(crate) fn here() -> std::process::ExitCode {
            std::process::ExitCode::from(11)
        }
    }
}

#[anyfork::entry]
#[expect(clippy::too_many_arguments, reason = "one of each type")]
fn by_all_types(
    mut socket: UnixStream,
    text: String,
    os: OsString,
    path: PathBuf,
    octets: Vec<u8>,
    blob: Blob,
    numbers: Numbers,
    yes: bool,
    letter: char,
) -> io::Result<()> {
    let Numbers(small, large, float) = numbers;
    write!(
        socket,
        "{text}|{}|{}|{octets:?}|{}|{small}|{large}|{float}|{yes}|{letter}",
        os.as_bytes().escape_ascii(),
        path.display(),
        blob.len()
    )
}

struct Numbers(i8, u128, f32);

impl Extract for Numbers {
    fn extract(inputs: &mut Inputs) -> Result<Self, InputError> {
        Ok(Numbers(inputs.parse()?, inputs.parse()?, inputs.parse()?))
    }
}

#[anyfork::entry]
fn descriptors(
    mut socket: UnixStream,
    tcp: TcpListener,
    udp: UdpSocket,
    unix: UnixListener,
    stream: UnixStream,
    file: File,
    any: OwnedFd,
) -> io::Result<()> {
    let kinds = (tcp.local_addr().is_ok(), udp.local_addr().is_ok(), unix.local_addr().is_ok());
    write!(
        socket,
        "{kinds:?} {} {} {}",
        stream.peer_addr().is_ok(),
        file.metadata()?.len(),
        File::from(any).metadata()?.is_dir()
    )
}

#[anyfork::entry]
fn rest_of_text(mut socket: UnixStream, first: u8, rest: Vec<i64>) -> io::Result<()> {
    write!(socket, "{first} {rest:?}")
}

#[anyfork::entry]
fn rest_of_octets(mut socket: UnixStream, rest: Vec<Vec<u8>>) -> io::Result<()> {
    write!(socket, "{rest:?}")
}

#[anyfork::entry]
fn rest_of_files(mut socket: UnixStream, rest: Vec<File>) -> io::Result<()> {
    write!(socket, "{}", rest.len())
}

#[anyfork::entry]
fn raw(mut socket: UnixStream, inputs: Inputs) -> io::Result<()> {
    for input in inputs {
        match input {
            Input::Arg(octets) => write!(socket, "arg {} ", octets.len())?,
            Input::Fd(_) => write!(socket, "fd ")?,
            _ => {}
        }
    }
    Ok(())
}

#[anyfork::entry]
fn whole_raw(mut inputs: Inputs) -> io::Result<()> {
    let mut socket = inputs.take_socket().ok_or(io::ErrorKind::NotConnected)?;
    write!(socket, "{}", inputs.len())
}

type Octet = u8;

#[anyfork::entry]
fn octets_by_another_name(mut socket: UnixStream, octets: Vec<Octet>, number: u32) -> io::Result<()> {
    write!(socket, "{octets:?} {number}")
}

/// Types that come from outside of the macro that has the attribute.
macro_rules! entry_of {
    ($name:ident, $first:tt, $rest:ty) => {
        #[anyfork::entry]
        fn $name(mut socket: UnixStream, first: $first, rest: $rest) -> io::Result<()> {
            write!(socket, "{first} {rest:?}")
        }
    };
}
entry_of!(by_macro, i8, Vec<u16>);

#[anyfork::entry]
fn nothing() {}

#[anyfork::entry]
fn fails() -> Result<(), String> {
    Err("no luck".into())
}

#[anyfork::entry]
fn code(code: u8) -> ExitCode {
    ExitCode::from(code)
}

#[anyfork::entry]
fn nested_result() -> Result<ExitCode, std::fmt::Error> {
    Ok(ExitCode::from(5))
}

#[anyfork::entry]
fn never_returns() -> ! {
    std::process::exit(9)
}

#[anyfork::entry]
fn again(mut socket: UnixStream, times: u32) -> io::Result<()> {
    if times == 0 {
        return write!(socket, "bottom");
    }
    let below = Process::new().arg(times - 1).blocking_socket(true).run(again).map_err(io::Error::from)?;
    io::copy(&mut below.socket(), &mut socket).map(drop)
}

fn ends_with(worker: Worker) -> Option<i32> {
    worker.wait().unwrap().code()
}

#[test]
fn parameters_take_arguments_of_all_types_in_order() {
    let worker = Process::new()
        .arg("ä b")
        .arg(OsString::from("x"))
        .arg(PathBuf::from("/tmp/y"))
        .arg([0u8, 255])
        .arg(vec![7u8; 70_000])
        .args(["-7", "340282366920938463463374607431768211455"])
        .arg(2.5)
        .arg(true)
        .arg('z')
        .blocking_socket(true)
        .run(by_all_types)
        .unwrap();
    let expected = "ä b|x|/tmp/y|[0, 255]|70000|-7|340282366920938463463374607431768211455|2.5|true|z";
    assert_eq!(answer(&worker), expected);
}

#[test]
fn parameters_take_descriptors_of_their_kind() {
    let path = std::env::temp_dir().join(format!("anyfork-entries-{}", std::process::id()));
    std::fs::write(path.with_extension("txt"), "four").unwrap();
    let worker = Process::new()
        .fd(TcpListener::bind("127.0.0.1:0").unwrap())
        .fd(UdpSocket::bind("127.0.0.1:0").unwrap())
        .fd(UnixListener::bind(&path).unwrap())
        .fd(UnixStream::pair().unwrap().0)
        .fd(File::open(path.with_extension("txt")).unwrap())
        .fd(File::open("/").unwrap())
        .blocking_socket(true)
        .run(descriptors)
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(path.with_extension("txt")).unwrap();
    assert_eq!(answer(&worker), "(true, true, true) true 4 true");
}

#[test]
fn the_last_parameter_may_take_all_the_rest() {
    let start = || Process::new().blocking_socket(true);
    assert_eq!(answer(&start().args([1, -2, 3]).run(rest_of_text).unwrap()), "1 [-2, 3]");
    assert_eq!(answer(&start().arg(1).run(rest_of_text).unwrap()), "1 []");
    assert_eq!(answer(&start().args([&b"a"[..], b""]).run(rest_of_octets).unwrap()), "[[97], []]");
    let null = File::open("/dev/null").unwrap();
    assert_eq!(answer(&start().fds([&null, &null, &null]).run(rest_of_files).unwrap()), "3");
    assert_eq!(answer(&start().arg("abc").fd(&null).arg("").run(raw).unwrap()), "arg 3 fd arg 0 ");
    assert_eq!(answer(&start().arg("abc").fd(&null).run(whole_raw).unwrap()), "2");
}

#[test]
fn octets_are_one_input_by_whatever_name() {
    let worker = Process::new().arg([1u8, 2]).arg(3).blocking_socket(true).run(octets_by_another_name).unwrap();
    assert_eq!(answer(&worker), "[1, 2] 3");
}

#[test]
fn an_entry_may_be_made_by_a_macro() {
    let worker = Process::new().args([-1, 2, 3]).blocking_socket(true).run(by_macro).unwrap();
    assert_eq!(answer(&worker), "-1 [2, 3]");
}

#[test]
fn an_entry_may_be_named_by_what_returns_it() {
    let chosen = [code()];
    assert_eq!(ends_with(Process::new().arg(4).run(|| chosen[0]).unwrap()), Some(4));
    let pointer: fn() -> Entry<_> = code;
    assert_eq!(ends_with(Process::new().arg(5).run(pointer).unwrap()), Some(5));
    assert_eq!(ends_with(Process::new().arg(6).run(chosen[0]).unwrap()), Some(6));
}

#[test]
fn entries_are_named_by_value_or_by_path() {
    assert_eq!(nothing().name(), "entries::nothing");
    assert_eq!(ends_with(Process::new().run(deep::down::here).unwrap()), Some(11));
    assert_eq!(ends_with(Process::new().run("entries::deep::down::here").unwrap()), Some(11));
    assert_eq!(ends_with(Process::new().run(String::from("entries::nothing")).unwrap()), Some(0));
}

#[test]
fn an_entry_and_what_it_became_may_have_one_name() {
    let nothing = Process::new().run(nothing).unwrap();
    assert_eq!(ends_with(nothing), Some(0));
}

#[test]
fn an_entry_can_still_be_called_as_the_function_it_was() {
    assert_eq!(fails()(), Err("no luck".into()));
    assert_eq!(code()(3), ExitCode::from(3));
}

#[test]
fn what_an_entry_returns_is_its_exit_code() {
    assert_eq!(ends_with(Process::new().run(nothing).unwrap()), Some(0));
    assert_eq!(ends_with(Process::new().run(fails).unwrap()), Some(1));
    assert_eq!(ends_with(Process::new().run(nested_result).unwrap()), Some(5));
    assert_eq!(ends_with(Process::new().run(never_returns).unwrap()), Some(9));
    for value in [0, 1, 101, 255] {
        assert_eq!(ends_with(Process::new().arg(value).run(code).unwrap()), Some(value));
    }
}

#[test]
fn an_entry_can_start_itself() {
    let worker = Process::new().arg(3).blocking_socket(true).run(again).unwrap();
    assert_eq!(answer(&worker), "bottom");
    assert_eq!(ends_with(worker), Some(0));
}

#[test]
fn a_socket_that_nobody_takes_is_open_until_the_end() {
    let worker = Process::new().blocking_socket(true).run(nothing).unwrap();
    assert_eq!(answer(&worker), "");
}
