"""Says of each file whether a JSON Schema accepts it, by the validator of PyPI: validate.py SCHEMA FILE…"""

import json
import re
import sys
import tomllib

import jsonschema
import yaml


class Loader(yaml.SafeLoader):
    """Reads YAML 1.2, where `on` and `yes` are texts."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


def load(path):
    with open(path, "rb") as file:
        if path.endswith(".json"):
            return json.load(file)
        if path.endswith(".toml"):
            return tomllib.load(file)
        return yaml.load(file, Loader)


with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for path in sys.argv[2:]:
    error = next(validator.iter_errors(load(path)), None)
    print(path, "good" if error is None else f"bad: {error.message[:200]}", sep="\t")
