import pytest

from trustlib import errors


def test_a_missing_extra_is_an_import_error_that_names_the_command():
    error = errors.missing_extra("torch", "models")
    assert isinstance(error, errors.MissingExtra)
    assert isinstance(error, ImportError)
    assert error.name == "torch"
    assert "pip install 'trustlib[models]'" in str(error)


@pytest.mark.parametrize(
    ("kind", "parent"),
    [(errors.AssetError, RuntimeError), (errors.ModelError, RuntimeError), (errors.DataError, ValueError)],
)
def test_errors_can_be_caught_as_the_built_in_kind(kind, parent):
    with pytest.raises(parent, match="expected"):
        raise kind("expected one thing, got another; do this")
