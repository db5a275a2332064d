//! The command `partest`.

use std::process::ExitCode;

fn main() -> ExitCode {
    partest::cli::main()
}
