//! A page of several verifications: `ratecheck report --index DIR`.

use std::path::{Path, PathBuf};

use minijinja::value::Serde;
use serde::Serialize;

use super::page::environment;
use super::{RESULTS, ReportError, number, read_results, write};
use crate::claim::results::{Results, Status};
use crate::text::plain;

const TEMPLATE: &str = include_str!("gallery.html");
const NAME: &str = "index.html";
/// Verifications are looked for so many directories down.
const DEPTH: usize = 4;

#[derive(Serialize)]
struct Context<'a> {
    lead: String,
    entries: &'a [Entry],
    unread: &'a [String],
    command: &'a str,
}

/// One verification.
#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    /// Its page, from here.
    link: String,
    verdicts: Vec<Verdict>,
    rejected: usize,
    controls: usize,
    profile: &'static str,
    seed: u64,
    commit: String,
    time: String,
}

#[derive(Debug, Serialize)]
struct Verdict {
    key: Status,
    label: &'static str,
    count: usize,
}

/// Verifications that are shown together.
#[derive(Debug)]
pub struct Gallery {
    dir: PathBuf,
    entries: Vec<Entry>,
    /// What was found and could not be read, each in a sentence.
    pub unread: Vec<String>,
}

impl Gallery {
    /// Every verification below `dir`.
    ///
    /// # Errors
    /// If `dir` cannot be read or is itself a verification, or if there is none below it.
    pub fn of(dir: &Path) -> Result<Self, ReportError> {
        if dir.join(RESULTS).exists() {
            let remedy = "give the directory above it, whose page the gallery can be";
            return Err(ReportError::no_gallery(format!("{} is itself a verification", dir.display()), remedy));
        }
        let mut found = Vec::new();
        below(dir, DEPTH, &mut found).map_err(|error| ReportError::read(dir, error))?;
        found.sort();
        let mut gallery = Self { dir: dir.to_owned(), entries: Vec::new(), unread: Vec::new() };
        for place in found {
            match read_results(&place.join(RESULTS)) {
                Ok(results) => gallery.entries.push(entry(&results, place.strip_prefix(dir).unwrap_or(&place))),
                Err(error) => gallery.unread.push(error.to_string()),
            }
        }
        if gallery.entries.is_empty() {
            let what = format!("no verification is below {} that could be shown", dir.display());
            let what = gallery.unread.first().map_or(what.clone(), |why| format!("{what}: {why}"));
            return Err(ReportError::no_gallery(what, "`ratecheck verify --out DIR/NAME` writes one"));
        }
        Ok(gallery)
    }

    /// How many verifications it links.
    pub fn shown(&self) -> usize {
        self.entries.len()
    }

    /// Writes `index.html`, which says that `command` writes it again.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, command: &str) -> Result<PathBuf, ReportError> {
        let failed = |source: minijinja::Error| ReportError::render(NAME, source);
        let whole = |entry: &&Entry| entry.verdicts.iter().all(|verdict| verdict.key == Status::Holds);
        let (hold, all) = (self.entries.iter().filter(whole).count(), self.shown());
        let lead = format!("In {hold} of {all} every claim holds. Each name leads to the page of a verification.");
        let context = Context { lead, entries: &self.entries, unread: &self.unread, command };
        let mut environment = environment()?;
        environment.add_template("gallery.html", TEMPLATE).map_err(failed)?;
        let page = environment.get_template("gallery.html").and_then(|t| t.render(Serde(context))).map_err(failed)?;
        write(self.dir.join(NAME), page.as_bytes())
    }
}

/// The directories below `dir` that hold a verification; nothing is looked for inside one.
fn below(dir: &Path, depth: usize, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // A link to a directory above would never end.
        if !entry.file_type()?.is_dir() {
            continue;
        }
        if entry.path().join(RESULTS).exists() {
            found.push(entry.path());
        } else if depth > 1 {
            // What may not be read holds nothing that could be linked.
            let _ = below(&entry.path(), depth - 1, found);
        }
    }
    Ok(())
}

fn entry(results: &Results, place: &Path) -> Entry {
    let p = &results.provenance;
    let controls = || results.claims.iter().flat_map(|claim| &claim.controls);
    let of = |&key: &Status| {
        let count = results.count(key);
        let label = match (key, count) {
            (Status::Holds, 2..) => "hold",
            (Status::Fails, 2..) => "fail",
            _ => key.label(),
        };
        Verdict { key, label, count }
    };
    let subject = p.problem.as_ref().map_or("the paper's own instances", |problem| &problem.name);
    Entry {
        name: format!("{}: {subject}", plain::path(place)),
        link: format!("{}/index.html", encoded(place)),
        verdicts: Status::ALL.iter().map(of).filter(|verdict| verdict.count > 0).collect(),
        rejected: controls().filter(|control| control.is_rejected()).count(),
        controls: controls().count(),
        profile: p.profile.name(),
        seed: p.seed,
        commit: p.commit.chars().take(12).collect(),
        time: number::duration(p.seconds),
    }
}

/// A path as an address: every byte but those that need no escape.
fn encoded(path: &Path) -> String {
    let parts = path.iter().map(|part| {
        let keep = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let byte = |&byte: &u8| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        part.as_encoded_bytes().iter().map(byte).collect::<String>()
    });
    parts.collect::<Vec<_>>().join("/")
}
