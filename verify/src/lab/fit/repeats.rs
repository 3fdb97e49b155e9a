//! Steps that a run recorded more than once.

use super::table::Row;

/// What counts where a step was recorded again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OnRepeat {
    /// The last value: what a resumed run went on from.
    Last,
    /// The first value.
    First,
    /// The mean of all.
    Mean,
    /// None: it is an error.
    Error,
}

/// What was found.
#[derive(Debug, PartialEq)]
pub(super) enum Settled {
    /// Rows with increasing steps, and how many were there besides.
    Rows(Vec<Row>, usize),
    /// A step that occurs twice, first and again, and whether the log begins anew there.
    Twice { first: Row, again: Row, anew: bool },
}

/// Rows sorted by their steps, each step once.
///
/// Values that agree are one. If nothing is said, the last of several values counts where the rows read like those of a
/// run that was resumed: they fall back a few times, never to the first step, and then rise again. Two runs one after
/// the other, or side by side, do not.
pub(super) fn settle(mut rows: Vec<Row>, rule: Option<OnRepeat>) -> Settled {
    let resumed = rule.is_some() || is_resumed(&rows);
    let rule = rule.unwrap_or(OnRepeat::Last);
    let falls = |pair: &[Row]| pair[1].step <= pair[0].step;
    let first = rows.first().map_or(0.0, |row| row.step);
    let anew = rows.windows(2).any(|pair| falls(pair) && pair[1].step <= first);
    let n_rows = rows.len();
    // Stable: of equal steps the order of the file.
    rows.sort_by(|a, b| a.step.total_cmp(&b.step));
    let mut settled: Vec<Row> = Vec::with_capacity(n_rows);
    let mut again = 1.0;
    for row in rows {
        let Some(last) = settled.last_mut().filter(|last| last.step == row.step) else {
            settled.push(row);
            again = 1.0;
            continue;
        };
        if last.value.to_bits() == row.value.to_bits() {
            again += 1.0;
            continue;
        }
        if rule == OnRepeat::Error || !resumed {
            return Settled::Twice { first: *last, again: row, anew };
        }
        again += 1.0;
        match rule {
            OnRepeat::Last => *last = row,
            OnRepeat::Mean => last.value += (row.value - last.value) / again,
            OnRepeat::First | OnRepeat::Error => {}
        }
    }
    let surplus = n_rows - settled.len();
    Settled::Rows(settled, surplus)
}

/// Whether rows in the order of the file are stretches of one run: three rows each at least on average, none from the
/// first step on.
fn is_resumed(rows: &[Row]) -> bool {
    let first = rows.first().map_or(0.0, |row| row.step);
    let falls: Vec<&Row> = rows.windows(2).filter(|pair| pair[1].step <= pair[0].step).map(|pair| &pair[1]).collect();
    falls.iter().all(|row| row.step > first) && 3 * (falls.len() + 1) <= rows.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(pairs: &[(f64, f64)]) -> Vec<Row> {
        pairs.iter().enumerate().map(|(at, &(step, value))| Row { at, step, value }).collect()
    }

    fn settled(pairs: &[(f64, f64)], rule: Option<OnRepeat>) -> Option<(Vec<(f64, f64)>, usize)> {
        match settle(rows(pairs), rule) {
            Settled::Rows(rows, surplus) => Some((rows.iter().map(|row| (row.step, row.value)).collect(), surplus)),
            Settled::Twice { .. } => None,
        }
    }

    const RESUMED: [(f64, f64); 7] =
        [(1.0, 9.0), (2.0, 8.0), (3.0, 7.0), (2.0, 4.0), (3.0, 3.0), (4.0, 2.0), (3.0, 2.0)];

    #[test]
    fn after_a_resume_the_last_counts_unless_told() {
        // Three stretches in seven rows are too many; the two of the first six are not.
        let two = &RESUMED[..6];
        assert_eq!(settled(two, None), Some((vec![(1.0, 9.0), (2.0, 4.0), (3.0, 3.0), (4.0, 2.0)], 2)));
        assert_eq!(settled(&RESUMED, None), None);
        let of = |rule| settled(&RESUMED, Some(rule)).map(|(rows, _)| rows.iter().map(|row| row.1).collect::<Vec<_>>());
        assert_eq!(of(OnRepeat::Last), Some(vec![9.0, 4.0, 2.0, 2.0]));
        assert_eq!(of(OnRepeat::First), Some(vec![9.0, 8.0, 7.0, 2.0]));
        assert_eq!(of(OnRepeat::Mean), Some(vec![9.0, 6.0, 4.0, 2.0]));
        assert_eq!(of(OnRepeat::Error), None);
    }

    #[test]
    fn two_runs_are_no_resume() {
        // One after the other, and side by side.
        let stacked = [(1.0, 9.0), (2.0, 8.0), (3.0, 7.0), (1.0, 8.0), (2.0, 7.0), (3.0, 6.0)];
        let beside = [(1.0, 9.0), (1.0, 8.0), (2.0, 8.0), (2.0, 7.0), (3.0, 7.0), (3.0, 6.0)];
        for pairs in [stacked, beside] {
            assert!(matches!(settle(rows(&pairs), None), Settled::Twice { anew: true, .. }));
        }
        // Rows in any order, and copies of a row.
        assert_eq!(settled(&[(3.0, 7.0), (1.0, 9.0), (1.0, 9.0)], None), Some((vec![(1.0, 9.0), (3.0, 7.0)], 1)));
    }
}
