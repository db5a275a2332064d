//! One plan for several machines: which cases belong to which shard.
//!
//! Every shard makes its part by itself, so a part depends on nothing but the cases, their number and, where it is
//! balanced, on how long they took: equal on all machines, or else the parts do not fit together.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::hash::Hasher as _;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use siphasher::sip::SipHasher13;

use crate::model::{CaseId, CaseInfo, Shard};
use crate::plan::{After, TestPlan};
use crate::text::Variables;

/// The most parts that a plan is divided into.
const MOST_PARTS: u32 = 10_000;

/// How cases are divided among shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// So that each takes about the same time; by hash where no durations are known.
    Balanced,
    /// By the hash of the id: a case stays where it is when others come or go.
    Hash,
    /// One after another, in the order of the ids.
    Slice,
}

/// Which part of a plan is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which part, from 1.
    pub number: NonZeroU32,
    /// How many parts there are.
    pub of: NonZeroU32,
    /// How they are made.
    pub split: Split,
}

/// Why a text names no part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// It is not written as one.
    #[error("expected a part such as 1/4, hash:1/4 or slice:1/4")]
    Form,
    /// There is no such part.
    #[error("there is no shard {number} of {of}: they are counted from 1 to {of}")]
    Range {
        /// The number of the part.
        number: u64,
        /// How many parts there are.
        of: u64,
    },
    /// There are too many of them.
    #[error("{of} shards are too many: there may be {MOST_PARTS}")]
    Many {
        /// How many parts there are to be.
        of: u64,
    },
}

impl Share {
    /// Part `number`, from 1, of `of` parts.
    ///
    /// # Errors
    /// [`ShareError`] when there is no such part, or there are too many.
    pub fn new(number: u64, of: u64, split: Split) -> Result<Self, ShareError> {
        if of > u64::from(MOST_PARTS) {
            return Err(ShareError::Many { of });
        }
        let small = |number: u64| u32::try_from(number).ok().and_then(NonZeroU32::new);
        match (small(number), small(of)) {
            (Some(number), Some(of)) if number <= of => Ok(Self { number, of, split }),
            _ => Err(ShareError::Range { number, of }),
        }
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let (split, part) = match text.split_once(':') {
            None => (Split::Balanced, text),
            Some(("hash", part)) => (Split::Hash, part),
            Some(("slice", part)) => (Split::Slice, part),
            Some(_) => return Err(ShareError::Form),
        };
        let digits = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse().map_err(|_| ShareError::Form),
            false => Err(ShareError::Form),
        };
        let (number, of) = part.split_once('/').ok_or(ShareError::Form)?;
        Self::new(digits(number)?, digits(of)?, split)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl TestPlan {
    /// Leaves one part of the plan, whose parts together are the whole: every case, every skipped one, and every file
    /// that could not be read is in exactly one of them. Cases that run after others are in the same part as those.
    pub fn take_share(&mut self, share: Share) {
        let estimates = self.estimates.as_ref();
        let cases = self.cases.iter().map(|case| {
            let weight = estimates.map(|estimates| estimates.of(&case.info.id));
            (case.info.id.clone(), weight.unwrap_or_default())
        });
        let resolved = self.resolved.iter().map(|result| (result.info.id.clone(), Duration::ZERO));
        let mut units: Vec<(CaseId, Duration)> = cases.chain(resolved).collect();
        units.sort();
        let leaders = leaders(&units, &self.after);
        for (place, leader) in leaders.iter().enumerate().filter(|(place, leader)| place != *leader) {
            let weight = std::mem::take(&mut units[place].1);
            units[*leader].1 += weight;
        }
        let of = share.of.get() as usize;
        let mut parts: Vec<usize> = match share.split {
            Split::Slice => (0..units.len()).map(|place| place % of).collect(),
            Split::Balanced if estimates.is_some() => balanced(&units, of),
            Split::Balanced | Split::Hash => units.iter().map(|(id, _)| bucket(id, share.of)).collect(),
        };
        for (place, leader) in leaders.into_iter().enumerate() {
            parts[place] = parts[leader];
        }
        let mut infos: Vec<&CaseInfo> = self.cases.iter().map(|case| &*case.info).collect();
        infos.extend(self.resolved.iter().map(|result| &*result.info));
        infos.sort_unstable_by_key(|info| &info.id);
        let mut definitions = SipHasher13::new();
        for info in infos {
            definitions.write(&info.definition.unwrap_or_default().to_le_bytes());
        }
        let (mut list, mut parted) = (SipHasher13::new(), SipHasher13::new());
        for ((id, _), part) in units.iter().zip(&parts) {
            write_text(&mut list, id.as_str());
            write_text(&mut parted, id.as_str());
            parted.write(&(*part as u64).to_le_bytes());
        }
        self.shard = Some(Shard {
            number: share.number.get(),
            of: share.of.get(),
            cases: units.len(),
            list: format!("{:016x}", list.finish()),
            split: format!("{:016x}", parted.finish()),
            definitions: Some(format!("{:016x}", definitions.finish())),
            variables: None,
            repeat: None,
        });
        let own = (share.number.get() - 1) as usize;
        let part_of =
            |id: &CaseId| units.binary_search_by(|(known, _)| known.cmp(id)).map(|place| parts[place]);
        self.cases.retain(|case| part_of(&case.info.id) == Ok(own));
        self.resolved.retain(|result| part_of(&result.info.id) == Ok(own));
    }
}

/// A hash of variables that are given from outside, by which shards tell whether they were given the same.
#[must_use]
pub fn hash_of(variables: &Variables) -> String {
    let mut hasher = SipHasher13::new();
    for (name, value) in variables {
        write_text(&mut hasher, name);
        write_text(&mut hasher, &value.to_string());
    }
    format!("{:016x}", hasher.finish())
}

/// For each case the first one that it is linked with by `after`, over others, too; most are linked with none.
fn leaders(units: &[(CaseId, Duration)], after: &After) -> Vec<usize> {
    let mut leaders: Vec<usize> = (0..units.len()).collect();
    let place = |id: &CaseId| units.binary_search_by(|(known, _)| known.cmp(id)).ok();
    fn leader_of(leaders: &mut [usize], mut at: usize) -> usize {
        while leaders[at] != at {
            leaders[at] = leaders[leaders[at]];
            at = leaders[at];
        }
        at
    }
    for (case, before) in after {
        let Some(case) = place(case) else { continue };
        for before in before.iter().filter_map(place) {
            let [case, before] = [case, before].map(|at| leader_of(&mut leaders, at));
            leaders[case.max(before)] = case.min(before);
        }
    }
    (0..units.len()).map(|at| leader_of(&mut leaders, at)).collect()
}

/// Gives each case to the part that has the least to do, beginning with the case that takes longest.
fn balanced(units: &[(CaseId, Duration)], of: usize) -> Vec<usize> {
    let mut parts = vec![0; units.len()];
    // What each part has to do, how many cases that is, and its number: the lightest comes first.
    let mut loads: BinaryHeap<Reverse<(Duration, usize, usize)>> =
        (0..of).map(|part| Reverse((Duration::ZERO, 0, part))).collect();
    let mut order: Vec<usize> = (0..units.len()).collect();
    order.sort_by_key(|place| Reverse(units[*place].1));
    for place in order {
        let Some(mut lightest) = loads.peek_mut() else { break };
        let Reverse((load, count, part)) = &mut *lightest;
        *load += units[place].1;
        *count += 1;
        parts[place] = *part;
    }
    parts
}

/// The part that a case belongs to by its hash.
fn bucket(id: &CaseId, of: NonZeroU32) -> usize {
    let mut hasher = SipHasher13::new();
    write_text(&mut hasher, id.as_str());
    // Less than `of`, which is no more than 32 bits.
    usize::try_from(hasher.finish() % u64::from(of.get())).unwrap_or_default()
}

/// A text whose end cannot be taken for the beginning of another one.
fn write_text(hasher: &mut SipHasher13, text: &str) {
    hasher.write(text.as_bytes());
    hasher.write_u8(0xff);
}
