//! Records what the program was built from, for the provenance of a run.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// All that the numbers are made from, relative to this package. In a package without its workspace some of it is
/// absent.
const SOURCES: [&str; 8] =
    ["../src", "../data", "../examples/problems", "../Cargo.toml", "../Cargo.lock", "src", "build.rs", "Cargo.toml"];

fn main() {
    let mut commit = output("git", &["describe", "--always", "--dirty", "--abbrev=12"]);
    // A commit says what was built, unless something was changed since: then two programs of one commit may differ.
    if commit == UNKNOWN || commit.ends_with("-dirty") {
        commit = format!("{commit}-{:012x}", digest_of_sources() >> 80);
    }
    let compiler = output(&env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()), &["--version"]);
    println!("cargo::rustc-env=RATECHECK_COMMIT={commit}");
    println!("cargo::rustc-env=RATECHECK_COMPILER={compiler}");
    println!("cargo::rustc-env=RATECHECK_TARGET={}", env::var("TARGET").unwrap_or_default());
    println!("cargo::rerun-if-changed=../.git/HEAD");
    println!("cargo::rerun-if-changed=../.git/refs/heads");
    for source in SOURCES.iter().filter(|source| Path::new(source).exists()) {
        println!("cargo::rerun-if-changed={source}");
    }
}

const UNKNOWN: &str = "unknown";

/// The first line that a command prints, or `unknown`: a build outside a checkout is no error.
fn output(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|text| text.lines().next().map(str::to_owned))
        .unwrap_or_else(|| UNKNOWN.to_owned())
}

/// FNV-1a in 128 bits over the names and contents of all sources, in the order of the names: against chance, not
/// against malice, and with nothing to compile before it.
fn digest_of_sources() -> u128 {
    let mut files = Vec::new();
    SOURCES.iter().for_each(|source| collect(Path::new(source), &mut files));
    files.sort();
    let mut digest: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for file in &files {
        let name = file.to_string_lossy().replace('\\', "/");
        let content = fs::read(file).unwrap_or_default();
        let lengths = [name.len(), content.len()].map(|n| (n as u64).to_le_bytes()).concat();
        for byte in lengths.iter().chain(name.as_bytes()).chain(&content) {
            digest = (digest ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
    }
    digest
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_file() {
        files.push(path.to_owned());
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        collect(&entry.path(), files);
    }
}
