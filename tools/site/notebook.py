"""Notebooks in Jupytext's Markdown: run when the site is built, shown with their outputs."""

import os
import tempfile

import jupytext
from nbclient import NotebookClient
from nbformat import NotebookNode
from traitlets.config import Config


def is_notebook(text: str) -> bool:
    """Return whether a document is a notebook: its front matter says so."""
    return text.startswith("---\n") and "\njupyter:" in text.partition("\n---\n")[0]


def run(text: str) -> str:
    """Run a notebook and return it as Markdown with its outputs; an error in a cell is raised."""
    notebook = jupytext.reads(text, fmt="md")
    with tempfile.TemporaryDirectory() as folder:
        # Sockets in a folder of our own: over TCP a kernel warns that others can listen.
        sockets = Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/kernel"}})
        client = NotebookClient(notebook, timeout=300, kernel_name="python3", config=sockets)
        client.execute(env=os.environ | {"OMP_NUM_THREADS": "1"})  # as the workflow's own steps
    return "\n\n".join(map(_cell, notebook.cells)) + "\n"


def _cell(cell: NotebookNode) -> str:
    if cell.cell_type != "code":
        return cell.source
    return "\n\n".join(
        [f"```python\n{cell.source}\n```", *filter(None, map(_output, cell.outputs))]
    )


def _output(output: NotebookNode) -> str:
    """Write an output as Markdown; warnings on stderr are left to the terminal."""
    if output.output_type == "stream":
        return f"```text\n{output.text}```" if output.name == "stdout" else ""
    if "image/png" in output.data:
        image = "".join(output.data["image/png"].split())
        return f"![What the code draws](data:image/png;base64,{image})"
    return f"```text\n{output.data['text/plain']}\n```"
