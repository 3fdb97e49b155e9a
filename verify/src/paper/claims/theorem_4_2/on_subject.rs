//! Theorem 4.2 on a user's loss.
//!
//! As far as all paths can be followed, the expectation is an exact sum, and so are the largest ||grad_v F_z|| and the
//! largest variance of grad_g on them, which the proof needs there and nowhere else: L_A and G_g. Longer paths are
//! sampled by runs; the upper end of Student's interval over them stands for the expectation, which is an approximation
//! and recorded as one (a bound that holds for few runs whatever they are distributed like needs a bound of what a path
//! can give, and a user's loss has none). Br is formed from both ends of what is known of the constants: see
//! [`crate::paper::paths::expectations`].

use ratecheck::bounds::Factors;
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::rates::{Interval, mean_over_runs};

use super::Theorem42;
use super::expected::Expected;
use super::terms::{Terms, left};
use crate::claim::decide::below;
use crate::claim::evidence::{Check, Context, Evidence, Inequality, Measure, Standing, SubjectControl, Unevaluated};
use crate::claim::instances::U;
use crate::claim::parallel::InParallel;
use crate::claim::subject::{Premise, Subject};
use crate::paper::paths::expectations::{Constants, End, Expectations, Look, depth, gradients, hypotheses, samples};

/// What following all paths may take, and what runs may.
const SECONDS: [f64; 2] = [0.4, 0.6];
/// The probability that any confidence bound of a verification is wrong, as far as Student's interval can be trusted.
const RISK: f64 = 1e-3;
/// Paths are followed by recursion.
const DEEPEST: usize = 500;

impl Measure for Theorem42 {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::ScaleInvariant, Premise::Smooth, Premise::FiniteMinibatches, Premise::BoundedBelow]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let (eta_g, from) = subject.eta_g()?;
        let settings = &subject.settings;
        let grid: Vec<[f64; 2]> =
            settings.alphas.iter().flat_map(|&alpha| settings.eta_w.iter().map(move |&eta_w| [eta_w, alpha])).collect();
        let budget = SECONDS.map(|seconds| gradients(subject, seconds / grid.len() as f64, context.profile));
        let k = subject.n_minibatches().unwrap_or(1);
        let all = depth(subject, budget[0], DEEPEST);
        let n_runs = settings.runs;
        // A step, and a look at L.
        let n_steps = settings.steps.unwrap_or(budget[1] / (n_runs * (k + 1)) as u64);
        let sampled = k > 1 && n_runs > 1 && n_steps > all as u64;
        let level = 1.0 - RISK / (2 * grid.len()) as f64;
        let found: Vec<_> = grid.in_parallel(|&rates| -> Result<_, Unevaluated> {
            let bounded = Bounded::new(subject, rates, eta_g)?;
            let exact = bounded.enumerate(all, 1.0)?;
            let runs = sampled.then(|| bounded.sample(n_runs, n_steps, level, context)).transpose()?;
            Ok((exact, runs))
        });
        let mut evidence = Evidence::default();
        let (mut exact, mut runs) = (Expected::default(), Expected::default());
        for found in found {
            let found = found?;
            exact.add(found.0);
            if let Some(found) = found.1 {
                runs.add(found);
            }
        }
        hypotheses(&mut evidence.check, subject, eta_g, exact.g_max.max(runs.g_max))?;
        let note = "left-hand side/Br, the largest: the smallest multiple of Br that passes";
        evidence.observe(format!("every path, T ≤ {all}"), exact.ratio, note);
        if sampled {
            evidence.check.hypothesis(
                format!("{}: the mean over {n_runs} runs is normal", subject.name),
                Standing::Assumed,
                format!("Student's interval for T = {n_steps}; L_A and G_g are the largest seen on the runs"),
            );
            evidence.observe(format!("{n_runs} runs, T = {n_steps}"), runs.ratio, note);
        } else if k > 1 {
            evidence.observe(
                "runs: none",
                n_runs as f64,
                format!("T = {n_steps} is no longer than what is enumerated"),
            );
        }
        evidence.observe("η_g", eta_g, from);
        evidence.check.merge(exact.check);
        evidence.check.merge(runs.check);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "Br just too small",
                breaks: "99 % of the smallest multiple of Br that passes on every path of this very loss",
                run: |subject, context| Some(starved(subject, context)),
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + λ‖W‖²/2 with the constants of F, and λ so large that the start alone overdraws Br",
                run: |subject, _| Some(decayed(subject)),
            },
        ]
    }
}

/// The first rate of the settings.
fn first(subject: &Subject) -> Result<Bounded<'_>, Unevaluated> {
    let eta_w = subject.settings.eta_w.first().copied().unwrap_or(1.0);
    Bounded::new(subject, [eta_w, 0.0], subject.eta_g()?.0)
}

fn starved(subject: &Subject, context: &Context) -> Result<Check, Unevaluated> {
    let all = depth(subject, gradients(subject, SECONDS[0] / 9.0, context.profile), DEEPEST);
    let mut bounded = first(subject)?;
    // What the control claims to be the constants.
    bounded.constants = bounded.constants.claimed();
    let ratio = bounded.enumerate(all, 1.0)?.ratio;
    Ok(bounded.enumerate(all, 0.99 * ratio)?.check)
}

/// For T = 1 the left-hand side is at least psi lambda^2 n_0^2, the square of the radial gradient: a hundred Br,
/// if it can be.
fn decayed(subject: &Subject) -> Result<Check, Unevaluated> {
    let mut bounded = first(subject)?;
    bounded.constants = bounded.constants.claimed();
    let seen = bounded.look(1)?;
    let terms = bounded.terms(&bounded.constants.least, &seen);
    let (bound, n) = (terms.bound(1)?, terms.n_start[0]);
    let lambda = 10.0 * (bound.br / bound.psi[0]).sqrt() / n;
    let broken = subject.decayed(lambda);
    let seen = Bounded { subject: &broken, ..bounded }.look(1)?;
    let (mut check, level) = (Check::new(), &seen.levels[0]);
    let at = format!("{} · T = 1, λ = {lambda:.2e}", subject.name);
    check.at_most(at, left(&Factors::ONE, 1, &bound.psi, &level.v, terms.eta_g, level.g), bound.br, 0.0);
    Ok(check)
}

/// A loss with its rates and what is known of its constants.
struct Bounded<'a> {
    subject: &'a Subject,
    eta_w: f64,
    alpha: f64,
    eta_g: f64,
    constants: Constants,
}

impl Expected {
    fn add(&mut self, other: Self) {
        self.check.merge(other.check);
        self.ratio = self.ratio.max(other.ratio);
        self.g_max = self.g_max.max(other.g_max);
    }
}

impl<'a> Bounded<'a> {
    fn new(subject: &'a Subject, [eta_w, alpha]: [f64; 2], eta_g: f64) -> Result<Self, Unevaluated> {
        Ok(Self { subject, eta_w, alpha, eta_g, constants: Constants::new(subject, eta_g)? })
    }

    fn rates(&self) -> Result<[Schedule; 2], Unevaluated> {
        Ok([Schedule::new(self.eta_w, self.alpha)?, Schedule::new(self.eta_g, 0.5)?])
    }

    fn look(&self, depth: usize) -> Result<Expectations, Unevaluated> {
        // The last level is where theta_T lies; the theorem's sums end before.
        Expectations::over_all_paths(&*self.subject.loss, &self.subject.theta, self.rates()?, depth - 1)
    }

    /// Br's terms at one end of the constants.
    fn terms(&self, end: &End, seen: &Expectations) -> Terms {
        Terms {
            gap: seen.levels[0].loss - self.subject.loss_min.unwrap_or(f64::NAN),
            c_w: end.c_w.clone(),
            l_a: seen.l_a.clone(),
            n_start: self.subject.n_start(),
            u: end.u(seen),
            eta_w: self.eta_w,
            alpha: self.alpha,
            eta_g: self.eta_g,
            noise_terms: true,
            factors: Factors::ONE,
        }
    }

    /// Those that make Br smallest, and those that make it largest if there is an end.
    fn both(&self, seen: &Expectations) -> (Terms, Option<Terms>) {
        let Constants { least, most } = &self.constants;
        (self.terms(least, seen), most.as_ref().map(|most| self.terms(most, seen)))
    }

    fn at(&self, how: &str, n_steps: u64) -> String {
        format!("{}, {how} · α = {}, η_w = {}, T = {n_steps}", self.subject.name, self.alpha, self.eta_w)
    }

    /// Compares at every T up to `depth` with `share` of the bound.
    fn enumerate(&self, depth: usize, share: f64) -> Result<Expected, Unevaluated> {
        let seen = self.look(depth)?;
        let (least, most) = self.both(&seen);
        let mut found = Expected { g_max: seen.g_max, ..Expected::default() };
        let mut sums = (vec![0.0; least.n_start.len()], 0.0);
        let mut smallest = f64::INFINITY;
        // Sums of positive terms: a rounding per node, and some hundred in each gradient and path.
        let rounding = (seen.nodes as f64 + 200.0 * depth as f64) * U;
        for (t, level) in seen.levels.iter().enumerate() {
            sums.0.iter_mut().zip(&level.v).for_each(|(sum, v)| *sum += v);
            sums.1 += level.g;
            smallest = smallest.min(level.v.iter().sum::<f64>() + level.g);
            let n_steps = t as u64 + 1;
            let bound = least.bound(n_steps)?;
            let above = most.as_ref().map(|most| most.bound(n_steps)).transpose()?;
            let of = |least: f64, most: Option<f64>| (share * least, share * most.unwrap_or(f64::INFINITY));
            let lhs = left(&Factors::ONE, n_steps, &bound.psi, &sums.0, self.eta_g, sums.1);
            for (what, lhs, (rhs, most)) in [
                ("sums", lhs, of(bound.br, above.as_ref().map(|above| above.br))),
                ("minimum", smallest, of(bound.min, above.as_ref().map(|above| above.min))),
            ] {
                let at = format!("{}, {what}", self.at("every path", n_steps));
                let least = Inequality { lhs, rhs, rounding: rounding * rhs, scale: lhs.abs().max(rhs.abs()) };
                found.check.bracketed(at, least, most, || None);
            }
            found.ratio = found.ratio.max(lhs / bound.br);
        }
        Ok(found)
    }

    /// Compares at T with Student's interval over runs, with the average over t in the place of the minimum.
    fn sample(&self, n_runs: usize, n_steps: u64, level: f64, context: &Context) -> Result<Expected, Unevaluated> {
        let (loss, theta_0) = (&*self.subject.loss, &self.subject.theta);
        let (samples, [rate_w, rate_g]) = (samples(loss), self.rates()?);
        let one = |k: usize| -> Result<_, Unevaluated> {
            let generator = context.generator(&format!("{}/{}/run-{k}", self.alpha, self.eta_w));
            let mut stepper = Stepper::new(loss, theta_0, StepRule::Gradient, rate_w, rate_g, generator);
            let mut look = Look::new(loss, &samples);
            let (mut sum_v, mut sum_g) = (vec![0.0; look.n.len()], 0.0);
            for _ in 0..n_steps {
                look.at(stepper.theta());
                sum_v.iter_mut().zip(&look.mean_v_sq).for_each(|(sum, v)| *sum += v);
                sum_g += look.mean_g_sq;
                stepper.step()?;
            }
            Ok((sum_v, sum_g, look.l_a, look.noise_g_sq, look.g_max))
        };
        let runs = (0..n_runs).in_parallel(one).into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut seen = self.look(1)?;
        for (_, _, l_a, noise_g_sq, g_max) in &runs {
            seen.l_a.iter_mut().zip(l_a).for_each(|(most, l)| *most = most.max(*l));
            seen.noise_g_sq = seen.noise_g_sq.max(*noise_g_sq);
            seen.g_max = seen.g_max.max(*g_max);
        }
        let (least, most) = self.both(&seen);
        let bound = least.bound(n_steps)?;
        let above = most.map(|most| most.bound(n_steps)).transpose()?;
        let lefts: Vec<f64> =
            runs.iter().map(|run| left(&Factors::ONE, n_steps, &bound.psi, &run.0, self.eta_g, run.1)).collect();
        let averages: Vec<f64> = runs.iter().map(|run| (run.0.iter().sum::<f64>() + run.1) / n_steps as f64).collect();
        let mut found = Expected { g_max: seen.g_max, ..Expected::default() };
        for (what, values, rhs) in [
            ("sums", &lefts, [Some(bound.br), above.as_ref().map(|above| above.br)]),
            ("average", &averages, [Some(bound.min), above.as_ref().map(|above| above.min)]),
        ] {
            let interval = mean_over_runs(values)?.interval(level);
            let at = format!("{}, {what}", self.at("runs", n_steps));
            judge(&mut found.check, at, interval, rhs.map(|rhs| rhs.unwrap_or(f64::INFINITY)));
        }
        found.ratio = lefts.iter().sum::<f64>() / n_runs as f64 / bound.br;
        Ok(found)
    }
}

/// Whether an expectation in the interval is below a bound of which the bracket is known.
fn judge(check: &mut Check, at: String, interval: Interval, [least, most]: [f64; 2]) {
    if interval.high <= least {
        below(check, at, interval, least, least);
    } else if interval.low > most {
        below(check, at, interval, most, most);
    } else {
        let Interval { low, high, .. } = interval;
        check.undecided(format!("{at}: [{low:.3e}, {high:.3e}] against a bound between {least:.3e} and {most:.3e}"));
    }
}
