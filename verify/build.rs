//! Records what the program was built from, for the provenance of a run.

use std::env;
use std::process::Command;

fn main() {
    let commit = output("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
    let compiler = output(&env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()), &["--version"]);
    println!("cargo::rustc-env=RATECHECK_COMMIT={commit}");
    println!("cargo::rustc-env=RATECHECK_COMPILER={compiler}");
    println!("cargo::rustc-env=RATECHECK_TARGET={}", env::var("TARGET").unwrap_or_default());
    println!("cargo::rerun-if-changed=../.git/HEAD");
    println!("cargo::rerun-if-changed=../.git/refs/heads");
    println!("cargo::rerun-if-changed=../src");
    println!("cargo::rerun-if-changed=src");
}

/// The first line that a command prints, or `unknown`: a build outside a checkout is no error.
fn output(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| text.lines().next().map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned())
}
