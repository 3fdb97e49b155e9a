//! Profiles of a project: `ratecheck.toml` gives a name to a set of flags of `ratecheck verify`.
//!
//! `--profile NAME` is replaced by the flags of `[profile.NAME]`, in front of those of the command line, which win. A
//! key is a flag without its dashes, `profile` the budget; `claims` is a list of names or patterns.

use std::ffi::OsString;
use std::path::Path;

use toml::Value;

use super::{Exit, Stopped};
use crate::text::plain;

/// The file, in the directory in which the command is started.
pub(super) const FILE: &str = "ratecheck.toml";

/// Profiles that need no file.
const BUILT_IN: [&str; 3] = ["quick", "standard", "full"];

/// The command line with the flags of the profile that it names, if that is one of the file.
pub(super) fn expanded(arguments: Vec<OsString>) -> Result<Vec<OsString>, Stopped> {
    let Some((at, length, name)) = named(&arguments) else { return Ok(arguments) };
    let flags = flags_of(&name, Path::new(FILE))?;
    let alone = ["ratecheck", "verify"].into_iter().map(OsString::from).chain(flags.iter().cloned());
    if let Err(error) = super::command().try_get_matches_from(alone) {
        let text = error.to_string();
        let why = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        return Err((Exit::Input, format!("{FILE}: profile.{name}: {why}")));
    }
    let command = arguments.iter().position(|word| word == "verify").map_or(0, |at| at + 1);
    let kept = arguments[command..at].iter().chain(&arguments[at + length..]);
    Ok(arguments[..command].iter().cloned().chain(flags).chain(kept.cloned()).collect())
}

/// Where `--profile NAME` stands in `ratecheck verify ..`, in how many words, and the name; nothing if that is built in.
fn named(arguments: &[OsString]) -> Option<(usize, usize, String)> {
    let verify = arguments.iter().skip(1).find(|word| !word.to_string_lossy().starts_with('-'))? == "verify";
    let at = arguments.iter().position(|word| {
        let word = word.to_string_lossy();
        word == "--profile" || word.starts_with("--profile=")
    })?;
    let (length, name) = match arguments[at].to_string_lossy().strip_prefix("--profile=") {
        Some(name) => (1, name.to_owned()),
        None => (2, arguments.get(at + 1)?.to_string_lossy().into_owned()),
    };
    (verify && !BUILT_IN.contains(&name.as_str())).then_some((at, length, name))
}

/// The flags of a profile of the file.
fn flags_of(name: &str, file: &Path) -> Result<Vec<OsString>, Stopped> {
    let built_in = "quick, standard and full need no file";
    let usage = |why: String| Err((Exit::Usage, format!("--profile {name}: {why}")));
    let input = |why: String| Err((Exit::Input, format!("{}: {why}", file.display())));
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return usage(format!("there is no {} here with [profile.{name}]; {built_in}", file.display()));
        }
        Err(error) => return input(format!("cannot be read: {error}")),
    };
    let table: toml::Table = match text.parse() {
        Ok(table) => table,
        Err(error) => return input(plain::line(&toml_message(&error, &text)).into_owned()),
    };
    let profiles = table.get("profile").and_then(Value::as_table);
    let Some(profile) = profiles.and_then(|profiles| profiles.get(name)) else {
        let known: Vec<&str> = profiles.into_iter().flat_map(|all| all.keys().map(String::as_str)).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return usage(format!("{} has no [profile.{name}], its profiles are: {known}; {built_in}", file.display()));
    };
    let Some(profile) = profile.as_table() else {
        return input(format!("profile.{name}: give a table of flags of `ratecheck verify`"));
    };
    let mut flags = Vec::new();
    for (key, value) in profile {
        let place = format!("profile.{name}.{key}");
        if key == "profile" && !value.as_str().is_some_and(|level| BUILT_IN.contains(&level)) {
            return input(format!("{place}: give \"quick\", \"standard\" or \"full\""));
        }
        match words(key, value) {
            Some(words) if is_flag(key) => flags.extend(words.into_iter().map(OsString::from)),
            Some(_) => return input(format!("{place}: `ratecheck verify` has no flag --{key}")),
            None => return input(format!("{place}: give a word, a number, true or false, or a list of words")),
        }
    }
    Ok(flags)
}

/// Whether a key is a flag of `verify`, or `claims`.
fn is_flag(key: &str) -> bool {
    let command = super::command();
    let verify = command.find_subcommand("verify");
    key == "claims" || verify.is_some_and(|verify| verify.get_arguments().any(|flag| flag.get_long() == Some(key)))
}

/// The words of the command line that a key stands for; a switch that is false stands for none.
fn words(key: &str, value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    };
    let flag = |text: String| format!("--{key}={text}");
    match value {
        Value::Boolean(on) => Some(on.then(|| format!("--{key}")).into_iter().collect()),
        Value::Array(all) if key == "claims" => all.iter().map(one).collect(),
        Value::Array(all) => {
            let all: Option<Vec<String>> = all.iter().map(one).collect();
            all.map(|all| vec![flag(all.join(","))])
        }
        value if key == "claims" => one(value).map(|text| vec![text]),
        value => one(value).map(|text| vec![flag(text)]),
    }
}

/// What is wrong with a file, and in which line.
fn toml_message(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    format!("line {line}: {}", error.message())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    fn flags(text: &str, name: &str) -> Result<Vec<String>, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE);
        std::fs::write(&file, text).unwrap();
        let found = flags_of(name, &file).map_err(|(_, why)| why.replace(&directory.path().display().to_string(), ""));
        found.map(|flags| flags.into_iter().map(|flag| flag.into_string().unwrap()).collect())
    }

    #[test]
    fn only_other_names_than_the_built_in_ones_ask_for_the_file() {
        assert_eq!(named(&line(&["ratecheck", "verify", "--profile", "quick"])), None);
        assert_eq!(named(&line(&["ratecheck", "calibrate", "--profile", "night"])), None);
        assert_eq!(named(&line(&["ratecheck", "-q", "verify", "--profile=night"])), Some((3, 1, "night".to_owned())));
        let two = line(&["ratecheck", "verify", "lemma-2.2", "--profile", "night", "--seed", "3"]);
        assert_eq!(named(&two), Some((3, 2, "night".to_owned())));
    }

    #[test]
    fn keys_are_flags() {
        let text = "[profile.night]\nprofile = \"standard\"\nseed = 7\nstrict = true\nfail-fast = false\n\
                    claims = [\"lemma-b*\", \"theorem-2.5\"]\neta-w = [0.1, 10]\nout = \"reports/night\"\n";
        let found = flags(text, "night").unwrap();
        let expected = ["--profile=standard", "--seed=7", "--strict", "lemma-b*", "theorem-2.5", "--eta-w=0.1,10"];
        for flag in expected.iter().chain(&["--out=reports/night"]) {
            assert!(found.contains(&(*flag).to_owned()), "{flag}: {found:?}");
        }
        assert_eq!(found.len(), 7);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("[profile.day]\nseed = 1\n", "its profiles are: day; quick, standard and full need no file"),
            ("[profile.night]\nsed = 1\n", "profile.night.sed: `ratecheck verify` has no flag --sed"),
            ("[profile.night]\nseed = { a = 1 }\n", "profile.night.seed: give a word"),
            ("[profile.night]\nprofile = \"day\"\n", "profile.night.profile: give \"quick\""),
            ("[profile]\nnight = 3\n", "profile.night: give a table"),
            ("[profile.night]\nseed = \n", "line 2: "),
        ] {
            let why = flags(text, "night").err().unwrap_or_default();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
