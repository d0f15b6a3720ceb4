//! Benchmarks of anyfork: `cargo bench --bench engine`, `cargo bench --bench command`.

pub mod limits;
pub mod programs;
pub mod statistics;
