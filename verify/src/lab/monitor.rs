//! The log of the Python package's Monitor: squared norms beside what Lemma 2.4 makes of them.
//!
//! Under plain SGD, n_(t+1) = n_t + eta^2 ||grad_w||^2 for the squared norm n of a scale-invariant block. The Monitor
//! records n_t, ||grad_w||, eta/n_t and by how much the growth of one step is off, every so many steps; between two of
//! them the growth of a step is taken to go linearly from the one to the other.
//!
//! With weight decay lambda, n_(t+1) = rho^2 n_t + eta^2 ||grad_w||^2 with rho = 1 - eta lambda. So every row has a rho
//! of its own, rho^2 = 1 + growth eta^2 ||grad_w||^2 / n, and where the rows agree on it the norm tends to the
//! equilibrium n^2 = eta^2 ||grad_v||^2 / (1 - rho^2), with ||grad_v||^2 = n ||grad_w||^2 in the mean over steps.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::lab::problem::ProblemError;
use crate::text::plain::quote;

/// What is read of a row.
const COLUMNS: [&str; 6] = ["step", "block", "w_norm_sq", "grad_norm", "effective_rate", "norm_growth"];

/// One recorded step of a block.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row {
    /// t.
    pub step: f64,
    /// ||w_t||^2.
    pub w_norm_sq: f64,
    /// eta^2 ||grad_w||^2: what Lemma 2.4 adds in the step.
    pub increment: f64,
    /// What was added, over that, less 1.
    pub growth: f64,
    /// ||w_t||^2 as the recursion has it from the first row on.
    pub recursion: f64,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Block {
    /// Its name.
    pub name: String,
    /// Its rows, in the order of the steps.
    pub rows: Vec<Row>,
    /// 1 - rho, the share by which a step shrinks the weights besides: the quartiles over the rows.
    pub decay: [f64; 3],
    /// ||w||^2 at equilibrium, with the mean of ||grad_v||^2 over the second half of the rows; where the rows agree on
    /// a decay.
    pub equilibrium: Option<f64>,
}

/// A whole log.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Monitored {
    /// The file.
    pub file: PathBuf,
    /// The blocks, in the order of their first row.
    pub blocks: Vec<Block>,
}

impl Monitored {
    /// Reads a log.
    ///
    /// # Errors
    /// With file, line, column and remedy: a file that cannot be read or lacks a column, a field that is no number, a
    /// squared norm or a rate that is not positive and finite, steps that do not increase, no row of any block.
    pub fn read(path: &Path) -> Result<Self, ProblemError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            ProblemError::of_file(path, format!("cannot be read: {error}"), "give a log of ratecheck.torch.Monitor")
        })?;
        Self::parse(&text, path)
    }

    /// The same of a text.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn parse(text: &str, path: &Path) -> Result<Self, ProblemError> {
        let fault = |line: Option<u64>, column: Option<&str>, what: String, remedy: &str| ProblemError {
            line: line.map(|line| line as usize),
            key: column.map(str::to_owned),
            ..ProblemError::of_file(path, what, remedy)
        };
        let format = "give a log of ratecheck.torch.Monitor, as it wrote it";
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let broken = |error: csv::Error| {
            fault(error.position().map(csv::Position::line), None, format!("is no CSV: {error}"), format)
        };
        let head = reader.headers().map_err(broken)?.clone();
        let mut places = [0; COLUMNS.len()];
        for (place, name) in places.iter_mut().zip(COLUMNS) {
            let found = head.iter().position(|column| column == name);
            *place = found.ok_or_else(|| fault(Some(1), Some(name), "there is no such column".to_owned(), format))?;
        }
        let mut blocks: Vec<(String, Vec<[f64; 5]>)> = Vec::new();
        for record in reader.records() {
            let record = record.map_err(broken)?;
            let line = record.position().map_or(0, csv::Position::line);
            let cell = |k: usize| record.get(places[k]).unwrap_or_default().trim();
            // Layers of normalisation have rows of their own, without a norm.
            if cell(2).is_empty() {
                continue;
            }
            let mut numbers = [0.0; 5];
            for (number, k) in numbers.iter_mut().zip([0, 2, 3, 4, 5]) {
                *number = cell(k).parse().map_err(|_| {
                    fault(Some(line), Some(COLUMNS[k]), format!("`{}` is no number", quote(cell(k))), format)
                })?;
            }
            let [step, w_norm_sq, grad_norm, rate, growth] = numbers;
            let positive = |x: f64| x > 0.0 && x.is_finite();
            if !(positive(w_norm_sq) && positive(rate) && grad_norm >= 0.0 && grad_norm.is_finite()) {
                let what = format!("a squared norm of {w_norm_sq}, a gradient of {grad_norm} and a rate of {rate}");
                return Err(fault(Some(line), None, what, "end the log before the run diverged"));
            }
            // 0/0, where there is no gradient: nothing was to be added.
            if !(growth.is_finite() || grad_norm == 0.0) {
                let what = format!("a growth of {growth}");
                return Err(fault(Some(line), Some(COLUMNS[5]), what, "end the log before the run diverged"));
            }
            let name = quote(cell(1));
            let place = blocks.iter().position(|block| block.0 == name).unwrap_or_else(|| {
                blocks.push((name, Vec::new()));
                blocks.len() - 1
            });
            if let Some(before) = blocks[place].1.last().filter(|before| !(step > before[0])) {
                let what = format!("step {step} after step {}", before[0]);
                return Err(fault(Some(line), Some(COLUMNS[0]), what, "give the log of one run, from one start"));
            }
            blocks[place].1.push(numbers);
        }
        if blocks.is_empty() {
            return Err(fault(None, None, "holds no row of any block".to_owned(), format));
        }
        let blocks = blocks.into_iter().map(|(name, rows)| Block::of(name, rows));
        Ok(Self { file: path.to_owned(), blocks: blocks.collect() })
    }
}

impl Block {
    fn of(name: String, numbers: Vec<[f64; 5]>) -> Self {
        let mut rows: Vec<Row> = Vec::new();
        for [step, w_norm_sq, grad_norm, effective_rate, growth] in numbers {
            let rate = effective_rate * w_norm_sq;
            let increment = rate * rate * grad_norm * grad_norm;
            let recursion = rows.last().map_or(w_norm_sq, |before| before.next(step, increment));
            let growth = if increment > 0.0 { growth } else { 0.0 };
            rows.push(Row { step, w_norm_sq, increment, growth, recursion });
        }
        let decay = quartiles(rows.iter().map(|row| 1.0 - row.rho_sq().max(0.0).sqrt()).collect());
        // In the mean over steps, n^2 (1 - rho^2) = eta^2 ||grad_v||^2 = n eta^2 ||grad_w||^2.
        let late = &rows[rows.len() / 2..];
        let source = late.iter().map(|row| row.w_norm_sq * row.increment).sum::<f64>() / late.len() as f64;
        let [low, middle, high] = decay;
        // Rows that say half of it here and twice as much there have no decay in common.
        let agree = low > 0.0 && high < 2.0 * low;
        let equilibrium = agree.then(|| (source / (1.0 - (1.0 - middle) * (1.0 - middle))).sqrt());
        Self { name, rows, decay, equilibrium }
    }
}

impl Row {
    /// (1 - eta lambda)^2, if what is missing is decay.
    fn rho_sq(&self) -> f64 {
        1.0 + self.growth * self.increment / self.w_norm_sq
    }

    /// The recursion at a later row: one step is exact, several go by the trapezoidal rule.
    fn next(&self, step: f64, increment: f64) -> f64 {
        let steps = step - self.step;
        let each = if steps == 1.0 { self.increment } else { 0.5 * (self.increment + increment) };
        self.recursion + steps * each
    }
}

/// By linear interpolation between order statistics.
fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    [0.25, 0.5, 0.75].map(|p| {
        let position = (values.len() - 1) as f64 * p;
        let (below, share) = (position.floor() as usize, position.fract());
        let above = (below + 1).min(values.len() - 1);
        values[below] + share * (values[above] - values[below])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "step,block,w_norm_sq,grad_norm,grad_v_norm,effective_rate,angular_update,orthogonality,\
                        norm_growth,epsilon_share,full_grad_v_norm\n";

    /// SGD on a block whose ||grad_v||^2 is 4 - cos t, with decay, logged every so many steps as the Monitor does.
    fn log(rate: f64, decay: f64, steps: usize, every: usize) -> String {
        let mut text = HEAD.to_owned();
        let mut n = 2.0_f64;
        for t in 0..steps {
            let grad_v_sq = 4.0 - libm::cos(t as f64);
            let grad_sq = grad_v_sq / n;
            let rho = 1.0 - rate * decay;
            let next = rho * rho * n + rate * rate * grad_sq;
            if t.is_multiple_of(every) {
                let growth = (next - n) / (rate * rate * grad_sq) - 1.0;
                let (grad, rate) = (grad_sq.sqrt(), rate / n);
                text += &format!("{t},0.weight,{n},{grad},{},{rate},0.1,0,{growth},,\n", grad_v_sq.sqrt());
                text += &format!("{t},1,,,,,,,,0.001,\n");
            }
            n = next;
        }
        text
    }

    fn parsed(text: &str) -> Result<Monitored, String> {
        Monitored::parse(text, Path::new("norms.csv")).map_err(|error| error.to_string())
    }

    #[test]
    fn every_step_is_the_recursion_itself() {
        let found = parsed(&log(0.5, 0.0, 300, 1)).expect("a log");
        let [block] = found.blocks.as_slice() else { panic!("{found:?}") };
        assert_eq!((block.name.as_str(), block.rows.len(), block.equilibrium), ("0.weight", 300, None));
        for row in &block.rows {
            // Three hundred sums and products, each rounded.
            assert!((row.recursion / row.w_norm_sq - 1.0).abs() < 1e-12, "{row:?}");
            assert!(row.growth.abs() < 1e-11);
        }
    }

    #[test]
    fn some_steps_are_the_recursion_as_far_as_they_tell() {
        // Every seventh step: the mean of 4 - cos t over any stretch of 7 k steps is 4 up to 1/(7 k).
        let found = parsed(&log(0.1, 0.0, 5000, 7)).expect("a log");
        let last = found.blocks[0].rows.last().copied().expect("rows");
        // n^2 grows as 2 eta^2 4 t = 400 from 4, and half of a relative error of 1/7 in one stretch of 700 remains.
        assert!((last.recursion / last.w_norm_sq - 1.0).abs() < 0.01, "{last:?}");
    }

    #[test]
    fn decay_is_seen_and_its_equilibrium_met() {
        let (rate, decay) = (0.5, 0.02);
        let found = parsed(&log(rate, decay, 4000, 3)).expect("a log");
        let block = &found.blocks[0];
        for quartile in block.decay {
            assert!((quartile - rate * decay).abs() < 1e-10, "{:?}", block.decay);
        }
        // Claim equilibrium: n^2 = eta q/(lambda (2 - eta lambda)) with q = 4.
        let exact = (rate * 4.0 / (decay * (2.0 - rate * decay))).sqrt();
        let equilibrium = block.equilibrium.expect("decay");
        let last = block.rows.last().copied().expect("rows");
        // The mean of cos t over 2000/3 steps is at most 3/2000; n^2 goes along with single steps by eta^2 = 1/4 of
        // 200.
        assert!((equilibrium / exact - 1.0).abs() < 2e-3, "{equilibrium} {exact}");
        assert!((last.w_norm_sq / exact - 1.0).abs() < 5e-3, "{last:?} {exact}");
        // The recursion without decay goes on growing.
        assert!(last.recursion > 3.0 * last.w_norm_sq);
    }

    #[test]
    fn what_is_no_such_log_is_named() {
        let good = log(0.5, 0.0, 4, 1);
        for (text, parts) in [
            ("step,value\n1,2\n".to_owned(), &["norms.csv:1:", "block", "no such column"][..]),
            (HEAD.to_owned(), &["holds no row"]),
            (good.replace("\n2,0.weight,", "\n0,0.weight,"), &["step 0 after step 1", "one run"]),
            (good.replace("0.weight,2,", "0.weight,-2,"), &["norms.csv:2:", "-2"]),
            (good.replace("0.weight,2,", "0.weight,NaN,"), &["norms.csv:2:", "NaN"]),
            (good.replace("0.weight,2,", "0.weight,x\u{1b},"), &["norms.csv:2:", "w_norm_sq", "no number"]),
            (good.replacen(",0.1,0,", ",0.1,0,inf", 1), &["norms.csv:2:", "norm_growth"]),
        ] {
            let error = parsed(&text).expect_err(&text);
            assert!(parts.iter().all(|part| error.contains(part)) && !error.contains(char::is_control), "{error}");
        }
        // A block without a gradient has none to grow by.
        let still = format!("{HEAD}0,w,1,0,0,0.5,0,nan,nan,,\n1,w,1,0,0,0.5,0,nan,nan,,\n");
        assert_eq!(parsed(&still).expect("a log").blocks[0].rows[1].recursion, 1.0);
    }
}
