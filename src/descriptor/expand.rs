//! From `matrix`, `rows` and `foreach` to the combinations of values that each make a case.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use crate::descriptor::diagnostic::{Problem, quote};
use crate::descriptor::labels::label;
use crate::descriptor::matrix::{Matrix, check_product};
use crate::descriptor::node::Span;
use crate::descriptor::outside::Outside;
use crate::descriptor::paths::{self, Reach};
use crate::descriptor::raw_expect::OneOrMany;
use crate::descriptor::raw_generators::RawGenerators;
use crate::descriptor::source::Sources;
use crate::descriptor::table;
use crate::text::Variables;

/// The most cases that one entry may make.
pub const CASE_LIMIT: u64 = 1_000_000;

/// The variables of a file that `foreach` matched.
const FILE_NAMES: [&str; 5] = ["ext", "name", "parent", "path", "stem"];

/// The variables that the name of a case names itself.
pub(crate) type Mentioned = BTreeSet<String>;

/// What is around an entry whose cases are made.
pub(crate) struct Generation<'a> {
    pub(crate) sources: &'a mut Sources,
    pub(crate) outside: &'a dyn Outside,
    /// The descriptor's folder.
    pub(crate) folder: &'a Path,
    pub(crate) reach: Reach,
}

/// A row or a file.
#[derive(Debug)]
pub(crate) struct Element {
    /// The variables it gives.
    pub(crate) values: Arc<Variables>,
    /// Where it stands.
    pub(crate) place: Span,
    /// What tells it apart, unless the name of the case does.
    pub(crate) label: Option<String>,
}

/// What one entry is multiplied by.
#[derive(Debug, Default)]
pub(crate) struct Expansion {
    /// Files and rows, the slower first.
    lists: Vec<Vec<Element>>,
    matrix: Option<Matrix>,
}

/// What makes one case.
#[derive(Debug)]
pub(crate) struct Combination {
    /// Its number.
    pub(crate) number: u32,
    /// Its variables, over those that the entry has anyway, and where they stand.
    pub(crate) layers: Vec<(Arc<Variables>, Span)>,
    /// What its name ends with: `[x=1,y=a]`, or nothing.
    pub(crate) suffix: String,
}

impl Expansion {
    /// Reads what is to be multiplied, and refuses more cases than [`CASE_LIMIT`].
    pub(crate) fn new(
        raw: &RawGenerators,
        mentioned: &Mentioned,
        generation: &mut Generation<'_>,
    ) -> Result<Self, Problem> {
        let mut expansion = Self::default();
        let mut lengths = Vec::new();
        let mut names = Names::default();
        if let Some(globs) = &raw.foreach {
            let files = files(globs, mentioned, generation)?;
            names.claim(FILE_NAMES, "foreach", globs.span)?;
            lengths.push(files.len());
            check_product(&lengths, globs.span)?;
            expansion.lists.push(files);
        }
        if let Some(rows) = &raw.rows {
            let elements = table::rows(rows, mentioned, generation)?;
            names.claim(table::columns(&elements), "rows", rows.span)?;
            lengths.push(elements.len());
            check_product(&lengths, rows.span)?;
            expansion.lists.push(elements);
        }
        if let Some(raw) = &raw.matrix {
            let matrix = Matrix::new(raw, mentioned)?;
            names.claim(matrix.names(), "matrix", raw.span)?;
            lengths.push(matrix.len());
            check_product(&lengths, raw.span)?;
            expansion.matrix = Some(matrix);
        }
        Ok(expansion)
    }

    /// How many cases it makes.
    pub(crate) fn len(&self) -> usize {
        self.lists.iter().map(Vec::len).product::<usize>() * self.matrix.as_ref().map_or(1, Matrix::len)
    }

    /// One of its combinations, by its number.
    pub(crate) fn combination(&self, number: usize) -> Combination {
        let mut layers = Vec::with_capacity(self.lists.len() + self.matrix.as_ref().map_or(0, |_| 2));
        let mut labels = Vec::new();
        let inner = self.matrix.as_ref().map_or(1, Matrix::len);
        let mut rest = number / inner;
        let mut chosen = Vec::with_capacity(self.lists.len());
        for list in self.lists.iter().rev() {
            chosen.push(&list[rest % list.len()]);
            rest /= list.len();
        }
        for element in chosen.into_iter().rev() {
            layers.push((Arc::clone(&element.values), element.place));
            labels.extend(element.label.clone());
        }
        if let Some(matrix) = &self.matrix {
            matrix.take(number % inner, &mut layers, &mut labels);
        }
        let suffix = if labels.is_empty() { String::new() } else { format!("[{}]", labels.join(",")) };
        Combination { number: u32::try_from(number).unwrap_or(u32::MAX), layers, suffix }
    }
}

/// Which of `foreach`, `rows` and `matrix` gives a name its value.
#[derive(Default)]
struct Names(HashMap<String, &'static str>);

impl Names {
    fn claim<'n>(
        &mut self,
        names: impl IntoIterator<Item = &'n str>,
        by: &'static str,
        span: Span,
    ) -> Result<(), Problem> {
        for name in names {
            match self.0.insert(name.to_owned(), by) {
                Some(other) if other != by => {
                    let message = format!("`{other}` and `{by}` both give {} a value", quote(name));
                    return Err(Problem::new(span, message).help("rename one of them"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// An entry that makes too many cases.
pub(crate) fn too_many(span: Span) -> Problem {
    Problem::new(span, format!("more than {CASE_LIMIT} cases would be made of one entry"))
        .help("shorten the lists, or split them over several cases")
}

/// The files that globs match, each once, in the order of their paths.
fn files(
    globs: &OneOrMany,
    mentioned: &Mentioned,
    generation: &Generation<'_>,
) -> Result<Vec<Element>, Problem> {
    if globs.texts.is_empty() {
        return Err(Problem::new(globs.span, "the list is empty").help("name a glob, as in \"in/*.txt\""));
    }
    let mut found = BTreeMap::new();
    for glob in &globs.texts {
        paths::check(glob, generation.reach, glob.span)?;
        paths::check_glob(glob, glob.span)?;
        let refused = |message: String| {
            let problem = Problem::new(glob.span, format!("{}: {message}", quote(glob)));
            problem.help("the glob is relative to the descriptor; `*` stays within a folder, `**` does not")
        };
        for path in generation.outside.matching(generation.folder, glob).map_err(refused)? {
            match path.into_os_string().into_string() {
                Ok(path) => found.entry(path).or_insert(glob.span),
                Err(path) => {
                    return Err(refused(format!("the name {} is not UTF-8", quote(&path.to_string_lossy()))));
                }
            };
        }
    }
    let is_mentioned = FILE_NAMES.iter().any(|name| mentioned.contains(*name));
    let element = |(path, place): (String, Span)| {
        let label = (!is_mentioned).then(|| label_of_path(&path));
        Element { values: Arc::new(variables_of(&path)), place, label }
    };
    Ok(found.into_iter().map(element).collect())
}

fn label_of_path(path: &str) -> String {
    // A path is told apart whole, however long it is; what would be mistaken is quoted.
    let short = label(&path.into());
    if short.ends_with('…') && !path.contains(char::is_control) { path.to_owned() } else { short }
}

fn variables_of(path: &str) -> Variables {
    let file = Path::new(path);
    let part = |part: Option<&std::ffi::OsStr>| part.map(|part| part.to_string_lossy().into_owned());
    let parent = file.parent().map(|parent| parent.to_string_lossy().into_owned());
    let values = [
        part(file.extension()).unwrap_or_default(),
        part(file.file_name()).unwrap_or_default(),
        parent.filter(|parent| !parent.is_empty()).unwrap_or_else(|| ".".to_owned()),
        path.to_owned(),
        part(file.file_stem()).unwrap_or_default(),
    ];
    FILE_NAMES.iter().zip(values).map(|(name, value)| ((*name).to_owned(), value.into())).collect()
}
