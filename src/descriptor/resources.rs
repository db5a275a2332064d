//! The keys `weight`, `waits`, `exclusive`, `locks`, `pools` and `after`: their mirror, and what they mean; and the
//! pools that suite files and `partest.toml` declare.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor, value};

use crate::descriptor::diagnostic::{Problem, quote, suggest};
use crate::descriptor::lower::Lowering;
use crate::descriptor::mirror::{self, Spanned};
use crate::descriptor::node::Node;
use crate::descriptor::raw::{RawCase, Table, Text};
use crate::descriptor::source::Sources;
use crate::model::{LockAccess, Pool, Prerequisite, Resources, SlotDemand, SlotReason, Step};

/// The pools that a case may ask for, by name.
pub(crate) type Pools = BTreeMap<String, Arc<Pool>>;

/// The locks of a case, with how each is held.
#[derive(Debug)]
pub(crate) struct RawLocks(pub(crate) Vec<(Text, Option<Text>)>);

/// Names of locks to hold alone, or names with how each is held; `null` gives up an inherited one.
impl<'de> Deserialize<'de> for RawLocks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LocksVisitor;

        impl<'de> Visitor<'de> for LocksVisitor {
            type Value = RawLocks;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of locks or an object such as { \"db\": \"shared\" }")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<RawLocks, A::Error> {
                let names: Vec<Text> = Deserialize::deserialize(value::SeqAccessDeserializer::new(seq))?;
                let alone = |name: Text| {
                    let access = Spanned { value: EXCLUSIVE.to_owned(), span: name.span };
                    (name, Some(access))
                };
                Ok(RawLocks(names.into_iter().map(alone).collect()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawLocks, A::Error> {
                let mut locks = Vec::new();
                while let Some(lock) = map.next_entry()? {
                    locks.push(lock);
                }
                Ok(RawLocks(locks))
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<RawLocks, E> {
                Err(E::custom(format_args!(
                    "expected a list of locks, found a string\nwrite a list of one: [{name:?}]"
                )))
            }
        }

        // As for a table: its keys are names, also where they begin with `x-`.
        deserializer.deserialize_map(LocksVisitor)
    }
}

/// The pools that a file declares, with what each holds; `null` takes one away.
pub(crate) struct RawPools;

pub(crate) const EXCLUSIVE: &str = "exclusive";
pub(crate) const SHARED: &str = "shared";

/// What words name of resources are.
const A_LOCK: &str = "a name for a lock";
const A_POOL: &str = "a name for a pool";

/// What a case takes while it runs, which does these steps.
pub(crate) fn lower(lowering: &mut Lowering<'_>, case: &RawCase, steps: &[Step]) -> Resources {
    let locks = locks(lowering, case.locks.as_ref());
    let pools = pools(lowering, case.pools.as_ref());
    let after = case.after.0.iter().filter_map(|text| prerequisite(lowering, text)).collect();
    let slots = slots(lowering, case, steps);
    Resources {
        slots,
        because: because(case, slots),
        exclusive: case.exclusive.unwrap_or_default(),
        locks,
        pools,
        after,
    }
}

/// Why a case takes these slots.
fn because(case: &RawCase, slots: SlotDemand) -> SlotReason {
    match (case.exclusive, &case.weight, case.waits) {
        (Some(true), ..) => SlotReason::Exclusive,
        (_, Some(_), _) => SlotReason::Weight,
        (_, None, Some(_)) => SlotReason::Waits,
        (_, None, None) if slots == SlotDemand::Io => SlotReason::OnlyWaits,
        (_, None, None) => SlotReason::MayCompute,
    }
}

fn slots(lowering: &mut Lowering<'_>, case: &RawCase, steps: &[Step]) -> SlotDemand {
    let only_waits = !steps.is_empty() && steps.iter().all(|step| step.action.waits());
    match (&case.weight, case.waits) {
        (Some(weight), Some(true)) => {
            let problem =
                Problem::new(weight.span, "a case that waits takes no CPU slot, so it has no weight");
            lowering
                .problems
                .push(problem.help("remove `weight` or `waits`; `null` removes an inherited one"));
            SlotDemand::Io
        }
        (Some(weight), _) => {
            let slots = u32::try_from(weight.value).ok().and_then(NonZeroU32::new);
            let slots = slots.ok_or_else(|| {
                let message = format!("{} is no number of CPU slots", weight.value);
                let help = format!("write 1 to {}; more than there are means all of them", u32::MAX);
                Problem::new(weight.span, message).help(help)
            });
            lowering.note(slots).map_or(SlotDemand::default(), SlotDemand::Cpu)
        }
        (None, Some(true)) => SlotDemand::Io,
        (None, None) if only_waits => SlotDemand::Io,
        (None, _) => SlotDemand::default(),
    }
}

fn locks(lowering: &mut Lowering<'_>, raw: Option<&RawLocks>) -> BTreeMap<String, LockAccess> {
    let mut locks = BTreeMap::new();
    for (name, access) in raw.into_iter().flat_map(|locks| &locks.0) {
        let Some(access) = access else { continue };
        let fixed = lowering.scope.fixed(name, name.span).and_then(|()| check_name(name, A_LOCK));
        let known = lowering.scope.fixed(access, access.span).and_then(|()| match access.as_str() {
            EXCLUSIVE => Ok(LockAccess::Exclusive),
            SHARED => Ok(LockAccess::Shared),
            other => Err(Problem::new(access.span, format!("a lock is not held {}", quote(other)))
                .help("write \"shared\" or \"exclusive\"")),
        });
        if let (Some(()), Some(access)) = (lowering.note(fixed), lowering.note(known)) {
            locks.insert(name.value.clone(), access);
        }
    }
    locks
}

fn pools(
    lowering: &mut Lowering<'_>,
    raw: Option<&Table<Option<Spanned<i64>>>>,
) -> Vec<(Arc<Pool>, NonZeroU32)> {
    let mut taken = Vec::new();
    for (name, count) in raw.into_iter().flat_map(|pools| &pools.0) {
        let Some(count) = count else { continue };
        let found = lowering.scope.fixed(name, name.span).and_then(|()| {
            let number = u32::try_from(count.value).ok();
            let number = number.ok_or_else(|| not_a_count(count))?;
            // Of defaults it is not known yet which cases inherit them, and so what is declared there.
            if lowering.scope.is_undecided() {
                return Ok(None);
            }
            let pools = lowering.pools;
            let pool = pools.get(&name.value).ok_or_else(|| unknown_pool(name, pools))?;
            let Some(number) = NonZeroU32::new(number) else { return Ok(None) };
            if number > pool.capacity {
                let message = format!("{number} of the pool {}, which holds {}", quote(name), pool.capacity);
                return Err(Problem::new(count.span, message)
                    .help(format!("take less, or declare more at {}", pool.declared)));
            }
            Ok(Some((Arc::clone(pool), number)))
        });
        taken.extend(lowering.note(found).flatten());
    }
    taken
}

fn not_a_count(count: &Spanned<i64>) -> Problem {
    Problem::new(count.span, format!("{} is no number of things in a pool", count.value))
}

fn unknown_pool(name: &Text, pools: &Pools) -> Problem {
    let problem = Problem::new(name.span, format!("there is no pool {}", quote(name)));
    let known: Vec<_> = pools.keys().map(String::as_str).collect();
    problem.help(suggest(name, "known pools", &known).unwrap_or_else(|| {
        "declare what it holds in a suite file, as in `pools = { gpu = 2 }`, or in a profile of partest.toml"
            .to_owned()
    }))
}

fn prerequisite(lowering: &mut Lowering<'_>, text: &Text) -> Option<Prerequisite> {
    let checked = lowering.scope.fixed(text, text.span).and_then(|()| match text.trim().is_empty() {
        true => Err(Problem::new(text.span, "the name of the case is empty")
            .help("name a case of this file, or an id")),
        false => Ok(()),
    });
    lowering.note(checked)?;
    let line = lowering.sources.get(text.span.source).source_line(text.span);
    Some(Prerequisite { text: text.value.clone(), position: lowering.sources.position(text.span), line })
}

fn check_name(name: &Text, what: &str) -> Result<(), Problem> {
    if name.is_empty() || name.trim() != name.as_str() || name.contains(char::is_control) {
        return Err(Problem::new(name.span, format!("{} is not {what}", quote(name)))
            .help("write it without white space at its ends"));
    }
    Ok(())
}

/// These pools with those that a table declares over them, and what is wrong with it. `null` takes one away.
pub(crate) fn declare(node: &Node, sources: &Sources, inherited: &Pools) -> (Pools, Vec<Problem>) {
    let mut pools = inherited.clone();
    let table: Table<Option<Spanned<i64>>> = match mirror::read(node) {
        Ok(Some(table)) => table,
        Ok(None) => return (pools, Vec::new()),
        Err(problem) => return (pools, vec![problem]),
    };
    let mut problems = Vec::new();
    for (name, capacity) in table.0 {
        let Some(capacity) = capacity else {
            pools.remove(&name.value);
            continue;
        };
        let number = u32::try_from(capacity.value).ok().and_then(NonZeroU32::new);
        let number = number.ok_or_else(|| {
            let message = format!("a pool cannot hold {}", capacity.value);
            Problem::new(capacity.span, message).help(format!("write how many there are, 1 to {}", u32::MAX))
        });
        match check_name(&name, A_POOL).and(number) {
            Err(problem) => problems.push(problem),
            Ok(number) => {
                let declared = sources.position(name.span);
                let pool = Pool { name: name.value.clone(), capacity: number, declared };
                pools.insert(name.value, Arc::new(pool));
            }
        }
    }
    (pools, problems)
}
