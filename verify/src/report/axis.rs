//! Axes: from values to positions, and the ticks.

use crate::claim::plot::Scale;
use crate::text::number;

/// A mark on an axis.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    /// Position along the axis, 0 to 1.
    pub(super) at: f64,
    /// Its label; empty for a minor tick.
    pub(super) label: String,
}

/// One axis fitted to its data.
#[derive(Clone, Copy, Debug)]
pub(super) struct Map {
    scale: Scale,
    /// The ends, in decades or in units.
    low: f64,
    high: f64,
    /// A power of ten that keeps linear arithmetic from overflowing.
    unit: f64,
}

impl Map {
    /// An axis that shows all of `values` that can be shown, with a share `pad` of its span free at both ends.
    pub(super) fn new(scale: Scale, values: impl Iterator<Item = f64>, pad: f64) -> Option<Self> {
        let values: Vec<f64> = values.filter(|&v| showable(scale, v)).collect();
        let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        let unit = if largest > 0.0 { 10.0_f64.powf(largest.log10().floor()).max(1e-300) } else { 1.0 };
        let map = Self { scale, low: 0.0, high: 1.0, unit };
        let mut ends: Option<(f64, f64)> = None;
        for v in values.iter().map(|&v| map.forward(v)) {
            ends = Some(ends.map_or((v, v), |(low, high)| (low.min(v), high.max(v))));
        }
        let (low, high) = ends?;
        // Closer together than rounding can tell apart: show the surroundings instead of noise.
        let least = match scale {
            Scale::Log => 1e-9,
            Scale::Linear => 1e-9 * low.abs().max(high.abs()).max(f64::MIN_POSITIVE),
        };
        let room = if high - low > least {
            (high - low) * pad
        } else {
            match scale {
                Scale::Log => 0.5,
                Scale::Linear => (low.abs() * 0.5).max(0.5),
            }
        };
        Some(Self { low: low - room, high: high + room, ..map })
    }

    fn forward(&self, value: f64) -> f64 {
        match self.scale {
            Scale::Log => value.log10(),
            Scale::Linear => value / self.unit,
        }
    }

    /// 0 at the low end, 1 at the high end; `None` if the value cannot be shown on this axis.
    pub(super) fn at(&self, value: f64) -> Option<f64> {
        showable(self.scale, value).then(|| (self.forward(value) - self.low) / (self.high - self.low))
    }

    /// The span: decades on a logarithmic axis.
    pub(super) fn span(&self) -> f64 {
        self.high - self.low
    }

    /// Where a power law through `through` with this slope passes, as a straight line in decades.
    pub(super) fn decades(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Ticks, the labelled ones at most about `target` in number.
    pub(super) fn ticks(&self, target: usize) -> Vec<Tick> {
        let target = target.max(2) as f64;
        match self.scale {
            Scale::Linear => self.even(self.low, self.high, target, |v| v),
            // A few decades or more: powers of ten. Less: 1, 2, 5. Hardly any: even steps.
            Scale::Log if self.span() >= 2.2 => self.powers(target),
            Scale::Log if self.span() >= 0.9 => self.one_two_five(target),
            Scale::Log => {
                let unit = 10.0_f64.powf(self.high.floor());
                let (low, high) = (10.0_f64.powf(self.low) / unit, 10.0_f64.powf(self.high) / unit);
                Self { unit, ..*self }.even(low, high, target, move |v| (v * unit).log10())
            }
        }
    }

    fn place(&self, transformed: f64) -> f64 {
        (transformed - self.low) / (self.high - self.low)
    }

    fn powers(&self, target: f64) -> Vec<Tick> {
        let rough = (self.span() / target).max(1.0);
        let steps = [1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];
        let step = steps.into_iter().find(|&s| s >= rough).unwrap_or(500.0);
        let mut ticks = Vec::new();
        let mut decade = self.low.floor();
        while decade <= self.high {
            if decade.rem_euclid(step) == 0.0 && decade >= self.low {
                ticks.push(Tick { at: self.place(decade), label: power(decade as i32) });
            } else if step <= 5.0 && decade >= self.low {
                ticks.push(Tick { at: self.place(decade), label: String::new() });
            }
            if step == 1.0 {
                for digit in 2..10 {
                    let at = self.place(decade + f64::from(digit).log10());
                    ticks.extend((0.0..=1.0).contains(&at).then(|| Tick { at, label: String::new() }));
                }
            }
            decade += 1.0;
        }
        ticks
    }

    fn one_two_five(&self, target: f64) -> Vec<Tick> {
        let mut ticks = Vec::new();
        let labelled: &[i32] = if target >= 5.0 { &[1, 2, 5] } else { &[1] };
        for decade in self.low.floor() as i32..=self.high.floor() as i32 {
            for digit in 1..10 {
                let at = self.place(f64::from(decade) + f64::from(digit).log10());
                if (0.0..=1.0).contains(&at) {
                    let label = if labelled.contains(&digit) { multiple(digit, decade) } else { String::new() };
                    ticks.push(Tick { at, label });
                }
            }
        }
        ticks
    }

    /// Steps of 1, 2 or 5 times a power of ten, in units; `back` takes a value to where the axis has it.
    fn even(&self, low: f64, high: f64, target: f64, back: impl Fn(f64) -> f64) -> Vec<Tick> {
        let rough = (high - low) / target;
        let power = 10.0_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|m| m * power).into_iter().find(|&s| s >= rough).unwrap_or(power * 10.0);
        let mut n = (low / step).ceil();
        let mut ticks = Vec::new();
        // At most a dozen pass; the bound is against steps lost in rounding.
        while n * step <= high * (1.0 + 1e-12) + step * 1e-9 && ticks.len() < 50 {
            let at = self.place(back(n * step));
            if (-1e-9..=1.0 + 1e-9).contains(&at) {
                ticks.push(Tick { at, label: self.even_label(n * step, step, low.abs().max(high.abs())) });
            }
            n += 1.0;
        }
        ticks
    }

    /// A label with as many decimals as the step needs; far from 1, with a power of ten.
    fn even_label(&self, value: f64, step: f64, largest: f64) -> String {
        let places = |step: f64| (-(step.log10() + 1e-9).floor()).clamp(0.0, 12.0) as usize;
        if value.abs() < step * 1e-6 {
            return "0".to_owned();
        }
        if (1e-3..1e5).contains(&(largest * self.unit)) {
            return number::minus(&format!("{:.*}", places(step * self.unit), value * self.unit));
        }
        let exponent = self.unit.log10().round() as i32;
        format!("{}×{}", number::minus(&format!("{value:.*}", places(step))), power_of_ten(exponent))
    }
}

/// Whether a value can be shown at all.
pub(super) fn showable(scale: Scale, value: f64) -> bool {
    value.is_finite() && (scale == Scale::Linear || value > 0.0)
}

/// `10⁻³`; 1 and 10 as they are.
fn power(exponent: i32) -> String {
    match exponent {
        0 => "1".to_owned(),
        1 => "10".to_owned(),
        e => power_of_ten(e),
    }
}

fn power_of_ten(exponent: i32) -> String {
    format!("10{}", number::superscript(&exponent.to_string()))
}

/// `20`, `0.5`, `2×10⁻⁵`.
fn multiple(digit: i32, decade: i32) -> String {
    match decade {
        -2..=3 => {
            let places = usize::try_from(-decade).unwrap_or(0);
            format!("{:.places$}", f64::from(digit) * 10.0_f64.powi(decade))
        }
        _ if digit == 1 => power_of_ten(decade),
        _ => format!("{digit}×{}", power_of_ten(decade)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn labels(scale: Scale, values: &[f64], target: usize) -> Vec<String> {
        let map = Map::new(scale, values.iter().copied(), 0.0).unwrap();
        let ticks = map.ticks(target);
        assert!(ticks.iter().all(|t| (-1e-6..=1.0 + 1e-6).contains(&t.at)), "{ticks:?}");
        ticks.into_iter().map(|t| t.label).filter(|l| !l.is_empty()).collect()
    }

    #[test]
    fn powers_of_ten() {
        assert_eq!(labels(Scale::Log, &[1e-2, 1e3], 8), ["10⁻²", "10⁻¹", "1", "10", "10²", "10³"]);
        assert_eq!(labels(Scale::Log, &[1.0, 20.0], 8), ["1", "2", "5", "10", "20"]);
        assert_eq!(labels(Scale::Log, &[0.98, 1.04], 4), ["0.98", "1.00", "1.02", "1.04"]);
        let wide = labels(Scale::Log, &[1e-300, 1e300], 6);
        assert!((3..=7).contains(&wide.len()), "{wide:?}");
    }

    #[test]
    fn even_steps() {
        assert_eq!(labels(Scale::Linear, &[0.0, 1.0], 5), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(Scale::Linear, &[-2e-7, 2e-7], 4), ["−2×10⁻⁷", "−1×10⁻⁷", "0", "1×10⁻⁷", "2×10⁻⁷"]);
        assert_eq!(labels(Scale::Linear, &[0.0, 4000.0], 4), ["0", "1000", "2000", "3000", "4000"]);
    }

    #[test]
    fn nothing_overflows() {
        for values in [&[f64::MAX, -f64::MAX][..], &[0.0], &[5e-324, 0.0], &[1.0, 1.0 + f64::EPSILON], &[-3.0, -3.0]] {
            let map = Map::new(Scale::Linear, values.iter().copied(), 0.05).unwrap();
            assert!(values.iter().all(|&v| map.at(v).unwrap().is_finite()));
            assert!(!map.ticks(5).is_empty(), "{values:?}");
        }
        for values in [&[f64::MAX, 5e-324][..], &[1.0], &[1.0, 1.0 + f64::EPSILON]] {
            let map = Map::new(Scale::Log, values.iter().copied(), 0.05).unwrap();
            assert!(!map.ticks(5).is_empty(), "{values:?}");
        }
        assert!(Map::new(Scale::Log, [0.0, -1.0, f64::NAN].into_iter(), 0.0).is_none());
    }
}
