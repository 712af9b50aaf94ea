"""How Sphinx builds the documentation: MyST pages, the Furo theme, warnings are errors (`make docs`)."""

project = "Gridwright"
author = "The Gridwright contributors"
copyright = "The Gridwright contributors, Apache-2.0"

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "Gridwright"
html_copy_source = False
html_show_sphinx = False
