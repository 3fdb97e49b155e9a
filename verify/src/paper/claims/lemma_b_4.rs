//! Lemma B.4 with (22) and (23): the terms of Lemma B.2 on every path.
//!
//! The effective rate e_t = eta_{w,t}/n_t does not increase, so it can be replaced by its last value (22). That weight
//! is random, but Lemma B.3 bounds it from below by a number that is not. The second sum is Lemma B.1's,
//! with n_t for A_t (23).

mod figure;

use std::f64::consts::PI;
use std::sync::Arc;

use ratecheck::bounds::{Constant, lemma_b1_sharp};
use ratecheck::descent::StepRule;
use ratecheck::loss::{Decayed, closed::ProblemJ};
use ratecheck::rates::log_spaced;

use crate::claim::closed_forms::Spiral;
use crate::claim::closest::Closest;
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::U;
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};
use crate::paper::slack;
use crate::paper::stochastic::on_subject::{Runs, Short, natural_rate};
use crate::paper::stochastic::{Case, Losses, Mean, bounded, case};

/// See the module's first line.
pub(super) struct LemmaB4;

static STATEMENT: Statement = Statement {
    id: "lemma-b.4",
    title: "Lemma B.4",
    plain: "Along every path of stochastic gradient descent the effective learning rate never increases, and what \
            noise can cost grows with the logarithm of the norm only.",
    formula: "e_{t+1} ≤ e_t = η_{w,t}/‖w_t‖²;   (22) Σ_{t<T} e_t‖∇_v L_t‖² ≥ e_T Σ_{t<T}‖∇_v L_t‖²;   \
              (23) Σ_{t<T} (η_{w,t}²/‖w_t‖²)‖∇_w F_t‖² ≤ log₂(‖w_T‖²/‖w_0‖²) + 1 + 2η_w²L_A²/‖w_0‖⁴;   \
              Σ_{t<T} η_{g,t}‖∇_g L_t‖² ≥ η_g T^(-1/2) Σ_{t<T}‖∇_g L_t‖²",
    latex: &[
        r"e_{t+1}\le e_t=\frac{\eta_{w,t}}{\|w_t\|^2},\qquad\sum_{t<T}e_t\|\nabla_vL_t\|^2\ge e_T\sum_{t<T}\|\nabla_vL_t\|^2\qquad(22)",
        r"\sum_{t<T}\frac{\eta_{w,t}^2}{\|w_t\|^2}\|\nabla_wF_t\|^2\le\log_2\frac{\|w_T\|^2}{\|w_0\|^2}+1+\frac{2\eta_w^2L_A^2}{\|w_0\|^4}\qquad(23)",
        r"\sum_{t<T}\eta_{g,t}\|\nabla_gL_t\|^2\ge\eta_gT^{-1/2}\sum_{t<T}\|\nabla_gL_t\|^2",
    ],
    printed_at: "appendix B, Lemma B.4, equations (22) and (23)",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &[
        "η_{w,t} = η_w(t+1)^(-α), 0 ≤ α ≤ 1/2; η_{g,t} = η_g(t+1)^(-1/2)",
        "‖∇_v F_z‖ ≤ L_A for every minibatch z, at every point of the run",
    ],
    measured: "all four at every T of stochastic runs with α = 0, 1/8, 1/4, 3/8, 1/2 and η_w = 0.01, 1, 100 on problem \
               J and on a network 3-4-1, with L_A = L and L_A = πL; of each run the comparison with the least room; \
               every inequality of the proof by itself, with its part of the gap",
    tolerance: "a step changes ‖w‖² by up to 36u, and a sum by 3u a term: (44T + 32)u of the larger side",
    does_not_show: "that the logarithm is attained with base 2: with the natural one and B/a_0 = η_w²L_A²/‖w_0‖⁴ alone \
                    (23) holds too (lemma-b.1-sharp), and that form is nearly used up",
};

const ALPHAS: [f64; 5] = [0.0, 0.125, 0.25, 0.375, 0.5];
const ETAS: [f64; 3] = [0.01, 1.0, 100.0];

/// What the sum of (23) is made of, and what bounds it.
#[derive(Clone, Copy, PartialEq)]
enum Reading {
    Corrected,
    /// eta^2/||v||^2 for eta^2/||w||^4 (E13).
    UnitNorm,
    /// Without 2 eta_w^2 LA^2/n_0^2.
    WithoutFirstStep,
    /// Nothing but e_{t+1} <= e_t.
    RateAlone,
    /// This share of the bound of (23).
    Share(f64),
}

/// The largest share used of each bound.
#[derive(Clone, Copy, Default)]
struct Shares {
    /// Of (22).
    weight: f64,
    /// Of (23).
    log: f64,
    /// Of (23) in its sharper form.
    sharp: f64,
    /// The largest ||grad_v F_z||/LA.
    gradient: f64,
}

impl Shares {
    fn max(self, other: Self) -> Self {
        Self {
            weight: self.weight.max(other.weight),
            log: self.log.max(other.log),
            sharp: self.sharp.max(other.sharp),
            gradient: self.gradient.max(other.gradient),
        }
    }
}

impl Claim for LemmaB4 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([1_000, 20_000, 200_000, 2_000_000]);
        let losses = Losses::new(context)?;
        let grid: Vec<(f64, f64)> = ALPHAS.iter().flat_map(|&a| ETAS.map(|e| (a, e))).collect();
        let found: Vec<_> = grid.in_parallel(|&(alpha, eta_w)| -> Result<_, Unevaluated> {
            let mut check = Check::new();
            let (horizons, mut seen) = (log_spaced(1, steps, 60), Vec::new());
            let mut look = |t: u64, sides: [f64; 2]| {
                if horizons.binary_search(&t).is_ok() {
                    seen.push((t as f64, sides));
                }
            };
            let j = losses.problem_j(eta_w, alpha, steps);
            let j = along(&mut check, &j, Reading::Corrected, context, &mut look)?;
            let net = follow(&mut check, &losses.network(eta_w, alpha, steps / 100), Reading::Corrected, context)?;
            spiral(&mut check, eta_w, alpha, steps, context)?;
            Ok((check, [j, net], seen))
        });
        let mut evidence = Evidence::default();
        // Where the logarithm has grown most beside the first step's term.
        spiral(&mut evidence.check, 0.3, 0.0, steps, context)?;
        let mut most = [Shares::default(); 2];
        let mut curves = Vec::new();
        for (&(alpha, eta_w), found) in grid.iter().zip(found) {
            let (check, found, seen) = found?;
            evidence.check.merge(check);
            if alpha == 0.0 {
                curves.push((eta_w, seen));
            }
            for (most, found) in most.iter_mut().zip(found) {
                *most = most.max(found);
            }
        }
        for (name, Shares { weight, log, sharp, gradient }) in ["problem J", "network 3-4-1"].into_iter().zip(most) {
            bounded(&mut evidence.check, name, gradient);
            let note = "largest over every T, α and η_w; 1 would be sharp";
            evidence.observe(format!("{name}: (22), smaller/larger side"), weight, note);
            evidence.observe(format!("{name}: (23), sum/bound"), log, note);
            evidence.observe(format!("{name}: (23) with ln and η_w²L_A²/‖w_0‖⁴, sum/bound"), sharp, note);
        }
        evidence.plots.push(figure::noise(curves));
        slack::stochastic::lemma_b_4(&mut evidence, context)?;
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "η²/‖v‖² as printed",
                breaks: "the sum of (23) is read with ‖v‖² = 1 for ‖w‖⁴ (E13)",
                run: |context| broken(1.0, 10_000, Reading::UnitNorm, context),
            },
            Control {
                name: "(23) without the first step's term",
                breaks: "2η_w²L_A²/‖w_0‖⁴ is left out, with η_w = 100",
                run: |context| broken(100.0, 100, Reading::WithoutFirstStep, context),
            },
            Control {
                name: "0.47 of log₂ in (23)",
                breaks: "less than half of the logarithm, on 10,000 steps of the spiral at η_w = 0.3, which need 0.479 \
                         of it; a longer run would need more, up to ln 2",
                run: |context| just_below(0.3, 10_000, Constant::LogB4, 0.47, context),
            },
            Control {
                name: "0.49 of 2η_w²L_A²/‖w_0‖⁴ in (23)",
                breaks: "less than half of the first step's term, which is all there is in the first step of the \
                         spiral at η_w = 100",
                run: |context| just_below(100.0, 1, Constant::StepB4, 0.49, context),
            },
            Control {
                name: "weight decay on w",
                breaks: "F + ‖w‖²/20: norms shrink, and the effective rate increases",
                run: |context| {
                    let losses = Losses::new(context)?;
                    let case = losses.problem_j(1.0, 0.0, 100);
                    let loss = Decayed::new(Arc::new(ProblemJ::default()), 0.1);
                    let start: Vec<f64> = case.theta_0.iter().map(|x| 10.0 * x).collect();
                    let case = Case { name: "problem J, decayed", loss: &loss, theta_0: &start, ..case };
                    let mut check = Check::new();
                    follow(&mut check, &case, Reading::RateAlone, context)?;
                    Ok(check)
                },
            },
        ]
    }
}

impl Measure for LemmaB4 {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant]
    }

    /// All four at every T of a run for every alpha and eta_w of the settings, with the run's own LA. What needs L_t is
    /// left out where L is only known by sampling, and what needs g where there is none.
    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let settings = &subject.settings;
        // A look at L costs a gradient for every minibatch.
        let looks = subject.n_minibatches().unwrap_or(0) + 2;
        let seconds = SECONDS / (settings.alphas.len() * settings.eta_w.len() * looks) as f64;
        let runs = Runs::new(subject, seconds, context)?;
        let judge = |check: &mut Check, case: &Case<'_>| follow(check, case, Reading::Corrected, context);
        let (mut evidence, found) = runs.each(&settings.alphas, context, judge)?;
        let most = found.iter().fold(Shares::default(), |most, (_, found)| most.max(*found));
        let note = "largest over every block, T, α and η_w; 1 would be sharp";
        if subject.n_minibatches().is_some() {
            evidence.observe("(22), smaller/larger side", most.weight, note);
        } else {
            evidence.observe("(22) and the part of g: not compared", 0.0, "z is a random subset: ∇L_t is not known");
        }
        evidence.observe("(23), sum/bound", most.log, note);
        evidence.observe("(23) with ln and η_w²L_A²/‖w_0‖⁴, sum/bound", most.sharp, note);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "(23) without the first step's term",
                breaks: "2η_w²L_A²/‖w_0‖⁴ is left out, with a first step a thousand times as long as w",
                run: |subject, context| {
                    let eta_w = 1e3 * natural_rate(subject, context)?;
                    Some(short(subject, eta_w, context, |_| Ok(Reading::WithoutFirstStep)))
                },
            },
            SubjectControl {
                name: "(23) just too small",
                breaks: "99 % of the smallest multiple of the bound that passes on this very run",
                run: |subject, context| {
                    let eta_w = natural_rate(subject, context)?;
                    Some(short(subject, eta_w, context, |case| {
                        let found = follow(&mut Check::new(), case, Reading::Corrected, context)?;
                        Ok(Reading::Share(0.99 * found.log))
                    }))
                },
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + λ‖W‖²/2 with η_wλ = 1/10: norms shrink, and the effective rate increases",
                run: |subject, context| {
                    let eta_w = 0.1 * natural_rate(subject, context)?;
                    Some(short(&subject.decayed(0.1 / eta_w), eta_w, context, |_| Ok(Reading::RateAlone)))
                },
            },
        ]
    }
}

/// What all runs of a subject may take.
const SECONDS: f64 = 0.4;

/// A few steps at a constant rate, read in a way that may look at the run first.
fn short(
    subject: &Subject,
    eta_w: f64,
    context: &Context,
    reading: impl Fn(&Case<'_>) -> Result<Reading, Unevaluated>,
) -> Result<Check, Unevaluated> {
    let run = Short { eta_w, alpha: 0.0, rule: StepRule::Gradient, steps: 30 };
    run.compared(subject, context, |check, case| follow(check, case, reading(case)?, context).map(drop))
}

/// The spiral, whose gradient is L_A at every step, from ‖w_0‖ = 1.
fn spiral(check: &mut Check, eta_w: f64, alpha: f64, steps: u64, context: &Context) -> Result<Shares, Unevaluated> {
    let loss = Spiral::default();
    let case = case("spiral", &loss, [&[1.0, 0.0], &[1.0]], [eta_w, alpha], steps);
    follow(check, &case, Reading::Corrected, context)
}

fn just_below(
    eta_w: f64,
    steps: u64,
    constant: Constant,
    multiple: f64,
    context: &Context,
) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    spiral(&mut check, eta_w, 0.0, steps, &context.claiming(constant, multiple))?;
    Ok(check)
}

fn broken(eta_w: f64, steps: u64, reading: Reading, context: &Context) -> Result<Check, Unevaluated> {
    let (mut check, losses) = (Check::new(), Losses::new(context)?);
    follow(&mut check, &losses.problem_j(eta_w, 0.0, steps), reading, context)?;
    Ok(check)
}

/// Compares at every T of one run.
fn follow(check: &mut Check, case: &Case<'_>, reading: Reading, context: &Context) -> Result<Shares, Unevaluated> {
    along(check, case, reading, context, &mut |_, _| ())
}

/// The same, with a look at T and both sides of (23) of the first block.
fn along(
    check: &mut Check,
    case: &Case<'_>,
    reading: Reading,
    context: &Context,
    look: &mut dyn FnMut(u64, [f64; 2]),
) -> Result<Shares, Unevaluated> {
    let &Case { name, eta_w, alpha, steps, .. } = case;
    let n_start = case.n_start();
    let m = n_start.len();
    let none = || vec![Closest::NONE; m];
    let (mut falling, mut weight, mut log, mut log_printed) = (none(), none(), none(), none());
    let (mut g, mut weighted_g, mut sum_g) = (Closest::NONE, 0.0, 0.0);
    let (mut weighted, mut plain, mut increments) = (vec![0.0; m], vec![0.0; m], vec![0.0; m]);
    let mut found = Shares::default();
    let generator = || case.generator(context);
    let looked = case.mean_is_known();
    let share = if let Reading::Share(share) = reading { share } else { 1.0 };
    found.gradient = case.follow(if looked { Mean::Looked } else { Mean::Unused }, generator(), |moment| {
        let t = moment.t + 1;
        for i in 0..m {
            let (n, next) = (moment.n[0][i], moment.n[1][i]);
            let (rate, rate_next) = (moment.eta_w[0] / n, moment.eta_w[1] / next);
            falling[i].keep(t, rate_next, rate);
            weighted[i] += rate * moment.mean[i];
            plain[i] += moment.mean[i];
            weight[i].keep(t, rate_next * plain[i], weighted[i]);
            let step = moment.eta_w[0] * moment.eta_w[0] * moment.grad_w_sq[i];
            // eta^2 ||grad_v F||^2 = eta^2 n ||grad_w F||^2.
            increments[i] += if reading == Reading::UnitNorm { step * n } else { step / n };
            let l_a = if reading == Reading::WithoutFirstStep { 0.0 } else { case.l_a[i] };
            let bound = share * context.factors.lemma_b4(eta_w, l_a, n_start[i], next);
            log[i].keep(t, increments[i], bound);
            if i == 0 {
                look(t, [increments[i], bound]);
            }
            log_printed[i].keep(t, increments[i], share * context.factors.lemma_b4(eta_w, PI * l_a, n_start[i], next));
            let largest = (eta_w * case.l_a[i]).powi(2) / n_start[i];
            // A_{T-1} is n_{T-1}: the norm before the last step.
            found.sharp = found.sharp.max(increments[i] / lemma_b1_sharp(n_start[i], largest, n));
        }
        weighted_g += moment.eta_g * moment.mean_g;
        sum_g += moment.mean_g;
        g.keep(t, case.eta_g / (t as f64).sqrt() * sum_g, weighted_g);
    })?;
    let rounding = (44.0 * steps as f64 + 32.0) * U;
    // All but (23) are equalities at T = 1 or nearly so.
    let mut links = Check::new();
    for (i, block) in case.loss.parameters().blocks().iter().enumerate() {
        let run = format!("α = {alpha}, η_w = {eta_w}, {}", block.name);
        let replay = |t| case.replay(Mean::Unused, generator(), t).map(|run| run.rates(i));
        falling[i].replayed(&mut links, &format!("{name}, effective rate after/before · {run}"), rounding, replay);
        if reading == Reading::RateAlone {
            continue;
        }
        let replay = |t| case.replay(Mean::Looked, generator(), t).map(|run| run.weighted(i));
        if looked {
            weight[i].replayed(&mut links, &format!("{name}, (22) · {run}"), rounding, replay);
            found.weight = found.weight.max(weight[i].ratio());
        }
        log[i].record(check, &format!("{name}, (23) · {run}, L_A = {}", case.bound), rounding);
        log_printed[i].record(check, &format!("{name}, (23) · {run}, L_A = π{}", case.bound), rounding);
        found.log = found.log.max(log[i].ratio());
    }
    if reading != Reading::RateAlone && looked && !case.loss.parameters().g().is_empty() {
        let replay = |t| case.replay(Mean::Looked, generator(), t).map(|run| run.part_of_g);
        g.replayed(&mut links, &format!("{name}, the part of g · α = {alpha}, η_w = {eta_w}"), rounding, replay);
    }
    check.merge_links(links);
    Ok(found)
}
