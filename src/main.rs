//! The program: arguments in, exit code out. It composes the library and nothing else.

#![deny(unsafe_code)]

mod cli;

use std::process::ExitCode;

use auricle::runtime::TELEMETRY_VARIABLE;

fn main() -> ExitCode {
    // SAFETY: this is the first statement of the only thread, so nobody reads the environment while it changes.
    #[allow(unsafe_code)]
    unsafe {
        std::env::set_var(TELEMETRY_VARIABLE, "1");
    }
    cli::run()
}
