//! What is known of a subject's constants, and the eta_g that follows from them.

use ratecheck::curvature::{Sampled, Sampling, Smoothness, block_norms, g_bounds, proved_constants, sampled_constants};
use ratecheck::network::{LayerPlaces, Network};
use ratecheck::parameters::norm;
use ratecheck::random::Seed;

use super::Subject;
use crate::claim::evidence::Unevaluated;

/// The constants of section 2.4 on ||w_i|| = 1, ||g|| <= radius, for L and every F_z.
#[derive(Clone, Debug)]
pub struct Known {
    /// At most the true ones: found at random points and at the start, or exact.
    pub least: Smoothness<f64>,
    /// At least the true ones: exact or proved. `None` with the reason in `how`.
    pub most: Option<Smoothness<f64>>,
    /// K.
    pub radius: f64,
    /// Where both come from, in words.
    pub how: String,
}

/// As for blocks of weights: the squares of derivatives there are still numbers.
const LARGEST: f64 = 1e72;

impl Known {
    /// Those that are at least the true ones if there are any, else those found.
    pub fn best(&self) -> &Smoothness<f64> {
        self.most.as_ref().unwrap_or(&self.least)
    }
}

impl Subject {
    /// eta_g: as it was set, or half of 1/L^gg for the largest L^gg known that is of use: one that is proved, unless it
    /// is more than ten times what was found, where a run would stand still; then twice what was found.
    /// The second value says which.
    ///
    /// # Errors
    /// If no constants can be had.
    pub fn eta_g(&self) -> Result<(f64, &'static str), Unevaluated> {
        if let Some(eta_g) = self.settings.eta_g {
            return Ok((eta_g, "as it was set"));
        }
        if !self.has_g() {
            return Ok((1.0, "there is no g"));
        }
        let known = self.constants()?;
        match &known.most {
            Some(most) if most.l_gg <= 10.0 * known.least.l_gg => Ok((0.5 / most.l_gg, "1/(2 L^gg), proved")),
            _ => Ok((0.25 / known.least.l_gg, "1/(4 L^gg), L^gg as it was found at random points")),
        }
    }

    /// The constants of section 2.4: exact if they are known, else found, and proved where that can be done.
    ///
    /// # Errors
    /// If one that was found is not finite.
    pub fn constants(&self) -> Result<&Known, Unevaluated> {
        // Outside of the lock: a thread that waits for others inside may take up work that asks for the same constants.
        let find = || {
            let found = self.find_constants();
            self.known.get_or_init(|| found)
        };
        self.known.get().unwrap_or_else(find).as_ref().map_err(|reason| Unevaluated(reason.clone()))
    }

    fn find_constants(&self) -> Result<Known, String> {
        let layout = self.layout();
        let g_norm = norm(&self.theta[layout.g()]);
        let bounded =
            self.network.as_ref().and_then(|network| g_bounds(network, largest_scale(network, &self.theta)).ok());
        let (radius, from) = match (self.radius, bounded) {
            _ if layout.g().is_empty() => (0.0, "there is no g"),
            (Some(radius), _) => (radius, "the problem says so"),
            (None, Some(bounds)) => (bounds.radius, "Lemma C.2"),
            (None, None) => (2.0 * g_norm.max(1.0), "assumed: twice the start"),
        };
        if let Some(exact) = &self.exact {
            let exact = exact.values();
            return Ok(Known { least: exact.clone(), most: Some(exact), radius, how: "exact".to_owned() });
        }
        // Points near the start's ball: in that of Lemma C.2, which is often much larger,
        // random points say little about runs.
        let near = radius.min(2.0 * g_norm.max(1.0));
        if !(near <= LARGEST) {
            return Err(format!("||g|| is {g_norm:.3e}, and beyond {LARGEST:e} derivatives overflow"));
        }
        let points = if layout.len() <= 200 { 40 } else { 4 };
        let sampling = Sampling::new(points, near);
        let found: Smoothness<Sampled> = sampled_constants(&*self.loss, &sampling, &Seed::new(0).child("constants"));
        let at_start = self
            .batches(2, &Seed::new(0))
            .iter()
            .map(|z| block_norms(&*self.loss, z, &layout.theta_unit(&self.theta)))
            .fold(found, |all, one| all.max(&one));
        let least = at_start.values();
        if !(least.l_vv.iter().chain(&least.l_vg).all(|x| x.is_finite()) && least.l_gg.is_finite()) {
            return Err("a block of the Hessian is not finite".to_owned());
        }
        let proved = match &self.network {
            Some(network) => proved_constants(network, radius).map_err(|reason| reason.to_string()),
            None => Err("the loss is no network of the engine".to_owned()),
        };
        let bracket = match &proved {
            Ok(_) => "proved layer by layer".to_owned(),
            Err(reason) => format!("nothing is proved: {reason}"),
        };
        let how = format!("found at {points} random points and the start, {bracket}; ‖g‖ ≤ {radius:.3} ({from})");
        Ok(Known { least, most: proved.ok().map(|proved| proved.upper.values()), radius, how })
    }
}

/// The largest scale or shift at the start, whether it is in g or in a block of its own.
fn largest_scale(network: &Network, theta: &[f64]) -> f64 {
    let of_layer = |place: LayerPlaces| place.gamma.into_iter().chain(place.beta).flatten();
    network.places().into_iter().flat_map(of_layer).fold(0.0, |m: f64, k| m.max(theta[k].abs()))
}
