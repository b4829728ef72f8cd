"""MkDocs hooks: the site's source is the checkout, with what is made of the project filled in.

Documents keep their places and link to each other by paths in the repository, so that a page that
hosts the code shows them as well. A line ``<!-- site: NAME -->`` is replaced by what one of `PARTS`
makes, and diagrams in Mermaid become SVG.
"""

import re
from pathlib import Path

import columns
import commands
import gallery
import ledger
import mermaidx
import notebook
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"""(?:\]\(|src=")(?!https?:|mailto:|data:|#)([^)#\s"]+)""")
MARK = re.compile(r"^<!-- site: (\w+) -->$", re.M)
PARTS = {
    "columns": columns.columns,
    "commands": commands.scripts,
    "make_targets": commands.make_targets,
    "gallery": gallery.gallery,
    "targets": gallery.targets,
    "ledger": ledger.ledger,
}


def on_config(config: MkDocsConfig) -> None:
    """Have diagrams drawn when the site is built."""
    fences = [{"name": "mermaid", "class": "mermaid", "format": draw}]
    config.mdx_configs.setdefault("pymdownx.superfences", {})["custom_fences"] = fences


def draw(source, language, css_class, options, md, **rest) -> str:
    """Draw a diagram as SVG, each with names of its own."""
    name = f"diagram-{abs(hash(source)):x}"
    svg = mermaidx.render(source).svg().replace("my-svg", name)
    return f'<div class="diagram">{svg}</div>'


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take pages and what they link to from the checkout, beside the files of the theme."""
    own = [file for file in files if file.src_dir == config.docs_dir]
    pages = {f"docs/{file.src_uri}" for file in own if file.is_documentation_page()}
    pages |= set(_paths(config.nav))
    linked = {f"docs/{file.src_uri}" for file in own} - pages
    found = [file for file in files if file.src_dir != config.docs_dir]
    for page in sorted(pages):
        text = fill(page)
        linked |= set(_linked(page, text)) - pages
        found.append(File.generated(config, page, content=text))
    place = {"dest_dir": config.site_dir, "use_directory_urls": config.use_directory_urls}
    for path in sorted(linked):
        found.append(File(path, str(ROOT), **place, inclusion=InclusionLevel.NOT_IN_NAV))
    return Files(found)


def fill(page: str) -> str:
    """Return a document's text with its marks replaced, run if it is a notebook."""
    text = (ROOT / page).read_text(encoding="utf-8")
    if notebook.is_notebook(text):
        return notebook.run(text)
    return MARK.sub(lambda mark: PARTS[mark[1]](ROOT, page), text)


def _paths(nav: list) -> list[str]:
    """Return the documents that a navigation names."""
    entries = [value for entry in nav for value in entry.values()]
    return [p for entry in entries for p in ([entry] if isinstance(entry, str) else _paths(entry))]


def _linked(page: str, text: str) -> list[str]:
    """Return the files of the checkout that a document links to."""
    targets = [((ROOT / page).parent / link).resolve() for link in LINK.findall(text)]
    return [path.relative_to(ROOT).as_posix() for path in targets if path.is_file()]
