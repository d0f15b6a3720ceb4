//! A program that does not know its filters: they are modules, shared libraries that it loads at run time.
//!
//! One template loads them all. A picture goes through one filter after the other, each run in a process of its own: one that crashes costs this one step. `invert` is a
//! module in Rust (`modules/invert.rs`), `blur` one in C (`modules/blur.c`). A filter is the entry `filter` of a module; it gets the width and the pixels, one octet of grey each, and writes as many to its
//! socket.
//!
//! Build it, in the directory of the workspace (the modules are looked for beside the program):
//!
//! ```sh
//! cargo build --release --example modules --example invert
//! cc -shared -fPIC -O2 -I crates/anyfork/include -o target/release/examples/libblur.so examples/modules/blur.c
//! ```
//!
//! Run it: `target/release/examples/modules`, or with other modules: `target/release/examples/modules ./libmine.so libinvert.so`
//!
//! Replace a filter while it runs: `target/release/examples/modules --watch`; change `blur.c` and say the `cc` line once more. What runs keeps the old code, a new template has the new one.

mod filters;
mod picture;

use clap::Parser;
use filters::Filters;
use picture::Picture;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Shows a picture, filtered by modules.
#[derive(Debug, Parser)]
struct Arguments {
    /// Modules, in the order in which they are applied: paths, or names of files that are beside this program.
    #[arg(default_values = ["libinvert.so", "libblur.so"])]
    modules: Vec<PathBuf>,
    /// Go on, and load modules again when their files are replaced.
    #[arg(long)]
    watch: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut filters = match Filters::load(&arguments.modules) {
        Ok(filters) => filters,
        Err(error) => {
            eprintln!("modules: {error}");
            if error.io_kind() == std::io::ErrorKind::NotFound {
                eprint!("{}", how_to_build());
            }
            return ExitCode::FAILURE;
        }
    };
    show(&filters);
    if !arguments.watch {
        return ExitCode::SUCCESS;
    }
    loop {
        filters.wait_for_new_files(Duration::from_millis(100));
        match Filters::load(&arguments.modules) {
            // The old template ends; a worker of it would go on.
            Ok(new) => filters = new,
            Err(error) => println!("the old modules stay: {error}\n"),
        }
        show(&filters);
    }
}

fn show(filters: &Filters) {
    let mut picture = Picture::sun();
    println!("the picture\n{picture}");
    for name in filters.names() {
        match filters.apply(name, &picture) {
            Ok(filtered) => {
                picture = filtered;
                println!("after {name}\n{picture}");
            }
            Err(error) => println!("{name} has failed, its step is left out: {error}\n"),
        }
    }
}

/// For the profile that this program was built with, and where it is.
fn how_to_build() -> String {
    let release = if cfg!(debug_assertions) { "" } else { "--release " };
    let place = filters::beside("".as_ref()).display().to_string();
    format!(
        "The modules of this example are built by these two, in the directory of the workspace:\n\
         cargo build {release}--example modules --example invert\n\
         cc -shared -fPIC -O2 -I crates/anyfork/include -o {place}libblur.so examples/modules/blur.c\n"
    )
}
