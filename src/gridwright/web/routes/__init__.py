"""The addresses of the console, one module a page; each hands nouns to a view and the view to a template."""
