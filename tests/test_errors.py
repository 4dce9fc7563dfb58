"""The one line that is meant for the user is found, however deep a library has wrapped it."""

from itertools import pairwise

import pytest

from livecell_monai.errors import BundleError, DataError, LiveCellError, SettingError, find_user_error


def chain(*errors: BaseException) -> BaseException:
    """The first of the errors, each raised from the next."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


@pytest.mark.parametrize("kind", [LiveCellError, DataError, SettingError, BundleError])
@pytest.mark.parametrize("wrappers", [(), (RuntimeError("applying transform"),), (RuntimeError("a"), ValueError("b"))])
def test_is_found_through_every_chain(kind: type[LiveCellError], wrappers: tuple[BaseException, ...]) -> None:
    own = kind("label.tif: mend it")
    assert find_user_error(chain(*wrappers, own)) is own


def test_the_outermost_of_two_is_the_one() -> None:
    outer, inner = SettingError("tracking_uri: start it"), DataError("a.tif: mend it")
    assert find_user_error(chain(outer, OSError("refused"), inner)) is outer


def test_a_fault_of_ours_is_none() -> None:
    assert find_user_error(chain(RuntimeError("a"), KeyError("b"))) is None


def test_an_error_that_only_happened_before_is_none() -> None:
    """Context is no cause: a fault while handling a user's error is still a fault."""
    fault = ZeroDivisionError("ours")
    fault.__context__ = DataError("a.tif: mend it")
    assert find_user_error(fault) is None


def test_the_tree_is_the_one_drawn() -> None:
    assert {kind.__name__ for kind in LiveCellError.__subclasses__()} == {"DataError", "SettingError", "BundleError"}
