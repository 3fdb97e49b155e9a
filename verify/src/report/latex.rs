//! The same results as LaTeX tables (booktabs, longtable), for the appendix of a paper.

use std::fmt::Write as _;

use super::{number, profile};
use crate::claim::results::{ClaimResult, ControlOutcome, Results};
use crate::report::compare::Slope;

/// The whole file.
pub(super) fn render(results: &Results) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut text, results);
    text
}

fn write(out: &mut String, results: &Results) -> std::fmt::Result {
    let p = &results.provenance;
    writeln!(out, "% Written by ratecheck. In the preamble: \\usepackage{{amssymb,array,booktabs,longtable}}")?;
    // Long tables need a page of one column; a document of two gets its columns back behind them.
    writeln!(out, "\\makeatletter\\let\\ratecheckend\\relax")?;
    writeln!(out, "\\if@twocolumn\\onecolumn\\let\\ratecheckend\\twocolumn\\fi\\makeatother")?;
    let run = format!("ratecheck {} ({}), profile {}, seed {}", p.version, p.commit, profile(results), p.seed);
    let (rejected, controls) = results.controls_rejected();
    let hold = results.claims.iter().filter(|claim| claim.reason().is_none()).count();
    let n = results.claims.len();
    let caption = format!(
        "The statements, checked by {}: {hold} of {n} hold, {rejected} of {controls} controls were rejected. \
         The margin is the share of the tolerance or of the bound that the tightest comparison left unused.",
        escape(&run)
    );
    let rows: Vec<String> = results.claims.iter().map(row).collect();
    let head = "Statement & Verdict & Margin & Comparisons & Controls";
    table(out, (0.34, "lrrr"), "claims", &caption, head, &rows)?;
    let of = |claim| Slope::of(claim).into_iter().enumerate().map(move |(k, slope)| rate(claim, &slope, k == 0));
    let slopes: Vec<String> = results.claims.iter().flat_map(of).collect();
    if !slopes.is_empty() {
        writeln!(out)?;
        let caption = format!("What was estimated with an interval, by {}.", escape(&run));
        table(out, (0.52, "rr"), "slopes", &caption, "Quantity & Value & Interval", &slopes)?;
    }
    writeln!(out, "\\ratecheckend")
}

/// A table that may be longer than a page, and is no wider than one:
/// its first column takes `share` of the line and is broken there.
fn table(
    out: &mut String,
    (share, columns): (f64, &str),
    label: &str,
    caption: &str,
    head: &str,
    rows: &[String],
) -> std::fmt::Result {
    writeln!(
        out,
        "\\begingroup\\footnotesize\\setlength{{\\tabcolsep}}{{4pt}}\\setlength{{\\LTcapwidth}}{{\\linewidth}}"
    )?;
    writeln!(out, "\\begin{{longtable}}{{>{{\\raggedright\\arraybackslash}}p{{{share}\\linewidth}}{columns}}}")?;
    writeln!(out, "\\caption{{{caption}}}\\label{{tab:ratecheck-{label}}}\\\\")?;
    writeln!(out, "\\toprule\n{head}\\\\\n\\midrule\n\\endfirsthead")?;
    writeln!(out, "\\toprule\n{head}\\\\\n\\midrule\n\\endhead")?;
    writeln!(out, "\\bottomrule\n\\endlastfoot")?;
    for row in rows {
        writeln!(out, "{row}\\\\")?;
    }
    writeln!(out, "\\end{{longtable}}\n\\endgroup")
}

/// The name of a claim, as it is typed.
fn id(claim: &ClaimResult) -> String {
    format!("\\texttt{{{}}}", escape(&claim.id))
}

/// One claim.
fn row(claim: &ClaimResult) -> String {
    let comparisons = claim.instances.iter().map(|i| i.count).fold(0, u64::saturating_add);
    let rejected = claim.controls.iter().filter(|c| c.outcome == ControlOutcome::Rejected).count();
    let margin = claim.worst.as_ref().map_or_else(|| NONE.to_owned(), |worst| value(worst.margin));
    // A column has no room for the setting, which the other reports name.
    let reduced = if claim.reduced.is_some() { ", reduced" } else { "" };
    let verdict = format!("{}{reduced}", claim.status().label());
    let verdict = if claim.reason().is_none() { verdict } else { format!("\\textbf{{{verdict}}}") };
    format!(
        "{} \\newline {} & {verdict} & {margin} & {comparisons} & {rejected}/{}",
        escape(&claim.title),
        id(claim),
        claim.controls.len()
    )
}

/// One slope; the `first` of a claim stands below its name.
fn rate(claim: &ClaimResult, slope: &Slope, first: bool) -> String {
    let [low, high] = slope.interval.map(value);
    let above = if first { format!("{} \\newline ", id(claim)) } else { String::new() };
    let name = escape(&number::typeset(&slope.name));
    format!("{above}{name} & {} & [{low}, {high}]", value(slope.value))
}

/// What stands for a number that is not there or not finite.
const NONE: &str = "---";

/// Three significant digits, in mathematics.
fn value(x: f64) -> String {
    match number::short(x) {
        text if text == number::NONE => NONE.to_owned(),
        text => match text.split_once('e') {
            Some((mantissa, exponent)) => format!("${mantissa}\\times10^{{{exponent}}}$"),
            None => format!("${text}$"),
        },
    }
}

/// Text that LaTeX prints as it is, on one line. What has no name here is left for an engine that reads Unicode.
fn escape(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut escaped = String::with_capacity(text.len());
    // The sign of the index that is open: neighbours make one, since two in a row are an error.
    let mut open: Option<char> = None;
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        let index = if is_subscript(&chars, i) {
            // `η_w`: the letter behind the underscore stands below.
            i += 1;
            Some(('_', chars[i].to_string()))
        } else {
            index(c).map(|(sign, inner)| (sign, inner.to_owned()))
        };
        if open.is_some() && open != index.as_ref().map(|(sign, _)| *sign) {
            escaped.push_str("}$");
            open = None;
        }
        match index {
            Some((sign, inner)) => {
                if open.is_none() {
                    escaped.extend(['$', sign, '{']);
                }
                escaped.push_str(&inner);
                open = Some(sign);
            }
            None => sign(&mut escaped, c),
        }
        i += 1;
    }
    if open.is_some() {
        escaped.push_str("}$");
    }
    escaped
}

/// One character that is no index.
fn sign(escaped: &mut String, c: char) {
    match c {
        '\\' => escaped.push_str("\\textbackslash{}"),
        '~' => escaped.push_str("\\textasciitilde{}"),
        '^' => escaped.push_str("\\textasciicircum{}"),
        '<' | '>' | '|' => escaped.extend(['$', c, '$']),
        '&' | '%' | '$' | '#' | '_' | '{' | '}' => escaped.extend(['\\', c]),
        c if c.is_control() => escaped.push(' '),
        c => match (name(c), plain(c)) {
            (Some(name), _) => *escaped += &format!("$\\{name}$"),
            (None, Some(text)) => escaped.push_str(text),
            (None, None) => escaped.push(c),
        },
    }
}

/// Whether an underscore stands between a letter and a single letter or digit of the ASCII, as in `S_T`.
fn is_subscript(chars: &[char], i: usize) -> bool {
    let at = |k: Option<usize>| k.and_then(|k| chars.get(k)).copied();
    let before = at(i.checked_sub(1)).is_some_and(char::is_alphanumeric);
    let below = at(Some(i + 1)).is_some_and(|c| c.is_ascii_alphanumeric());
    let alone = !at(Some(i + 2)).is_some_and(|c| (c.is_alphanumeric() && index(c).is_none()) || c == '_');
    chars[i] == '_' && before && below && alone
}

/// The command that prints a character, in mathematics.
fn name(c: char) -> Option<&'static str> {
    Some(match c {
        'α' => "alpha",
        'β' => "beta",
        'γ' => "gamma",
        'δ' => "delta",
        'ε' => "varepsilon",
        'η' => "eta",
        'ζ' => "zeta",
        'θ' => "theta",
        'κ' => "kappa",
        'λ' => "lambda",
        'μ' | 'µ' => "mu",
        'π' => "pi",
        'ρ' => "rho",
        'σ' => "sigma",
        'τ' => "tau",
        'φ' => "varphi",
        'ψ' => "psi",
        'ω' => "omega",
        'Γ' => "Gamma",
        'Δ' => "Delta",
        'Λ' => "Lambda",
        'Π' => "Pi",
        'Σ' => "Sigma",
        'Φ' => "Phi",
        'Ψ' => "Psi",
        'Ω' => "Omega",
        '∇' => "nabla",
        '∂' => "partial",
        '∞' => "infty",
        '√' => "surd",
        '∫' => "int",
        '∈' => "in",
        '≤' => "le",
        '≥' => "ge",
        '≪' => "ll",
        '≠' => "ne",
        '⟺' => "iff",
        '≈' => "approx",
        '∝' => "propto",
        '±' => "pm",
        '×' => "times",
        '·' | '⋅' => "cdot",
        '→' => "to",
        '⊥' => "perp",
        '†' => "dagger",
        '‖' => "|",
        '⌈' => "lceil",
        '⌉' => "rceil",
        '⌊' => "lfloor",
        '⌋' => "rfloor",
        '⟨' => "langle",
        '⟩' => "rangle",
        'ℝ' => "mathbb{R}",
        '½' => "frac12",
        '¼' => "frac14",
        _ => return None,
    })
}

/// A raised or lowered character: the sign, and what stands there.
fn index(c: char) -> Option<(char, &'static str)> {
    const RAISED: &str = "⁰0¹1²2³3⁴4⁵5⁶6⁷7⁸8⁹9⁻-⁺+⁽(⁾)ⁱiʲjˡlᵛvᵍgᵗtⁿnᵀT";
    const LOWERED: &str = "₀0₁1₂2₃3₄4₅5₆6₇7₈8₉9ᵢiⱼjₜtₙn";
    let below = |pairs: &'static str| {
        let mut chars = pairs.char_indices();
        while let (Some((_, from)), Some((at, to))) = (chars.next(), chars.next()) {
            if from == c {
                return Some(&pairs[at..at + to.len_utf8()]);
            }
        }
        None
    };
    match c {
        '′' => Some(('^', "\\prime")),
        '°' => Some(('^', "\\circ")),
        // A tilde that stands on the letter before it.
        '\u{303}' => Some(('^', "\\sim")),
        _ => below(RAISED).map(|text| ('^', text)).or_else(|| below(LOWERED).map(|text| ('_', text))),
    }
}

/// Signs that are text.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        '–' => "--",
        '—' => "---",
        '\u{2212}' => "$-$",
        '…' => "\\dots{}",
        '\u{201c}' => "``",
        '\u{201d}' => "''",
        '\u{2018}' => "`",
        '\u{2019}' => "'",
        '\u{a0}' | '\u{202f}' => "~",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_escapes() {
        let cases = [
            ("50 % & $x_12$ #{}", "50 \\% \\& \\$x\\_12\\$ \\#\\{\\}"),
            ("√(S_T/T), η_w = 1, w_norm_sq", "$\\surd$(S$_{T}$/T), $\\eta$$_{w}$ = 1, w\\_norm\\_sq"),
            ("a_0² b_i_j _ c_", "a$_{0}$$^{2}$ b\\_i$_{j}$ \\_ c\\_"),
            ("a\\b^c~d\n", "a\\textbackslash{}b\\textasciicircum{}c\\textasciitilde{}d "),
            ("‖∇L‖² at η = 10⁻²", "$\\|$$\\nabla$L$\\|$$^{2}$ at $\\eta$ = 10$^{-2}$"),
            ("w₀² ~ ℝ³⁴", "w$_{0}$$^{2}$ \\textasciitilde{} $\\mathbb{R}$$^{34}$"),
            ("Lemma A.1 — sharp", "Lemma A.1 --- sharp"),
        ];
        for (text, expected) in cases {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn numbers_are_mathematics() {
        assert_eq!([-0.25, 1.2e-7, f64::NAN].map(value), ["$-0.25$", "$1.2\\times10^{-7}$", "---"]);
    }
}
