//! The command `ratecheck`. See `ratecheck --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ratecheck_verify::cli::main()
}
