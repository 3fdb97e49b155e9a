//! `ratecheck inspect`: one loss at one point.

use super::console::Console;
use super::judged::{Judged, judge};
use super::source::ProblemArgs;
use super::text::{columns, heading};
use super::{Claims, Exit, Stopped};
use crate::lab::inspect::spectrum::spectrum;
use crate::lab::inspect::{AtPoint, Inspection, inspect};
use crate::lab::problem::{Described, DescribedLayer};
use crate::text::number;
use crate::text::plain::quote;

/// Blocks shown in the table; --verbose and JSON have them all.
const ROWS: usize = 24;

const EXAMPLES: &str = "\
Examples:
  ratecheck inspect --problem examples/problems/one-neuron.toml
  ratecheck inspect --instance 3-4-1 --json > 3-4-1.json
  ratecheck inspect --problem examples/problems/flowers.toml --verbose    all blocks, not 24
  ratecheck inspect --instance 3-4-1 --spectrum 5                         eigenvalues of the Hessian";

/// Which problem, and how to show it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    source: ProblemArgs,
    /// Print everything as JSON, every number at full precision.
    #[arg(long)]
    json: bool,
    /// Form the dense Hessian for up to this many parameters; beyond, its blocks are not reported.
    #[arg(long, value_name = "N", default_value_t = 2000)]
    dense_up_to: usize,
    /// Show the K largest and the K smallest eigenvalues of the Hessian at theta~, and how all of them are spread. Takes
    /// some 700 Hessian-vector products.
    #[arg(long, value_name = "K", num_args = 0..=1, default_missing_value = "3",
          value_parser = clap::value_parser!(u16).range(1..))]
    spectrum: Option<u16>,
    /// Show the effective learning rates eta_w/||w_i||^2 that this learning rate of W gives.
    #[arg(long, value_name = "RATE")]
    eta_w: Option<f64>,
}

/// Evaluates, judges and prints.
pub(super) fn run(arguments: &Arguments, console: Console, claims: Claims<'_>) -> Result<Exit, Stopped> {
    let problem = arguments.source.load()?;
    let found = inspect(&problem, arguments.dense_up_to)
        .map_err(|error| (Exit::Input, format!("{}: {error}", arguments.source.shown())))?;
    if let Some(rate) = arguments.eta_w.filter(|rate| !(*rate > 0.0 && rate.is_finite())) {
        return Err((Exit::Usage, format!("--eta-w {rate}: give a finite number above 0")));
    }
    let spectrum = arguments.spectrum.map(|k| spectrum(&problem, usize::from(k))).transpose();
    let spectrum = spectrum.map_err(|error| (Exit::Input, format!("{}: {error}", arguments.source.shown())))?;
    let mut judged = judge(&problem, found, arguments.eta_w, claims);
    judged.spectrum = spectrum;
    if arguments.json {
        console.json(&judged)?;
    } else {
        let rows = if console.is_verbose() { usize::MAX } else { ROWS };
        let all = shown(&judged.inspection, rows) + &judged.shown(rows);
        console.say_or(&all, &last_line(&judged))?;
    }
    Ok(judged.exit())
}

/// The one line that is left of it under --quiet.
fn last_line(judged: &Judged) -> String {
    let found = &judged.inspection;
    let [loss, norm] = [found.at_w.loss, found.at_w.grad_norm_squared].map(number::exact);
    format!("{}: loss {loss}, ||grad||^2 {norm}; {}\n", found.name, judged.in_a_word())
}

/// The tables for a reader.
fn shown(found: &Inspection, rows: usize) -> String {
    let mut text = format!("{}\n", heading(&found.name));
    if let Some(network) = &found.network {
        text += &format!("{}\n", described(network));
    }
    if !found.classes.is_empty() {
        let numbered: Vec<String> =
            found.classes.iter().map(|class| format!("{} = {}", quote(&class.name), class.label)).collect();
        text += &format!("labels: {}\n", numbered.join(", "));
    }
    text += &format!("{}\n", found.function.meaning);
    text += &format!("{} parameters: {} blocks, g has {}", found.n_parameters, found.blocks.len(), found.g_len());
    if let Some(radius) = found.radius {
        let place = if found.g_norm <= radius { "within" } else { "OUTSIDE" };
        text += &format!("; ||g|| = {}, {place} the domain ||g|| <= {radius}", number::short(found.g_norm));
    }
    text += "\n\n";
    text += &columns(&values(found), 1);
    text += &format!("\n{}\n", heading("Blocks"));
    text += &columns(&blocks(found, rows), 1);
    if found.blocks.len() > rows {
        text += &format!("... and {} more blocks: --verbose and --json show them all\n", found.blocks.len() - rows);
    }
    if found.at_v.hessian.is_none() {
        text += "\nThe Hessian was not formed: --dense-up-to N raises the limit.\n";
    }
    let about =
        found.rounding.map_or_else(|| "about 1e-16".to_owned(), |most| format!("up to {}", number::short(most)));
    let title = format!("Residuals, which are rounding ({about} here) if every block is scale invariant");
    text += &format!("\n{}\n", heading(&title));
    text + &columns(&residuals(found), 1)
}

fn described(network: &Described) -> String {
    let widths: Vec<String> = network.widths.iter().map(usize::to_string).collect();
    let mut parts = vec![widths.join("-"), network.normalisation.to_owned()];
    parts.extend(network.groups.map(|groups| format!("{groups} groups")));
    parts.extend(network.epsilon.map(|epsilon| format!("epsilon {epsilon}")));
    parts.extend(network.activation.map(str::to_owned));
    parts.extend(network.slope.map(|slope| format!("slope {slope}")));
    parts.push(network.objective.to_owned());
    if network.weight_decay > 0.0 {
        parts.push(format!("weight decay {}", network.weight_decay));
    }
    let layer = |(l, layer): (usize, &DescribedLayer)| format!("\n  layer {}: {}", l + 1, layer.in_words());
    parts.join(", ") + &network.layers.iter().enumerate().map(layer).collect::<String>()
}

fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

/// Loss and gradient at both points, to all digits: they are few.
fn values(found: &Inspection) -> Vec<Vec<String>> {
    let both = |name: &str, of: &dyn Fn(&AtPoint) -> f64| {
        vec![name.to_owned(), number::exact(of(&found.at_w)), number::exact(of(&found.at_v))]
    };
    let mut rows = vec![row(["", "at theta = (W; g)", "at theta~ = (V; g)"])];
    rows.push(both("loss", &|point| point.loss));
    rows.push(both("||grad||^2", &|point| point.grad_norm_squared));
    if let (Some(w), Some(v)) = (found.at_w.block_norm_gg, found.at_v.block_norm_gg) {
        rows.push(vec!["||Hess_gg||".to_owned(), number::exact(w), number::exact(v)]);
    }
    rows
}

/// One line a block: norms of the block, of its gradients, and of its part of the Hessian at theta~.
fn blocks(found: &Inspection, n: usize) -> Vec<Vec<String>> {
    let mut rows =
        vec![row(["", "||w_i||", "||grad_w||", "||grad_v||", "||Hess_ii||", "max ||Hess_ij||", "||Hess_ig||"])];
    for (i, block) in found.blocks.iter().take(n).enumerate() {
        let norm = |x: &[f64]| number::short(ratecheck::parameters::norm(x));
        let mut cells = vec![block.name.clone(), number::short(found.block_norms[i])];
        cells.push(norm(&found.at_w.gradient[block.start..block.end]));
        cells.push(norm(&found.intrinsic_gradient.grad_v[i]));
        if let (Some(vv), Some(vg)) = (&found.at_v.block_norm_vv, &found.at_v.block_norm_vg) {
            let others = (0..vv.len()).filter(|&j| j != i).map(|j| vv[i][j]).fold(0.0, f64::max);
            cells.extend([vv[i][i], others, vg[i]].map(number::short));
        }
        rows.push(cells);
    }
    rows
}

fn residuals(found: &Inspection) -> Vec<Vec<String>> {
    let checks = &found.checks;
    let shown = |x: Option<f64>| x.map_or_else(|| number::NONE.to_owned(), number::short);
    [
        ("invariance", Some(checks.invariance), "loss at theta and at theta~ (Definition 2.1)"),
        ("orthogonality", Some(checks.orthogonality), "w_i' grad_{w_i} (Lemma 2.4)"),
        ("intrinsic gradient", Some(checks.intrinsic_gradient), "||w_i|| grad_{w_i} and grad_{v_i} (Lemma 2.2)"),
        ("Euler identities", checks.euler, "Hess w_j and -grad in block j, 0 elsewhere"),
        ("symmetry", checks.asymmetry, "Hess and its transpose"),
    ]
    .map(|(name, value, meaning)| vec![format!("{name:20}{:>10}  {meaning}", shown(value))])
    .to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lab::problem::Problem;

    #[test]
    fn classes_that_are_named_are_shown_with_their_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let table = |names: [&str; 2]| {
            let row = |k: usize| format!("{}.5,{},{}\n", k, k * k % 3, names[k % 2]);
            let rows: String = (0..6).map(row).collect();
            std::fs::write(directory.path().join("table.csv"), format!("a,b,kind\n{rows}")).unwrap();
        };
        let shown_with = |objective: &str, outputs: usize, classes: &str| {
            let text = format!(
                "[network]\nwidths = [2, {outputs}]\nnormalisation = \"batch-norm\"\nobjective = \"{objective}\"\n\
                 [data]\nkind = \"csv\"\nfile = \"table.csv\"\nlabel = \"kind\"\n{classes}\n\
                 [parameters]\ninitialiser = \"glorot-uniform\"\nseed = 1\n"
            );
            let problem = Problem::parse(&text, &directory.path().join("problem.toml")).unwrap();
            shown(&inspect(&problem, 100).unwrap(), ROWS)
        };
        table(["virginica", "setosa"]);
        assert!(shown_with("cross-entropy", 2, "").contains("\nlabels: setosa = 0, virginica = 1\n"));
        assert!(shown_with("logistic", 1, "").contains("\nlabels: setosa = -1, virginica = 1\n"));
        let ordered = shown_with("cross-entropy", 2, "classes = [\"virginica\", \"setosa\"]");
        assert!(ordered.contains("\nlabels: virginica = 0, setosa = 1\n"), "{ordered}");
        table(["\u{1b}[31mred", "a\tb"]);
        assert!(shown_with("cross-entropy", 2, "").contains("\nlabels: \\u{1b}[31mred = 0, a\\tb = 1\n"));
        table(["1", "0"]);
        assert!(!shown_with("cross-entropy", 2, "").contains("labels:"));
    }
}
