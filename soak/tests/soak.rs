//! The soak as its users run it: what it says, writes, and how it ends.

use serde_json::Value;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn soak(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_soak")).args(arguments).output().expect("it starts")
}

#[test]
fn figures_are_printed_and_written() {
    let file = std::env::temp_dir().join(format!("anyfork-soak-{}.json", std::process::id()));
    let json = file.to_str().expect("UTF-8");
    let output = soak(&["--workers", "400", "--soak", "plain", "--soak", "live", "--seed", "5", "--json", json]);
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{text}{error}");
    assert!(text.starts_with("seed 5, 400 workers\n"), "{text}");
    assert!(text.ends_with("\nnothing was lost\n"), "{text}");
    let reports: Value = serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("JSON");
    let _ = std::fs::remove_file(&file);
    for (index, name) in ["plain", "live"].into_iter().enumerate() {
        assert_eq!(reports[index]["soak"], name);
        assert_eq!(reports[index]["figures"]["workers"], 400.0);
        assert_eq!(reports[index]["figures"]["with the right status"], 400.0);
    }
    assert_eq!(reports[1]["figures"]["live at once"], 400.0);
}

#[test]
fn a_soak_ends_when_its_time_is_over() {
    let output = soak(&["--soak", "spares", "--seconds", "1"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}

#[test]
fn a_name_that_is_none_is_refused() {
    let output = soak(&["--soak", "other"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("plain, faults, live, programs, spares, python"));
}

/// The number of a child, once there is one.
fn child_of(parent: u32) -> u32 {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        for entry in std::fs::read_dir("/proc").expect("/proc").flatten() {
            let text = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let rest = text.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
            if rest.split_whitespace().nth(1) == Some(parent.to_string().as_str()) {
                return entry.file_name().to_str().and_then(|name| name.parse().ok()).expect("a number");
            }
        }
        assert!(Instant::now() < until, "{parent} has no child");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_program_that_ends_before_its_time_is_told_of() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_soak"));
    command.args(["--soak", "plain", "--seconds", "60"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let soak = command.spawn().expect("it starts");
    let subject = child_of(soak.id());
    let kill = Command::new("kill").args(["-9", &subject.to_string()]).status();
    assert!(kill.expect("kill").success());
    let output = soak.wait_with_output().expect("its output");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains("plain: program: it has ended before its time; signal: 9")
            || text.contains("plain: program: its standard output is closed; signal: 9"),
        "{text}"
    );
}
