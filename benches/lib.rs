//! Benchmarks of anyfork: `cargo bench --bench engine`.

pub mod limits;
pub mod statistics;
