//! The comparison as its users run it: what it says, writes and draws. What it measures is not looked at closely.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FIELDS: [&str; 11] = [
    "case",
    "in_flight",
    "kib",
    "p50_us",
    "p999_us",
    "p99_us",
    "parent_mib",
    "per_second",
    "rounds",
    "spread",
    "system",
];

/// A directory of a test's own, gone with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("anyfork-compare-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        Scratch(directory)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn compare(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_compare")).args(arguments).output().expect("it starts")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// One round of little, as rows.
fn measured(scratch: &Scratch, arguments: &[&str]) -> (String, Vec<Value>) {
    let file = scratch.file("figures.json");
    let output = compare(&[&["--quick", "--rounds", "1", "--json", text(&file)], arguments].concat());
    let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{error}");
    let rows: Value = serde_json::from_slice(&fs::read(&file).expect("a file")).expect("JSON");
    (out.into_owned(), rows.as_array().expect("an array").clone())
}

fn refused(arguments: &[&str]) -> String {
    let output = compare(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn unknown_names_are_answered_with_the_known_ones() {
    let message = refused(&["--case", "fork"]);
    assert!(message.contains("run, exec, first-byte, first-byte-spare, command, command-attrs"), "{message}");
    let message = refused(&["--system", "perl"]);
    assert!(message.contains("anyfork, anyfork-static, AnyEvent::Fork, python-forkserver"), "{message}");
    let message = refused(&["--quick", "--full"]);
    assert!(message.contains("cannot be used with"), "{message}");
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_measured() {
    let output = compare(&["--case", "run", "--system", "anyfork", "--json", "/nowhere/figures.json"]);
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("/nowhere/figures.json: No such file"), "{message}");
    assert!(output.stdout.is_empty(), "it did not even begin");
}

#[test]
fn a_short_run_gives_rows_with_exactly_these_fields() {
    let scratch = Scratch::new("run");
    let (out, rows) = measured(&scratch, &["--case", "run", "--system", "anyfork"]);
    let place = |row: &Value| (row["case"].clone(), row["parent_mib"].as_u64(), row["in_flight"].as_u64());
    let places: Vec<_> = rows.iter().map(place).collect();
    let in_flight = |case: &str, mib, many: &[u64]| -> Vec<_> {
        many.iter().map(|in_flight| (case.into(), Some(mib), Some(*in_flight))).collect()
    };
    let mut wanted = in_flight("run", 5, &[1, 16, 64]);
    // Where there is memory for it.
    if !out.contains("skipped: a main program of 2000 MB") {
        wanted.extend(in_flight("run", 2000, &[1, 16]));
    }
    wanted.extend(in_flight("run/spares", 5, &[1, 64]));
    assert_eq!(places, wanted);
    for row in rows {
        let fields: Vec<_> = row.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(fields, FIELDS);
        assert_eq!((&row["system"], &row["rounds"]), (&"anyfork".into(), &1.into()));
        assert!(row["per_second"].as_f64().is_some_and(|rate| (10.0..1e6).contains(&rate)), "{row}");
        assert!(row["p50_us"].is_null() && row["kib"].is_null(), "{row}");
    }
    assert!(out.contains("1 rounds") && out.contains("huge pages: ") && out.contains("CPUs"), "{out}");
}

/// Whether it really is linked statically, `cargo xtask bench` knows, which builds it.
#[test]
fn what_is_linked_statically_is_measured_where_it_is_and_told_of_where_it_is_not() {
    let run = |file: Option<&str>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_compare"));
        command.args([
            "--quick",
            "--rounds",
            "1",
            "--case",
            "exec",
            "--system",
            "anyfork",
            "--system",
            "anyfork-static",
        ]);
        command.env_remove("ANYFORK_COMPARE_STATIC").envs(file.map(|file| ("ANYFORK_COMPARE_STATIC", file)));
        let output = command.output().expect("it starts");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let out = run(None);
    assert!(out.contains("skipped: anyfork-static: it needs this program linked statically"), "{out}");
    let out = run(Some(env!("CARGO_BIN_EXE_compare")));
    assert!(out.contains("exec, 5 MB, 1 in flight, anyfork-static, rate: "), "{out}");
    assert!(out.contains(" of anyfork"), "{out}");
    let out = run(Some("/nowhere"));
    assert!(out.contains("left out: exec of anyfork-static") && out.contains("it could not be started"), "{out}");
}

#[test]
fn latencies_and_memory_have_figures_of_their_own() {
    let scratch = Scratch::new("latency");
    let (_, rows) = measured(&scratch, &["--case", "first-byte-spare", "--case", "idle-memory", "--system", "anyfork"]);
    let row = |case: &str| rows.iter().find(|row| row["case"] == case).unwrap_or_else(|| panic!("{case}: {rows:?}"));
    let spare = row("first-byte-spare");
    assert!(spare["p50_us"].as_f64() > Some(0.0) && spare["per_second"].as_f64() > Some(0.0), "{spare}");
    assert!(row("idle-memory/template-private")["kib"].as_u64() > Some(0));
    assert!(row("idle-memory/spare-private")["kib"].as_u64() > Some(0));
}

#[test]
fn the_peers_from_the_registry_can_be_measured() {
    let scratch = Scratch::new("peers");
    let arguments = ["--case", "first-byte", "--system", "procspawn", "--system", "zygote", "--system", "std"];
    let (out, rows) = measured(&scratch, &arguments);
    for system in ["procspawn", "zygote", "std"] {
        assert!(rows.iter().any(|row| row["system"] == system && row["p50_us"].is_number()), "{system}: {out}");
    }
}

#[test]
fn charts_are_drawn_again_from_a_file() {
    let scratch = Scratch::new("charts");
    let (json, charts) = (scratch.file("figures.json"), scratch.file("charts"));
    let row = |case: &str, system: &str, mib: u64| {
        serde_json::json!({"case": case, "system": system, "parent_mib": mib, "in_flight": 1, "per_second": 1234.5,
            "p50_us": 210.0, "p99_us": 400.0, "p999_us": null, "kib": null, "rounds": 11, "spread": 0.02})
    };
    let mut rows = Vec::new();
    for case in ["run", "command-attrs", "caller-blocked", "caller-blocked/command-attrs", "first-byte"] {
        rows.extend([5, 2000].into_iter().flat_map(|mib| [row(case, "anyfork", mib), row(case, "std", mib)]));
    }
    fs::write(&json, Value::from(rows).to_string()).expect("it is written");
    fs::write(scratch.file("figures.machine.txt"), "Linux 6.18 <&> 2 CPUs\n").expect("it is written");
    let output = compare(&["charts", "--from", text(&json), "--charts", text(&charts)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for name in ["rate", "first-byte", "blocked"] {
        for ground in ["light", "dark"] {
            let svg = fs::read_to_string(charts.join(format!("{name}-{ground}.svg"))).expect("a chart");
            assert_well_formed(&svg);
            for wanted in ["anyfork", "std", "Linux 6.18 &lt;&amp;&gt; 2 CPUs", "11 rounds"] {
                assert!(svg.contains(wanted), "{wanted} in {name}: {svg}");
            }
        }
    }
}

#[test]
fn a_file_of_something_else_draws_nothing() {
    let scratch = Scratch::new("else");
    let json = scratch.file("figures.json");
    fs::write(&json, r#"[{"case": "run", "surprise": 1}]"#).expect("it is written");
    let message = refused(&["charts", "--from", text(&json), "--charts", text(&scratch.file("charts"))]);
    assert!(message.contains("figures.json: unknown field `surprise`"), "{message}");
}

/// Each element is closed, in the right order, and nothing stands bare that means something.
fn assert_well_formed(svg: &str) {
    let mut open: Vec<&str> = Vec::new();
    for (index, part) in svg.split('<').enumerate().skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or_else(|| panic!("part {index} has no end: {part}"));
        let bare = ["&lt;", "&amp;", "&gt;", "&apos;", "&quot;"]
            .iter()
            .fold(text.to_owned(), |text, known| text.replace(known, ""));
        assert!(!bare.contains(['&', '>']), "{text}");
        let name = tag.trim_start_matches('/').split([' ', '\n', '/']).next().expect("a name");
        match tag {
            _ if tag.starts_with('?') || tag.starts_with('!') || tag.ends_with('/') => {}
            _ if tag.starts_with('/') => assert_eq!(open.pop(), Some(name)),
            _ => open.push(name),
        }
    }
    assert!(open.is_empty() && svg.starts_with("<svg"), "{open:?}");
}
