//! `modules`: filters in Rust and C, found at run time, one that crashes, and one that is replaced.

use crate::support::{Example, run, signal};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Where cargo has put the examples.
fn examples() -> PathBuf {
    let test = env::current_exe().expect("the path of this test");
    test.ancestors().nth(2).expect("a test is two levels deep").join("examples")
}

/// Compiles a module as the example says it, and puts it where it is to be, at once.
fn compile(source: &str, library: &Path) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace");
    let new = library.with_extension(format!("{}-{:?}", std::process::id(), std::thread::current().id()));
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut command = Command::new(compiler);
    command
        .current_dir(workspace)
        .args("-Wall -Wextra -Werror -shared -fPIC -O2 -I crates/anyfork/include -o".split(' '));
    assert!(command.arg(&new).arg(source).status().expect("a C compiler").success());
    fs::rename(new, library).expect("put it there");
}

/// A module in C whose filter is one line.
fn one_line(directory: &Path, name: &str, filter: &str) -> PathBuf {
    let source = directory.join(format!("{name}.c"));
    let text = format!(
        "#include \"anyfork.h\"\n#include <stdlib.h>\n#include <string.h>\n#include <unistd.h>\n\
         static int filter(struct anyfork_call *call) {{ {filter} }}\n\
         static const struct anyfork_entry entries[] = {{ {{ \"filter\", NULL, filter, NULL }} }};\n\
         ANYFORK_MODULE(\"{name}\", entries)\n"
    );
    fs::write(&source, text).expect("write the source");
    let library = directory.join(format!("lib{name}.so"));
    compile(source.to_str().expect("a path in UTF-8"), &library);
    library
}

/// A filter that makes all pixels the same.
fn flat(directory: &Path, grey: u8) -> PathBuf {
    let filter = "size_t length = call->inputs[1].length; char *pixels = malloc(length);";
    let filter = format!("{filter} memset(pixels, {grey}, length); return write(call->socket, pixels, length) < 0;");
    one_line(directory, "flat", &filter)
}

/// The rows of the picture under a heading.
fn picture<'a>(lines: &'a [String], heading: &str) -> Vec<&'a str> {
    let at = lines.iter().position(|line| line == heading).unwrap_or_else(|| panic!("no {heading:?} in {lines:#?}"));
    let rows = lines[at + 1..].iter().take_while(|line| line.starts_with('|'));
    let rows: Vec<&str> = rows.map(|row| row.trim_matches('|')).collect();
    assert!(rows.len() == 16 && rows.iter().all(|row| row.len() == 48), "{lines:#?}");
    rows
}

#[test]
fn the_built_modules_are_found_beside_the_program() {
    compile("examples/modules/blur.c", &examples().join("libblur.so"));
    let lines = run("modules", &[]);
    let [sun, inverted, blurred] =
        ["the picture", "after invert", "after blur"].map(|heading| picture(&lines, heading));
    let shade = |row: &str, at: usize| " .:-=+*#%@".find(row.as_bytes()[at] as char).expect("a shade");
    assert_eq!((shade(sun[0], 0), shade(sun[8], 24)), (0, 9), "{lines:#?}");
    assert_eq!((shade(inverted[0], 0), shade(inverted[8], 24)), (9, 0), "{lines:#?}");
    // No jump from one shade to another is as large as before.
    let jump = |rows: &[&str]| (1..48).map(|at| shade(rows[8], at).abs_diff(shade(rows[8], at - 1))).max();
    assert!(jump(&blurred) < jump(&inverted), "{lines:#?}");
}

#[test]
fn other_modules_are_applied_in_the_order_in_which_they_are_given() {
    let directory = tempfile::tempdir().expect("a directory");
    let white = flat(directory.path(), 255);
    let white = white.to_str().expect("a path in UTF-8");
    let lines = run("modules", &["libinvert.so", white]);
    assert!(picture(&lines, "after flat").iter().all(|row| row.trim_matches('@').is_empty()), "{lines:#?}");
    let lines = run("modules", &[white, "libinvert.so"]);
    assert!(picture(&lines, "after invert").iter().all(|row| row.trim().is_empty()), "{lines:#?}");
}

#[test]
fn a_filter_that_crashes_or_lies_costs_its_step() {
    let directory = tempfile::tempdir().expect("a directory");
    let crash = one_line(directory.path(), "crash", "(void)call; abort();");
    let short = one_line(directory.path(), "brief", "return write(call->socket, \"x\", 1) < 0;");
    let modules = [&crash, &short].map(|path| path.to_str().expect("a path in UTF-8"));
    let lines = run("modules", &[modules[0], modules[1], "libinvert.so"]);
    for (name, why) in [("crash", "signal: 6 (SIGABRT)"), ("brief", "it wrote 1 pixels of 768")] {
        let line = format!("{name} has failed, its step is left out: {why}");
        assert!(lines.contains(&line), "{line}: {lines:#?}");
    }
    assert_eq!(picture(&lines, "after invert")[8].as_bytes()[24], b' ', "the others go on");
}

#[test]
fn a_module_is_replaced_while_the_program_runs() {
    let directory = tempfile::tempdir().expect("a directory");
    let module = flat(directory.path(), 255);
    let mut example = Example::start("modules", &["--watch", module.to_str().expect("a path in UTF-8")]);
    let row = |grey: &str| format!("|{}|", grey.repeat(48));
    example.line_with(&row("@"));
    flat(directory.path(), 0);
    example.line_with("after flat");
    example.line_with(&row(" "));

    let broken = directory.path().join("broken");
    fs::write(&broken, "no library").expect("write");
    fs::rename(&broken, &module).expect("rename");
    let error = example.line_with("the old modules stay: ");
    assert!(error.contains("libflat.so: file too short"), "{error}");
    example.line_with("after flat");
    example.line_with(&row(" "));

    flat(directory.path(), 128);
    example.line_with("after flat");
    example.line_with(&row("+"));
    signal(example.pid(), Signal::KILL);
    // This fails if anybody is there a second later.
    assert_eq!(example.finish().status.code(), None);
}

#[test]
fn without_its_modules_the_program_says_how_to_build_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let alone = directory.path().join("modules");
    fs::copy(examples().join("modules"), &alone).expect("copy the program");
    let output = Command::new(&alone).output().expect("start the program");
    let errors = String::from_utf8(output.stderr).expect("text");
    let library = |name: &str| format!("{}/{name}", directory.path().display());
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{errors}");
    let tried = format!("modules: load libinvert.so: tried {}, then ", library("libinvert.so"));
    assert!(errors.starts_with(&tried), "{errors}");
    let commands = ["cargo build ".to_owned(), format!("-o {} examples/modules/blur.c", library("libblur.so"))];
    assert!(commands.iter().all(|command| errors.contains(command)), "{errors}");
}

#[test]
fn what_is_no_module_is_refused() {
    let program = examples().join("modules");
    let finished = Example::start("modules", &[program.to_str().expect("a path in UTF-8")]).finish();
    assert_eq!(finished.status.code(), Some(1));
    assert!(finished.errors.starts_with(&format!("modules: load {}: ", program.display())), "{}", finished.errors);
    assert!(!finished.errors.contains("cargo build"), "{}", finished.errors);
}
