//! Runs at common steps.

use ratecheck::rates::BIN_RATIO;

use super::table::Row;

/// Runs x steps.
#[derive(Debug, PartialEq)]
pub(super) struct Common {
    pub(super) t: Vec<f64>,
    /// Row by row.
    pub(super) values: Vec<f64>,
    /// Whether the steps differ, so that runs were read between their own.
    pub(super) interpolated: bool,
}

/// Values that interpolation may make, if the log itself has not more: what a bootstrap resamples in seconds.
const VALUES: usize = 1 << 20;

fn last(rows: &[Row]) -> f64 {
    rows.last().map_or(0.0, |row| row.step)
}

/// T: the last step of the run that ends first.
///
/// Runs that recorded different steps need not end at the same one. They may differ by the ratio of a bin, or by that
/// of a run's own last two steps if its last is none that the longest has.
///
/// # Errors
/// The place of a run that ends earlier than that.
pub(super) fn end(runs: &[&[Row]]) -> Result<f64, usize> {
    let Some(longest) = runs.iter().max_by(|a, b| last(a).total_cmp(&last(b))) else { return Ok(0.0) };
    let ends_early = |rows: &&[Row]| {
        let end = last(rows);
        let apart = rows.len().checked_sub(2).map_or(1.0, |place| end / rows[place].step);
        let shared = longest.binary_search_by(|row| row.step.total_cmp(&end)).is_ok();
        last(longest) > end * if shared { BIN_RATIO } else { apart.max(BIN_RATIO) }
    };
    match runs.iter().position(ends_early) {
        Some(short) => Err(short),
        None => Ok(runs.iter().map(|rows| last(rows)).fold(f64::INFINITY, f64::min)),
    }
}

/// Lays out runs, each with increasing steps, over the steps up to `end` that all of them span. Where they differ,
/// every run is read at the steps of all, linearly in ln t between its own: for a power law T^p the chord across a gap
/// of ratio r is too high by at most (p ln r)^2 / 8 of the value at its beginning, and independent noise does not shift
/// it. Nothing is read beyond a run's own steps.
///
/// If those were too many, as of thousands of runs, they are thinned evenly, first and last kept.
///
/// # Errors
/// The place of a run that ends before another begins.
pub(super) fn steps(runs: &[&[Row]], end: f64) -> Result<Common, usize> {
    let begin = runs.iter().filter_map(|rows| rows.first()).map(|row| row.step).fold(0.0, f64::max);
    if let Some(short) = runs.iter().position(|rows| rows.is_empty() || last(rows) < begin) {
        return Err(short);
    }
    let inside = |rows: &&[Row]| {
        let (from, to) = (rows.partition_point(|row| row.step < begin), rows.partition_point(|row| row.step <= end));
        from..to
    };
    let mut common = Common { t: Vec::new(), values: Vec::new(), interpolated: false };
    let Some(first) = runs.first() else { return Ok(common) };
    common.t = first[inside(first)].iter().map(|row| row.step).collect();
    let agrees = |rows: &&[Row]| rows[inside(rows)].iter().map(|row| &row.step).eq(&common.t);
    if runs.iter().all(agrees) {
        common.values = runs.iter().flat_map(|rows| rows[inside(rows)].iter().map(|row| row.value)).collect();
        return Ok(common);
    }
    let mut t: Vec<f64> = runs.iter().flat_map(|rows| rows[inside(rows)].iter().map(|row| row.step)).collect();
    let n_values = t.len();
    t.sort_unstable_by(f64::total_cmp);
    t.dedup();
    let most = (VALUES / runs.len()).max(n_values / runs.len()).max(2);
    if t.len() > most {
        t = (0..most).map(|k| t[k * (t.len() - 1) / (most - 1)]).collect();
    }
    let values = runs.iter().flat_map(|rows| read_at(rows, &t)).collect();
    Ok(Common { t, values, interpolated: true })
}

/// The values of a run at increasing steps within its own.
fn read_at(rows: &[Row], t: &[f64]) -> Vec<f64> {
    let mut next = 0;
    let value = |&t: &f64| {
        while rows[next].step < t {
            next += 1;
        }
        let b = rows[next];
        if b.step == t || next == 0 {
            return b.value;
        }
        let a = rows[next - 1];
        // There is no logarithm of 0.
        let share = match a.step > 0.0 {
            true => libm::log(t / a.step) / libm::log(b.step / a.step),
            false => t / b.step,
        };
        a.value * (1.0 - share) + b.value * share
    };
    t.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(pairs: &[(f64, f64)]) -> Vec<Row> {
        pairs.iter().map(|&(step, value)| Row { at: 0, step, value }).collect()
    }

    #[test]
    fn runs_are_read_between_their_steps_in_ln_t() {
        let a = rows(&[(0.0, 9.0), (1.0, 8.0), (4.0, 4.0), (16.0, 2.0)]);
        let b = rows(&[(1.0, 6.0), (2.0, 5.0), (8.0, 3.0), (18.0, 1.0)]);
        let end = end(&[&a, &b]).expect("they end together");
        let common = steps(&[&a, &b], end).expect("they overlap");
        // From where both have begun to where the first ends. 2 is halfway from 1 to 4 in ln t, 8 from 4 to 16, 4 from
        // 2 to 8.
        assert_eq!(common.t, [1.0, 2.0, 4.0, 8.0, 16.0]);
        let expected = [8.0, 6.0, 4.0, 3.0, 2.0, 6.0, 5.0, 4.0, 3.0];
        for (value, expected) in common.values.iter().zip(expected) {
            // Two logarithms and two products.
            assert!((value - expected).abs() < 1e-14, "{:?}", common.values);
        }
        let share = libm::log(2.0) / libm::log(18.0 / 8.0);
        assert!((common.values[9] - (3.0 - 2.0 * share)).abs() < 1e-14 && common.interpolated);
    }

    #[test]
    fn a_chord_is_above_a_power_law_by_what_it_says() {
        let (p, r) = (-0.5_f64, 4.0_f64);
        let law = |t: f64| libm::pow(t, p);
        let own = rows(&[(1.0, 1.0), (r, law(r))]);
        let t: Vec<f64> = (0..=100).map(|k| libm::pow(r, f64::from(k) / 100.0)).collect();
        let bound = (p * r.ln()).powi(2) / 8.0;
        let above: Vec<f64> = read_at(&own, &t).iter().zip(&t).map(|(y, &t)| y / law(t) - 1.0).collect();
        // The bound is of second order in p ln r = 0.7; where the chord is highest the law is lower than at the
        // beginning by e^0.35.
        assert!(above.iter().all(|&x| (-1e-15..bound * 1.42).contains(&x)) && above[50] > 0.8 * bound, "{above:?}");
    }

    #[test]
    fn the_same_steps_are_kept_and_a_short_run_is_found() {
        let a = rows(&[(1.0, 3.0), (10.0, 2.0), (100.0, 1.0)]);
        let b = rows(&[(10.0, 5.0), (100.0, 4.0)]);
        let end = end(&[&a, &b]).expect("they end together");
        let common = steps(&[&a, &b], end).expect("they overlap");
        assert_eq!(common, Common { t: vec![10.0, 100.0], values: vec![2.0, 1.0, 5.0, 4.0], interpolated: false });
        // It ends early, since the other recorded more steps and these; with steps of its own it may have ended between
        // two of them.
        assert_eq!(super::end(&[&a, &a[..2]]), Err(1));
        assert_eq!(super::end(&[&a, &rows(&[(2.0, 1.0), (20.0, 1.0)])]), Ok(20.0));
        assert_eq!(super::end(&[&a, &rows(&[(10.0, 1.0), (20.0, 1.0)])]), Err(1));
        let apart = [rows(&[(1.0, 1.0), (2.0, 1.0)]), rows(&[(2.25, 1.0), (2.4, 1.0)])];
        assert_eq!(super::end(&[&apart[0], &apart[1]]), Ok(2.0));
        assert_eq!(steps(&[&apart[0], &apart[1]], 2.0), Err(0));
    }

    #[test]
    fn many_steps_are_thinned() {
        // Each of 2000 runs has three steps, of which one is its own: 2002 steps, of which VALUES / 2000 = 524 are
        // kept.
        let runs: Vec<Vec<Row>> =
            (0..2000).map(|k| rows(&[(1.0, 1.0), (2.0 + f64::from(k), 1.0), (1e4, 1.0)])).collect();
        let common = steps(&runs.iter().map(Vec::as_slice).collect::<Vec<_>>(), 1e4).expect("they overlap");
        assert_eq!((common.t.len(), common.t[0], common.t[523]), (524, 1.0, 1e4));
        assert!(common.t.is_sorted_by(|a, b| a < b) && common.values.iter().all(|&value| value == 1.0));
    }
}
