//! Lemma B.2: what one run of stochastic gradient descent costs and gains, in expectation.
//!
//! The data set has two samples, so that all 2^T paths of T steps are followed and every expectation is an exact sum.
//! They are problem J's samples (xi, zeta) and (-xi, -zeta) for d = 2: their mean loss is that of problem J, and so are
//! its constants; the noise of grad_g is -s xi'v + sig zeta with the variance (s xi'v - sig)^2 <= (s sqrt(2) + sig)^2 =
//! G_g^2, attained at v = -xi/sqrt(2). With s = 0 it is the pair F = g^2/2 - g c'v +- sig g, where w does not matter as
//! long as g = 0 or v is perpendicular to c.
//!
//! Besides the expectation, the pathwise inequality that its proof integrates is checked on every edge of the tree:
//! L(theta_{t+1}) <= L_t + <grad L_t, Delta_t> + Q_t.

mod figure;
mod on_subject;
mod pair;

use ratecheck::bounds::{self, Constant, Factors};
use ratecheck::curvature::Smoothness;
use ratecheck::descent::{Divergence, Schedule};
use ratecheck::loss::{Over, Workspace};
use ratecheck::parameters::{dot, norm_sq};
use ratecheck::scalar::{DoubleDouble, Scalar};

use self::pair::{Pair, across, along, pair, pairs, quadratic};
use crate::claim::closed_forms::NoisyPair;
use crate::claim::closest::Closest;
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Standing, Statement, Unevaluated,
};
use crate::claim::instances::U;
use crate::claim::parallel::InParallel;
use crate::claim::replay::Recursion;
use crate::paper::paths::Tree;
use crate::paper::paths::expectations::Expectations;
use crate::paper::slack::stochastic::{self as slack, PAIR};

/// See the module's first line.
pub(super) struct LemmaB2;

static STATEMENT: Statement = Statement {
    id: "lemma-b.2",
    title: "Lemma B.2",
    plain: "The expected loss of stochastic gradient descent rises by no more than its noise terms pay for.",
    formula: "E L_T - L_0 ≤ Σ_i E S_i + E R,   S_i = -Σ_t e_t‖∇_{v_i}L_t‖² + C_i Σ_t e_t²‖∇_{v_i}F_t‖²,  e_t = \
              η_{w,t}/‖w_t‖²,   \
              R = -(c/2)Σ_t η_{g,t}‖∇_g L_t‖² + U Σ_t η_{g,t}²,  U = ½(1 + c/2)L^gg G_g²",
    latex: &[
        r"\mathbb{E}L_T-L_0\le\sum_i\mathbb{E}S_i+\mathbb{E}R",
        r"S_i=-\sum_te_t\|\nabla_{v_i}L_t\|^2+C_i\sum_te_t^2\|\nabla_{v_i}F_t\|^2,\qquad e_t=\frac{\eta_{w,t}}{\|w_t\|^2}",
        r"R=-\frac c2\sum_t\eta_{g,t}\|\nabla_gL_t\|^2+U\sum_t\eta_{g,t}^2,\qquad U=\frac12\Bigl(1+\frac c2\Bigr)L^{gg}G_g^2",
    ],
    printed_at: "appendix B, Lemma B.2",
    kind: Kind::Expectation,
    origin: Origin::Paper,
    hypotheses: &[
        "the constants of the mean loss hold along every step (on |g| ≤ K, which no path leaves); C² by section 2.4, \
         and C^{1,1} would do",
        "0 < η_{g,t} ≤ 2(2-c)/((2+c)L^gg)",
        "∇F_z has mean ∇L, and the noise of its g-part at most the variance G_g²",
    ],
    measured: "at every T up to 12 over all 2^T paths of two samples: problem J with noise on w and g for α = 0, 1/4, \
               1/2 and η_w = 0.01, 1, 100, from an ordinary start and from the minimiser; and F = ½g² ± sg, where the \
               right-hand side is 1 + c/2 times the left one, with c = 1/2 and with c = 1/100; on every edge, the \
               Taylor step of the proof; every inequality of the proof by itself, with its part of the gap",
    tolerance: "a rounding for every node and some 200 in every path: (2^(T+1) + 200T)u of the terms' sizes; an edge: \
                256u of the terms",
    does_not_show: "more than two samples can: theorem-4.2 enumerates eight",
};

const DEPTH: usize = 12;

/// Which right-hand side is formed.
#[derive(Clone, Copy, PartialEq)]
enum Reading {
    Corrected,
    /// U times this factor.
    NoiseTimes(f64),
    /// U multiplied by G_g once more, as printed.
    DoubledNoise,
    /// ||grad L||^2 in the place of ||grad F||^2 in S_i.
    MeanForSample,
}

impl Claim for LemmaB2 {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let depth = context.pick([8, DEPTH, DEPTH, 16]);
        let mut subjects = pairs(depth);
        subjects.iter_mut().for_each(|subject| subject.factors = context.factors);
        let found: Vec<_> = subjects.in_parallel(|subject| enumerate(subject, Reading::Corrected));
        let mut evidence = Evidence::default();
        for eta_w in [0.01, 1.0, 100.0] {
            blocks(&mut evidence.check, eta_w, context.pick([4, 5, 5, 7]), &context.factors)?;
        }
        let mut left = Vec::new();
        for (subject, found) in subjects.iter().zip(found) {
            let Enumerated { check, ratio, sides } = found?;
            evidence.check.merge(check);
            if subject.alpha == 0.25 {
                left.push((subject, sides));
            }
            if subject.depth == 1 {
                let note = "measured/bound, 1/(1 + c/2): the smallest multiple of U that passes";
                evidence.observe(format!("½g² ± sg, c = {}", subject.c_g), ratio, note);
            }
        }
        evidence.plots.push(figure::left(&left));
        slack::lemma_b_2(&mut evidence, context)?;
        Ok(evidence)
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "U = 0",
                breaks: "the noise of g is free, on F = ½g² ± sg",
                run: |_| Ok(enumerate(&quadratic(0.5, 0.5), Reading::NoiseTimes(0.0))?.check),
            },
            Control {
                name: "0.99 U",
                breaks: "the noise of g costs 1 % less, on F = ½g² ± sg with c = 1/100",
                run: |_| Ok(enumerate(&quadratic(0.5, 0.01), Reading::NoiseTimes(0.99))?.check),
            },
            Control {
                name: "G_g cubed",
                breaks: "U G_g as printed (E5), with G_g = 1/2",
                run: |_| Ok(enumerate(&quadratic(0.5, 0.5), Reading::DoubledNoise)?.check),
            },
            Control {
                name: "0.999 C_i",
                breaks: "the noise of w costs 0.1 % less, on two blocks without g from the minimiser (η_w = 0.01)",
                run: |context| {
                    let mut check = Check::new();
                    blocks(&mut check, 0.01, 1, &context.claiming(Constant::C, 0.999).factors)?;
                    Ok(check)
                },
            },
            Control {
                name: "0.999 of ½ΣL^vv in C_i",
                breaks: "C_i has 99.9 % of its curvature, on the same two blocks, which have no other term",
                run: |context| {
                    let mut check = Check::new();
                    blocks(&mut check, 0.01, 1, &context.claiming(Constant::CCurvature, 0.999).factors)?;
                    Ok(check)
                },
            },
            Control {
                name: "0.98 U without c",
                breaks: "U has 98 % of its first part, on F = ½g² ± sg with c = 1/100, where the other is small",
                run: |context| just_below(quadratic(0.5, 0.01), Constant::UHalf, 0.98, context),
            },
            Control {
                name: "1/0.98 for 1 in S_i",
                breaks: "the first-order term of w counts 2 % more, on two blocks without g (η_w = 0.01)",
                run: |context| {
                    let mut check = Check::new();
                    blocks(&mut check, 0.01, 4, &context.claiming(Constant::DescentW, 0.98).factors)?;
                    Ok(check)
                },
            },
            Control {
                name: "twice c/2 in R",
                breaks: "the first-order term of g counts twice, on all pairs up to T = 8; 1/0.506 is the most",
                run: |context| {
                    let mut check = Check::new();
                    for subject in pairs(8) {
                        check.merge(just_below(subject, Constant::DescentG, 0.5, context)?);
                    }
                    Ok(check)
                },
            },
            Control {
                name: "0.86 of ½L^vv in Q_t",
                breaks: "the edge's Taylor bound has less curvature than the step meets near the minimiser, √3/2 = \
                         0.866 of L^vv",
                run: |context| just_below(along(), Constant::TaylorVv, 0.86, context),
            },
            Control {
                name: "0.99 of L^vg in Q_t",
                breaks: "the edge's Taylor bound has 1 % less coupling, where v is perpendicular to c",
                run: |context| just_below(across(), Constant::TaylorVg, 0.99, context),
            },
            Control {
                name: "0.99 of ½L^gg in Q_t",
                breaks: "the edge's Taylor bound has 1 % less curvature in g, where v is perpendicular to c",
                run: |context| just_below(across(), Constant::TaylorGg, 0.99, context),
            },
            Control {
                name: "∇L for ∇F in S_i",
                breaks: "the noise of w is free, from the minimiser with a small η_g",
                run: |_| {
                    let mut subject = pair("from the minimiser", 0.5, 0.0, &[1.0, 0.0, 1.0], 0.0, 1.0, 4);
                    subject.eta_g = 1e-3;
                    Ok(enumerate(&subject, Reading::MeanForSample)?.check)
                },
            },
        ]
    }
}

fn just_below(subject: Pair, constant: Constant, multiple: f64, context: &Context) -> Result<Check, Unevaluated> {
    let factors = context.claiming(constant, multiple).factors;
    Ok(enumerate(&Pair { factors, ..subject }, Reading::Corrected)?.check)
}

/// Two blocks without a g, at every T up to `depth` over all paths from the minimiser: for small steps C_i is used up.
fn blocks(check: &mut Check, eta_w: f64, depth: usize, factors: &Factors) -> Result<(), Unevaluated> {
    let loss = NoisyPair::new(0.5)?;
    let rates = [Schedule::constant(eta_w)?, Schedule::constant(1.0)?];
    let seen = Expectations::over_all_paths(&loss, &NoisyPair::minimiser(), rates, depth)?;
    let c_w: Vec<f64> = (0..2).map(|i| factors.c_w(&[[2.0, 0.0], [0.0, 2.0]][i], 0.0, 0.0, 0.5)).collect();
    let (mut descent, mut noise) = (vec![0.0; 2], vec![0.0; 2]);
    // A rounding for every node, and some 200 in every path.
    let rounding = (seen.nodes as f64 + 200.0 * depth as f64) * U;
    for (t, pair) in seen.levels.windows(2).enumerate() {
        for i in 0..2 {
            descent[i] += pair[0].descent[i];
            noise[i] += pair[0].noise[i];
        }
        let (lhs, rhs) =
            (pair[1].loss - seen.levels[0].loss, factors.lemma_b2(&descent, &c_w, &noise, 0.5, 0.0, 0.0, 0.0));
        // L is at most 2.
        let size = 2.0 + descent.iter().sum::<f64>() + noise.iter().sum::<f64>();
        check.at_most(format!("two blocks, no g · η_w = {eta_w}, T = {}", t + 1), lhs, rhs, rounding * size);
    }
    Ok(())
}

/// The sums of one T, as expectations.
#[derive(Clone, Copy, Default)]
struct Level {
    loss: f64,
    /// e_t ||grad_v L||^2, e_t^2 ||grad_v F||^2, ||grad_g L||^2.
    descent: f64,
    noise: f64,
    descent_g: f64,
}

/// What all paths of a subject showed.
struct Enumerated {
    check: Check,
    /// The largest measured/bound where both are positive.
    ratio: f64,
    /// E L_T - L_0 and its bound for T = 1, 2, ..
    sides: Vec<[f64; 2]>,
}

/// Compares at every T, and on every edge.
fn enumerate(subject: &Pair, reading: Reading) -> Result<Enumerated, Unevaluated> {
    let Pair { name, loss, noise_g, theta_0, eta_w, alpha, eta_g, c_g, depth, factors } = subject;
    let (rate_w, rate_g) = (Schedule::new(*eta_w, *alpha)?, Schedule::new(*eta_g, 0.5)?);
    let radius = loss.radius(theta_0[2]);
    let constants = loss.constants(radius).values();
    let samples: Vec<Vec<usize>> = PAIR.map(|z| vec![z]).to_vec();
    let mut levels = vec![Level::default(); depth + 1];
    let (mut edges, mut edge) = (Closest::NONE, (Vec::new(), &samples[0]));
    let mut g_max = 0.0_f64;
    let mut steps = Tree::new(loss, rate_w, rate_g, &samples, *depth);
    let mut work = Workspace::default();
    let (mut grad, mut sample, mut scratch) = ([0.0; 3], [0.0; 3], [0.0; 3]);
    let nodes =
        Tree::new(loss, rate_w, rate_g, &samples, *depth).visit(theta_0, &mut |node| -> Result<(), Divergence> {
            let (t, n) = (node.t, norm_sq(&node.theta[..2]));
            let value = loss.mean_gradient(node.theta, &mut grad, &mut scratch, &mut work).unwrap_or(f64::NAN);
            let rate = rate_w.at(t as u64) / n;
            let level = &mut levels[t];
            level.loss += node.share * value;
            level.descent += node.share * rate * n * norm_sq(&grad[..2]);
            level.descent_g += node.share * norm_sq(&grad[2..]);
            g_max = g_max.max(node.theta[2].abs());
            for z in &samples {
                loss.sample_gradient(z, node.theta, &mut sample, &mut work);
                let square =
                    if reading == Reading::MeanForSample { norm_sq(&grad[..2]) } else { norm_sq(&sample[..2]) };
                level.noise += node.share / samples.len() as f64 * rate * rate * n * square;
                if t < *depth {
                    let next = steps.next(node.theta, t, z)?;
                    let change: Vec<f64> = next.iter().zip(node.theta).map(|(a, b)| a - b).collect();
                    let turn = (norm_sq(&change[..2]) / n).sqrt();
                    let Some(after) = loss.mean_gradient(next, &mut sample, &mut scratch, &mut work) else { continue };
                    let q = remainder(factors, &constants, turn, change[2].abs());
                    let size = 1.0 + value.abs() + after.abs();
                    if edges.keep_scaled(t as u64, after - value - dot(&grad, &change), q, size) {
                        edge = (node.theta.to_vec(), z);
                    }
                }
            }
            Ok(())
        })?;
    let mut check = Check::new();
    let standing = |met: bool| if met { Standing::Met } else { Standing::NotMet };
    check.hypothesis(format!("{name}: |g| ≤ K"), standing(g_max <= radius), format!("K = {radius:.4}"));
    let limit = bounds::eta_g_limit(constants.l_gg, *c_g).min(1.0);
    let within = format!("2(2-c)/((2+c)L^gg), and 1 for |g| ≤ K: at least {limit:.3}");
    check.hypothesis(format!("{name}: η_g within its limit"), standing(*eta_g <= limit), within);

    let c_w = factors.c_w(&[constants.l_vv[(0, 0)]], constants.l_vg[0], constants.l_gg, *c_g);
    let u = match reading {
        Reading::Corrected | Reading::MeanForSample => factors.u_noise(constants.l_gg, *c_g, *noise_g),
        Reading::NoiseTimes(factor) => factor * factors.u_noise(constants.l_gg, *c_g, *noise_g),
        Reading::DoubledNoise => noise_g * factors.u_noise(constants.l_gg, *c_g, *noise_g),
    };
    let (mut sums, mut eta_g_sq, mut ratio) = (Level::default(), 0.0, 0.0_f64);
    let mut sides = Vec::new();
    let rounding = (nodes as f64 + 200.0 * *depth as f64) * U;
    for n_steps in 1..=*depth {
        let (before, t) = (levels[n_steps - 1], n_steps as u64 - 1);
        sums.descent += before.descent;
        sums.noise += before.noise;
        sums.descent_g += rate_g.at(t) * before.descent_g;
        eta_g_sq += rate_g.at(t) * rate_g.at(t);
        let rhs = factors.lemma_b2(&[sums.descent], &[c_w], &[sums.noise], *c_g, sums.descent_g, u, eta_g_sq);
        let lhs = levels[n_steps].loss - levels[0].loss;
        sides.push([lhs, rhs]);
        let size = 1.0 + sums.descent + c_w * sums.noise + sums.descent_g + u * eta_g_sq;
        check.at_most(format!("{name} · α = {alpha}, η_w = {eta_w}, T = {n_steps}"), lhs, rhs, rounding * size);
        if lhs > 0.0 && rhs > 0.0 {
            ratio = ratio.max(lhs / rhs);
        }
    }
    let mut link = Check::new();
    edges.replayed(&mut link, &format!("{name}, every edge · α = {alpha}, η_w = {eta_w}"), 256.0 * U, |t| {
        let mut run = Recursion::<DoubleDouble>::new(loss, &edge.0)?;
        let value = run.look_at_mean()?;
        let (theta, grad, n) = (run.theta.clone(), run.grad.clone(), run.w_norm_sq(0));
        run.look(edge.1);
        run.step(rate_w.at(t), rate_g.at(t));
        let change: Vec<DoubleDouble> = run.theta.iter().zip(&theta).map(|(&a, &b)| a - b).collect();
        let turn = (dot(&change[..2], &change[..2]) / n).sqrt();
        let move_g = change[2].square().sqrt();
        let left = run.look_at_mean()? - value - dot(&grad, &change);
        Some([left, remainder(factors, &constants, turn, move_g)])
    });
    check.merge_links(link);
    Ok(Enumerated { check, ratio, sides })
}

/// Q_t of one block that turns so far, and a g that moves so far.
fn remainder<S: Scalar>(factors: &Factors, l: &Smoothness<f64>, turn: S, move_g: S) -> S {
    factors.taylor_remainder(l.l_vv.view(), &l.l_vg, l.l_gg, &[turn], move_g)
}
