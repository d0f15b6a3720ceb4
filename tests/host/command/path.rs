//! Where a program is found, and why it is not.

use super::{Seen, alone, both, file, set, shown, tool, unset};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

super::cases![
    a_bare_name_is_found_by_the_path_of_the_caller,
    the_path_that_the_program_gets_decides,
    a_path_among_cleared_variables_decides,
    the_default_path_is_used_without_a_path,
    an_empty_path_is_the_current_directory,
    an_empty_element_of_the_path_is_the_current_directory,
    relative_elements_of_the_path_begin_in_the_new_directory,
    the_search_goes_on_behind_a_file_that_is_not_executable,
    a_file_that_is_not_executable_is_the_reason_if_nothing_else_is_found,
    the_search_goes_on_behind_a_file_in_place_of_a_directory,
    a_file_in_place_of_the_last_directory_is_the_reason,
    the_search_goes_on_behind_a_missing_interpreter,
    the_search_goes_on_behind_a_directory_of_the_name,
    the_search_goes_on_behind_an_overlong_directory,
    a_loop_of_links_ends_the_search,
    an_overlong_name_is_an_error,
    a_name_with_a_slash_is_not_looked_for,
    a_relative_program_begins_in_the_new_directory,
    a_missing_program_is_an_error,
    a_directory_is_no_program,
    a_file_without_permission_is_no_program,
    a_script_without_an_interpreter_line_is_no_program,
    a_script_without_an_interpreter_line_is_no_program_in_a_path_given_to_it,
    an_empty_file_is_no_program,
    a_missing_interpreter_is_an_error,
    a_program_that_is_being_written_is_busy,
    an_empty_name_is_an_error,
    a_name_need_not_be_text,
];

/// Directories of a `PATH`, below `place` if relative.
fn path(place: &Path, directories: &[&str]) -> String {
    let below = |directory: &&str| place.join(directory).to_str().unwrap().to_owned();
    directories.iter().map(below).collect::<Vec<_>>().join(":")
}

fn a_bare_name_is_found_by_the_path_of_the_caller(place: &Path) -> Seen {
    tool(place, "b/tool", "found");
    set("PATH", path(place, &["a", "b"]));
    both! { shown(Command::new("tool").arg("it").output()) }
}

fn the_path_that_the_program_gets_decides(place: &Path) -> Seen {
    tool(place, "a/tool", "caller's");
    tool(place, "b/tool", "own");
    set("PATH", path(place, &["a"]));
    both! { shown(Command::new("tool").env("PATH", place.join("b")).output()) }
}

fn a_path_among_cleared_variables_decides(place: &Path) -> Seen {
    tool(place, "b/env", "own");
    both! { shown(Command::new("env").env_clear().env("PATH", place.join("b")).output()) }
}

fn the_default_path_is_used_without_a_path(place: &Path) -> Seen {
    tool(place, "a/env", "caller's");
    set("PATH", path(place, &["a"]));
    both! {
        let cleared = shown(Command::new("env").env_clear().env("T", "1").output());
        let removed = shown(Command::new("env").env_clear().env("PATH", "/nope").env_remove("PATH").output());
        let only_path = shown(Command::new("env").arg("true").env_remove("PATH").output());
        [cleared, removed, only_path].join(", ")
    }
}

fn an_empty_path_is_the_current_directory(place: &Path) -> Seen {
    tool(place, "true", "here");
    std::env::set_current_dir(place).unwrap();
    let before = std::env::var_os("PATH").unwrap();
    both! {
        let given = shown(Command::new("true").env("PATH", "").output());
        set("PATH", "");
        let found = ["true", "false"].map(|name| shown(Command::new(name).output()));
        set("PATH", &before);
        format!("{given}, {}", found.join(", "))
    }
}

fn an_empty_element_of_the_path_is_the_current_directory(place: &Path) -> Seen {
    tool(place, "here/tool", "here");
    both! {
        let found = ["", ":/nope", "/nope::/nope", "/nope:"].map(|path| {
            shown(Command::new("tool").current_dir(place.join("here")).env("PATH", format!("/nope{path}:")).output())
        });
        found.join(", ")
    }
}

fn relative_elements_of_the_path_begin_in_the_new_directory(place: &Path) -> Seen {
    tool(place, "below/bin/tool", "below");
    tool(place, "bin/tool", "here");
    std::env::set_current_dir(place).unwrap();
    set("PATH", "bin");
    both! { shown(Command::new("tool").current_dir("below").output()) }
}

fn the_search_goes_on_behind_a_file_that_is_not_executable(place: &Path) -> Seen {
    file(place, "a/tool", "#!/bin/sh\n", 0o644);
    tool(place, "b/tool", "found");
    set("PATH", path(place, &["a", "b"]));
    both! { shown(Command::new("tool").output()) }
}

fn a_file_that_is_not_executable_is_the_reason_if_nothing_else_is_found(place: &Path) -> Seen {
    file(place, "a/tool", "#!/bin/sh\n", 0o644);
    set("PATH", path(place, &["a", "b"]));
    both! { shown(Command::new("tool").output()) }
}

fn the_search_goes_on_behind_a_file_in_place_of_a_directory(place: &Path) -> Seen {
    tool(place, "b/tool", "found");
    set("PATH", path(place, &["/etc/passwd", "b"]));
    both! { shown(Command::new("tool").output()) }
}

fn a_file_in_place_of_the_last_directory_is_the_reason(place: &Path) -> Seen {
    set("PATH", path(place, &["a", "/etc/passwd"]));
    both! {
        let last = shown(Command::new("tool").output());
        format!("{last}, {}", shown(Command::new("tool").env("PATH", "/etc/passwd").output()))
    }
}

fn the_search_goes_on_behind_a_missing_interpreter(place: &Path) -> Seen {
    file(place, "a/tool", "#!/nope\n", 0o755);
    tool(place, "b/tool", "found");
    set("PATH", path(place, &["a", "b"]));
    both! { shown(Command::new("tool").output()) }
}

fn the_search_goes_on_behind_a_directory_of_the_name(place: &Path) -> Seen {
    fs::create_dir_all(place.join("a/tool")).unwrap();
    tool(place, "b/tool", "found");
    set("PATH", path(place, &["a", "b"]));
    both! { shown(Command::new("tool").output()) }
}

fn the_search_goes_on_behind_an_overlong_directory(place: &Path) -> Seen {
    tool(place, "b/tool", "found");
    set("PATH", format!("/{}:{}", "long/".repeat(1000), path(place, &["b"])));
    both! { shown(Command::new("tool").output()) }
}

fn a_loop_of_links_ends_the_search(place: &Path) -> Seen {
    fs::create_dir_all(place.join("a")).unwrap();
    std::os::unix::fs::symlink("tool", place.join("a/tool")).unwrap();
    tool(place, "b/tool", "found");
    set("PATH", path(place, &["a", "b"]));
    both! {
        let searched = shown(Command::new("tool").output());
        format!("{searched}, {}", shown(Command::new(place.join("a/tool")).output()))
    }
}

fn an_overlong_name_is_an_error(place: &Path) -> Seen {
    let name = "x".repeat(300);
    both! {
        let searched = shown(Command::new(&name).output());
        format!("{searched}, {}", shown(Command::new(place.join(&name)).output()))
    }
}

fn a_name_with_a_slash_is_not_looked_for(place: &Path) -> Seen {
    tool(place, "a/b/tool", "in the path");
    set("PATH", path(place, &["a"]));
    both! { shown(Command::new("b/tool").output()) }
}

fn a_relative_program_begins_in_the_new_directory(place: &Path) -> Seen {
    tool(place, "tool", "here");
    tool(place, "below/tool", "below");
    tool(place, "below/bin/tool", "further below");
    std::env::set_current_dir(place).unwrap();
    both! {
        let here = shown(Command::new("./tool").output());
        let below = shown(Command::new("./tool").current_dir("below").output());
        let further = shown(Command::new("bin/tool").current_dir(place.join("below")).output());
        [here, below, further].join(", ")
    }
}

fn a_missing_program_is_an_error(place: &Path) -> Seen {
    both! {
        let bare = shown(Command::new("no-such-program").output());
        let given = shown(Command::new("no-such-program").env("PATH", place).output());
        let absolute = shown(Command::new(place.join("nope")).status());
        let in_a_file = shown(Command::new("/etc/passwd/nope").spawn().map(drop));
        [bare, given, absolute, in_a_file].join(", ")
    }
}

fn a_directory_is_no_program(place: &Path) -> Seen {
    fs::create_dir_all(place.join("a/tool")).unwrap();
    set("PATH", path(place, &["a"]));
    both! { format!("{}, {}", shown(Command::new("/").output()), shown(Command::new("tool").output())) }
}

fn a_file_without_permission_is_no_program(place: &Path) -> Seen {
    let path = file(place, "tool", "#!/bin/sh\n", 0o644);
    both! { shown(Command::new(&path).output()) }
}

fn a_script_without_an_interpreter_line_is_no_program(place: &Path) -> Seen {
    let path = file(place, "a/tool", "echo by a shell\n", 0o755);
    set("PATH", path.parent().unwrap());
    both! { format!("{}, {}", shown(Command::new(&path).output()), shown(Command::new("tool").output())) }
}

/// There std forks, and its execvp(3) runs a shell.
fn a_script_without_an_interpreter_line_is_no_program_in_a_path_given_to_it(place: &Path) -> Seen {
    let path = file(place, "a/tool", "echo by a shell\n", 0o755);
    tool(place, "b/tool", "behind it");
    let given = format!("{}:{}", path.parent().unwrap().display(), place.join("b").display());
    alone! { shown(Command::new("tool").env("PATH", given).output()) }
}

fn an_empty_file_is_no_program(place: &Path) -> Seen {
    let path = file(place, "tool", "", 0o755);
    both! { shown(Command::new(&path).output()) }
}

fn a_missing_interpreter_is_an_error(place: &Path) -> Seen {
    let path = file(place, "a/tool", "#!/nope\n", 0o755);
    set("PATH", path.parent().unwrap());
    both! { format!("{}, {}", shown(Command::new(&path).output()), shown(Command::new("tool").output())) }
}

fn a_program_that_is_being_written_is_busy(place: &Path) -> Seen {
    let path = tool(place, "tool", "written");
    let writer = fs::File::options().append(true).open(&path).unwrap();
    let busy = both! { shown(Command::new(&path).output()) };
    drop(writer);
    busy
}

/// To std it is a file that is not found.
fn an_empty_name_is_an_error(_: &Path) -> Seen {
    unset("PATH");
    alone! { shown(Command::new("").output()) }
}

fn a_name_need_not_be_text(place: &Path) -> Seen {
    let name = OsStr::from_bytes(b"t\xff\xfe");
    let path = tool(place, name, "found");
    set("PATH", place);
    both! { format!("{}, {}", shown(Command::new(&path).output()), shown(Command::new(name).output())) }
}
