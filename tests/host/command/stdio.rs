//! Standard input, output and error of programs.

use super::{Seen, alone, both, shown};
use rustix::io::{dup2, fcntl_dupfd_cloexec};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

super::cases![
    standard_streams_are_those_of_the_time_of_the_call,
    closed_standard_input_is_closed_in_the_program,
    closed_standard_output_is_closed_in_the_program,
    closed_standard_error_is_closed_in_the_program,
    closed_standard_streams_are_all_closed_in_the_program,
    pipes_are_made_where_standard_streams_were_closed,
    standard_streams_can_be_swapped,
    null_is_read_at_one_end_and_written_at_the_other,
    pipes_are_plain_and_blocking,
    spawn_inherits_and_output_captures,
    output_leaves_alone_what_was_set,
    a_file_is_shared_with_the_program,
    output_and_error_can_go_to_one_file,
    one_command_starts_again_with_the_same_file,
    the_output_of_one_is_the_input_of_the_next,
    all_that_owns_a_descriptor_can_be_given,
    a_directory_and_a_file_of_the_wrong_mode_can_be_given,
    no_pipe_is_held_open_by_another_program,
    programs_have_no_other_descriptors,
];

/// Appends what the descriptors of the shell are to the file `$OUT`.
const LOOK: &str = "for n in 0 1 2; do (readlink /proc/$$/fd/$n || echo closed; grep flags /proc/$$/fdinfo/$n) \
                    >>\"$OUT\" 2>/dev/null; done; :";

/// What it found; the numbers of pipes differ each time.
fn found(out: &Path) -> String {
    let text = fs::read_to_string(out).unwrap_or_default();
    fs::remove_file(out).unwrap();
    let line = |line: &str| match line.split_once(":[") {
        Some((kind, _)) => kind.to_owned(),
        None => line.strip_prefix("flags:").unwrap_or(line).trim().to_owned(),
    };
    text.lines().map(line).collect::<Vec<_>>().join(" ")
}

/// The standard streams of this program, to be put back.
struct Streams([OwnedFd; 3]);

fn stream(number: i32) -> BorrowedFd<'static> {
    // SAFETY: it is there whenever it is used, except in the midst of a case, which puts it back.
    unsafe { BorrowedFd::borrow_raw(number) }
}

fn put(fd: impl AsFd, number: i32) {
    // SAFETY: the standard stream is replaced, whether it is open or not, and never closed by this handle.
    let mut target = std::mem::ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
    dup2(fd, &mut target).unwrap();
}

impl Streams {
    fn keep() -> Self {
        Streams([0, 1, 2].map(|number| fcntl_dupfd_cloexec(stream(number), 100).unwrap()))
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        (0..3).for_each(|number| put(&self.0[number as usize], number));
    }
}

fn standard_streams_are_those_of_the_time_of_the_call(place: &Path) -> Seen {
    let seen = |name: &str| fs::read_to_string(place.join(name)).unwrap();
    fs::write(place.join("in"), "read").unwrap();
    both! {
        let streams = Streams::keep();
        put(File::open(place.join("in")).unwrap(), 0);
        put(File::create(place.join("out")).unwrap(), 1);
        put(File::create(place.join("err")).unwrap(), 2);
        let status = shown(Command::new("sh").args(["-c", "cat; echo error >&2"]).status());
        drop(streams);
        format!("{status} {} {}", seen("out"), seen("err").trim())
    }
}

/// What programs see whose caller has closed some of its streams. With [`LOOK`] they are started by `status`.
fn with_closed(place: &Path, numbers: &[i32]) -> Seen {
    let out = place.join("out");
    both! {
        let streams = Streams::keep();
        // SAFETY: nobody uses them before they are put back.
        numbers.iter().for_each(|number| unsafe { drop(OwnedFd::from_raw_fd(*number)) });
        let mut command = Command::new("sh");
        command.args(["-c", LOOK]).env("OUT", &out);
        for number in (0..3).filter(|number| !numbers.contains(number)) {
            match number {
                0 => command.stdin(Stdio::null()),
                1 => command.stdout(Stdio::null()),
                _ => command.stderr(Stdio::null()),
            };
        }
        let status = shown(command.status());
        drop(streams);
        format!("{status} {}", found(&out))
    }
}

fn closed_standard_input_is_closed_in_the_program(place: &Path) -> Seen {
    with_closed(place, &[0])
}

fn closed_standard_output_is_closed_in_the_program(place: &Path) -> Seen {
    with_closed(place, &[1])
}

fn closed_standard_error_is_closed_in_the_program(place: &Path) -> Seen {
    with_closed(place, &[2])
}

fn closed_standard_streams_are_all_closed_in_the_program(place: &Path) -> Seen {
    with_closed(place, &[0, 1, 2])
}

/// The pipes themselves get the numbers 0, 1 and 2 then.
fn pipes_are_made_where_standard_streams_were_closed(_: &Path) -> Seen {
    both! {
        let streams = Streams::keep();
        // SAFETY: nobody uses them before they are put back.
        (0..3).for_each(|number| unsafe { drop(OwnedFd::from_raw_fd(number)) });
        let mut command = Command::new("sh");
        command.args(["-c", "cat; echo error >&2"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = command.spawn().and_then(|mut child| {
            child.stdin.take().unwrap().write_all(b"through").unwrap();
            child.wait_with_output()
        });
        let shown = shown(output);
        drop(streams);
        shown
    }
}

fn standard_streams_can_be_swapped(place: &Path) -> Seen {
    let seen = |name: &str| fs::read_to_string(place.join(name)).unwrap().trim().to_owned();
    both! {
        let streams = Streams::keep();
        put(File::create(place.join("out")).unwrap(), 1);
        put(File::create(place.join("err")).unwrap(), 2);
        // SAFETY: closed by what gets them, and then put back.
        let (first, second) = unsafe { (OwnedFd::from_raw_fd(1), OwnedFd::from_raw_fd(2)) };
        let mut command = Command::new("sh");
        command.args(["-c", "echo output; echo error >&2"]).stdout(second).stderr(first);
        let status = shown(command.status());
        drop(command);
        drop(streams);
        format!("{status} {} {}", seen("out"), seen("err"))
    }
}

fn null_is_read_at_one_end_and_written_at_the_other(place: &Path) -> Seen {
    let out = place.join("out");
    both! {
        let mut command = Command::new("sh");
        command.args(["-c", LOOK]).env("OUT", &out).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = shown(command.status());
        format!("{status} {}", found(&out))
    }
}

fn pipes_are_plain_and_blocking(place: &Path) -> Seen {
    let out = place.join("out");
    both! {
        let mut command = Command::new("sh");
        command.args(["-c", LOOK]).env("OUT", &out).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let flags = [
            rustix::fs::fcntl_getfl(child.stdin.as_ref().unwrap()).unwrap(),
            rustix::fs::fcntl_getfl(child.stdout.as_ref().unwrap()).unwrap(),
            rustix::fs::fcntl_getfl(child.stderr.as_ref().unwrap()).unwrap(),
        ];
        let status = shown(child.wait());
        format!("{status} {} {flags:?}", found(&out))
    }
}

/// Standard input is inherited, so that something must be there.
fn spawn_inherits_and_output_captures(place: &Path) -> Seen {
    fs::write(place.join("in"), "").unwrap();
    let out = place.join("out");
    both! {
        let streams = Streams::keep();
        put(File::open(place.join("in")).unwrap(), 0);
        put(File::create(place.join("err")).unwrap(), 2);
        put(File::create(place.join("std")).unwrap(), 1);
        let mut command = Command::new("sh");
        command.args(["-c", LOOK]).env("OUT", &out);
        let spawned = command.spawn().unwrap().wait_with_output();
        let spawned = format!("{} {}", shown(spawned), found(&out));
        let captured = format!("{} {}", shown(command.output()), found(&out));
        drop(streams);
        format!("{spawned}, {captured}")
    }
}

fn output_leaves_alone_what_was_set(place: &Path) -> Seen {
    let out = place.join("out");
    fs::write(place.join("in"), "read").unwrap();
    both! {
        let streams = Streams::keep();
        put(File::open(place.join("in")).unwrap(), 0);
        put(File::create(place.join("std")).unwrap(), 1);
        let mut command = Command::new("sh");
        command.args(["-c", LOOK]).env("OUT", &out);
        command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::null());
        let output = format!("{} {}", shown(command.output()), found(&out));
        drop(streams);
        output
    }
}

fn a_file_is_shared_with_the_program(place: &Path) -> Seen {
    both! {
        let path = place.join("shared");
        fs::write(&path, "12345").unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        (&file).read_exact(&mut [0; 2]).unwrap();
        let output = shown(Command::new("cat").stdin(file.try_clone().unwrap()).output());
        let status = shown(Command::new("echo").arg("6").stdout(file.try_clone().unwrap()).status());
        (&file).write_all(b"7").unwrap();
        format!("{output}, {status} {}", fs::read_to_string(&path).unwrap().replace('\n', "/"))
    }
}

fn output_and_error_can_go_to_one_file(place: &Path) -> Seen {
    both! {
        let path = place.join("both");
        let file = File::create(&path).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "echo 1; echo 2 >&2; echo 3"]).stderr(file.try_clone().unwrap()).stdout(file);
        format!("{} {}", shown(command.status()), fs::read_to_string(&path).unwrap().replace('\n', "/"))
    }
}

fn one_command_starts_again_with_the_same_file(place: &Path) -> Seen {
    both! {
        let path = place.join("twice");
        let mut command = Command::new("echo");
        command.arg("line").stdout(File::create(&path).unwrap());
        let (first, second) = (shown(command.status()), shown(command.status()));
        command.arg("more").stdout(Stdio::piped());
        let third = shown(command.output());
        format!("{first} {second} {}, {third}", fs::read_to_string(&path).unwrap().replace('\n', "/"))
    }
}

fn the_output_of_one_is_the_input_of_the_next(_: &Path) -> Seen {
    both! {
        let mut first = Command::new("printf").arg("b\\na\\n").stdout(Stdio::piped()).spawn().unwrap();
        let mut second = Command::new("sort");
        let mut second = second.stdin(first.stdout.take().unwrap()).stdout(Stdio::piped()).spawn().unwrap();
        let third = shown(Command::new("head").arg("-n1").stdin(second.stdout.take().unwrap()).output());
        format!("{third}, {} {}", shown(first.wait()), shown(second.wait()))
    }
}

fn all_that_owns_a_descriptor_can_be_given(place: &Path) -> Seen {
    let path: PathBuf = place.join("file");
    both! {
        fs::write(&path, "file").unwrap();
        let cat = |stdin: Stdio| shown(Command::new("cat").stdin(stdin).output());
        let file = cat(File::open(&path).unwrap().into());
        let owned = cat(Stdio::from(OwnedFd::from(File::open(&path).unwrap())));
        let mut child = Command::new("sh").args(["-c", "echo E >&2"]).stderr(Stdio::piped()).spawn().unwrap();
        let error = cat(Stdio::from(child.stderr.take().unwrap()));
        child.wait().unwrap();
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let written = shown(Command::new("echo").arg("to").stdout(Stdio::from(child.stdin.take().unwrap())).status());
        let input = format!("{written} {}", shown(child.wait_with_output()));
        let (reader, writer) = std::io::pipe().unwrap();
        let written = shown(Command::new("echo").arg("pipe").stdout(writer).status());
        let pipe = format!("{written} {}", cat(reader.into()));
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        drop(ours);
        let socket = cat(Stdio::from(OwnedFd::from(theirs)));
        [file, owned, error, input, pipe, socket].join(", ")
    }
}

fn a_directory_and_a_file_of_the_wrong_mode_can_be_given(place: &Path) -> Seen {
    let write_only = place.join("write-only");
    both! {
        let directory = Command::new("cat").stdin(File::open(place).unwrap()).output().unwrap();
        let written = Command::new("cat").stdin(File::create(&write_only).unwrap()).output().unwrap();
        let null = File::open("/dev/null").unwrap();
        let read = Command::new("echo").arg("x").stdout(null).stderr(Stdio::null()).status();
        format!("{} {} {}", shown(directory.status), shown(written.status), shown(read))
    }
}

/// Otherwise the first would wait for ever for the end of its input, which the second holds open.
fn no_pipe_is_held_open_by_another_program(_: &Path) -> Seen {
    both! {
        let mut first = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut second = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let mut third = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        first.stdin.take().unwrap().write_all(b"x").unwrap();
        let first = shown(first.wait_with_output());
        format!("{first}, {} {}", shown(second.wait()), shown(third.wait()))
    }
}

/// Those of std have what has no close-on-exec flag.
fn programs_have_no_other_descriptors(place: &Path) -> Seen {
    let _more = [0; 20].map(|_| File::open(place).unwrap());
    let inheritable = File::open(place).unwrap();
    rustix::io::fcntl_setfd(&inheritable, rustix::io::FdFlags::empty()).unwrap();
    // The last is that of the directory itself.
    alone! { shown(Command::new("ls").arg("/proc/self/fd").output()) }
}
