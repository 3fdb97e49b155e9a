//! `ratecheck report DIR`: everything that is written of a verification, again; with `--index`, a page of all
//! verifications in DIR; and `ratecheck report MONITOR.csv`, the page of what the Python package's Monitor has recorded.

use std::path::{Path, PathBuf};

use super::console::Console;
use super::fit::quoted;
use super::text::counted;
use super::{Exit, Stopped};
use crate::lab::monitor::Monitored;
use crate::report::{
    Gallery, RESULTS, ReportError, check_formulas, read_results, render_all, without_checksum, write_monitor,
};
use crate::text::{number, plain, write};

const EXAMPLES: &str = "\
Examples:
  ratecheck report reports/latest                      after an update: the same numbers, a new page
  ratecheck report reports/latest --out reports/again  somewhere else, with a copy of results.json
  ratecheck report results.json                        one that came alone; the rest goes beside it
  ratecheck report --index reports/latest              a page with links to every verification in it
  ratecheck report norms.csv                           norms by Python's Monitor, and Lemma 2.4";

/// Which verification, and where to write.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// The directory of a verification, or its results.json; or a log of the Python package's Monitor, in CSV.
    #[arg(value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    from: PathBuf,
    /// Write a page that links every verification below DIR.
    #[arg(long, conflicts_with = "out")]
    index: bool,
    /// Where the reports are written [default: beside results.json; of a log, reports/latest/monitor].
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    out: Option<PathBuf>,
}

/// The results.json that is meant by a directory or by its own name.
pub(super) fn results_in(from: &Path) -> PathBuf {
    if from.is_dir() { from.join(RESULTS) } else { from.to_owned() }
}

/// Says of results that an older version has written that nobody would notice a change of them.
pub(super) fn note_without_checksum(file: &Path, console: Console) {
    if without_checksum(file) {
        let file = file.display();
        console.note(&format!(
            "{file} has no checksum, as older versions wrote it: whether it was changed since cannot be told"
        ));
    }
}

/// The page of a Monitor's log.
fn monitor(arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    let found = Monitored::read(&arguments.from).map_err(|error| (Exit::Input, error.to_string()))?;
    let out = arguments.out.as_deref().unwrap_or(Path::new("reports/latest/monitor"));
    let command = format!("ratecheck report {}", quoted(&arguments.from.display().to_string()));
    let page = write_monitor(&found, &command, out).map_err(|error| (Exit::Output, error.to_string()))?;
    for block in &found.blocks {
        let Some(last) = block.rows.last() else { continue };
        let decayed = block.equilibrium.map(|n| {
            let [_, decay, _] = block.decay;
            format!("; decay takes {} of w away in a step, and it rests at {}", number::short(decay), number::short(n))
        });
        console.say(&format!(
            "{}: |w|^2 is {} at step {}, {} by Lemma 2.4{}\n",
            block.name,
            number::short(last.w_norm_sq),
            last.step,
            number::short(last.recursion),
            decayed.unwrap_or_default()
        ))?;
    }
    console.answer(&format!("The page: {}\n", page.display()))?;
    Ok(Exit::Holds)
}

/// The page of all verifications in a directory.
fn index(dir: &Path, console: Console) -> Result<Exit, Stopped> {
    let gallery = Gallery::of(dir).map_err(|error| (Exit::Input, error.to_string()))?;
    gallery.unread.iter().for_each(|why| console.note(&format!("left out: {why}")));
    let command = format!("ratecheck report --index {}", quoted(&dir.display().to_string()));
    let page = gallery.write(&command).map_err(|error| (Exit::Output, error.to_string()))?;
    let all = counted(gallery.shown(), "verification");
    console.answer(&format!("The page of {all}: {}\n", plain::path(&page)))?;
    Ok(Exit::Holds)
}

/// Reads, renders, writes.
pub(super) fn run(arguments: &Arguments, console: Console) -> Result<Exit, Stopped> {
    if arguments.index {
        return index(&arguments.from, console);
    }
    if arguments.from.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv")) {
        return monitor(arguments, console);
    }
    let input = |error: ReportError| (Exit::Input, error.to_string());
    let output = |error: ReportError| (Exit::Output, error.to_string());
    let file = results_in(&arguments.from);
    let results = read_results(&file).map_err(input)?;
    check_formulas(&results).map_err(|error| (Exit::Input, format!("{}: {error}", file.display())))?;
    note_without_checksum(&file, console);
    let beside = file.parent().unwrap_or(Path::new(""));
    let out = arguments.out.as_deref().unwrap_or(beside);
    let written = render_all(&results, out).map_err(output)?;
    // The numbers themselves are copied, never written anew:
    // a later version may have put more into them than this one reads.
    let copy = out.join(RESULTS);
    let is_there =
        std::fs::canonicalize(&copy).is_ok_and(|copy| std::fs::canonicalize(&file).is_ok_and(|file| file == copy));
    if !is_there {
        let bytes = std::fs::read(&file).map_err(|error| input(ReportError::read(&file, error)))?;
        write(copy, &bytes).map_err(output)?;
    }
    console.answer(&format!("The page: {}\n", plain::path(&written.page)))?;
    if console.is_verbose() {
        let others = [&written.markdown, &written.latex, &written.junit].into_iter().chain(&written.data);
        for path in others.chain(&written.plots) {
            console.say(&format!("{}\n", plain::path(path)))?;
        }
    }
    Ok(Exit::Holds)
}
