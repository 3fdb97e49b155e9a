//! Appendix A, first display and (15)-(17): how the Hessian at W follows from the Hessian at V = W/||W||.

use ratecheck::curvature::{HessianProduct, Part, hessian_vector_product};
use ratecheck::loss::{Arithmetic, Loss};
use ratecheck::network::{Activation, Normalisation};
use ratecheck::parameters::norm_sq;
use ratecheck::random::Generator;
use ratecheck::scalar::{DoubleDouble, Dual, Scalar};
use rayon::prelude::*;

use crate::claim::evidence::{
    Check, Claim, Context, Control, Evidence, Kind, Measure, Origin, Statement, SubjectControl, Unevaluated,
};
use crate::claim::instances::{INVARIANT, SMOOTHED_BN, digits_at, direction, small};
use crate::claim::plot::{Plot, Reference, Series, Style};
use crate::claim::precise::{Evaluator, U};
use crate::claim::rows::{self, LAST_BIT};
use crate::claim::subject::{CONSTANT_EPSILON, Premise, Subject};
use crate::paper::visits::{hessian_columns, of_norm_two, on_spheres, part_name, parts, some_of};

/// See the module's first line.
pub(super) struct AppendixAIdentities;

static STATEMENT: Statement = Statement {
    id: "appendix-a-identities",
    title: "Appendix A, identities and (15)-(17)",
    plain: "Second derivatives at W are those at the normalised weights divided by the norms of the blocks they touch.",
    formula: "∇²_{w⁽ⁱ⁾w⁽ʲ⁾}L(W;g) = ∇²_{v⁽ⁱ⁾v⁽ʲ⁾}L(V;g)/(‖w⁽ⁱ⁾‖‖w⁽ʲ⁾‖),   ∇²_{w⁽ⁱ⁾g}L(W;g) = \
              ∇²_{v⁽ⁱ⁾g}L(V;g)/‖w⁽ⁱ⁾‖,   ∇²_g L(W;g) = ∇²_g L(V;g)",
    latex: &[
        r"\nabla^2_{w^{(i)}w^{(j)}}L(W;g)=\frac{\nabla^2_{v^{(i)}v^{(j)}}L(V;g)}{\|w^{(i)}\|\,\|w^{(j)}\|},\qquad\nabla^2_{w^{(i)}g}L(W;g)=\frac{\nabla^2_{v^{(i)}g}L(V;g)}{\|w^{(i)}\|},\qquad\nabla^2_gL(W;g)=\nabla^2_gL(V;g)",
    ],
    printed_at: "appendix A, before and in equations (15), (16), (17)",
    kind: Kind::Identity,
    origin: Origin::Paper,
    hypotheses: &[
        "L is scale invariant in every block",
        "L is twice differentiable at the point (softplus, tanh): C^{1,1} is not enough",
    ],
    measured: "Hessian-vector products at W and at V with a random direction in every part of theta, part by part, on \
               networks under eight normalisations, and in up to 64 parts of the digits network, in double-double",
    tolerance: "u times the whole product at V and the size of F's terms there, scaled to the part; the roundings of \
                double-double are a billion times smaller",
    does_not_show: "the constants themselves; (15)-(17) follow by taking norms",
};

impl Claim for AppendixAIdentities {
    fn statement(&self) -> &'static Statement {
        &STATEMENT
    }

    fn check(&self, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut check = Check::new();
        for (name, normalisation) in INVARIANT {
            let subject = small(name, normalisation, Activation::Softplus, context).subject();
            check.merge(of_subject(&subject, usize::MAX, 1, context));
        }
        let digits = digits_at(context.pick([64, 256, 1797, 1797]), context).subject();
        check.merge(of_subject(&digits, context.pick([8, 16, 64, 64]), 1, context));
        let plots = vec![
            powers(context),
            rows::errors(
                "errors",
                "Hessians at W and at V agree far below a rounding of f64, and no broken variant does",
                "The distance of both sides, the largest over all blocks looked at, over what the claim allows: one \
                 rounding of f64 of their terms. Both sides are evaluated in double-double.",
                (&check, &Claim::controls(self)),
                LAST_BIT / U,
                context,
            ),
        ];
        Ok(Evidence { plots, ..Evidence::new(check) })
    }

    fn on_subject(&self) -> Option<&dyn Measure> {
        Some(self)
    }

    fn controls(&self) -> Vec<Control> {
        vec![
            Control {
                name: "printed factor",
                breaks: "the mixed block is divided by ‖w‖² (E3)",
                run: |c| broken(c, SMOOTHED_BN.1, 2),
            },
            Control {
                name: "no normalisation",
                breaks: "the normalisation is removed",
                run: |c| broken(c, Normalisation::None, 1),
            },
        ]
    }
}

impl Measure for AppendixAIdentities {
    fn needs(&self) -> &'static [Premise] {
        &[Premise::Smooth]
    }

    fn measure(&self, subject: &Subject, context: &Context) -> Result<Evidence, Unevaluated> {
        let mut evidence = Evidence::new(of_subject(subject, hessian_columns(subject), 1, context));
        let columns =
            some_of(subject.layout().n_blocks(), hessian_columns(subject)).len() + usize::from(subject.has_g());
        let note = format!("of {} blocks, evenly spread, and g", subject.layout().n_blocks());
        evidence.observe("columns of the Hessian that were looked at", columns as f64, note);
        Ok(evidence)
    }

    fn controls(&self) -> Vec<SubjectControl> {
        vec![
            SubjectControl {
                name: "printed factor",
                breaks: "the mixed block is divided by ‖w‖² (E3)",
                run: |subject, context| subject.has_g().then(|| Ok(of_subject(&of_norm_two(subject), 4, 2, context))),
            },
            SubjectControl {
                name: "weight decay in the loss",
                breaks: "F + ‖W‖²/20 instead of F",
                run: |subject, context| Some(Ok(of_subject(&of_norm_two(subject).decayed(0.1), 4, 1, context))),
            },
            SubjectControl {
                name: "constant epsilon",
                breaks: CONSTANT_EPSILON,
                run: |subject, context| {
                    let broken = of_norm_two(subject).with_constant_epsilon()?;
                    Some(Ok(of_subject(&broken, 4, 1, context)))
                },
            },
        ]
    }
}

/// The columns of g and of up to `n` blocks of a loss, with as many digits as it has, relative to the product at
/// V and to the size of identities there: what is linear has no products to measure with.
fn of_subject(subject: &Subject, n: usize, mixed_power: i32, context: &Context) -> Check {
    let mut evaluator = Evaluator::new(&*subject.loss);
    let (loss, layout, z) = (&*subject.loss, subject.layout(), subject.all());
    let (unit, norms_sq) = on_spheres::<DoubleDouble>(layout, &subject.theta);
    let floor = evaluator.gradient(&z, &unit).size();
    let mut generator = context.generator("directions");
    let along = columns(loss, &some_of(layout.n_blocks(), n), &mut generator);
    let at_w: Vec<DoubleDouble> = subject.theta.iter().map(|&x| x.into()).collect();
    let norm = |part: Part| match part {
        Part::Block(i) => norms_sq[i].sqrt(),
        Part::G => DoubleDouble::ONE,
    };
    let found = if evaluator.is_precise() {
        products(loss, &z, [&at_w, &unit], &along, (&norm, mixed_power))
    } else {
        let plain = |x: &[DoubleDouble]| x.iter().map(|x| x.value()).collect::<Vec<f64>>();
        products::<f64>(loss, &z, [&plain(&at_w), &plain(&unit)], &along, (&|part| norm(part).value(), mixed_power))
    };
    let mut check = Check::new();
    for (column, size, rows) in found {
        for (row, error, divisor) in rows {
            let at =
                format!("{} · rows {}, columns {}", subject.name, part_name(layout, row), part_name(layout, column));
            check.identity(format!("{at}, relative"), error * divisor / (size + floor), evaluator.product_unit);
        }
    }
    check
}

/// A random direction of norm 1 in each of these blocks and in g.
fn columns(loss: &dyn Loss, blocks: &[usize], generator: &mut Generator) -> Vec<(Part, Vec<f64>)> {
    let layout = loss.parameters();
    let g = (!layout.g().is_empty()).then_some(Part::G);
    let columns = blocks.iter().map(|&i| Part::Block(i)).chain(g);
    columns.map(|part| (part, direction(layout.len(), part.range(layout), 1.0, generator))).collect()
}

/// A column, the norm of its product at V, and of every part of it how far it is off and what it was divided by.
type Column = (Part, f64, Vec<(Part, f64, f64)>);

/// Products with directions at W and at V. `mixed_power`: the power of ||w|| in the mixed derivatives, 1 in truth.
fn products<S: Scalar>(
    loss: &dyn Loss,
    z: &[usize],
    [theta, unit]: [&[S]; 2],
    along: &[(Part, Vec<f64>)],
    (norm, mixed_power): (&(dyn Fn(Part) -> S + Sync), i32),
) -> Vec<Column>
where
    Dual<S>: Arithmetic,
{
    let (layout, n) = (loss.parameters(), theta.len());
    let one = |(work, at_w, at_v): &mut (HessianProduct<S>, Vec<S>, Vec<S>), (column, along): &(Part, Vec<f64>)| {
        let along: Vec<S> = along.iter().map(|&x| S::from_f64(x)).collect();
        hessian_vector_product(loss, z, theta, &along, at_w, work);
        hessian_vector_product(loss, z, unit, &along, at_v, work);
        let row = |row: Part| {
            let mixed = (row == Part::G) != (*column == Part::G);
            let product = norm(row) * norm(*column);
            let divisor = if mixed && mixed_power == 2 { product * product } else { product };
            let gap: Vec<S> = row.range(layout).map(|k| at_w[k] - at_v[k] / divisor).collect();
            (row, norm_sq(&gap).sqrt().value(), divisor.value())
        };
        (*column, norm_sq(at_v).sqrt().value(), parts(layout).map(row).collect())
    };
    let work = || (HessianProduct::new(n), vec![S::ZERO; n], vec![S::ZERO; n]);
    along.par_iter().map_init(work, one).collect()
}

/// Four parts of the Hessian of one small network, each times one direction, as all weights grow through six decades.
fn powers(context: &Context) -> Plot {
    let subject = small(SMOOTHED_BN.0, SMOOTHED_BN.1, Activation::Softplus, context).subject();
    let (loss, layout, z) = (&*subject.loss, subject.layout(), subject.all());
    let (first, last) = (Part::Block(0), Part::Block(layout.n_blocks() - 1));
    let (unit, _) = on_spheres::<f64>(layout, &subject.theta);
    let mut generator = context.generator("powers");
    let mut along = |part: Part| direction(layout.len(), part.range(layout), 1.0, &mut generator);
    let (into_first, into_last, into_g) = (along(first), along(last), along(Part::G));
    let (mut work, mut product) = (HessianProduct::new(layout.len()), vec![0.0; layout.len()]);
    let mut curve = |along: &[f64], rows: Part| -> Vec<[f64; 2]> {
        let at = |k: i32| {
            let c = 10.0_f64.powi(k);
            let mut theta = unit.clone();
            theta[..layout.g().start].iter_mut().for_each(|x| *x *= c);
            hessian_vector_product(loss, &z, &theta, along, &mut product, &mut work);
            [c, norm_sq(&product[rows.range(layout)]).sqrt()]
        };
        (-3..=3).map(at).collect()
    };
    let found = [
        ("∇²_{w⁽¹⁾w⁽¹⁾}", curve(&into_first, first)),
        ("∇²_{w⁽¹⁾w⁽ᵐ⁾}", curve(&into_last, first)),
        ("∇²_{w⁽¹⁾g}", curve(&into_g, first)),
        ("∇²_g", curve(&into_g, Part::G)),
    ];
    let mut plot = Plot::log_log(
        "powers",
        "Curvature falls as one over the lengths of the blocks it touches",
        "The length of four parts of the Hessian of the small network under smoothed BN, each times one direction, \
         when all blocks are c long: c^(-2) between weights, c^(-1) between weights and g, and constant in g. The \
         slopes start from the value at c = 10^-3 of the first part and of the third.",
        "c = ‖w⁽ⁱ⁾‖",
        "‖∇²L(cV; g) d‖",
    );
    for (k, slope) in [(0, -2.0), (2, -1.0)] {
        let reference = Reference { name: format!("slope {slope}"), slope, through: found[k].1[0] };
        plot.references.push(reference);
    }
    plot.series = found.into_iter().map(|(name, points)| Series::new(name, Style::Line, points)).collect();
    plot
}

fn broken(context: &Context, normalisation: Normalisation, mixed_power: i32) -> Result<Check, Unevaluated> {
    let subject = small("broken", normalisation, Activation::Softplus, context).subject();
    Ok(of_subject(&subject, usize::MAX, mixed_power, context))
}
