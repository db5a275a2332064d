//! The sample suites as tests of cargo: partest's own harness, used as a user would.

use std::process::ExitCode;

fn main() -> ExitCode {
    partest::init();
    partest::harness::run("sample-suites")
}
