//! What a command tells of itself.

use super::{Seen, both, set, shown};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

super::cases![
    commands_look_the_same,
    odd_programs_and_directories_look_the_same,
    commands_tell_what_was_set,
    a_command_of_std_becomes_one_of_a_template,
];

fn commands_look_the_same(_: &Path) -> Seen {
    let odd = OsStr::from_bytes(b"\xff'\"\n");
    both! {
        let mut seen = Vec::new();
        let mut look = |build: &dyn Fn(&mut Command) -> &mut Command| {
            let mut command = Command::new("prog ram");
            build(&mut command);
            seen.push(format!("{command:?}"));
        };
        look(&|command| command);
        look(&|command| command.args(["a", "", "b c", "'", "\"", "$x"]).arg(odd));
        look(&|command| command.current_dir("/a b").arg("x"));
        look(&|command| command.env("B", "2").env("A", "1").env("C", "").env("D", odd));
        look(&|command| command.env(odd, "odd").env_remove(OsStr::from_bytes(b"\xfe")));
        look(&|command| command.env_remove("B").env_remove("A").env("A", "1"));
        look(&|command| command.env_remove("B").env_remove("A").env("C", "1").current_dir("d"));
        look(&|command| command.env("A", "1").env_clear());
        look(&|command| command.env_clear().env("A", "1").env_remove("B").env("C", "1").env_remove("C"));
        look(&|command| command.arg0("other").arg("x"));
        look(&|command| command.arg0("prog ram"));
        look(&|command| command.arg0(""));
        look(&|command| command.uid(1).gid(2).process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()));
        seen.push(format!("{:?}", Command::new("")));
        seen.join("; ").replace('\n', "/")
    }
}

fn odd_programs_and_directories_look_the_same(_: &Path) -> Seen {
    let odd = OsStr::from_bytes(b"\xff'\"\n");
    both! {
        let text = Command::new("it's \u{e4}");
        let mut octets = Command::new(odd);
        format!("{text:?}; {:?}", octets.current_dir(odd)).replace('\n', "/")
    }
}

fn commands_tell_what_was_set(_: &Path) -> Seen {
    both! {
        let mut command = Command::new("program");
        let (args, envs) = (command.get_args().len(), command.get_envs().len());
        let empty = format!("{args} {envs} {:?}", command.get_current_dir());
        command.args(["a", "b"]).arg0("name").env("B", "").env("A", "1").env_remove("C").current_dir("/x");
        let (args, envs): (Vec<_>, Vec<_>) = (command.get_args().collect(), command.get_envs().collect());
        let program = command.get_program();
        let set = format!("{program:?} {args:?} {envs:?} {:?}", command.get_current_dir());
        command.env_clear().env_remove("A").env("Z", "1");
        let envs: Vec<_> = command.get_envs().collect();
        format!("{empty}, {set}, {envs:?}")
    }
}

fn a_command_of_std_becomes_one_of_a_template(place: &Path) -> Seen {
    let place = place.canonicalize().unwrap();
    set("T_B", "old");
    let mut given = std::process::Command::new("sh");
    given.args(["-c", "pwd; echo $0 $T_A $T_B", "zero"]).env("T_A", "1").env_remove("T_B").current_dir(place);
    let std = Some(format!("{} {given:?}", shown(given.output())).replace('\n', "/"));
    let mut command = anyfork::Command::from(given);
    let anyfork = format!("{} {command:?}", shown(command.output())).replace('\n', "/");
    Seen { std, anyfork, skipped: None }
}
