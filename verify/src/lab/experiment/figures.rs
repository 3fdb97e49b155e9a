//! The figures of appendix D, from the trainings.

use super::guess::Guess;
use super::question::Seen;
use super::study::{AtRate, Rates};
use super::task::{Epoch, Setting, Training};
use crate::claim::plot::{Axis, Plot, Series, Style};
use crate::text::number;

/// Figures 1 and 3 of separate rates, or 2 and 3 of one rate: the loss and the accuracy against the rate, and every
/// epoch; then what the effective rate does. `found` is ordered by setting, then by rate.
pub fn figures(rates: Rates, eta_g: f64, found: &[AtRate], guess: Guess) -> Vec<Plot> {
    let (losses, accuracies) = match rates {
        Rates::Separate => ("figure-1", "figure-3"),
        Rates::Unified => ("figure-2", "figure-3-one-rate"),
    };
    let title = match rates {
        Rates::Separate => format!("Separate rates, η_g = {eta_g}"),
        Rates::Unified => "One rate for all parameters".to_owned(),
    };
    let mut accuracy = against_rate(accuracies, &title, found, Seen::Accuracy, guess);
    accuracy.y = Axis::linear("test accuracy, last 5 epochs");
    let mut accuracy_by_epoch =
        by_epoch(&format!("{accuracies}-epochs"), &title, found, "test accuracy after each epoch", |e| e.accuracy);
    accuracy_by_epoch.y = Axis::linear("test accuracy after each epoch");
    accuracy_by_epoch.x = Axis::linear("epoch");
    vec![
        against_rate(losses, &title, found, Seen::Loss, guess),
        by_epoch(&format!("{losses}-epochs"), &title, found, "mean training loss of the epoch", |e| e.loss),
        accuracy,
        accuracy_by_epoch,
        effective_rates(&format!("effective-rates-{}", rates.symbol().replace('η', "eta")), &title, found),
    ]
}

/// The settings in turn, each with its rates.
fn by_setting(found: &[AtRate]) -> impl Iterator<Item = &[AtRate]> {
    found.chunk_by(|a, b| a.setting == b.setting)
}

/// The median; infinite values are the largest.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    if n == 0 { f64::NAN } else { 0.5 * (values[(n - 1) / 2] + values[n / 2]) }
}

/// The left halves: the median over the starts; the band is from the least to the largest.
fn against_rate(id: &str, title: &str, found: &[AtRate], seen: Seen, guess: Guess) -> Plot {
    let n = found.iter().map(|at| at.starts.len()).max().unwrap_or(0);
    let what = seen.name();
    let band = match n {
        0 | 1 => String::new(),
        n => format!(
            ", and from the least to the largest of {n} starts, which holds the median of all starts with confidence \
             {} %",
            number::short(100.0 * (1.0 - 2.0 * 0.5_f64.powi(n as i32)))
        ),
    };
    let missing = if seen == Seen::Loss { " A cross at the upper edge: starts diverged." } else { "" };
    let caption = format!("The {what} of the last five epochs against the learning rate: the median{band}.{missing}");
    let symbol = found.first().map_or("η", |at| at.rates.symbol());
    let (x, y) = (format!("learning rate {symbol}"), format!("{what}, last 5 epochs"));
    let mut plot = Plot::log_log(id, &format!("{title}: {what}"), caption, &x, &y);
    for of_setting in by_setting(found) {
        let mut series = Series::new(of_setting[0].setting.name(), Style::Line, Vec::new());
        for at in of_setting {
            let mut values: Vec<f64> = at.starts.iter().map(|training| seen.of(training, guess)).collect();
            let middle = median(&mut values);
            let finite = values.iter().all(|value| value.is_finite());
            let [low, middle, high] =
                if finite { [values[0], middle, values[values.len() - 1]] } else { [f64::INFINITY; 3] };
            series.points.push([at.eta, middle]);
            series.band.push([low, high]);
        }
        plot.series.push(series);
    }
    plot
}

/// The right halves: every epoch, from the first start.
fn by_epoch(id: &str, title: &str, found: &[AtRate], what: &str, value: impl Fn(&Epoch) -> f64) -> Plot {
    let caption = format!(
        "The {what}, from the first start: SGD solid, the other settings dashed. Curves that end early diverged."
    );
    let mut plot = Plot::log_log(id, &format!("{title}: {what}"), caption, "epoch", what);
    rate_by_rate(&mut plot, found, |_, training| numbered(training, &value));
    plot
}

/// What auto-tuning is about: eta_w/||w_i||^2, the median over the blocks.
fn effective_rates(id: &str, title: &str, found: &[AtRate]) -> Plot {
    let caption = "The effective learning rate η_w/‖w_i‖² at the end of every epoch, the median over the blocks, from \
                   the first start: under SGD large rates are tuned down by the growth of ‖w_i‖, under projected SGD \
                   they stay.";
    let y = "effective learning rate";
    let mut plot = Plot::log_log(id, &format!("{title}: effective learning rates"), caption, "epoch", y);
    // Without normalisation there is no effective rate.
    let normalised: Vec<AtRate> = found.iter().filter(|at| at.setting != Setting::Removed).cloned().collect();
    rate_by_rate(&mut plot, &normalised, |at, training| {
        numbered(training, |epoch| median(&mut epoch.w_norm_sq.iter().map(|n| at.eta / n).collect::<Vec<f64>>()))
    });
    plot
}

fn rates_of(found: &[AtRate]) -> Vec<f64> {
    by_setting(found).next().unwrap_or(&[]).iter().map(|at| at.eta).collect()
}

/// Rate by rate: what is dashed has the colour of the solid curve before it.
fn rate_by_rate(plot: &mut Plot, found: &[AtRate], points: impl Fn(&AtRate, &Training) -> Vec<[f64; 2]>) {
    for eta in rates_of(found) {
        for at in found.iter().filter(|at| at.eta == eta) {
            let points = at.starts.first().map_or_else(Vec::new, |training| points(at, training));
            plot.series.push(Series::new(named(at), style(at.setting), points));
        }
    }
}

fn named(at: &AtRate) -> String {
    format!("{}, {} = {}", at.setting.name(), at.rates.symbol(), at.eta)
}

fn style(setting: Setting) -> Style {
    if setting == Setting::Sgd { Style::Line } else { Style::Dashed }
}

fn numbered(training: &Training, value: impl Fn(&Epoch) -> f64) -> Vec<[f64; 2]> {
    training.epochs.iter().enumerate().map(|(k, epoch)| [(k + 1) as f64, value(epoch)]).collect()
}
