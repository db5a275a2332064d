//! What a JSONPath finds, compared with what is expected there.

use serde_json::Value;

use crate::assertion::content::Reading;
use crate::assertion::json::{self, Differences, show};
use crate::assertion::matcher::{Context, Problem};
use crate::model::{Found, Matcher, NodeTest, Query, Test};
use crate::text::is_template;

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
                if found.is_empty() {
                    return Err(Problem::undecided(self.nothing_found(query, &value)));
                }
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
        for Matcher { test, .. } in matchers {
            if found.is_empty() {
                let name = format!("{}: {query}", self.name);
                let nothing = Context { name: &name, reading: Reading::Missing, ..*self };
                match (nothing.apply(test), test) {
                    (Ok(()), _) => continue,
                    (Err(_), Test::Exists(_)) => {
                        return Err(Problem::decided(self.nothing_found(query, value)));
                    }
                    (Err(problem), _) if problem.decided => return Err(problem),
                    // What is not there cannot be compared, and is no other value either.
                    (Err(_), _) => return Err(Problem::undecided(self.nothing_found(query, value))),
                }
            }
            for node in found {
                if let Test::Exists(expected) = test
                    && !*self.late(expected)?
                {
                    let (name, path) = (self.name, &node.path);
                    let message = format!("{name}: {path}: expected nothing, found {}", show(node.value));
                    return Err(Problem::decided(message));
                }
                let name = format!("{}: {}", self.name, node.path);
                let reading = Reading::of_value(node.value);
                Context { name: &name, reading, is_found: true, ..*self }.apply(test)?;
            }
        }
        Ok(())
    }

    fn nothing_found(&self, query: &Query, value: &Value) -> String {
        format!("{}: {query}: found nothing in {}", self.name, show(value))
    }

    /// Whether the content, a value within JSON, is this one. After `normalize` it is a text.
    pub(crate) fn value_equals(&self, expected: &Value, exact: bool) -> Result<(), Problem> {
        let variables = self.setting.variables;
        let rendered = match expected {
            Value::String(source) if is_template(source) => json::value(source, variables).ok(),
            Value::String(text) => Some(Value::String(text.clone())),
            _ => None,
        };
        let is_text = matches!(self.reading, Reading::Value(Value::String(_), _) | Reading::Normalized(_));
        if let Some(Value::String(text)) = rendered.filter(|_| is_text) {
            return self.equals(&text);
        }
        let found = self.parsed_json()?;
        let path = if expected.is_array() || expected.is_object() { "$" } else { "" };
        self.differences(Differences::between(expected, &found, exact, path, variables))
    }

    /// Compares values, of which the found one stands at `path`.
    pub(crate) fn compare_values(&self, expected: &Value, found: &Value, path: &str) -> Result<(), Problem> {
        self.differences(Differences::between(expected, found, false, path, self.setting.variables))
    }
}
