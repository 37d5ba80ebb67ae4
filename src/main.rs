//! The command line; composes the library and nothing else.
fn main() {}
