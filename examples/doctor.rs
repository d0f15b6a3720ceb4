//! What this kernel, this container and this program allow: which way anyfork takes, and what will not work.
//!
//! It starts nothing. Put its output into bug reports about starts that fail.
//!
//! Run it: `cargo run --release --example doctor`

fn main() {
    let diagnosis = anyfork::doctor();
    print!("{diagnosis}");
    if let Some(workers) = diagnosis.workers() {
        println!("About {workers} workers can live at the same time.");
    }
}
