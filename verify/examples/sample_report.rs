//! Renders a report from results made by hand, to be looked at:
//! `cargo run -p ratecheck-verify --example sample_report DIR`.
#![allow(clippy::print_stdout)]

#[path = "../tests/suite/report/sample/mod.rs"]
mod sample;

use ratecheck_verify::report;

fn main() -> Result<(), report::ReportError> {
    let dir = std::env::args_os().nth(1).unwrap_or_else(|| "sample-report".into());
    let results = sample::results();
    let written = report::write_all(&results, dir.as_ref())?;
    print!("{}", report::terminal_table(&results, std::env::args_os().nth(2).is_some(), 100));
    println!("\n{}", written.page.display());
    Ok(())
}
