//! External programs are started as std starts them: each case is the same code with the types of both, in a host of its own,
//! once with a default template that is there before, and once with one that is started in the midst. What is told: an exit code or a
//! signal and what was written (line ends as `/`, the case's directory as `@`), or the kind of an error and its errno.

use anyfork_tests::{Host, Scratch, host};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

/// What both tell; `_`: whatever std does.
macro_rules! same_as_std {
    ($($(#[$attribute:meta])* $case:ident: $told:tt;)+) => {
        $(#[test] $(#[$attribute])* fn $case() { check(stringify!($case), told!($told), told!($told)) })+
    };
}

/// What anyfork tells where std does something else, or has nothing like it.
macro_rules! other_than_std {
    ($($(#[$attribute:meta])* $case:ident: $told:expr;)+) => {
        $(#[test] $(#[$attribute])* fn $case() { check(stringify!($case), Some("otherwise"), Some($told)) })+
    };
}

macro_rules! told {
    (_) => {
        None
    };
    ($told:expr) => {
        Some($told)
    };
}

fn check(case: &str, std: Option<&str>, anyfork: Option<&str>) {
    for start in ["warm", "cold"] {
        let place = Scratch::new("command");
        let mut host = host!("command", case, start, &place);
        let skipped = host.fact("skipped");
        if !skipped.is_empty() {
            return anyfork_tests::skipped(&skipped);
        }
        let told = host.fact("std");
        assert_eq!(told, std.unwrap_or(&told), "std, {start}");
        assert_eq!(host.fact("anyfork"), anyfork.unwrap_or(&told), "anyfork, {start}");
        host.finish();
        assert_eq!(host.errors(), "", "{start}");
    }
}

/// A copy of the host program, made privileged by `privilege`, starts programs on behalf of somebody else. The kernel says so to it and to
/// its template (`AT_SECURE`). Were that the end of the hand-over, all that `main` does would be done again, and again from there.
fn never_runs_main_again(privilege: impl Fn(&str) -> std::io::Result<()>, users: &str) {
    if !rustix::process::geteuid().is_root() {
        return anyfork_tests::skipped("it takes root to make a privileged program and to start it as somebody else");
    }
    let place = Scratch::new("command");
    let program = format!("{}-host", &*place);
    fs::copy(env!("CARGO_BIN_EXE_host"), &program).unwrap();
    fs::set_permissions(Path::new(&program).parent().unwrap(), fs::Permissions::from_mode(0o777)).unwrap();
    if let Err(error) = privilege(&program) {
        return anyfork_tests::skipped(&format!("the file system keeps no such privilege: {error}"));
    }
    let mut command = Host::command(&program, &["command", "a_privileged_program_starts_others", "cold", &place]);
    command.uid(65534);
    let mut host = Host::start(command);
    let (std, anyfork) = (host.fact("std"), host.fact("anyfork"));
    host.finish();
    assert_eq!(std, users);
    assert_eq!(host.errors(), "", "{anyfork}");
    // Done, or refused.
    assert!(anyfork == std || anyfork == "Unsupported", "{anyfork}");
}

#[test]
fn a_set_user_id_program_never_runs_its_main_again() {
    let set_user_id = |program: &str| fs::set_permissions(program, fs::Permissions::from_mode(0o4755));
    never_runs_main_again(set_user_id, r"0 Uid:\t65534\t0\t0\t0");
}

#[test]
fn a_program_whose_file_has_capabilities_never_runs_its_main_again() {
    /// As capabilities(7) keeps them: version 2, effective; permitted `CAP_NET_BIND_SERVICE`.
    const CAPABILITIES: [u32; 5] = [0x0200_0001, 1 << 10, 0, 0, 0];
    let capable = |program: &str| {
        let octets = CAPABILITIES.map(u32::to_le_bytes).concat();
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(program, "security.capability", &octets, flags).map_err(Into::into)
    };
    never_runs_main_again(capable, r"0 Uid:\t65534\t65534\t65534\t65534");
}

// Where a program is found, and why it is not.
same_as_std! {
    a_bare_name_is_found_by_the_path_of_the_caller: "0 found it";
    the_path_that_the_program_gets_decides: "0 own";
    a_path_among_cleared_variables_decides: "0 own";
    the_default_path_is_used_without_a_path: "0 T=1, 0, 0";
    an_empty_path_is_the_current_directory: "0 here, 0 here, NotFound 2";
    an_empty_element_of_the_path_is_the_current_directory: "0 here, 0 here, 0 here, 0 here";
    relative_elements_of_the_path_begin_in_the_new_directory: "0 below";
    the_search_goes_on_behind_a_file_that_is_not_executable: "0 found";
    a_file_that_is_not_executable_is_the_reason_if_nothing_else_is_found: "PermissionDenied 13";
    the_search_goes_on_behind_a_file_in_place_of_a_directory: "0 found";
    a_file_in_place_of_the_last_directory_is_the_reason: "NotADirectory 20, NotADirectory 20";
    the_search_goes_on_behind_a_missing_interpreter: "0 found";
    the_search_goes_on_behind_a_directory_of_the_name: "0 found";
    the_search_goes_on_behind_an_overlong_directory: "0 found";
    a_loop_of_links_ends_the_search: "FilesystemLoop 40, FilesystemLoop 40";
    an_overlong_name_is_an_error: "InvalidFilename 36, InvalidFilename 36";
    a_name_with_a_slash_is_not_looked_for: "NotFound 2";
    a_relative_program_begins_in_the_new_directory: "0 here, 0 below, 0 further below";
    a_missing_program_is_an_error: "NotFound 2, NotFound 2, NotFound 2, NotADirectory 20";
    a_directory_is_no_program: "PermissionDenied 13, PermissionDenied 13";
    a_file_without_permission_is_no_program: "PermissionDenied 13";
    a_script_without_an_interpreter_line_is_no_program: "Uncategorized 8, Uncategorized 8";
    an_empty_file_is_no_program: "Uncategorized 8";
    a_missing_interpreter_is_an_error: "NotFound 2, NotFound 2";
    a_program_that_is_being_written_is_busy: "ExecutableFileBusy 26";
    a_name_need_not_be_text: "0 found, 0 found";
}

other_than_std! {
    a_script_without_an_interpreter_line_is_no_program_in_a_path_given_to_it: "Uncategorized 8";
    an_empty_name_is_an_error: "InvalidInput";
}

// Variables and arguments.
same_as_std! {
    variables_are_those_of_the_time_of_the_call: "T_NEW=1";
    variables_are_those_of_the_time_of_each_call: "T_ONE=1, T_ONE=2, []";
    changes_go_above_the_variables_of_the_caller: "T_4=4 T_5=5 T_ONE=new T_THREE=old";
    the_last_change_of_a_variable_counts: "T_A=3 T_C=2";
    clearing_removes_all_that_was_there_before: "[] T_C=1";
    values_may_be_empty_and_have_line_ends_and_equal_signs: r"T_A= T_B=1\n2 T_C= T_D=\n=\n T_E=a=b";
    variables_need_not_be_text: r"T_\xc3\xa4=\xfe\x80 T_\xff=\xfe\x80";
    arguments_come_as_they_are: r#"0 [][ ][a b][\"\'\\][$HOME][-n][/][\xff\xfe][*]"#;
    a_variable_that_was_named_twice_stays_so: "T_A=1 T_A=2";
    the_last_of_two_variables_of_a_name_counts_if_anything_is_changed: "T_A=2 T_B=3";
}

other_than_std! {
    a_string_in_the_environment_that_is_no_variable_is_left_out: "PATH=/bin:/usr/bin T_A=1";
}

// The current directory and the umask.
same_as_std! {
    the_current_directory_is_that_of_the_time_of_the_call: "0 @/a, 0 @/b";
    a_renamed_current_directory_stays_the_same: "0 @/b";
    a_deleted_current_directory_can_be_inherited: "0 @/a (deleted), 0 @, NotFound 2";
    a_directory_can_be_given: "0 @/a/c, 0 @/b, 0 @/a, 0 /, 0 @/b, 0 @/b";
    a_given_directory_need_not_be_text: r"0 a\xff";
    what_is_no_directory_is_an_error: "NotFound 2, NotADirectory 20, NotFound 2, InvalidFilename 36, NotFound 2";
    a_directory_that_may_be_entered_but_not_read_is_inherited: "0 @/a";
    the_umask_is_that_of_the_time_of_the_call: "0 0027, 0 0777, 0 0000, 0 0022";
}

other_than_std! {
    a_directory_that_may_not_be_entered_must_be_left: "PermissionDenied 13, 0 /";
    what_changes_after_the_call_does_not_count: "0 @/a/0027/a";
}

// Standard input, output and error.
same_as_std! {
    standard_streams_are_those_of_the_time_of_the_call: "0 read error";
    closed_standard_input_is_closed_in_the_program: "0 closed /dev/null 0100001 /dev/null 0100001";
    closed_standard_output_is_closed_in_the_program: "0 /dev/null 0100000 closed /dev/null 0100001";
    closed_standard_error_is_closed_in_the_program: "0 /dev/null 0100000 /dev/null 0100001 closed";
    closed_standard_streams_are_all_closed_in_the_program: "0 closed closed closed";
    pipes_are_made_where_standard_streams_were_closed: "0 through E error";
    standard_streams_can_be_swapped: "0 error output";
    null_is_read_at_one_end_and_written_at_the_other: "0 /dev/null 0100000 /dev/null 0100001 /dev/null 0100001";
    pipes_are_plain_and_blocking: "0 pipe 00 pipe 01 pipe 01 [OFlags(WRONLY), OFlags(0x0), OFlags(0x0)]";
    spawn_inherits_and_output_captures: "0 @/in 0100000 @/std 0100001 @/err 0100001, 0 /dev/null 0100000 pipe 01 pipe 01";
    output_leaves_alone_what_was_set: "0 @/in 0100000 @/std 0100001 /dev/null 0100001";
    a_file_is_shared_with_the_program: "0 345, 0 123456/7";
    output_and_error_can_go_to_one_file: "0 1/2/3/";
    one_command_starts_again_with_the_same_file: "0 0 line/line/, 0 line more";
    the_output_of_one_is_the_input_of_the_next: "0 a, 0 0";
    all_that_owns_a_descriptor_can_be_given: "0 file, 0 file, 0 E, 0 0 to, 0 0 pipe, 0";
    a_directory_and_a_file_of_the_wrong_mode_can_be_given: "1 1 1";
    no_pipe_is_held_open_by_another_program: "0 x, 0 0";
}

other_than_std! {
    programs_have_no_other_descriptors: "0 0/1/2/3";
}

// Signals.
same_as_std! {
    signals_can_be_inherited: "blocked [10] ignored [1] handled []";
    signals_are_those_of_the_time_of_the_call: "blocked [10] ignored [1] handled [], blocked [] ignored [] handled []";
    a_broken_pipe_ends_a_program_whatever_the_caller_does_with_it: "signal 13 [true, true], signal 13 [true, true]";
    real_time_signals_are_inherited: "blocked [34 64] ignored [35 64] handled []";
    handled_signals_are_not_inherited: "blocked [] ignored [] handled []";
    blocked_signals_are_those_of_the_calling_thread: "blocked [12] ignored [] handled []";
}

other_than_std! {
    programs_begin_with_default_signals: "blocked [] ignored [] handled []";
}

// Ends of programs.
same_as_std! {
    exit_codes_are_told: "0 1 127 255 0 255";
    killing_signals_are_told: "signal 9 signal: 9 (SIGKILL), signal 15 signal: 15 (SIGTERM), signal 2 signal: 2 (SIGINT), signal 34 signal: 34";
    an_abort_is_told: "signal 6 None false";
    codes_of_shells_are_codes_of_programs: "127 126";
    much_on_both_outputs_is_taken_in: "0 5000000 3000001 true";
    output_that_ends_early_is_no_end: "3 1 E 2";
    a_running_program_has_no_status_yet: "none 0 0";
    a_program_can_be_killed: "done signal 9";
    an_ended_program_can_be_killed: "7 done 7";
    waiting_closes_standard_input: "0 true";
    waiting_for_output_closes_standard_input: "0 x";
    waiting_twice_gives_the_same: "5 5 5 5";
    a_program_has_the_number_that_its_handle_has: "true";
    a_stopped_program_has_not_ended: "none 0";
    a_program_goes_on_without_its_handle: "went on";
}

other_than_std! {
    usage_is_measured: "true true true";
}

// Users, groups and process groups.
same_as_std! {
    a_user_has_no_groups_of_root: "0 65534 65533 65533, 0 65534 0 0, 0 0 0 0, 0 4000000000 4000000000 4000000000";
    a_group_leaves_the_others: "0 0 65533 65533 10 20";
    the_directory_is_entered_as_the_user: "PermissionDenied 13, 0 @/mine";
    a_user_can_be_had_without_the_capability_to_drop_groups: "0 65534";
    a_caller_with_capabilities_that_is_not_root_drops_its_groups_too: "0 65533 65534 65534";
    a_program_can_be_called_otherwise: r"0 a name\x00/proc/self/cmdline\x00, 0 \x00/proc/self/cmdline\x00, 0 /bin/cat\x00/proc/self/cmdline\x00";
    a_program_can_lead_a_process_group: "true true";
    a_program_can_join_a_process_group: "true true";
    a_process_group_that_is_not_there_is_an_error: "PermissionDenied 1, InvalidInput 22";
    programs_are_in_the_process_group_and_session_of_the_caller: "true";
}

other_than_std! {
    groups_can_be_given: "0 65534 65533 65533 5 7, 0 0 0 0";
}

// Rights that the caller gave up.
same_as_std! {
    a_caller_that_dropped_its_user_starts_programs_as_what_it_is: r"0 65534 65534 65534, 0 CapEff:\t0000000000000000";
    a_caller_that_dropped_its_groups_starts_programs_without_them: "0 0 10 20, 0 0 20";
    a_caller_of_hundreds_of_groups_gives_none_of_them_to_another_user: "0 65534";
    a_caller_of_hundreds_of_groups_that_can_gain_no_privileges_starts_programs_that_cannot: r"0 NoNewPrivs:\t0, 0 NoNewPrivs:\t1";
    a_caller_without_privileges_cannot_give_them: "PermissionDenied 1, PermissionDenied 1, 0 65534 65534 65534";
    a_caller_that_can_gain_no_privileges_starts_programs_that_cannot: r"0 NoNewPrivs:\t1";
    a_caller_that_dropped_capabilities_starts_programs_without_them: "0 1";
    #[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds signals go through the template, which has those rights")]
    a_program_with_more_rights_is_waited_for_but_not_killed: "none PermissionDenied 1 0";
    a_thread_that_dropped_its_user_is_the_only_one_that_starts_programs_so: "0 65534, 0 0";
    a_thread_that_can_gain_no_privileges_is_the_only_one_that_starts_programs_so: r"0 NoNewPrivs:\t1, 0 NoNewPrivs:\t0";
}

other_than_std! {
    a_program_with_more_rights_is_killed_when_its_handle_is_dropped: "killed";
    #[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds a child of the program cannot be waited for safely")]
    a_template_with_the_rights_that_were_dropped_ends: "00 1 true true";
    #[cfg_attr(anyfork_no_pidfd, ignore = "without pidfds no tree is killed")]
    a_tree_with_more_rights_is_left_as_it_was: "Err(PermissionDenied) Some(true) 0";
    a_caller_with_another_effective_user_is_refused_until_it_takes_its_own_back: r"0, Unsupported, 0 Uid:\t0\t0\t0\t0, true";
}

// Many and long arguments and variables.
same_as_std! {
    a_megabyte_of_arguments_comes: "0 10 1000000";
    a_megabyte_of_variables_comes: "0 100000 100000/10";
    two_thousand_arguments_come: "0 2000 8000";
    the_longest_string_comes_and_a_longer_one_is_an_error: "0 0, ArgumentListTooLong 7 ArgumentListTooLong 7, ArgumentListTooLong 7 ArgumentListTooLong 7";
    more_than_fits_is_an_error: "ArgumentListTooLong 7, ArgumentListTooLong 7, ArgumentListTooLong 7, 0";
    // Older kernels look at the arguments first.
    a_missing_program_or_its_arguments_are_the_error: _;
}

// What a command tells of itself.
same_as_std! {
    commands_look_the_same: _;
    odd_programs_and_directories_look_the_same: _;
    commands_tell_what_was_set: r#"0 0 None, "program" ["a", "b"] [("A", Some("1")), ("B", Some("")), ("C", None)] Some("/x"), [("Z", Some("1"))]"#;
    a_command_of_std_becomes_one_of_a_template: r#"0 @/zero 1 cd "@" && env -u T_B T_A="1" "sh" "-c" "pwd; echo $0 $T_A $T_B" "zero""#;
}

// Many at once.
same_as_std! {
    many_threads_get_each_its_own_data_back: "0 wrong";
    one_thread_reads_while_another_waits: "9 1000000";
}

other_than_std! {
    commands_of_both_go_side_by_side: "0 wrong";
    waiting_for_any_child_finds_no_program: "0 found";
    no_signal_tells_of_the_end_of_a_program: "0 wrong, 0 calls";
}

// Forks of the caller.
same_as_std! {
    a_fork_of_the_caller_starts_programs_of_its_own: "0 x, 0 x, 0 x";
}

other_than_std! {
    a_handle_is_inert_in_a_fork_of_the_caller: "refused refused refused refused refused refused refused, 0 alive";
}
