//! Contents compared with golden files.

use std::path::{Path, PathBuf};

use crate::assertion::content::{self, LARGEST_FILE, Reading};
use crate::assertion::diff;
use crate::assertion::large::Side;
use crate::assertion::matcher::{Context, Problem};
use crate::assertion::normalize::normalize;
use crate::model::{Golden, Test};

/// What a golden file should hold if what was found is right.
pub(crate) struct Wanted {
    pub(crate) path: PathBuf,
    pub(crate) content: Vec<u8>,
    pub(crate) is_missing: bool,
}

impl Context<'_> {
    /// Whether the content is that of the golden file, byte by byte.
    pub(crate) fn golden(&self, golden: &Golden) -> Result<(), Problem> {
        let resolved = golden.resolve(self.setting.folder, self.setting.variables);
        let (name, path) = resolved.map_err(|error| Problem::undecided(format!("{}: {error}", self.name)))?;
        let expected = content::read(&path);
        if let Some((expected, found)) = self.sides(&expected)? {
            return self.same(expected, found).map_err(|problem| Problem {
                message: format!(
                    "{} (golden file {name}, which `--update` leaves: more than {LARGEST_FILE} bytes)",
                    problem.message
                ),
                ..problem
            });
        }
        if let (Reading::Missing, Reading::Large(_)) = (&expected, &self.reading) {
            return Err(Problem::undecided(format!(
                "{}: the golden file {name} does not exist, and `--update` creates none of more than \
                 {LARGEST_FILE} bytes",
                self.name
            )));
        }
        let found = self.whole()?;
        let is_missing = matches!(expected, Reading::Missing);
        let problem = match expected {
            Reading::File(expected) if *expected == *found => return Ok(()),
            Reading::File(expected) => {
                let first = diff::first_difference(self.name, &expected, found);
                Problem::decided(format!("{first} (golden file {name})"))
                    .with_detail(diff::unified(&expected, found))
            }
            Reading::Missing => {
                let message = format!("{}: the golden file {name} does not exist", self.name);
                if let Some(link) = link_to_nothing(&path) {
                    let message = format!("{message}: {} is a link to nothing", link.display());
                    return Err(Problem::undecided(message));
                }
                // Under `not`, too: nothing differs from a file by a name that was misspelt.
                Problem::undecided(message).with_detail(diff::unified(b"", found))
            }
            Reading::Unreadable(reason) | Reading::Hidden(reason) => {
                let message = format!("{}: the golden file {name} cannot be compared: {reason}", self.name);
                return Err(Problem::undecided(message));
            }
            _ => return Err(Problem::undecided(format!("{}: the golden file {name} is no file", self.name))),
        };
        Err(problem.with_golden(Wanted { path, content: found.to_owned(), is_missing }))
    }

    /// What there would be to say of the golden file that a test which holds has matched, if it differed. Of a
    /// large one nothing: it is not rewritten.
    pub(crate) fn matched(&self, test: &Test) -> Option<Problem> {
        match test {
            Test::File(golden) => {
                let (name, path) = golden.resolve(self.setting.folder, self.setting.variables).ok()?;
                let message = format!("{} is what the golden file {name} held", self.name);
                let content = self.whole().ok()?.to_owned();
                Some(Problem::decided(message).with_golden(Wanted { path, content, is_missing: false }))
            }
            Test::Normalized { by, test } => {
                let reading = Reading::Normalized(normalize(self.whole().ok()?, by, self.setting).ok()?);
                Context { reading, ..*self }.matched(test)
            }
            _ => None,
        }
    }

    /// Both contents, where one of them is a large file and the other is known.
    fn sides<'a>(&'a self, golden: &'a Reading<'_>) -> Result<Option<(Side<'a>, Side<'a>)>, Problem> {
        Ok(match (golden, &self.reading) {
            (Reading::Large(golden), Reading::Large(found)) => {
                Some((Side::Large(golden), Side::Large(found)))
            }
            (Reading::File(golden), Reading::Large(found)) => Some((Side::Whole(golden), Side::Large(found))),
            (Reading::Large(golden), _) => Some((Side::Large(golden), Side::Whole(self.whole()?))),
            _ => None,
        })
    }
}

/// The link on the way to a file that is not there, if it leads to nothing. Behind it nothing is made: that might be
/// anywhere.
fn link_to_nothing(path: &Path) -> Option<&Path> {
    let nearest = path.ancestors().find(|path| path.symlink_metadata().is_ok())?;
    let error = nearest.metadata().err()?;
    content::leads_nowhere(&error).then_some(nearest)
}
