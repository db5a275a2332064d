//! `matrix`: every combination of the values of some lists.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::descriptor::diagnostic::{Problem, nearest, quote, suggest};
use crate::descriptor::expand::{CASE_LIMIT, Mentioned, too_many};
use crate::descriptor::labels::{Labels, label};
use crate::descriptor::mirror::Spanned;
use crate::descriptor::node::Span;
use crate::descriptor::raw::Text;
use crate::descriptor::raw_generators::{Datum, RawMatrix, Record};
use crate::descriptor::variables::check_variable;
use crate::text::Variables;

/// How many comparisons of combinations with `include` and `exclude` are made.
const COMPARISONS: u64 = 50_000_000;

/// The combinations of a matrix.
#[derive(Debug)]
pub(crate) struct Matrix {
    axes: Vec<Axis>,
    /// The combinations of the product that are not excluded, by their number in it: the last list changes
    /// fastest.
    kept: Vec<u32>,
    /// Values that are added to combinations of the product.
    additions: Vec<Addition>,
    /// Combinations beside the product.
    more: Vec<Addition>,
}

#[derive(Debug)]
struct Axis {
    name: String,
    /// Whether the name of the case says the value already.
    mentioned: bool,
    choices: Vec<Choice>,
    /// Where each value is among the choices.
    places: HashMap<String, usize>,
    labels: Labels,
    /// How many of the choices are in the product.
    length: usize,
}

#[derive(Debug)]
struct Choice {
    values: Arc<Variables>,
    place: Span,
    label: String,
}

/// Refuses a list that is meant as `include` or `exclude`: its name is nearly one of these, and it has only objects.
fn refuse_misspelt(name: &Text, values: &[Datum]) -> Result<(), Problem> {
    let meant =
        nearest(name, ["include", "exclude"]).filter(|_| values.iter().all(|value| value.0.is_object()));
    match meant {
        Some(key) => Err(Problem::new(name.span, format!("unknown key {}", quote(name)))
            .help(format!("did you mean `{key}`? A list of objects needs a name that is less like it"))),
        None => Ok(()),
    }
}

/// Some values of axes, and values of other names.
#[derive(Debug)]
struct Addition {
    chosen: Chosen,
    values: Arc<Variables>,
    place: Span,
}

/// Which axis has which choice.
type Chosen = Vec<(usize, usize)>;

impl Matrix {
    /// Checks a matrix and counts its combinations.
    pub(crate) fn new(raw: &Spanned<RawMatrix>, mentioned: &Mentioned) -> Result<Self, Problem> {
        if raw.axes.is_empty() {
            return Err(Problem::new(raw.span, "`matrix` names no list")
                .help("name a variable and its values, as in { \"lang\": [\"en\", \"de\"] }"));
        }
        let axes = raw.axes.iter().map(|(name, values)| {
            check_variable(name, &Value::Null)?;
            refuse_misspelt(name, &values.0)?;
            if values.0.is_empty() {
                return Err(Problem::new(values.span, format!("the list of {} is empty", quote(name)))
                    .help("give it a value, or take the variable out"));
            }
            let mut axis = Axis {
                name: name.value.clone(),
                mentioned: mentioned.contains(name.as_str()),
                choices: Vec::with_capacity(values.0.len()),
                places: HashMap::new(),
                labels: Labels::default(),
                length: values.0.len(),
            };
            for value in &values.0 {
                check_variable(&Spanned { value: name.value.clone(), span: value.span }, &value.0)?;
                if axis.place(&value.0).is_some() {
                    let message = format!("{} stands twice", quote(&value.0.to_string()));
                    return Err(Problem::new(value.span, message).help("each value makes a case of its own"));
                }
                axis.add(value);
            }
            Ok(axis)
        });
        let axes: Vec<_> = axes.collect::<Result<_, _>>()?;
        let length = axes.iter().try_fold(1_u64, |length, axis| length.checked_mul(axis.length as u64));
        let length = length.filter(|length| *length <= CASE_LIMIT).ok_or_else(|| too_many(raw.span))?;
        let mut matrix = Self { axes, kept: Vec::new(), additions: Vec::new(), more: Vec::new() };
        matrix.count(length, raw)?;
        Ok(matrix)
    }

    /// Decides which combinations there are.
    fn count(&mut self, length: u64, raw: &Spanned<RawMatrix>) -> Result<(), Problem> {
        let rules = (raw.include.0.len() + raw.exclude.0.len()) as u64;
        if length.saturating_mul(rules) > COMPARISONS {
            let message =
                format!("{rules} entries of `include` and `exclude` are too many for {length} combinations");
            return Err(Problem::new(raw.span, message));
        }
        let excluded = raw.exclude.0.iter().map(|record| self.excluded(record));
        let excluded: Vec<Chosen> = excluded.collect::<Result<_, _>>()?;
        let included = raw.include.0.iter().map(|record| self.included(record));
        let included: Vec<_> = included.collect::<Result<_, Problem>>()?;
        let mut matches = vec![false; included.len()];
        let mut kept = Vec::new();
        for number in 0..u32::try_from(length).unwrap_or(u32::MAX) {
            let is =
                |chosen: &Chosen| chosen.iter().all(|(axis, choice)| self.choice(number, *axis) == *choice);
            if excluded.iter().any(is) {
                continue;
            }
            kept.push(number);
            for (matches, addition) in matches.iter_mut().zip(&included) {
                *matches |= is(&addition.chosen);
            }
        }
        self.kept = kept;
        for ((addition, matches), record) in included.into_iter().zip(matches).zip(&raw.include.0) {
            match matches {
                true if addition.values.is_empty() => {
                    let problem =
                        Problem::new(record.span, "`include` adds nothing: this combination is there");
                    return Err(problem.help("take it out, or give the combination a further variable"));
                }
                true => self.additions.push(addition),
                false => {
                    let given = |axis: usize| addition.chosen.iter().any(|(given, _)| *given == axis);
                    if let Some(axis) = (0..self.axes.len()).find(|axis| !given(*axis)) {
                        let message = format!("{} is missing", quote(&self.axes[axis].name));
                        return Err(Problem::new(record.span, message)
                            .help("a combination that is not in the product names every list's value"));
                    }
                    self.more.push(addition);
                }
            }
        }
        if self.len() == 0 {
            return Err(Problem::new(raw.span, "every combination is excluded")
                .help("leave a combination, or say `skip` if no case is wanted"));
        }
        Ok(())
    }

    fn excluded(&self, record: &Record) -> Result<Chosen, Problem> {
        let chosen = record.0.iter().map(|(name, value)| {
            let Some(axis) = self.axes.iter().position(|axis| axis.name == name.value) else {
                let names: Vec<_> = self.axes.iter().map(|axis| axis.name.as_str()).collect();
                let problem = Problem::new(name.span, format!("the matrix has no list {}", quote(name)));
                return Err(match suggest(name, "its lists", &names) {
                    Some(help) => problem.help(help),
                    None => problem,
                });
            };
            let choice = self.axes[axis].place(&value.0).ok_or_else(|| {
                let message = format!("{} is no value of {}", quote(&value.0.to_string()), quote(name));
                Problem::new(value.span, message).help("exclude what stands in the list")
            });
            choice.map(|choice| (axis, choice))
        });
        let chosen: Chosen = chosen.collect::<Result<_, _>>()?;
        match chosen.is_empty() {
            true => Err(Problem::new(record.span, "`exclude` names no value")),
            false => Ok(chosen),
        }
    }

    fn included(&mut self, record: &Record) -> Result<Addition, Problem> {
        let mut chosen = Vec::new();
        let mut values = Variables::new();
        for (name, value) in &record.0 {
            check_variable(name, &value.0)?;
            match self.axes.iter().position(|axis| axis.name == name.value) {
                Some(place) => {
                    let axis = &mut self.axes[place];
                    let choice = axis.place(&value.0);
                    chosen.push((place, choice.unwrap_or_else(|| axis.add(value))));
                }
                None => {
                    values.insert(name.value.clone(), value.0.clone());
                }
            }
        }
        Ok(Addition { chosen, values: Arc::new(values), place: record.span })
    }

    /// The choice of an axis in a combination of the product.
    fn choice(&self, number: u32, axis: usize) -> usize {
        let faster: usize = self.axes[axis + 1..].iter().map(|axis| axis.length).product();
        number as usize / faster % self.axes[axis].length
    }

    /// How many combinations there are.
    pub(crate) fn len(&self) -> usize {
        self.kept.len() + self.more.len()
    }

    /// Every variable it gives a value.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let added = self.additions.iter().chain(&self.more).flat_map(|addition| addition.values.keys());
        self.axes.iter().map(|axis| axis.name.as_str()).chain(added.map(String::as_str))
    }

    /// Adds the values of a combination to `layers`, and what tells it apart to `labels`.
    pub(crate) fn take(
        &self,
        index: usize,
        layers: &mut Vec<(Arc<Variables>, Span)>,
        labels: &mut Vec<String>,
    ) {
        let beside = index.checked_sub(self.kept.len()).map(|index| &self.more[index]);
        for (place, axis) in self.axes.iter().enumerate() {
            let choice = match beside {
                None => self.choice(self.kept[index], place),
                Some(beside) => {
                    beside.chosen.iter().find(|(axis, _)| *axis == place).map_or(0, |(_, choice)| *choice)
                }
            };
            let choice = &axis.choices[choice];
            layers.push((Arc::clone(&choice.values), choice.place));
            if !axis.mentioned {
                labels.push(format!("{}={}", axis.name, choice.label));
            }
        }
        match beside {
            Some(beside) => layers.push((Arc::clone(&beside.values), beside.place)),
            None => {
                let number = self.kept[index];
                let is = |(axis, choice): &(usize, usize)| self.choice(number, *axis) == *choice;
                let matching = self.additions.iter().filter(|addition| addition.chosen.iter().all(is));
                layers.extend(matching.map(|addition| (Arc::clone(&addition.values), addition.place)));
            }
        }
    }
}

impl Axis {
    fn place(&self, value: &Value) -> Option<usize> {
        self.places.get(&value.to_string()).copied()
    }

    fn add(&mut self, datum: &Datum) -> usize {
        let value = &datum.0;
        let place = self.choices.len();
        self.places.insert(value.to_string(), place);
        let label = self.labels.unique(label(value));
        let values = Arc::new(Variables::from([(self.name.clone(), value.clone())]));
        self.choices.push(Choice { values, place: datum.span, label });
        place
    }
}

/// Refuses a product of more cases than an entry may make.
pub(crate) fn check_product(lengths: &[usize], span: Span) -> Result<(), Problem> {
    let product = lengths.iter().try_fold(1_u64, |product, length| product.checked_mul(*length as u64));
    match product {
        Some(product) if product <= CASE_LIMIT => Ok(()),
        _ => Err(too_many(span)),
    }
}
