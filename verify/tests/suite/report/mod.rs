//! The reports, from results made by hand.

mod junit;
mod sample;

use std::path::Path;

use ratecheck_verify::claim::results::{Results, Status};
use ratecheck_verify::report;

fn written(results: &Results) -> (tempfile::TempDir, report::Written) {
    let dir = tempfile::tempdir().unwrap();
    let written = report::write_all(results, dir.path()).unwrap();
    (dir, written)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The same numbers, bit for bit: NaN is not equal to itself, its text is.
fn same(a: &Results, b: &Results) {
    assert_eq!(format!("{a:#?}"), format!("{b:#?}"));
    assert_eq!(serde_json::to_string(a).unwrap(), serde_json::to_string(b).unwrap());
}

/// Opening and closing tags match, attributes are quoted, no stray `<` or `&`.
fn well_formed(xml: &str) {
    let mut open: Vec<String> = Vec::new();
    let mut rest = xml;
    while let Some(at) = rest.find('<') {
        entities(&rest[..at]);
        let end = at + rest[at..].find('>').unwrap();
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if tag.starts_with('?') || tag.starts_with('!') || tag.ends_with('/') {
            continue;
        }
        match tag.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop().as_deref(), Some(name.trim())),
            None => open.push(tag.split_whitespace().next().unwrap().to_owned()),
        }
    }
    entities(rest);
    assert!(open.is_empty(), "{open:?}");
}

fn entities(text: &str) {
    for part in text.split('&').skip(1) {
        let name = part.split(';').next().unwrap();
        assert!(["amp", "lt", "gt", "quot", "apos"].contains(&name) || name.starts_with('#'), "&{name}");
    }
}

#[test]
fn the_sample_covers_every_status() {
    let results = sample::results();
    for status in Status::ALL {
        assert!(results.count(status) > 0, "{status:?}");
    }
    assert_eq!(Status::ALL.iter().map(|&s| results.count(s)).sum::<usize>(), results.claims.len());
    for claim in &results.claims {
        assert_eq!(claim.reason().is_none(), claim.status() == Status::Holds, "{}", claim.id);
    }
}

#[test]
fn a_verdict_without_controls_does_not_hold() {
    let mut claim = sample::results().claims.remove(0);
    assert_eq!(claim.status(), Status::Holds);
    claim.controls.clear();
    assert_eq!(claim.status(), Status::ControlBroken);
    assert!(claim.reason().unwrap().contains("no control"));
}

/// A claim that holds in a smaller setting than its own says so wherever its verdict stands.
#[test]
fn a_reduced_setting_is_said_in_every_report() {
    let mut results = sample::results();
    results.claims.truncate(1);
    let claim = &mut results.claims[0];
    assert_eq!((claim.status(), claim.label()), (Status::Holds, "holds"));
    claim.reduced = Some("16 images instead of 60000".to_owned());
    assert_eq!(claim.label(), "holds in a reduced setting");
    let (_dir, written) = written(&results);
    for file in [&written.page, &written.markdown, &written.junit, &written.json] {
        let text = read(file);
        assert!(text.contains("16 images instead of 60000"), "{}", file.display());
    }
    for file in [&written.page, &written.markdown] {
        assert!(read(file).contains("in a reduced setting"), "{}", file.display());
    }
    assert!(read(&written.latex).contains("holds, reduced"));
    assert_eq!(report::read_results(&written.json).unwrap().claims[0].reduced, results.claims[0].reduced);
}

#[test]
fn json_comes_back_bit_for_bit() {
    let results = sample::results();
    let (_dir, written) = written(&results);
    same(&results, &report::read_results(&written.json).unwrap());
    let text = read(&written.json);
    assert!(text.contains("\"NaN\"") && text.contains("\"-inf\""), "the sample has both");
}

/// Every file below a directory, with its content.
fn files(dir: &Path) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = std::collections::BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(dir).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn everything_is_in_the_json() {
    let (dir, written) = written(&sample::results());
    let again = tempfile::tempdir().unwrap();
    report::render_all(&report::read_results(&written.json).unwrap(), again.path()).unwrap();
    let (mut first, second) = (files(dir.path()), files(again.path()));
    assert!(first.remove(Path::new(report::RESULTS)).is_some(), "the numbers themselves are not rendered again");
    assert!(first.len() > 12, "{:?}", first.keys());
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    for (path, bytes) in &first {
        assert!(*bytes == second[path], "{}", path.display());
    }
}

#[test]
fn json_errors_say_where_and_what_to_do() {
    let results = sample::results();
    let (dir, written) = written(&results);
    let text = read(&written.json);
    let error = |content: &str| {
        let path = dir.path().join("other.json");
        std::fs::write(&path, content).unwrap();
        let error = report::read_results(&path).unwrap_err().to_string();
        assert!(error.contains("other.json") && error.contains("ratecheck"), "{error}");
        error
    };
    let newer = error(&text.replacen("\"format\": 1", "\"format\": 7", 1));
    assert!(newer.contains("format 7") && newer.contains("newer"), "{newer}");
    assert!(error(&text.replacen("\"format\": 1", "\"format\": 0", 1)).contains("older"));
    // Cut inside a line: behind a line break the error is one line further on.
    let half = text[..text.len() / 2].trim_end();
    assert!(error(half).contains(&format!("line {}", half.lines().count())));
    assert!(error("{\n\"format\": 1,\n\"provenance\": 3}").contains("line 3"));
    assert!(error("").contains("line"));
    let absent = report::read_results(&dir.path().join("absent.json")).unwrap_err().to_string();
    assert!(absent.contains("absent.json") && absent.contains("cannot read"), "{absent}");
}

#[test]
fn the_page_is_whole_and_alone() {
    let results = sample::results();
    let (dir, written) = written(&results);
    let page = read(&written.page);
    for claim in &results.claims {
        assert!(page.contains(&format!("<code>{}</code>", claim.id)), "{}", claim.id);
        assert!(
            page.contains(&format!("ratecheck verify {} --problem mine.toml --profile quick --seed 7", claim.id)),
            "{}",
            claim.id
        );
    }
    for text in ["Lemma 2.2", "control not rejected", "control broken", "inconclusive", "1.2×10⁻⁷", "—", "Margin"]
    {
        assert!(page.contains(text), "{text}");
    }
    // The map links what was run and says why the rest was not; errata show both readings, and claims name them.
    for text in [
        "<a class=\"status status-fails\" href=\"#claim-lemma-2.2\">fails <code>lemma-2.2</code></a>",
        "<li class=\"cell status-fails\"><b>Lemma 2.2 (5)</b>",
        "not run <code>lemma-2.4.1</code>",
        "excluded: experiments, &lt;i&gt;not yet&lt;&#x2f;i&gt; run",
        "Erratum <a href=\"#erratum-E2\">E2</a>, appendix A",
        "<h3 id=\"erratum-E2\">E2 · appendix A</h3>",
        "<td class=\"n\">0.5</td><td>=</td><td class=\"nowrap\">0.25</td><td class=\"nowrap\">fails</td>",
    ] {
        assert!(page.contains(text), "{text}");
    }
    // Nothing from outside, and one script: the page's own, the same in every page.
    for outside in ["http://", "https://", "src=", "@import", "url(", "<link", "javascript:"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<script").count(), 1);
    assert!(page.contains(include_str!("../../../src/report/page.js").trim_end()));
    // What claims say is text, never markup.
    assert!(!page.contains("<img") && !page.contains("<b>bold</b>") && page.contains("&lt;b&gt;bold"));
    assert!(!page.contains(">NaN<") && !page.contains(">inf<"));
    // Every link leads somewhere, every name is given once.
    let ids: Vec<&str> = page.split(" id=\"").skip(1).map(|r| r.split('"').next().unwrap()).collect();
    let unique: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len());
    for link in page.split("href=\"").skip(1).map(|r| r.split('"').next().unwrap()) {
        match link.strip_prefix('#') {
            Some(anchor) => assert!(ids.contains(&anchor), "{link}"),
            None => assert!(dir.path().join(link).is_file(), "{link}"),
        }
    }
    for named in page.split("aria-labelledby=\"").skip(1).map(|r| r.split('"').next().unwrap()) {
        assert!(named.split(' ').all(|id| ids.contains(&id)), "{named}");
    }
    // The pictures of the first screen come on top of those of the claims.
    let story = page.matches("aria-labelledby=\"story-").count();
    assert_eq!((page.matches("role=\"img\"").count(), story), (written.plots.len() + 1, 1));
}

#[test]
fn a_run_without_claims_is_still_a_page() {
    let mut results = sample::results();
    results.claims.clear();
    let (_dir, written) = written(&results);
    assert!(read(&written.page).contains("of 0 statements"));
    assert!(report::terminal_table(&results, false, 80).contains("0 of 0 hold"));
}

#[test]
fn latex_has_a_row_for_every_claim_and_slope() {
    let results = sample::results();
    let (_dir, written) = written(&results);
    let text = read(&written.latex);
    let tables: Vec<&str> = text.split("\\begin{longtable}").skip(1).collect();
    assert_eq!(tables.len(), 2);
    assert_eq!(text.matches("\\end{longtable}").count(), 2);
    let n_slopes = results.claims.iter().flat_map(|c| &c.observations).filter(|o| o.interval.is_some()).count();
    for (table, columns, rows) in [(tables[0], 5, results.claims.len()), (tables[1], 3, n_slopes)] {
        for rule in
            ["\\toprule", "\\midrule", "\\bottomrule", "\\caption{", "\\endfirsthead", "\\endhead", "\\endlastfoot"]
        {
            assert!(table.contains(rule), "{rule}");
        }
        assert!(table.starts_with("{>{\\raggedright\\arraybackslash}p{0."), "no wider than a page");
        let body = table.split("\\endlastfoot\n").nth(1).unwrap().split("\\end{longtable}").next().unwrap();
        assert_eq!(body.lines().count(), rows);
        for row in body.lines() {
            assert!(row.ends_with("\\\\"), "{row}");
            assert_eq!(row.replace("\\&", "").matches('&').count() + 1, columns, "{row}");
            assert!(row.replace("\\$", "").matches('$').count().is_multiple_of(2), "{row}");
            assert_eq!(row.matches('{').count(), row.matches('}').count(), "{row}");
        }
    }
    let lemma = tables[0].lines().find(|line| line.starts_with("Lemma 2.2 ")).unwrap();
    assert_eq!(lemma, "Lemma 2.2 \\newline \\texttt{lemma-2.2} & \\textbf{fails} & $-3.1$ & 13280 & 2/2\\\\");
    assert!(tables[1].contains("slope, T-indexed helix & $-0.5$ & [$-0.501$, $-0.498$]"), "{text}");
    assert!(tables[1].contains("noise & --- & [---, ---]"), "{text}");
    assert!(text.contains("\\usepackage{amssymb,array,booktabs,longtable}"));
}

#[test]
fn csv_has_every_number() {
    let results = sample::results();
    let (_dir, written) = written(&results);
    let plots: Vec<_> = results.claims.iter().flat_map(|c| &c.plots).collect();
    assert_eq!(plots.len(), written.data.len());
    for (plot, path) in plots.iter().zip(&written.data) {
        let mut reader = csv::Reader::from_path(path).unwrap();
        assert_eq!(reader.headers().unwrap(), vec!["series", "x", "y", "low", "high"]);
        let mut records = reader.into_records().map(Result::unwrap);
        for series in &plot.series {
            for (i, point) in series.points.iter().enumerate() {
                let record = records.next().unwrap();
                assert_eq!(record[0], series.name);
                let number = |k: usize| record[k].parse::<f64>().unwrap();
                let equal = |a: f64, b: f64| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
                assert!(equal(number(1), point[0]) && equal(number(2), point[1]), "{record:?} {point:?}");
                match series.band.get(i) {
                    Some(band) => assert!(equal(number(3), band[0]) && equal(number(4), band[1])),
                    None => assert!(record[3].is_empty() && record[4].is_empty()),
                }
            }
        }
        assert!(records.next().is_none());
    }
}

#[test]
fn svg_is_well_formed() {
    let (_dir, written) = written(&sample::results());
    for path in &written.plots {
        let svg = read(path);
        well_formed(&svg);
        assert!(svg.starts_with("<svg xmlns=") && svg.contains("<title") && svg.contains("<desc"));
    }
}

#[test]
fn markdown_names_every_claim() {
    let results = sample::results();
    let (dir, written) = written(&results);
    let text = read(&written.markdown);
    for claim in &results.claims {
        assert!(text.contains(&claim.title) && text.contains(&format!("verify {} ", claim.id)), "{}", claim.id);
    }
    for path in text.split("](plots/").skip(1).map(|r| r.split(')').next().unwrap()) {
        assert!(dir.path().join("plots").join(path).is_file(), "{path}");
    }
    // Rows of a table have as many cells as its head.
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let mut head = None;
    for line in text.lines() {
        head = line.starts_with('|').then(|| head.unwrap_or_else(|| cells(line)));
        assert!(head.is_none_or(|n| n == cells(line)), "{line}");
    }
}

#[test]
fn what_cannot_be_written_leaves_what_was_there() {
    let results = sample::results();
    let dir = tempfile::tempdir().unwrap();
    // A file where the directory should be.
    let blocked = dir.path().join("taken");
    std::fs::write(&blocked, "mine").unwrap();
    let error = report::write_all(&results, &blocked).unwrap_err().to_string();
    assert!(error.contains("taken") && error.contains("--out DIR"), "{error}");
    assert_eq!(read(&blocked), "mine");
    // A directory where a file should be: the files beside it are whole, and nothing half written is left.
    let out = dir.path().join("out");
    report::write_all(&results, &out).unwrap();
    let page = read(&out.join("index.html"));
    std::fs::remove_file(out.join("report.md")).unwrap();
    std::fs::create_dir(out.join("report.md")).unwrap();
    let mut other = results.clone();
    other.claims.truncate(1);
    assert!(report::write_all(&other, &out).unwrap_err().to_string().contains("report.md"));
    assert_eq!(read(&out.join("index.html")), page);
    let names: Vec<String> =
        std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|n| !n.contains(".tmp")), "{names:?}");
}

#[test]
fn names_of_files_are_safe_and_unique() {
    let mut results = sample::results();
    let plot = results.claims.iter().find_map(|c| c.plots.first()).unwrap().clone();
    results.claims[0].plots = vec![plot; 3];
    for (plot, id) in results.claims[0].plots.iter_mut().zip(["../../a b", "..-..-a-b", "..-..-A-b"]) {
        id.clone_into(&mut plot.id);
    }
    let (dir, written) = written(&results);
    let names: std::collections::BTreeSet<_> = written.plots.iter().collect();
    assert_eq!(names.len(), written.plots.len());
    assert!(written.plots.iter().all(|p| p.parent() == Some(&dir.path().join("plots"))));
}

#[test]
fn the_table_keeps_its_width() {
    let results = sample::results();
    for width in [40, 60, 80, 100, 120, 200] {
        let text = report::terminal_table(&results, false, width);
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
            assert_eq!(line, line.trim_end());
        }
        assert!(!text.contains('\x1b'));
        if width >= 80 {
            assert!(results.claims.iter().all(|c| text.contains(&c.id)), "{text}");
        }
        // Colour changes nothing but colour.
        let mut plain = report::terminal_table(&results, true, width);
        assert!(plain.contains("\x1b[32m"));
        while let Some(at) = plain.find('\x1b') {
            let end = at + plain[at..].find('m').unwrap();
            plain.replace_range(at..=end, "");
        }
        let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
        assert_eq!(trimmed, text.lines().collect::<Vec<_>>());
    }
    let text = report::terminal_table(&results, false, 100);
    assert!(text.contains("theorem-2.5 †") && text.contains("† derived here"), "{text}");
    assert!(text.contains("rejected") && text.contains("FAILS") && text.contains("… "), "{text}");
    assert!(text.contains("theorem-2.5 †") && text.contains("† derived here"), "{text}");
}

/// A slow machine shows the same: only the times differ.
#[test]
fn the_table_does_not_depend_on_how_long_it_took() {
    let mut results = sample::results();
    let tables = [1e-3, 7.0, 3_599.0].map(|seconds| {
        results.claims.iter_mut().for_each(|claim| claim.seconds = seconds);
        let text = report::terminal_table(&results, false, 80);
        let rows = text.lines().take(1 + results.claims.len());
        // The last column and the gap before it.
        let rows = rows.map(|line| line.chars().take(80 - 13).collect::<String>().trim_end().to_owned());
        rows.collect::<Vec<_>>()
    });
    assert_eq!(tables[0], tables[1]);
    assert_eq!(tables[1], tables[2]);
}
