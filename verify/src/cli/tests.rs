//! The command line itself: what clap has been told.

use super::*;

/// The examples in the help of a command, without the words that explain them.
fn examples(help: &str) -> Vec<Vec<String>> {
    let lines = help.lines().filter_map(|line| line.strip_prefix("  ratecheck"));
    let mut all = Vec::new();
    for line in lines {
        // A comment stands two spaces or more behind; a pipe or a redirection ends what is ours.
        let line = line.trim_end();
        let command = line.split("   ").next().unwrap_or(line);
        let command = command.split("  ").next().unwrap_or(command);
        let command = command.split(" | ").next().unwrap_or(command);
        let command = command.split(" > ").next().unwrap_or(command);
        all.push(std::iter::once("ratecheck").chain(command.split_whitespace()).map(str::to_owned).collect());
    }
    all
}

#[test]
fn the_command_line_is_sound() {
    command().debug_assert();
}

#[test]
fn every_help_teaches_with_examples_that_parse() {
    let whole = command();
    let help = |command: &clap::Command| command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let mut shown = vec![(String::new(), help(&whole))];
    for one in whole.get_subcommands() {
        shown.push((one.get_name().to_owned(), help(one)));
    }
    assert!(shown.len() > 15);
    for (name, help) in shown {
        let examples = examples(&help);
        assert!(help.starts_with("Examples:\n") && examples.len() >= 2, "{name}: {help}");
        for example in &examples {
            let parsed = command().try_get_matches_from(example);
            assert!(
                parsed.is_ok(),
                "{name}: {example:?}: {}",
                parsed.err().map_or_else(String::new, |e| e.to_string())
            );
        }
        let own = |example: &Vec<String>| name.is_empty() || example.get(1) == Some(&name);
        assert!(examples.iter().any(own), "{name}: none of its own");
        assert!(help.contains("xit code"), "{name}");
        let fits = |line: &str| !line.starts_with("  ratecheck") || line.chars().count() <= 100;
        assert!(help.lines().all(fits), "{name}: an example is too long");
    }
}

#[test]
fn commands_that_can_fail_exist() {
    let whole = command();
    for (name, _) in FAILED {
        assert!(whole.get_subcommands().any(|one| one.get_name() == name), "{name}");
    }
}

#[test]
fn claims_are_chosen_by_pattern_and_by_section() {
    let ids = |claims: Vec<&'static dyn Claim>| claims.iter().map(|claim| claim.statement().id).collect::<Vec<_>>();
    let chosen = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        select(&words, CLAIMS)
    };
    let some = ids(chosen(&["lemma-b.?", "theorem-2.5", "lemma-b.1"]).expect("known"));
    assert_eq!(some, ["theorem-2.5", "lemma-b.1", "lemma-b.2", "lemma-b.3", "lemma-b.4"]);
    for (wrong, part) in [("lemma-z*", "`ratecheck list` shows them all"), ("[a", "is no pattern")] {
        let Err((exit, message)) = chosen(&[wrong]) else { panic!("{wrong}") };
        assert!(exit == Exit::NothingSelected && message.contains(part), "{message}");
    }
    let within = |section: &str| of_section(section, CLAIMS.to_vec()).map(ids);
    assert!(within("3").is_ok_and(|ids| ids.contains(&"theorem-3.1") && !ids.contains(&"theorem-4.2")));
    assert!(within("appendix b").is_ok_and(|ids| ids.contains(&"lemma-b.1") && !ids.contains(&"theorem-4.2")));
    assert_eq!(within("2.3"), Ok(vec!["lemma-2.2"]));
    for unknown in ["9", "2.9", ""] {
        let message = within(unknown).expect_err(unknown).1;
        assert!(message.contains("the sections are 1, 2, 3, 4, 5, A, B, C, D"), "{message}");
    }
}

#[test]
fn mistyped_ids_are_answered_with_the_likeliest() {
    let ids = ["lemma-2.2", "lemma-3.2", "theorem-4.2-rate"];
    for (typed, meant) in
        [("lemma-22", "lemma-2.2"), ("4.2-rate", "theorem-4.2-rate"), ("Lemma_3.2", "lemma-3.2"), ("2.2", "lemma-2.2")]
    {
        let (exit, message) = no_claim(typed, ids.into_iter(), "look");
        assert_eq!(exit, Exit::NothingSelected);
        assert!(message.contains(&format!("did you mean `{meant}`? look")), "{message}");
    }
    for hopeless in ["zzz", ""] {
        assert_eq!(no_claim(hopeless, ids.into_iter(), "look").1, format!("no claim is called `{hopeless}`; look"));
    }
}

#[test]
fn what_is_no_number_is_told_what_to_give() {
    for (line, remedy) in [
        ("verify --jobs abc", "invalid value 'abc' for '--jobs <JOBS>': give a whole number"),
        ("verify --steps 1.5", "invalid value '1.5' for '--steps <T>': give a whole number"),
        ("verify --steps 99999999999999999999", "it is too large"),
        ("verify --eta-g fast", "invalid value 'fast' for '--eta-g <RATE>': give a number, as 0.5 or 1e-3"),
        ("verify --seed abc", "give a whole number from 0 to 18446744073709551615"),
    ] {
        let words = std::iter::once("ratecheck").chain(line.split(' '));
        let error = command().try_get_matches_from(words).expect_err("no number");
        let said = in_words(error).render().to_string();
        assert!(said.contains(remedy) && said.contains("--help"), "{line}: {said}");
    }
}
