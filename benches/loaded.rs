//! The speed of code that is loaded at run time, in ratios to what it is there instead of: `cargo bench --bench loaded`.
//!
//! - Python: from the start of a worker until its first byte, of a template with numpy, against a new interpreter that imports numpy, and against multiprocessing's forkserver with
//!   the same preload. The interpreter is the one in the variable ANYFORK_PYTHON, or that of the virtual environment which `cargo xtask test` makes, or `python3`.
//! - Perl: a function that returns at once, until end-of-file, against the same through AnyEvent::Fork's own client.
//! - Modules: an entry of a module in C and of one in Rust, against the same entry in the program.
//!
//! All systems take turns in each round. `cargo bench --bench loaded -- ROUNDS` sets the number of rounds (9 if nothing is said).

use anyfork::{ByPath, Command, NO_ARGS, Perl, Process, Python, Runs, Server, Template};
use anyfork_benches::limits::{self, Limit};
use anyfork_benches::modules;
use anyfork_benches::statistics::{Rounds, print_rate, rounds_or};
use anyfork_benches::workers;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

const IN_FLIGHT: usize = 16;
const BATCHES: usize = 60;
const ONE_AT_A_TIME: usize = 1000;
/// Interpreters are slow to start.
const INTERPRETERS: usize = 10;
const FORKSERVER: usize = 100;

fn main() {
    let rounds = rounds_or(9);
    python(rounds);
    perl(rounds);
    in_modules(rounds);
}

/// Something that gives a rate.
type System<'a> = (&'static str, Box<dyn Fn() -> limits::Rate + 'a>);

/// Lets all systems take turns. A system that fails is told, and has no rounds.
fn measure(systems: &[System<'_>], rounds: usize) -> Vec<Rounds> {
    let mut all = vec![Rounds::default(); systems.len()];
    for round in 0..=rounds {
        for ((name, system), rounds) in systems.iter().zip(&mut all) {
            match system() {
                // The first one warms up.
                Ok(_) if round == 0 => {}
                Ok(rate) => rounds.push(rate),
                Err(why) if round == 0 => println!("  skipped: {name}: {why}"),
                Err(_) => {}
            }
        }
    }
    all
}

fn python(rounds: usize) {
    let interpreter = limits::python();
    println!("Python ({}): until the first byte, numpy imported", interpreter.display());
    let mut command = Command::new(&interpreter);
    command.env("OPENBLAS_NUM_THREADS", "1");
    let template = Python::from_command(command).import("numpy").eval("def first(socket): socket.send(b'1')", NO_ARGS);
    let template = match template.template() {
        Ok(template) => template,
        Err(error) => return println!("  skipped: {error}"),
    };
    let forkserver = Limit::forkserver(&interpreter);
    let systems: [System<'_>; 3] = [
        ("anyfork", Box::new(|| Ok(first_byte(&template, "first")))),
        ("a new interpreter", Box::new(|| Ok(fresh_interpreter(&interpreter)))),
        ("multiprocessing forkserver", Box::new(|| forkserver.measure(FORKSERVER, 1))),
    ];
    let all = measure(&systems, rounds);
    print_rate(systems[0].0, &all[0], &[(systems[1].0, &all[1], Some(20.0)), (systems[2].0, &all[2], Some(4.0))]);
    print_rate(systems[1].0, &all[1], &[]);
    print_rate(systems[2].0, &all[2], &[]);
}

fn first_byte(template: &Template<Python>, function: &str) -> f64 {
    timed(FORKSERVER, || {
        let worker = template.fork().blocking_socket(true).run(function).expect("a worker");
        worker.socket().read_exact(&mut [0]).expect("a byte");
        move || assert!(worker.wait().expect("its end").success())
    })
}

fn fresh_interpreter(interpreter: &Path) -> f64 {
    const CODE: &str = "import numpy, os; os.write(1, b'1')";
    timed(INTERPRETERS, || {
        let mut command = std::process::Command::new(interpreter);
        command.args(["-c", CODE]).env("OPENBLAS_NUM_THREADS", "1").stdout(std::process::Stdio::piped());
        let mut child = command.spawn().expect("an interpreter");
        child.stdout.take().expect("a pipe").read_exact(&mut [0]).expect("a byte");
        move || assert!(child.wait().expect("its end").success())
    })
}

/// So many per second, without the end of each, which is not a part of it.
fn timed<End: FnOnce()>(count: usize, once: impl Fn() -> End) -> f64 {
    let mut spent = Duration::ZERO;
    for _ in 0..count {
        let start = Instant::now();
        let end = once();
        spent += start.elapsed();
        end();
    }
    count as f64 / spent.as_secs_f64()
}

fn perl(rounds: usize) {
    for in_flight in [1, IN_FLIGHT] {
        println!("Perl: a function that returns at once, {in_flight} in flight");
        let template = match Perl::new().eval("sub finish { }", NO_ARGS).template() {
            Ok(template) => template,
            Err(error) => return println!("  skipped: {error}"),
        };
        let limit = Limit::anyevent_fork();
        let own = || match &limit {
            Ok(limit) => limit.measure(count(in_flight), in_flight),
            Err(why) => Err(why.clone()),
        };
        let systems: [System<'_>; 2] =
            [("anyfork", Box::new(|| Ok(rate(&template, "finish", in_flight)))), ("AnyEvent::Fork", Box::new(own))];
        let all = measure(&systems, rounds);
        print_rate(systems[0].0, &all[0], &[(systems[1].0, &all[1], Some(1.0))]);
        print_rate(systems[1].0, &all[1], &[]);
    }
}

fn in_modules(rounds: usize) {
    let load = |module: Result<modules::Module, String>| {
        let module = module?;
        let template = Process::new().load(&module.file).template().map_err(|error| error.to_string())?;
        Ok::<_, String>((template, module))
    };
    let own = Process::new().template().expect("a template");
    let (in_c, in_rust) = (load(modules::in_c()), load(modules::in_rust()));
    let of_module = |module: &Result<(Template, modules::Module), String>, in_flight| match module {
        Ok((template, module)) => Ok(rate(template, module.entry, in_flight)),
        Err(why) => Err(why.clone()),
    };
    for in_flight in [1, IN_FLIGHT] {
        println!("modules: an entry that returns at once, {in_flight} in flight");
        let systems: [System<'_>; 3] = [
            ("an entry of the program", Box::new(|| Ok(rate(&own, "anyfork_benches::workers::finish", in_flight)))),
            ("an entry of a module in C", Box::new(|| of_module(&in_c, in_flight))),
            ("an entry of a module in Rust", Box::new(|| of_module(&in_rust, in_flight))),
        ];
        let all = measure(&systems, rounds);
        print_rate(systems[0].0, &all[0], &[]);
        print_rate(systems[1].0, &all[1], &[(systems[0].0, &all[0], Some(0.95))]);
        print_rate(systems[2].0, &all[2], &[(systems[0].0, &all[0], Some(0.95))]);
    }
}

fn rate<S: Server + Runs<ByPath>>(template: &Template<S>, function: &str, in_flight: usize) -> f64 {
    match in_flight {
        1 => workers::named_one_at_a_time(template, function, count(1)),
        _ => workers::named_in_flight(template, function, in_flight, BATCHES),
    }
}

fn count(in_flight: usize) -> usize {
    if in_flight == 1 { ONE_AT_A_TIME } else { BATCHES * in_flight }
}
