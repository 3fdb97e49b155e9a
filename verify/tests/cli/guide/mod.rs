//! `docs/guide`: every command and every block of it is run, and what it shows is what is printed.

mod claims;
pub(crate) mod output;
mod page;

use std::path::Path;
use std::process::{Command, Output};

use yaml_rust2::{Yaml, YamlLoader};

pub(crate) use claims::{every_claim_is_explained, what_is_derived_here_is_explained};
use page::{Kind, Page, pages, root};

/// Lines that are shown and not run, since they build, take minutes, need a cluster, or need what stands elsewhere. Their paths must
/// exist.
const KNOWN: [&str; 8] = [
    "ratecheck bench --scaling --out scaling",
    "cargo install --locked --path verify",
    "cargo test --doc",
    "ratecheck sweep plan.toml --out out --slurm --tasks 8 --sbatch=--time=04:00:00",
    "sbatch examples/slurm/sweep.sbatch plan.toml out",
    "sbatch --array=2,4 examples/slurm/sweep.sbatch plan.toml out",
    "PARTS=64 sbatch --array=1-64 examples/slurm/sweep.sbatch plan.toml out",
    "cargo install --locked --git \"$RATECHECK\" --rev \"$REVISION\" ratecheck-verify",
];

/// A reader's shell line in the directory of the page, with `ratecheck` on the path.
fn shell(line: &str, directory: &Path) -> Output {
    let programs = Path::new(env!("CARGO_BIN_EXE_ratecheck")).parent().unwrap().to_owned();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(programs).chain(std::env::split_paths(&others))).unwrap();
    Command::new("sh").args(["-c", line]).env("PATH", path).current_dir(directory).output().unwrap()
}

/// Runs a line, and expects the exit code that its comment states, or 0. What it prints;
/// nothing of a line that is only known.
fn run(line: &str, at: &str, directory: &Path) -> Option<String> {
    let (command, comment) = line.split_once(" # ").unwrap_or((line, ""));
    if KNOWN.contains(&command.trim()) {
        return None;
    }
    assert!(command.starts_with("ratecheck "), "{at}: `{line}` is neither run nor known");
    let expected = match comment.split_once("exit code ") {
        Some((_, code)) => code.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap(),
        None => 0,
    };
    let output = shell(command, directory);
    let printed = [output.stdout, output.stderr].map(|stream| String::from_utf8(stream).unwrap()).concat();
    assert_eq!(output.status.code(), Some(expected), "{at}: {line}\n{printed}");
    Some(printed)
}

/// Follows a page from top to bottom as a reader would, in an empty directory.
fn follow(page: &Page) {
    let directory = tempfile::tempdir().unwrap();
    let mut before: Option<String> = None;
    for block in page.blocks() {
        let run = |line: &str| run(line, &block.at, directory.path());
        before = match block.kind {
            Kind::Shell => commands(&block.text).filter_map(run).last(),
            Kind::Output => {
                let printed = before.unwrap_or_else(|| panic!("{}: of which command is this the output?", block.at));
                let (at, shown) = (&block.at, &block.text);
                assert!(output::matches(shown, &printed), "{at}: shown\n{shown}\nprinted\n{printed}");
                None
            }
            Kind::File(name) => {
                let file = directory.path().join(&name);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, &block.text).unwrap();
                if name.ends_with(".yml") {
                    steps(&block.text).iter().for_each(|step| commands(step).for_each(|line| drop(run(line))));
                }
                None
            }
            Kind::Rust => {
                let engine = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
                let included = format!("include_str!(\"../docs/guide/{}\")", page.name());
                assert!(engine.contains(&included), "{}: src/lib.rs lacks {included}", block.at);
                None
            }
            Kind::Text => None,
        };
    }
}

/// The lines of a script that do something.
fn commands(script: &str) -> impl Iterator<Item = &str> {
    script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// What the steps of a GitHub workflow run.
fn steps(workflow: &str) -> Vec<String> {
    let documents = YamlLoader::load_from_str(workflow).unwrap();
    let [workflow] = &documents[..] else { panic!("{} documents", documents.len()) };
    let pinned = |action: &str| action.split_once('@').is_some_and(|(_, version)| !version.is_empty());
    let mut scripts = Vec::new();
    for (name, job) in workflow["jobs"].as_hash().unwrap() {
        assert!(job["runs-on"].as_str().is_some(), "{name:?} runs nowhere");
        for step in job["steps"].as_vec().unwrap_or_else(|| panic!("{name:?} has no steps")) {
            match (&step["run"], &step["uses"]) {
                (Yaml::String(script), Yaml::BadValue) => scripts.push(script.clone()),
                (Yaml::BadValue, Yaml::String(action)) => assert!(pinned(action), "{action}"),
                _ => panic!("{step:?} neither runs nor uses anything"),
            }
        }
    }
    assert!(scripts.iter().any(|script| script.contains("ratecheck ")), "{scripts:?}");
    scripts
}

pub(crate) fn every_command_runs() {
    let pages = pages();
    assert!(pages.len() > 5);
    pages.iter().for_each(follow);
    for known in KNOWN {
        assert!(pages.iter().any(|page| page.text.contains(known)), "the guide no longer says `{known}`");
        let paths = known.split(' ').filter(|word| word.starts_with("examples/") || *word == "verify");
        paths.for_each(|path| assert!(root().join(path).exists(), "{path}"));
    }
}

/// Links to files lead somewhere, and so do those to headings of the same page or of another.
pub(crate) fn every_link_leads_somewhere() {
    let pages = pages();
    for page in &pages {
        for target in page.prose().split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            if target.starts_with("https://") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.path.clone() } else { page.path.parent().unwrap().join(file) };
            assert!(path.exists(), "{}: {target}", page.name());
            if !heading.is_empty() {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(text.lines().filter_map(anchor).any(|known| known == heading), "{}: {target}", page.name());
            }
        }
    }
    let index = pages.iter().find(|page| page.name() == "README.md").unwrap();
    for page in pages.iter().filter(|page| page.name() != "README.md") {
        assert!(index.text.contains(&format!("]({})", page.name())), "the index lacks {}", page.name());
    }
}

/// The anchor that a heading gets.
fn anchor(line: &str) -> Option<String> {
    let heading = line.starts_with('#').then(|| line.trim_start_matches('#').trim().to_lowercase())?;
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || "- _".contains(*c));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}
