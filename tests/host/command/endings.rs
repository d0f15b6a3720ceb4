//! How programs end, and how that is waited for.

use super::{Seen, alone, both, shown};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

super::cases![
    exit_codes_are_told,
    killing_signals_are_told,
    an_abort_is_told,
    codes_of_shells_are_codes_of_programs,
    much_on_both_outputs_is_taken_in,
    output_that_ends_early_is_no_end,
    a_running_program_has_no_status_yet,
    a_program_can_be_killed,
    an_ended_program_can_be_killed,
    waiting_closes_standard_input,
    waiting_for_output_closes_standard_input,
    waiting_twice_gives_the_same,
    a_program_has_the_number_that_its_handle_has,
    a_stopped_program_has_not_ended,
    a_program_goes_on_without_its_handle,
    usage_is_measured,
];

fn exit_codes_are_told(_: &Path) -> Seen {
    both! {
        let seen = ["0", "1", "127", "255", "256", "-1"].map(|code| {
            shown(Command::new("sh").args(["-c", &format!("exit {}", code.parse::<i32>().unwrap() & 255)]).status())
        });
        seen.join(" ")
    }
}

fn killing_signals_are_told(_: &Path) -> Seen {
    both! {
        let seen = [9, 15, 2, 34].map(|signal| {
            let status = Command::new("sh").args(["-c", &format!("kill -{signal} $$")]).status().unwrap();
            format!("{} {status}", shown(status))
        });
        seen.join(", ")
    }
}

fn an_abort_is_told(_: &Path) -> Seen {
    both! {
        let status = Command::new("sh").args(["-c", "ulimit -c 0; kill -ABRT $$"]).status().unwrap();
        format!("{} {:?} {}", shown(status), status.code(), status.success())
    }
}

/// A program that cannot be started is an error; one that says 126 or 127 is not.
fn codes_of_shells_are_codes_of_programs(_: &Path) -> Seen {
    both! {
        let missing = shown(Command::new("sh").args(["-c", "/nope 2>/dev/null"]).status());
        let forbidden = shown(Command::new("sh").args(["-c", "/etc/passwd 2>/dev/null"]).status());
        [missing, forbidden].join(" ")
    }
}

fn much_on_both_outputs_is_taken_in(_: &Path) -> Seen {
    const SCRIPT: &str = "head -c 3000000 /dev/zero >&2 & head -c 5000000 /dev/zero | tr '\\0' x; wait; echo >&2";
    both! {
        let output = Command::new("sh").args(["-c", SCRIPT]).output().unwrap();
        let right = output.stdout.iter().all(|octet| *octet == b'x');
        format!("{} {} {} {right}", shown(output.status), output.stdout.len(), output.stderr.len())
    }
}

fn output_that_ends_early_is_no_end(_: &Path) -> Seen {
    both! { shown(Command::new("sh").args(["-c", "echo 1; exec >&-; echo 2 >&2; exec 2>&-; exit 3"]).output()) }
}

fn a_running_program_has_no_status_yet(_: &Path) -> Seen {
    both! {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let before = shown(child.try_wait().unwrap());
        drop(child.stdin.take());
        let after = anyfork_tests::within(anyfork_tests::LONG, "the end of cat", || child.try_wait().unwrap());
        format!("{before} {} {}", shown(after), shown(child.try_wait()))
    }
}

fn a_program_can_be_killed(_: &Path) -> Seen {
    both! {
        // Its standard input stays open behind the wait, so that nothing but the signal ends it.
        let (input, _open) = std::io::pipe().unwrap();
        let mut child = Command::new("cat").stdin(input).spawn().unwrap();
        let killed = shown(child.kill());
        format!("{killed} {}", shown(child.wait()))
    }
}

fn an_ended_program_can_be_killed(_: &Path) -> Seen {
    both! {
        let mut child = Command::new("sh").args(["-c", "exit 7"]).spawn().unwrap();
        let before = shown(child.wait());
        format!("{before} {} {}", shown(child.kill()), shown(child.wait()))
    }
}

fn waiting_closes_standard_input(_: &Path) -> Seen {
    both! {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        let status = shown(child.wait());
        format!("{status} {}", child.stdin.is_none())
    }
}

fn waiting_for_output_closes_standard_input(_: &Path) -> Seen {
    both! {
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        shown(child.wait_with_output())
    }
}

fn waiting_twice_gives_the_same(_: &Path) -> Seen {
    both! {
        let mut child = Command::new("sh").args(["-c", "exit 5"]).spawn().unwrap();
        let (first, second) = (shown(child.wait()), shown(child.wait()));
        format!("{first} {second} {} {}", shown(child.try_wait()), shown(child.wait_with_output()))
    }
}

fn a_program_has_the_number_that_its_handle_has(_: &Path) -> Seen {
    both! {
        let mut child = Command::new("sh").args(["-c", "echo $$"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        child.wait().unwrap();
        (text.trim() == child.id().to_string()).to_string()
    }
}

fn a_stopped_program_has_not_ended(_: &Path) -> Seen {
    both! {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        anyfork_tests::stop(child.id());
        let stopped = shown(child.try_wait());
        anyfork_tests::signal(child.id(), rustix::process::Signal::CONT);
        format!("{stopped} {}", shown(child.wait()))
    }
}

fn a_program_goes_on_without_its_handle(_: &Path) -> Seen {
    both! {
        let mut command = Command::new("sh");
        command.args(["-c", "read x; echo went on"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        drop(child);
        stdin.write_all(b"\n").unwrap();
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        text.trim().to_owned()
    }
}

/// Std has nothing like it.
fn usage_is_measured(_: &Path) -> Seen {
    const MB: u64 = 1 << 20;
    alone! {
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let busy = Command::new("sh").args(["-c", busy]).status().unwrap().usage().unwrap();
        let idle = Command::new("true").status().unwrap().usage().unwrap();
        let mut big = Command::new("dd");
        big.args(["if=/dev/zero", "of=/dev/null", "bs=96M", "count=1"]).stderr(Stdio::null());
        let big = big.status().unwrap().usage().unwrap();
        let milli = Duration::from_millis;
        let cpu = busy.user > milli(20) && busy.user < milli(20_000) && idle.user + idle.system < milli(500);
        let memory = big.peak_memory >= 96 * MB && big.peak_memory < 200 * MB && idle.peak_memory < 90 * MB;
        format!("{cpu} {memory} {}", idle.peak_memory > 0 && big.minor_faults > idle.minor_faults)
    }
}
