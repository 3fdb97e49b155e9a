//! One batch-normalised neuron in the plane: all three smoothness constants enclosed by branch and bound.
//!
//! F(w; gamma, beta) = mean_b l_b(gamma xhat_b + beta) + (lambda/2)(gamma^2 + beta^2) with xhat_b = a_b'u/sqrt(q),
//! u = (cos theta, sin theta) the direction of w, a_b the centred inputs, q = u'Mu, M = S + epsilon I. Everything
//! depends on theta through sinusoids, whose ranges over an interval are exact. With J the quarter turn, J = (Ju)u' -
//! u(Ju)' turns the derivative into a single quotient,
//!
//! xhat_b' = a_b'JMu / q^(3/2),   xhat_b'' = a_b'JMJu / q^(3/2) - (3/2) q' a_b'JMu / q^(5/2),   q' = 2 u'MJu,
//!
//! which keeps boxes few: numerator and denominator of the quotient rule would vary together and be bounded apart.
//!
//! At unit w, with f(theta) the loss on the circle: ||H_ww|| = |f''|/2 + sqrt(f''^2/4 + f'^2) (any scale-invariant
//! function of the plane), ||H_wg|| = ||d/dtheta grad_g f|| since H_gw w = 0, and H_gg is 2 x 2.

use rayon::prelude::*;

use crate::network::{Network, NetworkError, NetworkPart, Normalisation, Objective};
use crate::parameters::norm_sq;
use crate::scalar::{Dual, Interval, Scalar};
use crate::smoothness::{Sampled, Upper, larger};

/// A constant between two proved ends: the value at a point of the domain, and a bound over all of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Enclosed {
    /// Attained, up to rounding that is accounted for.
    pub lower: Sampled,
    /// Proved.
    pub upper: Upper,
    /// (theta, gamma, beta) where `lower` is attained.
    pub at: [f64; 3],
    /// Boxes evaluated.
    pub boxes: usize,
}

/// The three constants of section 2.4 of one neuron.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NeuronConstants {
    /// L^vv.
    pub l_vv: Enclosed,
    /// L^vg.
    pub l_vg: Enclosed,
    /// L^gg.
    pub l_gg: Enclosed,
}

/// Intervals, or duals of them.
trait Arithmetic: Scalar + From<Interval> {
    /// s (1 - s) for s = sigmoid(t).
    fn logistic_curvature(self) -> Self;
}

impl Arithmetic for Interval {
    /// The exact range: it is even and falls with |t|. As a product of s and 1 - s, which vary together,
    /// it would be wider.
    fn logistic_curvature(self) -> Self {
        let s = self.abs().sigmoid();
        let at = |s: f64| Self::from(s) * (Self::ONE - Self::from(s));
        Self::new(at(s.hi()).lo().max(0.0), at(s.lo()).hi())
    }
}

impl Arithmetic for Dual<Interval> {
    fn logistic_curvature(self) -> Self {
        let value = self.re.logistic_curvature();
        let slope = value * (Interval::ONE - self.re.sigmoid().scale(2.0));
        Self::new(value, slope * self.du)
    }
}

/// p cos theta + r sin theta as amplitude cos(theta - phase), whose range over an interval is exact.
#[derive(Clone, Copy)]
struct Wave {
    amplitude: Interval,
    phase: Interval,
}

impl Wave {
    fn new(p: Interval, r: Interval) -> Self {
        let amplitude = length(p, r);
        // Turned by half a circle where p < 0, so that the phase never meets the cut of the angle; where p is not known
        // to have a sign, the phase may be any.
        if p.hi() < 0.0 {
            Self { amplitude: -amplitude, phase: (-r).atan2(-p) }
        } else {
            Self { amplitude, phase: r.atan2(p) }
        }
    }

    #[inline]
    fn at<S: Arithmetic>(self, theta: S) -> S {
        S::from(self.amplitude) * (theta - S::from(self.phase)).cos()
    }
}

/// sqrt(x^2 + y^2). The sum's lower end may be rounded below 0; its true value is not.
#[inline]
fn length(x: Interval, y: Interval) -> Interval {
    (x.square() + y.square()).abs().sqrt()
}

/// The neuron on one minibatch, prepared.
struct Neuron {
    /// The mean of q and its oscillation in 2 theta; q' is twice the oscillation's derivative.
    q_mean: Interval,
    q_wave: Wave,
    /// For every example a'u, a'JMu, a'JMJu, and its label.
    examples: Vec<([Wave; 3], f64)>,
    objective: Objective,
    lambda: f64,
}

/// The second derivatives over a box.
struct Derivatives<S> {
    f_1: S,
    f_2: S,
    /// d/dtheta of grad_g.
    mixed: [S; 2],
    /// H_gg: gamma gamma, gamma beta, beta beta.
    gg: [S; 3],
}

impl Neuron {
    fn new(network: &Network, z: &[usize]) -> Result<Self, NetworkError> {
        let architecture = network.architecture();
        let Normalisation::SmoothedBatchNorm { epsilon } = architecture.normalisation else {
            let message = "one neuron is enclosed under smoothed batch normalisation only";
            return Err(NetworkError::new(NetworkPart::Normalisation, message));
        };
        if architecture.widths != [2, 1] || network.convolutions().is_some() {
            let message = format!("widths {:?}: one neuron in the plane has 2-1", architecture.widths);
            return Err(NetworkError::new(NetworkPart::Widths, message));
        }
        let count = z.len();
        let centred = |feature: &[f64]| -> Vec<Interval> {
            let sum = z.iter().fold(Interval::ZERO, |sum, &i| sum + Interval::from(feature[i]));
            let mean = sum.over(count);
            z.iter().map(|&i| Interval::from(feature[i]) - mean).collect()
        };
        let (x, y) = (centred(network.data().feature(0)), centred(network.data().feature(1)));
        let moment = |a: &[Interval], b: &[Interval]| {
            a.iter().zip(b).fold(Interval::ZERO, |sum, (&a, &b)| sum + a * b).over(count)
        };
        let epsilon = Interval::from(epsilon);
        let (m_11, m_12, m_22) = (moment(&x, &x) + epsilon, moment(&x, &y), moment(&y, &y) + epsilon);
        let examples = z
            .iter()
            .zip(x.iter().zip(&y))
            .map(|(&i, (&a_1, &a_2))| {
                // J = ((0, -1), (1, 0)): a'J = (a_2, -a_1), and (JMJ) = -((m_22, -m_12), (-m_12, m_11)).
                let jm = [a_2 * m_11 - a_1 * m_12, a_2 * m_12 - a_1 * m_22];
                let jmj = [-(a_1 * m_22) + a_2 * m_12, a_1 * m_12 - a_2 * m_11];
                let waves = [Wave::new(a_1, a_2), Wave::new(jm[0], jm[1]), Wave::new(jmj[0], jmj[1])];
                (waves, network.data().labels()[i])
            })
            .collect();
        Ok(Self {
            q_mean: (m_11 + m_22).scale(0.5),
            q_wave: Wave::new((m_11 - m_22).scale(0.5), m_12),
            examples,
            objective: architecture.objective,
            lambda: architecture.weight_decay,
        })
    }

    /// l' and l'' of one example.
    #[inline]
    fn objective<S: Arithmetic>(&self, output: S, label: f64) -> (S, S) {
        match self.objective {
            Objective::Squared => (output - S::from_f64(label), S::ONE),
            // Cross-entropy has at least two outputs, and a network of one is refused.
            Objective::Logistic | Objective::CrossEntropy => {
                (output.scale(-label).sigmoid().scale(-label), output.logistic_curvature())
            }
        }
    }

    /// The derivatives as functions of (theta, gamma, beta).
    fn over<S: Arithmetic>(&self, [theta, gamma, beta]: [S; 3]) -> Derivatives<S> {
        let twice = theta.scale(2.0);
        let q = S::from(self.q_mean) + self.q_wave.at(twice);
        // The derivative of the cosine is the cosine a quarter further on.
        let quarter = Interval::new(std::f64::consts::FRAC_PI_2, std::f64::consts::FRAC_PI_2.next_up());
        let turned = Wave { phase: self.q_wave.phase - quarter, ..self.q_wave };
        let ratio = (turned.at(twice) / q).scale(3.0);
        let root = q.sqrt();
        let power = q * root;
        let [mut f_1, mut f_2] = [S::ZERO; 2];
        let (mut mixed, mut gg) = ([S::ZERO; 2], [S::ZERO; 3]);
        // The xhat of a minibatch sum to 0, and so do their derivatives: any constant may be taken from l' in the sums
        // of l' xhat' and l' xhat''. Its mean in the middle of the box leaves the least.
        let outputs = self.examples.iter().map(|(waves, label)| {
            let x = waves[0].at(theta) / root;
            self.objective(gamma * x + beta, *label).0.value()
        });
        let level = S::from_f64(outputs.sum::<f64>() / self.examples.len() as f64);
        for &([a, jm, jmj], label) in &self.examples {
            let x = a.at(theta) / root;
            let x_1 = jm.at(theta) / power;
            let x_2 = jmj.at(theta) / power - ratio * x_1;
            let (l_1, l_2) = self.objective(gamma * x + beta, label);
            let l_1 = l_1 - level;
            let (gx_1, l_2x) = (gamma * x_1, l_2 * x);
            f_1 += l_1 * gx_1;
            f_2 += l_2 * gx_1.square() + l_1 * (gamma * x_2);
            mixed[0] += l_2x * gx_1 + l_1 * x_1;
            mixed[1] += l_2 * gx_1;
            gg[0] += l_2 * x.square();
            gg[1] += l_2x;
            gg[2] += l_2;
        }
        let n = self.examples.len();
        let lambda = S::from_f64(self.lambda);
        Derivatives {
            f_1: f_1.over(n),
            f_2: f_2.over(n),
            mixed: mixed.map(|sum| sum.over(n)),
            gg: [gg[0].over(n) + lambda, gg[1].over(n), gg[2].over(n) + lambda],
        }
    }

    /// The derivatives over a box: by plain evaluation and by the mean value form, f(c) + sum_k f_k (x_k - c_k) with c
    /// the middle and f_k a bound of the derivative over the box, whose excess falls like the square of the box. Both
    /// hold; what they have in common is kept.
    fn enclose(&self, sides: [Interval; 3]) -> Derivatives<Interval> {
        let middle = sides.map(|side| Interval::from(side.value()));
        let slopes = [0, 1, 2].map(|k| {
            let mut lifted = sides.map(Dual::from);
            lifted[k].du = Interval::ONE;
            self.over(lifted)
        });
        let (plain, centre) = (self.over(sides), self.over(middle));
        let mean_value =
            |pick: fn(&Derivatives<Dual<Interval>>) -> Dual<Interval>, plain: Interval, centre: Interval| {
                let terms = (0..3).map(|k| pick(&slopes[k]).du * (sides[k] - middle[k]));
                // Both contain the same values, so that they meet.
                terms.fold(centre, |sum, term| sum + term).intersection(plain).unwrap_or(plain)
            };
        Derivatives {
            f_1: mean_value(|d| d.f_1, plain.f_1, centre.f_1),
            f_2: mean_value(|d| d.f_2, plain.f_2, centre.f_2),
            mixed: [
                mean_value(|d| d.mixed[0], plain.mixed[0], centre.mixed[0]),
                mean_value(|d| d.mixed[1], plain.mixed[1], centre.mixed[1]),
            ],
            gg: [
                mean_value(|d| d.gg[0], plain.gg[0], centre.gg[0]),
                mean_value(|d| d.gg[1], plain.gg[1], centre.gg[1]),
                mean_value(|d| d.gg[2], plain.gg[2], centre.gg[2]),
            ],
        }
    }
}

/// Which of the three norms.
#[derive(Clone, Copy)]
enum Which {
    Vv,
    Vg,
    Gg,
}

impl Derivatives<Interval> {
    /// The norm over the box.
    fn norm(&self, which: Which) -> Interval {
        match which {
            Which::Vv => {
                let half = self.f_2.abs().scale(0.5);
                half + length(half, self.f_1)
            }
            Which::Vg => length(self.mixed[0], self.mixed[1]),
            Which::Gg => {
                // The eigenvalues are mean +- length.
                let [a, b, c] = self.gg;
                (a + c).scale(0.5).abs() + length((a - c).scale(0.5), b)
            }
        }
    }
}

/// One box (theta, gamma, beta) with the bound over it.
struct Leaf {
    sides: [Interval; 3],
    upper: f64,
}

/// Encloses the three constants of a 2-1 network with smoothed batch normalisation on ||w|| = 1, ||(gamma, beta)|| <=
/// `radius` to a relative `tolerance`, for the minibatch z; stops at `max_boxes` boxes a constant,
/// with an enclosure that is wider.
///
/// Boxes are cut in rounds and evaluated on all threads; the result does not depend on their number. Since xhat changes
/// sign with w, gamma >= 0 suffices.
///
/// # Errors
/// If the network is another one.
///
/// # Panics
/// If the radius or the tolerance is not positive and finite.
pub fn neuron_constants(
    network: &Network,
    z: &[usize],
    radius: f64,
    tolerance: f64,
    max_boxes: usize,
) -> Result<NeuronConstants, NetworkError> {
    assert!(radius > 0.0 && radius.is_finite() && tolerance > 0.0 && tolerance.is_finite());
    let neuron = Neuron::new(network, z)?;
    let enclose = |which| branch_and_bound(&neuron, which, radius, tolerance, max_boxes);
    Ok(NeuronConstants { l_vv: enclose(Which::Vv), l_vg: enclose(Which::Vg), l_gg: enclose(Which::Gg) })
}

fn branch_and_bound(neuron: &Neuron, which: Which, radius: f64, tolerance: f64, max_boxes: usize) -> Enclosed {
    let turn = Interval::new(0.0, (2.0 * std::f64::consts::PI).next_up());
    let whole = [turn, Interval::new(0.0, radius), Interval::new(-radius, radius)];
    let mut leaves = vec![Leaf { sides: whole, upper: f64::INFINITY }];
    let (mut lower, mut at, mut boxes) = (0.0, [0.0; 3], 0);
    // Bounds of leaves that are low enough and are not looked at again.
    let mut settled = 0.0_f64;
    loop {
        let halves: Vec<[Interval; 3]> =
            leaves.iter().flat_map(|leaf| cut(leaf.sides, radius)).filter(|sides| meets_disc(sides, radius)).collect();
        boxes += halves.len();
        let found: Vec<(Leaf, f64, [f64; 3])> = halves
            .into_par_iter()
            .map(|sides| {
                let upper = neuron.enclose(sides).norm(which).hi();
                let point = inner_point(&sides, radius);
                let value = neuron.over(point.map(Interval::from)).norm(which).lo();
                (Leaf { sides, upper }, value, point)
            })
            .collect();
        for (_, value, point) in &found {
            if *value > lower {
                (lower, at) = (*value, *point);
            }
        }
        let enough = lower * (1.0 + tolerance);
        leaves.clear();
        for (leaf, ..) in found {
            // NaN counts as open.
            if leaf.upper <= enough { settled = settled.max(leaf.upper) } else { leaves.push(leaf) }
        }
        if leaves.is_empty() || boxes + 2 * leaves.len() > max_boxes {
            let upper = leaves.iter().fold(settled, |upper, leaf| larger(upper, leaf.upper));
            return Enclosed { lower: Sampled(lower), upper: Upper(larger(upper, lower)), at, boxes };
        }
    }
}

/// The two halves across the side that is longest, an angle counting as `radius` times itself.
fn cut(sides: [Interval; 3], radius: f64) -> [[Interval; 3]; 2] {
    let lengths = [sides[0].width() * radius, sides[1].width(), sides[2].width()];
    let k = (0..3).fold(0, |best, k| if lengths[k] > lengths[best] { k } else { best });
    let middle = sides[k].value();
    let mut halves = [sides, sides];
    halves[0][k] = Interval::new(sides[k].lo(), middle);
    halves[1][k] = Interval::new(middle, sides[k].hi());
    halves
}

/// Whether some (gamma, beta) of the box is in the disc, or rounding cannot tell.
fn meets_disc(sides: &[Interval; 3], radius: f64) -> bool {
    let nearest = sides[1].square() + sides[2].square();
    nearest.lo() <= Interval::from(radius).square().hi()
}

/// A point of the domain, the middle of the box or on the way from it to the axis.
fn inner_point(sides: &[Interval; 3], radius: f64) -> [f64; 3] {
    let [theta, gamma, beta] = sides.map(|side| side.value());
    let size = norm_sq(&[gamma, beta]).sqrt();
    // Two units of rounding inside the disc.
    let shrink = if size < radius { 1.0 } else { radius / size * (1.0 - 4.0 * f64::EPSILON) };
    [theta, gamma * shrink, beta * shrink]
}
