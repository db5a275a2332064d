//! Contents compared with golden files.

use crate::assertion::content::{self, Reading};
use crate::assertion::diff;
use crate::assertion::matcher::{Context, Problem};
use crate::model::Golden;

impl Context<'_> {
    /// Whether the content is that of the golden file, byte by byte.
    pub(crate) fn golden(&self, golden: &Golden) -> Result<(), Problem> {
        let resolved = golden.resolve(self.setting.folder, self.setting.variables);
        let (name, path) = resolved.map_err(|error| Problem::undecided(format!("{}: {error}", self.name)))?;
        let found = self.whole()?;
        let problem = match content::read(&path) {
            Reading::File(expected) if *expected == *found => return Ok(()),
            Reading::File(expected) => {
                let first = diff::first_difference(self.name, &expected, found);
                Problem::decided(format!("{first} (golden file {name})"))
                    .with_detail(diff::unified(&expected, found))
            }
            Reading::Missing => {
                let message = format!(
                    "{}: the golden file {name} does not exist; `partest --update` creates it",
                    self.name
                );
                Problem::decided(message).with_detail(diff::unified(b"", found))
            }
            Reading::Unreadable(reason) => {
                let message = format!("{}: the golden file {name} cannot be compared: {reason}", self.name);
                return Err(Problem::undecided(message));
            }
            _ => return Err(Problem::undecided(format!("{}: the golden file {name} is no file", self.name))),
        };
        Err(problem.with_golden(path, found))
    }
}
