//! Threads: as many as are asked for, of use, and to be had. No number depends on how many there are.

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// So many threads may be asked for on any machine.
const FEW: usize = 64;
/// Threads for each core, at most.
const OF_CORE: usize = 4;

/// A pool of `wanted` threads (0: one per core), or of fewer; and a sentence if they are fewer. Where no thread can be
/// started, it is the present one alone.
///
/// # Errors
/// If not even that can be had.
pub(crate) fn pool(wanted: usize) -> Result<(ThreadPool, Option<String>), ThreadPoolBuildError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let most = FEW.max(OF_CORE * cores);
    let mut n = if wanted == 0 { cores } else { wanted.min(most) };
    loop {
        let started = ThreadPoolBuilder::new().num_threads(n).build();
        match started {
            Ok(pool) if n < wanted || (wanted == 0 && n < cores) => {
                let why = if n == most {
                    format!("more are of no use on {cores} cores")
                } else {
                    "the system starts no more".to_owned()
                };
                return Ok((pool, Some(format!("of {} threads {n} are started: {why}", wanted.max(cores)))));
            }
            Ok(pool) => return Ok((pool, None)),
            Err(_) if n > 1 => n /= 2,
            Err(error) => {
                let alone = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build()?;
                return Ok((alone, Some(format!("no threads can be started ({error}): one does all the work"))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_are_asked_for_and_no_more_than_are_of_use() {
        for n in [1, 3, 9] {
            let (pool, note) = pool(n).expect("few threads");
            assert_eq!((pool.current_num_threads(), note), (n, None));
        }
        let (pool, note) = pool(usize::MAX).expect("capped");
        let n = pool.current_num_threads();
        assert!(
            (1..100_000).contains(&n) && note.is_some_and(|note| note.contains(&format!(" threads {n} are started")))
        );
    }
}
