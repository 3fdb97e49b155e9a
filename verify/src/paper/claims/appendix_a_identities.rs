//! Appendix A, first display and (15)-(17): how the Hessian at W follows from the Hessian at V = W/||W||.

use ratecheck::curvature::{HessianProduct, Part, hessian_vector_product};
use ratecheck::network::{Activation, Normalisation};
use ratecheck::parameters::norm_sq;

use crate::claim::evidence::{Check, Claim, Context, Control, Evidence, Kind, Origin, Statement, Unevaluated};
use crate::claim::instances::{INVARIANT, Subject, U, digits_subject, direction, small};

/// See the module's first line.
pub(super) struct AppendixAIdentities;

static STATEMENT: Statement = Statement {
    id: "appendix-a-identities",
    title: "Appendix A, identities and (15)-(17)",
    plain: "Second derivatives at W are those at the normalised weights divided by the norms of the blocks they touch.",
    formula: "∇²_{w⁽ⁱ⁾w⁽ʲ⁾}L(W;g) = ∇²_{v⁽ⁱ⁾v⁽ʲ⁾}L(V;g)/(‖w⁽ⁱ⁾‖‖w⁽ʲ⁾‖),   ∇²_{w⁽ⁱ⁾g}L(W;g) = ∇²_{v⁽ⁱ⁾g}L(V;g)/‖w⁽ⁱ⁾‖,   ∇²_g L(W;g) = ∇²_g L(V;g)",
    latex: &[
        r"\nabla^2_{w^{(i)}w^{(j)}}L(W;g)=\frac{\nabla^2_{v^{(i)}v^{(j)}}L(V;g)}{\|w^{(i)}\|\,\|w^{(j)}\|},\qquad\nabla^2_{w^{(i)}g}L(W;g)=\frac{\nabla^2_{v^{(i)}g}L(V;g)}{\|w^{(i)}\|},\qquad\nabla^2_gL(W;g)=\nabla^2_gL(V;g)",
    ],
    printed_at: "appendix A, before and in equations (15), (16), (17)",
    kind: Kind::Identity,
    origin: Origin::Paper,
    hypotheses: &["L is scale invariant in every block", "L is twice differentiable (softplus, tanh)"],
    measured: "Hessian-vector products at W and at V with a random direction in every part of theta, part by part, on networks \
               under eight normalisations and on the digits network",
    tolerance: "1024u times the whole product at V, scaled to the part: the roundings of two different evaluations of a few \
                hundred operations each, amplified by the inverse spreads (at most about 10 on these instances)",
    does_not_show: "the constants themselves; (15)-(17) follow by taking norms",
};

impl Claim for AppendixAIdentities {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        for (name, normalisation) in INVARIANT {
            compare(&mut check, &small(name, normalisation, Activation::Softplus, context), 1, context);
        }
        compare(&mut check, &digits_subject(context.pick([64, 256, 1797, 1797]), context), 1, context);
        Ok(Evidence::new(check))
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control { name: "printed factor", breaks: "the mixed block is divided by ‖w‖² (E3)", run: printed },
            Control { name: "no normalisation", breaks: "the normalisation is removed", run: removed },
        ]
    }
}

/// `mixed_power`: the power of ||w|| in the mixed derivatives, 1 in truth.
fn compare(check: &mut Check, subject: &Subject, mixed_power: i32, context: &Context) {
    let layout = subject.layout();
    let (network, z, theta) = (&subject.network, &subject.z, &subject.theta);
    let unit = layout.theta_unit(theta);
    let n = theta.len();
    let norm = |part: Part| match part {
        Part::Block(i) => layout.w_norm_sq(theta, i).sqrt(),
        Part::G => 1.0,
    };
    let name = |part: Part| match part {
        Part::Block(i) => layout.blocks()[i].name.as_str(),
        Part::G => "g",
    };
    let parts: Vec<Part> = (0..layout.n_blocks()).map(Part::Block).chain([Part::G]).collect();
    let mut work = HessianProduct::new(n);
    let (mut at_w, mut at_v) = (vec![0.0; n], vec![0.0; n]);
    let mut generator = context.generator(&format!("{}/directions", subject.name));
    for &column in &parts {
        let along = direction(n, column.range(layout), 1.0, &mut generator);
        hessian_vector_product(network, z, theta, &along, &mut at_w, &mut work);
        hessian_vector_product(network, z, &unit, &along, &mut at_v, &mut work);
        let size = norm_sq(&at_v).sqrt();
        for &row in &parts {
            let mixed = (row == Part::G) != (column == Part::G);
            let divisor = (norm(row) * norm(column)).powi(if mixed { mixed_power } else { 1 });
            let gap: Vec<f64> = row.range(layout).map(|k| at_w[k] - at_v[k] / divisor).collect();
            let at = format!("{} · rows {}, columns {}", subject.name, name(row), name(column));
            check.identity(at, norm_sq(&gap).sqrt(), 1024.0 * U * size / divisor);
        }
    }
}

fn broken(context: &Context, normalisation: Normalisation, mixed_power: i32) -> Check {
    let mut check = Check::new();
    compare(&mut check, &small("broken", normalisation, Activation::Softplus, context), mixed_power, context);
    check
}

fn printed(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, INVARIANT[0].1, 2))
}

fn removed(context: &Context) -> Result<Check, Unevaluated> {
    Ok(broken(context, Normalisation::None, 1))
}
