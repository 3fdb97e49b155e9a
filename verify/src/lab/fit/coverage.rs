//! What is known of how often the intervals cover.

use serde::Serialize;

/// The nominal level at which it was measured.
pub(super) const LEVEL: f64 = 0.95;

/// How often the intervals over so many runs covered the truth in the calibration study.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// The number of runs, of those studied the largest that is no larger than that of the log.
    pub n_runs: usize,
    /// Of the pooled slope: the least and the most over kinds of noise that all runs share.
    pub pooled: [f64; 2],
    /// Of the mean of the single runs' slopes: the same.
    pub run_by_run: [f64; 2],
    /// Of both, where one run in ten reaches a plateau.
    pub with_plateaus: [f64; 2],
}

/// From the section "Coverage over few runs" of reports/calibration.md; a test compares them.
const MEASURED: [Coverage; 5] = [
    Coverage { n_runs: 2, pooled: [0.911, 0.948], run_by_run: [0.946, 0.951], with_plateaus: [0.802, 0.878] },
    Coverage { n_runs: 3, pooled: [0.895, 0.946], run_by_run: [0.948, 0.95], with_plateaus: [0.511, 0.749] },
    Coverage { n_runs: 5, pooled: [0.884, 0.942], run_by_run: [0.947, 0.95], with_plateaus: [0.407, 0.542] },
    Coverage { n_runs: 10, pooled: [0.893, 0.951], run_by_run: [0.947, 0.952], with_plateaus: [0.639, 0.646] },
    Coverage { n_runs: 30, pooled: [0.916, 0.945], run_by_run: [0.947, 0.954], with_plateaus: [0.921, 0.908] },
];

/// What is known at `n_runs` runs; nothing for one.
pub(super) fn known(n_runs: usize) -> Option<Coverage> {
    MEASURED.iter().rev().find(|one| one.n_runs <= n_runs).copied()
}

/// `0.88 to 0.94`, or one number where both are the same as shown.
fn span([low, high]: [f64; 2]) -> String {
    let [low, high] = [low, high].map(|x| format!("{x:.2}"));
    if low == high { low } else { format!("{low} to {high}") }
}

impl Coverage {
    /// In a sentence.
    pub fn sentence(&self) -> String {
        let [pooled, run_by_run] = self.with_plateaus;
        format!(
            "what is known of coverage: with {} runs, intervals of nominal {LEVEL} covered with a frequency of {} for \
             the mean over the runs, and of {} run by run, in the noises studied; {pooled:.2} and {run_by_run:.2} \
             where one run in ten reaches a plateau (reports/calibration.md)",
            self.n_runs,
            span(self.pooled),
            span(self.run_by_run),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
        std::fs::read_to_string(path).expect("the file is committed")
    }

    /// (noise, runs, pooled, run by run) of every row of the study.
    fn study() -> Vec<(String, usize, f64, f64)> {
        let report = file("reports/calibration.md");
        let section = report.split("## Coverage over few runs").nth(1).expect("the section");
        let rows = section.split("\n## ").next().expect("its text").lines().filter(|line| line.starts_with("| "));
        let number = |cell: &str| cell.split_whitespace().next().and_then(|x| x.parse().ok()).expect("a number");
        let row = |line: &str| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            (cells[1].to_owned(), cells[2].parse().expect("a number of runs"), number(cells[3]), number(cells[4]))
        };
        rows.skip(2).map(row).collect()
    }

    #[test]
    fn what_is_said_is_what_was_measured() {
        let study = study();
        let mut numbers: Vec<usize> = study.iter().map(|row| row.1).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers, MEASURED.map(|one| one.n_runs));
        for one in MEASURED {
            let of = |plateaus: bool| {
                study.iter().filter(move |row| row.1 == one.n_runs && row.0.contains("plateau") == plateaus)
            };
            let span = |values: Vec<f64>| {
                [values.iter().copied().fold(f64::INFINITY, f64::min), values.iter().copied().fold(0.0, f64::max)]
            };
            assert_eq!(of(false).count(), 3);
            assert_eq!(span(of(false).map(|row| row.2).collect()), one.pooled, "{} runs", one.n_runs);
            assert_eq!(span(of(false).map(|row| row.3).collect()), one.run_by_run, "{} runs", one.n_runs);
            let [plateaus] = of(true).map(|row| [row.2, row.3]).collect::<Vec<_>>()[..] else { panic!("one row") };
            assert_eq!(plateaus, one.with_plateaus, "{} runs", one.n_runs);
        }
    }

    #[test]
    fn the_guide_says_the_same() {
        let guide = file("docs/fit.md");
        for one in MEASURED {
            let ([a, b], pooled, own) = (one.with_plateaus, span(one.pooled), span(one.run_by_run));
            let row = format!("| {} | {pooled} | {own} | {a:.2} | {b:.2} |", one.n_runs);
            assert!(guide.contains(&row), "{row}");
        }
    }

    #[test]
    fn the_largest_number_of_runs_that_is_no_larger() {
        assert_eq!(known(1), None);
        for (n_runs, expected) in [(2, 2), (3, 3), (4, 3), (9, 5), (10, 10), (29, 10), (5000, 30)] {
            assert_eq!(known(n_runs).map(|one| one.n_runs), Some(expected));
        }
    }
}
