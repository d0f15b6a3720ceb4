//! What servers do where they have no word for what others do: asserted, so that it is known.

pub(crate) mod native {
    /// Whether a server has a trait, told by which of two constants the compiler finds.
    struct Probe<T>(std::marker::PhantomData<T>);

    trait Otherwise {
        const EVALUATES: bool = false;
    }

    impl<T> Otherwise for Probe<T> {}

    impl<T: anyfork::Evaluates> Probe<T> {
        const EVALUATES: bool = true;
    }

    pub(crate) fn there_is_nothing_to_evaluate() {
        const { assert!(!Probe::<anyfork::Native>::EVALUATES) };
        const { assert!(Probe::<anyfork::Python>::EVALUATES && Probe::<anyfork::Perl>::EVALUATES) };
    }
}

/// AnyEvent::Fork::Serve, as the documentation of `anyfork::Perl` says.
pub(crate) mod perl {
    use crate::behaviours::{faults, owner};
    use anyfork::{ErrorKind, Worker};
    use anyfork_conformance::{InPerl, Subject, park, release, run, text};
    use anyfork_tests::{LONG, Scratch, all_end_soon, children, lives, signal, stop, wait_until, within};
    use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};

    struct Probe<T>(std::marker::PhantomData<T>);

    trait Otherwise {
        const BINDS: bool = false;
        const RESERVES: bool = false;
    }

    impl<T> Otherwise for Probe<T> {}

    impl<T: anyfork::Binds> Probe<T> {
        const BINDS: bool = true;
    }

    impl<T: anyfork::Reserves> Probe<T> {
        const RESERVES: bool = true;
    }

    fn name(function: &str) -> String {
        InPerl::name(function)
    }

    pub(crate) fn workers_cannot_be_bound() {
        const { assert!(!Probe::<anyfork::Perl>::BINDS) };
        const { assert!(Probe::<anyfork::Native>::BINDS && Probe::<anyfork::Python>::BINDS) };
    }

    pub(crate) fn nothing_is_forked_in_advance() {
        const { assert!(!Probe::<anyfork::Perl>::RESERVES) };
        const { assert!(Probe::<anyfork::Native>::RESERVES && Probe::<anyfork::Python>::RESERVES) };
    }

    pub(crate) fn exit_codes_of_forks_are_the_kernels_or_lost() {
        let template = InPerl::template();
        for code in [0, 1, 42, 128, 255] {
            let worker = template.fork().arg(code).run(name("exit_with")).unwrap();
            match worker.wait_timeout(LONG) {
                Ok(status) => {
                    let status = status.expect("it has ended");
                    assert!(InPerl::tells_statuses());
                    assert_eq!((status.code(), status.usage()), (Some(code), None));
                }
                Err(error) => assert_eq!((error.kind(), InPerl::tells_statuses()), (ErrorKind::Lost, false)),
            }
        }
    }

    pub(crate) fn functions_get_whatever_was_sent() {
        let template = InPerl::template();
        let worker = run::<InPerl>(template.fork().args(["x", "y", "z"]), "two_inputs");
        assert_eq!(text(&worker), "x y");
        let worker = run::<InPerl>(template.fork().arg("x"), "two_inputs");
        assert_eq!(text(&worker), "x ");
    }

    fn ends_what_it_waits_for(pid: u32) {
        assert!(lives(pid));
        signal(pid, Signal::KILL);
        all_end_soon(&[pid]);
    }

    /// A new process is one of the default template, which kills it.
    pub(crate) fn a_fork_that_hangs_in_its_preparation_goes_on_when_it_is_given_up() {
        let template = InPerl::template();
        for (process, goes_on) in [(InPerl::process(), false), (template.fork(), true)] {
            let witness = Scratch::new("hangs");
            let process = process.call(name("prepare_for_ever"), [&*witness]);
            let text = within(LONG, "the preparation begins", || std::fs::read_to_string(&*witness).ok());
            let pid: u32 = text.parse().unwrap();
            drop(process);
            if goes_on {
                std::thread::sleep(std::time::Duration::from_millis(100));
                ends_what_it_waits_for(pid);
            }
            all_end_soon(&[pid]);
        }
        assert!(wait_until(LONG, || children(template.pid()).is_empty()));
    }

    pub(crate) fn a_fork_that_hangs_in_its_preparation_goes_on_after_its_deadline() {
        let witness = Scratch::new("deadline");
        let template = InPerl::template();
        let process = template.fork().call(name("prepare_for_ever"), [&*witness]);
        let text = within(LONG, "the preparation begins", || std::fs::read_to_string(&*witness).ok());
        let error = process.deadline(std::time::Duration::from_millis(100)).template().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Deadline);
        ends_what_it_waits_for(text.parse().unwrap());
        assert!(wait_until(LONG, || children(template.pid()).is_empty()));
    }

    pub(crate) fn a_fork_that_hangs_in_its_preparation_outlives_a_killed_program() {
        let (mut host, _witness, [direct, fork]) = owner::preparing::<InPerl>();
        host.kill();
        all_end_soon(&[direct]);
        ends_what_it_waits_for(fork);
    }

    pub(crate) fn end_blocks_of_the_template_run_in_workers() {
        let witness = Scratch::new("end-block");
        let template = InPerl::process().call(name("at_exit_in_preparation"), [&*witness]).template().unwrap();
        let worker = template.fork().run(name("exit_here")).unwrap();
        within(LONG, "the template's block runs", || std::fs::read(&*witness).ok());
        drop(worker);
    }

    /// As it holds their sockets.
    pub(crate) fn a_child_of_the_killed_program_keeps_templates_that_were_forked() {
        let witness = Scratch::new("held");
        let mut host = owner::host::<InPerl>("family-and-child", &witness);
        host.fact("ready");
        let (child, templates) = (host.number("child"), host.numbers("templates"));
        host.kill();
        all_end_soon(&templates[..1]);
        assert!(lives(child) && lives(templates[1]) && lives(templates[2]));
        ends_what_it_waits_for(child);
        all_end_soon(&templates);
    }

    /// Nobody continues it, but it ends as soon as somebody does.
    pub(crate) fn a_stopped_template_outlives_a_killed_program() {
        let witness = Scratch::new("stopped");
        let mut host = owner::host::<InPerl>("family", &witness);
        host.fact("ready");
        let templates = host.numbers("templates");
        stop(templates[1]);
        host.kill();
        all_end_soon(&[templates[0], templates[2]]);
        assert!(lives(templates[1]));
        signal(templates[1], Signal::CONT);
        all_end_soon(&templates);
    }

    /// `eval` and `call` are commands that the server follows as they come.
    pub(crate) fn a_preparation_that_was_given_up_begins_all_the_same() {
        let witness = Scratch::new("begun");
        let template = InPerl::template();
        stop(template.pid());
        drop(template.fork().call(name("touch_in_preparation"), [&*witness]).start(name("state")));
        signal(template.pid(), Signal::CONT);
        within(LONG, "the preparation leaves a sign", || std::fs::read(&*witness).ok());
        assert!(wait_until(LONG, || children(template.pid()).is_empty()), "but it ends then");
    }

    /// The workers go on.
    fn is_gone(template: &anyfork::Template<anyfork::Perl>, worker: &Worker) {
        all_end_soon(&[template.pid()]);
        let error = template.fork().run(name("state")).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TemplateGone, "{error}");
        assert!(lives(worker.pid()));
        release(worker, 0);
    }

    pub(crate) fn a_fork_that_fails_ends_the_template() {
        let (template, user) = faults::template_of_a_fresh_user::<InPerl>();
        let (worker, _) = park::<InPerl>(template.fork());
        // As many as there are.
        faults::limit_processes(template.pid(), user, Some(2));
        let error = template.fork().run(name("state")).map(drop).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TemplateGone | ErrorKind::ProcessGone), "{error}");
        is_gone(&template, &worker);
    }

    pub(crate) fn no_free_descriptor_ends_the_template() {
        let template = InPerl::template();
        let (worker, _) = park::<InPerl>(template.fork());
        let open = anyfork_tests::descriptors(template.pid()).len() as u64;
        let limit = Rlimit { current: Some(open), ..getrlimit(Resource::Nofile) };
        prlimit(Pid::from_raw(template.pid() as i32), Resource::Nofile, limit).unwrap();
        let error = template.fork().run(name("state")).map(drop).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::TemplateGone | ErrorKind::ProcessGone), "{error}");
        is_gone(&template, &worker);
    }
}
