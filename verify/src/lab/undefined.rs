//! Losses that are undefined where they start: not runs that diverge, but input that cannot be used.

use ratecheck::loss::{Loss, Workspace};
use ratecheck::network::{Network, Normalisation};

/// Why the loss, or its gradient, is not finite at theta on the minibatch z; and what to do.
pub(crate) fn cause(loss: &dyn Loss, network: Option<&Network>, z: &[usize], theta: &[f64]) -> (String, &'static str) {
    let Some(network) = network else {
        return ("the loss or its gradient is not finite there".to_owned(), "start elsewhere");
    };
    let layers = &network.layers().layers;
    let of_batch = |normalisation: Normalisation| {
        use Normalisation::{BatchNorm, LpBatchNorm};
        matches!(normalisation, BatchNorm | LpBatchNorm { .. })
    };
    let divides = layers.iter().any(|layer| of_batch(layer.normalisation));
    let is_image = network.layers().image.is_some();
    if divides && z.len() == 1 && !is_image {
        let what = "a minibatch of one example has no spread, by which batch normalisation divides";
        return (what.to_owned(), "take minibatches of two examples or more, an epsilon, or another normalisation");
    }
    let data = network.data();
    let alike = |j: usize| z.iter().all(|&i| data.feature(j)[i] == data.feature(j)[z[0]]);
    if divides && (0..data.n_features()).all(alike) {
        let what = format!("the {} examples of the first minibatch are identical, and no unit has a spread", z.len());
        return (what, "remove what is there twice, take larger minibatches, or an epsilon");
    }
    let mut work = Workspace::default();
    loss.sample_gradient(z, theta, &mut vec![0.0; theta.len()], &mut work);
    let mut units = network.unit_statistics(&mut work).map_or_else(Vec::new, |found| found.spread_sq).into_iter();
    for (l, layer) in network.places().iter().enumerate() {
        let spreads: Vec<f64> = units.by_ref().take(layer.units).collect();
        // Written so that NaN counts.
        let flat = spreads.iter().position(|&spread_sq| !(spread_sq > 0.0));
        if let Some(k) = flat.filter(|_| layers[l].normalisation != Normalisation::None) {
            let what = format!("unit {} of layer {} has no spread over the first minibatch", k + 1, l + 1);
            return (what, "take larger minibatches, other data, an epsilon, or another normalisation");
        }
    }
    (
        "the loss or its gradient is not finite there".to_owned(),
        "take smaller inputs or another start, or \"double\" precision",
    )
}
