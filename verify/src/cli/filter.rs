//! Filter expressions of `ratecheck verify`: which claims, by what they are.
//!
//! ```text
//! expression := term { ("or" | "|") term }
//! term       := factor { ("and" | "&" | "-") factor }        a - b is a and not b
//! factor     := ("not" | "!") factor | "(" expression ")" | set
//! set        := pattern | "section(" 4 ")" | "kind(" rate ")" | "origin(" paper ")" | "id(" pattern ")" | "own()" | "all()"
//! ```
//!
//! Words stand between blanks: `lemma-b.1` is a pattern, and `section(4) - lemma-b.1` a difference.

use super::{Claims, Exit, Stopped, of_section, select};
use crate::claim::evidence::{Claim, Kind, Origin};

type Chosen = Vec<&'static dyn Claim>;

/// The claims that an expression stands for, in the order of the list.
pub(super) fn filtered(expression: &str, all: Claims<'_>) -> Result<Chosen, Stopped> {
    let mut parser = Parser { words: words(expression), at: 0, all };
    let chosen = parser.expression().and_then(|chosen| match parser.words.get(parser.at) {
        None => Ok(chosen),
        Some(word) => Err(parser.unexpected(word)),
    });
    let chosen = chosen.map_err(|(exit, why)| (exit, format!("--filter '{expression}': {why}")))?;
    if chosen.is_empty() {
        return Err((Exit::NothingSelected, format!("--filter '{expression}' leaves no claim")));
    }
    Ok(chosen)
}

/// Blanks separate; parentheses, `|`, `&` and `!` stand for themselves.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in text.chars() {
        let (alone, blank) = ("()|&!".contains(letter), letter.is_whitespace());
        if alone || blank {
            words.push(if alone { letter.to_string() } else { String::new() });
            words.push(String::new());
        } else if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

struct Parser<'a> {
    words: Vec<String>,
    at: usize,
    all: Claims<'a>,
}

impl Parser<'_> {
    /// Whether the next word is one of these, which is then read.
    fn reads(&mut self, of: &[&str]) -> bool {
        let found = self.words.get(self.at).is_some_and(|word| of.contains(&word.as_str()));
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, word: &str) -> Stopped {
        (Exit::Usage, format!("`{word}` was not expected as word {}; see `ratecheck help verify`", self.at + 1))
    }

    fn expression(&mut self) -> Result<Chosen, Stopped> {
        let mut chosen = self.term()?;
        while self.reads(&["|", "or"]) {
            let more = self.term()?;
            chosen = self.those(|claim| has(&chosen, claim) || has(&more, claim));
        }
        Ok(chosen)
    }

    fn term(&mut self) -> Result<Chosen, Stopped> {
        let mut chosen = self.factor()?;
        loop {
            let keep = if self.reads(&["&", "and"]) {
                true
            } else if self.reads(&["-"]) {
                false
            } else {
                return Ok(chosen);
            };
            let other = self.factor()?;
            chosen.retain(|claim| has(&other, *claim) == keep);
        }
    }

    fn factor(&mut self) -> Result<Chosen, Stopped> {
        if self.reads(&["!", "not"]) {
            let left_out = self.factor()?;
            return Ok(self.those(|claim| !has(&left_out, claim)));
        }
        if self.reads(&["("]) {
            let chosen = self.expression()?;
            return self.closed(chosen);
        }
        let Some(word) = self.words.get(self.at).cloned() else {
            return Err((Exit::Usage, "something is missing at its end".to_owned()));
        };
        if "()|&".contains(&word) || ["or", "and", "-"].contains(&word.as_str()) {
            return Err(self.unexpected(&word));
        }
        self.at += 1;
        if !self.reads(&["("]) {
            return select(&[word], self.all);
        }
        let argument = match self.words.get(self.at) {
            Some(argument) if argument != ")" => {
                self.at += 1;
                self.words[self.at - 1].clone()
            }
            _ => String::new(),
        };
        let chosen = self.set(&word, &argument)?;
        self.closed(chosen)
    }

    fn closed(&mut self, chosen: Chosen) -> Result<Chosen, Stopped> {
        if self.reads(&[")"]) {
            return Ok(chosen);
        }
        Err(match self.words.get(self.at) {
            Some(word) => self.unexpected(word),
            None => (Exit::Usage, "a parenthesis is not closed".to_owned()),
        })
    }

    fn set(&self, name: &str, argument: &str) -> Result<Chosen, Stopped> {
        let one_of = |what: &str, all: &[&str]| {
            (Exit::Usage, format!("`{argument}` is no {what}: {name}() takes {}", all.join(", ")))
        };
        let kinds = [Kind::Identity, Kind::Inequality, Kind::Expectation, Kind::Rate];
        let origins = [("paper", Origin::Paper), ("derived", Origin::Derived), ("later", Origin::Later)];
        match name {
            "all" if argument.is_empty() => Ok(self.those(|_| true)),
            "own" if argument.is_empty() => Ok(self.those(|claim| claim.on_subject().is_some())),
            "id" => select(&[argument.to_owned()], self.all),
            "section" => of_section(argument, self.those(|_| true)),
            "kind" => match kinds.iter().find(|kind| kind.name() == argument) {
                Some(kind) => Ok(self.those(|claim| claim.statement().kind.name() == kind.name())),
                None => Err(one_of("kind", &kinds.map(Kind::name))),
            },
            "origin" => match origins.iter().find(|origin| origin.0 == argument) {
                Some((_, origin)) => Ok(self.those(|claim| claim.statement().origin == *origin)),
                None => Err(one_of("origin", &origins.map(|origin| origin.0))),
            },
            _ => {
                let known = "id(PATTERN), section(NUMBER), kind(KIND), origin(ORIGIN), own() and all()";
                Err((Exit::Usage, format!("`{name}({argument})` is unknown; there are {known}")))
            }
        }
    }

    fn those(&self, keep: impl Fn(&dyn Claim) -> bool) -> Chosen {
        self.all.iter().copied().filter(|claim| keep(*claim)).collect()
    }
}

fn has(claims: &Chosen, claim: &dyn Claim) -> bool {
    claims.iter().any(|other| other.statement().id == claim.statement().id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paper::claims::CLAIMS;

    fn ids(expression: &str) -> Result<Vec<&'static str>, String> {
        filtered(expression, CLAIMS)
            .map(|chosen| chosen.iter().map(|claim| claim.statement().id).collect())
            .map_err(|(_, why)| why)
    }

    #[test]
    fn sets_are_joined_cut_and_taken_away() {
        assert_eq!(ids("lemma-b.1 | lemma-b.2"), ids("lemma-b.2 or lemma-b.1"));
        assert_eq!(ids("lemma-b.* - lemma-b.1"), ids("lemma-b.* and not lemma-b.1"));
        assert_eq!(ids("!(all() - theorem-2.5)"), Ok(vec!["theorem-2.5"]));
        // `and` binds closer than `or`.
        assert_eq!(ids("theorem-2.5 or kind(rate) and section(3)"), ids("theorem-2.5 | (kind(rate) & section(3))"));
        let rates = ids("kind(rate) and origin(paper)").unwrap_or_default();
        assert!(rates.contains(&"theorem-3.1-rate") && !rates.contains(&"sgd-constant"), "{rates:?}");
        assert_eq!(ids("all()").map(|all| all.len()), Ok(CLAIMS.len()));
        assert!(ids("own()").is_ok_and(|own| own.contains(&"lemma-2.2") && !own.contains(&"appendix-d")));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (expression, part) in [
            ("kind(rates)", "takes identity, inequality, expectation, rate"),
            ("colour(red)", "`colour(red)` is unknown"),
            ("(all()", "not closed"),
            ("all() )", "`)` was not expected as word 4"),
            ("all() and", "missing at its end"),
            ("", "missing at its end"),
            ("theorem-9.9", "no claim is called `theorem-9.9`"),
            ("section(17)", "no section `17`"),
            ("kind(rate) - kind(rate)", "leaves no claim"),
            ("- lemma-2.2", "`-` was not expected as word 1"),
        ] {
            let why = ids(expression).err().unwrap_or_default();
            assert!(why.contains(part) && why.contains(expression), "{expression}: {why}");
        }
    }
}
