//! Lemma B.2 on a user's loss: over all paths as far as they can be followed,
//! with G_g^2 the largest variance of grad_g on them.
//!
//! The right-hand side is formed from both ends of what is known of the constants, as in Theorem 4.2.

use ratecheck::bounds;
use ratecheck::descent::Schedule;

use super::LemmaB2;
use crate::claim::evidence::{Check, Context, Evidence, Inequality, Measure, SubjectControl, Unevaluated};
use crate::claim::instances::U;
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};
use crate::paper::paths::expectations::{C_G, Constants, End, Expectations, depth, gradients, hypotheses};

/// What following all paths may take, and those of a control.
const SECONDS: [f64; 2] = [0.5, 0.05];
/// Paths are followed by recursion.
const DEEPEST: usize = 200;

impl Measure for LemmaB2 {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth, Premise::FiniteMinibatches]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let (eta_g, from) = subject.eta_g()?;
        let settings = &subject.settings;
        let grid: Vec<[f64; 2]> =
            settings.alphas.iter().flat_map(|&alpha| settings.eta_w.iter().map(move |&eta_w| [eta_w, alpha])).collect();
        let each = gradients(subject, SECONDS[0] / grid.len() as f64, context.profile);
        let steps = depth(subject, each, DEEPEST);
        let constants = Constants::new(subject, eta_g)?;
        let found: Vec<_> = grid.in_parallel(|&rates| -> Result<_, Unevaluated> {
            let seen = follow(subject, rates, eta_g, steps)?;
            let mut check = Check::new();
            let share = compare(&mut check, subject, rates, eta_g, &seen, &constants, 1.0)?;
            Ok((check, share, seen.g_max))
        });
        let mut evidence = Evidence::default();
        let (mut most, mut g_max) = (f64::NEG_INFINITY, 0.0_f64);
        for found in found {
            let (check, share, g) = found?;
            evidence.check.merge(check);
            (most, g_max) = (most.max(share), g_max.max(g));
        }
        hypotheses(&mut evidence.check, subject, eta_g, g_max)?;
        let note = format!("of C_i and U: the smallest that passes, over every T ≤ {steps}, α and η_w");
        evidence.observe("multiple of the noise terms", most, note);
        evidence.observe("η_g", eta_g, from);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "noise just too cheap",
                breaks: "C_i and U are 1 % below the smallest multiple that passes on every path of this very loss",
                run: |subject, context| Some(starved(subject, context)),
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + λ‖W‖²/2 with the constants of F, of which λ‖w‖² is more than a hundred",
                run: |subject, _| Some(decayed(subject)),
            },
        ]
    }
}

fn follow(subject: &Subject, [eta_w, alpha]: [f64; 2], eta_g: f64, steps: usize) -> Result<Expectations, Unevaluated> {
    let rates = [Schedule::new(eta_w, alpha)?, Schedule::new(eta_g, 0.5)?];
    Expectations::over_all_paths(&*subject.loss, &subject.theta, rates, steps)
}

/// The rates of the controls.
fn first(subject: &Subject) -> [f64; 2] {
    [subject.settings.eta_w.first().copied().unwrap_or(1.0), 0.0]
}

fn starved(subject: &Subject, context: &Context) -> Result<Check, Unevaluated> {
    let (eta_g, rates) = (subject.eta_g()?.0, first(subject));
    // What the control claims to be the constants.
    let constants = Constants::new(subject, eta_g)?.claimed();
    let steps = depth(subject, gradients(subject, SECONDS[1], context.profile), DEEPEST);
    let seen = follow(subject, rates, eta_g, steps)?;
    let share = compare(&mut Check::new(), subject, rates, eta_g, &seen, &constants, 1.0)?;
    let mut check = Check::new();
    compare(&mut check, subject, rates, eta_g, &seen, &constants, share - 0.01 * share.abs())?;
    Ok(check)
}

/// One step with eta_w lambda = 1/2 shortens w by half. The quadratic loses (3/8) lambda n of its (1/2) lambda n, and
/// the lemma lets it lose (1/2) lambda n - C/4 at least: too much, if lambda n is above 2 C and what is paid for g.
fn decayed(subject: &Subject) -> Result<Check, Unevaluated> {
    let eta_g = subject.eta_g()?.0;
    let constants = Constants::new(subject, eta_g)?.claimed();
    let before = follow(subject, first(subject), eta_g, 0)?;
    let paid = constants.least.c_w.iter().sum::<f64>() + constants.least.u(&before) * eta_g * eta_g;
    let n = subject.n_start().into_iter().fold(f64::INFINITY, f64::min);
    let lambda = 100.0 * (1.0 + paid) / n;
    let (broken, rates) = (subject.decayed(lambda), [0.5 / lambda, 0.0]);
    let seen = follow(&broken, rates, eta_g, 1)?;
    let mut check = Check::new();
    compare(&mut check, &broken, rates, eta_g, &seen, &constants, 1.0)?;
    Ok(check)
}

/// Compares at every T, with a multiple of C_i and U; returns the smallest multiple that passes.
fn compare(
    check: &mut Check,
    subject: &Subject,
    [eta_w, alpha]: [f64; 2],
    eta_g: f64,
    seen: &Expectations,
    constants: &Constants,
    share: f64,
) -> Result<f64, Unevaluated> {
    let rate_g = Schedule::new(eta_g, 0.5)?;
    let m = subject.layout().n_blocks();
    let (mut descent, mut noise) = (vec![0.0; m], vec![0.0; m]);
    let (mut descent_g, mut eta_g_sq, mut smallest) = (0.0, 0.0, f64::NEG_INFINITY);
    let steps = seen.levels.len() - 1;
    // A rounding for every node, and some 200 in every path.
    let rounding = (seen.nodes as f64 + 200.0 * steps as f64) * U;
    for (t, pair) in seen.levels.windows(2).enumerate() {
        let eta = rate_g.at(t as u64);
        for i in 0..m {
            descent[i] += pair[0].descent[i];
            noise[i] += pair[0].noise[i];
        }
        descent_g += eta * pair[0].g;
        eta_g_sq += eta * eta;
        // What descent saves, and what noise costs.
        let of = |end: &End, share: f64| {
            let c_w: Vec<f64> = end.c_w.iter().map(|c| share * c).collect();
            bounds::lemma_b2(&descent, &c_w, &noise, C_G, descent_g, share * end.u(seen), eta_g_sq)
        };
        let least = of(&constants.least, share);
        let most = constants.most.as_ref().map_or(f64::INFINITY, |most| of(most, share));
        let lhs = pair[1].loss - seen.levels[0].loss;
        let saved = of(&constants.least, 0.0);
        let cost = of(&constants.least, 1.0) - saved;
        smallest = smallest.max((lhs - saved) / cost);
        let size = 1.0 + pair[1].loss.abs() + seen.levels[0].loss.abs() + saved.abs() + cost;
        let at = format!("{}, every path · α = {alpha}, η_w = {eta_w:.3e}, T = {}", subject.name, t + 1);
        let scale = lhs.abs().max(least.abs());
        check.bracketed(at, Inequality { lhs, rhs: least, rounding: rounding * size, scale }, most, || None);
    }
    Ok(smallest)
}
