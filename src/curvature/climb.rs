//! Local ascent on a product of unit spheres and the domain of g, by limited-memory BFGS.

use std::collections::VecDeque;
use std::ops::Range;

use super::sampled::Domain;
use super::spectral::normalise;
use crate::parameters::{dot, norm_sq};

/// Pairs of steps and changes of the gradient that are remembered.
const MEMORY: usize = 40;
/// The conditions of Wolfe: a step gains this share of what the slope promises ..
const GAIN: f64 = 1e-4;
/// .. and leaves at most this share of the slope.
const FLATTENED: f64 = 0.9;
/// Steps tried along one direction.
const TRIALS: usize = 30;

/// Where x lies: some ranges of it on unit spheres, one in the domain of g.
pub(super) struct Surface {
    pub(super) spheres: Vec<Range<usize>>,
    pub(super) g: Range<usize>,
    pub(super) domain: Domain,
}

impl Surface {
    /// Replaces x by the nearest point of the surface.
    fn retract(&self, x: &mut [f64]) {
        for sphere in &self.spheres {
            normalise(&mut x[sphere.clone()]);
        }
        let g = &mut x[self.g.clone()];
        match self.domain {
            Domain::Box(k) => g.iter_mut().for_each(|g| *g = g.clamp(-k, k)),
            Domain::Ball(k) => {
                let norm = norm_sq(g).sqrt();
                if norm > k {
                    g.iter_mut().for_each(|g| *g *= k / norm);
                }
            }
        }
    }

    /// Which constraints on g hold an ascent along `grad` back at x: one for the ball, one per coordinate for the box.
    fn active(&self, x: &[f64], grad: &[f64]) -> Vec<bool> {
        let (g, d) = (&x[self.g.clone()], &grad[self.g.clone()]);
        match self.domain {
            Domain::Box(k) => g.iter().zip(d).map(|(g, d)| g.abs() >= k && g * d >= 0.0).collect(),
            // A projected point is off the sphere by a rounding or two per coordinate.
            Domain::Ball(k) => {
                let rounding = 4.0 * f64::EPSILON * (1 + g.len()) as f64;
                vec![norm_sq(g).sqrt() >= k * (1.0 - rounding) && dot(g, d) >= 0.0]
            }
        }
    }

    /// Projects d to the tangent space at x of the spheres and of the active constraints.
    fn project(&self, x: &[f64], active: &[bool], d: &mut [f64]) {
        for sphere in &self.spheres {
            remove(&mut d[sphere.clone()], &x[sphere.clone()], 1.0);
        }
        let (g, d) = (&x[self.g.clone()], &mut d[self.g.clone()]);
        match self.domain {
            Domain::Box(_) => d.iter_mut().zip(active).filter(|(_, active)| **active).for_each(|(d, _)| *d = 0.0),
            Domain::Ball(_) if active[0] => match norm_sq(g) {
                0.0 => d.fill(0.0),
                norm_sq => remove(d, g, norm_sq),
            },
            Domain::Ball(_) => {}
        }
    }
}

/// Subtracts from d its part along x.
fn remove(d: &mut [f64], x: &[f64], norm_sq: f64) {
    let along = dot(d, x) / norm_sq;
    d.iter_mut().zip(x).for_each(|(d, x)| *d -= along * x);
}

/// A point of an ascent.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) x: Vec<f64>,
    pub(super) value: f64,
    /// The gradient, projected to the tangent space.
    tangent: Vec<f64>,
    active: Vec<bool>,
}

impl Place {
    fn new(surface: &Surface, mut x: Vec<f64>, oracle: &mut impl FnMut(&[f64], &mut [f64]) -> f64) -> Self {
        surface.retract(&mut x);
        let mut tangent = vec![0.0; x.len()];
        let value = oracle(&x, &mut tangent);
        let active = surface.active(&x, &tangent);
        surface.project(&x, &active, &mut tangent);
        Self { x, value, tangent, active }
    }

    /// The length of the projected gradient.
    pub(super) fn residual(&self) -> f64 {
        norm_sq(&self.tangent).sqrt()
    }

    pub(super) fn is_finite(&self) -> bool {
        self.value.is_finite() && self.tangent.iter().all(|d| d.is_finite())
    }
}

/// Ascends from x until residual <= tolerance * |value|, no step gains anything beyond rounding, or the budget of calls
/// to the oracle (which returns the value and writes the ambient gradient) is spent. A place that is not finite ends
/// the ascent and is returned.
///
/// The directions are those of limited-memory BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.4) in
/// ambient coordinates: remembered steps and changes of the projected gradient are projected to the tangent space at
/// hand, which is a vector transport; they are forgotten when the set of active constraints changes. Steps obey the
/// weak conditions of Wolfe, found by bisection (Lewis and Overton 2013, algorithm 2.6).
pub(super) fn climb(
    surface: &Surface,
    x: Vec<f64>,
    tolerance: f64,
    budget: usize,
    mut oracle: impl FnMut(&[f64], &mut [f64]) -> f64,
) -> Place {
    let mut place = Place::new(surface, x, &mut oracle);
    let mut spent = 1;
    let mut memory = Memory::default();
    while place.is_finite() && !(place.residual() <= tolerance * place.value.abs()) && spent < budget {
        let mut d = memory.direction(&place.tangent);
        surface.project(&place.x, &place.active, &mut d);
        let mut slope = dot(&place.tangent, &d);
        let steep = slope >= 1e-8 * (norm_sq(&d) * norm_sq(&place.tangent)).sqrt();
        // The first step goes a twentieth of a sphere's radius, later ones as far as the curvature says.
        let mut t = 1.0;
        if memory.pairs.is_empty() || !steep {
            memory.pairs.clear();
            d.clone_from(&place.tangent);
            slope = norm_sq(&d);
            t = 0.05 / slope.sqrt();
        }
        let (mut low, mut high) = (0.0, f64::INFINITY);
        let mut best: Option<Place> = None;
        for _ in 0..TRIALS {
            if spent >= budget {
                break;
            }
            let moved: Vec<f64> = place.x.iter().zip(&d).map(|(x, d)| x + t * d).collect();
            let trial = Place::new(surface, moved, &mut oracle);
            spent += 1;
            if !trial.is_finite() {
                return trial;
            }
            let promised: f64 = place.tangent.iter().zip(&trial.x).zip(&place.x).map(|((g, y), x)| g * (y - x)).sum();
            if !(trial.value >= place.value + GAIN * promised) {
                high = t;
            } else {
                let left = dot(&trial.tangent, &d);
                best = Some(trial);
                // Further along a great circle than this the direction is of no more use.
                if !(left > FLATTENED * slope) || t * norm_sq(&d).sqrt() > 2.0 {
                    break;
                }
                low = t;
            }
            t = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * t };
        }
        match best {
            Some(next) => {
                memory.learn(surface, &place, &next);
                place = next;
            }
            // A stale model may be to blame: once more along the gradient, and if that gains nothing, it is rounding.
            None if !memory.pairs.is_empty() => memory.pairs.clear(),
            None => break,
        }
    }
    place
}

/// Steps s and falls y of the projected gradient (the Hessian of the value times s is about -y).
#[derive(Default)]
struct Memory {
    pairs: VecDeque<[Vec<f64>; 2]>,
}

impl Memory {
    fn learn(&mut self, surface: &Surface, before: &Place, after: &Place) {
        if before.active != after.active {
            self.pairs.clear();
            return;
        }
        let transport = |d: &mut Vec<f64>| surface.project(&after.x, &after.active, d);
        self.pairs.iter_mut().flatten().for_each(transport);
        let mut s: Vec<f64> = after.x.iter().zip(&before.x).map(|(a, b)| a - b).collect();
        let mut y = before.tangent.clone();
        transport(&mut s);
        transport(&mut y);
        y.iter_mut().zip(&after.tangent).for_each(|(y, g)| *y -= g);
        self.pairs.push_back([s, y]);
        // Where the surface is not concave, or a transport has spoiled a pair, there is nothing to learn from it.
        self.pairs.retain(|[s, y]| dot(s, y) > 1e-10 * (norm_sq(s) * norm_sq(y)).sqrt());
        if self.pairs.len() > MEMORY {
            self.pairs.pop_front();
        }
    }

    /// The two-loop recursion.
    fn direction(&self, gradient: &[f64]) -> Vec<f64> {
        let mut d = gradient.to_vec();
        let mut weights = Vec::with_capacity(self.pairs.len());
        for [s, y] in self.pairs.iter().rev() {
            let weight = dot(s, &d) / dot(s, y);
            d.iter_mut().zip(y).for_each(|(d, y)| *d -= weight * y);
            weights.push(weight);
        }
        if let Some([s, y]) = self.pairs.back() {
            let scale = dot(s, y) / norm_sq(y);
            d.iter_mut().for_each(|d| *d *= scale);
        }
        for ([s, y], weight) in self.pairs.iter().zip(weights.into_iter().rev()) {
            let correction = weight - dot(y, &d) / dot(s, y);
            d.iter_mut().zip(s).for_each(|(d, s)| *d += correction * s);
        }
        d
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ascends on c'x - |x|^2/2 over a domain of g alone, from near 0.
    fn quadratic(domain: Domain, c: [f64; 2]) -> Place {
        let surface = Surface { spheres: Vec::new(), g: 0..2, domain };
        climb(&surface, vec![0.1, -0.2], 1e-12, 100, |x, grad| {
            grad.copy_from_slice(&[c[0] - x[0], c[1] - x[1]]);
            c[0] * x[0] + c[1] * x[1] - 0.5 * norm_sq(x)
        })
    }

    #[test]
    fn maxima_inside_and_on_the_boundary_are_found() {
        let close = |place: Place, expected: [f64; 2]| {
            let off = place.x.iter().zip(expected).fold(0.0, |m, (x, e)| f64::max(m, (x - e).abs()));
            // The residual is the distance from the maximum here, and values are below 10.
            assert!(off <= 1e-10 && place.residual() <= 1e-11, "{:?} {expected:?}", place.x);
        };
        close(quadratic(Domain::Ball(1.0), [0.3, 0.4]), [0.3, 0.4]);
        close(quadratic(Domain::Ball(1.0), [3.0, 4.0]), [0.6, 0.8]);
        close(quadratic(Domain::Ball(0.0), [3.0, 4.0]), [0.0, 0.0]);
        close(quadratic(Domain::Box(1.0), [3.0, 0.5]), [1.0, 0.5]);
        close(quadratic(Domain::Box(1.0), [3.0, -4.0]), [1.0, -1.0]);
    }

    #[test]
    fn a_quadratic_form_on_a_sphere_ends_at_its_largest_eigenvalue() {
        let n = 40;
        let surface = Surface { spheres: std::iter::once(0..n).collect(), g: n..n, domain: Domain::Ball(0.0) };
        let mut calls = 0;
        let place = climb(&surface, vec![1.0; n], 1e-9, 1000, |x, grad| {
            calls += 1;
            let mut sum = 0.0;
            for (i, (x, grad)) in x.iter().zip(grad).enumerate() {
                *grad = 2.0 * i as f64 * x;
                sum += i as f64 * x * x;
            }
            sum
        });
        // The gap to the next eigenvalue is 1: the error is at most the residual squared, (1e-9 * 39)^2, and rounding.
        assert!((place.value - 39.0).abs() <= 1e-13 && calls < 150, "{} {calls}", place.value);
    }

    #[test]
    fn a_place_that_is_not_a_number_is_returned() {
        let surface = Surface { spheres: Vec::new(), g: 0..1, domain: Domain::Ball(1.0) };
        let place = climb(&surface, vec![0.0], 1e-9, 50, |x, grad| {
            grad[0] = 1.0;
            if x[0] > 0.2 { f64::NAN } else { x[0] }
        });
        assert!(place.value.is_nan() && place.x[0] > 0.2);
    }
}
