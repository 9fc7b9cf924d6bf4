"""The JSON Schema of report.json. A change that breaks a reader raises VERSION."""

VERSION = 1

NUMBER = {"type": ["number", "null"], "description": "null where it is not defined"}
STRINGS = {"type": "array", "items": {"type": "string"}}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "trustlib trust report",
    "type": "object",
    "required": [
        *("schema", "task", "question", "classes", "n", "models", "axes", "verdicts"),
        *("summary", "cannot_say", "facts", "seed"),
    ],
    "additionalProperties": False,
    "properties": {
        "schema": {"const": f"trustlib-report/{VERSION}"},
        "task": {"type": "string"},
        "question": {"type": "string"},
        "classes": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "n": {"type": "integer", "minimum": 2, "description": "test samples"},
        "models": {
            "type": "object",
            "minProperties": 1,
            "description": "by name: every number, as a measure or as measures by name",
            "additionalProperties": {"$ref": "#/$defs/measures"},
        },
        "axes": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["axis", "title", "question", "measured", "limits", "notes", "missing"],
                "additionalProperties": False,
                "properties": {
                    "axis": {"type": "string"},
                    "title": {"type": "string"},
                    "question": {"type": "string"},
                    "measured": {"type": "boolean"},
                    "limits": {"type": "string"},
                    "notes": STRINGS,
                    "missing": STRINGS,
                },
            },
        },
        "verdicts": {"type": "array", "items": {"$ref": "#/$defs/verdict"}},
        "summary": STRINGS,
        "cannot_say": STRINGS,
        "facts": {"type": "object", "additionalProperties": {"type": "string"}},
        "seed": {"type": "integer"},
    },
    "$defs": {
        "measures": {
            "type": "object",
            "additionalProperties": {"anyOf": [{"$ref": "#/$defs/measure"}, {"$ref": "#/$defs/measures"}]},
        },
        "measure": {
            "type": "object",
            "required": ["value", "low", "high", "n", "level", "label", "sentence"],
            "additionalProperties": False,
            "properties": {
                "value": NUMBER,
                "low": NUMBER,
                "high": NUMBER,
                "n": {"type": "integer", "minimum": 0},
                "level": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
                "label": {"type": "string"},
                "sentence": {"type": "string"},
            },
        },
        "verdict": {
            "type": "object",
            "required": [
                *("axis", "measure", "a", "b", "verdict", "difference", "p_value", "adjusted_p_value"),
                *("detectable", "seeds", "sentence"),
            ],
            "additionalProperties": False,
            "properties": {
                "axis": {"type": "string"},
                "measure": {"type": "string"},
                "a": {"type": "string"},
                "b": {"type": "string"},
                "verdict": {"enum": ["better", "worse", "not shown"], "description": "of a against b"},
                "difference": {
                    "type": "object",
                    "required": ["value", "low", "high", "n", "level"],
                    "additionalProperties": False,
                    "properties": {
                        "value": NUMBER,
                        "low": NUMBER,
                        "high": NUMBER,
                        "n": {"type": "integer", "minimum": 0},
                        "level": {"type": "number"},
                    },
                },
                "p_value": {"type": "number", "minimum": 0, "maximum": 1},
                "adjusted_p_value": {"type": "number", "minimum": 0, "maximum": 1},
                "detectable": NUMBER,
                "seeds": {"type": "integer", "minimum": 1},
                "sentence": {"type": "string"},
            },
        },
    },
}
