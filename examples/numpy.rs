//! Python workers from a template that has numpy imported: each is there in a fraction of the time that an interpreter takes to import it.
//!
//! ```sh
//! python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy
//! cargo run --release --example numpy -- --python /tmp/venv/bin/python3
//! ```
//!
//! (`cargo xtask test` makes an environment in `target/venv`, which is used if nothing is said.)

use anyfork::{Command, NO_ARGS, Python, Stdio};
use clap::Parser;
use std::error::Error;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What the workers run. It is compiled in the template, and shared by all of them.
const CODE: &str = "
import numpy

def solve(socket, size, seed):
    random = numpy.random.default_rng(int(seed)) # of its own: the forks of a template share the global one's state
    a = random.random((int(size), int(size)))
    b = random.random(int(size))
    error = numpy.abs(a @ numpy.linalg.solve(a, b) - b).max()
    socket.sendall(f'worker {seed.decode()}: largest error {error:.1e}'.encode())
";

/// Solves systems of linear equations in Python workers.
#[derive(Parser)]
struct Options {
    /// The interpreter, which has numpy.
    #[arg(long)]
    python: Option<PathBuf>,
    /// How many workers.
    #[arg(long, default_value_t = 8)]
    workers: u32,
    /// How many equations each.
    #[arg(long, default_value_t = 200)]
    size: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { python, workers, size } = Options::parse();
    let python = python.unwrap_or_else(|| {
        let made = Path::new("target/venv/bin/python3");
        if made.exists() { made.to_owned() } else { "python3".into() }
    });

    // Threads of a C library would not be there in the forks: numpy's OpenBLAS is told to make none.
    let mut command = Command::new(&python);
    command.env("OPENBLAS_NUM_THREADS", "1");
    let start = Instant::now();
    let template = Python::from_command(command).import("numpy").eval(CODE, NO_ARGS).arg(size).template()?;
    println!("template {} with numpy: {:.1?}", template.pid(), start.elapsed());

    let start = Instant::now();
    let started: Vec<_> =
        (0..workers).map(|seed| template.fork().arg(seed).blocking_socket(true).start("solve")).collect();
    for worker in started {
        let worker = worker.wait()?;
        let mut answer = String::new();
        worker.socket().read_to_string(&mut answer)?;
        let status = worker.wait()?;
        println!("{answer} (process {}, {status})", worker.pid());
    }
    println!("{workers} workers: {:.1?}", start.elapsed());

    let start = Instant::now();
    let status = Command::new(&python).args(["-c", "import numpy"]).stdin(Stdio::null()).status()?;
    println!("a new interpreter that imports numpy: {:.1?} ({status})", start.elapsed());
    Ok(())
}
