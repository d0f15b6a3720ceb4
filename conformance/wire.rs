//! What servers that speak PROTOCOL.md do with what comes on their sockets, good and bad. Perl's server has a protocol of its own.

#[path = "wire/descriptors.rs"]
mod descriptors;

#[path = "wire/frames.rs"]
mod frames;

#[path = "wire/in_advance.rs"]
mod in_advance;

#[path = "wire/peers.rs"]
mod peers;

#[path = "wire/processes.rs"]
mod processes;

#[path = "wire/programs.rs"]
mod programs;

#[path = "wire/spares.rs"]
mod spares;

#[path = "wire/templates.rs"]
mod templates;

#[path = "wire/hello.rs"]
mod hello;

macro_rules! for_each_peer {
    ($($area:ident::$behaviour:ident;)+) => {
        mod native {
            $(
                #[test]
                fn $behaviour() {
                    crate::$area::$behaviour::<anyfork_conformance::Native>();
                }
            )+
        }

        mod python {
            $(
                #[test]
                fn $behaviour() {
                    crate::$area::$behaviour::<anyfork_conformance::InPython>();
                }
            )+
        }
    };
}

for_each_peer! {
    processes::orders_may_be_cut_anywhere;
    processes::orders_may_come_octet_by_octet;
    processes::an_end_in_the_midst_of_orders_ends_the_process;
    processes::a_half_close_behind_the_last_order_is_no_end;
    processes::what_is_malformed_ends_the_process;
    processes::a_frame_of_the_greatest_length_is_taken;
    processes::nothing_may_stand_behind_the_last_order;
    processes::memory_files_that_could_change_are_refused;
    processes::a_bundle_comes_before_all_that_follows;
    processes::a_function_is_not_entered_when_started_cannot_be_sent;
    processes::nothing_is_called_when_the_other_end_is_closed;
    processes::orders_of_other_servers_are_answered;

    templates::orders_to_a_template_may_be_cut_anywhere;
    templates::many_orders_may_come_at_once;
    templates::what_is_malformed_ends_the_template;
    templates::an_end_in_the_midst_of_an_order_ends_the_template;
    templates::what_is_no_socket_fails_one_fork;
    templates::ends_are_reported_by_id;
    templates::ends_that_nobody_reads_are_kept;
    templates::unknown_ids_are_ignored;
    templates::an_id_can_be_signalled_until_another_owns_the_template;
    templates::after_end_it_stays_as_long_as_somebody_is_bound_to_it;
    templates::its_end_kills_who_depends_on_it;
    templates::a_descriptor_that_was_cut_off_is_told;
    templates::other_orders_for_programs_are_answered;

    descriptors::one_that_comes_with_another_order_is_kept_for_its_own;
    descriptors::what_is_cut_off_is_missing_in_its_own_order;
    descriptors::as_many_as_a_message_carries_come_with_one_octet;
    descriptors::a_templates_own_socket_ends_with_it;
    descriptors::an_id_that_is_used_twice_is_told_twice;

    spares::each_comes_with_its_id_and_a_socket_of_its_own;
    spares::none_comes_before_its_delay_and_orders_come_before_it;
    spares::what_is_taken_back_is_not_forked_and_ends_if_it_waits;
    spares::what_is_to_be_forked_in_advance_ends_with_the_order_to_end;
    spares::orders_that_wait_come_first;
    spares::after_end_what_was_marked_goes_on_and_what_waits_is_killed;
    spares::what_runs_goes_on_without_an_owner_and_what_waits_does_not;
    spares::another_owner_gets_none_of_them;
    spares::one_that_cannot_be_forked_is_told;
    spares::those_that_nobody_reads_keep_their_sockets;

    in_advance::the_order_may_be_cut_anywhere;
    in_advance::a_huge_number_stops_nothing_else;
    in_advance::the_last_id_is_the_last;
    in_advance::ids_in_use_are_the_clients_own_affair;
    in_advance::who_ends_with_the_template;
    in_advance::one_that_gets_what_is_malformed_ends_alone;
}

#[test]
fn a_program_that_is_malformed_is_one_failed_start() {
    programs::what_is_malformed_is_one_failed_start();
}

#[test]
fn nothing_may_stand_behind_a_program() {
    programs::nothing_may_stand_behind_it();
}

/// The server in an interpreter, which is greeted on its socket.
mod greeting {
    #[test]
    fn the_first_order_is_a_hello() {
        crate::hello::the_first_order_is_a_hello();
    }

    #[test]
    fn another_version_is_refused() {
        crate::hello::another_version_is_refused();
    }

    #[test]
    fn an_end_before_the_hello_ends_the_interpreter() {
        crate::hello::an_end_before_the_hello_ends_the_interpreter();
    }
}
