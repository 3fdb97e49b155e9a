//! Theorem 3.1 as observed: gradient descent on a batch-normalised network reaches a stationary point for learning
//! rates eta_w over eight decades.
//!
//! Printed at section 1.1 (contribution 1) and section 3.1; appendix D compares the same three ways of descending. A
//! rate: the theorem bounds S_T, the sum of ||grad L(V_t; g_t)||^2 over t < T, for every T and every eta_w. So the mean
//! square of the gradient in a window cannot keep falling more slowly than 1/T, and its root not more slowly than
//! T^(-1/2), while a run that does not settle stays on a plateau (slope 0). The windows of the last decade of T decide:
//! sqrt(S_T/T) remembers the start, and falls for a long time above a plateau. The bound of S_T itself is far above what
//! is measured (Theorem 3.1 has a claim of its own).

use ratecheck::descent::{LossSource, Plan, Record, Running, Schedule, Trace, run};
use ratecheck::loss::Minibatches;
use ratecheck::network::{Activation, Network};
use ratecheck::random::Seed;
use ratecheck::rates::{Window, fit_power_law, log_spaced};
use rayon::prelude::*;

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Profile, Soundness, Standing, Statement,
    Unevaluated,
};
use crate::claim::instances::digits_network;
use crate::claim::plot::{Reference, Series, Style};
use crate::paper::auto_tuning::{
    Way, between_horizons, curvature_in_g, eta_g_is_admissible, largest, log_log, mean, no_divergence, running_average,
    starts, teacher_network,
};

pub(super) mod on_subject;

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
               last decade, for T ≥ T_0·max(1, c/η_w, η_w/1000), c = 0.1 on 5-4-1 and 0.01 on the digits; and the \
               second formula for η_w ≤ 1e-3",
    tolerance: "the slope is at most -1/2 if S_T is bounded, and 0 on a plateau: at most -1/2 + 0.05 from every start, \
                a tenth of the way to the plateau, for what the line through a finite window may be off by. An η_w is \
                refuted if it is above -1/4 from every start, and undecided if it is above -0.45 from any. S_T grows by its last digit in \
                every window, if by nothing else. The second formula is Lemma 3.2 with C_i η_w/n_i ≤ 1/2 and c = 1/2, \
                summed over t, with n_t ≤ n_T; rounding 1e-12 L(θ_0)",
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
                show(&mut evidence, &setting, &runs, context)?;
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
                breaks: "gradients of norm 1 for 100 steps and 1/10 ever after: √(S_T/T) still falls with slope -0.30 over the last decade up to \
                         T = 10,000",
                run: |_| plateau(),
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

/// A trace that stays on a plateau, judged like a run.
fn plateau() -> Result<Check, Unevaluated> {
    const N_STEPS: u64 = 10_000;
    let record = |t: u64| {
        let sum = t.min(100) as f64 + 0.01 * t.saturating_sub(100) as f64;
        let running =
            Running { min_grad_sq: 0.01, sum_grad_v_sq: sum, sum_grad_v_sq_by_block: vec![sum], sum_grad_g_sq: 0.0 };
        Record {
            t,
            loss: 1.0,
            grad_v_sq: 0.01,
            grad_v_sq_by_block: vec![0.01],
            grad_g_sq: 0.0,
            source: LossSource::Exact,
            running: Some(running),
            w_norm_sq: vec![1.0],
            effective_lr: vec![1.0],
            angular_update: vec![0.0],
        }
    };
    let trace = Trace {
        records: log_spaced(N_STEPS / 10, N_STEPS, PER_DECADE).into_iter().map(record).collect(),
        divergence: None,
        theta: Vec::new(),
    };
    let mut check = Check::new();
    decide(&mut check, "plateau", N_STEPS, &[late_slope(&trace, N_STEPS)?]);
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
    })
}

/// 64-16-16-10 on the digits. The larger eta_g is, the more the curvature in g grows along a run, up to 2/eta_g, where
/// the premise fails: at eta_g = 0.2 some starts reach ||Hess_gg|| = 6.8, at 0.05 none was met above 3.1.
fn digits(context: &Context, way: Way, n_starts: usize, reach: f64) -> Result<Setting, Unevaluated> {
    // With 64 examples and T = 4000 the gradient at η_w = 10 falls with slope -0.41: its transient is in the last decade.
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
    let eta_g = Schedule::constant(setting.eta_g)?;
    let mut jobs = Vec::new();
    for &eta_w in rates {
        let (n_steps, _) = setting.horizon(eta_w);
        let horizons = log_spaced(1, n_steps / 10, 40).into_iter().chain(log_spaced(n_steps / 10, n_steps, PER_DECADE));
        let plan =
            Plan::new(setting.way.rule(), Schedule::constant(eta_w)?, eta_g, n_steps, [0].into_iter().chain(horizons));
        jobs.extend(setting.starts.iter().map(|start| (start, plan.clone())));
    }
    // Gradient descent draws nothing.
    let draw = || Seed::new(0).generator("full batch");
    // One by one: the first of them are a thousand times as long as the last.
    let traces: Vec<Trace> =
        jobs.par_iter().with_max_len(1).map(|(start, plan)| run(&setting.network, start, plan, draw())).collect();
    Ok(traces.chunks(setting.starts.len()).map(<[Trace]>::to_vec).collect())
}

/// The slope of the root mean square gradient in the windows of the last decade.
fn late_slope(trace: &Trace, n_steps: u64) -> Result<f64, Unevaluated> {
    let (t, rms) = between_horizons(trace);
    Ok(fit_power_law(&t, &rms, Window::new((n_steps / 10) as f64, n_steps as f64))?.slope)
}

/// What the slopes from all starts amount to.
fn decide(check: &mut Check, at: &str, n_steps: u64, slopes: &[f64]) {
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
        let at = format!("{at} · start {k}, slope at T = {n_steps}");
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
                slopes.push(late_slope(trace, n_steps)?);
            }
            if eta_w <= SMALL {
                paid_for_by_the_loss(check, setting, eta_w, trace, &format!("{at} · start {k}, Lemma 3.2 summed"));
            }
        }
        decide(check, &at, n_steps, &slopes);
    }
    Ok(())
}

/// sum_i (eta_w / (2 n_iT)) S_i + (c/2) eta_g S_g <= L_0 - L_T with c = 1/2.
fn paid_for_by_the_loss(check: &mut Check, setting: &Setting, eta_w: f64, trace: &Trace, at: &str) {
    let (Some(first), Some(last)) = (trace.records.first(), trace.records.last()) else { return };
    let Some(sums) = &last.running else { return };
    let paid: f64 = sums.sum_grad_v_sq_by_block.iter().zip(&last.w_norm_sq).map(|(s, n)| 0.5 * eta_w / n * s).sum();
    let lhs = paid + 0.25 * setting.eta_g * sums.sum_grad_g_sq;
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

/// The figures and the plots: the same runs beside projected ones and ones without normalisation, from the first start.
fn show(evidence: &mut Evidence, setting: &Setting, runs: &[Vec<Trace>], context: &Context) -> Result<(), Unevaluated> {
    let name = setting.name;
    observe_slopes(evidence, setting, runs)?;
    let mut losses = vec![final_losses(setting, runs)];
    for way in [Way::Projected, Way::Unnormalised] {
        let other = if name == "digits" { digits(context, way, 1, 1.0)? } else { small(context, way, 1, 1.0)? };
        let found = descend(&other, &DECADES)?;
        losses.push(final_losses(&other, &found));
    }
    for (middle, (at, loss)) in losses[0].points.iter().map(|p| (p[0], p[1])).enumerate() {
        if (3..=7).contains(&middle) {
            let projected = losses[1].points.iter().find(|p| p[0] == at).map_or(f64::NAN, |p| p[1]);
            evidence.observe(format!("{name}, η_w = {at:e}: final loss"), loss, format!("projected: {projected:.4}"));
        }
    }
    let settled =
        largest(runs[3..].iter().flatten().flat_map(|trace| trace.records.last()).flat_map(|r| r.effective_lr.clone()));
    evidence.observe(
        format!("{name}: largest η_w/‖w_i‖² at T, over η_w ≥ 0.1"),
        settled,
        "at the start it was up to 1e4/‖w_0‖²; large rates have tuned themselves down",
    );
    let tag = if name == "digits" { "digits" } else { "small" };
    let about = if name == "digits" { "digits, 64-16-16-10" } else { "5-4-1" };
    let plot = |id: &str, title: &str, caption: &str, x: &str, y: &str, series: Vec<Series>| {
        log_log(&format!("{tag}-{id}"), &format!("{title} ({about})"), caption, x, y, series)
    };
    evidence.plots.push(plot(
        "loss",
        "Final loss against the learning rate",
        "Batch-normalised, the final loss hardly depends on η_w once T is long enough for it; with fixed norms it is \
         stuck high above η_w of order 1, and without normalisation the runs diverge (points that are missing). The \
         network without normalisation is another function, nothing bounds its outputs: its losses are not to be \
         compared with the others.",
        "learning rate η_w",
        "loss after T steps",
        losses,
    ));
    let curves = |value: &dyn Fn(&Record) -> f64| -> Vec<Series> {
        DECADES
            .iter()
            .zip(runs)
            .map(|(eta_w, traces)| {
                let points = traces[0].records.iter().map(|r| [r.t as f64 + 1.0, value(r)]).collect();
                Series::new(format!("η_w = {eta_w:e}"), Style::Line, points)
            })
            .collect()
    };
    evidence.plots.push(plot(
        "effective-rate",
        "Effective learning rates tune themselves",
        "The mean over blocks of η_w/‖w‖². Rates that start decades apart above the stability limit fall below it \
         within a few steps; rates below it stay as they are.",
        "step t + 1",
        "η_w/‖w_i‖², mean over i",
        curves(&|r| mean(r.effective_lr.iter().copied())),
    ));
    evidence.plots.push(plot(
        "norm",
        "‖w‖² grows until the rate suits the loss",
        "The mean over blocks of ‖w‖²: it never shrinks (Lemma 2.4), and stops growing when the gradients' squares can \
         be summed.",
        "step t + 1",
        "‖w_i‖², mean over i",
        curves(&|r| mean(r.w_norm_sq.iter().copied())),
    ));
    let averages: Vec<Series> = DECADES
        .iter()
        .zip(runs)
        .map(|(eta_w, traces)| {
            let (t, y) = running_average(&traces[0]);
            Series::new(format!("η_w = {eta_w:e}"), Style::Line, t.into_iter().zip(y).map(|(t, y)| [t, y]).collect())
        })
        .collect();
    let through = averages[4].points.last().copied().unwrap_or([1.0, 1.0]);
    let mut rate = plot(
        "average",
        "The running average of the gradient falls as T^(-1/2)",
        "√(S_T/T), from the first start. It falls with slope -1/2 once the sum of squared gradients stops growing; the \
         smallest learning rates have not begun to settle.",
        "number of steps T",
        "√(Σ‖∇L‖²/T)",
        averages,
    );
    rate.references.push(Reference { name: "Theorem 3.1: T^(-1/2)".to_owned(), slope: -0.5, through });
    rate.window = Some([setting.n_steps as f64 / 10.0, setting.n_steps as f64]);
    evidence.plots.push(rate);
    Ok(())
}

/// The last loss against eta_w, from the first start; a divergent run has none.
fn final_losses(setting: &Setting, runs: &[Vec<Trace>]) -> Series {
    let last = |trace: &Trace| trace.records.last().filter(|_| trace.divergence.is_none()).map(|record| record.loss);
    let points = DECADES.iter().zip(runs).filter_map(|(&eta_w, traces)| Some([eta_w, last(&traces[0])?]));
    Series::new(setting.way.name(), Style::Line, points.collect())
}

/// The slopes that decide, from the flattest start to the steepest.
fn observe_slopes(evidence: &mut Evidence, setting: &Setting, runs: &[Vec<Trace>]) -> Result<(), Unevaluated> {
    for (eta_w, traces) in DECADES.iter().zip(runs) {
        let (n_steps, enough) = setting.horizon(*eta_w);
        if traces.iter().any(|trace| trace.divergence.is_some()) {
            continue;
        }
        let slopes: Vec<f64> = traces.iter().map(|trace| late_slope(trace, n_steps)).collect::<Result<_, _>>()?;
        let steepest = -largest(slopes.iter().map(|slope| -slope));
        let judged = if enough {
            "Theorem 3.1: -1/2 or steeper; a plateau: 0"
        } else {
            "not judged: T is too short for this η_w"
        };
        evidence.observe(
            format!(
                "{}, η_w = {eta_w:e}: slope of the RMS gradient in the last decade up to T = {n_steps}",
                setting.name
            ),
            largest(slopes),
            format!("{judged}; the flattest of {} starts, the steepest is {steepest:.3}", traces.len()),
        );
    }
    Ok(())
}
