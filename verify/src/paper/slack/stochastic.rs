//! The proofs on stochastic gradient descent: Lemmas B.2, B.3 and B.4 and Theorem 4.2, in exact expectation over the
//! 2^T paths of the two samples of `lemma-b.2`, with alpha = 1/4.

use std::f64::consts::PI;

use ratecheck::bounds;
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::{Over, Workspace, closed::ProblemJ};
use ratecheck::parameters::{dot, norm_sq};
use ratecheck::random::Seed;
use ratecheck::rates::partial_zeta;

use super::{Account, Unit};
use crate::claim::closed_forms::C_G;
use crate::claim::evidence::{Context, Evidence, Unevaluated};
use crate::claim::instances::U;

/// The two samples (xi, zeta) = +-(1, 1; 1) of d = 2, as problem J numbers them.
pub(crate) const PAIR: [usize; 2] = [0b000, 0b111];
const ETAS: [f64; 5] = [0.01, 0.1, 1.0, 10.0, 100.0];
const ALPHA: f64 = 0.25;
const ETA_G: f64 = 0.5;
const THETA_0: [f64; 3] = [0.6, 0.8, 1.0];

/// The numbers that the bounds are made of.
struct Setting {
    loss: ProblemJ,
    steps: usize,
    eta_w: f64,
    c_w: f64,
    l_a: f64,
    l_gg: f64,
    u: f64,
    noise_g_sq: f64,
    gap: f64,
}

/// Expectations over all paths. n_0 = 1.
#[derive(Default)]
struct Means {
    /// L_0 - L_T.
    decrease: f64,
    /// Sums over t of: L_{t+1} - L_t - <grad L, Delta>; Q_t; eta_{g,t}^2 ||grad_g F||^2.
    remainder: f64,
    taylor: f64,
    moved_g: f64,
    /// e_t ||grad_v L||^2, e_T ||grad_v L||^2, ||grad_v L||^2,
    /// and e_t^2 ||grad_v F||^2 = (eta_{w,t}^2/n_t) ||grad_w F||^2.
    descent: f64,
    weighted: f64,
    plain: f64,
    noise: f64,
    /// eta_{g,t} ||grad_g L||^2, ||grad_g L||^2, eta_{g,t}^2 ||grad_g L||^2.
    descent_g: f64,
    plain_g: f64,
    square_g: f64,
    /// n_T^2 - n_0^2, with LA for the gradient in its first term, in both, and with n_0 for n_t.
    growth: [f64; 4],
    /// The right-hand sides of (23): sharp, then with log2, +1 and a factor 2, then with B's bound,
    /// then with n_T for n_{T-1}.
    log: [f64; 4],
}

fn rounding(steps: usize) -> f64 {
    // A rounding for every path, and some 200 in every step.
    ((1_u64 << steps) as f64 + 200.0 * steps as f64) * U
}

impl Setting {
    fn new(eta_w: f64, context: &Context) -> Self {
        let loss = ProblemJ::new(2, 0.5, 0.5);
        let radius = loss.radius(THETA_0[2]);
        let (mean, l_a) = (loss.constants(radius).values(), loss.sample_constants(radius).l_vv[(0, 0)].0);
        let c_w = bounds::c_w(&[mean.l_vv[(0, 0)]], mean.l_vg[0], mean.l_gg, C_G);
        // The largest noise of grad_g, at v = -xi/sqrt(2): see `lemma-b.2`.
        let noise_g = 0.5 * 2.0_f64.sqrt() + 0.5;
        let u = bounds::u_noise(mean.l_gg, C_G, noise_g);
        let [a, b, g] = THETA_0;
        let gap = 0.5 * g * g - g * a / norm_sq(&[a, b]).sqrt() - loss.loss_min();
        let (l_gg, noise_g_sq) = (mean.l_gg, noise_g * noise_g);
        Self { loss, steps: context.pick([8, 12, 12, 14]), eta_w, c_w, l_a, l_gg, u, noise_g_sq, gap }
    }

    fn rates(&self) -> Result<(Schedule, Schedule), Unevaluated> {
        Ok((Schedule::new(self.eta_w, ALPHA)?, Schedule::new(ETA_G, 0.5)?))
    }

    /// Sum over t < T of eta_{g,t}^2.
    fn eta_g_sq(&self) -> f64 {
        ETA_G * ETA_G * partial_zeta(self.steps as u64, 1.0)
    }

    fn h_2alpha(&self) -> f64 {
        partial_zeta(self.steps as u64, 2.0 * ALPHA)
    }

    fn means(&self) -> Result<Means, Unevaluated> {
        let (rate_w, rate_g) = self.rates()?;
        // The generator is never used: every minibatch is given.
        let generator = Seed::new(0).generator("unused");
        let mut stepper = Stepper::new(&self.loss, &THETA_0, StepRule::Gradient, rate_w, rate_g, generator);
        let l = self.loss.constants(self.loss.radius(THETA_0[2])).values();
        let mut means = Means::default();
        let share = 1.0 / (1_u64 << self.steps) as f64;
        let (mut grad, mut scratch, mut work) = ([0.0; 3], [0.0; 3], Workspace::default());
        for path in 0..1_usize << self.steps {
            stepper.restart(&THETA_0, 0);
            let mut value = |theta: &[f64], grad: &mut [f64]| {
                self.loss.mean_gradient(theta, grad, &mut scratch, &mut work).unwrap_or(f64::NAN)
            };
            let start = value(&THETA_0, &mut grad);
            let (mut now, mut plain, mut largest, mut before_last) = (start, 0.0, 0.0_f64, 1.0);
            for t in 0..self.steps {
                let (eta_w, eta_g) = (rate_w.at(t as u64), rate_g.at(t as u64));
                let n = stepper.w_norm_sq()[0];
                let mean = grad;
                stepper.step_with(&[PAIR[path >> t & 1]])?;
                let (sq, sample) = (stepper.gradient_norm_sq()[0], stepper.gradient());
                let first_order = eta_w * dot(&mean[..2], &sample[..2]) + eta_g * mean[2] * sample[2];
                let turn = eta_w * (sq / n).sqrt();
                let move_g = eta_g * sample[2].abs();
                let next = value(stepper.theta(), &mut grad);
                means.remainder += share * (next - now + first_order);
                means.taylor += share * bounds::taylor_remainder(l.l_vv.view(), &l.l_vg, l.l_gg, &[turn], move_g);
                means.moved_g += share * move_g * move_g;
                let (v, g) = (n * norm_sq(&mean[..2]), mean[2] * mean[2]);
                plain += v;
                means.descent += share * eta_w / n * v;
                means.noise += share * turn * turn;
                means.descent_g += share * eta_g * g;
                means.plain_g += share * g;
                means.square_g += share * eta_g * eta_g * g;
                // eta^2 ||grad_v F||^2 and its bound.
                let (moved, most) = (eta_w * eta_w * n * sq, (eta_w * self.l_a).powi(2));
                let fourth = |square: f64, n: f64| square * square / (n * n);
                means.growth[0] += share * (2.0 * moved + fourth(moved, n));
                means.growth[1] += share * (2.0 * most + fourth(moved, n));
                means.growth[2] += share * (2.0 * most + fourth(most, n));
                means.growth[3] += share * (2.0 * most + fourth(most, 1.0));
                largest = largest.max(eta_w * eta_w * sq);
                (now, before_last) = (next, n);
            }
            let n = stepper.w_norm_sq()[0];
            means.decrease += share * (start - now);
            means.plain += share * plain;
            means.weighted += share * rate_w.at(self.steps as u64) / n * plain;
            let b = (self.eta_w * self.l_a).powi(2);
            means.log[0] += share * bounds::lemma_b1_sharp(1.0, largest, before_last);
            means.log[1] += share * bounds::lemma_b1(1.0, largest, before_last);
            means.log[2] += share * bounds::lemma_b1(1.0, b, before_last);
            means.log[3] += share * bounds::lemma_b4(self.eta_w, self.l_a, 1.0, n);
        }
        Ok(means)
    }
}

/// Fills an account at every learning rate.
fn over_rates(
    evidence: &mut Evidence,
    context: &Context,
    unit: Unit,
    what: &str,
    links: &'static [&'static str],
    chain: impl Fn(&Setting, &Means) -> Result<Vec<f64>, Unevaluated>,
) -> Result<(), Unevaluated> {
    let steps = Setting::new(1.0, context).steps;
    let run = format!("{what}, in expectation over all 2^{steps} paths of T = {steps} steps on two samples, α = 1/4");
    let mut account = Account::new(unit, run, links);
    for eta_w in ETAS {
        let setting = Setting::new(eta_w, context);
        let means = setting.means()?;
        // No link is an equality on these paths.
        account.add(&mut evidence.check, eta_w, &chain(&setting, &means)?, [rounding(setting.steps); 2], || None);
    }
    account.show(evidence);
    Ok(())
}

/// Lemma B.2: from the true remainder of the Taylor expansion to what the lemma pays for it.
pub(crate) fn lemma_b_2(evidence: &mut Evidence, context: &Context) -> Result<(), Unevaluated> {
    let links = &[
        "largest curvature for the true one",
        "√(ab) ≤ (a + b)/2 for mixed terms",
        "G_g² for the variance",
        "η_g up to its limit",
    ];
    over_rates(evidence, context, Unit::Share, "remainders", links, |s, m| {
        let paid = s.c_w * m.noise;
        let half = 0.5 * (1.0 + 0.5 * C_G) * s.l_gg;
        let noise = s.noise_g_sq * s.eta_g_sq();
        Ok(vec![
            m.remainder,
            m.taylor,
            paid + half * m.moved_g,
            paid + half * (m.square_g + noise),
            paid + (1.0 - 0.5 * C_G) * m.descent_g + s.u * s.eta_g_sq(),
        ])
    })
}

/// Lemma B.3: from the growth of n_T^2 to H_T(2 alpha) D.
pub(crate) fn lemma_b_3(evidence: &mut Evidence, context: &Context) -> Result<(), Unevaluated> {
    let links = &[
        "L_A for ‖∇_v F‖ in the square",
        "L_A for ‖∇_v F‖ in the fourth power",
        "‖w_0‖² for ‖w_t‖²",
        "(t+1)^(-2α) for (t+1)^(-4α)",
        "π in Lemma A.1",
    ];
    over_rates(evidence, context, Unit::Decades, "‖w_T‖⁴ - ‖w_0‖⁴", links, |s, m| {
        let bound = |factor: f64| s.h_2alpha() * bounds::d_w(s.eta_w, factor * s.l_a, 1.0);
        Ok([&m.growth[..], &[bound(1.0), bound(PI)]].concat())
    })
}

/// Lemma B.4: from the sum of (23) to its bound.
pub(crate) fn lemma_b_4(evidence: &mut Evidence, context: &Context) -> Result<(), Unevaluated> {
    let links = &[
        "the sharp Lemma B.1",
        "log₂, +1 and 2B/a_0 of the printed one",
        "η_w²L_A²/‖w_0‖² for the largest increment",
        "‖w_T‖² for ‖w_{T-1}‖²",
    ];
    over_rates(evidence, context, Unit::Decades, "the sum of (23)", links, |_, m| {
        Ok([&[m.noise][..], &m.log[..]].concat())
    })
}

/// Theorem 4.2: from the weighted sums of squared gradients to Br.
pub(crate) fn theorem_4_2(evidence: &mut Evidence, context: &Context) -> Result<(), Unevaluated> {
    let links = &[
        "Lemma B.3: e_T for ψ",
        "(22): e_t for e_T, η_{g,t} for η_{g,T}",
        "Lemma B.2",
        "L_min for E L_T",
        "(23)",
        "Lemma B.3 in the logarithm",
    ];
    over_rates(evidence, context, Unit::Decades, "the left-hand side of the sharper form", links, |s, m| {
        let (steps, h) = (s.steps as u64, s.h_2alpha());
        let d = bounds::d_w(s.eta_w, s.l_a, 1.0);
        let psi = bounds::psi(s.rates()?.0.at(steps), 1.0, d, h);
        let left = bounds::theorem_4_2_left(steps, &[psi], &[m.plain], C_G, ETA_G, m.plain_g);
        let weighted = bounds::theorem_4_2_left(steps, &[1.0], &[m.weighted], C_G, ETA_G, m.plain_g);
        let (noise, paid) = (s.u * s.eta_g_sq(), s.c_w * m.noise);
        let block = bounds::theorem_4_2_block(s.c_w, bounds::lam(1.0, d, h), s.eta_w, s.l_a, 1.0);
        Ok(vec![
            left,
            weighted,
            m.descent + 0.5 * C_G * m.descent_g,
            m.decrease + paid + noise,
            s.gap + paid + noise,
            s.gap + s.c_w * m.log[3] + noise,
            bounds::theorem_4_2(s.gap, &[block], s.u, ETA_G, partial_zeta(steps, 1.0)),
        ])
    })
}
