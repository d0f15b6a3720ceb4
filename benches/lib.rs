//! Benchmarks of anyfork: `cargo bench --bench runtime`, `cargo bench --bench loaded`. The comparison with other systems is `cargo xtask bench`.

pub mod limits;
pub mod modules;
pub mod programs;
pub mod statistics;
pub mod workers;
