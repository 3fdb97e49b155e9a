//! Footnote 1: the smoothness constants of a network may be as large as M^O(L), for L layers of width M.
//!
//! Nothing is said of how they grow from below or of what g may be. Here both sides are measured over depth and width,
//! on networks 1-M-..-M-1 with smoothed BN, tanh and the logistic objective, and entries of g that are bounded by Gamma
//! (the first of the two ways in which section 2.4 keeps g bounded).
//!
//! **As large as.** Inputs are x = +-1 with labels y = x; every row behind the first layer is (1, .., 1)/sqrt(M), every
//! gamma behind it Gamma, every beta 0, and gamma of the first layer so small that all units stay near 0. Then the M
//! inputs a of a unit are alike, its BN returns Gamma sqrt(M) a/sqrt(M a^2 + epsilon), which is Gamma sqrt(M/epsilon) a
//! up to cubes, and the output is f x with f = s gamma_1/sqrt(1 + epsilon), where
//!
//! > s = (Gamma sqrt(M/epsilon))^(L-1).
//!
//! Along e = (1, .., 1)/sqrt(M) in the first gamma, f changes by s/sqrt(M (1 + epsilon)) a unit, and the logistic
//! objective has the second derivative 1/4 at 0. With the decay of g,
//!
//! > e' (d^2 F/dg^2) e = s^2/(4 M (1 + epsilon)) + lambda,
//!
//! so that L^gg is at least that: it grows as M^(L-2). *Room:* f is odd in gamma_1. Its cubic term is at most f^3 sum_l
//! (1/(2 Gamma^2) + 1/3)/(Gamma^2 M/epsilon)^l < f^3 at Gamma = 1, M/epsilon >= 20, so f'' <= 6 f f'^2. Against 1/4
//! f'^2 this is 12 f at most, and what f' itself and the objective's own curvature lose is of the order f^2. The
//! gamma_1 is chosen such that f = 1e-7: 2e-6 covers 12 f, and the roundings of a Hessian's product through L layers
//! (some 1e-13).
//!
//! **At most.** The bound by composition (claim `theorem-c.3`) on ||g|| <= K = Gamma sqrt(2 (M (L-1) + 1)) is a
//! polynomial with positive coefficients in K, in sqrt(M) (the range of M inputs) and in numbers that do not depend on
//! M. With both counted alike its degree is at most 2L: the derivative by a row is K sqrt(B) (rho^2 +
//! epsilon)^(1/2)/sqrt(epsilon) with rho^2 <= M, of degree 2 (1 in the first layer), every further layer multiplies by
//! K/sqrt(epsilon), and there are two derivatives; second derivatives of a layer are of smaller degree than the product
//! of two first ones, times 1/sqrt(B). Since d ln K/d ln M <= 1/2, for M < M'
//!
//! > bound(M')/bound(M) <= (M'/M)^L.
//!
//! So the constants are M^O(L) on bounded g, and not less than M^(L-2): the footnote as it stands.
//!
//! **With weight decay** (the second way) the ball is that of Lemma C.2, whose recursion Q_{l-1} = alpha_s Gamma_l
//! sqrt(m_l/epsilon) Q_l with Gamma_l = Q_l sqrt(B)/lambda squares Q at every layer: lambda Gamma_{L-k} is (1/(lambda
//! sqrt(epsilon)))^(2^k - 1) M^((2^(k-1) - 1)/2). Then the bound is M^O(2^L), which a control shows; E24.

use ratecheck::curvature::{HessianProduct, compositional_bound, g_bounds, hessian_vector_product};
use ratecheck::data::Dataset;
use ratecheck::loss::{Minibatches, Setting};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};
use ratecheck::parameters::dot;

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Origin, Standing, Statement, Unevaluated,
};
use crate::claim::plot::{Axis, Plot, Series, Style};

/// See the module's first line.
pub(super) struct Footnote1;

static STATEMENT: Statement = Statement {
    id: "footnote-1",
    title: "Footnote 1",
    plain: "The smoothness constants of a network may grow exponentially with its depth, like a power of the width \
            whose exponent is proportional to the number of layers; and on bounded g no faster.",
    formula: "M^(L-2)·Γ^(2(L-1))ε^(-(L-1))/(4(1+ε)) + λ ≤ L^gg,   bound(M′)/bound(M) ≤ (M′/M)^L,   \
              for L layers of width M and |g|_∞ ≤ Γ",
    latex: &[
        r"\frac{M^{L-2}}{4(1+\varepsilon)}\Bigl(\frac{\Gamma^2}{\varepsilon}\Bigr)^{L-1}+\lambda\;\le\;L^{gg}\;\le\;\overline{L}^{gg}",
        r"\overline L(M')/\overline L(M)\le(M'/M)^L\quad\text{for every bound }\overline L\text{ of }L^{vv}_{ij},L^{vg}_i,L^{gg}\text{ on }|g|_\infty\le\Gamma",
    ],
    printed_at: "section 2.4, footnote 1",
    kind: Kind::Inequality,
    origin: Origin::Paper,
    hypotheses: &[
        "smoothed BN with ε‖w‖², ε > 0; a smooth activation (tanh); the logistic objective",
        "the entries of g are at most Γ",
    ],
    measured: "networks 1-M-…-M-1, in the full profile with L = 2 to 6 layers and M = 2 to 32, Γ = 1, ε = 0.1: the \
               curvature of F in γ of the first layer at the point where every layer has its largest gain, beside its \
               closed form and the bound by composition; and the growth of the bounds of L^vv, L^vg and L^gg from each \
               width to the next",
    tolerance: "2e-6 for the closed form, whose point is 1e-7 from where it is exact (derived in the file); 1e-12 for \
                bounds, which are rounded up by some units a layer",
    does_not_show: "that trained networks have such constants: the point is made. Nothing for weight decay in place of \
                    bounded g, where the ball of Lemma C.2 itself grows as M^O(2^L) (E24)",
};

const EPSILON: f64 = 0.1;
const GAMMA: f64 = 1.0;
const LAMBDA: f64 = 0.1;
/// f, and what it allows: see the module's doc comment.
const NEAR: f64 = 1e-7;
const TOLERANCE: f64 = 20.0 * NEAR;
/// Of a ratio of two bounds: each is rounded up, by less than 2^(L+4) units.
const ROUNDING: f64 = 1e-12;

/// Where the curvature is taken.
#[derive(Clone, Copy, PartialEq)]
enum Point {
    /// Rows aligned, the first layer near 0.
    Aligned,
    /// The same rows, the first gamma as large as the others: units saturate.
    Saturated,
    /// Rows behind the first layer look at one unit alone.
    OneUnit,
}

/// On which ball, and with which exponent, the bounds are said to grow.
#[derive(Clone, Copy)]
struct Growth {
    /// The exponent of M'/M.
    exponent: f64,
    /// The ball of Lemma C.2 in the place of bounded entries.
    by_decay: bool,
}

impl Claim for Footnote1 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let depths: &[usize] = context.pick([&[2, 3, 4], &[2, 3, 4, 5], &[2, 3, 4, 5, 6], &[2, 3, 4, 5, 6]]);
        let widths: &[usize] = context.pick([&[2, 4, 8], &[2, 4, 8], &[2, 4, 8, 16], &[2, 4, 8, 16, 32]]);
        let mut check = Check::new();
        let mut evidence = Evidence::default();
        let mut curves: [Vec<[f64; 2]>; 3] = Default::default();
        for &layers in depths {
            for &width in widths {
                let (found, bound) = curvature(&mut check, layers, width, Point::Aligned)?;
                if width == PLOTTED {
                    let by_decay = bounds_of(layers, width, true).map_or(f64::NAN, |bounds| bounds[2]);
                    for (curve, value) in curves.iter_mut().zip([found, bound, by_decay]) {
                        curve.extend(value.is_finite().then_some([layers as f64, value]));
                    }
                }
            }
            for pair in widths.windows(2) {
                let growth = Growth { exponent: layers as f64, by_decay: false };
                grows(&mut check, layers, [pair[0], pair[1]], growth)?;
            }
            let (first, last) = (widths[0], widths[widths.len() - 1]);
            let slope = |values: [f64; 2]| (values[1] / values[0]).ln() / (last as f64 / first as f64).ln();
            let found = [first, last].map(|width| closed_form(layers, width) - LAMBDA);
            let of_bounds = [bounds_of(layers, first, false)?[2], bounds_of(layers, last, false)?[2]];
            let note = format!(
                "of the curvature found: {:.2}; M = {first} to {last}, Γ = 1; at most L = {layers}",
                slope(found)
            );
            evidence.observe(format!("exponent of M in the bound of L^gg, L = {layers}"), slope(of_bounds), note);
            if let (Ok(a), Ok(b)) = (bounds_of(layers, first, true), bounds_of(layers, last, true)) {
                let note = format!("λ = {LAMBDA}, the ball of Lemma C.2 in the place of |g|_∞ ≤ Γ (E24)");
                evidence.observe(format!("the same under weight decay, L = {layers}"), slope([a[2], b[2]]), note);
            }
        }
        check.hypothesis("smoothed BN, tanh, logistic, |g|_∞ ≤ Γ", Standing::Met, "by construction");
        evidence.check = check;
        evidence.plots.push(plot(curves));
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "the ball of Lemma C.2",
                breaks: "g is bounded by weight decay alone, whose ball grows as M^O(2^L): 4 layers from M = 4 to 8",
                run: |_| growth_of(4, Growth { exponent: 4.0, by_decay: true }),
            },
            Control {
                name: "an exponent that does not grow",
                breaks: "(M′/M)² for networks of 5 layers",
                run: |_| growth_of(5, Growth { exponent: 2.0, by_decay: false }),
            },
            Control {
                name: "saturated units",
                breaks: "γ of the first layer is Γ, so that tanh lets little pass, and the closed form is claimed",
                run: |_| point(Point::Saturated),
            },
            Control {
                name: "rows that look at one unit",
                breaks: "rows are (1, 0, …, 0): no gain by √M",
                run: |_| point(Point::OneUnit),
            },
        ]
    }
}

/// The width of the plot.
const PLOTTED: usize = 8;

fn growth_of(layers: usize, growth: Growth) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    grows(&mut check, layers, [4, 8], growth)?;
    Ok(check)
}

fn point(point: Point) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    curvature(&mut check, 3, 4, point)?;
    Ok(check)
}

/// 1-M-..-M-1 on x = +-1 = y.
fn network(layers: usize, width: usize) -> Result<Network, Unevaluated> {
    let mut widths = vec![width; layers + 1];
    (widths[0], widths[layers]) = (1, 1);
    let architecture = Architecture {
        widths,
        normalisation: Normalisation::SmoothedBatchNorm { epsilon: EPSILON },
        activation: Activation::Tanh,
        objective: Objective::Logistic,
        weight_decay: LAMBDA,
    };
    let x = vec![1.0, -1.0];
    Ok(Network::new(architecture, Dataset::new(x.clone(), 2, 1, x)?, Minibatches::full(2))?)
}

/// s^2.
fn gain_sq(layers: usize, width: usize) -> f64 {
    (GAMMA * GAMMA * width as f64 / EPSILON).powi(layers as i32 - 1)
}

/// e' (d^2 F/dg^2) e.
fn closed_form(layers: usize, width: usize) -> f64 {
    gain_sq(layers, width) / (4.0 * width as f64 * (1.0 + EPSILON)) + LAMBDA
}

/// Compares the curvature with its closed form, and with the bound of L^gg on |g| <= Gamma. Returns both.
fn curvature(check: &mut Check, layers: usize, width: usize, point: Point) -> Result<(f64, f64), Unevaluated> {
    let network = network(layers, width)?;
    let layout = network.parameters();
    let mut theta = vec![0.0; layout.len()];
    for block in layout.blocks() {
        let row = &mut theta[block.range.clone()];
        let entry = (row.len() as f64).sqrt().recip();
        match point {
            Point::OneUnit => row[0] = 1.0,
            Point::Aligned | Point::Saturated => row.fill(entry),
        }
    }
    // gamma and beta of a layer one after the other, from the first layer to the last.
    let (g, mut start) = (layout.g(), layout.g().start);
    let first = start..start + width;
    for &units in &network.architecture().widths[1..] {
        theta[start..start + units].fill(GAMMA);
        start += 2 * units;
    }
    debug_assert_eq!(start, g.end);
    if point != Point::Saturated {
        let small = NEAR * (1.0 + EPSILON).sqrt() / gain_sq(layers, width).sqrt();
        theta[first.clone()].fill(small);
    }
    let mut direction = vec![0.0; theta.len()];
    direction[first].fill((width as f64).sqrt().recip());
    let (mut product, mut work) = (vec![0.0; theta.len()], HessianProduct::new(theta.len()));
    hessian_vector_product(&network, &[0, 1][..], &theta, &direction, &mut product, &mut work);
    let found = dot(&direction, &product);
    let expected = closed_form(layers, width);
    let at = |what: &str| format!("L = {layers}, {what} · M = {width}");
    let mut identity = Check::new();
    identity.identity(at("closed form"), (found / expected - 1.0).abs(), TOLERANCE);
    check.merge_links(identity);
    let bound = bounds_of(layers, width, false)?[2];
    check.at_most(at("L^gg"), found, bound, ROUNDING * bound);
    Ok((found, bound))
}

/// The bounds by composition: the largest of L^vv, of L^vg, and L^gg.
fn bounds_of(layers: usize, width: usize, by_decay: bool) -> Result<[f64; 3], Unevaluated> {
    let network = network(layers, width)?;
    let n_g = network.parameters().g().len() as f64;
    let radius = if by_decay { g_bounds(&network, GAMMA)?.radius } else { GAMMA * n_g.sqrt() };
    let bound = compositional_bound(&network, radius)?.values();
    let largest = |values: &mut dyn Iterator<Item = &f64>| values.fold(0.0, |most: f64, &x| most.max(x));
    Ok([largest(&mut bound.l_vv.iter()), largest(&mut bound.l_vg.iter()), bound.l_gg])
}

/// bound(M')/bound(M) <= (M'/M)^exponent.
fn grows(check: &mut Check, layers: usize, widths: [usize; 2], growth: Growth) -> Result<(), Unevaluated> {
    let [from, to] = widths.map(|width| bounds_of(layers, width, growth.by_decay));
    let allowed = (widths[1] as f64 / widths[0] as f64).powf(growth.exponent);
    for ((from, to), what) in from?.into_iter().zip(to?).zip(["L^vv", "L^vg", "L^gg"]) {
        let at = format!("L = {layers}, growth of {what} · M = {} to {}", widths[0], widths[1]);
        check.at_most(at, to / from, allowed, ROUNDING * allowed);
    }
    Ok(())
}

fn plot([found, bounds, by_decay]: [Vec<[f64; 2]>; 3]) -> Plot {
    let caption = format!(
        "L^gg of networks of width {PLOTTED}, over their depth: the curvature at one point, from below, and the bound \
         by composition on bounded g, both straight lines; and the bound on the ball that weight decay leaves, which \
         is none"
    );
    let mut plot = Plot::log_log("depth", "Smoothness constants over depth", caption, "L", "L^gg");
    plot.x = Axis::linear("L");
    plot.series = vec![
        Series::new("found", Style::Points, found),
        Series::new("bound, |g| ≤ Γ", Style::Line, bounds),
        Series::new("bound, weight decay", Style::Dashed, by_decay),
    ];
    plot
}
