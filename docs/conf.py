"""Sphinx configuration; upsweep must be installed."""

import doctest
import re

import upsweep
from sphinx.util import logging

project = "upsweep"
author = "the upsweep developers"
copyright = f"2026, {author}"
release = version = upsweep.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.linkcode",
    "sphinx.ext.napoleon",
]
html_theme = "furo"
html_title = f"upsweep {version}"
html_static_path = ["_static"]
html_show_sphinx = False

napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "returns_style")]
doctest_default_flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
doctest_global_setup = "import numpy as np\nimport upsweep"

# Every name in the text must be a link, except those of the languages.
nitpicky = True
nitpick_ignore_regex = [
    (r"py:class", r"(collections\.abc\.\w+|(types\.)?EllipsisType|Sequence)"),
    (r"py:(class|exc)", r"(dask|jax|mlx|numpy|torch)\..*"),
    (r"cpp:identifier", r"u?int\d+_t|size_t"),
]

# The section of reference/source.rst that a source link leads to.
SOURCES = {
    "scans": "cumprod cumsum cummax cummin logcumsumexp scan carry Carry "
    "cumprod_frexp cumulative_prod cumulative_sum",
    "views": "__getitem__ reshape flatten transpose T swapaxes moveaxis squeeze "
    "expand_dims broadcast_to astype",
    "constructors": "zeros ones full arange",
    "comparison": "__eq__ __ne__ array_equal allclose",
    "devices-and-streams": "DeviceType Device Stream StreamContext default_device "
    "set_default_device default_stream set_default_stream new_stream stream "
    "synchronize is_available device_count device_info",
    "memory": "get_active_memory get_peak_memory reset_peak_memory "
    "get_cache_memory clear_cache set_memory_limit get_memory_limit "
    "set_cache_limit",
    "dtypes": "Dtype",
    "arrays": "array shape strides offset dtype device size ndim nbytes itemsize eval "
    "async_eval",
    "text": "set_printoptions __format__",
    "conversion": "asarray from_dlpack item tolist __array__ __dlpack__ "
    "__dlpack_device__",
}
SECTION_OF = {name: s for s, names in SOURCES.items() for name in names.split()}


def linkcode_resolve(domain, info):
    """Where the source of a Python object is, relative to the reference."""
    if domain != "py":
        return None
    # Device and Stream have a place as classes; their members do not.
    owner, _, name = info["fullname"].rpartition(".")
    section = SECTION_OF.get(name if owner in ("", "array") else owner)
    return f"source.html#{section}" if section else None


def escape_dtype(app, what, name, obj, options, lines):
    """Docstrings are plain text; reStructuredText would read bool_ as a link."""
    lines[:] = [re.sub(r"(?<!`)\bbool_(?![`\w])", "``bool_``", s) for s in lines]


def drop_self(app, what, name, obj, options, signature, returns):
    """The binding's own signatures name self; methods are called without it."""
    return signature and re.sub(r"^\(self(, )?", "(", signature), returns


def check_names(app, env):
    """Every public name must be in the reference."""
    for name in sorted(set(upsweep.__all__) - {"__version__"}):
        if f"upsweep.{name}" not in env.get_domain("py").objects:
            logging.getLogger(__name__).warning("undocumented: upsweep.%s", name)


def setup(app):
    app.connect("autodoc-process-docstring", escape_dtype)
    app.connect("autodoc-process-signature", drop_self)
    app.connect("env-check-consistency", check_names)
