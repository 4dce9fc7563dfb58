"""How a setting is declared: its group, its type with bounds, and the text of its rule."""

from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

LONGEST_EDGE = 2**15  # pixels


class Group(BaseModel):
    """Settings of one topic, which is the docstring. Strict types: a bool is no number, a text is no list."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


@dataclass(frozen=True)
class Rule:
    """The rule of a type whose bounds do not describe it, as a text that follows "must be"."""

    text: str


def setting(
    default: Any,
    description: str,
    *,
    unit: str = "",
    recorded: bool = True,
    changes_mask: bool = False,
    local: bool = False,
    **bounds: Any,
) -> Any:
    """Declare a setting: a field of a `Group`, with bounds as pydantic takes them.

    A recorded setting is part of the record of a training and must match when that training is resumed; one that changes
    masks must match when a prediction is resumed; a local one affects where a run computes and what it logs, not its
    results.
    """
    flags: dict[str, Any] = {"unit": unit, "recorded": recorded, "changes_mask": changes_mask, "local": local}
    return Field(default, description=description, json_schema_extra=flags, **bounds)


def require(is_allowed: Callable[[Any], bool]) -> Callable[[Any], Any]:
    """A check for pydantic's validators; messages have the text of `Rule`."""

    def check(value: Any) -> Any:
        if not is_allowed(value):
            raise ValueError("not allowed")
        return value

    return check


Text = Annotated[str, Field(min_length=1, max_length=4096), Rule("a text of 1 to 4,096 characters")]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Edge = Annotated[int, Field(ge=1, le=LONGEST_EDGE)]
PAIR = Field(min_length=2, max_length=2)
Shape = Annotated[list[Edge], PAIR, Rule(f"[Y, X] in pixels, each from 1 to {LONGEST_EDGE:,}")]

_KINDS = {int: "a whole number", float: "a number", str: "a text", NoneType: "null"}
_BOUNDS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def describe_rule(field: FieldInfo) -> str:
    """The allowed values of a field, as a text that follows "must be"."""
    *first, last = _describe_alternatives(field.annotation, field.metadata)
    return f"{', '.join(first)} or {last}" if first else last


def _describe_alternatives(annotation: Any, metadata: list[Any]) -> list[str]:
    if get_origin(annotation) is Annotated:
        annotation, *own = get_args(annotation)
        metadata = [*own, *metadata]
    if rules := [each.text for each in metadata if isinstance(each, Rule)]:
        return [rules[-1]]
    if get_origin(annotation) in (Union, UnionType):
        return [text for one in get_args(annotation) for text in _describe_alternatives(one, [])]
    if get_origin(annotation) is Literal:
        return list(map(str, get_args(annotation)))
    return ["true", "false"] if annotation is bool else [f"{_KINDS[annotation]}{_describe_bounds(metadata)}"]


def _describe_bounds(metadata: list[Any]) -> str:
    """As ` above 0 and at most 1` or ` of at least 1`; empty without bounds."""
    flat = [one for each in metadata for one in (each.metadata if isinstance(each, FieldInfo) else [each])]
    parts = [f"{text} {getattr(one, name):,}" for one in flat for name, text in _BOUNDS.items() if hasattr(one, name)]
    text = " and ".join(parts)
    return f" of {text}" if text.startswith("at") else f" {text}" if text else ""
