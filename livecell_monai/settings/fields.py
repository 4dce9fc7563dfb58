"""What a setting may be: types with their bounds, and the rule of each in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.fields import FieldInfo

from livecell_monai.plugins import load_plugins

MARKS = ("$", "@", "%")  #: MONAI reads a text that begins with one as expression, reference or macro
LONGEST_EDGE = 2**15  # pixels


class Group(BaseModel):
    """Settings that belong together: strict types, so that a bool is no number and a text is no list."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)
    title: ClassVar[str]


@dataclass(frozen=True)
class Rule:
    """The words for a type whose bounds do not say it themselves."""

    words: str


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
    """Declare a setting: a field of a `Group`.

    Args:
        default: its value in the template.
        description: one line of plain English.
        unit: of the value.
        recorded: part of the record of a training and of the bundle that it leaves; such a setting must match when that
            training is resumed.
        changes_mask: the result of a prediction depends on it; such a setting must match when that prediction is resumed.
        local: says where and how loudly something runs on this machine, not what it computes.
        bounds: `gt`, `ge`, `lt`, `le`, `min_length`, `max_length`, `pattern`, as pydantic takes them.
    """
    flags: dict[str, Any] = {"unit": unit, "recorded": recorded, "changes_mask": changes_mask, "local": local}
    return Field(default, description=description, json_schema_extra=flags, **bounds)


def is_plain(value: Any) -> bool:
    """Whether MONAI takes a value as it is: it evaluates texts that begin with $, @ or %."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    if isinstance(value, Mapping):
        return all(is_plain(key) and is_plain(below) for key, below in value.items())
    return not (isinstance(value, str) and value.strip().startswith(MARKS))


def _check_plain(value: str) -> str:
    if not is_plain(value):
        raise ValueError("an expression")
    return value


def _check_no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a bool")  # which equals 1 or 0
    return value


def _check_rising(values: list[float]) -> list[float]:
    if values != sorted(values):
        raise ValueError("not rising")
    return values


def _check_distinct(values: list[float]) -> list[float]:
    if len(set(values)) < len(values):
        raise ValueError("equal values")
    return values


LOSSES = ("bce", "dice_bce", "focal")


def _check_loss(value: str) -> str:
    if value not in LOSSES and value not in load_plugins("losses"):
        raise ValueError("no loss")
    return value


PLAIN_TEXT = "a text that does not begin with $, @ or %"
Text = Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_check_plain), Rule(PLAIN_TEXT)]
Names = Annotated[list[Text], Field(min_length=1, max_length=64), Rule("a list of names")]
Loss = Annotated[str, AfterValidator(_check_loss), Rule("bce, dice_bce, focal or one of a plugin")]
Device = Annotated[
    str,
    Field(pattern=r"^(auto|cpu|cuda(:\d{1,3})?|mps)(-fp32)?$"),
    Rule("auto, cpu, cuda, cuda:N or mps, each with or without -fp32 at the end"),
]
Index = Annotated[int, Field(ge=0)]
Channel = Annotated[Index | Text | None, Rule("an index from 0, a name or null")]
Frames = Annotated[
    Index | Annotated[str, Field(pattern=r"^\s*(\d+|\d*\s*:\s*\d*)\s*$")] | None, Rule("an index from 0, first:stop or null")
]
Depth = Annotated[Index | Annotated[str, Field(pattern=r"^\s*\d+\s*$")] | None, Rule("an index from 0 or null")]
Positive = Annotated[float, Field(gt=0)]
StemStride = Annotated[Literal[1, 2, 4], BeforeValidator(_check_no_bool)]
Views = Annotated[Literal[1, 2, 4, 8], BeforeValidator(_check_no_bool)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Shape = Annotated[
    list[Annotated[int, Field(ge=1, le=LONGEST_EDGE)]],
    Field(min_length=2, max_length=2),
    Rule(f"[Y, X] in pixels, each from 1 to {LONGEST_EDGE:,}"),
]
Factor = Annotated[float, Field(gt=0, le=16)]
Filters = Annotated[
    list[Annotated[int, Field(ge=1, le=8192)]],
    Field(min_length=2, max_length=12),
    Rule("2 to 12 whole numbers from 1 to 8,192"),
]
FactorRange = Annotated[
    list[Annotated[float, Field(gt=0)]],
    Field(min_length=2, max_length=2),
    AfterValidator(_check_rising),
    Rule("two numbers above 0, the lower one first"),
]
Percentiles = Annotated[
    list[Annotated[float, Field(ge=0, le=100)]],
    Field(min_length=2, max_length=2),
    AfterValidator(_check_rising),
    AfterValidator(_check_distinct),
    Rule("two rising numbers from 0 to 100"),
]
Schedule = Annotated[
    list[Annotated[float, Field(ge=0, lt=1)]],
    Field(min_length=1, max_length=100),
    AfterValidator(_check_rising),
    Rule("a list of rising numbers, each at least 0 and below 1"),
]

_KINDS = {bool: "", int: "a whole number", float: "a number", str: "a text", NoneType: "null"}


def word_rule(field: FieldInfo) -> str:
    """The values that a field takes, in words that follow "must be"."""
    *first, last = _list_words(field.annotation, field.metadata)
    return f"{', '.join(first)} or {last}" if first else last


def _list_words(annotation: Any, metadata: list[Any]) -> list[str]:
    """The words of each alternative."""
    if get_origin(annotation) is Annotated:
        annotation, *own = get_args(annotation)
        metadata = [*own, *metadata]
    if words := [each.words for each in metadata if isinstance(each, Rule)]:
        return [words[-1]]
    if get_origin(annotation) in (Union, UnionType):
        return [words for one in get_args(annotation) for words in _list_words(one, [])]
    if get_origin(annotation) is Literal:
        return list(map(str, get_args(annotation)))
    kind = _KINDS[annotation]
    return [f"{kind}{_word_bounds(metadata)}"] if annotation is not bool else ["true", "false"]


def _word_bounds(metadata: list[Any]) -> str:
    """As ` above 0 and at most 1` or ` of at least 1`; nothing where there are no bounds."""
    flat = [one for each in metadata for one in (each.metadata if isinstance(each, FieldInfo) else [each])]
    parts = []
    for one in flat:
        if isinstance(one, annotated_types.Gt):
            parts.append(f"above {one.gt:,}")
        elif isinstance(one, annotated_types.Ge):
            parts.append(f"at least {one.ge:,}")
        elif isinstance(one, annotated_types.Lt):
            parts.append(f"below {one.lt:,}")
        elif isinstance(one, annotated_types.Le):
            parts.append(f"at most {one.le:,}")
    words = " and ".join(parts)
    return f" of {words}" if words.startswith("at") else f" {words}" if words else ""
