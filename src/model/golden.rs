//! Golden files: expectations that stand in files of their own.

use std::path::{Component, Path, PathBuf};

use crate::model::outcome::Failure;
use crate::text::{Template, TemplateError, Variables};

/// A golden file as a descriptor names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Golden {
    /// Its path, relative to the descriptor's folder.
    pub path: Template,
    /// How many folders the path may lead up, to the root of the project.
    pub reach: usize,
}

/// Why it is not known which file is meant.
#[derive(Debug, thiserror::Error)]
pub enum GoldenError {
    /// The path cannot be rendered.
    #[error("the path of the golden file cannot be rendered: {0}")]
    Template(#[from] TemplateError),
    /// The path leads out of the project, or is absolute.
    #[error("the golden file {0} lies outside of the project")]
    Outside(String),
}

/// What a golden file should hold, if what was seen is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldenChange {
    /// Which file, absolute.
    pub path: PathBuf,
    /// All of that content.
    pub content: Vec<u8>,
    /// Whether it holds something else, or is not there. Another file is only to stay as it is.
    pub differs: bool,
    /// What is said when it does not hold that in the end.
    pub failure: Failure,
}

/// A golden file that was rewritten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdatedGolden {
    /// Its path, relative to the project's root.
    pub path: String,
    /// Whether it did not exist before.
    pub created: bool,
    /// What was changed, over several lines; empty when that is no more than a short line.
    pub detail: String,
}

impl Golden {
    /// The path as it is known for this attempt, and the file it means for a descriptor in `folder`.
    ///
    /// # Errors
    /// [`GoldenError`] when it cannot be rendered or leads out.
    pub fn resolve(&self, folder: &Path, variables: &Variables) -> Result<(String, PathBuf), GoldenError> {
        let name = self.name(variables)?;
        let mut path = folder.to_owned();
        for component in Path::new(&name).components() {
            match component {
                Component::Normal(part) => path.push(part),
                Component::ParentDir if !path.pop() => return Err(GoldenError::Outside(name)),
                _ => {}
            }
        }
        Ok((name, path))
    }

    /// The path as it is known for this attempt.
    ///
    /// # Errors
    /// [`GoldenError`] when it cannot be rendered or leads out.
    pub fn name(&self, variables: &Variables) -> Result<String, GoldenError> {
        let name = self.path.render(variables)?.into_owned();
        let mut depth = self.reach;
        for component in Path::new(&name).components() {
            match component {
                Component::Normal(_) => depth += 1,
                Component::CurDir => {}
                Component::ParentDir if depth > 0 => depth -= 1,
                _ => return Err(GoldenError::Outside(name)),
            }
        }
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Golden;
    use crate::text::{Template, Variables};

    #[test]
    fn a_path_leads_no_further_up_than_the_project() {
        let resolve = |source: &str, reach| {
            let golden = Golden { path: Template::parse(source).expect("a template"), reach };
            let variables = Variables::from([("case".to_owned(), "../../etc".into())]);
            golden.resolve(Path::new("/p/suite"), &variables).ok().map(|(_, path)| path)
        };
        assert_eq!(resolve("a/./b.txt", 0).as_deref(), Some(Path::new("/p/suite/a/b.txt")));
        assert_eq!(resolve("../b.txt", 1).as_deref(), Some(Path::new("/p/b.txt")));
        assert_eq!(resolve("a/../b.txt", 0).as_deref(), Some(Path::new("/p/suite/b.txt")));
        for (source, reach) in [("../b.txt", 0), ("a/../../../b", 1), ("{{ case }}", 1), ("/etc/passwd", 9)] {
            assert_eq!(resolve(source, reach), None, "{source}");
        }
    }
}
