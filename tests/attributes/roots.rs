//! Another root directory.

use super::commands::{compile, compiler, output, root};
use anyfork::Command;
use anyfork_tests::Scratch;
use std::fs;

/// Tells its directory, and whether it sees the world outside.
const LOOK: &str = r#"
#include <stdio.h>
#include <unistd.h>
int main(void) {
    char path[4096];
    printf("%s %s\n", getcwd(path, sizeof path), access("/usr/bin", F_OK) ? "inside" : "outside");
    return 0;
}
"#;

/// A directory with that program as `/bin/look`, and an empty `/inner`.
fn prison() -> Option<Scratch> {
    if !root() || !compiler() {
        return None;
    }
    let prison = Scratch::new("prison");
    for directory in ["bin", "inner"] {
        fs::create_dir_all(format!("{}/{directory}", &*prison)).unwrap();
    }
    compile(&format!("{}/bin/look", &*prison), LOOK);
    Some(prison)
}

#[test]
fn a_program_begins_at_its_new_root() {
    let Some(prison) = prison() else { return };
    assert_eq!(output(Command::new("/bin/look").chroot(&*prison)), "/ inside\n");
    // So does the search in `PATH`.
    assert_eq!(output(Command::new("look").env("PATH", "/nope:/bin").chroot(&*prison)), "/ inside\n");
    let outside = format!("{}/bin/look", &*prison);
    assert!(output(&mut Command::new(&outside)).ends_with("outside\n"), "without");
    let error = Command::new(&outside).chroot(&*prison).spawn().map(|child| child.id()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENOENT), "the file's path begins at the new root: {error}");
}

#[test]
fn a_current_directory_is_one_inside_the_new_root() {
    let Some(prison) = prison() else { return };
    for directory in ["/inner", "inner", "inner/../bin/../inner", "../../inner"] {
        let seen = output(Command::new("/bin/look").chroot(&*prison).current_dir(directory));
        assert_eq!(seen, "/inner inside\n", "{directory}");
    }
    let seen = output(Command::new("../bin/look").chroot(&*prison).current_dir("/inner"));
    assert_eq!(seen, "/inner inside\n", "a relative program");
    let error = Command::new("/bin/look").chroot(&*prison).current_dir(&*prison).spawn().map(|child| child.id());
    assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::ENOENT), "the path outside");
}

#[test]
fn a_relative_root_begins_at_the_callers_directory() {
    let Some(prison) = prison() else { return };
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count() - 1);
    let relative = format!("{up}{}", prison.trim_start_matches('/'));
    assert_eq!(output(Command::new("/bin/look").chroot(&relative)), "/ inside\n");
    assert_eq!(output(Command::new("/bin/look").chroot(&relative).current_dir("/inner")), "/inner inside\n");
}

#[test]
fn the_new_root_is_the_programs_alone() {
    let Some(prison) = prison() else { return };
    output(Command::new("/bin/look").chroot(&*prison));
    assert_eq!(output(Command::new("readlink").arg("/proc/self/root")), "/\n");
}
