//! Equations (3) and (8): what batch normalisation and its smoothed form compute, and what they do not see.

use ratecheck::data::{Dataset, Target, teacher};
use ratecheck::loss::{Minibatches, Over};
use ratecheck::network::{Activation, Architecture, Network, Normalisation, Objective};

use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Origin, Statement, Unevaluated};
use crate::claim::instances::U;
use crate::claim::rows;

/// See the module's first line.
pub(super) struct Equation8;

static STATEMENT: Statement = Statement {
    id: "equation-8",
    title: "Equations (3) and (8)",
    plain: "(Smoothed) batch normalisation is γ w·(x - u)/‖w‖_{S+εI} + β, and does not see a shift of its inputs.",
    formula: "z̃_b = γ wᵀ(x_b - u) / √(wᵀ(S + εI)w) + β,   u = mean of x_b,  S = biased covariance of x_b",
    latex: &[
        r"\tilde z_b=\gamma\,\frac{w^\top(x_b-u)}{\sqrt{w^\top(S+\varepsilon I)\,w}}+\beta",
        r"u=\frac1B\sum_b x_b,\qquad S=\frac1B\sum_b(x_b-u)(x_b-u)^\top",
    ],
    printed_at: "section 2.1, equation (3); section 2.4, equation (8)",
    kind: Kind::Identity,
    origin: Origin::Paper,
    hypotheses: &["wᵀ(S + εI)w > 0"],
    measured: "the loss of one unit (squared objective, 16 examples, 3 inputs) against the formula with u and S formed \
               explicitly, for ε = 0, 0.1 and 4; and the loss of the same unit on inputs shifted by 5 and scaled by 3 \
               (ε = 0)",
    tolerance: "32u times the size of the loss, and 8 times that for shifted inputs, whose mean is 5 times as large as \
                their spread",
    does_not_show: "anything about deeper layers: their inputs are the outputs of this formula and an activation",
};

impl Claim for Equation8 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        for epsilon in [0.0, 0.1, 4.0] {
            compare(&mut check, context, epsilon, Formula { divisor: 16.0, smoothing_power: 2 })?;
        }
        let data = inputs(context);
        let original = loss(&data, 0.0)?;
        let tolerance = 32.0 * U * original.max(1.0);
        let shifted = loss(&transformed(&data, 1.0, 5.0)?, 0.0)?;
        check.identity("BN · inputs shifted by 5", (shifted - original).abs(), 8.0 * tolerance);
        let scaled = loss(&transformed(&data, 3.0, 0.0)?, 0.0)?;
        check.identity("BN · inputs scaled by 3", (scaled - original).abs(), tolerance);
        let plot = rows::errors(
            "errors",
            "The formula gives the network's loss to within rounding; other readings of it do not",
            "The network's loss against the formula with u and S formed explicitly, and against that of shifted and \
             scaled inputs (“BN”), over what rounding may make of the difference; and the readings that the controls \
             take.",
            (&check, &self.controls()),
            // The tolerance is 32 roundings or more.
            1.0 / 64.0,
            context,
        );
        Ok(Evidence { plots: vec![plot], ..Evidence::new(check) })
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "unbiased variance",
                breaks: "S is divided by B - 1 instead of B",
                run: |context| broken(context, 0.0, Formula { divisor: 15.0, smoothing_power: 2 }),
            },
            Control {
                name: "ε·||w||",
                breaks: "the smoothing is proportional to ||w||, as the text prints (E4)",
                run: |context| broken(context, 0.1, Formula { divisor: 16.0, smoothing_power: 1 }),
            },
            Control {
                name: "constant ε",
                breaks: "ε is added as in (7)",
                run: |context| broken(context, 0.1, Formula { divisor: 16.0, smoothing_power: 0 }),
            },
        ]
    }
}

/// w, γ, β of the unit.
const W: [f64; 3] = [0.6, -0.25, 1.1];
const SCALE: f64 = 0.8;
const SHIFT: f64 = 0.3;

/// How the right-hand side is formed: the divisor of S, and the power of ||w|| in the smoothing.
struct Formula {
    divisor: f64,
    smoothing_power: i32,
}

fn inputs(context: &Context) -> Dataset {
    teacher(16, 3, Target::Binary, 0.1, &mut context.generator("unit"))
}

fn transformed(data: &Dataset, scale: f64, shift: f64) -> Result<Dataset, Unevaluated> {
    let inputs = data.inputs().iter().map(|x| scale * x + shift).collect();
    Ok(Dataset::new(inputs, data.n_examples(), data.n_features(), data.labels().to_vec())?)
}

/// The network's loss: one unit, squared objective.
fn loss(data: &Dataset, epsilon: f64) -> Result<f64, Unevaluated> {
    let normalisation = match epsilon {
        0.0 => Normalisation::BatchNorm,
        epsilon => Normalisation::SmoothedBatchNorm { epsilon },
    };
    let architecture = Architecture {
        widths: vec![3, 1],
        normalisation,
        activation: Activation::Tanh,
        objective: Objective::Squared,
        weight_decay: 0.0,
    };
    let network = Network::new(architecture, data.clone(), Minibatches::full(16))?;
    let z: Vec<usize> = (0..16).collect();
    Ok(network.sample_loss(&z, &[W[0], W[1], W[2], SCALE, SHIFT]))
}

/// The formula, with u and S formed explicitly, against the network.
fn compare(check: &mut Check, context: &Context, epsilon: f64, formula: Formula) -> Result<(), Unevaluated> {
    let data = inputs(context);
    let n = data.n_examples() as f64;
    let centred: Vec<Vec<f64>> = (0..3)
        .map(|j| {
            let mean = data.feature(j).iter().sum::<f64>() / n;
            data.feature(j).iter().map(|x| x - mean).collect()
        })
        .collect();
    let mut w_s_w = 0.0;
    for i in 0..3 {
        for j in 0..3 {
            let s_ij = centred[i].iter().zip(&centred[j]).map(|(x, y)| x * y).sum::<f64>() / formula.divisor;
            w_s_w += W[i] * s_ij * W[j];
        }
    }
    let norm = W.iter().map(|w| w * w).sum::<f64>().sqrt();
    let length = (w_s_w + epsilon * norm.powi(formula.smoothing_power)).sqrt();
    let expected = (0..data.n_examples())
        .map(|b| {
            let z: f64 = (0..3).map(|j| W[j] * centred[j][b]).sum();
            let residual = SCALE * z / length + SHIFT - data.labels()[b];
            0.5 * residual * residual
        })
        .sum::<f64>()
        / n;
    let error = (loss(&data, epsilon)? - expected).abs();
    check.identity(format!("one unit, ε = {epsilon}"), error, 32.0 * U * expected.max(1.0));
    Ok(())
}

fn broken(context: &Context, epsilon: f64, formula: Formula) -> Result<Check, Unevaluated> {
    let mut check = Check::new();
    compare(&mut check, context, epsilon, formula)?;
    Ok(check)
}
