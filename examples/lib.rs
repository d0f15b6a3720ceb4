//! Examples of anyfork, one idea each. Run one with `cargo run --release --example NAME`.
