//! The assumptions of section 2.4: constants L^vv_ij, L^vg_i,
//! L^gg that bound the blocks of the Hessian of every F_z, bracketed.
//!
//! Whoever estimates such a constant by looking at points finds at most its value. Here each is bracketed: the largest
//! norm at random points, the largest that local ascent finds, and a bound that is proved;
//! the true constant lies between the last two.

use ndarray::array;
use ratecheck::curvature::{
    Ascent, AscentOptions, Constant, Exact, Functions, Part, Sampled, Sampling, Smoothness, Target, Upper,
    ascend_constants, proved_constants, sampled_constants,
};
use ratecheck::loss::Loss;
use ratecheck::loss::closed::{Bilinear, BnRegression, Linear, ProblemJ, Rayleigh};
use ratecheck::network::{Activation, Normalisation};
use ratecheck::scalar::DoubleDouble;

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Inequality, Kind, Measure, Observation, Origin, Standing, Statement,
    Unevaluated,
};
use crate::claim::instances::{NetworkAt, U, small, tiny};
use crate::claim::plot::{Axis, Plot, Series, Style};
use crate::claim::precise::unit_block_norm;
use crate::claim::replay::{Sides, UNITS};

mod on_subject;

/// See the module's first line.
pub(super) struct Smooth;

static STATEMENT: Statement = Statement {
    id: "section-2.4",
    title: "Assumptions of section 2.4",
    plain: "The Hessian's blocks are bounded on unit spheres: the constants exist, and lie between what search finds \
            and what is proved.",
    formula: "‖∂²F_z/∂v_i∂v_j‖ ≤ L^vv_ij,   ‖∂²F_z/∂v_i∂g‖ ≤ L^vg_i,   ‖∂²F_z/∂g²‖ ≤ L^gg   for every z, ‖v_i‖ = 1, \
              ‖g‖ ≤ K",
    latex: &[
        r"\left\|\frac{\partial^2F_z}{\partial v_i\,\partial v_j}\right\|\le L^{vv}_{ij},\qquad \left\|\frac{\partial^2F_z}{\partial v_i\,\partial g}\right\|\le L^{vg}_i,\qquad \left\|\frac{\partial^2F_z}{\partial g^2}\right\|\le L^{gg}",
        r"\text{for every } z,\;\|v_i\|=1,\;\|g\|\le K",
    ],
    printed_at: "section 2.4",
    origin: Origin::Paper,
    kind: Kind::Inequality,
    hypotheses: &["F_z is scale invariant in every w_i", "g is bounded: ‖g‖ ≤ K (Lemma C.2 is one reason)"],
    measured: "for every block: the largest spectral norm at 100 random points ≤ the largest found by local ascent ≤ \
               the bound that is proved. Closed forms: the bound is the constant itself, and the ascent must reach it \
               to 1e-6. One neuron in the plane: interval branch and bound, to 2 %. Networks: composition, layer by \
               layer",
    tolerance: "1e-11 of the bound for the norms' rounding; 1e-6 for what an ascent may miss: it stops at a relative \
                gradient of 1e-6, and its error is of the square's order",
    does_not_show: "that a network's constants are near the proved ones: composition overestimates by factors that \
                    grow with depth, and an ascent ends at a local maximum",
};

/// The norms' rounding, relative to the bound.
const NORMS: f64 = 1e-11;
/// What an ascent may miss of the constant: see `tolerance` in the statement.
const MISSED: f64 = 1e-6;

/// What stands for the bound.
#[derive(Clone, Copy, PartialEq)]
enum Bound {
    /// The true constants, or what is proved of them.
    Proved,
    /// Another multiple of them.
    Times(f64),
    /// The largest norms at the random points.
    Sampled,
}

/// One loss with a bound of its constants.
struct Bracketed<'a> {
    name: &'a str,
    loss: &'a dyn Loss,
    radius: f64,
    upper: Smoothness<Upper>,
    /// How the bound was proved; `None` for a closed form, which must then be reached.
    method: Option<String>,
}

/// The bracket of one subject, as ratios to the bound, at the block where the ascent is nearest to it.
struct NearestBlock {
    name: String,
    sampled: f64,
    ascended: f64,
    farthest: f64,
    method: String,
    ascent: Ascent,
}

impl Bracketed<'_> {
    fn bracket(&self, check: &mut Check, bound: Bound, context: &Context) -> Result<NearestBlock, Unevaluated> {
        let (points, restarts) = (100, context.pick([1, 4, 8, 16]));
        let seed = context.seed.child(self.name);
        let sampling = Sampling { functions: Functions::Samples, ..Sampling::new(points, self.radius) };
        let sampled = sampled_constants(self.loss, &sampling, &seed);
        let options = AscentOptions { n_points: points, restarts, ..AscentOptions::new(self.radius) };
        let ascended = ascend_constants(self.loss, &options, &seed);
        let m = ascended.n_blocks();
        let parts = || (0..m).map(Part::Block).chain((!self.loss.parameters().g().is_empty()).then_some(Part::G));
        let mut nearest: Option<NearestBlock> = None;
        let mut farthest = 1.0_f64;
        for (k, rows) in parts().enumerate() {
            for columns in parts().take(k + 1) {
                let (Sampled(low), ascent) = (sampled.of(rows, columns), at(&ascended, rows, columns));
                let (value, proved) = (ascent.value.value(), self.upper.of(rows, columns).value());
                let upper = match bound {
                    Bound::Proved => proved,
                    Bound::Times(factor) => factor * proved,
                    Bound::Sampled => low,
                };
                self.compare(check, [rows, columns], low, ascent, upper);
                let place = format!("{} · {}", self.name, self.describe(rows, columns));
                if self.method.is_none() && bound == Bound::Proved {
                    check.at_most(format!("{place}, reached"), (1.0 - MISSED) * upper, value, 0.0);
                }
                if proved > 0.0 && value > 0.0 {
                    farthest = farthest.max(proved / value);
                    if nearest.as_ref().is_none_or(|found| value / proved > found.ascended) {
                        nearest = Some(NearestBlock {
                            name: self.name.to_owned(),
                            sampled: low / proved,
                            ascended: value / proved,
                            farthest: 1.0,
                            method: self.method.clone().unwrap_or_else(|| "closed form".to_owned()),
                            ascent: ascent.clone(),
                        });
                    }
                }
            }
        }
        let found = nearest.ok_or_else(|| Unevaluated(format!("{}: every block is 0", self.name)))?;
        Ok(NearestBlock { farthest, ..found })
    }

    /// Random points <= ascent <= bound, at one block.
    fn compare(&self, check: &mut Check, [rows, columns]: [Part; 2], low: f64, ascent: &Ascent, upper: f64) {
        let (place, value) = (format!("{} · {}", self.name, self.describe(rows, columns)), ascent.value.value());
        // What the norms of two algorithms may differ by, and what an ascent may miss,
        // is no rounding of one comparison.
        check.at_most(format!("{place}, sampled"), (1.0 - NORMS) * low, value, 0.0);
        let rounding = NORMS * upper.max(1.0);
        let ascended = Inequality { lhs: value, rhs: upper, rounding, scale: value.max(upper) };
        check.replayed(format!("{place}, ascended"), ascended, || self.replay(ascent, [rows, columns], upper));
    }

    /// The norm of a block where an ascent ended, in double-double, and its bound: what was proved is a bound as it
    /// stands, while the constant of a closed form is an `f64` off by up to four roundings. Whatever x a power iteration
    /// ends at, ||Hx||/||x|| is at most the norm, and an eigenvalue of H'H is within its residual.
    fn replay(&self, ascent: &Ascent, parts: [Part; 2], upper: f64) -> Option<Sides> {
        let target = ascent.z.as_ref().map_or(Target::Mean, |z| Target::Sample(z));
        let (lhs, residual) = unit_block_norm(self.loss, target, &ascent.theta, parts)?;
        let closed = if self.method.is_none() { 4.0 * U * upper } else { 0.0 };
        let rounding = closed + residual + NORMS * UNITS * upper.max(1.0);
        Some(Sides { lhs, rhs: DoubleDouble::from(upper), rounding })
    }

    fn describe(&self, rows: Part, columns: Part) -> String {
        let name = |part| match part {
            Part::Block(i) => self.loss.parameters().blocks()[i].name.clone(),
            Part::G => "g".to_owned(),
        };
        format!("{} × {}", name(rows), name(columns))
    }
}

fn at(all: &Smoothness<Ascent>, rows: Part, columns: Part) -> &Ascent {
    match (rows, columns) {
        (Part::Block(i), Part::Block(j)) => &all.l_vv[(i, j)],
        (Part::Block(i), Part::G) | (Part::G, Part::Block(i)) => &all.l_vg[i],
        (Part::G, Part::G) => &all.l_gg,
    }
}

fn closed<'a>(name: &'a str, loss: &'a dyn Loss, radius: f64, exact: Smoothness<Exact>) -> Bracketed<'a> {
    Bracketed { name, loss, radius, upper: exact.into(), method: None }
}

impl Claim for Smooth {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let (mut check, mut found) = (Check::new(), Vec::new());
        for d in [10, 30] {
            let loss = Rayleigh::equally_spaced(d);
            let name = format!("Rayleigh in R^{d}");
            found.push(closed(&name, &loss, 0.0, loss.constants()).bracket(&mut check, Bound::Proved, context)?);
        }
        let linear = Linear::new(vec![0.6, -0.3, 1.1, 0.2]);
        found.push(closed("linear", &linear, 0.0, linear.constants()).bracket(&mut check, Bound::Proved, context)?);
        let bilinear = Bilinear::new(array![[1.0, 0.5, 0.0], [0.0, 2.0, 1.0]])?;
        found.push(closed("bilinear", &bilinear, 0.0, bilinear.constants()).bracket(
            &mut check,
            Bound::Proved,
            context,
        )?);
        let regression = BnRegression::new(vec![0.6, 0.0, 0.8]);
        found.push(closed("BN regression", &regression, 1.0, regression.constants(1.0)).bracket(
            &mut check,
            Bound::Proved,
            context,
        )?);
        let j = ProblemJ::default();
        found.push(closed("problem J", &j, 1.0, j.sample_constants(1.0)).bracket(
            &mut check,
            Bound::Proved,
            context,
        )?);
        // In the order of what they cost: branch and bound takes seconds, 10 blocks more, 118 blocks a minute.
        let networks: [Build; 3] = [
            |context| Ok(tiny("3-4-1", SMOOTHED, Activation::Tanh, context)),
            super::lemma_3_2_proved::one_neuron_at,
            |context| Ok(small("5-6-4-4", SMOOTHED, Activation::Tanh, context)),
        ];
        for network in &networks[..context.pick([1, 2, 3, 3])] {
            let (subject, radius) = (network(context)?, 2.0);
            let proved = proved_constants(&subject.network, radius)?;
            let method = Some(proved.method.l_vv[(0, 0)].to_string());
            let (name, loss, upper) = (subject.name.as_str(), &subject.network, proved.upper);
            let bracket =
                Bracketed { name, loss, radius, upper, method }.bracket(&mut check, Bound::Proved, context)?;
            found.push(bracket);
        }
        check.hypothesis("‖g‖ ≤ K", Standing::Met, "by construction: K = 1 on closed forms, 2 on networks");
        let mut evidence = Evidence::new(check);
        for NearestBlock { name, sampled, ascended, farthest, method, .. } in &found {
            evidence.observations.push(Observation {
                name: format!("sampled / proved, {name}"),
                value: *sampled,
                interval: None,
                note: format!(
                    "ascended / proved is {ascended:.6} at this block; proved / ascended is {farthest:.3} at the \
                     farthest; by {method}"
                ),
            });
        }
        evidence.plots = vec![brackets(&found), convergence(&found)];
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "100 random points as a bound",
                breaks: "on the Rayleigh quotient in R^10 the largest norm at random points stands for the constant",
                run: |context| {
                    let loss = Rayleigh::equally_spaced(10);
                    broken(&closed("Rayleigh in R^10", &loss, 0.0, loss.constants()), Bound::Sampled, context)
                },
            },
            Control {
                name: "the constants of the mean loss",
                breaks: "on problem J the constants of L stand for those of every F_z",
                run: |context| {
                    let j = ProblemJ::default();
                    broken(&closed("problem J", &j, 1.0, j.constants(1.0)), Bound::Proved, context)
                },
            },
            Control {
                name: "0.999 of the closed form",
                breaks: "the constant of the linear form is 0.1 % too small",
                run: |context| {
                    let loss = Linear::new(vec![0.6, -0.3, 1.1, 0.2]);
                    broken(&closed("linear", &loss, 0.0, loss.constants()), Bound::Times(0.999), context)
                },
            },
        ]
    }
}

type Build = fn(&Context) -> Result<NetworkAt, Unevaluated>;

const SMOOTHED: Normalisation = Normalisation::SmoothedBatchNorm { epsilon: 0.1 };

fn broken(subject: &Bracketed<'_>, bound: Bound, context: &Context) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    subject.bracket(&mut check, bound, context)?;
    Ok(check)
}

/// Sampled and ascended as parts of the proved bound, subject by subject, the first at the top.
fn brackets(found: &[NearestBlock]) -> Plot {
    let curve = |value: fn(&NearestBlock) -> f64| -> Vec<[f64; 2]> {
        found.iter().rev().enumerate().map(|(k, f)| [value(f), (k + 1) as f64]).collect()
    };
    Plot {
        id: "brackets".to_owned(),
        title: "Random points fall short of the constants, ascents reach them".to_owned(),
        caption: "The largest norm at 100 random points, and the largest found by ascent, as parts of the proved \
                  bound, at the block where the ascent is nearest to it. The bound is the constant itself but for the \
                  networks of several layers, where it comes by composition."
            .to_owned(),
        x: Axis::linear("part of the proved bound"),
        y: Axis::names("instance", found.iter().rev().map(|f| f.name.clone()).collect()),
        series: vec![
            Series::new("ascended", Style::Points, curve(|f| f.ascended)),
            Series::new("sampled", Style::Points, curve(|f| f.sampled)),
        ],
        references: Vec::new(),
        window: None,
        noise_floor: None,
    }
}

/// How the ascents converge.
fn convergence(found: &[NearestBlock]) -> Plot {
    let mut plot = Plot::log_log(
        "ascent",
        "Ascent finds in some hundred products what sampling would never meet",
        "The best norm so far as a part of the largest that was found, against the Hessian-vector products spent, at \
         the block of the plot above.",
        "Hessian-vector products",
        "best so far / ascended",
    );
    plot.y = Axis::linear("best so far / ascended");
    plot.series = found
        .iter()
        .map(|f| {
            let points = f.ascent.history.iter().map(|&(n, best)| [n as f64, best / f.ascent.value.0]).collect();
            Series::new(f.name.clone(), Style::Line, points)
        })
        .collect();
    plot
}
