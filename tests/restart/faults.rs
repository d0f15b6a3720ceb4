//! Restarts while something goes wrong: no descriptors, the default template killed, the program killed or forked.
