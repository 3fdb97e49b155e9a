//! Theorem 3.1 as observed: gradient descent on a batch-normalised network reaches a stationary point for learning
//! rates eta_w over eight decades.
//!
//! Printed at section 1.1 (contribution 1) and section 3.1; appendix D compares the same three ways of descending. A
//! rate: the theorem bounds S_T, the sum of ||grad L(V_t; g_t)||^2 over t < T, for every T and every eta_w. So the mean
//! square of the gradient in a window cannot keep falling more slowly than 1/T, and its root not more slowly than
//! T^(-1/2), while a run that does not settle stays on a plateau (slope 0). The windows of the last decade of T decide:
//! sqrt(S_T/T) remembers the start, and falls for a long time above a plateau. The bound of S_T itself is far above
//! what is measured (Theorem 3.1 has a claim of its own).

use ratecheck::descent::{Plan, Schedule, Trace, run};
use ratecheck::loss::Minibatches;
use ratecheck::network::{Activation, Network};
use ratecheck::random::Seed;
use ratecheck::rates::{Window, fit_power_law, log_spaced};

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Profile, Soundness, Standing, Statement,
    Unevaluated,
};
use crate::claim::instances::digits_network;
use crate::claim::parallel::InParallel;
use crate::paper::auto_tuning::{
    Way, between_horizons, curvature_in_g, eta_g_is_admissible, largest, no_divergence, starts, teacher_network,
};

mod figures;
pub(super) mod on_subject;
mod plateau;

/// See the module's first line.
pub(super) struct AutoTuningGd;

static STATEMENT: Statement = Statement {
    id: "auto-tuning-gd",
    title: "Auto-tuning of gradient descent",
    plain: "Whatever the learning rate of the scale-invariant weights, over eight decades, gradient descent settles at \
            a stationary point at the rate of well-tuned gradient descent; without normalisation, or with fixed norms, \
            it does not.",
    formula: "S_T = Σ_{t<T} ‖∇L(V_t; g_t)‖² is bounded, so that √((S_T - S_{T'})/(T - T')) falls as T^(-1/2) or \
              faster, for every η_w > 0;   \
              Σ_i (η_w/(2n_{i,T})) Σ_t ‖∇_{v_i}L‖² + (η_g/4) Σ_t ‖∇_gL‖² ≤ L(θ_0) - L(θ_T) for small η_w",
    latex: &[
        r"\sqrt{\frac{S_T-S_{T'}}{T-T'}}=O\bigl(T^{-1/2}\bigr),\quad S_T=\sum_{t<T}\|\nabla L(V_t;g_t)\|^2,\quad\text{for every }\eta_w>0",
        r"\sum_i\frac{\eta_w}{2n_{i,T}}\sum_t\|\nabla_{v_i}L\|^2+\frac{\eta_g}{4}\sum_t\|\nabla_gL\|^2\le L(\theta_0)-L(\theta_T)\quad\text{for small }\eta_w",
    ],
    printed_at: "section 1.1, contribution 1; section 3.1, Theorem 3.1; compared as in appendix D",
    kind: Kind::Rate,
    origin: Origin::Paper,
    hypotheses: &[
        "η_g ≤ 2(1-c)/L^gg (sampled)",
        "F is smooth: smoothed BN, tanh",
        "η_w/n_i ≤ 1/(2C_i), for the second formula",
    ],
    measured: "η_w = 1e-4, 1e-3, .., 1e4 on 5-4-1 (48 examples of a noisy teacher, logistic) and 64-16-16-10 (digits, \
               cross-entropy), from several starts. The slope of the root mean square gradient in 23 windows of the \
               last decade, for T ≥ T_0·max(1, c/η_w, η_w/1000), c = 0.1 on 5-4-1 and 0.01 on the digits; at the \
               larger profiles a start that is flatter there is given up to a hundred times as long; and the \
               second formula for η_w ≤ 1e-3",
    tolerance: "the slope is at most -1/2 if S_T is bounded, and 0 on a plateau: at most -1/2 + 0.05 from every start, \
                a tenth of the way to the plateau, for what the line through a finite window may be off by. An η_w is \
                refuted if it is above -1/4 from every start, and undecided if it is above -0.45 from any. S_T grows \
                by its last digit in every window, if by nothing else. The second formula is Lemma 3.2 with C_i \
                η_w/n_i ≤ 1/2 and c = 1/2, summed over t, with n_t ≤ n_T; rounding 1e-12 L(θ_0)",
    does_not_show: "a rate for the learning rates that T does not reach (the theorem's constant grows as 1/η_w for \
                    small and as a power of η_w for large η_w; the observations name them), that nothing comes after \
                    T, a plateau below 1e-8 of the first gradients, which the last digit of S_T hides, or that the \
                    stationary points are equally good: the theorem does not say so, and final losses differ between \
                    them",
};

/// 1e-4, .., 1e4.
const DECADES: [f64; 9] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4];
/// Up to here the descent is slow enough to be paid for by the loss, step by step.
const SMALL: f64 = 1e-3;
/// The theorem's -1/2, and a tenth of the way to the 0 of a plateau.
const LIMIT: f64 = -0.5 + 0.05;
/// Nearer to a plateau than to the theorem. Between the two a slope decides nothing: T may be too short.
const FLAT: f64 = -0.25;
/// Of the larger profiles, whose many starts have one or two among them that stay long at a first plateau, a saddle.
const PATIENCE: u32 = 2;
/// Horizons in the last decade of T.
const PER_DECADE: usize = 24;

/// A network, and how long it is trained.
#[derive(Clone)]
struct Setting {
    name: &'static str,
    way: Way,
    network: Network,
    eta_g: f64,
    starts: Vec<Vec<f64>>,
    /// T_0.
    n_steps: u64,
    /// Learning rates below this one need more than T_0 steps, as many times as they are smaller.
    slow_below: f64,
    /// T is at most this many times T_0.
    reach: f64,
    /// A start that has not settled by then is given ten times as long, so many times.
    patience: u32,
}

impl Claim for AutoTuningGd {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        let small = small(context, Way::Plain, context.pick([2, 3, 8, 16]), context.pick([1.0, 10.0, 100.0, 1000.0]))?;
        let digits = digits(context, Way::Plain, context.pick([1, 1, 3, 4]), context.pick([1.0, 1.0, 10.0, 100.0]))?;
        for setting in [small, digits] {
            let runs = descend(&setting, &DECADES)?;
            judge(&mut evidence.check, &setting, &DECADES, &runs)?;
            premises(&mut evidence.check, &setting, &runs, context);
            if context.profile > Profile::Test {
                figures::show(&mut evidence, &setting, &runs, context)?;
            } else {
                evidence.plots.extend(figures::progress(&setting, &runs));
            }
        }
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "projected descent",
                breaks: "every block is brought back to its norm after each step (5-4-1 with η_w ≥ 1, digits with η_w \
                         = 10)",
                run: |context| broken(context, Way::Projected),
            },
            Control {
                name: "normalisation removed",
                breaks: "the same networks without batch normalisation, at the same η_w",
                run: |context| broken(context, Way::Unnormalised),
            },
            Control {
                name: "a plateau after a steep start",
                breaks: "gradients of norm 1 for 100 steps and 1/10 ever after: √(S_T/T) still falls with slope -0.30 \
                         over the last decade up to T = 10,000",
                run: |_| plateau::plateau(),
            },
            Control {
                name: "six times as much paid for",
                breaks: "the loss is said to pay for 3η_w/n of ‖∇_v L‖² and 3η_g/2 of ‖∇_g L‖², more than it falls by \
                         to first order \
                         (5-4-1 with η_w = 1e-3). The second formula decides alone",
                run: |context| {
                    let small = small(context, Way::Plain, 1, 1.0)?;
                    let mut check = Check::new();
                    for trace in descend(&small, &[SMALL])?.iter().flatten() {
                        paid_for_by_the_loss(&mut check, &small, SMALL, trace, 6.0, "5-4-1, η_w = 1e-3 · six times");
                    }
                    Ok(check)
                },
            },
        ]
    }
}

fn broken(context: &Context, way: Way) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    let small = small(context, way, 2, 1.0)?;
    judge(&mut check, &small, &DECADES[4..], &descend(&small, &DECADES[4..])?)?;
    let digits = digits(context, way, 1, 1.0)?;
    judge(&mut check, &digits, &DECADES[5..6], &descend(&digits, &DECADES[5..6])?)?;
    Ok(check)
}

/// 5-4-1 on a noisy teacher. T covers many times 1/(eta_g lambda) = 167, the time that the weight decay takes.
fn small(context: &Context, way: Way, n_starts: usize, reach: f64) -> Result<Setting, Unevaluated> {
    let seed = context.seed.child("5-4-1");
    let network = teacher_network(way, Minibatches::full(48), &seed)?;
    let starts = starts(&network, n_starts, &seed);
    Ok(Setting {
        name: "5-4-1",
        way,
        network,
        eta_g: 0.2,
        starts,
        n_steps: 20_000,
        // A start in twenty or so leaves a first plateau only after eta_w T = 1000.
        slow_below: 0.1,
        reach,
        patience: context.pick([0, 0, PATIENCE, PATIENCE]),
    })
}

/// 64-16-16-10 on the digits. The larger eta_g is, the more the curvature in g grows along a run, up to 2/eta_g, where
/// the premise fails: at eta_g = 0.2 some starts reach ||Hess_gg|| = 6.8, at 0.05 none was met above 3.1.
fn digits(context: &Context, way: Way, n_starts: usize, reach: f64) -> Result<Setting, Unevaluated> {
    // With 64 examples and T = 4000 the gradient at η_w = 10 falls with slope -0.41: its transient is in the last
    // decade.
    let n_examples = context.pick([128, 128, 256, 256]);
    let z = Minibatches::full(n_examples);
    let network = digits_network(way.normalisation(0.1), Activation::Tanh, n_examples, z, &context.seed);
    let starts = starts(&network, n_starts, &context.seed.child("digits"));
    Ok(Setting {
        name: "digits",
        way,
        network,
        eta_g: 0.05,
        starts,
        // At T = 1500 the last decade still had a part of the transient of η_w = 10 in it: a slope of -0.447.
        n_steps: context.pick([4000, 4000, 5000, 10_000]),
        slow_below: 0.01,
        reach,
        patience: context.pick([0, 0, PATIENCE, PATIENCE]),
    })
}

impl Setting {
    /// T, and whether the slope is judged there: S_T's bound grows as 1/eta_w and as a power of eta_w, and a learning
    /// rate far from 1 needs time in proportion before the window can lie behind its transient.
    fn horizon(&self, eta_w: f64) -> (u64, bool) {
        let needed = (self.slow_below / eta_w).max(eta_w / 1000.0).max(1.0);
        // A power of ten up to one rounding.
        let enough = needed <= self.reach * 1.001;
        ((self.n_steps as f64 * if enough { needed } else { 1.0 }).round() as u64, enough)
    }
}

/// One run per learning rate and start, in this order.
fn descend(setting: &Setting, rates: &[f64]) -> Result<Vec<Vec<Trace>>, Unevaluated> {
    let jobs: Vec<_> = rates.iter().flat_map(|&eta_w| setting.starts.iter().map(move |start| (eta_w, start))).collect();
    // One by one: the first of them are a thousand times as long as the last.
    let traces: Result<Vec<Trace>, Unevaluated> =
        jobs.in_parallel(|&(eta_w, start)| settle(setting, eta_w, start)).into_iter().collect();
    Ok(traces?.chunks(setting.starts.len()).map(<[Trace]>::to_vec).collect())
}

/// A run up to T; up to 10 T, 100 T, .. where its slope is judged and still too flat, as far as the patience reaches.
fn settle(setting: &Setting, eta_w: f64, start: &[f64]) -> Result<Trace, Unevaluated> {
    let (mut n_steps, enough) = setting.horizon(eta_w);
    let mut trace = until(setting, eta_w, start, n_steps)?;
    for _ in 0..if enough { setting.patience } else { 0 } {
        if trace.divergence.is_some() || late_slope(&trace)? <= LIMIT {
            break;
        }
        n_steps *= 10;
        trace = until(setting, eta_w, start, n_steps)?;
    }
    Ok(trace)
}

fn until(setting: &Setting, eta_w: f64, start: &[f64], n_steps: u64) -> Result<Trace, Unevaluated> {
    let horizons = log_spaced(1, n_steps / 10, 40).into_iter().chain(log_spaced(n_steps / 10, n_steps, PER_DECADE));
    let rates = [Schedule::constant(eta_w)?, Schedule::constant(setting.eta_g)?];
    let plan = Plan::new(setting.way.rule(), rates[0], rates[1], n_steps, [0].into_iter().chain(horizons));
    // Gradient descent draws nothing.
    Ok(run(&setting.network, start, &plan, Seed::new(0).generator("full batch")))
}

/// The slope of the root mean square gradient in the windows of the last decade.
fn late_slope(trace: &Trace) -> Result<f64, Unevaluated> {
    let (t, rms) = between_horizons(trace);
    let end = trace.records.last().map_or(0, |record| record.t);
    Ok(fit_power_law(&t, &rms, Window::new((end / 10) as f64, end as f64))?.slope)
}

/// What the slopes from all starts amount to.
fn decide(check: &mut Check, at: &str, slopes: &[f64]) {
    let above = slopes.iter().filter(|slope| !(**slope <= LIMIT)).count();
    let flat = slopes.iter().filter(|slope| !(**slope <= FLAT)).count();
    if above > 0 && flat < slopes.len() {
        let largest = largest(slopes.iter().copied());
        check.undecided(format!(
            "{at}: from {above} of {} starts the slope is above {LIMIT}, up to {largest:.3}",
            slopes.len()
        ));
        return;
    }
    for (k, &slope) in slopes.iter().enumerate() {
        let at = format!("{at} · start {k}, slope of the last decade");
        // Relative to what lies between the theorem and a plateau.
        check.compare(at, slope, LIMIT, 0.0, 0.5, Soundness::Proved);
    }
}

/// What the theorem says of every learning rate, on what was measured.
fn judge(check: &mut Check, setting: &Setting, rates: &[f64], runs: &[Vec<Trace>]) -> Result<(), Unevaluated> {
    for (&eta_w, traces) in rates.iter().zip(runs) {
        let at = format!("{}, η_w = {eta_w:e}", setting.name);
        let (n_steps, enough) = setting.horizon(eta_w);
        let mut slopes = Vec::new();
        for (k, trace) in traces.iter().enumerate() {
            if !no_divergence(check, &format!("{at} · start {k}"), trace, n_steps) {
                continue;
            }
            if enough {
                slopes.push(late_slope(trace)?);
            }
            if eta_w <= SMALL {
                paid_for_by_the_loss(check, setting, eta_w, trace, 1.0, &format!("{at} · start {k}, Lemma 3.2 summed"));
            }
        }
        decide(check, &at, &slopes);
    }
    Ok(())
}

/// `times` (sum_i (eta_w / (2 n_iT)) S_i + (c/2) eta_g S_g) <= L_0 - L_T with c = 1/2.
fn paid_for_by_the_loss(check: &mut Check, setting: &Setting, eta_w: f64, trace: &Trace, times: f64, at: &str) {
    let (Some(first), Some(last)) = (trace.records.first(), trace.records.last()) else { return };
    let Some(sums) = &last.running else { return };
    let paid: f64 = sums.sum_grad_v_sq_by_block.iter().zip(&last.w_norm_sq).map(|(s, n)| 0.5 * eta_w / n * s).sum();
    let lhs = times * (paid + 0.25 * setting.eta_g * sums.sum_grad_g_sq);
    check.at_most(at, lhs, first.loss - last.loss, 1e-12 * first.loss);
}

/// The premises, by what was met along the runs.
fn premises(check: &mut Check, setting: &Setting, runs: &[Vec<Trace>], context: &Context) {
    let points = setting.starts.iter().chain(runs.iter().flatten().map(|trace| &trace.theta));
    let curvatures: Vec<f64> = points.map(|theta| curvature_in_g(&setting.network, theta, &context.seed)).collect();
    eta_g_is_admissible(check, setting.name, setting.eta_g, largest(curvatures));
    let slow = runs.iter().zip(DECADES).filter(|(_, eta_w)| *eta_w <= SMALL).flat_map(|(traces, _)| traces);
    let rate = largest(slow.flat_map(|trace| trace.records.first()).flat_map(|record| record.effective_lr.clone()));
    check.hypothesis(
        format!("η_w/n_i ≤ 1/(2C_i) for η_w ≤ {SMALL:e}, on {}", setting.name),
        Standing::Assumed,
        format!("the largest η_w/n_i is {rate:.2e}: it needs C_i ≤ {:.0}", 0.5 / rate),
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_run_that_diverges_beyond_the_first_horizon_fails() {
        use ratecheck::descent::{Divergence, NotFinite};
        let divergence = Some(Divergence { step: 30_000, what: NotFinite::Loss });
        let trace = Trace { records: Vec::new(), divergence, theta: Vec::new(), largest_g: 0.0 };
        let mut check = Check::new();
        assert!(!no_divergence(&mut check, "x", &trace, 20_000));
        assert!(matches!(check.verdict(), crate::claim::evidence::Verdict::Fails { .. }));
    }

    /// Start 10 of the full profile is at a saddle at T = 20,000, where its gradient has risen for a decade.
    #[test]
    fn a_start_at_a_saddle_is_given_longer() {
        let context = crate::claim::runner::context(&AutoTuningGd, 2019, Profile::Full);
        let setting = small(&context, Way::Plain, 16, 1000.0).unwrap();
        let start = &setting.starts[10];
        assert!(late_slope(&until(&setting, 0.1, start, 20_000).unwrap()).unwrap() > 0.0);
        let settled = settle(&setting, 0.1, start).unwrap();
        assert_eq!(settled.records.last().map(|record| record.t), Some(200_000));
        assert!(late_slope(&settled).unwrap() < LIMIT);
    }
}
