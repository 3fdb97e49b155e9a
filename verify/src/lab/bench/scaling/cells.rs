//! What is measured of processes of their own: sweeps of many cells, and the memory that they take.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::runs::WIDTHS;
use super::{Along, Cost, Curve, ScalingError, climb};

/// The sizes of a sweep.
const CELLS: [f64; 11] = [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5];
/// How often a process is looked at; what it had at most is kept by the system.
const LOOK: Duration = Duration::from_millis(1);

/// Time and memory against cells, and memory against parameters.
pub(super) fn curves(program: &Path, threads: usize, most: f64) -> Result<Vec<Curve>, ScalingError> {
    let directory = tempfile::tempdir()?;
    let mut memory = Vec::new();
    let seconds = climb(&CELLS, most, |cells| {
        let (seconds, bytes) = sweep(program, directory.path(), &of_cells(cells as u64), threads)?;
        memory.extend(bytes.map(|bytes| [cells, bytes]));
        Ok::<_, ScalingError>(seconds)
    })?;
    let mut of_networks = Vec::new();
    let sizes = WIDTHS.map(|n| (2 * n * n + n + 2 * (2 * n + 1)) as f64);
    climb(&sizes, most, |size| {
        let width = WIDTHS[sizes.iter().position(|&known| known == size).unwrap_or(0)];
        std::fs::write(directory.path().join("problem.toml"), problem(width))?;
        let (seconds, bytes) = sweep(program, directory.path(), OF_NETWORK, 1)?;
        of_networks.extend(bytes.map(|bytes| [size, bytes]));
        Ok::<_, ScalingError>(seconds)
    })?;
    let name = "a sweep of problem J";
    let mut curves = vec![Curve::new(Along::Cells, Cost::Seconds, name, &seconds, &CELLS)];
    // Where the system does not tell, there is no curve.
    if !memory.is_empty() {
        curves.push(Curve::new(Along::Cells, Cost::Bytes, name, &memory, &CELLS));
        let name = "a sweep of one cell";
        curves.push(Curve::new(Along::Parameters, Cost::Bytes, name, &of_networks, &sizes));
    }
    Ok(curves)
}

/// Cells that take microseconds: what is left is what a cell costs besides.
fn of_cells(n: u64) -> String {
    format!(
        "[sweep]\nsteps = 100\nhorizons = 10\nseeds = {n}\nrecord = [\"loss\", \"grad-sq\"]\n\n[grid]\n\
         instance = \"problem-j\"\neta-w = 1.0\nalpha = 0.5\neta-g = 0.5\n"
    )
}

const OF_NETWORK: &str = "[sweep]\nsteps = 2\nhorizons = [2]\nseeds = 1\nlook-at = \"full-batch\"\n\
                          record = [\"loss\"]\n\n[grid]\neta-w = 0.1\neta-g = 0.1\n\n\
                          [instance.network]\nproblem = \"problem.toml\"\n";

fn problem(width: usize) -> String {
    format!(
        "[network]\nwidths = [{width}, {width}, {width}, 1]\nnormalisation = \"smoothed-batch-norm\"\nepsilon = 0.1\n\
         activation = \"tanh\"\nobjective = \"logistic\"\n\n[data]\nkind = \"teacher\"\nexamples = 128\n\
         features = {width}\nseed = 1\n\n[parameters]\ninitialiser = \"glorot-uniform\"\nseed = 1\n"
    )
}

/// The seconds and the bytes of a sweep by `program`, into a new directory.
fn sweep(program: &Path, below: &Path, plan: &str, threads: usize) -> Result<(f64, Option<f64>), ScalingError> {
    std::fs::write(below.join("plan.toml"), plan)?;
    let out = below.join("out");
    let start = Instant::now();
    let mut child = Command::new(program)
        .current_dir(below)
        .args(["sweep", "plan.toml", "--quiet", "--out", "out", "--jobs", &threads.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut bytes = None;
    let status = loop {
        bytes = most_memory(&child).or(bytes);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    let seconds = start.elapsed().as_secs_f64();
    if !status.success() {
        return Err(ScalingError::Command(format!("`{} sweep` ended with {status}", program.display())));
    }
    std::fs::remove_dir_all(out)?;
    Ok((seconds, bytes))
}

/// The most memory that a process has had until now, as Linux tells it; nothing of one that has ended.
fn most_memory(child: &Child) -> Option<f64> {
    let told = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024.0 * kilobytes)
}
