//! Benchmarks of anyfork.
