//! Lemma C.2: weight decay keeps the scale-variant parameters g in a ball that can be computed beforehand.
//!
//! The proof's constants, written out: with alpha_f and alpha_s the Lipschitz constants of objective and activation,
//! Q_L = alpha_f/sqrt(B), Gamma_l = max(|g_0|_inf, Q_l sqrt(B)/lambda), Q_{l-1} = alpha_s Gamma_l sqrt(m_l/epsilon)
//! Q_l: Q_l bounds the gradient in the outputs of layer l's BN, its derivatives in gamma and beta are at most Q_l
//! sqrt(B) (Lemma C.1), and g' = (1 - eta lambda) g - eta grad is a convex combination of g and -grad/lambda as long as
//! eta lambda <= 1, so that no entry leaves \[-Gamma_l, Gamma_l\].
//!
//! For 1 < eta lambda < 2 the same line gives |g'| <= (eta lambda - 1)|g| + eta Q_l sqrt(B), hence Gamma_l =
//! max(|g_0|_inf, eta Q_l sqrt(B)/(2 - eta lambda)): a K exists there too, but not the K of the convex combination.

mod on_subject;

use ratecheck::bounds::{Constant, eta_g_printed};
use ratecheck::curvature::{compositional_bound, g_bounds, g_bounds_with};
use ratecheck::descent::{Divergence, Schedule, StepRule, Stepper};
use ratecheck::loss::Setting;
use ratecheck::network::{Activation, Network};
use ratecheck::parameters::norm_sq;

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Standing, Statement, Unevaluated,
};
use crate::claim::instances::{NetworkAt, U};
use crate::claim::plot::{Axis, Plot};
use crate::claim::rows::Rows;
use crate::paper::appendix_c::{GD, Plan, SGD, neuron, two_layers};

/// See the module's first line.
pub(super) struct LemmaC2;

static STATEMENT: Statement = Statement {
    id: "lemma-c.2",
    title: "Lemma C.2",
    plain: "With weight decay on g, every scale and shift stays within a bound known beforehand, however long \
            (stochastic) gradient descent runs.",
    formula: "|entries of g_t in layer l| ≤ Γ_l = max(|g₀|_∞, Q_l√B/λ),  ‖g_t‖ ≤ K = (Σ_l 2m_lΓ_l²)^½,  \
              Q_L = α_f/√B,  Q_{l-1} = α_σΓ_l√(m_l/ε) Q_l",
    latex: &[
        r"|\text{entries of } g_t\text{ in layer } l|\le\Gamma_l=\max\Bigl(|g_0|_\infty,\frac{Q_l\sqrt B}{\lambda}\Bigr),\qquad\|g_t\|\le K=\Bigl(\sum_l2m_l\Gamma_l^2\Bigr)^{1/2}",
        r"Q_L=\frac{\alpha_f}{\sqrt B},\qquad Q_{l-1}=\alpha_\sigma\,\Gamma_l\sqrt{\frac{m_l}{\varepsilon}}\,Q_l",
    ],
    printed_at: "appendix C, Lemma C.2",
    origin: Origin::Paper,
    kind: Kind::Inequality,
    hypotheses: &[
        "‖g₀‖ is bounded; the objective and the activation are Lipschitz; smoothed BN, ε > 0",
        "weight decay λ > 0 on g, and η_g λ ≤ 1 (E17)",
    ],
    measured: "every entry and the norm of g after every step, with η_g λ from 0.01 to 1 and η_w = 0.1 and 10: one \
               neuron that a single step takes from one side to the other, gradient descent on 3-4-1, and SGD on \
               networks of one, two and three layers with tanh, sigmoid and softplus",
    tolerance: "(1000 + 4/(η_g λ))u·Γ_l: a gradient of at most λΓ_l is rounded to some 1000u of its bound (sums over \
                at most 64 terms, three layers, and what normalisation passes on), a step adds 4uΓ_l, and errors \
                shrink by 1 - η_g λ per step",
    does_not_show: "that Γ is tight for deeper layers: Γ_l grows like a product over the layers above, and the runs \
                    stay far inside. Nothing for the squared objective, which is not Lipschitz",
};

impl Claim for LemmaC2 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let steps = context.pick([50, 500, 5_000, 50_000]);
        let mut check = Check::new();
        let across = crossing()?;
        let near_tight =
            Run { eta_lambda: 1.0, eta_w: 1.0, steps: 20, shrink: 1.0 }.follow(&mut check, &across, context)?;
        let mut multiples = vec![(across.name.clone(), near_tight)];
        for (subject, eta_lambda) in [(behind()?, 1.0), (large_start()?, 0.01)] {
            let found = Run { eta_lambda, eta_w: 1.0, steps: 1, shrink: 1.0 }.follow(&mut check, &subject, context)?;
            multiples.push((subject.name, found));
        }
        for plan in PLANS {
            let subject = plan.build(context)?;
            let mut largest = vec![0.0_f64; subject.network.architecture().n_layers()];
            for (eta_lambda, eta_w) in [(0.01, 0.1), (0.1, 10.0), (0.5, 0.1), (1.0, 10.0)] {
                let found = Run { eta_lambda, eta_w, steps, shrink: 1.0 }.follow(&mut check, &subject, context)?;
                largest.iter_mut().zip(found).for_each(|(a, b)| *a = a.max(b));
            }
            multiples.push((subject.name, largest));
        }
        check.hypothesis("η_g λ ≤ 1", Standing::Met, "0.01, 0.1, 0.5 and 1");
        check.hypothesis("‖g₀‖ is bounded", Standing::Met, "Γ and K take |g₀|_∞ of the start at hand");
        let beyond = Run { eta_lambda: 1.8, eta_w: 1.0, steps: 1000, shrink: 1.0 };
        let beyond = beyond.follow(&mut Check::new(), &two_labels(0.1)?, context)?;
        let mut evidence = Evidence::new(check);
        evidence.plots.push(plot(&multiples));
        for (name, found) in multiples {
            let figures: Vec<String> = found.iter().map(|x| format!("{x:.2e}")).collect();
            let note = format!("from the first layer to the last: {}", figures.join(", "));
            let largest = found.iter().fold(0.0_f64, |a, &b| a.max(b));
            evidence.observe(format!("smallest multiple of Γ that passes after the start, {name}"), largest, note);
        }
        evidence.observe(
            "largest |g|/Γ at η_g λ = 1.8",
            beyond[0],
            "the neuron whose minibatches have one label each; at most η_g λ/(2 - η_g λ) = 9",
        );
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "η_g λ = 1.8",
                breaks: "the step in g is too long for a convex combination (E17)",
                run: |context| {
                    Run { eta_lambda: 1.8, eta_w: 1.0, steps: 1000, shrink: 1.0 }.checked(&two_labels(0.1)?, context)
                },
            },
            Control {
                name: "η_g = 2(1-c)/L^gg, c = 0.1",
                breaks: "the step in g is what Theorem 3.1 prints, with λ = 10 and L^gg ≤ λ + 1/4, so that η_g λ = \
                         1.76",
                run: |context| {
                    let subject = two_labels(10.0)?;
                    let bounds = g_bounds(&subject.network, g_max(&subject.network, &subject.theta))?;
                    let l_gg = compositional_bound(&subject.network, bounds.radius)?.l_gg;
                    let eta_lambda = 10.0 * eta_g_printed(l_gg.0, 0.1);
                    Run { eta_lambda, eta_w: 1.0, steps: 100, shrink: 1.0 }.checked(&subject, context)
                },
            },
            Control {
                name: "0.49 of Q_{l-1}",
                breaks: "what a layer passes back is bounded by less than half, on the two layers of which the second \
                         stands at its bound: labels of both kinds let half of it arrive",
                run: |context| {
                    let context = context.claiming(Constant::QBack, 0.49);
                    Run { eta_lambda: 1.0, eta_w: 1.0, steps: 1, shrink: 1.0 }.checked(&behind()?, &context)
                },
            },
            Control {
                name: "0.70 of K",
                breaks: "the bound of ‖g‖ is just below 1/√2, where only one of γ and β is at its bound",
                run: |context| {
                    let context = context.claiming(Constant::RadiusC2, 0.7);
                    Run { eta_lambda: 1.0, eta_w: 1.0, steps: 1, shrink: 1.0 }.checked(&crossing()?, &context)
                },
            },
            Control {
                name: "0.99 Q_L",
                breaks: "the gradient in the outputs is bounded by 1 % less, on the neuron that crosses over",
                run: |context| {
                    let context = context.claiming(Constant::QLast, 0.99);
                    Run { eta_lambda: 1.0, eta_w: 1.0, steps: 1, shrink: 1.0 }.checked(&crossing()?, &context)
                },
            },
            Control {
                name: "0.98 of |g_0|",
                breaks: "Γ has 2 % less of a start that is far outside, after one step with η_g λ = 0.01",
                run: |context| {
                    let context = context.claiming(Constant::GammaStart, 0.98);
                    Run { eta_lambda: 0.01, eta_w: 1.0, steps: 1, shrink: 1.0 }.checked(&large_start()?, &context)
                },
            },
            Control {
                name: "0.99 Γ",
                breaks: "the bound is 1 % smaller on the neuron that crosses over",
                run: |context| {
                    Run { eta_lambda: 1.0, eta_w: 1.0, steps: 1, shrink: 0.99 }.checked(&crossing()?, context)
                },
            },
        ]
    }
}

const PLANS: &[Plan] = &[
    Plan { name: "3-1, GD", widths: &[3, 1], weight_decay: 0.2, ..GD },
    Plan { name: "3-4-1 tanh, GD", widths: &[3, 4, 1], weight_decay: 0.1, ..GD },
    Plan { name: "5-6-4 sigmoid, SGD", widths: &[5, 6, 4], activation: Activation::Sigmoid, weight_decay: 0.05, ..SGD },
    Plan {
        name: "5-6-4-4 softplus, SGD",
        widths: &[5, 6, 4, 4],
        activation: Activation::Softplus,
        epsilon: 1.0,
        weight_decay: 0.1,
        examples: (32, 8),
    },
];

/// The largest share of its bound that a layer used, layer by layer.
fn plot(multiples: &[(String, Vec<f64>)]) -> Plot {
    let deepest = multiples.iter().map(|(_, found)| found.len()).max().unwrap_or(0);
    let of_layer = |l: usize| multiples.iter().filter_map(move |(name, found)| Some((name.clone(), *found.get(l)?)));
    let rows = (0..deepest).fold(Rows::default(), |rows, l| rows.with(format!("layer {}", l + 1), of_layer(l)));
    rows.line("Γ, the bound", 1.0).plot(
        "entries",
        "No scale or shift leaves its bound, which single neurons nearly reach",
        "The largest entry of g after the first step over Γ_l, layer by layer, over all runs of an instance. One \
         neuron is taken from one side to the other by a single step, and reaches its bound.",
        Axis::log("largest |entry of g_t| / Γ_l"),
        "instance",
    )
}

/// All labels are +1 and beta_0 = -0.9 Gamma, Gamma = 10: at eta lambda = 1 the first step ends at -grad/lambda, where
/// the gradient is 1 - e^-9 in absolute value.
fn crossing() -> Result<NetworkAt, Unevaluated> {
    neuron("crossing neuron", [1.0; 4], 4, 0.1, -9.0)
}

/// Each of the two minibatches has one label, +1 or -1: at whatever side beta stands, some z pushes it further.
fn two_labels(weight_decay: f64) -> Result<NetworkAt, Unevaluated> {
    neuron("neuron, one label per z", [1.0, 1.0, -1.0, -1.0], 2, weight_decay, 0.0)
}

/// Two layers of one unit each, with ε = 0.01: γ of the second starts at its bound 1/λ = 10 and that of the first at
/// 1e-6, so that the second unit's inputs hardly vary and it passes back γ/√ε times what it receives: half of α_f, with
/// labels of both kinds. The first step at η_gλ = 1 takes γ of the first layer to that over λ.
fn behind() -> Result<NetworkAt, Unevaluated> {
    two_layers("behind a wide unit", 0.1, vec![1.0, 1.0, 1e-6, 0.0, 10.0, 0.0])
}

/// A shift that starts at a hundred times what weight decay allows.
fn large_start() -> Result<NetworkAt, Unevaluated> {
    neuron("neuron, large start", [1.0; 4], 4, 0.1, -1e3)
}

/// |g_0|_inf.
fn g_max(network: &Network, theta_0: &[f64]) -> f64 {
    theta_0[network.parameters().g()].iter().fold(0.0, |a, g| a.max(g.abs()))
}

struct Run {
    eta_lambda: f64,
    eta_w: f64,
    steps: u64,
    /// A factor of Gamma and K; 1 in the lemma.
    shrink: f64,
}

impl Run {
    fn checked(&self, subject: &NetworkAt, context: &Context) -> Result<Check, Unevaluated> {
        let mut check = Check::new();
        self.follow(&mut check, subject, context)?;
        Ok(check)
    }

    /// [`Run::along`] of an instance, which does not diverge.
    fn follow(&self, check: &mut Check, subject: &NetworkAt, context: &Context) -> Result<Vec<f64>, Unevaluated> {
        let (largest, divergence) = self.along(check, (&subject.name, &subject.network, &subject.theta), context)?;
        divergence.map_or(Ok(largest), |divergence| Err(divergence.into()))
    }

    /// Compares every entry of g and its norm with their bounds, at every step; returns the largest |g|/Gamma_l of
    /// every layer for t >= 1, and where the run diverged.
    fn along(
        &self,
        check: &mut Check,
        (name, network, theta_0): (&str, &Network, &[f64]),
        context: &Context,
    ) -> Result<(Vec<f64>, Option<Divergence>), Unevaluated> {
        let (architecture, layout) = (network.architecture(), network.parameters());
        let bounds = g_bounds_with(&context.factors, network, g_max(network, theta_0))?;
        let eta_g = Schedule::constant(self.eta_lambda / architecture.weight_decay)?;
        let eta_w = Schedule::constant(self.eta_w)?;
        let generator = context.generator(&format!("{name}/{}/{}", self.eta_lambda, self.eta_w));
        let mut stepper = Stepper::new(network, theta_0, StepRule::Gradient, eta_w, eta_g, generator);
        let unit = (1000.0 + 4.0 / self.eta_lambda) * U;
        let mut largest = vec![0.0_f64; architecture.n_layers()];
        for t in 1..=self.steps {
            let divergence = stepper.step().err();
            let at = |what: &str| {
                let (eta_lambda, eta_w) = (self.eta_lambda, self.eta_w);
                format!("{name} · η_g λ = {eta_lambda}, η_w = {eta_w}, t = {t}, {what}")
            };
            if divergence.is_some() {
                return Ok((largest, divergence));
            }
            let g = &stepper.theta()[layout.g()];
            let mut rest = g;
            for (l, (&width, &gamma)) in architecture.widths[1..].iter().zip(&bounds.entries).enumerate() {
                let (of_layer, after) = rest.split_at(2 * width);
                rest = after;
                let entry = of_layer.iter().fold(0.0_f64, |a, g| a.max(g.abs()));
                largest[l] = largest[l].max(entry / gamma);
                let gamma = self.shrink * gamma;
                check.at_most(at(&format!("layer {}", l + 1)), entry, gamma, unit * gamma);
            }
            let radius = self.shrink * bounds.radius;
            check.at_most(at("‖g‖"), norm_sq(g).sqrt(), radius, unit * radius);
        }
        Ok((largest, None))
    }
}
