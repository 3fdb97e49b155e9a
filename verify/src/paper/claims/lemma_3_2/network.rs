//! Runs on the built-in networks, of whose constants a bracket is known.

use ratecheck::bounds::eta_g_limit;
use ratecheck::curvature::{Proved, Sampling, Smoothness, block_norms, proved_constants, sampled_constants};
use ratecheck::descent::{Schedule, StepRule, Stepper};
use ratecheck::loss::Loss;
use ratecheck::parameters::norm_sq;

use super::descent::Descent;
use crate::claim::closed_forms::C_G;
use crate::claim::evidence::{Check, Context, Soundness, Standing, Unevaluated};
use crate::claim::instances::NetworkAt;
use crate::claim::parallel::InParallel;

/// A network with a bracket of its constants: found at random points and along every step of the runs that are then
/// compared (random points alone find several times less), and proved by composition. η_g is the limit for the proved
/// L^gg, so that its hypothesis is met. Returns the smallest multiple of the C found that passes.
pub(super) fn followed(
    check: &mut Check,
    subject: &NetworkAt,
    (points, steps, rates): (usize, u64, &[f64]),
    context: &Context,
) -> Result<f64, Unevaluated> {
    // g moves little under so small an η_g: the runs stay within this ball, or the hypothesis below is not met.
    let radius = 1.1 * norm_sq(&subject.theta[subject.layout().g()]).sqrt();
    let seed = context.seed.child(&format!("{}/constants", subject.name));
    let Proved { upper, method } = proved_constants(&subject.network, radius)?;
    let upper = upper.values();
    let eta_g = eta_g_limit(upper.l_gg, C_G);
    let sampled = sampled_constants(&subject.network, &Sampling::new(points, radius), &seed);
    let on_runs: Result<Vec<_>, Unevaluated> = rates
        .in_parallel(|&eta_w| along(&subject.network, &subject.theta, [eta_w, eta_g], steps, |_| true, context))
        .into_iter()
        .collect();
    let on_runs: Vec<Vec<f64>> = on_runs?.into_iter().flatten().collect();
    let norms: Vec<_> = on_runs.in_parallel(|theta| block_norms(&subject.network, &subject.z, theta));
    let found = norms.iter().fold(sampled, Smoothness::max).values();
    // C grows with L^vv and L^vg and falls with L^gg.
    let m = found.n_blocks();
    let c = |of: &Smoothness<f64>, l_gg: f64| -> Vec<f64> {
        (0..m).map(|i| context.factors.c_w(&of.l_vv.row(i).to_vec(), of.l_vg[i], l_gg, C_G)).collect()
    };
    let (least, most) = (c(&found, upper.l_gg), c(&upper, found.l_gg));
    let one = |&eta_w: &f64| -> Result<_, Unevaluated> {
        let mut part = Check::new();
        let (name, loss, theta_0) = (subject.name.as_str(), &subject.network, subject.theta.as_slice());
        let (c_w, c_w_upper, soundness) = (least.clone(), Some(most.clone()), Soundness::Proved);
        let (equality, factors) = (false, context.factors);
        let descent = Descent {
            name,
            loss,
            theta_0,
            eta_w,
            eta_g,
            c_g: C_G,
            c_w,
            c_w_upper,
            steps,
            soundness,
            equality,
            factors,
        };
        let extremes = descent.follow(&mut part, context)?;
        Ok((part, extremes))
    };
    let (mut multiple, mut g) = (0.0_f64, 0.0_f64);
    for found in rates.in_parallel(one) {
        let (part, extremes) = found?;
        check.merge(part);
        multiple = multiple.max(extremes.multiple);
        g = g.max(extremes.g);
    }
    let name = format!("{}: constants on ‖g‖ ≤ {radius:.2}, proved by {}", subject.name, method.l_gg);
    let detail = format!(
        "C_1 between {:.3e} (at {points} random points and {} on the runs) and {:.3e}; L^gg between {:.3} and {:.3e}; \
         the largest ‖g_t‖ is {g:.3}",
        least[0],
        on_runs.len(),
        most[0],
        found.l_gg,
        upper.l_gg
    );
    check.hypothesis(name, if g <= radius { Standing::Met } else { Standing::NotMet }, detail);
    Ok(multiple)
}

/// Two points of those steps t of a run that are `looked_at`: half-way between the directions that the step joins, and
/// where it ends; the start before them.
pub(super) fn along(
    loss: &dyn Loss,
    theta_0: &[f64],
    [eta_w, eta_g]: [f64; 2],
    steps: u64,
    looked_at: impl Fn(u64) -> bool,
    context: &Context,
) -> Result<Vec<Vec<f64>>, Unevaluated> {
    let layout = loss.parameters();
    let (eta_w, eta_g) = (Schedule::constant(eta_w)?, Schedule::constant(eta_g)?);
    let generator = context.generator("z");
    let mut stepper = Stepper::new(loss, theta_0, StepRule::Gradient, eta_w, eta_g, generator);
    let mut before = layout.theta_unit(theta_0);
    let mut points = vec![before.clone()];
    for t in 0..steps {
        stepper.step()?;
        let after = layout.theta_unit(stepper.theta());
        if looked_at(t) {
            let mean: Vec<f64> = before.iter().zip(&after).map(|(a, b)| 0.5 * (a + b)).collect();
            points.push(layout.theta_unit(&mean));
            points.push(after.clone());
        }
        before = after;
    }
    Ok(points)
}
