"""The documented exceptions. A person's wrong argument is a plain ValueError, raised in `checks`.

Every message is one sentence: expected ..., got ..., and what to do.
"""


class AssetError(RuntimeError):
    """A weights or data file is missing or not the published one."""


class DataError(ValueError):
    """Data that was read does not have the form that its task or file format needs."""


class ModelError(RuntimeError):
    """A model does not answer as its contract says."""


class MissingExtra(ImportError):
    """A package that belongs to an optional part of trustlib is not installed."""


def missing_extra(package: str, extra: str) -> MissingExtra:
    """The error to raise when an optional package cannot be imported.

    Args:
        package: the import that failed, such as "torch".
        extra: the optional part of trustlib that installs it, such as "models".

    >>> print(missing_extra("torch", "models"))
    expected the package torch to be installed, got none; run: pip install 'trustlib[models]'
    """
    return MissingExtra(
        f"expected the package {package} to be installed, got none; run: pip install 'trustlib[{extra}]'",
        name=package,
    )
