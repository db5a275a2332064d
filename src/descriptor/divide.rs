//! Divides the cases of one entry, where there are many, among threads. Many entries are not divided: to make a case of one takes
//! hardly longer than to hand it over, and what other threads make does not get the room of the entries that are done with.

use std::ops::Range;
use std::thread;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::descriptor::diagnostic::Problem;
use crate::descriptor::load::{FileReader, STACK};

/// So few take one thread no longer than it takes to start others.
const FEW: usize = 1024;

/// The parts of so many cases. They do not depend on how many threads there are.
fn parts(count: usize) -> Vec<Range<usize>> {
    let size = FEW.max(count.div_ceil(16));
    (0..count).step_by(size).map(|start| start..count.min(start + size)).collect()
}

/// Threads for so many parts, if there can be some.
fn pool(parts: usize) -> Option<ThreadPool> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(parts);
    let name = |index| format!("partest-cases-{index}");
    let pool = ThreadPoolBuilder::new().num_threads(threads).stack_size(STACK).thread_name(name);
    if threads > 1 { pool.build().ok() } else { None }
}

impl FileReader<'_> {
    /// Makes so many cases, by their numbers: one part after the other; or several at once, if it is the turn of this file and
    /// there are threads.
    ///
    /// # Errors
    /// What is wrong with the whole entry.
    pub(in crate::descriptor) fn each(
        &mut self,
        count: usize,
        make: impl Fn(&mut Self, Range<usize>) -> Result<(), Vec<Problem>> + Sync,
    ) -> Result<(), Vec<Problem>> {
        let parts = parts(count);
        let turn = self.around.turn.filter(|_| parts.len() > 1).and_then(|turn| turn.try_lock().ok());
        let pool = turn.as_ref().and_then(|_| pool(parts.len()));
        let Some(pool) = pool else {
            return parts.into_iter().try_for_each(|part| make(self, part));
        };
        let beside = |part| {
            let texts = (self.sources.clone(), self.definition);
            let mut reader = FileReader::new(self.file, self.around, texts, self.pools);
            let is_made = make(&mut reader, part).is_ok();
            let FileReader { shared, loose, loaded, seen, .. } = reader;
            shared.keep();
            (is_made && loose.is_empty() && loaded.broken.is_empty()).then_some((loaded.cases, seen))
        };
        let parts: Vec<_> = pool.install(|| parts.into_par_iter().map(beside).collect());
        self.loaded.cases.reserve(parts.iter().flatten().map(|(cases, _)| cases.len()).sum());
        for part in parts {
            // What is wrong is told in the order of the text, with what stands before it: one thread alone does that.
            let Some((cases, seen)) = part else {
                self.is_in_vain = true;
                break;
            };
            self.loaded.cases.extend(cases);
            self.seen.reserve(seen.len());
            for (name, span) in seen {
                self.is_in_vain |= self.seen.insert(name, span).is_some();
            }
        }
        Ok(())
    }
}
