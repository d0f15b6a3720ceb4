//! Benchmarks of anyfork: `cargo bench --bench engine`, `cargo bench --bench command`, `cargo bench --bench runtime`.

pub mod limits;
pub mod programs;
pub mod statistics;
pub mod workers;
