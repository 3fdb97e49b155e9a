//! What a command prints, held against what the guide shows of it.

/// Whether `printed` is what `shown` says: a line `...` stands for any number of lines, `[..]` for anything within a
/// line, and spaces at the ends of lines do not count.
pub(super) fn matches(shown: &str, printed: &str) -> bool {
    let lines = |text: &str| text.trim_end().lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
    lines_match(&lines(shown), &lines(printed))
}

fn lines_match(shown: &[String], printed: &[String]) -> bool {
    match shown.split_first() {
        None => printed.is_empty(),
        Some((gap, rest)) if gap == "..." => (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..])),
        Some((line, rest)) => {
            printed.split_first().is_some_and(|(first, others)| line_matches(line, first) && lines_match(rest, others))
        }
    }
}

fn line_matches(shown: &str, printed: &str) -> bool {
    match shown.split_once("[..]") {
        None => shown == printed,
        Some((start, rest)) => printed.strip_prefix(start).is_some_and(|tail| {
            tail.char_indices().map(|(at, _)| at).chain([tail.len()]).any(|at| line_matches(rest, &tail[at..]))
        }),
    }
}

pub(crate) fn matches_what_is_shown() {
    let printed = "claim  time  \na       3 ms\nb      12 ms\n\nThe page: x\n";
    for shown in [
        printed,
        "claim  time\na [..] ms\nb [..] ms\n\nThe page: [..]",
        "claim  time\n...\nThe page: x",
        "...\na  [..]\n...",
        "...",
    ] {
        assert!(matches(shown, printed), "{shown}");
    }
    for shown in ["", "claim  time", "...\nb  [..] s\n...", "claim  time\n...\nThe page: y", "[..]", "...\nThe page:"] {
        assert!(!matches(shown, printed), "{shown}");
    }
}
