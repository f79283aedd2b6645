//! The exit code of the command line; nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    backend_health_exporter::cli::main()
}
