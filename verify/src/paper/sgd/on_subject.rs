//! Independent runs of stochastic gradient descent on a user's loss, from one start.
//!
//! **Time.** A rate is about T large enough, and a run says whether its T was. The exact identity of Lemma B.3 splits
//! n_T^2 = n_0^2 + 2 sum eta_t^2 g_t + sum eta_t^4 g_t^2/n_t^2, g_t = ||grad_v F_t||^2. The first term is the start,
//! the last is almost all made by the first few steps; the effective rate has tuned itself once the sum in the middle
//! is as large as both, and has forgotten both when it is much larger. The three are measured, also where norms are
//! held fixed: then they are what n_T^2 would have been made of.
//!
//! **Looks.** The gradient of L costs one of F_z for every minibatch, K in all, and is taken in every K-th step of the
//! last decade: half of the work.

use ratecheck::bounds::eta_g_printed;
use ratecheck::descent::{Divergence, Schedule, StepRule, Stepper};
use ratecheck::loss::{Loss, Workspace};
use ratecheck::parameters::norm_sq;
use ratecheck::random::Seed;
use ratecheck::rates::{Estimate, Model, Runs, Summary, Window, log_spaced};

use super::{Table, centres};
use crate::claim::evidence::{Check, Context, Standing, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::subject::Subject;

/// Of every interval on a user's loss, which has few runs.
pub(crate) const LEVEL: f64 = 0.99;
/// Bins in the last decade.
const BINS: usize = 8;

/// How a subject is run.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) rule: StepRule,
    pub(crate) eta_w: f64,
    pub(crate) alpha: f64,
}

/// What all runs share.
#[derive(Clone)]
pub(crate) struct Design {
    pub(crate) eta_g: f64,
    /// T.
    pub(crate) n_steps: u64,
    pub(crate) n_runs: usize,
    /// The edges of the bins in [T/10, T], and every how many steps L is looked at there; none where it is not.
    looks: Option<(Vec<u64>, u64)>,
}

/// One run. Vectors have an entry per block.
pub(crate) struct Run {
    pub(crate) divergence: Option<Divergence>,
    pub(crate) n_end: Vec<f64>,
    /// 2 sum eta_t^2 g_t and sum eta_t^4 g_t^2/n_t^2.
    pub(crate) grown: [Vec<f64>; 2],
    /// The means of g_t over the third and over the last quarter of the steps.
    pub(crate) late: [Vec<f64>; 2],
    /// The largest n_t/n_{t+1}.
    pub(crate) shrank: f64,
    /// The means of ||grad_v L||^2 and of ||grad_g L||^2 over each bin.
    pub(crate) squares: [Vec<f64>; 2],
}

impl Design {
    /// T for so many runs that are to take about so many seconds of one core together;
    /// with looks at L where it is known.
    pub(crate) fn new(
        subject: &Subject,
        seconds: f64,
        [n_cells, n_runs]: [usize; 2],
        looks: bool,
        context: &Context,
    ) -> Result<Self, Unevaluated> {
        let looked = subject.n_minibatches().filter(|_| looks);
        // Half of the steps' work is added by the looks, and the optimiser's own.
        let share = if looked.is_some() { 2.0 } else { 1.0 };
        let n_steps = subject.steps(seconds / (share * (n_runs * n_cells) as f64), context.profile);
        let looks = looked.map(|k| (log_spaced((n_steps / 10).max(1), n_steps, BINS + 1), k as u64));
        Ok(Self { eta_g: subject.eta_g()?.0, n_steps, n_runs, looks })
    }

    /// The window of the bins.
    pub(crate) fn window(&self) -> Window {
        Window::new((self.n_steps / 10) as f64, self.n_steps as f64)
    }

    /// Where bins stand.
    fn bins(&self) -> Vec<f64> {
        let edges = self.looks.as_ref().map_or(&[][..], |(edges, _)| edges);
        centres(&edges.iter().map(|&t| t as f64).collect::<Vec<_>>())
    }

    /// All runs of one way, each from a generator of its own.
    pub(crate) fn runs(&self, subject: &Subject, way: Way, seed: &Seed) -> Result<Vec<Run>, Unevaluated> {
        let seed = seed.child(&format!("{:?}/{}/{}", way.rule, way.eta_w, way.alpha));
        (0..self.n_runs).in_parallel(|k| self.run(subject, way, &seed.child(&format!("run-{k}")))).into_iter().collect()
    }

    fn run(&self, subject: &Subject, way: Way, seed: &Seed) -> Result<Run, Unevaluated> {
        let (loss, m) = (&*subject.loss, subject.layout().n_blocks());
        let (rate_w, rate_g) = (Schedule::new(way.eta_w, way.alpha)?, Schedule::new(self.eta_g, 0.5)?);
        let mut stepper = Stepper::new(loss, &subject.theta, way.rule, rate_w, rate_g, seed.generator("z"));
        let zero = || vec![0.0; m];
        let (mut grown, mut late, mut shrank) = ([zero(), zero()], [zero(), zero()], 0.0_f64);
        let mut look = Look::new(loss);
        let mut squares = self.looks.as_ref().map_or(Vec::new(), |(edges, _)| vec![[0.0; 3]; edges.len() - 1]);
        let (mut before, mut divergence) = (zero(), None);
        let quarter = (self.n_steps / 4).max(1);
        for t in 0..self.n_steps {
            if let Some((edges, every)) = &self.looks
                && t >= edges[0]
                && (t - edges[0]) % every == 0
            {
                let bin = edges.partition_point(|&edge| edge <= t) - 1;
                let [v, g] = look.at(stepper.theta(), stepper.w_norm_sq());
                squares[bin] = [squares[bin][0] + v, squares[bin][1] + g, squares[bin][2] + 1.0];
            }
            before.copy_from_slice(stepper.w_norm_sq());
            if let Err(found) = stepper.step() {
                divergence = Some(found);
                break;
            }
            let eta_sq = rate_w.at(t) * rate_w.at(t);
            let age = (self.n_steps - 1 - t) / quarter;
            for i in 0..m {
                let (n, square) = (before[i], before[i] * stepper.gradient_norm_sq()[i]);
                grown[0][i] += 2.0 * eta_sq * square;
                grown[1][i] += (eta_sq * square / n).powi(2);
                if age < 2 {
                    late[1 - age as usize][i] += square / quarter as f64;
                }
                // A NaN stays.
                let ratio = n / stepper.w_norm_sq()[i];
                shrank = if ratio <= shrank || shrank.is_nan() { shrank } else { ratio };
            }
        }
        let mean = |k: usize| squares.iter().map(|bin| bin[k] / bin[2]).collect();
        Ok(Run { divergence, n_end: stepper.w_norm_sq().to_vec(), grown, late, shrank, squares: [mean(0), mean(1)] })
    }

    /// The log-log slope of the root mean square over runs, of grad_v (k = 0) or grad_g (k = 1), beside (ln t)^q;
    /// nothing where some bin was not looked at, or has no gradient left.
    pub(crate) fn slope(&self, runs: &[Run], k: usize, q: f64) -> Option<Estimate> {
        let values: Vec<f64> = runs.iter().flat_map(|run| run.squares[k].iter().copied()).collect();
        // Bin centres lie inside the window by half a bin.
        let model = Model::new(self.window(), Summary::RootMean).log_exponent(q);
        Runs::new(&self.bins(), &values, &model).and_then(|runs| runs.estimate()).ok()
    }

    /// The root mean square of both parts over the bins, for a plot.
    pub(crate) fn table(&self, runs: &[Run]) -> Table {
        let sums = runs.iter().flat_map(|run| run.squares[0].iter().zip(&run.squares[1]).map(|(v, g)| v + g));
        Table { t: self.bins(), values: sums.collect() }
    }
}

/// What n_T^2 is made of in one block, as means over the runs: the start, the sum in the middle,
/// the sum of fourth order.
pub(crate) fn made_of(subject: &Subject, runs: &[Run], i: usize) -> [f64; 3] {
    let n = subject.layout().w_norm_sq(&subject.theta, i);
    let mean = |k: usize| runs.iter().map(|run| run.grown[k][i]).sum::<f64>() / runs.len() as f64;
    [n * n, mean(0), mean(1)]
}

/// The gradient of L.
struct Look<'a> {
    loss: &'a dyn Loss,
    grad: Vec<f64>,
    scratch: Vec<f64>,
    work: Workspace,
}

impl<'a> Look<'a> {
    fn new(loss: &'a dyn Loss) -> Self {
        let blank = vec![0.0; loss.parameters().len()];
        Self { loss, grad: blank.clone(), scratch: blank, work: Workspace::default() }
    }

    /// ||grad_v L||^2 over all blocks, and ||grad_g L||^2.
    fn at(&mut self, theta: &[f64], n: &[f64]) -> [f64; 2] {
        let layout = self.loss.parameters();
        if self.loss.mean_gradient(theta, &mut self.grad, &mut self.scratch, &mut self.work).is_none() {
            return [f64::NAN; 2];
        }
        let blocks = layout.blocks().iter().zip(n);
        let v = blocks.map(|(block, n)| n * norm_sq(&self.grad[block.range.clone()])).sum();
        [v, norm_sq(&self.grad[layout.g()])]
    }
}

/// Whether the effective rate of a block has tuned itself: the sum in the middle is at least the other two parts.
pub(crate) fn is_tuned(subject: &Subject, runs: &[Run], i: usize) -> bool {
    let [start, middle, first] = made_of(subject, runs, i);
    middle >= start + first
}

/// A run that diverged lacks steps; without valid constants nothing forbids that.
pub(crate) fn all_steps(check: &mut Check, at: &str, runs: &[Run], n_steps: u64) -> bool {
    let Some(found) = runs.iter().find_map(|run| run.divergence) else { return true };
    check.at_most(format!("{at}: {found}; steps not made"), (n_steps - found.step) as f64, 0.0, 0.0);
    false
}

/// Records the premise eta_g <= 2(1-c)/L^gg with c = 1/2, from what is known of L^gg.
pub(crate) fn eta_g_is_admissible(check: &mut Check, subject: &Subject, eta_g: f64) -> Result<(), Unevaluated> {
    if !subject.has_g() {
        return Ok(());
    }
    let known = subject.constants()?;
    let [most, least] = [known.best(), &known.least].map(|constants| eta_g_printed(constants.l_gg, 0.5));
    let standing = match &known.most {
        Some(_) if eta_g <= most => Standing::Met,
        _ if eta_g <= least => Standing::Assumed,
        _ => Standing::NotMet,
    };
    let detail = match &known.most {
        Some(_) => format!("η_g = {eta_g:.3e}; the limit is between {most:.3e} and {least:.3e}"),
        None => format!("η_g = {eta_g:.3e}; the limit is at most {least:.3e}"),
    };
    check.hypothesis(format!("{}: η_g ≤ 2(1-c)/L^gg with c = 1/2", subject.name), standing, detail);
    Ok(())
}
