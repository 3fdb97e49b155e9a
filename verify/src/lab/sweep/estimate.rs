//! How long a cell will take, from a few steps.

use std::time::{Duration, Instant};

use ratecheck::descent::Lockstep;
use ratecheck::loss::{Drawing, Workspace};

use super::cell::{Cell, LookAt};
use super::plan::Plan;

/// Enough to read a clock against.
const LONG_ENOUGH: Duration = Duration::from_millis(20);

/// Seconds on one thread for each cell of a plan.
#[derive(Clone, Debug)]
pub struct Estimate {
    seconds: Vec<f64>,
}

impl Estimate {
    /// Measures a step and a look at L on every instance; where cells go in lockstep, if they can, a step of eight.
    /// Nothing is kept of the runs.
    pub fn measure(plan: &Plan, together: bool) -> Self {
        let of_instance = |place: usize| {
            let cell = plan.cells.iter().find(|cell| cell.instance == place);
            cell.map_or(0.0, |cell| seconds(plan, cell, together))
        };
        Self { seconds: (0..plan.instances.len()).map(of_instance).collect() }
    }

    /// Seconds of one cell.
    pub fn of(&self, cell: &Cell) -> f64 {
        self.seconds[cell.instance]
    }
}

fn seconds(plan: &Plan, cell: &Cell, together: bool) -> f64 {
    let (instance, runs) = (&plan.instances[cell.instance], &plan.runs);
    let loss = instance.loss();
    let (descent, theta_0, generator) = cell.prepared(instance, runs);
    let mut draws = generator.clone();
    let stepper = || descent.stepper(loss, &theta_0, generator.clone());
    let step = if together && cell.lockstep(instance) {
        let mut eight = Lockstep::new(loss, (0..Lockstep::RUNS).map(|_| stepper()).collect());
        // Numbers that are not finite take no longer than others.
        per_call(|| _ = eight.step()) / Lockstep::RUNS as f64
    } else {
        let mut stepper = stepper();
        // After a divergence there is nothing left to step: start again, as the time of a step hardly depends on where
        // it is made.
        per_call(|| {
            if stepper.step().is_err() {
                stepper.restart(&theta_0, 0);
            }
        })
    };
    let n = loss.parameters().len();
    let (mut gradient, mut scratch, mut work, mut permutation) =
        (vec![0.0; n], vec![0.0; n], Workspace::default(), Vec::new());
    let all: Vec<usize> = (0..loss.minibatches().n_examples()).collect();
    let look = match (loss.minibatches().drawing(), runs.look_at) {
        (Drawing::Full, _) => 0.0, // the step sees L anyway
        (_, LookAt::FullBatch) => per_call(|| {
            loss.sample_gradient(&all, &theta_0, &mut gradient, &mut work);
        }),
        (Drawing::Partition, LookAt::Mean) => per_call(|| {
            loss.mean_gradient(&theta_0, &mut gradient, &mut scratch, &mut work);
        }),
        (Drawing::Subsets, LookAt::Mean) => {
            let one = per_call(|| {
                let z = loss.minibatches().draw(&mut draws, &mut permutation);
                loss.sample_gradient(z, &theta_0, &mut gradient, &mut work);
            });
            one * runs.fresh_minibatches as f64
        }
    };
    let looks = if runs.every_step { runs.n_steps as f64 } else { runs.horizons.len() as f64 };
    step * runs.n_steps as f64 + look * looks
}

/// Seconds per call: the first one fills buffers and is not counted.
fn per_call(mut call: impl FnMut()) -> f64 {
    call();
    let begin = Instant::now();
    let mut calls = 0_u32;
    while calls < 3 || begin.elapsed() < LONG_ENOUGH {
        call();
        calls += 1;
    }
    begin.elapsed().as_secs_f64() / f64::from(calls)
}
