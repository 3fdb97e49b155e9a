//! The largest learning rate of g that Lemma 3.2 admits on |g| <= K: 2(2-c)/((2+c) L^gg), for every c in (0, 1), where
//! the constants need to hold on |g| <= K alone, and the step stays there. Derived here.
//!
//! **It suffices.** The proof bounds the second-order term of one step by
//! sum_i C_i (eta_w^2/n_i) ||grad_{w_i} L||^2 + (1/2)(1 + c/2) L^gg eta_g^2 ||grad_g L||^2, where the share c/2 pays
//! for the mixed terms by L^vg |Dw_i||Dg|/|w_i| <= m (L^vg)^2/(c L^gg) |Dw_i|^2/n_i + c L^gg/(4m) |Dg|^2. With the
//! first-order term -eta_g ||grad_g L||^2 the lemma's -(c/2) eta_g ||grad_g L||^2 is left if
//!
//!   (1/2)(1 + c/2) L^gg eta_g <= 1 - c/2,   that is   eta_g <= 2(2-c)/((2+c) L^gg).
//!
//! The paper prints 2(1-c)/L^gg and (1-c)/L^gg, which are smaller: the first by 2c^2/((2+c) L^gg).
//!
//! **It is necessary.** Take L = g^2/2 - g c'v + |c|^2/2 with |c| = 1, at ||w|| = 1, c'v = 0 and g = K small; on |g| <=
//! K, L^vg = L^gg = 1 and L^vv = 2K/sqrt(3), so C = 1/c + O(K). There grad_w L = -K c and grad_g L = K. One step with
//! e = eta_w, h = eta_g leads to c'v = e K + O(K^3) and g = (1-h) K, so that in units of K^2 and up to O(K),
//! with C e^2 = e^2/c,
//!
//!   right - left = -e + e^2/c - (c/2) h + (2h - h^2)/2 + (1-h) e = e^2/c - h e + (1 - c/2) h - h^2/2.
//!
//! At e = c h/2 it is smallest, h (1 - c/2) - h^2 (2 + c)/4, which is negative as soon as h > 2(2-c)/(2+c).

use ratecheck::bounds::{c_w, eta_g_limit, eta_g_printed};

use super::lemma_3_2::{Descent, exact, near_tight_b};
use crate::claim::closed_forms::{C_G, ETA_W, Instance, ordinary};
use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Origin, Standing, Statement, Unevaluated,
};
use crate::claim::plot::{Axis, Plot, Series, Style};

/// See the module's first line.
pub(super) struct LargestEtaG;

static STATEMENT: Statement = Statement {
    id: "largest-eta-g",
    title: "The largest η_g of Lemma 3.2",
    plain: "Lemma 3.2 holds for learning rates of g up to 2(2-c)/((2+c)L^gg), and for no larger one, where its \
            constants hold on |g| ≤ K and the step \
            stays there.",
    formula: "Lemma 3.2 for all L with constants on |g| ≤ K, and all steps with |g_t|, |g_{t+1}| ≤ K  ⟺  η_g ≤ \
              2(2-c)/((2+c)L^gg),   0 < c < 1",
    latex: &[
        r"\text{Lemma 3.2 for all } L\text{ with constants on }|g|\le K\text{ and all steps with }|g_t|,|g_{t+1}|\le K",
        r"\iff\eta_g\le\frac{2(2-c)}{(2+c)\,L^{gg}},\qquad 0<c<1",
    ],
    printed_at: "not in the paper: section 3.1 prints (1-c)/L^gg, Theorem 3.1 2(1-c)/L^gg",
    kind: Kind::Inequality,
    origin: Origin::Derived,
    hypotheses: &[
        "those of Lemma 3.2, with constants known in closed form on |g| ≤ K, for every |g| if K = ∞",
        "|g| ≤ K at both ends of the step, and so between them",
    ],
    measured: "one step of the near-tight regression (b) of lemma-3.2 at the limit itself, with η_w = cη_g/2, for c = \
               0.1, 1/4, 1/2, 3/4, 0.9; runs at the limit on the closed forms with a g, η_w from 1e-4 to 1e4",
    tolerance: "1e-14·max(1, |L_t|, |L_{t+1}|), as in lemma-3.2",
    does_not_show: "that every loss needs so small an η_g: gradient descent on g alone is stable up to 2/L^gg",
};

const SHARES: [f64; 5] = [0.1, 0.25, 0.5, 0.75, 0.9];

impl Claim for LargestEtaG {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::default();
        let (instance, mut g_max) = (near_tight_b(), 0.0_f64);
        let mut edges = Vec::new();
        for c in SHARES {
            g_max = g_max.max(at_multiple(&instance, c, 1.0, context).follow(&mut evidence.check, context)?.g);
            let (limit, printed) = (eta_g_limit(1.0, c), eta_g_printed(1.0, c));
            evidence.check.at_most(format!("printed value · c = {c}"), printed, limit, 0.0);
            let (holds, fails) = edge(&instance, c, context)?;
            let note = format!("as multiples of the limit, found by bisection on (b); it fails at {fails:.6}");
            evidence.observe(format!("largest η_g that passes, c = {c}"), holds, note);
            edges.push([c, holds * limit]);
        }
        let steps = context.pick([50, 1_000, 10_000, 100_000]);
        for instance in ordinary(steps)?.iter().filter(|instance| instance.has_g()) {
            let l_gg = instance.constants.l_gg;
            // |g| <= K needs eta_g L^gg <= 1: the limit itself, 1.2,
            // is left to the instances whose constants hold everywhere.
            if instance.radius.is_some() {
                continue;
            }
            let detail = "exact for every g".to_owned();
            evidence.check.hypothesis(format!("constants of {}", instance.name), Standing::Met, detail);
            for eta_w in ETA_W {
                let mut descent = exact(instance, context, eta_w, steps);
                descent.eta_g = eta_g_limit(l_gg, C_G);
                descent.follow(&mut evidence.check, context)?;
            }
        }
        let radius = instance.radius.unwrap_or(f64::NAN);
        let standing = if g_max <= radius { Standing::Met } else { Standing::NotMet };
        let detail = format!("exact on |g| ≤ K = g_0 = {radius}; the largest |g| at either end of a step: {g_max}");
        evidence.check.hypothesis("the regression (b): |g| ≤ K", standing, detail);
        evidence.plots.push(plot(edges));
        Ok(evidence)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "1 % beyond, c = 1/2",
                breaks: "η_g = 1.01 times the limit",
                run: |context| at_multiple(&near_tight_b(), 0.5, 1.01, context).checked(context),
            },
            Control {
                name: "1 % beyond, c = 0.1",
                breaks: "η_g = 1.01 times the limit",
                run: |context| at_multiple(&near_tight_b(), 0.1, 1.01, context).checked(context),
            },
            Control {
                name: "1 % beyond, c = 0.9",
                breaks: "η_g = 1.01 times the limit",
                run: |context| at_multiple(&near_tight_b(), 0.9, 1.01, context).checked(context),
            },
            Control {
                name: "η_g L^gg = 1.9",
                breaks: "η_g = 1.9/L^gg with c = 1/2, where g alone allows 2 - c = 1.5",
                run: |context| at_multiple(&near_tight_b(), 0.5, 1.9 / 1.2, context).checked(context),
            },
            Control {
                name: "η_g L^gg = 2.1",
                breaks: "η_g = 2.1/L^gg with c = 1/2: the loss rises in g",
                run: |context| at_multiple(&near_tight_b(), 0.5, 2.1 / 1.2, context).checked(context),
            },
        ]
    }
}

/// Where the lemma begins to fail on (b), and the limits.
fn plot(edges: Vec<[f64; 2]>) -> Plot {
    let curve =
        |limit: fn(f64, f64) -> f64| (1..=99).map(|k| 0.01 * f64::from(k)).map(|c| [c, limit(1.0, c)]).collect();
    Plot {
        x: Axis::linear("c of Lemma 3.2"),
        y: Axis::linear("η_g L^gg"),
        series: vec![
            Series::new("largest that passes on (b)", Style::Points, edges),
            Series::new("2(2-c)/(2+c), derived here", Style::Dashed, curve(eta_g_limit)),
            Series::new("2(1-c), as Theorem 3.1 prints", Style::Line, curve(eta_g_printed)),
        ],
        ..Plot::log_log(
            "limit",
            "Lemma 3.2 begins to fail where the derived limit says, above the printed one",
            "The largest learning rate of g that passes on the near-tight regression, found by bisection, for five \
             choices of c: it is 2(2-c)/((2+c)L^gg), which no c exceeds; the print allows less for every c.",
            "",
            "",
        )
    }
}

/// One step on (b) with eta_g a multiple of the limit for c, and eta_w = c eta_g/2. With v perpendicular to c it takes
/// g to (1 - eta_g L^gg) g: the constants are those on |g| <= K = g_0 max(1, |1 - eta_g L^gg|), which it keeps.
fn at_multiple<'a>(instance: &'a Instance, c: f64, multiple: f64, context: &Context) -> Descent<'a> {
    let l = &instance.constants;
    let eta_g = multiple * eta_g_limit(l.l_gg, c);
    let l_vv = l.l_vv[(0, 0)] * (1.0 - eta_g * l.l_gg).abs().max(1.0);
    let mut descent = exact(instance, context, 0.5 * c * eta_g, 1);
    descent.eta_g = eta_g;
    descent.c_g = c;
    descent.c_w = vec![c_w(&[l_vv], l.l_vg[0], l.l_gg, c)];
    descent
}

/// The largest multiple of the limit that passes on (b) and the smallest that fails, within 1e-6 of each other.
fn edge(instance: &Instance, c: f64, context: &Context) -> Result<(f64, f64), Unevaluated> {
    let (mut holds, mut fails) = (1.0, 1.1);
    while fails - holds > 1e-6 {
        let middle = 0.5 * (holds + fails);
        let check: Check = at_multiple(instance, c, middle, context).checked(context)?;
        if check.verdict() == crate::claim::evidence::Verdict::Holds { holds = middle } else { fails = middle }
    }
    Ok((holds, fails))
}
