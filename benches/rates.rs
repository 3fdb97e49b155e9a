//! Slopes over runs: 10,000 bootstrap resamples of 64 runs at 40 horizons.
//!
//! Throughput counts what a product of the counts (resamples x runs) with the values (runs x horizons) would cost, 2 a
//! multiply-add: `Gelem/s` reads as GFLOP/s, though the counts are never made.
#![allow(missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ratecheck::random::{Seed, normals};
use ratecheck::rates::{Bootstrap, Summary, Window, bootstrap_slope, log_spaced};

const RUNS: usize = 64;
const HORIZONS: usize = 40;
const RESAMPLES: usize = 10_000;

fn bootstrap(c: &mut Criterion) {
    let seed = Seed::new(1);
    let t: Vec<f64> = log_spaced(100, 1_000_000, HORIZONS).into_iter().map(|t| t as f64).collect();
    let noise = normals(RUNS * HORIZONS, 0.3, &mut seed.generator("noise"));
    let values: Vec<f64> = noise.iter().enumerate().map(|(k, z)| (z - 0.5 * t[k % HORIZONS].ln()).exp()).collect();
    let request =
        Bootstrap { window: Window::new(1.0, 1e9), summary: Summary::RootMean, level: 0.95, n_resamples: RESAMPLES };
    let run =
        || bootstrap_slope(black_box(&t), &values, &request, &mut seed.generator("bootstrap")).expect("an interval");
    let found = run();
    // Noise of relative deviation 0.3 in 64 runs at 40 horizons:
    // a standard error below 0.004 for the slope of the root.
    assert!((found.slope + 0.25).abs() < 0.02 && found.low < found.slope && found.slope < found.high, "{found:?}");
    let mut group = c.benchmark_group("rates");
    group.throughput(Throughput::Elements((2 * RESAMPLES * RUNS * HORIZONS) as u64));
    group.bench_function("bootstrap-10000x64x40", |bench| bench.iter(run));
    group.finish();
}

criterion_group!(benches, bootstrap);
criterion_main!(benches);
