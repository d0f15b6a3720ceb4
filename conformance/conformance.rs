//! One list of behaviours, run against every server: a test for each cell. Where a server has a documented gap, its test says what happens instead.

mod behaviours;
mod gaps;

use anyfork_conformance::{InPerl, InPython, Native};

/// One line per behaviour, and the servers that have something else in its place.
macro_rules! matrix {
    ($($area:ident::$behaviour:ident $(, but $server:ident: $gap:ident)*;)+) => {
        mod native {
            $(cell! { native, Native, $area, $behaviour $(, $server $gap)* })+
        }

        mod python {
            $(cell! { python, InPython, $area, $behaviour $(, $server $gap)* })+
        }

        mod perl {
            $(cell! { perl, InPerl, $area, $behaviour $(, $server $gap)* })+
        }
    };
}

macro_rules! cell {
    ($server:ident, $subject:ident, $area:ident, $behaviour:ident) => {
        #[test]
        fn $behaviour() {
            crate::behaviours::$area::$behaviour::<crate::$subject>();
        }
    };
    (native, $subject:ident, $area:ident, $behaviour:ident, native $gap:ident $(, $($rest:tt)*)?) => {
        gap! { native, $gap }
    };
    (python, $subject:ident, $area:ident, $behaviour:ident, python $gap:ident $(, $($rest:tt)*)?) => {
        gap! { python, $gap }
    };
    (perl, $subject:ident, $area:ident, $behaviour:ident, perl $gap:ident $(, $($rest:tt)*)?) => {
        gap! { perl, $gap }
    };
    ($server:ident, $subject:ident, $area:ident, $behaviour:ident, $other:ident $gap:ident $(, $($rest:tt)*)?) => {
        cell! { $server, $subject, $area, $behaviour $(, $($rest)*)? }
    };
}

macro_rules! gap {
    // Several behaviours have this one in their place.
    ($server:ident, as_above) => {};
    ($server:ident, $gap:ident) => {
        #[test]
        fn $gap() {
            crate::gaps::$server::$gap();
        }
    };
}

matrix! {
    inputs::inputs_arrive_in_the_order_in_which_they_were_sent;
    inputs::no_inputs_are_none;
    inputs::arguments_are_any_octets;
    inputs::arguments_have_any_length;
    inputs::ten_thousand_arguments_arrive_in_order;
    inputs::three_hundred_descriptors_arrive_in_order;
    inputs::descriptors_of_every_kind_arrive;
    inputs::what_three_templates_have_queued_comes_first;
    inputs::the_caller_may_close_a_descriptor_at_once;
    inputs::a_wrong_number_of_inputs_is_refused, but perl: functions_get_whatever_was_sent;

    templates::forks_see_the_preparation_and_not_that_of_siblings;
    templates::a_process_is_prepared_without_a_template_too;
    templates::four_threads_have_sixteen_starts_in_flight;
    templates::a_dropped_template_ends_and_what_came_from_it_goes_on;
    templates::a_template_with_threads_is_refused;
    templates::names_are_shown;

    preparation::a_call_that_fails_is_told;
    preparation::the_first_of_several_errors_is_told;
    preparation::nothing_is_called_after_a_failure;
    preparation::an_unknown_function_is_told;
    preparation::a_missing_module_is_told;
    preparation::a_module_that_fails_is_told;
    preparation::an_exit_in_the_preparation_is_an_error;
    preparation::large_arguments_reach_a_call;
    preparation::a_preparation_begins_when_it_is_ordered;
    preparation::a_preparation_that_hangs_ends_when_it_is_given_up,
        but perl: a_fork_that_hangs_in_its_preparation_goes_on_when_it_is_given_up;
    preparation::a_preparation_that_hangs_ends_with_its_deadline,
        but perl: a_fork_that_hangs_in_its_preparation_goes_on_after_its_deadline;
    preparation::code_is_evaluated_with_its_arguments, but native: there_is_nothing_to_evaluate;
    preparation::a_function_can_be_defined_and_run_by_its_bare_name, but native: as_above;
    preparation::code_that_fails_is_told_with_its_place, but native: as_above;

    starts::a_start_is_a_value_to_be_polled;
    starts::dropped_starts_leave_no_process;
    starts::a_start_that_was_given_up_never_enters_its_function;
    starts::a_preparation_that_was_given_up_never_begins, but perl: a_preparation_that_was_given_up_begins_all_the_same;
    starts::a_deadline_is_kept_while_the_template_is_stopped;
    starts::an_immediate_deadline_starts_nothing;

    sockets::a_worker_reads_end_of_file_when_its_handle_is_dropped;
    sockets::a_worker_reads_end_of_file_and_can_still_answer;
    sockets::the_program_reads_end_of_file_when_the_worker_ends;
    sockets::the_socket_is_nonblocking_here_blocking_there_and_closed_on_exec;

    descriptors::a_process_without_a_template_has_exactly_what_was_sent;
    descriptors::a_fork_has_exactly_what_was_sent;
    descriptors::a_fork_of_nested_templates_has_exactly_what_was_sent;
    descriptors::starts_leave_no_descriptor_in_the_template;

    signals::workers_begin_with_default_signals;
    signals::templates_go_on_when_the_terminal_sends_signals;

    spares::a_spare_is_taken_with_what_its_template_has_and_used_once, but perl: nothing_is_forked_in_advance;
    spares::spares_are_forked_again_when_few_are_left, but perl: as_above;
    spares::more_starts_than_spares_are_forked_as_usual, but perl: as_above;
    spares::a_spare_has_exactly_what_was_sent, but perl: as_above;
    spares::spares_leave_no_descriptor_and_no_process, but perl: as_above;
    spares::a_killed_spare_is_not_handed_out, but perl: as_above;
    spares::a_dropped_template_takes_waiting_spares_along_and_workers_go_on, but perl: as_above;
    spares::a_killed_template_takes_waiting_spares_along, but perl: as_above;
    spares::a_killed_program_takes_waiting_spares_along, but perl: as_above;
    spares::spares_wait_while_too_many_sockets_are_under_way, but perl: as_above;
    spares::spares_that_cannot_be_forked_are_no_error_and_come_later, but perl: as_above;

    ends::exit_codes_arrive_with_what_was_used, but perl: exit_codes_of_forks_are_the_kernels_or_lost;
    ends::exit_codes_of_processes_without_a_template_arrive;
    ends::signals_are_told;
    ends::an_uncaught_error_has_its_exit_code;
    ends::a_worker_is_killed_and_signalled_through_its_handle;
    ends::kill_on_drop_kills_and_nothing_else_does;
    ends::the_status_does_not_wait_for_end_of_file;
    ends::exit_handlers_of_the_template_do_not_run_in_workers, but perl: end_blocks_of_the_template_run_in_workers;
    ends::an_end_is_a_value_to_be_polled;
    ends::nobody_is_left_while_all_is_idle;
    ends::a_thousand_workers_in_sequence_leave_nothing;

    faults::a_killed_template_fails_what_is_in_flight_and_its_workers_go_on;
    faults::a_fork_that_fails_is_one_failed_request, but perl: a_fork_that_fails_ends_the_template;
    faults::a_template_without_free_descriptors_fails_requests_and_lives, but perl: no_free_descriptor_ends_the_template;

    restarts::a_restarted_template_has_its_preparation_and_inputs;
    restarts::a_killed_template_is_restarted_by_the_next_start;
    restarts::nothing_is_lost_while_a_template_is_restarted;
    restarts::a_template_whose_origin_is_gone_stays_as_it_was;
    restarts::a_fresh_template_shares_nothing_and_has_the_same;

    owner::a_killed_program_takes_its_templates_along_and_workers_go_on;
    owner::a_killed_program_takes_stopped_templates_along, but perl: a_stopped_template_outlives_a_killed_program;
    owner::a_killed_program_takes_bound_workers_along, but perl: workers_cannot_be_bound;
    owner::a_killed_program_ends_preparations,
        but perl: a_fork_that_hangs_in_its_preparation_outlives_a_killed_program;
    owner::a_child_of_the_killed_program_keeps_no_template,
        but perl: a_child_of_the_killed_program_keeps_templates_that_were_forked;
    owner::an_ordinary_end_of_the_program_is_an_end_too;
    owner::what_a_template_has_half_written_comes_out_once;
}
