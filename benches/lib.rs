//! Benchmarks of anyfork: `cargo bench --bench engine`, `cargo bench --bench command`, `cargo bench --bench runtime`, `cargo bench --bench loaded`.

pub mod limits;
pub mod modules;
pub mod programs;
pub mod statistics;
pub mod workers;
