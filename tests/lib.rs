//! What the tests share: looking at processes through `/proc`, waiting for a condition.
