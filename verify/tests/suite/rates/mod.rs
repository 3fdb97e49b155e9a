//! `ratecheck fit` and `ratecheck compare` as black boxes: every exit code, what is written, and what is said.

mod compare;
mod fit;

use std::path::Path;
use std::process::{Command, Output};

fn ratecheck(arguments: &[&str], directory: &Path) -> (i32, String, String) {
    let output: Output =
        Command::new(env!("CARGO_BIN_EXE_ratecheck")).args(arguments).current_dir(directory).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
