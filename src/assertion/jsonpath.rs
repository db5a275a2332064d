//! What a JSONPath finds, compared with what is expected there.

use serde_json::Value;

use crate::assertion::content::Reading;
use crate::assertion::json::{Differences, show};
use crate::assertion::matcher::{Context, Problem};
use crate::model::{Found, Matcher, NodeTest, Query, Test};

impl Context<'_> {
    /// Whether what the query finds in the content is as expected.
    pub(crate) fn json_path(&self, query: &Query, expected: &NodeTest) -> Result<(), Problem> {
        let value = self.parsed_json()?;
        let found = query.find(&value);
        match expected {
            // Of a query that may find several values, a list names all of them.
            NodeTest::Value(list @ Value::Array(_)) if !query.is_singular() => {
                let all = Value::Array(found.iter().map(|found| found.value.clone()).collect());
                self.compare_values(list, &all, query.source())
            }
            NodeTest::Value(expected) => {
                self.found_something(query, &found, &value)?;
                found.iter().try_for_each(|found| self.compare_values(expected, found.value, &found.path))
            }
            NodeTest::Matchers(matchers) => self.matchers_of_nodes(query, matchers, &found, &value),
        }
    }

    fn matchers_of_nodes(
        &self,
        query: &Query,
        matchers: &[Matcher],
        found: &[Found<'_>],
        value: &Value,
    ) -> Result<(), Problem> {
        for matcher in matchers {
            if let Test::Exists(expected) = matcher.test {
                match (expected, found.first()) {
                    (true, None) => return self.found_something(query, found, value),
                    (false, Some(first)) => {
                        let (name, path) = (self.name, &first.path);
                        let message =
                            format!("{name}: {path}: expected nothing, found {}", show(first.value));
                        return Err(Problem::decided(message));
                    }
                    _ => continue,
                }
            }
            self.found_something(query, found, value)?;
            for node in found {
                let name = format!("{}: {}", self.name, node.path);
                let reading = Reading::of_value(node.value);
                Context { name: &name, reading, ..*self }.apply(&matcher.test)?;
            }
        }
        Ok(())
    }

    fn found_something(&self, query: &Query, found: &[Found<'_>], value: &Value) -> Result<(), Problem> {
        if !found.is_empty() {
            return Ok(());
        }
        Err(Problem::decided(format!("{}: {query}: found nothing in {}", self.name, show(value))))
    }

    /// Compares values, of which the found one stands at `path`.
    pub(crate) fn compare_values(&self, expected: &Value, found: &Value, path: &str) -> Result<(), Problem> {
        self.differences(Differences::between(expected, found, false, path, self.setting.variables))
    }
}
