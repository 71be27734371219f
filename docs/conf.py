"""Sphinx configuration: ./dev docs."""

project = "mqttwin"
author = "mqttwin contributors"
extensions = ["myst_nb"]
nb_execution_mode = "off"  # the tests execute the pages
source_suffix = {".md": "myst-nb"}
exclude_patterns = ["_build"]
html_theme = "pydata_sphinx_theme"
html_title = "mqttwin"
