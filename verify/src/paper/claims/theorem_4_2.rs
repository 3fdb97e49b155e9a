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
mod expected;
mod near_tight;
mod on_subject;
mod scheduled;
mod terms;

use ratecheck::bounds::Constant;
use ratecheck::loss::closed::ProblemJ;

use self::expected::{Level, enumerate, merged, sample};
use self::scheduled::{Scheduled, all_samples, constant_noise, grid, noisy, paths, sampled};
use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, Unevaluated};
use crate::claim::parallel::InParallel;
use crate::claim::plot::{Plot, Series, Style};
use crate::claim::sampled_test::SampledTest;
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
               noise on g alone; and two blocks without g), without noise, by small steps down the rounded tanh \
               circle, and by \
               independent runs (d = 4, also with tenfold output noise, T up to 100 and more) with the average over t \
               in place of its minimum; every inequality of the proof by itself, with its part of the gap",
    tolerance: "enumeration: rounding of the sum over paths, one u a term; runs: an empirical Bernstein bound of the \
                expectation, valid for every number of runs; all bounds of a verification hold together with \
                probability 1 - 1e-8",
    does_not_show: "that the bound is tight where there is noise: it is far from it, and theorem-4.2-rate has the \
                    power; without noise 0.73 of it is used",
};

const ALPHAS: [f64; 5] = [0.0, 0.125, 0.25, 0.375, 0.5];
const ETAS: [f64; 5] = [0.01, 0.1, 1.0, 10.0, 100.0];
/// c_g.
const C: f64 = 0.5;
/// Comparisons of one subject: two at each of three horizons.
const COMPARISONS: usize = 2 * 3;
/// The probability that any of the confidence bounds of one check is wrong.
const DELTA: f64 = 1e-8;

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
        let found = trees.in_parallel(|subject| enumerate(subject, depth, &all_samples(subject)));
        let found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
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
        let [sums, minimum] = near_tight::compare(&mut evidence.check, &context.factors)?;
        let note = "down the tanh circle by small steps; 0.79 is the most that small steps can use of Δ + C";
        evidence.observe("largest measured/bound without noise, sums", sums, note);
        evidence.observe("largest measured/bound without noise, minimum", minimum, "(13), from the angle 2.2");
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
                        Scheduled { noise_terms: false, ..paths(&ProblemJ::new(2, 0.5, 0.5), &[1.0, 0.0, 1.0]) };
                    let found = enumerate(&subject, 5, &all_samples(&subject))?;
                    Ok(merged(&[subject], vec![found]))
                },
            },
            Control {
                name: "0.18 U",
                breaks: "U is a fifth of what it is, where the noise of g is all there is (every path): it needs 0.2 \
                         of it",
                run: |context| {
                    let factors = context.factors.claiming(Constant::U, 0.18);
                    let subject = Scheduled { factors, ..constant_noise() };
                    let found = enumerate(&subject, 5, &all_samples(&subject))?;
                    Ok(merged(&[subject], vec![found]))
                },
            },
            Control {
                name: "0.72 Br",
                breaks: "Br is just below what the near-tight run without noise needs, 0.73",
                run: |context| near_tight(Constant::Br, 0.72, context),
            },
            Control {
                name: "ψ/0.72",
                breaks: "the rate is promised to be larger than it is, where 1/0.73 is the most, on the same run",
                run: |context| near_tight(Constant::Psi, 0.72, context),
            },
            Control {
                name: "0.63 Δ",
                breaks: "less of L(θ_0) - L_min is paid than what that run loses: 0.65 is needed",
                run: |context| near_tight(Constant::Gap42, 0.63, context),
            },
            Control {
                name: "0.40 of (13)",
                breaks: "the bound of the minimum is just below what a run without noise needs from the angle 2.2, \
                         0.41",
                run: |context| near_tight(Constant::Min42, 0.4, context),
            },
            Control {
                name: "0.022 C_i",
                breaks: "the noise of w is all but free: the two blocks without g need 0.023 of C_i (every path)",
                run: |context| {
                    let mut check = Check::new();
                    blocks::compare(&mut check, 5, &context.claiming(Constant::C, 0.022).factors)?;
                    Ok(check)
                },
            },
            Control {
                name: "c/2 η_g T^(-1/2) five times",
                breaks: "the sum of ‖∇_g L‖² counts 1/0.19 times, where the noise of g is all there is: 1/0.2 is the \
                         most (every path)",
                run: |context| {
                    let factors = context.factors.claiming(Constant::PsiG, 0.19);
                    let subject = Scheduled { factors, ..constant_noise() };
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

/// The runs without noise, with less of one constant.
fn near_tight(constant: Constant, multiple: f64, context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    near_tight::compare(&mut check, &context.claiming(constant, multiple).factors)?;
    Ok(check)
}

/// How many runs, and of how many steps. The charge of the Bernstein bound, 7 b ln(2/delta)/(3 n) with b about 2
/// sqrt(T) for small eta_w, stays below 1, while Br is above 4.
fn runs_of(context: &Context) -> (usize, u64) {
    context.pick([(1024, 100), (4096, 300), (16_384, 1000), (32_768, 2000)])
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
