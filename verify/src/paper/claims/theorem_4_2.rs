//! Theorem 4.2 (13): stochastic gradient descent with a rate eta_w (t+1)^(-alpha) on w finds a stationary point, for
//! every alpha in [0, 1/2] and every eta_w.
//!
//! The inequality is checked on problem J, where every constant is exact, in two ways.
//!
//! * With the expectation itself: for d = 2 there are 8 samples, and all 8^(T-1) equally likely paths to theta_{T-1}
//!   are followed, depth first.
//! * For d = 4 and longer runs, with an upper confidence bound of the expectation. What the theorem bounds is, on every
//!   path, a number in [0, b]: ||grad_v L||^2 = g^2 ||c - (c'v) v||^2 <= K^2 and |grad_g L| = |g - c'v| <= K + 1, where
//!   |g_t| <= K on every path ([`ProblemJ::radius`]; it needs eta_g <= 1 and nothing else). So the empirical Bernstein
//!   bound applies (Maurer & Pontil, COLT 2009, Theorem 4): with probability 1 - delta, for n independent runs with
//!   mean x and variance V, E X <= x + sqrt(2 V ln(2/delta)/n) + 7 b ln(2/delta)/(3(n - 1)). It holds for every n,
//!   where a normal or Student bound at such a level would trust the far tail of an approximation; Hoeffding's would
//!   charge b where this charges sqrt(V).
//!
//! The average over t stands in for the minimum over t: the minimum of estimated means is biased towards passing.
//!
//! Constants: C from those of the mean loss L (Lemma B.2 expands the mean), D and the rest from LA = L^vv of every F_z.

mod blocks;
mod on_subject;
mod terms;

use ratecheck::bounds::{self, Constant, Factors};
use ratecheck::descent::{Plan, Schedule, StepRule, run_many};
use ratecheck::loss::{Over, Setting, Workspace, closed::ProblemJ};
use ratecheck::parameters::norm_sq;
use ratecheck::random::Seed;
use ratecheck::rates::Interval;
use rayon::prelude::*;

use self::terms::{Bound, Terms, left};
use crate::claim::decide::below;
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Standing, Statement, Unevaluated,
};
use crate::claim::instances::U;
use crate::claim::plot::{Plot, Series, Style};
use crate::claim::sampled_test::SampledTest;
use crate::paper::paths::Tree;
use crate::paper::slack;

/// See the module's first line.
pub(super) struct Theorem42;

static STATEMENT: Statement = Statement {
    id: "theorem-4.2",
    title: "Theorem 4.2",
    plain: "Stochastic gradient descent with any learning rate of scale-invariant weights, constant or decaying up to \
            as fast as T^(-1/2), finds a stationary point, at a rate that hardly depends on it.",
    formula: "ψ Σ_{t<T} E‖∇_v L(θ̃_t)‖² + (c/2)η_g T^(-1/2) Σ_{t<T} E‖∇_g L(θ_t)‖² ≤ Br = Δ + C(Λ + 1 + 2η_w²L_A²/n₀²) \
              + Uη_g²H_T(1);  \
              min_{t<T} E‖∇L(θ̃_t)‖² ≤ Br/(TΨ)",
    latex: &[
        r"\psi\sum_{t<T}\mathbb{E}\|\nabla_vL(\tilde\theta_t)\|^2+\frac c2\,\eta_g\,T^{-1/2}\sum_{t<T}\mathbb{E}\|\nabla_gL(\theta_t)\|^2\le B_r",
        r"B_r=\Delta+C\Bigl(\Lambda+1+\frac{2\eta_w^2L_A^2}{n_0^2}\Bigr)+U\eta_g^2H_T(1),\qquad\min_{t<T}\mathbb{E}\|\nabla L(\tilde\theta_t)\|^2\le\frac{B_r}{T\,\Psi}",
    ],
    printed_at: "section 4.2, Theorem 4.2, equation (13)",
    kind: Kind::Expectation,
    origin: Origin::Paper,
    hypotheses: &[
        "η_{w,t} = η_w(t+1)^(-α) with α in [0, 1/2], η_{g,t} = η_g(t+1)^(-1/2) with η_g ≤ 2(1-c)/L^gg (here c = 1/2)",
        "the constants hold on |g| ≤ K, which no path leaves when η_g ≤ 1",
        "∇F_z has mean ∇L, and its g-part the variance G_g² (exact for problem J)",
    ],
    measured: "both forms on problem J for α = 0, 1/8, 1/4, 3/8, 1/2 and η_w from 0.01 to 100: by enumeration of every \
               path (d = 2, every T up to 5 and more, from an ordinary start and from the minimiser; with \
               noise on g alone; and two blocks without g), and by \
               independent runs (d = 4, also with tenfold output noise, T up to 100 and more) with the average over t \
               in place of its minimum; every inequality of the proof by itself, with its part of the gap",
    tolerance: "enumeration: rounding of the sum over paths, one u a term; runs: an empirical Bernstein bound of the \
                expectation, valid for every number of runs; all bounds of a verification hold together with \
                probability 1 - 1e-8",
    does_not_show: "that the bound is tight: it is far from it, and theorem-4.2-rate has the power",
};

const ALPHAS: [f64; 5] = [0.0, 0.125, 0.25, 0.375, 0.5];
const ETAS: [f64; 5] = [0.01, 0.1, 1.0, 10.0, 100.0];
/// c_g.
const C: f64 = 0.5;
/// Comparisons of one subject: two at each of three horizons.
const COMPARISONS: usize = 2 * 3;
/// The probability that any of the confidence bounds of one check is wrong.
const DELTA: f64 = 1e-8;

/// A problem with its schedules, and what is broken about them.
#[derive(Clone)]
struct Subject {
    name: &'static str,
    loss: ProblemJ,
    theta_0: Vec<f64>,
    alpha: f64,
    eta_w: f64,
    eta_g: f64,
    /// The exponent of the schedule of g; the theorem's is 1/2.
    alpha_g: f64,
    /// Br without its noise terms is Delta.
    noise_terms: bool,
    /// What the constants of the bounds are multiplied by.
    factors: Factors,
}

impl Subject {
    fn radius(&self) -> f64 {
        self.loss.radius(self.theta_0[self.theta_0.len() - 1])
    }

    fn bound(&self, n_steps: u64) -> Result<Bound, Unevaluated> {
        let (mean, sample) = (self.loss.constants(self.radius()), self.loss.sample_constants(self.radius()));
        let (mut grad, mut scratch) = (self.theta_0.clone(), self.theta_0.clone());
        let start = self.loss.mean_gradient(&self.theta_0, &mut grad, &mut scratch, &mut Workspace::default());
        let terms = Terms {
            gap: start.unwrap_or(f64::NAN) - self.loss.loss_min(),
            c_w: vec![self.factors.c_w(&[mean.l_vv[(0, 0)].0], mean.l_vg[0].0, mean.l_gg.0, C)],
            l_a: vec![sample.l_vv[(0, 0)].0],
            n_start: vec![self.loss.parameters().w_norm_sq(&self.theta_0, 0)],
            u: self.factors.u_noise(mean.l_gg.0, C, self.loss.noise_g_sq().0.sqrt()),
            eta_w: self.eta_w,
            alpha: self.alpha,
            eta_g: self.eta_g,
            noise_terms: self.noise_terms,
            factors: self.factors,
        };
        terms.bound(n_steps)
    }

    fn left(&self, n_steps: u64, psi: &[f64], sums: [f64; 2]) -> f64 {
        left(&self.factors, n_steps, psi, &[sums[0]], self.eta_g, sums[1])
    }

    /// The hypotheses that the instance itself decides.
    fn hypotheses(&self, check: &mut Check, g_max: f64) {
        let (radius, limit) = (self.radius(), bounds::eta_g_printed(1.0, C).min(1.0));
        let standing = |met: bool| if met { Standing::Met } else { Standing::NotMet };
        check.hypothesis(
            format!("{}: |g| ≤ K", self.name),
            standing(g_max <= radius),
            format!("K = {radius:.4}; largest |g| seen: {g_max:.4}"),
        );
        check.hypothesis(
            format!("{}: η_g ≤ 2(1-c)/L^gg and ≤ 1", self.name),
            standing(self.eta_g <= limit),
            format!("η_g = {}, limit {limit}", self.eta_g),
        );
    }
}

impl Claim for Theorem42 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        let depth = context.pick([5, 6, 7, 8]);
        let small = ProblemJ::new(2, 0.5, 0.5);
        let mut trees = grid("every path, d = 2", &small, &small.theta_0(), 0.5);
        trees.extend(grid("every path, from the minimiser", &small, &[1.0, 0.0, 1.0], 0.5));
        trees.push(constant_noise());
        trees.iter_mut().for_each(|subject| subject.factors = context.factors);
        let found = trees.par_iter().map(|subject| enumerate(subject, depth, &all_samples(subject)));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let tightest = found.iter().fold(0.0, |max, one| one.ratio.max(max));
        evidence.check.merge(merged(&trees, found));
        evidence.observe(
            "largest measured/bound, every path",
            tightest,
            format!("the smallest multiple of Br that passes, over all T ≤ {depth}, α and η_w"),
        );
        let two = blocks::compare(&mut evidence.check, context.pick([4, 5, 6, 7]), &context.factors)?;
        evidence.observe(
            "largest measured/bound, two blocks without g",
            two,
            "over all T, α and η_w, from the minimiser",
        );
        let (n_runs, n_steps) = runs_of(context);
        let mut subjects = sampled();
        subjects.iter_mut().for_each(|subject| subject.factors = context.factors);
        let level = Level { n_comparisons: COMPARISONS * subjects.len() };
        let found = subjects.iter().map(|subject| sample(subject, n_runs, n_steps, level, &context.seed));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        let mut ratios: Vec<_> = subjects.iter().zip(&found).map(|(s, one)| [s.alpha, s.eta_w, one.ratio]).collect();
        evidence.check.merge(merged(&subjects, found));
        ratios.truncate(ALPHAS.len() * ETAS.len());
        for eta_w in ETAS {
            let high = ratios.iter().filter(|r| r[1] == eta_w).fold(0.0_f64, |max, r| max.max(r[2]));
            let note = format!("{n_runs} runs of T = {n_steps}, the largest over the five α");
            evidence.observe(format!("measured/bound at η_w = {eta_w}"), high, note);
        }
        evidence.plots.push(plot(&ratios, n_runs, n_steps));
        slack::stochastic::theorem_4_2(&mut evidence, context)?;
        Ok(evidence)
    }

    fn sampled_tests(&self, _: &Context) -> Result<Vec<SampledTest>, Unevaluated> {
        let times = COMPARISONS * sampled().len();
        let risk = DELTA / times as f64;
        let what = "expectations, empirical Bernstein bounds";
        Ok(vec![SampledTest { what: what.to_owned(), times, risk, design: None }])
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "noise terms dropped",
                breaks: "Br = Δ = 0 from the minimiser, as if noise did not drive the iterates away (every path)",
                run: |_| {
                    let subject =
                        Subject { noise_terms: false, ..paths(&ProblemJ::new(2, 0.5, 0.5), &[1.0, 0.0, 1.0]) };
                    let found = enumerate(&subject, 5, &all_samples(&subject))?;
                    Ok(merged(&[subject], vec![found]))
                },
            },
            Control {
                name: "0.18 U",
                breaks: "U is a fifth of what it is, where the noise of g is all there is (every path): it needs 0.2 of it",
                run: |context| {
                    let factors = context.factors.claiming(Constant::U, 0.18);
                    let subject = Subject { factors, ..constant_noise() };
                    let found = enumerate(&subject, 5, &all_samples(&subject))?;
                    Ok(merged(&[subject], vec![found]))
                },
            },
            Control {
                name: "constant rate of g",
                breaks: "η_{g,t} = η_g does not decay: g keeps a noise of its own, and the sum outgrows ln T",
                run: |context| {
                    let subject = noisy(0.0);
                    let found = sample(&subject, 2048, 1000, Level { n_comparisons: COMPARISONS }, &context.seed)?;
                    Ok(merged(&[subject], vec![found]))
                },
            },
            Control {
                name: "biased gradients",
                breaks: "every step sees the same minibatch, so that ∇F_z does not have the mean ∇L",
                run: |_| {
                    let subject = paths(&ProblemJ::default(), &ProblemJ::default().theta_0());
                    // xi_1 = -1 and zeta = -1: b = c + s xi is parallel to w_0, and g goes to 3/2 instead of 1/2.
                    let found = enumerate(&subject, 1000, &[vec![0b10001]])?;
                    Ok(merged(&[subject], vec![found]))
                },
            },
        ]
    }
}

/// What is followed by independent runs.
fn sampled() -> Vec<Subject> {
    let mut subjects = grid("runs, d = 4", &ProblemJ::default(), &ProblemJ::default().theta_0(), 0.5);
    subjects.push(noisy(0.5));
    subjects
}

fn grid(name: &'static str, loss: &ProblemJ, theta_0: &[f64], alpha_g: f64) -> Vec<Subject> {
    let one = |alpha, eta_w| Subject { alpha, eta_w, ..least_loose(name, loss, theta_0, alpha_g) };
    ALPHAS.iter().flat_map(|&alpha| ETAS.map(|eta_w| one(alpha, eta_w))).collect()
}

/// alpha = 0, eta_w = 0.01, where the bound is least loose.
fn least_loose(name: &'static str, loss: &ProblemJ, theta_0: &[f64], alpha_g: f64) -> Subject {
    let (loss, theta_0) = (loss.clone(), theta_0.to_vec());
    Subject {
        name,
        loss,
        theta_0,
        alpha: 0.0,
        eta_w: 0.01,
        eta_g: 0.5,
        alpha_g,
        noise_terms: true,
        factors: Factors::ONE,
    }
}

/// What the controls by enumeration start from.
fn paths(loss: &ProblemJ, theta_0: &[f64]) -> Subject {
    least_loose("every path", loss, theta_0, 0.5)
}

/// Problem J with ten times the output noise, which U must pay for, and the largest eta_g.
fn noisy(alpha_g: f64) -> Subject {
    let loss = ProblemJ::new(4, 0.5, 5.0);
    let theta_0 = loss.theta_0();
    Subject { eta_g: 1.0, ..least_loose("runs, output noise 5", &loss, &theta_0, alpha_g) }
}

/// From the minimiser with no noise on w, where its gradient stays 0, and a noise of 1000 on g: all that Br has beside U
/// grows with that noise as its first power, U with its square.
fn constant_noise() -> Subject {
    let loss = ProblemJ::new(2, 0.0, 1000.0);
    Subject { eta_w: 1e-4, eta_g: 1.0, ..least_loose("every path, noise on g alone", &loss, &[1.0, 0.0, 1.0], 0.5) }
}

/// How many runs, and of how many steps. The charge of the Bernstein bound, 7 b ln(2/delta)/(3 n) with b about 2
/// sqrt(T) for small eta_w, stays below 1, while Br is above 4.
fn runs_of(context: &Context) -> (usize, u64) {
    context.pick([(1024, 100), (4096, 300), (16_384, 1000), (32_768, 2000)])
}

fn all_samples(subject: &Subject) -> Vec<Vec<usize>> {
    subject.loss.minibatches().finite().into_iter().flatten().map(<[usize]>::to_vec).collect()
}

/// What one subject gave: the comparisons, the largest measured/bound, and the largest ||g|| seen.
#[derive(Default)]
struct Expected {
    check: Check,
    ratio: f64,
    g_max: f64,
}

/// Merges what was found of subjects that share a name, with their hypotheses.
fn merged(subjects: &[Subject], found: Vec<Expected>) -> Check {
    let mut check = Check::new();
    for group in subjects.chunk_by(|a, b| a.name == b.name) {
        let g_max = subjects.iter().zip(&found).filter(|(s, _)| s.name == group[0].name).map(|(_, f)| f.g_max);
        group[0].hypotheses(&mut check, g_max.fold(0.0, f64::max));
    }
    found.into_iter().for_each(|one| check.merge(one.check));
    check
}

/// Compares at every T up to `depth` with the exact expectation; the ratio is the largest.
fn enumerate(subject: &Subject, depth: usize, samples: &[Vec<usize>]) -> Result<Expected, Unevaluated> {
    let loss = &subject.loss;
    let (eta_w, eta_g) = (Schedule::new(subject.eta_w, subject.alpha)?, Schedule::new(subject.eta_g, subject.alpha_g)?);
    let mut tree = Tree::new(loss, eta_w, eta_g, samples, depth - 1);
    let (mut means, mut g_max) = (vec![[0.0; 2]; depth], 0.0_f64);
    let d = subject.theta_0.len() - 1;
    let (mut grad, mut scratch, mut work) = (vec![0.0; d + 1], vec![0.0; d + 1], Workspace::default());
    let nodes = tree.visit(&subject.theta_0, &mut |node| {
        loss.mean_gradient(node.theta, &mut grad, &mut scratch, &mut work);
        means[node.t][0] += node.share * norm_sq(&node.theta[..d]) * norm_sq(&grad[..d]); // Lemma 2.2
        means[node.t][1] += node.share * norm_sq(&grad[d..]);
        g_max = g_max.max(node.theta[d].abs());
        Ok(())
    })?;
    let mut check = Check::new();
    // Sums of positive terms: a rounding per node, and some hundred in each gradient and path.
    let rounding = (nodes as f64 + 200.0 * depth as f64) * U;
    let (mut sums, mut least, mut tightest) = ([0.0; 2], f64::INFINITY, f64::NEG_INFINITY);
    for (t, mean) in means.iter().enumerate() {
        sums = [sums[0] + mean[0], sums[1] + mean[1]];
        least = least.min(mean[0] + mean[1]);
        let n_steps = t as u64 + 1;
        let bound = subject.bound(n_steps)?;
        let at = format!("{} · α = {}, η_w = {}, T = {n_steps}", subject.name, subject.alpha, subject.eta_w);
        let left = subject.left(n_steps, &bound.psi, sums);
        check.at_most(format!("{at}, sums"), left, bound.br, rounding * bound.br);
        check.at_most(format!("{at}, minimum"), least, bound.min, rounding * bound.min);
        tightest = tightest.max(left / bound.br);
    }
    Ok(Expected { check, ratio: tightest, g_max })
}

/// Shares [`DELTA`] among the comparisons of one check.
#[derive(Clone, Copy)]
struct Level {
    n_comparisons: usize,
}

impl Level {
    /// The empirical Bernstein bounds of the mean of numbers in [0, b], from below and above.
    fn interval(self, x: &[f64], b: f64) -> Interval {
        let n = x.len() as f64;
        let mean = x.iter().sum::<f64>() / n;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
        // Half of each share for either side.
        let log = libm::log(4.0 * self.n_comparisons as f64 / DELTA);
        let reach = (2.0 * variance * log / n).sqrt() + 7.0 * b * log / (3.0 * (n - 1.0));
        Interval { low: mean - reach, high: mean + reach, level: 1.0 - DELTA / self.n_comparisons as f64 }
    }
}

/// Compares at three horizons with confidence bounds; the ratio is (mean of the left-hand side)/Br at the last.
fn sample(subject: &Subject, n_runs: usize, n_steps: u64, level: Level, seed: &Seed) -> Result<Expected, Unevaluated> {
    let (eta_w, eta_g) = (Schedule::new(subject.eta_w, subject.alpha)?, Schedule::new(subject.eta_g, subject.alpha_g)?);
    let plan = Plan::new(StepRule::Gradient, eta_w, eta_g, n_steps, [n_steps / 10, n_steps / 3]).every_step();
    let starts = vec![subject.theta_0.clone(); n_runs];
    let seed = seed.child(&format!("{}/{}/{}", subject.name, subject.alpha, subject.eta_w));
    let traces = run_many(&subject.loss, &starts, &plan, &seed);
    if let Some(divergence) = traces.iter().find_map(|trace| trace.divergence) {
        return Err(divergence.into());
    }
    let mut check = Check::new();
    let g = subject.theta_0.len() - 1;
    let g_max = traces.iter().fold(0.0_f64, |max, trace| max.max(trace.theta[g].abs()));
    let k = subject.radius();
    let mut ratio = f64::NAN;
    for (h, &t) in plan.horizons().iter().enumerate() {
        let bound = subject.bound(t)?;
        let sums: Vec<[f64; 2]> = traces
            .iter()
            .filter_map(|trace| trace.records[h].running.as_ref().map(|r| [r.sum_grad_v_sq, r.sum_grad_g_sq]))
            .collect();
        if sums.len() != n_runs {
            return Err(Unevaluated("the sums over every step were not kept".to_owned()));
        }
        let steps = t as f64;
        let most = [steps * k * k, steps * (k + 1.0) * (k + 1.0)];
        let at = format!("{} · α = {}, η_w = {}, T = {t}", subject.name, subject.alpha, subject.eta_w);
        let left: Vec<f64> = sums.iter().map(|&s| subject.left(t, &bound.psi, s)).collect();
        let interval = level.interval(&left, subject.left(t, &bound.psi, most));
        below(&mut check, format!("{at}, sums"), interval, bound.br, bound.br);
        let average: Vec<f64> = sums.iter().map(|s| (s[0] + s[1]) / steps).collect();
        let interval = level.interval(&average, (most[0] + most[1]) / steps);
        below(&mut check, format!("{at}, average"), interval, bound.min, bound.min);
        ratio = left.iter().sum::<f64>() / n_runs as f64 / bound.br;
    }
    Ok(Expected { check, ratio, g_max })
}

/// Of (alpha, eta_w, measured/bound).
fn plot(ratios: &[[f64; 3]], n_runs: usize, n_steps: u64) -> Plot {
    let series = ALPHAS.map(|alpha| {
        let points = ratios.iter().filter(|r| r[0] == alpha).map(|r| [r[1], r[2]]).collect();
        Series::new(format!("α = {alpha}"), Style::Line, points)
    });
    let caption = format!(
        "The measured left-hand side over the bound Br, from {n_runs} runs of T = {n_steps} on problem J. The bound \
         holds where the curves are below 1; for large η_w it holds by orders of magnitude, since it pays for the \
         longest possible first step."
    );
    Plot {
        series: series.to_vec(),
        ..Plot::log_log("looseness", "How loose Theorem 4.2 is", caption, "η_w", "measured/bound")
    }
}
