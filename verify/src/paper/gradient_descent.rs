//! What the statements on gradient descent are made of: L with its start, rates and constants; the latter are exact,
//! or a bracket.
//!
//! **The L^gg in C_i.** C_i = ½Σ_j L^vv_ij + m(L^vg_i)²/(c L^gg) falls as L^gg grows, and every number at least as
//! large as the true L^gg may stand there as long as η_g ≤ 2(2-c)/((2+c)L^gg). On a user's loss it is the largest such
//! number, 2(2-c)/((2+c)η_g): then C_i grows with each constant that is left, and a bracket of them gives one of C_i.
//! The premise on η_g says that it is at least L^gg.

use std::sync::Arc;

use ratecheck::bounds::{Factors, c_w, eta_g_limit};
use ratecheck::curvature::{Sampling, Smoothness, sampled_constants};
use ratecheck::descent::{Plan, Schedule, StepRule, Stepper, Trace, run};
use ratecheck::loss::Loss;
use ratecheck::parameters::norm_sq;
use ratecheck::random::Seed;

use crate::claim::closed_forms::{C_G, Instance};
use crate::claim::evidence::{Check, Context, Inequality, Profile, Soundness, Standing, Unevaluated};
use crate::claim::instances::U;
use crate::claim::subject::{Known, Subject};

/// L at its start, with all that the bounds of section 3 need.
#[derive(Clone)]
pub(crate) struct Terms {
    /// Shown as the instance.
    pub(crate) name: String,
    /// L, whose one minibatch is the whole.
    pub(crate) loss: Arc<dyn Loss>,
    pub(crate) theta_0: Vec<f64>,
    /// n_i at the start.
    pub(crate) n_start: Vec<f64>,
    /// L(theta_0) - Lmin.
    pub(crate) gap: f64,
    pub(crate) loss_min: f64,
    pub(crate) eta_g: f64,
    pub(crate) has_g: bool,
    /// Made of constants that are at most the true ones.
    pub(crate) least: Constants,
    /// Made of constants that are at least the true ones; nothing if none are known.
    pub(crate) most: Option<Constants>,
    /// What the constants of the bounds are multiplied by.
    pub(crate) factors: Factors,
}

/// The constants of section 2.4 in the form in which bounds take them.
#[derive(Clone, Debug)]
pub(crate) struct Constants {
    /// C_i.
    pub(crate) c_w: Vec<f64>,
    /// L^vv_ii.
    pub(crate) l_vv: Vec<f64>,
}

impl Constants {
    fn new(of: &Smoothness<f64>, l_gg: f64) -> Self {
        let rows = of.l_vv.rows().into_iter().zip(&of.l_vg);
        let c_w = rows.map(|(row, &l_vg)| c_w(&row.to_vec(), l_vg, l_gg, C_G)).collect();
        Self { c_w, l_vv: of.l_vv.diag().to_vec() }
    }
}

impl Terms {
    /// Those of an instance.
    pub(crate) fn new(instance: &Instance, factors: Factors) -> Self {
        let exact = Constants { c_w: instance.c_w_with(&factors), l_vv: instance.constants.l_vv.diag().to_vec() };
        Self {
            name: instance.name.clone(),
            loss: instance.loss.clone(),
            theta_0: instance.theta.clone(),
            n_start: instance.n_start(),
            gap: instance.gap(),
            loss_min: instance.loss_min,
            eta_g: instance.eta_g_printed(),
            has_g: instance.has_g(),
            least: exact.clone(),
            most: Some(exact),
            factors,
        }
    }

    /// Those of a user's loss. Without a lower bound of it the gap is not a number.
    ///
    /// # Errors
    /// If L or its constants cannot be had.
    pub(crate) fn of(subject: &Subject) -> Result<Self, Unevaluated> {
        let (loss, (eta_g, _), known) = (subject.mean()?, subject.eta_g()?, subject.constants()?);
        let (has_g, loss_min) = (subject.has_g(), subject.loss_min.unwrap_or(f64::NAN));
        let constants = |of: &Smoothness<f64>| Constants::new(of, l_gg_allowed(eta_g, has_g));
        Ok(Self {
            name: subject.name.clone(),
            n_start: subject.n_start(),
            gap: loss.sample_loss(&subject.all(), &subject.theta) - loss_min,
            loss_min,
            theta_0: subject.theta.clone(),
            loss,
            eta_g,
            has_g,
            least: constants(&known.least),
            most: known.most.as_ref().map(constants),
            factors: Factors::ONE,
        })
    }

    /// Those of a control, and its eta_w: F + (lambda/2)||W||^2 with eta_w lambda = 3, where w goes to -2w and a
    /// little, while constants and the rest stay those of F. eta_w = min n_i/C_i: the little is less than w.
    ///
    /// # Errors
    /// As [`Terms::of`].
    pub(crate) fn decayed(subject: &Subject) -> Result<(Self, f64), Unevaluated> {
        let terms = Self::of(subject)?.deciding();
        let longest = terms.n_start.iter().zip(&terms.least.c_w).map(|(n, c)| n / c).fold(f64::INFINITY, f64::min);
        // A loss that does not curve has no such rate, and any will do.
        let eta_w = if longest.is_finite() { longest } else { 1.0 };
        let loss = subject.decayed(3.0 / eta_w).mean()?;
        Ok((Self { loss, ..terms }, eta_w))
    }

    /// The same with constants from a larger search.
    pub(crate) fn finding(&mut self, found: &Smoothness<f64>) {
        self.least = Constants::new(found, l_gg_allowed(self.eta_g, self.has_g));
    }

    /// The smaller constants as if they were exact: for controls, which have to be decided.
    #[must_use]
    pub(crate) fn deciding(mut self) -> Self {
        self.most = Some(self.least.clone());
        self
    }

    /// A = Delta + sum_i K_i, with LA_i = `factor` Lii.
    pub(crate) fn a(&self, eta_w: f64, factor: f64) -> Bracket {
        self.bracket(|of| self.factors.lemma_a2(self.gap, &self.k(of, eta_w, factor)))
    }

    /// K_i, with LA_i = `factor` Lii.
    pub(crate) fn k(&self, of: &Constants, eta_w: f64, factor: f64) -> Vec<f64> {
        let k = |i: usize| self.factors.k_w(of.c_w[i], factor * of.l_vv[i], eta_w, self.n_start[i]);
        (0..of.c_w.len()).map(k).collect()
    }

    /// The largest ||g_t|| of a run of gradient descent.
    ///
    /// # Errors
    /// If it diverges.
    pub(crate) fn largest_g(&self, eta_w: f64, n_steps: u64) -> Result<f64, Unevaluated> {
        if !self.has_g {
            return Ok(0.0);
        }
        let rates = [Schedule::constant(eta_w)?, Schedule::constant(self.eta_g)?];
        let generator = Seed::new(0).generator("full batch");
        let mut stepper = Stepper::new(&*self.loss, &self.theta_0, StepRule::Gradient, rates[0], rates[1], generator);
        for _ in 0..n_steps {
            stepper.step()?;
        }
        Ok(stepper.largest_g())
    }

    /// A bound that grows with the constants.
    pub(crate) fn bracket(&self, bound: impl Fn(&Constants) -> f64) -> Bracket {
        Bracket { least: bound(&self.least), most: self.most.as_ref().map(bound) }
    }

    /// ||grad_{w_i} L||^2 at the start.
    pub(crate) fn grad_w_sq(&self) -> Vec<f64> {
        let layout = self.loss.parameters();
        let z: Vec<usize> = (0..self.loss.minibatches().n_examples()).collect();
        let mut grad = vec![0.0; self.theta_0.len()];
        self.loss.sample_gradient(&z, &self.theta_0, &mut grad, &mut Default::default());
        layout.blocks().iter().map(|block| norm_sq(&grad[block.range.clone()])).collect()
    }
}

/// A run under constant rates, with records at the horizons and at its end.
///
/// # Errors
/// If it diverges.
pub(crate) fn descend(
    loss: &dyn Loss,
    theta_0: &[f64],
    rule: StepRule,
    [eta_w, eta_g]: [f64; 2],
    steps: u64,
    horizons: Vec<u64>,
    context: &Context,
) -> Result<Trace, Unevaluated> {
    let plan = Plan::new(rule, Schedule::constant(eta_w)?, Schedule::constant(eta_g)?, steps, horizons);
    let trace = run(loss, theta_0, &plan, context.generator("z"));
    trace.divergence.map_or(Ok(trace), |divergence| Err(divergence.into()))
}

/// See the first lines of this file. Without a g there is no coupling, and nothing depends on it.
fn l_gg_allowed(eta_g: f64, has_g: bool) -> f64 {
    if has_g { eta_g_limit(eta_g, C_G) } else { 0.0 }
}

/// A bound made of constants that are at most, and at least, the true ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bracket {
    pub(crate) least: f64,
    pub(crate) most: Option<f64>,
}

impl Bracket {
    /// A bound that grows with this one.
    pub(crate) fn map(self, f: impl Fn(f64) -> f64) -> Self {
        Self { least: f(self.least), most: self.most.map(f) }
    }

    /// lhs is at most this, with the margin relative to the larger side.
    pub(crate) fn at_least(self, check: &mut Check, at: impl Into<String>, lhs: f64, rounding: f64) {
        self.scaled(check, at, lhs, rounding, lhs.abs().max(self.least.abs()));
    }

    /// The same, where lhs has grown from `start`: the margin is relative to the growth that this allows.
    pub(crate) fn grown(self, check: &mut Check, at: impl Into<String>, lhs: f64, rounding: f64, start: f64) {
        self.scaled(check, at, lhs, rounding, (self.least - start).max(rounding));
    }

    fn scaled(self, check: &mut Check, at: impl Into<String>, lhs: f64, rounding: f64, scale: f64) {
        let Self { least, most } = self;
        match most {
            Some(most) => check.bracketed(at, Inequality { lhs, rhs: least, rounding, scale }, most, || None),
            None => check.compare(at, lhs, least, rounding, scale, Soundness::Sampled),
        }
    }
}

/// What a run of gradient descent may cost: so many steps for each of several runs that together take about so many
/// seconds. A mean over several minibatches costs as much as all of them. Large products of matrices run several times
/// as fast as the estimate of [`Subject::steps`], which is meant for small ones.
pub(crate) fn steps(subject: &Subject, seconds: f64, profile: Profile) -> u64 {
    let runs = subject.settings.eta_w.len().max(1);
    let size = subject.layout().len() * subject.loss.minibatches().batch_size();
    let faster = if subject.network.is_some() && size > LARGE { 4.0 } else { 1.0 };
    subject.steps(faster * seconds / (runs * subject.n_minibatches().unwrap_or(1)) as f64, profile).max(2)
}

/// Parameters times examples from which on a gradient is mostly products that fill their vectors.
const LARGE: usize = 100_000;

/// The same for an inequality at every T: not more than the built-in instances have, unless the settings say so.
pub(crate) fn some_steps(subject: &Subject, seconds: f64, context: &Context) -> u64 {
    let enough = context.pick([1_000, 20_000, 200_000, 2_000_000]);
    subject.settings.steps.map_or(enough, |steps| steps.max(2)).min(steps(subject, seconds, context.profile))
}

/// How many gradients of a minibatch other work may cost, whatever T the settings ask for.
pub(crate) fn gradients(subject: &Subject, seconds: f64, context: &Context) -> u64 {
    let mut subject = subject.clone();
    subject.settings.steps = None;
    subject.steps(seconds, context.profile)
}

/// A run that diverged, where the statement forbids it.
pub(crate) fn left_the_numbers(check: &mut Check, terms: &Terms, eta_w: f64, Unevaluated(how): &Unevaluated) {
    check.at_most(format!("{} · η_w = {eta_w:e}: {how}; runs that end early", terms.name), 1.0, 0.0, 0.0);
}

/// The premises of Lemma 3.2 and of what follows from it: constants that hold wherever the run went, and eta_g. `g_max`
/// is the largest ||g_t|| that was met.
///
/// # Errors
/// If no constants can be had.
pub(crate) fn premises(check: &mut Check, subject: &Subject, g_max: f64) -> Result<(), Unevaluated> {
    let known = subject.constants()?;
    let (standing, beyond) = match &known.most {
        Some(_) if inside(known, g_max) => (Standing::Met, ""),
        Some(most) if holds_beyond(most, &found_within(subject, g_max)) => {
            (Standing::Assumed, "; at random points of that larger ball none of them is exceeded")
        }
        Some(_) => (Standing::NotMet, "; at random points of that larger ball they are exceeded: ask for a larger K"),
        None => (Standing::Assumed, ""),
    };
    let of_g = if subject.has_g() {
        format!("; ‖g_t‖ reaches {g_max:.3}, K = {:.3}", known.radius)
    } else {
        String::new()
    };
    check.hypothesis(format!("constants of {}", subject.name), standing, format!("{}{of_g}{beyond}", known.how));
    premise_on_eta_g(check, subject, g_max)
}

/// eta_g <= 2(2-c)/((2+c)L^gg) with c = 1/2, where the run went: what a rate needs, whose constants need only exist.
///
/// # Errors
/// If no constants can be had.
pub(crate) fn premise_on_eta_g(check: &mut Check, subject: &Subject, g_max: f64) -> Result<(), Unevaluated> {
    if !subject.has_g() {
        return Ok(());
    }
    let (known, (eta_g, from)) = (subject.constants()?, subject.eta_g()?);
    let within = inside(known, g_max);
    let found = if within { known.least.l_gg } else { known.least.l_gg.max(found_within(subject, g_max).l_gg) };
    let proved = known.most.as_ref().filter(|_| within).map(|most| most.l_gg);
    // A limit that is attained is missed by the roundings of its formula.
    let limit = l_gg_allowed(eta_g, true) * (1.0 + 8.0 * U);
    let standing = match proved {
        Some(proved) if proved <= limit => Standing::Met,
        _ if found <= limit => Standing::Assumed,
        _ => Standing::NotMet,
    };
    let proved = proved.map_or_else(String::new, |proved| format!(", at most {proved:.4}"));
    let detail = format!(
        "η_g = {eta_g:.4e} ({from}), which needs L^gg ≤ {limit:.4}; on ‖g‖ ≤ {:.3} it is at least {found:.4}{proved}",
        known.radius.max(g_max)
    );
    check.hypothesis("η_g ≤ 2(2-c)/((2+c)L^gg) with c = 1/2", standing, detail);
    Ok(())
}

/// Whether a run stayed where constants are known. A radius that a recursion attains is exceeded by its roundings.
fn inside(known: &Known, g_max: f64) -> bool {
    g_max <= known.radius * (1.0 + 64.0 * U)
}

/// Constants found at random points of a ball that a run has reached beyond K. Not numbers if it is no ball.
fn found_within(subject: &Subject, g_max: f64) -> Smoothness<f64> {
    if !g_max.is_finite() {
        return Smoothness::from_blocks(subject.layout().n_blocks(), |_, _| f64::NAN);
    }
    let points = if subject.layout().len() <= 200 { 40 } else { 4 };
    sampled_constants(&*subject.loss, &Sampling::new(points, g_max), &Seed::new(0).child("beyond")).values()
}

/// Whether none of the constants is exceeded. The norms of two algorithms may differ by their rounding.
fn holds_beyond(most: &Smoothness<f64>, found: &Smoothness<f64>) -> bool {
    let below = |(found, most): (&f64, &f64)| *found <= most * (1.0 + NORMS);
    found.l_vv.iter().zip(&most.l_vv).all(below)
        && found.l_vg.iter().zip(&most.l_vg).all(below)
        && below((&found.l_gg, &most.l_gg))
}

/// What the norms of two algorithms may differ by, relative to the larger.
const NORMS: f64 = 1e-11;
